-- What an export to the old layout reads, and what it remembers of what it wrote. Pages go by id.

-- name: changed_users
-- Accounts that the old system doesn't know as they are: made here, with changes of their balance, blocked or let in
-- again here. Of a placeholder nothing is known but its id, unless it has entries. In the order of `Changed`.
SELECT user_id AS record_id,
       coalesce(octet_length(avatar), 0) + coalesce(octet_length(username), 0) + 500 AS size,
       nullif(legacy_fingerprint, '') AS imported
  FROM users
 WHERE user_id > :after
   AND (legacy_fingerprint IS NULL
        OR (legacy_fingerprint = '' AND NOT is_placeholder)
        OR judged_at IS NOT NULL
        OR EXISTS (SELECT FROM credit_ledger WHERE credit_ledger.user_id = users.user_id AND kind <> 'opening'))
 ORDER BY user_id
 LIMIT :limit

-- name: changed_tasks
-- Tasks that live here: made here, taken over, or adopted and unknown to the old Redis.
SELECT task_id AS record_id,
       octet_length(config::text) + coalesce(octet_length(result::text), 0) + coalesce(octet_length(error::text), 0)
       + 1000 AS size,
       nullif(legacy_fingerprint, '') AS imported
  FROM tasks
 WHERE task_id > :after AND NOT elsewhere
   AND (legacy_fingerprint IS NULL OR legacy_fingerprint = '' OR taken_over_at IS NOT NULL)
 ORDER BY task_id
 LIMIT :limit

-- name: users_of
SELECT {UserRecord} FROM users WHERE user_id = ANY (:record_ids::text[]) ORDER BY user_id

-- name: tasks_of
SELECT {TaskRecord} FROM tasks WHERE task_id = ANY (:record_ids::text[]) ORDER BY task_id

-- name: exported
-- What exports have written of these records, and what stood there before. Joined, as the table may be empty: then
-- thousands of ids aren't looked at.
SELECT record_id, fingerprint, before
  FROM legacy_exported JOIN unnest(:record_ids::text[]) AS asked (asked_id) ON record_id = asked_id
 WHERE kind = :kind

-- name: put_exported
-- Before it is written: whichever of the two an interruption leaves there is known again.
INSERT INTO legacy_exported (kind, record_id, fingerprint, before)
SELECT :kind, record_id, decode(fingerprint, 'hex'), decode(before, 'hex')
  FROM unnest(:record_ids::text[], :fingerprints::text[], :befores::text[])
    AS put (record_id, fingerprint, before)
 ORDER BY record_id
ON CONFLICT (kind, record_id) DO UPDATE
   SET before = coalesce(excluded.before, legacy_exported.fingerprint),
       fingerprint = excluded.fingerprint,
       stands = true,
       exported_at = now()

-- name: leave_exported
-- It has changed there since: it isn't ours to say any more where it waits there.
UPDATE legacy_exported SET stands = false WHERE kind = :kind AND record_id = ANY (:record_ids::text[])

-- name: waiting_exported
-- Tasks that are to wait there, those that were begun here first, then in the order of the old queue, then of creation.
SELECT task_id, status = 'processing' OR line = 0 AS first, queued_at
  FROM tasks
 WHERE status IN ('pending', 'processing') AND NOT elsewhere
   AND (NOT (status = 'processing' OR line = 0), queued_at, task_id)
       > (NOT :first::boolean, coalesce(:queued_at::timestamptz, '-infinity'), :after)
   AND EXISTS (SELECT FROM legacy_exported WHERE kind = 'task' AND record_id = tasks.task_id AND stands)
 ORDER BY NOT (status = 'processing' OR line = 0), queued_at, task_id
 LIMIT :limit

-- name: exported_among
-- Those of these tasks that were exported: where they wait is said anew.
SELECT record_id FROM legacy_exported WHERE kind = 'task' AND record_id = ANY (:record_ids::text[]) AND stands

-- name: deleted_here
-- Records that the old system may still have, and that were deleted here.
SELECT record_id
  FROM (SELECT record_id FROM legacy_tombstones WHERE kind = :kind
         UNION
        SELECT record_id
          FROM legacy_exported
         WHERE kind = :kind
           AND NOT EXISTS (SELECT FROM tasks WHERE :kind = 'task' AND task_id = record_id)
           AND NOT EXISTS (SELECT FROM users WHERE :kind = 'user' AND user_id = record_id)) AS gone
 WHERE record_id > :after
 ORDER BY record_id
 LIMIT :limit

-- name: sources
-- Where imports read from. Null: one from before that was noted.
SELECT DISTINCT source FROM legacy_imports
