-- What a comparison reads of what was imported, and what of it somebody has accepted.

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
