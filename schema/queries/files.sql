-- Uploads and results, and the blobs they refer to.

-- name: expect_blob
-- Before a blob is written: should its file never be recorded, it is removed when it is due.
INSERT INTO blob_removals (blob_key, due_at)
SELECT blob_key, now() + :grace::interval FROM unnest(:blob_keys::text[]) AS written (blob_key) ORDER BY blob_key
ON CONFLICT (blob_key) DO UPDATE SET due_at = excluded.due_at

-- name: keep_blobs
WITH held AS MATERIALIZED (
    SELECT blob_key FROM blob_removals WHERE blob_key = ANY (:blob_keys::text[]) ORDER BY blob_key FOR UPDATE
)
DELETE FROM blob_removals USING held WHERE blob_removals.blob_key = held.blob_key

-- name: drop_blobs
WITH held AS MATERIALIZED (
    SELECT blob_key FROM blob_removals WHERE blob_key = ANY (:blob_keys::text[]) ORDER BY blob_key FOR UPDATE
)
UPDATE blob_removals SET due_at = now() FROM held WHERE blob_removals.blob_key = held.blob_key

-- name: add_file
INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height)
VALUES (:file_id, :user_id, :task_id, :purpose, :filename, :blob_key, :sha256, :content_type, :size, :width, :height)
RETURNING {FileRecord}

-- name: stored_bytes
-- What a user's uploads take up: with a file that this transaction has added, once those that others add are in.
SELECT coalesce((SELECT bytes FROM stored_bytes WHERE user_id = :user_id), 0)

-- name: list_files
-- Uploads and results, newest first.
SELECT {FileRecord} FROM files WHERE user_id = :user_id ORDER BY uploaded_at DESC, file_id DESC LIMIT :limit

-- name: list_files_after
SELECT {FileRecord}
  FROM files
 WHERE user_id = :user_id AND (uploaded_at, file_id) < (:uploaded_at, :file_id)
 ORDER BY uploaded_at DESC, file_id DESC
 LIMIT :limit

-- name: get_file
-- For whoever brings a signed URL. Several owners' rows of one id are on one blob.
SELECT {FileRecord} FROM files WHERE file_id = :file_id LIMIT 1

-- name: get_users_file
SELECT {FileRecord} FROM files WHERE file_id = :file_id AND user_id = :user_id

-- name: find_brought
-- By where the old system served it: a result's path as it is written or meant, an upload's id.
SELECT {FileRecord} FROM files WHERE user_id = :user_id AND old_address = ANY (:addresses::text[]) AND brought
 UNION ALL
SELECT {FileRecord} FROM files WHERE user_id = :user_id AND file_id = :file_id AND brought
 LIMIT 1

-- name: lock_file
-- A create that has just found the file holds a share of this lock until it has committed its task.
SELECT file_id FROM files WHERE file_id = :file_id AND user_id = :user_id FOR UPDATE

-- name: file_is_in_use
SELECT EXISTS (
    SELECT FROM tasks
     WHERE (source_image = :file_id OR reference_image = :file_id)
       AND user_id = :user_id AND status IN ('pending', 'processing'))

-- name: delete_file
-- What came from the old system's folder leaves its id behind, so that no later import brings it back.
WITH gone AS (
    DELETE FROM files WHERE file_id = :file_id AND user_id = :user_id RETURNING file_id, user_id, brought
)
INSERT INTO legacy_tombstones (kind, record_id)
SELECT 'file', file_id || '/' || user_id FROM gone WHERE brought
 UNION ALL
SELECT 'file', file_id FROM gone WHERE brought
ON CONFLICT DO NOTHING

-- name: delete_results
-- Of a task that was just deleted: its result files, and those among its inputs that were kept for it when their own task
-- went; but for what is another task's input. First the lock, then the look: see lock_file. What came from the old
-- system's folder may be there before its task is.
WITH results AS (
    SELECT file_id
      FROM files
     WHERE task_id = :task_id
        OR (file_id = ANY (:inputs::text[]) AND user_id = :user_id AND task_id IS NOT NULL AND NOT brought
            AND NOT EXISTS (SELECT FROM tasks WHERE tasks.task_id = files.task_id))
     ORDER BY file_id
       FOR UPDATE
)
DELETE FROM files
 USING results
 WHERE files.file_id = results.file_id AND NOT is_an_input(results.file_id)

-- name: get_users_files
SELECT {FileRecord} FROM files WHERE user_id = :user_id AND file_id = ANY (:file_ids::text[])

-- name: due_blobs
-- In pages.
SELECT blob_key, due_at
  FROM blob_removals
 WHERE due_at <= now()
   AND (due_at, blob_key) > (coalesce(:after_due_at::timestamptz, '-infinity'), coalesce(:after_blob_key::text, ''))
 ORDER BY due_at, blob_key
 LIMIT :limit

-- name: referred_blobs
SELECT DISTINCT blob_key FROM files WHERE blob_key = ANY (:blob_keys::text[])

-- name: expired_uploads
-- Uploads past their time that no unfinished task uses, in pages.
SELECT file_id, user_id, uploaded_at
  FROM files
 WHERE task_id IS NULL AND user_id IS NOT NULL AND uploaded_at < coalesce(:now, now()) - :retention::interval
   AND NOT EXISTS (SELECT FROM tasks
                    WHERE (tasks.source_image = files.file_id OR tasks.reference_image = files.file_id)
                      AND tasks.status IN ('pending', 'processing'))
   AND (uploaded_at, file_id, user_id)
       > (coalesce(:after_uploaded_at::timestamptz, '-infinity'), coalesce(:after_file_id::text, ''),
          coalesce(:after_user_id::text, ''))
 ORDER BY uploaded_at, file_id, user_id
 LIMIT :limit
