-- What it takes to write tasks: the charge, their key, and why not. `:now` is null outside of tests: the database's clock decides.

-- name: submit_tasks
-- One task, or those of a batch. Charge, tasks, ledger entries, batch and idempotency key, in one statement: all of it or
-- nothing. The new tasks have no dispatched_at, which is the mark that they are to be dispatched.
-- Locks in the one order: the user, then files by their ids (ARCHITECTURE.md). Each join with `account` is there for that.
-- Two requests with the same key meet at the key's primary key: the later one's whole statement fails.
WITH account AS MATERIALIZED (
    SELECT user_id AS held FROM users WHERE user_id = :user_id FOR NO KEY UPDATE
), kept AS (
    SELECT task_id, fingerprint
      FROM idempotency_keys
     WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
       AND created_at > coalesce(:now, now()) - interval '24 hours'
), inputs AS (
    SELECT file_id
      FROM account JOIN files ON user_id = held
     WHERE file_id = ANY (:inputs::text[])
     ORDER BY file_id
       FOR KEY SHARE OF files
), known AS (
    SELECT (SELECT task_id FROM kept) AS kept_id,
           (SELECT fingerprint FROM kept) AS kept_fingerprint,
           (SELECT coalesce(array_agg(file_id), '{}') FROM inputs) AS found_files
), charged AS (
    UPDATE users
       SET current_credits = current_credits - :price,
           total_credits_used = total_credits_used + :price,
           updated_at = coalesce(:now, now())
      FROM known
     WHERE user_id = :user_id AND is_active AND :available::boolean
       AND kept_id IS NULL
       AND :inputs::text[] <@ found_files
       AND current_credits >= :price
       AND waiting_tasks(users.user_id, :max_pending) + :number::integer <= :max_pending
    RETURNING current_credits
), new AS (
    SELECT task_id, mode, priority, line, source_image, reference_image, config, webhook_url, webhook_events, price,
           retry_of, deadline_seconds, sum(price) OVER (ORDER BY task_id ROWS UNBOUNDED PRECEDING) AS charged_so_far
      FROM jsonb_to_recordset(:tasks) AS new (
        task_id text, mode text, priority text, line smallint, source_image text, reference_image text, config jsonb,
        webhook_url text, webhook_events text[], price integer, retry_of text, deadline_seconds integer)
), batch AS (
    INSERT INTO batches (batch_id, user_id, total, unfinished, webhook_url, created_at)
    SELECT :batch_id, :user_id, :number, :number, :batch_webhook_url, coalesce(:now, now())
      FROM charged
     WHERE :batch_id::text IS NOT NULL
), task AS (
    INSERT INTO tasks (task_id, user_id, mode, priority, line, source_image, reference_image, config, webhook_url,
                       webhook_events, credits_consumed, retry_of, batch_id, deadline_at, created_at, updated_at, queued_at)
    SELECT task_id, :user_id, mode, priority, line, source_image, reference_image, config, webhook_url,
           webhook_events, price, retry_of, :batch_id, coalesce(:now, now()) + deadline_seconds * interval '1 second',
           coalesce(:now, now()), coalesce(:now, now()), coalesce(:now, now())
      FROM charged CROSS JOIN new
    RETURNING {TaskRecord}
), entry AS (
    INSERT INTO credit_ledger (user_id, kind, amount, balance_after, task_id, created_at)
    SELECT :user_id, 'charge', -price, current_credits + :price - charged_so_far, task_id, coalesce(:now, now())
      FROM charged CROSS JOIN new
     ORDER BY task_id
), kept_now AS (
    INSERT INTO idempotency_keys (user_id, route, key, fingerprint, task_id, created_at)
    SELECT :user_id, :route, :idempotency_key, :fingerprint::bytea, :made_id, coalesce(:now, now())
      FROM charged
     WHERE :idempotency_key::text IS NOT NULL
)
SELECT known.kept_id,
       known.kept_fingerprint,
       CASE WHEN task_id IS NULL THEN known.found_files END AS found_files,
       (SELECT current_credits FROM charged) AS credits_left,
       {TaskRecord}
  FROM known LEFT JOIN task ON true
 ORDER BY task_id

-- name: refusal_of_submit
-- What a submit that was refused ran into, seen with a fresh snapshot.
SELECT current_credits, waiting_tasks(user_id, :max_pending) + :number::integer > :max_pending AS too_many_pending
  FROM users
 WHERE user_id = :user_id AND is_active

-- name: kept_key
SELECT task_id AS kept_id, fingerprint AS kept_fingerprint
  FROM idempotency_keys
 WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
   AND created_at > coalesce(:now, now()) - interval '24 hours'

-- name: forget_expired_key
DELETE FROM idempotency_keys
 WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
   AND created_at <= coalesce(:now, now()) - interval '24 hours'

-- name: expired_keys
-- In pages.
SELECT user_id, route, key, created_at
  FROM idempotency_keys
 WHERE created_at <= coalesce(:now, now()) - interval '24 hours'
   AND (created_at, user_id, route, key)
       > (coalesce(:after_created_at::timestamptz, '-infinity'), coalesce(:after_user_id::text, ''),
          coalesce(:after_route::text, ''), coalesce(:after_key::text, ''))
 ORDER BY created_at, user_id, route, key
 LIMIT :limit

-- name: forget_keys
DELETE FROM idempotency_keys
 USING unnest(:user_ids::text[], :routes::text[], :keys::text[]) AS expired (user_id, route, key)
 WHERE idempotency_keys.user_id = expired.user_id
   AND idempotency_keys.route = expired.route
   AND idempotency_keys.key = expired.key
