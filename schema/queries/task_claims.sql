-- What a worker does with a task between its start and its end. `:now` is null outside of tests: the database's clock
-- decides. What gives a claim back takes clock_timestamp(): its transaction may have begun before the claim whose row it
-- then waited for.

-- name: claim_tasks
-- The waiting tasks whose turn it is, one for each slot (schema/tables/0054_turns_that_stay.sql).
SELECT claimed_task_id AS task_id, claimed_token AS lease_token, claimed_by AS slot, claims_seen AS seen
  FROM claim_tasks_v7(:slots::text[], :modes::text[], :lease::interval, :now::timestamptz, :seen::jsonb)

-- name: claimed_tasks
-- A statement of its own: the one that claims sees the rows as they were before. With where their photos lie.
-- Each by its id (OFFSET 0), also before the first ANALYZE: not all that runs, nor all of a user's files. Nothing is
-- planned by how many these are (SELECT): it would be planned anew for each claim, which costs more than to carry it out.
SELECT {TaskRecord},
       (SELECT jsonb_object_agg(file_id, blob_key)
          FROM (SELECT file_id, user_id AS whose, blob_key
                  FROM files
                 WHERE file_id IN (source_image, reference_image)
                OFFSET 0) AS named
         WHERE whose = user_id) AS photos
  FROM unnest((SELECT :task_ids::text[]), (SELECT :lease_tokens::text[]::bigint[])) AS claimed (claimed_id, token)
 CROSS JOIN LATERAL (SELECT {TaskRecord} FROM tasks WHERE task_id = claimed_id OFFSET 0) AS held
 WHERE lease_token = token AND status = 'processing'

-- name: unanswered_claim
-- What a slot that has nothing claimed as far as its worker knows: the claim's answer was lost, with the connection.
UPDATE tasks
   SET lease_expires_at = coalesce(:now, clock_timestamp()) + :lease::interval
 WHERE task_id = (SELECT task_id
                    FROM tasks
                   WHERE status = 'processing' AND NOT elsewhere AND worker_id = :worker_id
                     AND lease_expires_at > coalesce(:now, clock_timestamp())
                   ORDER BY started_at DESC
                   LIMIT 1)
   AND status = 'processing' AND worker_id = :worker_id
RETURNING task_id, lease_token

-- name: update_progress
-- Progress never goes back within an attempt, and a claim that was lost writes nothing.
-- Doesn't wait for the disk: the next step tells it again.
WITH lax AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE tasks
   SET progress = greatest(progress, :progress),
       current_step = :current_step,
       updated_at = coalesce(:now, now())
  FROM lax
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING task_id

-- name: renew_lease
-- Doesn't wait for the disk: a lease that a crash of the database has undone gets one lease's time first (lost_leases).
WITH lax AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE tasks
   SET lease_expires_at = coalesce(:now, now()) + :lease::interval
  FROM lax
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING task_id

-- name: holds_claim
SELECT EXISTS (
    SELECT FROM tasks
     WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token)

-- name: requeue_task
-- Back to the line. Whoever was interrupted goes to its head; a transient failure waits for its time. Taken back from a
-- lost worker only if that hasn't renewed its lease since it was seen.
UPDATE tasks
   SET status = 'pending',
       progress = 0,
       current_step = NULL,
       attempts = attempts - :attempts_returned,
       line = CASE WHEN :to_the_head::boolean THEN 0 ELSE line END,
       not_before = CASE WHEN :delay::interval > interval '0' THEN coalesce(:now, clock_timestamp()) + :delay END,
       dispatched_at = NULL,
       message_no = message_no + 1,
       lease_expires_at = NULL,
       worker_id = NULL,
       started_at = NULL,
       requeued_for = :reason,
       updated_at = coalesce(:now, clock_timestamp())
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
   AND lease_expires_at = :unrenewed_since -- if unrenewed_since
RETURNING {TaskRecord}

-- name: lost_leases
-- In pages. After a restart of the database nobody could renew for a while: then the holders get one lease's time first.
-- One that lies ahead was before the clock was set back, as it is by NTP after a boot.
-- Nothing is locked: whoever takes one back looks whether the token is still the row's, and the lease not renewed.
SELECT task_id, lease_token, attempts, lease_expires_at
  FROM tasks
 WHERE status = 'processing' AND NOT elsewhere AND lease_expires_at < coalesce(:now, now())
   AND (lease_expires_at, task_id) > (coalesce(:after_expires_at::timestamptz, '-infinity'), coalesce(:after_task_id::text, ''))
   AND pg_postmaster_start_time() NOT BETWEEN coalesce(:now, now()) - :lease::interval AND coalesce(:now, now())
 ORDER BY lease_expires_at, task_id
 LIMIT :limit
