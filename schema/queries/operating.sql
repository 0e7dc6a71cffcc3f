-- What the operator's page shows. Each reads an index of what waits, runs or ended, never all tasks.

-- name: database_time
SELECT now()

-- name: waiting_by_mode
SELECT mode, count(*) AS tasks,
       extract(epoch FROM now() - min(queued_at))::double precision AS oldest_seconds
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere
 GROUP BY mode
 ORDER BY mode

-- name: running_tasks
SELECT count(*) FROM tasks WHERE status = 'processing' AND NOT elsewhere

-- name: running_by_mode
SELECT mode, count(*) AS tasks FROM tasks WHERE status = 'processing' AND NOT elsewhere GROUP BY mode

-- name: workers_now
SELECT count(*) AS processes, coalesce(sum(slots), 0)::bigint AS slots
  FROM workers
 WHERE seen_at > now() - interval '15 seconds'

-- name: running_now
SELECT task_id, mode, worker_id, progress, current_step, attempts, started_at,
       extract(epoch FROM now() - started_at)::double precision AS seconds
  FROM tasks
 WHERE status = 'processing' AND NOT elsewhere
 ORDER BY started_at
 LIMIT :limit

-- name: seen_workers
SELECT worker_id, slots, modes, started_at, trouble
  FROM workers
 WHERE seen_at > now() - interval '15 seconds'
 ORDER BY worker_id
 LIMIT :limit

-- name: ended_since
-- By half hour. A range with two ends is what has PostgreSQL plan for idx_tasks_ended, whatever :since is.
SELECT date_bin('30 minutes', coalesce(completed_at, failed_at, cancelled_at), '2000-01-01'::timestamptz) AS slot,
       mode, status, error ->> 'code' AS code, count(*) AS tasks
  FROM tasks
 WHERE coalesce(completed_at, failed_at, cancelled_at) >= :since
   AND coalesce(completed_at, failed_at, cancelled_at) < now() + interval '1 minute'
   AND status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 2, 3, 4

-- name: last_ended
SELECT task_id, mode, status, error ->> 'code' AS code,
       coalesce(completed_at, failed_at, cancelled_at) AS ended_at
  FROM tasks
 WHERE status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL
 ORDER BY coalesce(completed_at, failed_at, cancelled_at) DESC, tasks.task_id DESC
 LIMIT :limit
