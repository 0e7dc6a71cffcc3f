-- Jobs that engines run elsewhere (schema/tables/0040_remote_jobs.sql).

-- name: open_job
-- What an earlier attempt began for this task, and nobody saw the end of.
SELECT job_no, engine, place, job_id, started_at IS NOT NULL AS started,
       greatest(0, extract(epoch FROM clock_timestamp() - begun_at))::float8 AS age
  FROM remote_jobs
 WHERE task_id = :task_id AND over_at IS NULL AND NOT dropped

-- name: begin_job
-- Only for whoever holds the claim. Noted twice, since the answer was lost, it is one.
INSERT INTO remote_jobs AS noted (task_id, lease_token, engine, place, job_id, begun_at)
SELECT task_id, lease_token, :engine, :place, :job_id, clock_timestamp()
  FROM tasks
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
    ON CONFLICT (task_id) WHERE over_at IS NULL AND NOT dropped DO UPDATE
   SET begun_at = excluded.begun_at
 WHERE noted.lease_token = excluded.lease_token
RETURNING job_no

-- name: job_started
UPDATE remote_jobs
   SET job_id = :job_id, started_at = coalesce(started_at, clock_timestamp())
 WHERE job_no = :job_no

-- name: job_over
UPDATE remote_jobs
   SET over_at = clock_timestamp(), how = :how
 WHERE job_no = :job_no AND over_at IS NULL

-- name: drop_job
UPDATE remote_jobs SET dropped = true WHERE job_no = :job_no AND over_at IS NULL

-- name: jobs_for_nobody
-- What nobody follows: its task has ended otherwise, is gone, or was taken over by another engine. Asked for again, each time
-- a little later. One that was asked for last comes last.
SELECT job_no, remote_jobs.task_id, engine, place, job_id, remote_jobs.started_at IS NOT NULL AS started, asked,
       greatest(0, extract(epoch FROM clock_timestamp() - begun_at))::float8 AS age
  FROM remote_jobs
  LEFT JOIN tasks USING (task_id)
 WHERE over_at IS NULL
   AND (dropped OR tasks.task_id IS NULL OR tasks.status NOT IN ('pending', 'processing'))
   AND (asked_at IS NULL OR asked_at < clock_timestamp() - least(asked, 30) * interval '1 second')
   AND remote_jobs.task_id = :task_id -- if task_id
   AND engine = ANY (:engines::text[]) -- if engines
 ORDER BY asked_at NULLS FIRST, job_no
 LIMIT :limit

-- name: job_asked
UPDATE remote_jobs SET asked = asked + 1, asked_at = clock_timestamp() WHERE job_no = :job_no

-- name: note_on_task
-- In a task's timeline, with its latest status.
UPDATE task_events
   SET note = CASE WHEN note IS NULL THEN :note ELSE note || ' ' || :note END
 WHERE task_id = :task_id
   AND seq = (SELECT max(seq) FROM task_events WHERE task_id = :task_id)
   AND (note IS NULL OR position(:note IN note) = 0)

-- name: forget_jobs
DELETE FROM remote_jobs
 WHERE job_no IN (SELECT job_no FROM remote_jobs WHERE over_at < clock_timestamp() - interval '7 days' LIMIT :limit)

-- name: one_at_a_time
-- Whoever notes a job of an engine that has so many places counts and notes before the next one counts.
SELECT pg_advisory_xact_lock(hashtextextended('darkroom jobs of ' || :engine, 0))

-- name: other_jobs_running
-- What nobody saw start counts for as long as the attempt that noted it: if it runs all the same, the engine itself says
-- when it has no more places.
SELECT count(*)
  FROM remote_jobs
 WHERE over_at IS NULL
   AND engine = :engine
   AND task_id <> :task_id
   AND (job_id IS NOT NULL
        OR EXISTS (SELECT FROM tasks
                    WHERE tasks.task_id = remote_jobs.task_id
                      AND tasks.status = 'processing' AND tasks.lease_token = remote_jobs.lease_token))
