-- Users, their keys, their credits.

-- name: create_user
INSERT INTO users (user_id, email, username, signup_bonus_granted, current_credits)
VALUES (:user_id, :email, :username, :credits::bigint > 0, :credits)
RETURNING {UserRecord}

-- name: open_ledger
INSERT INTO credit_ledger (user_id, kind, amount, balance_after, reason)
VALUES (:user_id, 'opening', :credits, :credits, :reason)

-- name: find_user
-- By id or by email, whichever it is, and the email however it is spelt; see 0013 for those that are spelt otherwise.
SELECT {UserRecord}
  FROM users
 WHERE user_id = :user OR lower(email) IN (lower(:user), lower(as_nfc_v1(:user)))
 ORDER BY user_id = :user DESC, lower(email) = lower(:user) DESC
 LIMIT 1

-- name: list_users
SELECT {UserRecord}
  FROM users
 WHERE user_id > :after AND NOT is_placeholder
 ORDER BY user_id
 LIMIT :limit

-- name: set_active
UPDATE users SET is_active = :active, updated_at = now(), judged_at = now() WHERE user_id = :user_id
RETURNING {UserRecord}

-- name: get_user
SELECT {UserRecord} FROM users WHERE user_id = :user_id

-- name: grant_credits
-- Nothing happens, and no row comes back, when the balance would fall below zero or be given more than :most.
WITH account AS (
    UPDATE users
       SET current_credits = current_credits + :amount, updated_at = now()
     WHERE user_id = :user_id AND current_credits + :amount >= 0
       AND (:amount <= 0 OR current_credits + :amount <= :most::bigint)
    RETURNING user_id, current_credits
)
INSERT INTO credit_ledger (user_id, kind, amount, balance_after, reason)
SELECT user_id, 'grant', :amount, current_credits, :reason FROM account
RETURNING balance_after

-- name: refund_tasks
-- Of one user, an entry each. idx_credit_ledger_once lets a task be refunded once, whatever its callers believe.
WITH ended AS (
    SELECT task_id, amount, sum(amount) OVER (ORDER BY task_id ROWS UNBOUNDED PRECEDING)::bigint AS refunded_so_far
      FROM unnest(:task_ids::text[], :amounts::text[]::bigint[]) AS one (task_id, amount)
), account AS (
    UPDATE users
       SET current_credits = current_credits + :amount,
           total_credits_used = greatest(total_credits_used - :amount, 0),
           updated_at = coalesce(:now, now())
     WHERE user_id = :user_id
    RETURNING user_id, current_credits
)
INSERT INTO credit_ledger (user_id, kind, amount, balance_after, task_id, reason, created_at)
SELECT user_id, 'refund', amount, current_credits - :amount + refunded_so_far, task_id, :reason, coalesce(:now, now())
  FROM account CROSS JOIN ended
 ORDER BY task_id
RETURNING balance_after

-- name: ledger_page
SELECT entry_id, kind, amount, balance_after, task_id, reason, created_at
  FROM credit_ledger
 WHERE user_id = :user_id
   AND entry_id < :after -- if after
 ORDER BY entry_id DESC
 LIMIT :limit

-- name: unbalanced_users
-- Users whose balance is not the sum of their ledger.
SELECT users.user_id, users.current_credits, coalesce(sum(credit_ledger.amount), 0)::bigint AS ledger
  FROM users LEFT JOIN credit_ledger USING (user_id)
 GROUP BY users.user_id
HAVING users.current_credits <> coalesce(sum(credit_ledger.amount), 0)
 LIMIT :limit

-- name: add_key
INSERT INTO api_keys (key_id, user_id, key_hash, hint, name, scope)
VALUES (:key_id, :user_id, :key_hash, :hint, :name, :scope)

-- name: users_of_keys
-- Hashes as text: see note_use_of_keys.
SELECT api_keys.key_hash,
       users.user_id,
       users.is_active,
       api_keys.scope,
       coalesce(api_keys.last_used_at > now() - interval '5 minutes', false) AS use_is_noted
  FROM api_keys JOIN users USING (user_id)
 WHERE api_keys.key_hash IN (SELECT decode(came.hash, 'hex') FROM unnest(:key_hashes::text[]) AS came (hash))
   AND api_keys.revoked_at IS NULL

-- name: users_themselves
-- As holders of a token of their own.
SELECT user_id, is_active, 'user' AS scope, true AS use_is_noted FROM users WHERE user_id = ANY (:user_ids::text[])

-- name: list_keys
SELECT key_id, hint, name, scope, created_at, last_used_at, revoked_at
  FROM api_keys
 WHERE user_id = :user_id
 ORDER BY created_at, key_id

-- name: note_use_of_keys
-- Whoever holds one of them is noting the same. Hashes as hexadecimal text: an array of bytes asyncpg looks up first,
-- which through a pooler leaves `jit` off in a session.
UPDATE api_keys
   SET last_used_at = now()
 WHERE key_id IN (
    SELECT key_id
      FROM api_keys
     WHERE key_hash IN (SELECT decode(used.hash, 'hex') FROM unnest(:key_hashes::text[]) AS used (hash))
     ORDER BY key_id
       FOR UPDATE SKIP LOCKED)

-- name: revoke_key
UPDATE api_keys
   SET revoked_at = now()
 WHERE user_id = :user_id AND key_id = :key_id AND revoked_at IS NULL
RETURNING key_id

-- name: hold_user
-- Whoever erases a user waits here for what others have begun for them, and they for what is erased.
SELECT user_id FROM users WHERE user_id = :user_id FOR UPDATE

-- name: hold_tasks_of_user
SELECT count(*) FROM (SELECT FROM tasks WHERE user_id = :user_id ORDER BY task_id FOR UPDATE) AS held

-- name: hold_files_of_user
SELECT count(*) FROM (SELECT FROM files WHERE user_id = :user_id ORDER BY file_id FOR UPDATE) AS held

-- name: delete_user
-- Files, tasks, keys go with the user; the ledger stays without the person (ON DELETE SET NULL), and reasons typed by
-- people go too. What was imported leaves its ids behind, so that no later import brings it back; what an import could
-- not read goes.
WITH entries AS (
    UPDATE credit_ledger SET reason = NULL WHERE user_id = :user_id
), events AS (
    DELETE FROM task_events WHERE user_id = :user_id
), deliveries AS (
    DELETE FROM webhook_deliveries WHERE user_id = :user_id
), receivers AS (
    DELETE FROM webhook_hosts WHERE user_id = :user_id
), tombstones AS (
    INSERT INTO legacy_tombstones (kind, record_id)
    SELECT 'task', task_id FROM tasks WHERE user_id = :user_id AND legacy_fingerprint IS NOT NULL
     UNION ALL
    SELECT 'user', user_id FROM users WHERE user_id = :user_id AND legacy_fingerprint IS NOT NULL
     UNION ALL
    SELECT 'file', file_id
      FROM tasks CROSS JOIN LATERAL unnest(ARRAY[source_image, reference_image]) AS input (file_id)
     WHERE user_id = :user_id AND legacy_fingerprint IS NOT NULL AND file_id IS NOT NULL
     UNION ALL
    SELECT 'task', record_id FROM legacy_quarantine
     WHERE kind = 'task' AND strpos(fields ->> 'data', '"' || :user_id || '"') > 0
    ON CONFLICT DO NOTHING
), quarantine AS (
    DELETE FROM legacy_quarantine
     WHERE (kind = 'user' AND record_id = :user_id)
        OR (kind = 'task' AND strpos(fields ->> 'data', '"' || :user_id || '"') > 0)
), remarks AS (
    DELETE FROM legacy_remarks
     WHERE (kind = 'user' AND record_id = :user_id)
        OR (kind = 'task' AND record_id IN (SELECT task_id FROM tasks WHERE user_id = :user_id))
)
DELETE FROM users WHERE user_id = :user_id
RETURNING user_id
