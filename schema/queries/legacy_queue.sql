-- The old queue, and what waits in it.

-- name: order_queue
-- The old queue's order becomes the order of their users' lines, in front of what was created here. A place leads to the
-- same time whenever it is given: a take-over may be interrupted.
WITH held AS MATERIALIZED (
    SELECT tasks.task_id, place
      FROM unnest(:task_ids::text[], :places::text[]) AS queued (task_id, place)
      JOIN tasks USING (task_id)
     WHERE elsewhere AND status = 'pending'
     ORDER BY tasks.task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET queued_at = to_timestamp(0) + place::bigint * interval '1 microsecond'
  FROM held
 WHERE tasks.task_id = held.task_id

-- name: put_first
-- Tasks that an old worker had begun go to the head of their users' lines.
WITH held AS MATERIALIZED (
    SELECT task_id FROM tasks WHERE task_id = ANY (:task_ids::text[]) AND elsewhere ORDER BY task_id FOR NO KEY UPDATE
)
UPDATE tasks SET line = 0 FROM held WHERE tasks.task_id = held.task_id

-- name: queued_without_data
-- Ids in the old queue that lead to no record.
SELECT queued.task_id
  FROM unnest(:task_ids::text[]) AS queued (task_id)
 WHERE NOT EXISTS (SELECT FROM tasks WHERE tasks.task_id = queued.task_id)
   AND NOT EXISTS (SELECT FROM legacy_quarantine WHERE kind = 'task' AND record_id = queued.task_id)
   AND NOT EXISTS (SELECT FROM legacy_tombstones WHERE kind = 'task' AND record_id = queued.task_id)

-- name: take_over
-- From now on they live here: waiting, without a message, so that a chore dispatches them. What a late write of the old
-- system's left of an earlier end goes. Nobody's stay as they are: nobody could see their result.
-- Who begins to wait is noted with a share of the user's lock: users first.
WITH next AS MATERIALIZED (
    SELECT task_id, user_id FROM tasks WHERE elsewhere AND user_id IS NOT NULL ORDER BY task_id LIMIT :limit
), owners AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id IN (SELECT user_id FROM next) ORDER BY user_id FOR KEY SHARE
), held AS MATERIALIZED (
    SELECT task_id
      FROM tasks CROSS JOIN (SELECT count(*) FROM owners) AS first
     WHERE elsewhere AND task_id IN (SELECT task_id FROM next)
     ORDER BY task_id
       FOR UPDATE OF tasks
)
UPDATE tasks
   SET elsewhere = false,
       taken_over_at = now(),
       line = CASE WHEN status = 'processing' THEN 0 ELSE line END,
       status = 'pending',
       progress = 0,
       current_step = NULL,
       result = NULL,
       error = NULL,
       dispatched_at = NULL,
       message_no = message_no + 1,
       updated_at = now()
  FROM held
 WHERE tasks.task_id = held.task_id
RETURNING tasks.task_id

-- name: open_tasks
-- What the old system's workers have: whose, and nobody's.
SELECT count(*) FILTER (WHERE user_id IS NOT NULL) AS owned, count(*) FILTER (WHERE user_id IS NULL) AS nobodys
  FROM tasks
 WHERE elsewhere

-- name: waiting_without_photo
-- Tasks from the old system that would fail for want of a photo, were they run now.
SELECT count(*)
  FROM tasks
 WHERE status IN ('pending', 'processing') AND legacy_fingerprint IS NOT NULL AND user_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM files WHERE files.file_id = tasks.source_image AND files.user_id = tasks.user_id)
