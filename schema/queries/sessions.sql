-- Browsers' sessions, and the links that begin one. Each begins by locking its user: the one order of all locks.

-- name: add_link
INSERT INTO sign_in_links (token_hash, user_id, scope, expires_at)
VALUES (:token_hash, :user_id, :scope, now() + :lifetime::interval)
RETURNING expires_at

-- name: begin_session_by_link
-- The link goes with its use: of two who use it at once, one finds it.
WITH owner AS MATERIALIZED (
    SELECT user_id
      FROM users
     WHERE user_id = (SELECT user_id FROM sign_in_links WHERE token_hash = :link_hash) AND is_active
       FOR SHARE
), used AS (
    DELETE FROM sign_in_links USING owner
     WHERE token_hash = :link_hash AND sign_in_links.user_id = owner.user_id AND expires_at > now()
    RETURNING sign_in_links.user_id, scope
)
INSERT INTO sessions (token_hash, user_id, scope, expires_at, ends_at)
SELECT :token_hash, user_id, scope, now() + :idle::interval, now() + :longest::interval FROM used
RETURNING user_id, scope, ends_at

-- name: begin_session_by_key
WITH owner AS MATERIALIZED (
    SELECT user_id
      FROM users
     WHERE user_id = (SELECT user_id FROM api_keys WHERE key_hash = :key_hash) AND is_active
       FOR SHARE
)
INSERT INTO sessions (token_hash, user_id, key_id, scope, expires_at, ends_at)
SELECT :token_hash, user_id, key_id, scope, now() + :idle::interval, now() + :longest::interval
  FROM owner JOIN api_keys USING (user_id)
 WHERE key_hash = :key_hash AND revoked_at IS NULL
RETURNING user_id, scope, ends_at

-- name: begin_session_by_jwt
-- For a user who has shown something that is good until then.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = :user_id AND is_active FOR SHARE
)
INSERT INTO sessions (token_hash, user_id, scope, expires_at, ends_at)
SELECT :token_hash, user_id, 'user', least(now() + :idle::interval, until), until
  FROM owner CROSS JOIN LATERAL (SELECT least(now() + :longest::interval, :until::timestamptz)) AS bound (until)
RETURNING user_id, scope, ends_at

-- name: end_oldest_sessions
-- Beyond so many. Whoever holds one is ending it or using it: it goes with the next that begins.
WITH owner AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id = :user_id FOR SHARE
), beyond AS MATERIALIZED (
    SELECT token_hash
      FROM sessions JOIN owner USING (user_id)
     ORDER BY sessions.created_at DESC, token_hash
    OFFSET :most
)
DELETE FROM sessions
 WHERE token_hash IN (SELECT token_hash FROM sessions JOIN beyond USING (token_hash) ORDER BY token_hash
                         FOR UPDATE OF sessions SKIP LOCKED)

-- name: users_of_sessions
-- Hashes as text: see note_use_of_keys.
SELECT sessions.token_hash,
       users.user_id,
       users.is_active,
       sessions.scope,
       sessions.expires_at >= least(sessions.ends_at, now() + :idle::interval - interval '1 hour') AS use_is_noted
  FROM sessions JOIN users USING (user_id) LEFT JOIN api_keys USING (key_id)
 WHERE sessions.token_hash IN (SELECT decode(came.hash, 'hex') FROM unnest(:token_hashes::text[]) AS came (hash))
   AND sessions.expires_at > now() AND api_keys.revoked_at IS NULL

-- name: slide_sessions
-- Hashes as text, and whoever holds one is doing the same: see note_use_of_keys.
UPDATE sessions
   SET expires_at = least(ends_at, now() + :idle::interval)
 WHERE token_hash IN (
    SELECT token_hash
      FROM sessions
     WHERE token_hash IN (SELECT decode(used.hash, 'hex') FROM unnest(:token_hashes::text[]) AS used (hash))
       AND expires_at > now()
     ORDER BY token_hash
       FOR UPDATE SKIP LOCKED)

-- name: end_session
DELETE FROM sessions WHERE token_hash = :token_hash

-- name: forget_ended_sessions
-- How many went; as many as the limit: there may be more.
WITH gone AS (
    DELETE FROM sessions
     WHERE token_hash IN (SELECT token_hash FROM sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: forget_expired_links
WITH gone AS (
    DELETE FROM sign_in_links
     WHERE token_hash IN (SELECT token_hash FROM sign_in_links WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit)
    RETURNING 1
)
SELECT count(*) FROM gone
