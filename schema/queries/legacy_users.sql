-- What an import looks up and writes of accounts. Batches come as one text array per column, and are cast here.

-- name: known_users
-- Used: its balance has changed here. A placeholder has never been imported, whatever happened to it since. Entries are
-- looked for with LIMIT, user by user: EXISTS would be answered by a hash of the whole ledger, batch after batch.
SELECT user_id AS record_id,
       legacy_fingerprint AS fingerprint,
       false AS gone,
       NOT is_placeholder
       AND (SELECT true FROM credit_ledger
             WHERE credit_ledger.user_id = users.user_id AND kind <> 'opening' LIMIT 1) IS NOT NULL AS used,
       is_placeholder AS placeholder,
       (SELECT true FROM credit_ledger WHERE credit_ledger.user_id = users.user_id LIMIT 1) IS NOT NULL AS entries,
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
-- The emails asked for, as they are compared; who else has them here, since when, and whether that account was made here.
SELECT asked.user_id, lower(asked.email) AS email, users.user_id AS holder, users.last_login,
       users.user_id IS NOT NULL AND users.legacy_fingerprint IS NULL AS made_here
  FROM unnest(:user_ids::text[], :emails::text[]) WITH ORDINALITY AS asked (user_id, email, place)
  LEFT JOIN users ON lower(users.email) = lower(asked.email) AND users.user_id <> asked.user_id
 ORDER BY place

-- name: release_emails
-- They get others in this transaction; whoever takes one over must not meet it.
WITH held AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = ANY (:user_ids::text[]) ORDER BY user_id FOR NO KEY UPDATE
)
UPDATE users SET email = NULL FROM held WHERE users.user_id = held.user_id

-- name: displace_emails
-- Who signed in later gets them: what an import says of these accounts has one remark more.
WITH held AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = ANY (:user_ids::text[]) ORDER BY user_id FOR NO KEY UPDATE
), displaced AS (
    UPDATE users
       SET email = NULL
      FROM held JOIN users AS before USING (user_id)
     WHERE users.user_id = held.user_id
    RETURNING users.user_id, before.email, users.legacy_fingerprint
)
INSERT INTO legacy_remarks AS kept (kind, record_id, reasons, fields, fingerprint)
SELECT 'user', user_id, ARRAY[:reason], jsonb_build_object('email', email), legacy_fingerprint FROM displaced
ON CONFLICT (kind, record_id) DO UPDATE
   SET reasons = array_append(array_remove(kept.reasons, :reason), :reason),
       fields = coalesce(kept.fields, excluded.fields),
       fingerprint = excluded.fingerprint,
       remarked_at = now()

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
