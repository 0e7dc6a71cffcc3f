-- What an import notes about itself, and how its transactions go.

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

-- name: mixed_clocks
-- Whether times of tasks here may have been read in another zone: by the last import that came through all of them, or by
-- one since then, which was broken off or brought users only.
SELECT EXISTS (SELECT FROM legacy_imports
                WHERE timezone <> :timezone
                  AND import_id >= coalesce((SELECT max(import_id)
                                               FROM legacy_imports
                                              WHERE finished_at IS NOT NULL AND summary ? 'tasks'), 0))

-- name: balances_live_here
-- Whether tasks have been taken over: from then on no import changes a balance.
SELECT EXISTS (SELECT FROM legacy_imports WHERE took_over_at IS NOT NULL)

-- name: begin_take_over
UPDATE legacy_imports SET took_over_at = now() WHERE import_id = :import_id

-- name: settle
-- Batches are committed without waiting for the disk; this one waits, and with it all before it.
SELECT set_config('synchronous_commit', 'on', true), pg_current_xact_id()

-- name: take_time
-- As long as it takes, until the transaction ends.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true)

-- name: begin_batch
-- One batch at a time, whoever else imports: the next statement sees what the one before has done.
SELECT set_config('synchronous_commit', 'off', true),
       pg_advisory_xact_lock(hashtextextended('darkroom legacy import', 0))
