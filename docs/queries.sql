-- Queries for operators. Each is complete: paste it into psql or the SQL editor of your provider.
-- They only read. Put your own ids where it says usr_xxx, task_xxx.

-- Tasks

-- The ten newest tasks.
SELECT task_id, user_id, status, mode, progress, attempts, credits_consumed, created_at
  FROM tasks
 ORDER BY created_at DESC
 LIMIT 10;

-- How many tasks are in each status.
SELECT status, count(*) FROM tasks GROUP BY status ORDER BY status;

-- One user's tasks, newest first.
SELECT task_id, status, mode, source_image, reference_image, created_at, processing_time
  FROM tasks
 WHERE user_id = 'usr_xxx'
 ORDER BY created_at DESC, task_id DESC
 LIMIT 50;

-- Everything about one task, and what it cost.
SELECT * FROM tasks WHERE task_id = 'task_xxx';

SELECT kind, amount, balance_after, reason, created_at
  FROM credit_ledger
 WHERE task_id = 'task_xxx'
 ORDER BY entry_id;

-- Why tasks failed in the last 24 hours.
SELECT mode, error ->> 'code' AS code, count(*), max(failed_at) AS latest
  FROM tasks
 WHERE status = 'failed' AND failed_at > now() - interval '24 hours'
 GROUP BY mode, code
 ORDER BY count(*) DESC;

-- How long edits took in the last 24 hours, and how long they had waited, in seconds.
SELECT mode,
       count(*),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time) AS half_took,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY processing_time) AS nearly_all_took,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) AS half_waited
  FROM tasks
 WHERE status = 'done' AND completed_at > now() - interval '24 hours'
 GROUP BY mode
 ORDER BY mode;

-- When something hangs

-- Who waits: per user how many tasks, since when, and how many run. Without a worker that makes their mode
-- (the query after the next) they wait for ever.
SELECT user_id,
       count(*) FILTER (WHERE status = 'pending') AS waiting,
       min(created_at) FILTER (WHERE status = 'pending') AS waiting_since,
       count(*) FILTER (WHERE status = 'processing') AS running
  FROM tasks
 WHERE status IN ('pending', 'processing')
 GROUP BY user_id
 ORDER BY waiting_since;

-- Stuck: tasks that have waited for more than ten minutes and aren't backing off.
SELECT task_id, user_id, mode, attempts, created_at, dispatched_at
  FROM tasks
 WHERE status = 'pending' AND updated_at < now() - interval '10 minutes'
   AND (not_before IS NULL OR not_before < now() - interval '10 minutes')
 ORDER BY created_at
 LIMIT 50;

-- The workers: a living one was seen within the last 15 seconds.
SELECT worker_id, slots, modes, started_at, seen_at, seen_at > now() - interval '15 seconds' AS alive
  FROM workers
 ORDER BY seen_at DESC;

-- What runs, where, and until when it is safe from being taken for lost.
SELECT task_id, user_id, mode, worker_id, progress, current_step, attempts, started_at, lease_expires_at
  FROM tasks
 WHERE status = 'processing'
 ORDER BY started_at;

-- Lost leases: their worker has died. A living worker takes them back within seconds; rows that stay here mean
-- that no worker is running.
SELECT task_id, worker_id, attempts, lease_expires_at, now() - lease_expires_at AS overdue
  FROM tasks
 WHERE status = 'processing' AND lease_expires_at < now()
 ORDER BY lease_expires_at;

-- Not dispatched: no message has gone to Redis. Rows that stay here for more than some seconds mean that Redis can't be
-- reached or that no worker is running.
SELECT task_id, user_id, created_at, not_before, message_no
  FROM tasks
 WHERE status = 'pending' AND dispatched_at IS NULL AND (not_before IS NULL OR not_before < now())
 ORDER BY created_at
 LIMIT 50;

-- Tasks that needed more than one attempt in the last 24 hours: photos that crash the engine, or dying workers.
SELECT task_id, mode, status, attempts, error ->> 'code' AS code, updated_at
  FROM tasks
 WHERE attempts > 1 AND updated_at > now() - interval '24 hours'
 ORDER BY attempts DESC, updated_at DESC
 LIMIT 50;

-- Credits

-- One user's account, by email.
SELECT user_id, email, current_credits, total_credits_used, is_active, created_at
  FROM users
 WHERE lower(email) = lower('person@example.com');

-- One user's latest changes of balance.
SELECT entry_id, kind, amount, balance_after, task_id, reason, created_at
  FROM credit_ledger
 WHERE user_id = 'usr_xxx'
 ORDER BY entry_id DESC
 LIMIT 50;

-- Ledger mismatches: users whose balance isn't the sum of their ledger. There must be none.
SELECT user_id, current_credits, coalesce(sum(amount), 0) AS ledger
  FROM users LEFT JOIN credit_ledger USING (user_id)
 GROUP BY user_id
HAVING current_credits <> coalesce(sum(amount), 0);

-- Ended tasks that weren't refunded in full, or were although they are done. There must be none.
SELECT task_id, status, credits_consumed, credits_refunded,
       coalesce((SELECT sum(amount) FROM credit_ledger AS entry
                  WHERE entry.task_id = tasks.task_id AND entry.kind = 'refund'), 0) AS given_back
  FROM tasks
 WHERE credits_refunded <> CASE WHEN status IN ('failed', 'cancelled') THEN credits_consumed ELSE 0 END
    OR credits_refunded <> coalesce((SELECT sum(amount) FROM credit_ledger AS entry
                                      WHERE entry.task_id = tasks.task_id AND entry.kind = 'refund'), 0);

-- Files

-- How much each user stores: uploads and results.
SELECT user_id,
       count(*) FILTER (WHERE task_id IS NULL) AS uploads,
       count(*) FILTER (WHERE task_id IS NOT NULL) AS results,
       pg_size_pretty(sum(size)) AS bytes
  FROM files
 GROUP BY user_id
 ORDER BY sum(size) DESC
 LIMIT 50;

-- Blobs that should have been removed by now. Rows that stay here mean that the storage refuses, or that no worker runs.
SELECT blob_key, due_at FROM blob_removals WHERE due_at < now() - interval '10 minutes' ORDER BY due_at LIMIT 50;

-- Size

-- How large each table is, indexes included.
SELECT relname AS name, n_live_tup AS rows, pg_size_pretty(pg_total_relation_size(relid)) AS size
  FROM pg_stat_user_tables
 ORDER BY pg_total_relation_size(relid) DESC;
