-- Keys tell what they are for and when they were last used. Runs before the deploy.

ALTER TABLE api_keys
    ADD COLUMN name text CHECK (length(name) BETWEEN 1 AND 100),
    ADD COLUMN last_used_at timestamptz;
