-- The files that come along from the system before this one: uploads, and pictures of results.

-- name: users_of_files
-- Whose tasks have these files as inputs.
SELECT source_image AS file_id, user_id FROM tasks WHERE source_image = ANY (:file_ids::text[])
 UNION
SELECT reference_image, user_id FROM tasks WHERE reference_image = ANY (:file_ids::text[])

-- name: rows_of_files
-- Who has these files already; and who had them, and deleted them.
SELECT file_id, user_id, false AS gone FROM files WHERE file_id = ANY (:file_ids::text[])
 UNION ALL
SELECT split_part(record_id, '/', 1), nullif(substr(record_id, strpos(record_id || '/', '/') + 1), ''), true
  FROM legacy_tombstones
 WHERE kind = 'file' AND record_id = ANY (:marks::text[])

-- name: add_brought_file
-- The first row of a file, whose blob was just stored; or one more owner's on the blob that is there.
INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height,
                   brought, old_address)
VALUES (:file_id, :user_id, :task_id, :purpose, :filename, :blob_key, :sha256, :content_type, :size, :width, :height, true,
        :old_address)
ON CONFLICT (file_id, user_id) DO NOTHING

-- name: share_files
-- One row more on the same blob for each new owner.
INSERT INTO files (file_id, user_id, purpose, filename, blob_key, sha256, content_type, size, width, height, uploaded_at,
                   brought)
SELECT DISTINCT ON (shared.file_id, shared.user_id)
       shared.file_id, shared.user_id, purpose, filename, blob_key, sha256, content_type, size, width, height,
       uploaded_at, true
  FROM unnest(:file_ids::text[], :user_ids::text[]) AS shared (file_id, user_id)
  JOIN files USING (file_id)
ON CONFLICT (file_id, user_id) DO NOTHING

-- name: leave_to_owners
-- What has an owner by now is the operators' no longer.
DELETE FROM files
 WHERE file_id = ANY (:file_ids::text[]) AND user_id IS NULL AND brought AND task_id IS NULL
   AND EXISTS (SELECT FROM files AS owned WHERE owned.file_id = files.file_id AND owned.user_id IS NOT NULL)

-- name: results_elsewhere
-- Done tasks whose pictures the old system still serves, in pages; of some, others are files here already.
SELECT task_id, user_id, result -> 'legacy' AS pictures,
       array_remove(ARRAY[CASE WHEN result ->> 'thumbnail_file_id' IS NOT NULL THEN 'thumbnail' END,
                          CASE WHEN result ->> 'comparison_file_id' IS NOT NULL THEN 'comparison' END], NULL) AS brought
  FROM tasks
 WHERE task_id > :after AND status = 'done' AND legacy_fingerprint IS NOT NULL
   AND result ? 'legacy' AND result ->> 'output_file_id' IS NULL
 ORDER BY task_id
 LIMIT :limit

-- name: hold_owners
-- Before the tasks of a batch, one by one, and their files: the users of all.
SELECT user_id
  FROM users
 WHERE user_id IN (SELECT user_id FROM tasks WHERE task_id = ANY (:task_ids::text[]))
 ORDER BY user_id
   FOR KEY SHARE

-- name: bring_result
-- The pictures are files from now on, unless the old system has others by now. The user's row is held (hold_owners).
UPDATE tasks
   SET result = result || :file_ids::jsonb
 WHERE task_id = :task_id AND status = 'done' AND result -> 'legacy' = :pictures::jsonb
   AND NOT jsonb_strip_nulls(result) ?| ARRAY(SELECT jsonb_object_keys(:file_ids::jsonb))
RETURNING task_id
