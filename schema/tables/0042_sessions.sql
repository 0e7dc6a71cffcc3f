-- Sessions of browsers, links that begin one, and keys of operators. Runs before the deploy. The trigger waits for whoever
-- writes users.

ALTER TABLE api_keys ADD COLUMN scope text NOT NULL DEFAULT 'user' CHECK (scope IN ('user', 'admin'));

-- The token is long and random and only in its browser's cookie; here is its SHA-256. `expires_at` slides with the use of the
-- session, up to `ends_at`. A session that began with a key ends with it.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    text NOT NULL REFERENCES users ON DELETE CASCADE,
    key_id     text REFERENCES api_keys ON DELETE CASCADE,
    scope      text NOT NULL CHECK (scope IN ('user', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL CHECK (expires_at <= ends_at)
);
CREATE INDEX idx_sessions_user ON sessions (user_id);
CREATE INDEX idx_sessions_key ON sessions (key_id);
CREATE INDEX idx_sessions_expires ON sessions (expires_at);

-- Each is good once: it goes with its use.
CREATE TABLE sign_in_links (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    text NOT NULL REFERENCES users ON DELETE CASCADE,
    scope      text NOT NULL CHECK (scope IN ('user', 'admin')),
    expires_at timestamptz NOT NULL
);
CREATE INDEX idx_sign_in_links_user ON sign_in_links (user_id);
CREATE INDEX idx_sign_in_links_expires ON sign_in_links (expires_at);

-- Whoever suspends a user, the sign-in service too: no session comes back when the user does.
CREATE FUNCTION end_sessions_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE user_id = NEW.user_id;
    DELETE FROM sign_in_links WHERE user_id = NEW.user_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_end_sessions AFTER UPDATE OF is_active ON users
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active) EXECUTE FUNCTION end_sessions_v1();
