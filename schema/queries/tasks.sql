-- Everything that happens to a task. `:now` is null outside of tests: the database's clock decides. What ends a claim
-- takes clock_timestamp(): its transaction may have begun before the claim whose row it then waited for.

-- name: submit_task
-- Charge, task, ledger entry and idempotency key, in one statement: all of it or nothing. The new task has no
-- dispatched_at, which is the mark that it is to be dispatched.
-- The balance is updated first: the user's row is then locked before anything is inserted that refers to it.
-- Two requests with the same key meet at the key's primary key: the later one's whole statement fails.
WITH kept AS (
    SELECT task_id, fingerprint
      FROM idempotency_keys
     WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
       AND created_at > coalesce(:now, now()) - interval '24 hours'
), inputs AS (
    SELECT file_id
      FROM files
     WHERE user_id = :user_id AND file_id IN (:source_image, :reference_image)
       FOR KEY SHARE
), known AS (
    SELECT (SELECT task_id FROM kept) AS kept_task_id,
           (SELECT fingerprint FROM kept) AS kept_fingerprint,
           (SELECT coalesce(array_agg(file_id), '{}') FROM inputs) AS found_files
), charged AS (
    UPDATE users
       SET current_credits = current_credits - :price,
           total_credits_used = total_credits_used + :price,
           updated_at = coalesce(:now, now())
      FROM known
     WHERE user_id = :user_id AND is_active AND :available::boolean
       AND kept_task_id IS NULL
       AND :source_image = ANY (found_files)
       AND (:reference_image::text IS NULL OR :reference_image = ANY (found_files))
       AND current_credits >= :price
       AND waiting_tasks(users.user_id, :max_pending) < :max_pending
    RETURNING current_credits
), task AS (
    INSERT INTO tasks (task_id, user_id, mode, priority, line, source_image, reference_image, config, webhook_url,
                       credits_consumed, retry_of, created_at, updated_at, queued_at)
    SELECT :task_id, :user_id, :mode, :priority, :line::smallint, :source_image, :reference_image, :config::jsonb, :webhook_url,
           :price, :retry_of, coalesce(:now, now()), coalesce(:now, now()), coalesce(:now, now())
      FROM charged
    RETURNING *
), entry AS (
    INSERT INTO credit_ledger (user_id, kind, amount, balance_after, task_id, created_at)
    SELECT :user_id, 'charge', -:price, current_credits, :task_id, coalesce(:now, now())
      FROM charged
), kept_now AS (
    INSERT INTO idempotency_keys (user_id, route, key, fingerprint, task_id, created_at)
    SELECT :user_id, :route, :idempotency_key, :fingerprint::bytea, :task_id, coalesce(:now, now())
      FROM charged
     WHERE :idempotency_key::text IS NOT NULL
)
SELECT known.kept_task_id,
       known.kept_fingerprint,
       known.found_files,
       (SELECT current_credits FROM charged) AS credits_left,
       task.*
  FROM known LEFT JOIN task ON true

-- name: refusal_of_submit
-- What a submit that was refused ran into, seen with a fresh snapshot.
SELECT current_credits, waiting_tasks(user_id, :max_pending) >= :max_pending AS too_many_pending
  FROM users
 WHERE user_id = :user_id AND is_active

-- name: kept_key
SELECT task_id AS kept_task_id, fingerprint AS kept_fingerprint
  FROM idempotency_keys
 WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
   AND created_at > coalesce(:now, now()) - interval '24 hours'

-- name: forget_expired_key
DELETE FROM idempotency_keys
 WHERE user_id = :user_id AND route = :route AND key = :idempotency_key
   AND created_at <= coalesce(:now, now()) - interval '24 hours'

-- name: get_task_by_id
SELECT *
  FROM tasks
 WHERE task_id = :task_id AND user_id = :user_id

-- name: get_tasks_by_user
-- One page, newest first. A cursor is the last row of the page before; null starts at the newest.
SELECT *
  FROM tasks
 WHERE user_id = :user_id
   AND (:status::text IS NULL OR status = :status)
   AND (:mode::text IS NULL OR mode = :mode)
   AND (:after_created_at::timestamptz IS NULL OR (created_at, task_id) < (:after_created_at, :after_task_id))
 ORDER BY created_at DESC, task_id DESC
 LIMIT :limit OFFSET :offset

-- name: count_tasks_by_user
-- Counted up to :up_to, so that a long history costs no more than a page of 10,000.
SELECT count(*)
  FROM (SELECT
          FROM tasks
         WHERE user_id = :user_id
           AND (:status::text IS NULL OR status = :status)
           AND (:mode::text IS NULL OR mode = :mode)
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

-- name: claim_task
-- The waiting task whose turn it is (claim_next_task).
SELECT * FROM claim_next_task(:worker_id, :modes::text[], :lease::interval, :now::timestamptz)

-- name: mark_undispatched
-- Its message is used up: as long as it waits, it is to be dispatched again, under a new message's number. A statement
-- on its own: whoever waits for this row's lock must not hold others' (mark_dispatched locks many).
UPDATE tasks
   SET dispatched_at = NULL, message_no = message_no + 1
 WHERE task_id = :task_id AND status = 'pending' AND NOT elsewhere
RETURNING task_id, message_no, mode, not_before IS NULL OR not_before <= coalesce(:now, clock_timestamp()) AS due

-- name: mark_dispatched
-- Answers which of the sent messages still announce a waiting task. The others were cancelled or claimed meanwhile.
-- Locked in one order, so that two processes that mark the same tasks don't wait for each other.
WITH waiting AS (
    SELECT tasks.task_id
      FROM unnest(:task_ids::text[], :message_nos::text[]::integer[]) AS sent (task_id, message_no)
      JOIN tasks USING (task_id, message_no)
     WHERE tasks.status = 'pending' AND NOT tasks.elsewhere
     ORDER BY tasks.task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET dispatched_at = coalesce(:now, now())
  FROM waiting
 WHERE tasks.task_id = waiting.task_id
RETURNING tasks.task_id

-- name: undispatched_tasks
-- Marked and due, in pages. A task that was created a moment ago is left to whoever created it.
SELECT task_id, message_no, created_at
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND dispatched_at IS NULL
   AND updated_at <= coalesce(:now, now()) - :grace::interval
   AND (not_before IS NULL OR not_before <= coalesce(:now, now()))
   AND (:after_created_at::timestamptz IS NULL OR (created_at, task_id) > (:after_created_at, :after_task_id))
 ORDER BY created_at, task_id
 LIMIT :limit

-- name: dispatched_tasks
-- Waiting tasks whose message was sent a while ago, in pages: whether the message is still there is for Redis to tell.
SELECT task_id, message_no
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND task_id > :after
   AND dispatched_at <= coalesce(:now, now()) - :age::interval
 ORDER BY task_id
 LIMIT :limit

-- name: mark_lost_messages
WITH waiting AS (
    SELECT tasks.task_id
      FROM unnest(:task_ids::text[], :message_nos::text[]::integer[]) AS lost (task_id, message_no)
      JOIN tasks USING (task_id, message_no)
     WHERE tasks.status = 'pending' AND NOT tasks.elsewhere
     ORDER BY tasks.task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET dispatched_at = NULL, message_no = message_no + 1
  FROM waiting
 WHERE tasks.task_id = waiting.task_id
RETURNING tasks.task_id

-- name: update_progress
-- Progress never goes back within an attempt, and a claim that was lost writes nothing.
-- Doesn't wait for the disk: the next step tells it again.
WITH lax AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE tasks
   SET progress = greatest(progress, :progress),
       current_step = :current_step,
       updated_at = coalesce(:now, now())
  FROM lax
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING task_id

-- name: renew_lease
UPDATE tasks
   SET lease_expires_at = coalesce(:now, now()) + :lease::interval
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING task_id

-- name: holds_claim
SELECT EXISTS (
    SELECT FROM tasks
     WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token)

-- name: complete_task
-- One outcome per claim: a token older than the row's changes nothing. The files' rows come with it, and their blobs are
-- no longer noted as to be removed: all of it in one statement, since each more would be a round trip of every task.
WITH done AS (
    UPDATE tasks
       SET status = 'done',
           progress = 100,
           current_step = NULL,
           result = :result,
           error = NULL,
           lease_expires_at = NULL,
           completed_at = coalesce(:now, clock_timestamp()),
           updated_at = coalesce(:now, clock_timestamp())
     WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
    RETURNING *
), made AS (
    INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height)
    SELECT new.file_id, done.user_id, done.task_id, new.purpose, new.filename, new.blob_key, new.sha256,
           new.content_type, new.size, new.width, new.height
      FROM done
     CROSS JOIN jsonb_to_recordset(:made) AS new (
        file_id text, purpose text, filename text, blob_key text, sha256 text, content_type text,
        size bigint, width integer, height integer)
    RETURNING blob_key
), kept AS (
    DELETE FROM blob_removals USING made WHERE blob_removals.blob_key = made.blob_key
)
SELECT * FROM done

-- name: fail_task
-- The refund is written in the same transaction (accounts.sql, refund_task).
UPDATE tasks
   SET status = 'failed',
       current_step = NULL,
       error = :error,
       credits_refunded = credits_consumed,
       lease_expires_at = NULL,
       failed_at = coalesce(:now, clock_timestamp()),
       updated_at = coalesce(:now, clock_timestamp())
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING *

-- name: cancel_task
-- What the old system's workers have, they would finish all the same.
UPDATE tasks
   SET status = 'cancelled',
       current_step = NULL,
       credits_refunded = credits_consumed,
       lease_expires_at = NULL,
       cancelled_at = coalesce(:now, clock_timestamp()),
       updated_at = coalesce(:now, clock_timestamp())
 WHERE task_id = :task_id AND user_id = :user_id AND status IN ('pending', 'processing') AND NOT elsewhere
RETURNING *

-- name: requeue_task
-- Back to the line. Whoever was interrupted goes to its head; a transient failure waits for its time.
UPDATE tasks
   SET status = 'pending',
       progress = 0,
       current_step = NULL,
       attempts = attempts - :attempts_returned,
       line = CASE WHEN :to_the_head::boolean THEN 0 ELSE line END,
       not_before = CASE WHEN :delay::interval > interval '0' THEN coalesce(:now, clock_timestamp()) + :delay END,
       dispatched_at = NULL,
       message_no = message_no + 1,
       lease_expires_at = NULL,
       worker_id = NULL,
       started_at = NULL,
       updated_at = coalesce(:now, clock_timestamp())
 WHERE task_id = :task_id AND status = 'processing' AND lease_token = :lease_token
RETURNING *

-- name: lost_leases
-- After a restart of the database nobody could renew for a while: then the holders get one lease's time first.
SELECT task_id, lease_token, attempts
  FROM tasks
 WHERE status = 'processing' AND NOT elsewhere AND lease_expires_at < coalesce(:now, now())
   AND pg_postmaster_start_time() < coalesce(:now, now()) - :lease::interval
 ORDER BY lease_expires_at
 LIMIT :limit
   FOR UPDATE SKIP LOCKED

-- name: delete_task
-- An imported one leaves its id behind, so that no later import brings it back.
WITH gone AS (
    DELETE FROM tasks
     WHERE task_id = :task_id AND user_id = :user_id AND status IN ('done', 'failed', 'cancelled')
    RETURNING task_id, legacy_fingerprint
), tombstone AS (
    INSERT INTO legacy_tombstones (kind, record_id)
    SELECT 'task', task_id FROM gone WHERE legacy_fingerprint IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT task_id FROM gone

-- name: expired_tasks
SELECT task_id, user_id
  FROM tasks
 WHERE status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL
   AND coalesce(completed_at, failed_at, cancelled_at) < coalesce(:now, now()) - :retention::interval
 LIMIT :limit

-- name: forget_expired_keys
DELETE FROM idempotency_keys
 WHERE created_at <= coalesce(:now, now()) - interval '24 hours'
