-- An import asks for each account's opening entry, every minute after a switch: it isn't looked for among all the others.
-- Runs before the deploy.

CREATE INDEX idx_credit_ledger_opening ON credit_ledger (user_id) WHERE kind = 'opening';
