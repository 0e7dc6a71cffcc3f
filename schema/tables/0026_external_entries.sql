-- A balance that another program writes (the existing system's sign-in, on adopted tables) gets its line in the ledger: every
-- balance is the sum of its ledger, whoever wrote it. Runs before the deploy; processes of the version before go on.

-- In the order in which everybody locks them.
LOCK TABLE users, credit_ledger IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE credit_ledger
    DROP CONSTRAINT credit_ledger_kind_check,
    ADD CONSTRAINT credit_ledger_kind_check CHECK (kind IN ('opening', 'grant', 'charge', 'refund', 'external'));

-- Looked for with every account that an import reads.
CREATE INDEX idx_credit_ledger_external ON credit_ledger (user_id) WHERE kind = 'external';

-- Called at the end of a transaction that changed a balance. Whoever keeps the ledger has written the last entry by then,
-- with the balance after it; who doesn't gets one. The account is that program's too: an import from the existing system may
-- bring more about it (an empty fingerprint, see 0007). With the owner's rights: who writes accounts needn't see the ledger.
CREATE FUNCTION enter_external_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    balance bigint;
    booked bigint;
BEGIN
    SELECT current_credits,
           coalesce((SELECT balance_after FROM credit_ledger
                      WHERE credit_ledger.user_id = users.user_id ORDER BY entry_id DESC LIMIT 1), 0)
      INTO balance, booked
      FROM users
     WHERE user_id = NEW.user_id;
    IF balance <> booked THEN
        INSERT INTO credit_ledger (user_id, kind, amount, balance_after, reason)
        VALUES (NEW.user_id, 'external', balance - booked, balance, 'changed by another program');
        UPDATE users SET legacy_fingerprint = '' WHERE user_id = NEW.user_id AND legacy_fingerprint IS NULL;
    END IF;
    RETURN NULL;
END
$$;

-- Whoever calls it brings no tables of the same names.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION enter_external_v1 SET search_path = %I, pg_temp', current_schema());
END
$$;

CREATE CONSTRAINT TRIGGER users_open_with_entry AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.current_credits <> 0) EXECUTE FUNCTION enter_external_v1();
CREATE CONSTRAINT TRIGGER users_change_with_entry AFTER UPDATE OF current_credits ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.current_credits <> NEW.current_credits) EXECUTE FUNCTION enter_external_v1();
