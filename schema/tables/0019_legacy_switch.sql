-- When balances began to live here, and differences that an operator has looked at. Runs before the deploy.

-- Set when an import begins to take tasks over: from then on no import changes a balance.
ALTER TABLE legacy_imports ADD COLUMN took_over_at timestamptz;

UPDATE legacy_imports
   SET took_over_at = coalesce(finished_at, started_at)
 WHERE take_over
   AND (finished_at IS NOT NULL OR EXISTS (SELECT FROM tasks WHERE taken_over_at IS NOT NULL));

-- What `legacy verify --accept` was told is all right, as long as the difference is this one.
CREATE TABLE legacy_accepted (
    kind        text NOT NULL CHECK (kind IN ('user', 'task')),
    record_id   text NOT NULL,
    fingerprint bytea NOT NULL,
    reason      text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id)
);
