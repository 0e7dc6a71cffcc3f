-- The processes that are connected, and the storage they share.

-- name: see_process
INSERT INTO processes (process_id, kind, node, address, number, storage, storage_mark)
VALUES (:process_id, :kind, :node, :address, :number, :storage, :storage_mark)
ON CONFLICT (process_id) DO UPDATE SET seen_at = now(), storage_mark = excluded.storage_mark

-- name: forget_process
DELETE FROM processes WHERE process_id = :process_id

-- name: forget_replaced_processes
-- What listened here in our place before us listens no more; whoever was silent for a while is of no interest.
DELETE FROM processes
 WHERE seen_at < now() - interval '15 minutes'
    OR (node = :node AND address = :address AND number = :number AND process_id <> :process_id)

-- name: recent_processes
SELECT process_id, kind, node, address, storage, storage_mark,
       extract(epoch FROM now() - seen_at)::double precision AS silent_seconds
  FROM processes
 WHERE seen_at > now() - interval '15 minutes'
 ORDER BY kind, node, process_id

-- name: storage_mark
SELECT mark FROM storage_mark

-- name: keep_storage_mark
-- The first one stays, unless it is replaced on purpose.
INSERT INTO storage_mark (mark) VALUES (:mark) ON CONFLICT DO NOTHING

-- name: replace_storage_mark
UPDATE storage_mark SET mark = :mark, made_at = now() WHERE mark = :old

-- name: storage_never_used
SELECT NOT EXISTS (SELECT FROM storage_mark) AND NOT EXISTS (SELECT FROM files)

-- name: newest_files
-- Uploads, as long as there are any: a worker on another storage may have kept results there.
(SELECT blob_key FROM files WHERE task_id IS NULL ORDER BY uploaded_at DESC LIMIT :limit)
UNION ALL
(SELECT blob_key
   FROM files
  WHERE task_id IS NOT NULL AND NOT EXISTS (SELECT FROM files WHERE task_id IS NULL)
  ORDER BY uploaded_at DESC
  LIMIT :limit)
