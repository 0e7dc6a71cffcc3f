-- What a task's owner looks at.

-- name: get_task_by_id
SELECT {TaskRecord}
  FROM tasks
 WHERE task_id = :task_id AND user_id = :user_id

-- name: get_tasks_by_user
-- One page, newest first. A cursor is the last row of the page before; null starts at the newest. Which rows they are is
-- read from the index alone, however many come before them; OFFSET 0 keeps PostgreSQL from joining the whole table to them.
SELECT {TaskRecord}
  FROM (SELECT task_id
          FROM tasks
         WHERE user_id = :user_id
           AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
         ORDER BY created_at DESC, task_id DESC
         LIMIT :limit OFFSET :offset) AS page (chosen)
 CROSS JOIN LATERAL (SELECT {TaskRecord} FROM tasks WHERE task_id = chosen OFFSET 0) AS rows
 ORDER BY created_at DESC, task_id DESC

-- name: get_filtered_tasks_by_user
-- The same of up to five pairs of a status and a mode: each is in this order in the index, and they are merged as far as
-- the page's end. The inner limits have each read in order; what isn't merged isn't read.
SELECT {TaskRecord}
  FROM (SELECT task_id
          FROM (
            (SELECT created_at, task_id
               FROM tasks
              WHERE user_id = :user_id AND status = (:statuses::text[])[1] AND mode = (:modes::text[])[1]
                AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
              ORDER BY created_at DESC, task_id DESC
              LIMIT :limit::bigint + :offset::bigint)
            UNION ALL
            (SELECT created_at, task_id
               FROM tasks
              WHERE user_id = :user_id AND status = (:statuses::text[])[2] AND mode = (:modes::text[])[2]
                AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
              ORDER BY created_at DESC, task_id DESC
              LIMIT :limit::bigint + :offset::bigint)
            UNION ALL
            (SELECT created_at, task_id
               FROM tasks
              WHERE user_id = :user_id AND status = (:statuses::text[])[3] AND mode = (:modes::text[])[3]
                AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
              ORDER BY created_at DESC, task_id DESC
              LIMIT :limit::bigint + :offset::bigint)
            UNION ALL
            (SELECT created_at, task_id
               FROM tasks
              WHERE user_id = :user_id AND status = (:statuses::text[])[4] AND mode = (:modes::text[])[4]
                AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
              ORDER BY created_at DESC, task_id DESC
              LIMIT :limit::bigint + :offset::bigint)
            UNION ALL
            (SELECT created_at, task_id
               FROM tasks
              WHERE user_id = :user_id AND status = (:statuses::text[])[5] AND mode = (:modes::text[])[5]
                AND (created_at, task_id) < (:after_created_at, :after_task_id) -- if after_task_id
              ORDER BY created_at DESC, task_id DESC
              LIMIT :limit::bigint + :offset::bigint)
          ) AS merged
         ORDER BY created_at DESC, task_id DESC
         LIMIT :limit OFFSET :offset) AS page (chosen)
 CROSS JOIN LATERAL (SELECT {TaskRecord} FROM tasks WHERE task_id = chosen OFFSET 0) AS rows
 ORDER BY created_at DESC, task_id DESC

-- name: get_named_tasks
-- Those of some ids, or of a batch: few, and all of them.
SELECT {TaskRecord}
  FROM tasks
 WHERE user_id = :user_id
   AND task_id = ANY (:task_ids::text[]) -- if task_ids
   AND batch_id = :batch_id -- if batch_id
   AND status = ANY (:statuses::text[]) -- if statuses
   AND mode = :mode -- if mode
 ORDER BY created_at DESC, task_id DESC

-- name: made_by
-- What an idempotency key made: a task, or a batch.
SELECT {TaskRecord} FROM tasks WHERE user_id = :user_id AND (task_id = :made_id OR batch_id = :made_id) ORDER BY task_id

-- name: unfinished_ids
SELECT task_id
  FROM tasks
 WHERE user_id = :user_id AND status = :status
   AND mode = ANY (:modes::text[])
   AND created_at < :created_before -- if created_before
 ORDER BY task_id

-- name: count_tasks_by_user
-- Counted up to :up_to, so that a long history costs no more than a page of 10,000.
SELECT count(*)
  FROM (SELECT
          FROM tasks
         WHERE user_id = :user_id
           AND mode = ANY (:modes::text[]) -- if modes
           AND status = ANY (:statuses::text[]) -- if statuses
         LIMIT :up_to) AS counted

-- name: count_tasks_by_status
SELECT status, count(*) AS tasks
  FROM tasks
 WHERE user_id = :user_id
   AND mode = ANY (:modes::text[]) AND status = ANY (:only::text[]) -- if only
 GROUP BY status

-- name: ended_tasks
-- Those of :task_ids that have ended, or have to, or are gone, for whoever waits for them.
SELECT asked.task_id
  FROM unnest(:task_ids::text[]) AS asked (task_id)
  LEFT JOIN tasks USING (task_id)
 WHERE tasks.status IS NULL OR tasks.status IN ('done', 'failed', 'cancelled') OR tasks.deadline_at <= now()
