-- Keys to the API, and what makes a repeated request harmless. Runs before the deploy.

-- The key itself is long and random and is shown once; only its SHA-256 is kept.
CREATE TABLE api_keys (
    key_id     text PRIMARY KEY,
    user_id    text NOT NULL REFERENCES users ON DELETE CASCADE,
    key_hash   bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    hint       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX idx_api_keys_user ON api_keys (user_id);

-- task_id refers to no table: after a task's deletion its key still tells that the request was served.
CREATE TABLE idempotency_keys (
    user_id     text NOT NULL REFERENCES users ON DELETE CASCADE,
    route       text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL,
    task_id     text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, route, key)
);

CREATE INDEX idx_idempotency_keys_created ON idempotency_keys (created_at);
