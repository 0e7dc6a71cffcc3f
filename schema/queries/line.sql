-- Who waits for what, who has what running, and how long that takes: what a place in line is estimated from.

-- name: own_line
-- What of a user's waits, in the order in which it is taken.
SELECT task_id
  FROM tasks
 WHERE user_id = :user_id AND status = 'pending' AND NOT elsewhere AND mode = ANY (:modes::text[])
 ORDER BY line, queued_at, task_id
 LIMIT :limit

-- name: everybodys_lines
-- How many tasks of each kind each user has waiting, in the order of their turns.
SELECT user_id, mode, config ->> 'size' AS size, count(*) AS tasks
  FROM tasks LEFT JOIN claim_turns USING (user_id)
 WHERE status = 'pending' AND NOT elsewhere AND user_id IS NOT NULL AND mode = ANY (:modes::text[])
 GROUP BY last_claimed_at, user_id, mode, size
 ORDER BY last_claimed_at NULLS FIRST, user_id

-- name: running
-- And what runs, for how many seconds by now.
SELECT user_id, mode, config ->> 'size' AS size,
       extract(epoch FROM coalesce(:now, clock_timestamp()) - started_at)::double precision AS seconds
  FROM tasks
 WHERE status = 'processing' AND NOT elsewhere AND user_id IS NOT NULL

-- name: recent_medians
-- How long the last edits took, by kind.
SELECT mode, size, percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time) AS seconds
  FROM (SELECT status, mode, config ->> 'size' AS size, processing_time
          FROM tasks
         WHERE status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL
         ORDER BY coalesce(completed_at, failed_at, cancelled_at) DESC, task_id DESC
         LIMIT :limit) AS latest
 WHERE status = 'done' AND processing_time > 0
 GROUP BY mode, size
