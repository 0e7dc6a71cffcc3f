-- Every change of a balance, once. Runs before the deploy.
-- An erased user's entries stay without the person: user_id becomes null.

CREATE TABLE credit_ledger (
    entry_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       text REFERENCES users ON DELETE SET NULL,
    kind          text NOT NULL CHECK (kind IN ('opening', 'grant', 'charge', 'refund')),
    amount        integer NOT NULL,
    balance_after integer NOT NULL CHECK (balance_after >= 0),
    task_id       text,
    reason        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_charges_take CHECK (kind <> 'charge' OR (amount <= 0 AND task_id IS NOT NULL)),
    CONSTRAINT ledger_refunds_give CHECK (kind <> 'refund' OR (amount >= 0 AND task_id IS NOT NULL))
);

CREATE INDEX idx_credit_ledger_user ON credit_ledger (user_id, entry_id DESC);
CREATE UNIQUE INDEX idx_credit_ledger_once ON credit_ledger (task_id, kind) WHERE task_id IS NOT NULL;
