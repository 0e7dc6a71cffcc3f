-- A claim passes over a user whose turn somebody holds locked, who begins to wait for a further mode: it waited for that
-- transaction's end, with everybody else's claims behind it. Users who wait for another mode cost it nothing, however many
-- they are. And a task may have a deadline, past which it isn't claimed any more. Runs before the deploy: processes of the
-- version before claim beside it, without the index of theirs, which costs them some milliseconds with 10,000 users.

-- In the order in which claims lock them.
LOCK TABLE tasks, claim_turns IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE tasks ADD COLUMN deadline_at timestamptz;

-- Whose deadlines are past: everybody's, for the chore, and one user's, for whoever reads.
CREATE INDEX idx_tasks_deadline ON tasks (deadline_at, task_id)
    WHERE deadline_at IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX idx_tasks_user_deadline ON tasks (user_id, deadline_at)
    WHERE deadline_at IS NOT NULL AND status IN ('pending', 'processing');

-- Who waits for the same, in the order of their turns; '{}': nobody has looked for what.
DROP INDEX idx_claim_turns_waiting;
CREATE INDEX idx_claim_turns_waiting ON claim_turns (coalesce(modes, '{}'), last_claimed_at, user_id) WHERE waiting;

-- As before (0023), of tasks whose deadline isn't past.
CREATE FUNCTION first_in_line_v3(of_user text, able text[], at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found_id text;
BEGIN
    SELECT task_id INTO found_id
      FROM tasks
     WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere
       AND mode = ANY (able)
       AND (not_before IS NULL OR not_before <= at)
       AND (deadline_at IS NULL OR deadline_at > at)
     ORDER BY line, queued_at, task_id
     LIMIT 1
       FOR UPDATE SKIP LOCKED;
    IF found_id IS NOT NULL THEN
        RETURN found_id;
    END IF;
    PERFORM FROM claim_turns WHERE user_id = of_user FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE claim_turns
           SET waiting = seen.modes IS NOT NULL,
               modes = seen.modes,
               asleep_until = nullif(seen.due_at, '-infinity')
          FROM (SELECT array_agg(DISTINCT mode) AS modes,
                       min(CASE WHEN not_before > at THEN not_before ELSE '-infinity' END) AS due_at
                  FROM tasks
                 WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere) AS seen
         WHERE claim_turns.user_id = of_user
           AND (waiting, claim_turns.modes, asleep_until)
               IS DISTINCT FROM (seen.modes IS NOT NULL, seen.modes, nullif(seen.due_at, '-infinity'));
    END IF;
    RETURN NULL;
END
$$;

-- As before (0023). Whoever's turn is next is locked first and passed over if that can't be had at once: behind the lock
-- of all claims nothing is waited for. Turns are walked in their order, along those who wait for the same as each other,
-- of which there are few kinds.
CREATE FUNCTION claim_next_task_v5(for_worker text, able text[], for_time interval, at timestamptz)
    RETURNS TABLE (claimed_task_id text, claimed_token bigint)
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment timestamptz;
    busy text[];
    kinds text[];
    turn record;
    last_turn timestamptz := '-infinity';
    last_user text := '';
    next_id text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('darkroom claims', 0));
    moment := coalesce(at, clock_timestamp());
    busy := ARRAY(SELECT DISTINCT user_id
                    FROM tasks
                   WHERE status = 'processing' AND NOT elsewhere AND user_id IS NOT NULL);
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
    LOOP
        SELECT nearest.user_id, nearest.last_claimed_at INTO turn
          FROM unnest(kinds) AS kind
         CROSS JOIN LATERAL (
            SELECT user_id, last_claimed_at
              FROM claim_turns
             WHERE waiting AND coalesce(modes, '{}') = kind::text[]
               AND (last_claimed_at, user_id) > (last_turn, last_user) AND user_id <> ALL (busy)
               AND (asleep_until IS NULL OR asleep_until <= moment)
             ORDER BY last_claimed_at, user_id
             LIMIT 1) AS nearest
         ORDER BY nearest.last_claimed_at, nearest.user_id
         LIMIT 1;
        EXIT WHEN NOT FOUND;
        PERFORM FROM claim_turns WHERE user_id = turn.user_id FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            next_id := first_in_line_v3(turn.user_id, able, moment);
            EXIT WHEN next_id IS NOT NULL;
        END IF;
        last_turn := turn.last_claimed_at;
        last_user := turn.user_id;
    END LOOP;
    IF next_id IS NULL THEN
        FOR turn IN
            SELECT claim_turns.user_id
              FROM (SELECT user_id, count(*) AS tasks
                      FROM tasks
                     WHERE status = 'processing' AND NOT elsewhere
                     GROUP BY user_id) AS running
              JOIN claim_turns USING (user_id)
             WHERE waiting
               AND (modes IS NULL OR modes && able)
               AND (asleep_until IS NULL OR asleep_until <= moment)
             ORDER BY running.tasks, last_claimed_at, user_id
        LOOP
            PERFORM FROM claim_turns WHERE user_id = turn.user_id FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN
                next_id := first_in_line_v3(turn.user_id, able, moment);
                EXIT WHEN next_id IS NOT NULL;
            END IF;
        END LOOP;
    END IF;
    IF next_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE claim_turns SET last_claimed_at = moment WHERE user_id = turn.user_id;
    RETURN QUERY
    UPDATE tasks
       SET status = 'processing',
           progress = 0,
           current_step = NULL,
           attempts = attempts + 1,
           lease_token = lease_token + 1,
           lease_expires_at = moment + for_time,
           worker_id = for_worker,
           not_before = NULL,
           started_at = moment,
           updated_at = moment
     WHERE task_id = next_id
    RETURNING task_id, lease_token;
END
$$;
