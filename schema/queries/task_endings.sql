-- Every end of a task, and its removal. `:now` is null outside of tests: the database's clock decides. What ends a claim
-- takes clock_timestamp(): its transaction may have begun before the claim whose row it then waited for.
-- What refers to the task's user locks that user's row first (`owner`), and the task's after it: the one order of all
-- locks (ARCHITECTURE.md).

-- name: complete_task
-- One outcome per claim: a token older than the row's changes nothing. The files' rows come with it, and their blobs are
-- no longer noted as to be removed: all of it in one statement, since each more would be a round trip of every task.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = (SELECT user_id FROM tasks WHERE task_id = :task_id) FOR KEY SHARE
), held AS MATERIALIZED (
    SELECT count(*) FROM owner
), done AS (
    UPDATE tasks
       SET status = 'done',
           progress = 100,
           current_step = NULL,
           result = :result,
           error = NULL,
           lease_expires_at = NULL,
           completed_at = coalesce(:now, clock_timestamp()),
           updated_at = coalesce(:now, clock_timestamp())
      FROM held
     WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
       AND (deadline_at IS NULL OR deadline_at > coalesce(:now, clock_timestamp()))
    RETURNING {TaskRecord}
), made AS (
    INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height)
    SELECT new.file_id, done.user_id, done.task_id, new.purpose, new.filename, new.blob_key, new.sha256,
           new.content_type, new.size, new.width, new.height
      FROM done
     CROSS JOIN jsonb_to_recordset(:made) AS new (
        file_id text, purpose text, filename text, blob_key text, sha256 text, content_type text,
        size bigint, width integer, height integer)
    RETURNING blob_key
), kept AS (
    DELETE FROM blob_removals WHERE blob_key = ANY (ARRAY(SELECT blob_key FROM made))
)
SELECT {TaskRecord} FROM done

-- name: complete_tasks
-- Several claims' outcomes, each as in complete_task. It waits for nobody: those of whom somebody holds a row are left out,
-- and are to be written by themselves. Batches are locked in one order: two of these would count them down in their own.
-- Each task is found by its id alone (IS NOT DISTINCT FROM): among what runs are the dead entries of all that ran.
WITH ended AS MATERIALIZED (
    SELECT ended_id, token, achieved, (SELECT user_id FROM tasks WHERE task_id = ended_id) AS owner_id
      FROM unnest(:task_ids::text[], :lease_tokens::text[]::bigint[], :results::text[]::jsonb[])
        AS one (ended_id, token, achieved)
), owners AS MATERIALIZED (
    SELECT user_id
      FROM users
     WHERE user_id = ANY (ARRAY(SELECT owner_id FROM ended))
     ORDER BY user_id
       FOR KEY SHARE SKIP LOCKED
), held AS MATERIALIZED (
    SELECT coalesce(array_agg(user_id), '{}') AS owner_ids FROM owners
), chosen AS MATERIALIZED (
    SELECT ended_id, achieved, batch_id AS of_batch
      FROM held CROSS JOIN ended JOIN tasks ON task_id = ended_id
     WHERE owner_id = ANY (owner_ids) AND (status, lease_token) IS NOT DISTINCT FROM ('processing', token)
       AND (deadline_at IS NULL OR deadline_at > coalesce(:now, clock_timestamp()))
     ORDER BY task_id
       FOR NO KEY UPDATE OF tasks SKIP LOCKED
), counted AS MATERIALIZED (
    SELECT batch_id AS counted_id
      FROM batches
     WHERE batch_id = ANY (ARRAY(SELECT of_batch FROM chosen))
     ORDER BY batch_id
       FOR NO KEY UPDATE SKIP LOCKED
), ready AS MATERIALIZED (
    SELECT ended_id, achieved FROM chosen WHERE of_batch IS NULL OR of_batch IN (SELECT counted_id FROM counted)
), done AS (
    UPDATE tasks
       SET status = 'done',
           progress = 100,
           current_step = NULL,
           result = achieved,
           error = NULL,
           lease_expires_at = NULL,
           completed_at = coalesce(:now, clock_timestamp()),
           updated_at = coalesce(:now, clock_timestamp())
      FROM ready
     WHERE task_id = ended_id
    RETURNING {TaskRecord}
), made AS (
    INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height)
    SELECT new.file_id, done.user_id, done.task_id, new.purpose, new.filename, new.blob_key, new.sha256,
           new.content_type, new.size, new.width, new.height
      FROM done
      JOIN jsonb_to_recordset(:made) AS new (
        file_id text, task_id text, lease_token bigint, purpose text, filename text, blob_key text, sha256 text, content_type text,
        size bigint, width integer, height integer) USING (task_id, lease_token)
     ORDER BY new.file_id
    RETURNING blob_key
), kept AS (
    DELETE FROM blob_removals WHERE blob_key = ANY (ARRAY(SELECT blob_key FROM made))
)
SELECT {TaskRecord} FROM done

-- name: fail_task
-- The refund is written in the same transaction (accounts.sql, refund_task). See requeue_task for whoever is lost.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = (SELECT user_id FROM tasks WHERE task_id = :task_id) FOR NO KEY UPDATE
), held AS MATERIALIZED (
    SELECT count(*) FROM owner
)
UPDATE tasks
   SET status = 'failed',
       current_step = NULL,
       error = :error,
       credits_refunded = credits_consumed,
       lease_expires_at = NULL,
       failed_at = coalesce(:now, clock_timestamp()),
       updated_at = coalesce(:now, clock_timestamp())
  FROM held
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
   AND lease_expires_at = :unrenewed_since -- if unrenewed_since
RETURNING {TaskRecord}

-- name: outcome_of
-- What became of a claim that is the last so far: whoever wrote it may not have heard the answer.
SELECT {TaskRecord}
  FROM tasks
 WHERE task_id = :task_id AND lease_token = :lease_token AND status <> 'processing'

-- name: cancel_tasks
-- Some of a user's, as long as they have one of these statuses. What the old system's workers have, they would finish all
-- the same.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = :user_id FOR NO KEY UPDATE
), held AS MATERIALIZED (
    SELECT count(*) FROM owner
), chosen (chosen_id) AS (
    SELECT task_id
      FROM held CROSS JOIN tasks
     WHERE task_id = ANY (:task_ids::text[]) AND user_id = :user_id AND status = ANY (:statuses::text[]) AND NOT elsewhere
       AND (deadline_at IS NULL OR deadline_at > coalesce(:now, clock_timestamp()))
     ORDER BY task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET status = 'cancelled',
       current_step = NULL,
       credits_refunded = credits_consumed,
       lease_expires_at = NULL,
       cancelled_at = coalesce(:now, clock_timestamp()),
       updated_at = coalesce(:now, clock_timestamp())
  FROM chosen
 WHERE task_id = chosen_id
RETURNING {TaskRecord}

-- name: overdue_tasks
-- Whose deadline is past: everybody's in pages, or one user's.
SELECT task_id, user_id, deadline_at
  FROM tasks
 WHERE deadline_at <= coalesce(:now, clock_timestamp()) AND status IN ('pending', 'processing')
   AND user_id = :user_id -- if user_id
   AND (deadline_at, task_id) > (:after_deadline_at, :after_task_id) -- if after_task_id
 ORDER BY deadline_at, task_id
 LIMIT :limit

-- name: users_with_deadlines
-- One step down the index for each of them, however many tasks they have.
WITH RECURSIVE whose (user_id) AS (
    (SELECT user_id
       FROM tasks
      WHERE deadline_at IS NOT NULL AND status IN ('pending', 'processing')
      ORDER BY user_id
      LIMIT 1)
    UNION ALL
    SELECT (SELECT tasks.user_id
              FROM tasks
             WHERE tasks.user_id > whose.user_id AND deadline_at IS NOT NULL AND status IN ('pending', 'processing')
             ORDER BY tasks.user_id
             LIMIT 1)
      FROM whose
     WHERE whose.user_id IS NOT NULL
)
SELECT user_id FROM whose WHERE user_id IS NOT NULL LIMIT :limit

-- name: next_deadline
-- In how many seconds the next of a user's deadlines is past; negative once it is.
SELECT extract(epoch FROM min(deadline_at) - clock_timestamp())::double precision
  FROM tasks
 WHERE user_id = :user_id AND deadline_at IS NOT NULL AND status IN ('pending', 'processing')

-- name: fail_overdue
-- Several of a user's whose deadline is past, whatever they are in.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = :user_id FOR NO KEY UPDATE
), held AS MATERIALIZED (
    SELECT count(*) FROM owner
), chosen (chosen_id) AS (
    SELECT task_id
      FROM held CROSS JOIN tasks
     WHERE task_id = ANY (:task_ids::text[]) AND user_id = :user_id AND status IN ('pending', 'processing')
       AND deadline_at <= coalesce(:now, clock_timestamp())
     ORDER BY task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET status = 'failed',
       current_step = NULL,
       error = :error,
       credits_refunded = credits_consumed,
       lease_expires_at = NULL,
       failed_at = coalesce(:now, clock_timestamp()),
       updated_at = coalesce(:now, clock_timestamp())
  FROM chosen
 WHERE task_id = chosen_id
RETURNING {TaskRecord}

-- name: delete_task
-- An imported one leaves its id behind, so that no later import brings it back.
WITH gone AS (
    DELETE FROM tasks
     WHERE task_id = :task_id AND user_id = :user_id AND status IN ('done', 'failed', 'cancelled')
    RETURNING task_id, batch_id, legacy_fingerprint, array_remove(ARRAY[source_image, reference_image], NULL) AS inputs
), tombstone AS (
    INSERT INTO legacy_tombstones (kind, record_id)
    SELECT 'task', task_id FROM gone WHERE legacy_fingerprint IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT task_id, batch_id, inputs FROM gone

-- name: expired_tasks
-- In pages, along idx_tasks_ended.
SELECT task_id, user_id, coalesce(completed_at, failed_at, cancelled_at) AS ended_at
  FROM tasks
 WHERE status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL
   AND coalesce(completed_at, failed_at, cancelled_at) < coalesce(:now, now()) - :retention::interval
   AND (coalesce(completed_at, failed_at, cancelled_at), task_id)
       > (coalesce(:after_ended_at::timestamptz, '-infinity'), coalesce(:after_task_id::text, ''))
 ORDER BY coalesce(completed_at, failed_at, cancelled_at), task_id
 LIMIT :limit
