-- Tasks that were created together (schema/tables/0036_batches.sql).

-- name: get_batch
SELECT batches.batch_id,
       batches.total,
       count(*) FILTER (WHERE status = 'pending') AS pending,
       count(*) FILTER (WHERE status = 'processing') AS processing,
       count(*) FILTER (WHERE status = 'done') AS done,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
       batches.created_at,
       batches.ended_at
  FROM batches LEFT JOIN tasks USING (batch_id)
 WHERE batches.batch_id = :batch_id AND batches.user_id = :user_id
 GROUP BY batches.batch_id

-- name: hold_batch
-- Of two who delete the last of its tasks at once, the second sees that the first did.
SELECT FROM batches WHERE batch_id = :batch_id FOR UPDATE

-- name: forget_empty_batch
-- What is still to be told of it is told as it was. Its delivery is found by its id: see tell_webhook_v1.
WITH gone AS (
    DELETE FROM batches
     WHERE batch_id = :batch_id AND ended_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM tasks WHERE tasks.batch_id = :batch_id)
    RETURNING batch_id, total, created_at, ended_at
)
UPDATE webhook_deliveries
   SET data = to_jsonb(gone)
           || jsonb_build_object('pending', 0, 'processing', 0, 'done', 0, 'failed', 0, 'cancelled', 0)
  FROM gone
 WHERE delivery_id = 'dlv_' || gone.batch_id AND status = 'waiting'
