-- A claim answers what it took, not the row's columns: those may come, go and change their type under running workers.
-- Runs before the deploy; claim_next_task stays for processes of the version before, and takes the same lock.

-- The waiting task whose turn it is, now processing: of the user with the fewest tasks running, among equals of the one
-- whose last claim is oldest, the first in that user's own line. One claim at a time: only then is the user with the
-- fewest tasks running the same for everybody. The statement after the lock sees what the claim before it did.
-- `waiting` hops from user to user along idx_tasks_waiting, so that a user with a thousand waiting tasks costs one step.
-- Users are put in order first and their tasks locked one by one in that order, until one is got: rows that somebody
-- holds locked are passed over.
CREATE FUNCTION claim_next_task_v2(for_worker text, able text[], for_time interval, at timestamptz)
    RETURNS TABLE (claimed_task_id text, claimed_token bigint)
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('darkroom claims', 0));
    moment := coalesce(at, clock_timestamp());
    RETURN QUERY
    WITH RECURSIVE waiting AS (
        (SELECT user_id FROM tasks WHERE status = 'pending' AND NOT elsewhere ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (SELECT user_id FROM tasks
                 WHERE status = 'pending' AND NOT elsewhere AND user_id > waiting.user_id
                 ORDER BY user_id LIMIT 1)
          FROM waiting
         WHERE waiting.user_id IS NOT NULL
    ), running AS (
        SELECT user_id, count(*) AS tasks FROM tasks WHERE status = 'processing' AND NOT elsewhere GROUP BY user_id
    ), candidates AS MATERIALIZED (
        SELECT waiting.user_id
          FROM waiting
          LEFT JOIN running USING (user_id)
          LEFT JOIN claim_turns USING (user_id)
         ORDER BY coalesce(running.tasks, 0), claim_turns.last_claimed_at NULLS FIRST, waiting.user_id
    ), next AS MATERIALIZED (
        SELECT first.task_id, candidates.user_id
          FROM candidates
         CROSS JOIN LATERAL (
            SELECT task_id
              FROM tasks
             WHERE user_id = candidates.user_id AND status = 'pending' AND NOT elsewhere
               AND mode = ANY (able)
               AND (not_before IS NULL OR not_before <= moment)
             ORDER BY line, queued_at, task_id
             LIMIT 1
               FOR UPDATE SKIP LOCKED) AS first
         LIMIT 1
    ), turn AS (
        INSERT INTO claim_turns (user_id, last_claimed_at)
        SELECT user_id, moment FROM next
        ON CONFLICT (user_id) DO UPDATE SET last_claimed_at = excluded.last_claimed_at
    )
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
      FROM next
     WHERE tasks.task_id = next.task_id
    RETURNING tasks.task_id, tasks.lease_token;
END
$$;
