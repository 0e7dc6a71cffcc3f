-- One statement claims for all free slots of a process, in the order in which as many single claims would have; and claims
-- stay quick while somebody's snapshot keeps what claims leave behind from being cleared away. Runs before the deploy:
-- processes of the version before claim beside it.

-- In the order in which claims lock them.
LOCK TABLE tasks, claim_turns IN SHARE ROW EXCLUSIVE MODE;

-- Where a claim begins to look, since nobody runs anything that began earlier. To renew a lease touches no index.
DROP INDEX idx_tasks_running;
CREATE INDEX idx_tasks_running ON tasks (coalesce(started_at, '-infinity'), user_id)
    WHERE status = 'processing' AND NOT elsewhere;

-- The transaction in which a user last began to wait for something, or something else.
ALTER TABLE claim_turns ADD COLUMN came xid8;

CREATE FUNCTION note_coming_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.came := pg_current_xact_id();
    RETURN NEW;
END
$$;

CREATE TRIGGER claim_turns_come BEFORE INSERT ON claim_turns FOR EACH ROW EXECUTE FUNCTION note_coming_v1();
CREATE TRIGGER claim_turns_come_again BEFORE UPDATE OF waiting, modes, asleep_until ON claim_turns FOR EACH ROW
    WHEN ((OLD.waiting, OLD.modes, OLD.asleep_until) IS DISTINCT FROM (NEW.waiting, NEW.modes, NEW.asleep_until))
    EXECUTE FUNCTION note_coming_v1();

CREATE INDEX idx_claim_turns_came ON claim_turns (came) WHERE waiting;
CREATE INDEX idx_claim_turns_asleep ON claim_turns (asleep_until) WHERE waiting AND asleep_until IS NOT NULL;

-- The waiting tasks whose turn it is, one for each of these slots, now processing: as in claim_next_task_v5 (0035), again
-- and again behind one lock and in one transaction.
--
-- A claim leaves dead entries at the head of the order of turns, and of what runs. So who claims is told what it has seen
-- (`claims_seen`), and says so the next time (`seen`); of use are only answers to the same `able`, and those that were
-- committed. It says that of the users who wait for any of `able` none has a turn up to (`upto_at`, `upto_user`), and
-- nothing runs that began before `running_since`. But for those who
--   - came in a transaction that wasn't over by then: from `came_since` on,
--   - were asleep,
--   - had something running: `aside`.
-- These are looked for where they are few, each by its own index (OFFSET 0): not along the order of turns.
-- What came from another server by a dump has numbers that this one hasn't reached yet, or reaches some day, for a moment.
CREATE FUNCTION claim_tasks_v6(for_slots text[], able text[], for_time interval, at timestamptz, seen jsonb)
    RETURNS TABLE (claimed_task_id text, claimed_token bigint, claimed_by text, claims_seen jsonb)
    LANGUAGE plpgsql VOLATILE AS $$
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
        -- Nobody has a turn up to this one's, now that it is taken; or at all, since nobody was passed over.
        IF sure AND (next_id IS NULL OR NOT turn.was_behind) THEN
            upto_at := CASE WHEN next_id IS NULL THEN moment ELSE turn.last_claimed_at END;
            upto_user := CASE WHEN next_id IS NULL THEN '' ELSE turn.user_id END;
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
        END IF;
        EXIT WHEN next_id IS NULL;
        IF turn.user_id = ANY (busy) THEN
            running[array_position(busy, turn.user_id)] := running[array_position(busy, turn.user_id)] + 1;
        ELSE
            busy := busy || turn.user_id;
            running := running || 1;
        END IF;
        UPDATE claim_turns SET last_claimed_at = moment, asleep_until = NULL WHERE user_id = turn.user_id;
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
