-- What 0007 and 0010 have made room for: everything adopted is marked as brought along and never seen in the old Redis (an empty
-- fingerprint), unfinished tasks as the old system's workers'. Both tables are rewritten, which leaves no dead rows.

ALTER TABLE users ALTER COLUMN legacy_fingerprint TYPE bytea USING ''::bytea;

ALTER TABLE tasks
    ALTER COLUMN legacy_fingerprint TYPE bytea USING ''::bytea,
    ALTER COLUMN elsewhere TYPE boolean USING status IN ('pending', 'processing'),
    ALTER COLUMN lease_expires_at TYPE timestamptz USING NULL,
    ALTER COLUMN queued_at TYPE timestamptz USING created_at;

-- Users of whom only tasks tell.
INSERT INTO users (user_id, is_placeholder, legacy_fingerprint, created_at)
SELECT user_id, true, '', min(created_at)
  FROM tasks
 WHERE user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE users.user_id = tasks.user_id)
 GROUP BY user_id;

-- Where 0001 made the table, it is there already.
ALTER TABLE tasks
    DROP CONSTRAINT IF EXISTS tasks_user_id_fkey,
    ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;

INSERT INTO credit_ledger (user_id, kind, amount, balance_after, reason)
SELECT user_id, 'opening', current_credits, current_credits, 'balance brought along'
  FROM users
 WHERE current_credits > 0;

INSERT INTO legacy_quarantine (kind, record_id, reason, fields, fingerprint)
SELECT kind, record_id, array_to_string(reasons, '; '), fields, ''
  FROM darkroom_adoption_notes
 WHERE quarantined;

INSERT INTO legacy_remarks (kind, record_id, reasons, fields, fingerprint)
SELECT kind, record_id, reasons, fields, ''
  FROM darkroom_adoption_notes
 WHERE NOT quarantined;
