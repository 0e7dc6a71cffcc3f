-- What `darkroom doctor` looks at.

-- name: clock
SELECT now()

-- name: takes_writes
SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'

-- name: stuck_tasks
-- Processing without a live lease for longer than the chore takes: nobody does it.
SELECT task_id
  FROM tasks
 WHERE status = 'processing' AND lease_expires_at < now() - interval '30 seconds'
 ORDER BY lease_expires_at
 LIMIT :limit

-- name: oldest_waiting
-- How long the first of those that may run now has been waiting, in seconds.
SELECT coalesce(extract(epoch FROM now() - min(greatest(updated_at, not_before))), 0)::double precision
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND (not_before IS NULL OR not_before <= now())

-- name: undispatched_too_long
SELECT count(*)
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND dispatched_at IS NULL
   AND greatest(updated_at, not_before) < now() - interval '30 seconds'

-- name: ownerless_tasks
SELECT count(*) FROM tasks WHERE user_id IS NULL

-- name: old_system
-- What is left with the system before this one, and what of it couldn't be imported.
SELECT (SELECT count(*) FROM tasks WHERE elsewhere) AS elsewhere,
       (SELECT count(*) FROM legacy_quarantine) AS quarantined,
       EXISTS (SELECT FROM legacy_imports) AS imported

-- name: unrefunded_tasks
SELECT task_id
  FROM tasks
 WHERE status IN ('failed', 'cancelled') AND credits_refunded < credits_consumed
 LIMIT :limit

-- name: miscounted_tasks
-- A task that was imported was charged where it came from; one that ended there has no entries here at all.
SELECT task_id
  FROM tasks
  JOIN (SELECT task_id,
               -coalesce(sum(amount) FILTER (WHERE kind = 'charge'), 0)::bigint AS charged,
               coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded
          FROM credit_ledger
         WHERE task_id IS NOT NULL
         GROUP BY task_id) AS entries USING (task_id)
 WHERE (charged <> credits_consumed AND (charged <> 0 OR legacy_fingerprint IS NULL)) OR refunded <> credits_refunded
 LIMIT :limit

-- name: sample_of_files
-- The newest files and a random part of the rest.
(SELECT file_id, blob_key FROM files ORDER BY uploaded_at DESC LIMIT :limit)
UNION
(SELECT file_id, blob_key FROM files TABLESAMPLE SYSTEM (5) LIMIT :limit)

-- name: connection_limits
-- Connections to the whole server, and how many of them an ordinary user may have; then this user's and this database's
-- own limits, where they have any.
SELECT (SELECT sum(numbackends) FROM pg_stat_database WHERE datname IS NOT NULL)::integer AS used,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true), '0')::integer AS usable,
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)::integer AS used_by_user,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS usable_by_user,
       (SELECT numbackends FROM pg_stat_database WHERE datname = current_database()) AS used_in_database,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS usable_in_database

-- name: tables_without_rights
-- Those of ours that this user may not read and write, and sequences of theirs that it may not use. What a sequence of an
-- identity gives needs no right of its own (deptype 'i').
SELECT name
  FROM unnest(:tables::text[]) AS name
 WHERE to_regclass(name) IS NOT NULL
   AND NOT (has_table_privilege(to_regclass(name), 'SELECT') AND has_table_privilege(to_regclass(name), 'INSERT')
            AND has_table_privilege(to_regclass(name), 'UPDATE') AND has_table_privilege(to_regclass(name), 'DELETE'))
 UNION ALL
SELECT relname::text
  FROM unnest(:tables::text[]) AS name
  JOIN pg_depend ON refobjid = to_regclass(name) AND classid = 'pg_class'::regclass AND deptype = 'a'
  JOIN pg_class ON pg_class.oid = objid
 WHERE CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(pg_class.oid, 'USAGE') END -- nothing else is asked for
 ORDER BY 1

-- name: webhooks_told
SELECT count(*) FILTER (WHERE status = 'waiting') AS waiting,
       count(*) FILTER (WHERE status = 'waiting' AND next_attempt_at < now() - interval '5 minutes') AS overdue,
       count(*) FILTER (WHERE status = 'failed' AND ended_at > now() - interval '1 day') AS given_up,
       (SELECT count(*) FROM webhook_hosts WHERE paused_until > now()) AS in_peace
  FROM webhook_deliveries
