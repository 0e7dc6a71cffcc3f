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
