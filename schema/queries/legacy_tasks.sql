-- What an import looks up and writes of tasks, and what a reader asks about one that wasn't imported. Batches come as
-- one text array per column, and are cast here.

-- name: known_tasks
-- In the order of `KnownTask`. Used: it was taken over, and then claimed or cancelled here. Gone: it was imported or
-- exported once, and deleted here.
SELECT task_id AS record_id,
       legacy_fingerprint AS fingerprint,
       false AS gone,
       taken_over_at IS NOT NULL AND (lease_token > 0 OR status <> 'pending') AS used,
       elsewhere AS open,
       user_id IS NOT NULL AS owned,
       status IN ('done', 'failed', 'cancelled') AS ended,
       CASE WHEN taken_over_at IS NULL
            THEN coalesce(completed_at, failed_at, cancelled_at, updated_at) END AS moment
  FROM tasks
 WHERE task_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, false, NULL
  FROM legacy_tombstones
 WHERE kind = 'task' AND record_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, false, NULL
  FROM legacy_exported
 WHERE kind = 'task' AND record_id = ANY (:record_ids::text[])
   AND NOT EXISTS (SELECT FROM tasks WHERE task_id = record_id)

-- name: losing_rows
-- Rows that came with the old system's tables and are about to be overwritten by other news of its Redis, whole.
SELECT task_id, to_jsonb(tasks)::text AS content
  FROM unnest(:task_ids::text[], :statuses::text[], :results::text[], :errors::text[])
    AS put (task_id, status, result, error)
  JOIN tasks USING (task_id)
 WHERE tasks.legacy_fingerprint = ''
   AND (tasks.status, tasks.result -> 'legacy', tasks.error)
       IS DISTINCT FROM (put.status, put.result::jsonb -> 'legacy', put.error::jsonb)

-- name: update_tasks
-- A result's pictures that were made files stay files, unless the old system has other pictures now. What was used here
-- meanwhile isn't touched, nor what was made here. New tasks are copied (service/legacy/store/tasks.py).
WITH owners AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = ANY (:user_id::text[]) ORDER BY user_id FOR KEY SHARE
), held AS MATERIALIZED (
    SELECT task_id
      FROM tasks CROSS JOIN (SELECT count(*) FROM owners) AS first
     WHERE task_id = ANY (:task_id::text[])
     ORDER BY task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET user_id = put.user_id,
       status = put.status,
       mode = put.mode,
       progress = put.progress::smallint,
       current_step = put.current_step,
       source_image = put.source_image,
       reference_image = put.reference_image,
       config = put.config::jsonb,
       result = CASE WHEN tasks.result -> 'legacy' = put.result::jsonb -> 'legacy'
                     THEN tasks.result || jsonb_build_object('metadata', put.result::jsonb -> 'metadata')
                     ELSE put.result::jsonb END,
       error = put.error::jsonb,
       credits_consumed = put.credits_consumed::integer,
       credits_refunded = put.credits_refunded::integer,
       created_at = put.created_at::timestamptz,
       updated_at = put.updated_at::timestamptz,
       queued_at = put.queued_at::timestamptz,
       started_at = put.started_at::timestamptz,
       completed_at = put.completed_at::timestamptz,
       failed_at = put.failed_at::timestamptz,
       cancelled_at = put.cancelled_at::timestamptz,
       elsewhere = put.elsewhere::boolean,
       taken_over_at = NULL,
       legacy_fingerprint = put.legacy_fingerprint::bytea,
       legacy_expires_at = put.legacy_expires_at::timestamptz
  FROM unnest(:task_id::text[], :user_id::text[], :status::text[], :mode::text[], :progress::text[],
              :current_step::text[], :source_image::text[], :reference_image::text[], :config::text[], :result::text[],
              :error::text[], :credits_consumed::text[], :credits_refunded::text[], :created_at::text[],
              :updated_at::text[], :queued_at::text[], :started_at::text[], :completed_at::text[], :failed_at::text[],
              :cancelled_at::text[], :elsewhere::text[], :legacy_fingerprint::text[], :legacy_expires_at::text[])
    AS put (task_id, user_id, status, mode, progress, current_step, source_image, reference_image, config, result, error,
            credits_consumed, credits_refunded, created_at, updated_at, queued_at, started_at, completed_at, failed_at,
            cancelled_at, elsewhere, legacy_fingerprint, legacy_expires_at)
  JOIN held USING (task_id)
 WHERE tasks.task_id = put.task_id
   AND tasks.legacy_fingerprint IS NOT NULL
   AND (tasks.taken_over_at IS NULL OR (tasks.lease_token = 0 AND tasks.status = 'pending'))

-- name: legacy_standing
-- Whether a task of the old system was deleted here, and in which zone its times are read.
SELECT EXISTS (SELECT FROM legacy_tombstones WHERE kind = 'task' AND record_id = :task_id)
       OR EXISTS (SELECT FROM legacy_exported
                   WHERE kind = 'task' AND record_id = :task_id
                     AND NOT EXISTS (SELECT FROM tasks WHERE task_id = record_id)) AS gone,
       coalesce((SELECT timezone FROM legacy_imports ORDER BY import_id DESC LIMIT 1), 'UTC') AS timezone

-- name: bury_task
INSERT INTO legacy_tombstones (kind, record_id) VALUES ('task', :task_id) ON CONFLICT DO NOTHING
