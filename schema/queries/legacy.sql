-- What an import from the system before this one looks up and writes. Batches come as one text array per column, and are
-- cast here.

-- name: begin_import
INSERT INTO legacy_imports (prefix, timezone, take_over, source)
VALUES (:prefix, :timezone, :take_over, :source::text[])
RETURNING import_id

-- name: finish_import
UPDATE legacy_imports SET finished_at = now(), summary = :summary::jsonb WHERE import_id = :import_id

-- name: last_import
SELECT import_id, prefix, timezone, take_over, started_at, finished_at
  FROM legacy_imports
 ORDER BY import_id DESC
 LIMIT 1

-- name: balances_live_here
-- Whether tasks have been taken over: from then on no import changes a balance.
SELECT EXISTS (SELECT FROM legacy_imports WHERE took_over_at IS NOT NULL)

-- name: begin_take_over
UPDATE legacy_imports SET took_over_at = now() WHERE import_id = :import_id

-- name: known_tasks
-- In the order of `KnownTask`. Used: it was taken over, and then claimed or cancelled here. Gone: it was imported or
-- exported once, and deleted here.
SELECT task_id AS record_id,
       legacy_fingerprint AS fingerprint,
       false AS gone,
       taken_over_at IS NOT NULL AND (lease_token > 0 OR status <> 'pending') AS used,
       elsewhere AS open,
       user_id IS NOT NULL AS owned,
       status IN ('done', 'failed', 'cancelled') AS ended,
       CASE WHEN taken_over_at IS NULL
            THEN coalesce(completed_at, failed_at, cancelled_at, updated_at) END AS moment
  FROM tasks
 WHERE task_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, false, NULL
  FROM legacy_tombstones
 WHERE kind = 'task' AND record_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, false, NULL
  FROM legacy_exported
 WHERE kind = 'task' AND record_id = ANY (:record_ids::text[])
   AND NOT EXISTS (SELECT FROM tasks WHERE task_id = record_id)

-- name: losing_rows
-- Rows that came with the old system's tables and are about to be overwritten by other news of its Redis, whole.
SELECT task_id, to_jsonb(tasks)::text AS content
  FROM unnest(:task_ids::text[], :statuses::text[], :results::text[], :errors::text[])
    AS put (task_id, status, result, error)
  JOIN tasks USING (task_id)
 WHERE tasks.legacy_fingerprint = ''
   AND (tasks.status, tasks.result -> 'legacy', tasks.error)
       IS DISTINCT FROM (put.status, put.result::jsonb -> 'legacy', put.error::jsonb)

-- name: known_users
-- Used: its balance has changed here. A placeholder has never been imported, whatever happened to it since.
SELECT user_id AS record_id,
       legacy_fingerprint AS fingerprint,
       false AS gone,
       NOT is_placeholder
       AND EXISTS (SELECT FROM credit_ledger WHERE credit_ledger.user_id = users.user_id AND kind <> 'opening') AS used,
       is_placeholder AS placeholder,
       EXISTS (SELECT FROM credit_ledger WHERE credit_ledger.user_id = users.user_id) AS entries,
       coalesce((SELECT sum(amount) FROM credit_ledger
                  WHERE credit_ledger.user_id = users.user_id AND kind = 'opening'), 0)::bigint AS opening,
       coalesce((SELECT sum(amount) FROM credit_ledger
                  WHERE credit_ledger.user_id = users.user_id AND kind = 'external'), 0)::bigint AS external,
       total_credits_used
  FROM users
 WHERE user_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, 0, 0, 0
  FROM legacy_tombstones
 WHERE kind = 'user' AND record_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, NULL, true, false, false, false, 0, 0, 0
  FROM legacy_exported
 WHERE kind = 'user' AND record_id = ANY (:record_ids::text[])
   AND NOT EXISTS (SELECT FROM users WHERE user_id = record_id)

-- name: unknown_users
-- Those of :user_ids that have no account; gone: they were erased here.
SELECT asked.user_id,
       EXISTS (SELECT FROM legacy_tombstones WHERE kind = 'user' AND record_id = asked.user_id)
       OR EXISTS (SELECT FROM legacy_exported WHERE kind = 'user' AND record_id = asked.user_id) AS gone
  FROM unnest(:user_ids::text[]) AS asked (user_id)
  LEFT JOIN users USING (user_id)
 WHERE users.user_id IS NULL

-- name: hold_users
-- Nobody changes these balances until the transaction ends. A statement of its own: the next one sees them as they are.
SELECT user_id FROM users WHERE user_id = ANY (:user_ids::text[]) ORDER BY user_id FOR NO KEY UPDATE

-- name: holders_of_emails
-- The emails asked for, as they are compared, and who else has them here.
SELECT asked.user_id, lower(asked.email) AS email, users.user_id AS holder
  FROM unnest(:user_ids::text[], :emails::text[]) WITH ORDINALITY AS asked (user_id, email, place)
  LEFT JOIN users ON lower(users.email) = lower(asked.email) AND users.user_id <> asked.user_id
 ORDER BY place

-- name: release_emails
-- They get others in this transaction; whoever takes one over must not meet it.
WITH held AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = ANY (:user_ids::text[]) ORDER BY user_id FOR NO KEY UPDATE
)
UPDATE users SET email = NULL FROM held WHERE users.user_id = held.user_id

-- name: place_users
INSERT INTO users (user_id, is_placeholder, legacy_fingerprint)
SELECT user_id, true, '' FROM unnest(:user_ids::text[]) AS unknown (user_id)
ON CONFLICT (user_id) DO NOTHING

-- name: put_users
-- A balance changes by as much as its opening entry will (put_openings): whatever happened here since stays in it.
INSERT INTO users (user_id, email, username, avatar, password_hash, has_password, is_active, signup_bonus_granted,
                   current_plan_id, plan_renew_at, current_credits, total_credits_used, created_at, last_login,
                   legacy_fingerprint)
SELECT user_id, email, username, avatar, password_hash, has_password::boolean, is_active::boolean,
       signup_bonus_granted::boolean, current_plan_id, plan_renew_at::timestamptz, current_credits::bigint,
       total_credits_used::bigint, coalesce(created_at::timestamptz, now()), last_login::timestamptz,
       decode(legacy_fingerprint, 'hex')
  FROM unnest(:user_id::text[], :email::text[], :username::text[], :avatar::text[], :password_hash::text[],
              :has_password::text[], :is_active::text[], :signup_bonus_granted::text[], :current_plan_id::text[],
              :plan_renew_at::text[], :current_credits::text[], :total_credits_used::text[], :created_at::text[],
              :last_login::text[], :legacy_fingerprint::text[])
    AS put (user_id, email, username, avatar, password_hash, has_password, is_active, signup_bonus_granted,
            current_plan_id, plan_renew_at, current_credits, total_credits_used, created_at, last_login,
            legacy_fingerprint)
ON CONFLICT (user_id) DO UPDATE
   SET email = excluded.email,
       username = excluded.username,
       avatar = excluded.avatar,
       password_hash = excluded.password_hash,
       has_password = excluded.has_password,
       is_active = excluded.is_active,
       signup_bonus_granted = excluded.signup_bonus_granted,
       current_plan_id = excluded.current_plan_id,
       plan_renew_at = excluded.plan_renew_at,
       current_credits = users.current_credits::bigint + excluded.current_credits
                         - coalesce((SELECT sum(amount) FROM credit_ledger
                                      WHERE credit_ledger.user_id = users.user_id AND kind = 'opening'), 0),
       total_credits_used = excluded.total_credits_used,
       created_at = excluded.created_at,
       last_login = excluded.last_login,
       updated_at = now(),
       legacy_fingerprint = excluded.legacy_fingerprint,
       is_placeholder = false
 WHERE users.legacy_fingerprint IS NOT NULL
RETURNING user_id

-- name: put_openings
-- One opening entry each, of the balance that was brought along.
WITH put AS (
    SELECT user_id, credits::bigint AS credits
      FROM unnest(:user_ids::text[], :credits::text[]) AS put (user_id, credits)
), changed AS (
    UPDATE credit_ledger
       SET amount = credits, balance_after = credits
      FROM put
     WHERE credit_ledger.user_id = put.user_id AND kind = 'opening'
    RETURNING credit_ledger.user_id
)
INSERT INTO credit_ledger (user_id, kind, amount, balance_after, reason)
SELECT user_id, 'opening', credits, current_credits, 'balance brought along'
  FROM put JOIN users USING (user_id)
 WHERE credits <> 0 AND user_id NOT IN (SELECT user_id FROM changed)

-- name: update_tasks
-- A result's pictures that were made files stay files, unless the old system has other pictures now. What was used here
-- meanwhile isn't touched, nor what was made here. New tasks are copied (service/legacy/store.py).
WITH held AS MATERIALIZED (
    SELECT task_id FROM tasks WHERE task_id = ANY (:task_id::text[]) ORDER BY task_id FOR NO KEY UPDATE
)
UPDATE tasks
   SET user_id = put.user_id,
       status = put.status,
       mode = put.mode,
       progress = put.progress::smallint,
       current_step = put.current_step,
       source_image = put.source_image,
       reference_image = put.reference_image,
       config = put.config::jsonb,
       result = CASE WHEN tasks.result -> 'legacy' = put.result::jsonb -> 'legacy'
                     THEN tasks.result || jsonb_build_object('metadata', put.result::jsonb -> 'metadata')
                     ELSE put.result::jsonb END,
       error = put.error::jsonb,
       credits_consumed = put.credits_consumed::integer,
       credits_refunded = put.credits_refunded::integer,
       created_at = put.created_at::timestamptz,
       updated_at = put.updated_at::timestamptz,
       queued_at = put.queued_at::timestamptz,
       started_at = put.started_at::timestamptz,
       completed_at = put.completed_at::timestamptz,
       failed_at = put.failed_at::timestamptz,
       cancelled_at = put.cancelled_at::timestamptz,
       elsewhere = put.elsewhere::boolean,
       taken_over_at = NULL,
       legacy_fingerprint = put.legacy_fingerprint::bytea,
       legacy_expires_at = put.legacy_expires_at::timestamptz
  FROM unnest(:task_id::text[], :user_id::text[], :status::text[], :mode::text[], :progress::text[],
              :current_step::text[], :source_image::text[], :reference_image::text[], :config::text[], :result::text[],
              :error::text[], :credits_consumed::text[], :credits_refunded::text[], :created_at::text[],
              :updated_at::text[], :queued_at::text[], :started_at::text[], :completed_at::text[], :failed_at::text[],
              :cancelled_at::text[], :elsewhere::text[], :legacy_fingerprint::text[], :legacy_expires_at::text[])
    AS put (task_id, user_id, status, mode, progress, current_step, source_image, reference_image, config, result, error,
            credits_consumed, credits_refunded, created_at, updated_at, queued_at, started_at, completed_at, failed_at,
            cancelled_at, elsewhere, legacy_fingerprint, legacy_expires_at)
  JOIN held USING (task_id)
 WHERE tasks.task_id = put.task_id
   AND tasks.legacy_fingerprint IS NOT NULL
   AND (tasks.taken_over_at IS NULL OR (tasks.lease_token = 0 AND tasks.status = 'pending'))

-- name: kept_verdicts
-- What was found about these records before: in quarantine, or remarked on.
SELECT record_id, fingerprint, 'quarantine' AS verdict, ARRAY[reason] AS reasons
  FROM legacy_quarantine WHERE kind = :kind AND record_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, fingerprint, CASE WHEN conflict THEN 'conflict' ELSE 'remark' END, reasons
  FROM legacy_remarks WHERE kind = :kind AND record_id = ANY (:record_ids::text[])

-- name: put_in_quarantine
INSERT INTO legacy_quarantine (kind, record_id, reason, fields, fingerprint)
SELECT :kind, record_id, reason, fields::jsonb, decode(fingerprint, 'hex')
  FROM unnest(:record_ids::text[], :reasons::text[], :fields::text[], :fingerprints::text[])
    AS put (record_id, reason, fields, fingerprint)
ON CONFLICT (kind, record_id) DO UPDATE
   SET reason = excluded.reason, fields = excluded.fields, fingerprint = excluded.fingerprint, quarantined_at = now()
 WHERE legacy_quarantine.fingerprint <> excluded.fingerprint

-- name: release_from_quarantine
DELETE FROM legacy_quarantine WHERE kind = :kind AND record_id = ANY (:record_ids::text[])

-- name: put_remarks
INSERT INTO legacy_remarks (kind, record_id, reasons, conflict, fields, fingerprint)
SELECT :kind, record_id, string_to_array(reasons, E'\n'), conflict::boolean, fields::jsonb, decode(fingerprint, 'hex')
  FROM unnest(:record_ids::text[], :reasons::text[], :conflicts::text[], :fields::text[], :fingerprints::text[])
    AS put (record_id, reasons, conflict, fields, fingerprint)
ON CONFLICT (kind, record_id) DO UPDATE
   SET reasons = excluded.reasons, conflict = excluded.conflict, fields = excluded.fields,
       fingerprint = excluded.fingerprint, remarked_at = now()
 WHERE (legacy_remarks.reasons, legacy_remarks.conflict, legacy_remarks.fingerprint)
       IS DISTINCT FROM (excluded.reasons, excluded.conflict, excluded.fingerprint)

-- name: drop_remarks
DELETE FROM legacy_remarks WHERE kind = :kind AND record_id = ANY (:record_ids::text[])

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
WITH next AS (
    SELECT task_id FROM tasks WHERE elsewhere AND user_id IS NOT NULL ORDER BY task_id LIMIT :limit FOR UPDATE
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
  FROM next
 WHERE tasks.task_id = next.task_id
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

-- name: settle
-- Batches are committed without waiting for the disk; this one waits, and with it all before it.
SELECT set_config('synchronous_commit', 'on', true), pg_current_xact_id()

-- name: take_time
-- As long as it takes, until the transaction ends.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)

-- name: begin_batch
-- One batch at a time, whoever else imports: the next statement sees what the one before has done.
SELECT set_config('synchronous_commit', 'off', true),
       pg_advisory_xact_lock(hashtextextended('darkroom legacy import', 0))

-- name: imported_tasks
-- What came of tasks, to be compared with what they are in the old system, in the order of `TaskHere`.
SELECT task_id, user_id, status, mode, progress, current_step, source_image, reference_image, config, credits_consumed,
       created_at, updated_at, coalesce(completed_at, failed_at, cancelled_at) AS ended_at,
       legacy_fingerprint AS fingerprint, taken_over_at IS NOT NULL AS taken_over,
       coalesce(result::text, 'null') AS result, coalesce(error::text, 'null') AS error
  FROM tasks
 WHERE task_id = ANY (:task_ids::text[])

-- name: imported_users
SELECT user_id, email, username, avatar, password_hash, has_password, is_active, signup_bonus_granted, current_plan_id,
       plan_renew_at, current_credits, total_credits_used, created_at, last_login, legacy_fingerprint AS fingerprint,
       coalesce(entries.opening, 0)::bigint AS opening,
       coalesce(entries.external, 0)::bigint AS external,
       coalesce(entries.ledger, 0)::bigint AS ledger,
       coalesce(entries.used, false) OR EXISTS (SELECT FROM legacy_imports WHERE took_over_at IS NOT NULL) AS used
  FROM users
  LEFT JOIN LATERAL (SELECT sum(amount) FILTER (WHERE kind = 'opening') AS opening,
                            sum(amount) FILTER (WHERE kind = 'external') AS external,
                            sum(amount) AS ledger,
                            bool_or(kind <> 'opening') AS used
                       FROM credit_ledger
                      WHERE credit_ledger.user_id = users.user_id) AS entries ON true
 WHERE user_id = ANY (:user_ids::text[])

-- name: accepted
-- Those of these differences that somebody has accepted, and why: the same ones.
SELECT legacy_accepted.record_id, reason
  FROM unnest(:record_ids::text[], :marks::text[]) AS found (record_id, mark)
  JOIN legacy_accepted ON legacy_accepted.record_id = found.record_id AND fingerprint = decode(mark, 'hex')
 WHERE kind = :kind

-- name: accept
INSERT INTO legacy_accepted (kind, record_id, fingerprint, reason)
SELECT :kind, record_id, decode(mark, 'hex'), :reason
  FROM unnest(:record_ids::text[], :marks::text[]) AS found (record_id, mark)
ON CONFLICT (kind, record_id) DO UPDATE
   SET fingerprint = excluded.fingerprint, reason = excluded.reason, accepted_at = now()

-- name: erased
-- Those of these records that were deleted here.
SELECT record_id FROM legacy_tombstones WHERE kind = :kind AND record_id = ANY (:record_ids::text[])
 UNION
SELECT record_id
  FROM legacy_exported
 WHERE kind = :kind AND record_id = ANY (:record_ids::text[])
   AND NOT EXISTS (SELECT FROM tasks WHERE :kind = 'task' AND task_id = record_id)
   AND NOT EXISTS (SELECT FROM users WHERE :kind = 'user' AND user_id = record_id)

-- name: brought_tasks
-- Tasks that an import brought and that the old system still has to know, in pages.
SELECT task_id
  FROM tasks
 WHERE task_id > :after AND legacy_fingerprint <> '' AND (legacy_expires_at IS NULL OR legacy_expires_at > now())
 ORDER BY task_id
 LIMIT :limit

-- name: brought_users
SELECT user_id, email
  FROM users
 WHERE user_id > :after AND legacy_fingerprint <> '' AND NOT is_placeholder
 ORDER BY user_id
 LIMIT :limit

-- name: brought_by_status
SELECT status, count(*) AS tasks, sum(credits_consumed)::bigint AS credits
  FROM tasks
 WHERE legacy_fingerprint IS NOT NULL
 GROUP BY status

-- name: brought_credits
SELECT coalesce(sum(amount), 0)::bigint
  FROM credit_ledger JOIN users USING (user_id)
 WHERE kind = 'opening' AND legacy_fingerprint IS NOT NULL

-- name: legacy_standing
-- Whether a task of the old system was deleted here, and in which zone its times are read.
SELECT EXISTS (SELECT FROM legacy_tombstones WHERE kind = 'task' AND record_id = :task_id)
       OR EXISTS (SELECT FROM legacy_exported
                   WHERE kind = 'task' AND record_id = :task_id
                     AND NOT EXISTS (SELECT FROM tasks WHERE task_id = record_id)) AS gone,
       coalesce((SELECT timezone FROM legacy_imports ORDER BY import_id DESC LIMIT 1), 'UTC') AS timezone

-- name: bury_task
INSERT INTO legacy_tombstones (kind, record_id) VALUES ('task', :task_id) ON CONFLICT DO NOTHING
