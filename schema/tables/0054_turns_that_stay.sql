-- A claim for whoever was served last of all leaves the order of turns as it is, and writes nothing there: of a turn that is
-- written at each claim, somebody's snapshot keeps each version, and the key's index looks at them all when it takes the
-- next. Runs before the deploy: processes of the version before claim beside it.

-- In the order in which claims lock them.
LOCK TABLE tasks, claim_turns IN SHARE ROW EXCLUSIVE MODE;

-- Who was served last of all, whether they wait or not.
CREATE INDEX idx_claim_turns_last ON claim_turns (last_claimed_at, user_id);

-- Whether a user comes after everybody else as it is; never of somebody who was never served, or who was put to sleep.
CREATE FUNCTION is_last_in_turn_v1(of_user text) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT user_id = of_user AND last_claimed_at > '-infinity' AND asleep_until IS NULL
              FROM claim_turns
             ORDER BY last_claimed_at DESC, user_id DESC
             LIMIT 1);
END
$$;

-- As before (0045), but for that.
CREATE FUNCTION claim_tasks_v7(for_slots text[], able text[], for_time interval, at timestamptz, seen jsonb)
    RETURNS TABLE (claimed_task_id text, claimed_token bigint, claimed_by text, claims_seen jsonb)
    LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    moment timestamptz;
    slot text;
    now_running xid8;
    not_yet xid8;
    came_since xid8 := (seen ->> 'came_since')::xid8;
    upto_at timestamptz := coalesce((seen ->> 'upto_at')::timestamptz, '-infinity');
    upto_user text := coalesce(seen ->> 'upto_user', '');
    aside text[] := coalesce((seen ->> 'aside')::text[], '{}');
    running_since timestamptz := coalesce((seen ->> 'running_since')::timestamptz, '-infinity');
    kinds text[] := coalesce((seen ->> 'kinds')::text[], '{}');
    busy text[];
    running integer[];
    free_again text[];
    turn record;
    last_turn timestamptz := '-infinity';
    last_user text := '';
    from_turn timestamptz := upto_at;
    from_user text := upto_user;
    sure boolean := true;
    stays boolean;
    next_id text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('darkroom claims', 0));
    moment := coalesce(at, clock_timestamp());
    now_running := pg_snapshot_xmin(pg_current_snapshot());
    not_yet := pg_snapshot_xmax(pg_current_snapshot());
    SELECT coalesce(array_agg(user_id), '{}'), coalesce(array_agg(tasks), '{}'), coalesce(min(first_began), moment)
      INTO busy, running, running_since
      FROM (SELECT user_id, count(*)::integer AS tasks, min(coalesce(started_at, '-infinity')) AS first_began
              FROM tasks
             WHERE status = 'processing' AND NOT elsewhere AND coalesce(started_at, '-infinity') >= running_since
               AND user_id IS NOT NULL
             GROUP BY user_id) AS by_user;
    free_again := ARRAY(SELECT unnest(aside) EXCEPT SELECT unnest(busy));
    IF seen IS NULL THEN
        kinds := ARRAY(
            WITH RECURSIVE kind AS (
                (SELECT coalesce(modes, '{}') AS modes FROM claim_turns WHERE waiting ORDER BY coalesce(modes, '{}') LIMIT 1)
                UNION ALL
                SELECT (SELECT coalesce(next.modes, '{}')
                          FROM claim_turns AS next
                         WHERE waiting AND coalesce(next.modes, '{}') > kind.modes
                         ORDER BY coalesce(next.modes, '{}')
                         LIMIT 1)
                  FROM kind
                 WHERE kind.modes IS NOT NULL
            )
            SELECT modes::text FROM kind WHERE modes = '{}' OR modes && able);
    ELSE
        kinds := ARRAY(
            SELECT unnest(kinds)
            UNION
            SELECT coalesce(modes, '{}')::text
              FROM claim_turns
             WHERE waiting AND came >= came_since AND came < not_yet AND (modes IS NULL OR modes && able));
    END IF;

    FOREACH slot IN ARRAY for_slots LOOP
        next_id := NULL;
        moment := coalesce(at, clock_timestamp());
        LOOP
            SELECT found.user_id, found.last_claimed_at, found.was_behind INTO turn
              FROM ((SELECT nearest.user_id, nearest.last_claimed_at, false AS was_behind
                       FROM unnest(kinds) AS kind
                      CROSS JOIN LATERAL (
                         SELECT user_id, last_claimed_at
                           FROM claim_turns
                          WHERE waiting AND coalesce(modes, '{}') = kind::text[]
                            AND (last_claimed_at, user_id) > (from_turn, from_user) AND user_id <> ALL (busy)
                            AND (asleep_until IS NULL OR asleep_until <= moment)
                          ORDER BY last_claimed_at, user_id
                          LIMIT 1) AS nearest)
                    UNION ALL
                    SELECT behind.user_id, behind.last_claimed_at, true
                      FROM ((SELECT user_id, last_claimed_at, modes, asleep_until
                               FROM claim_turns
                              WHERE waiting AND came >= came_since AND came < not_yet
                             OFFSET 0)
                            UNION ALL
                            (SELECT user_id, last_claimed_at, modes, asleep_until
                               FROM claim_turns
                              WHERE waiting AND asleep_until <= moment
                             OFFSET 0)
                            UNION ALL
                            SELECT free.user_id, free.last_claimed_at, free.modes, free.asleep_until
                              FROM unnest(free_again) AS once (busy_user)
                             CROSS JOIN LATERAL (
                                SELECT user_id, last_claimed_at, modes, asleep_until, waiting
                                  FROM claim_turns
                                 WHERE user_id = busy_user
                                OFFSET 0) AS free
                             WHERE free.waiting) AS behind
                     WHERE (last_claimed_at, user_id) <= (upto_at, upto_user)
                       AND (last_claimed_at, user_id) > (last_turn, last_user) AND user_id <> ALL (busy)
                       AND (modes IS NULL OR modes && able)
                       AND (asleep_until IS NULL OR asleep_until <= moment)) AS found
             ORDER BY last_claimed_at, user_id
             LIMIT 1;
            EXIT WHEN NOT FOUND;
            last_turn := turn.last_claimed_at;
            last_user := turn.user_id;
            IF NOT turn.was_behind THEN
                from_turn := last_turn;
                from_user := last_user;
            END IF;
            PERFORM FROM claim_turns WHERE user_id = turn.user_id FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN
                next_id := first_in_line_v3(turn.user_id, able, moment);
                EXIT WHEN next_id IS NOT NULL;
                -- Whoever was struck off or put to sleep by that has come in this very transaction, if they still wait.
                PERFORM FROM claim_turns
                  WHERE user_id = turn.user_id AND waiting AND came IS DISTINCT FROM pg_current_xact_id();
                sure := sure AND NOT FOUND;
            ELSE
                sure := false;
            END IF;
        END LOOP;
        stays := next_id IS NOT NULL AND is_last_in_turn_v1(turn.user_id);
        -- Nobody has a turn up to this one's, now that it is taken; or before it, where it stays; or at all, since nobody was
        -- passed over.
        IF sure AND (next_id IS NULL OR NOT turn.was_behind) THEN
            upto_at := CASE WHEN next_id IS NULL THEN moment ELSE turn.last_claimed_at END;
            upto_user := CASE WHEN next_id IS NULL OR stays THEN '' ELSE turn.user_id END;
            came_since := now_running;
            aside := busy;
        END IF;
        IF next_id IS NULL THEN
            FOR turn IN
                SELECT claim_turns.user_id
                  FROM unnest(busy, running) AS by_user (user_id, tasks)
                  JOIN claim_turns USING (user_id)
                 WHERE waiting
                   AND (modes IS NULL OR modes && able)
                   AND (asleep_until IS NULL OR asleep_until <= moment)
                 ORDER BY by_user.tasks, last_claimed_at, user_id
            LOOP
                PERFORM FROM claim_turns WHERE user_id = turn.user_id FOR NO KEY UPDATE SKIP LOCKED;
                IF FOUND THEN
                    next_id := first_in_line_v3(turn.user_id, able, moment);
                    EXIT WHEN next_id IS NOT NULL;
                END IF;
            END LOOP;
            stays := next_id IS NOT NULL AND is_last_in_turn_v1(turn.user_id);
        END IF;
        EXIT WHEN next_id IS NULL;
        IF turn.user_id = ANY (busy) THEN
            running[array_position(busy, turn.user_id)] := running[array_position(busy, turn.user_id)] + 1;
        ELSE
            busy := busy || turn.user_id;
            running := running || 1;
        END IF;
        IF NOT stays THEN
            UPDATE claim_turns SET last_claimed_at = moment, asleep_until = NULL WHERE user_id = turn.user_id;
        END IF;
        UPDATE tasks
           SET status = 'processing',
               progress = 0,
               current_step = NULL,
               attempts = attempts + 1,
               lease_token = lease_token + 1,
               lease_expires_at = moment + for_time,
               worker_id = slot,
               not_before = NULL,
               started_at = moment,
               updated_at = moment
         WHERE task_id = next_id
        RETURNING task_id, lease_token INTO claimed_task_id, claimed_token;
        claimed_by := slot;
        claims_seen := jsonb_build_object(
            'upto_at', upto_at,
            'upto_user', upto_user,
            'came_since', came_since::text,
            'aside', aside::text,
            'kinds', kinds::text,
            'running_since', running_since);
        RETURN NEXT;
    END LOOP;
END
$$;
