-- Balances, totals and the ledger hold large numbers: a refund must never fail. Runs before the deploy.
-- Rewrites `users` and `credit_ledger`, which nobody can read or write meanwhile: some 5 s a million rows. Creates wait for
-- it; processes of the version before go on with it. Users first, as everybody locks them first.
-- What one task costs stays an integer: a price is at most some hundreds (schema/models/edits.py).

ALTER TABLE users
    ALTER COLUMN current_credits TYPE bigint,
    ALTER COLUMN total_credits_used TYPE bigint;

ALTER TABLE credit_ledger
    ALTER COLUMN amount TYPE bigint,
    ALTER COLUMN balance_after TYPE bigint;
