-- What a task's owner looks at.

-- name: get_task_by_id
SELECT {TaskRecord}
  FROM tasks
 WHERE task_id = :task_id AND user_id = :user_id

-- name: get_tasks_by_user
-- One page, newest first. A cursor is the last row of the page before; null starts at the newest.
SELECT {TaskRecord}
  FROM tasks
 WHERE user_id = :user_id
   AND status = :status -- if status
   AND mode = :mode -- if mode
   AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
 ORDER BY created_at DESC, task_id DESC
 LIMIT :limit OFFSET :offset

-- name: count_tasks_by_user
-- Counted up to :up_to, so that a long history costs no more than a page of 10,000.
SELECT count(*)
  FROM (SELECT
          FROM tasks
         WHERE user_id = :user_id
           AND status = :status -- if status
           AND mode = :mode -- if mode
         LIMIT :up_to) AS counted

-- name: count_tasks_by_status
SELECT status, count(*) AS tasks
  FROM tasks
 WHERE user_id = :user_id
 GROUP BY status

-- name: ended_tasks
-- Those of :task_ids that have ended or are gone, for whoever waits for them.
SELECT asked.task_id
  FROM unnest(:task_ids::text[]) AS asked (task_id)
  LEFT JOIN tasks USING (task_id)
 WHERE tasks.status IS NULL OR tasks.status IN ('done', 'failed', 'cancelled')
