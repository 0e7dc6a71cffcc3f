-- Which installation this database is, and which workers can't take messages. Runs before the deploy.

-- One row. Its id names what is this installation's where it shares a server with others, such as its keys in Redis.
CREATE TABLE installation (
    only_one        boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    made_at         timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation DEFAULT VALUES;

-- Why a worker that lives can't take messages; null when it can.
ALTER TABLE workers ADD COLUMN trouble text;
