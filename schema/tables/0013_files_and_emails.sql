-- What a user's uploads take up, the list of one's files, and emails in one spelling. Runs before the deploy.

-- Bytes of uploads, by user; a user without any has no row. Results don't count: they were paid for.
-- Not in `users`, where charges would wait for uploads, and without a foreign key: a user's files take the row with them,
-- and an erasure that locked it before the files would stand against a deletion that locks it after them.
CREATE TABLE stored_bytes (
    user_id text PRIMARY KEY,
    bytes   bigint NOT NULL
);

CREATE FUNCTION add_stored_bytes_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stored_bytes AS stored (user_id, bytes)
    SELECT user_id, sum(size) FROM new_files WHERE task_id IS NULL AND user_id IS NOT NULL GROUP BY user_id ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET bytes = stored.bytes + excluded.bytes;
    RETURN NULL;
END
$$;

CREATE FUNCTION take_stored_bytes_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS (
        SELECT user_id, sum(size) AS bytes FROM old_files WHERE task_id IS NULL AND user_id IS NOT NULL GROUP BY user_id
    ), locked AS (
        SELECT user_id FROM stored_bytes WHERE user_id IN (SELECT user_id FROM gone) ORDER BY user_id FOR UPDATE
    )
    UPDATE stored_bytes AS stored
       SET bytes = stored.bytes - gone.bytes
      FROM gone JOIN locked USING (user_id)
     WHERE stored.user_id = gone.user_id;
    DELETE FROM stored_bytes WHERE user_id IN (SELECT user_id FROM old_files) AND bytes <= 0;
    RETURN NULL;
END
$$;

-- From here on nobody writes to `files` until this is committed.
CREATE TRIGGER files_add_bytes AFTER INSERT ON files
    REFERENCING NEW TABLE AS new_files FOR EACH STATEMENT EXECUTE FUNCTION add_stored_bytes_v1();
CREATE TRIGGER files_take_bytes AFTER DELETE ON files
    REFERENCING OLD TABLE AS old_files FOR EACH STATEMENT EXECUTE FUNCTION take_stored_bytes_v1();
CREATE TRIGGER files_change_bytes_add AFTER UPDATE ON files
    REFERENCING NEW TABLE AS new_files FOR EACH STATEMENT EXECUTE FUNCTION add_stored_bytes_v1();
CREATE TRIGGER files_change_bytes_take AFTER UPDATE ON files
    REFERENCING OLD TABLE AS old_files FOR EACH STATEMENT EXECUTE FUNCTION take_stored_bytes_v1();

INSERT INTO stored_bytes (user_id, bytes)
SELECT user_id, sum(size) FROM files WHERE task_id IS NULL AND user_id IS NOT NULL GROUP BY user_id;

-- A user's files, newest first; it serves what idx_files_user did.
CREATE INDEX idx_files_newest ON files (user_id, uploaded_at DESC, file_id DESC);
DROP INDEX idx_files_user;

-- One letter can be spelt in several ways: emails are kept in NFC, whoever writes them. PostgreSQL knows it in UTF-8 only.
CREATE FUNCTION as_nfc_v1(spelt text) RETURNS text LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RETURN spelt;
    END IF;
    RETURN normalize(spelt, NFC);
END
$$;

CREATE FUNCTION spell_email_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.email := as_nfc_v1(NEW.email);
    RETURN NEW;
END
$$;

CREATE TRIGGER users_spell_email BEFORE INSERT OR UPDATE OF email ON users
    FOR EACH ROW WHEN (octet_length(NEW.email) > char_length(NEW.email)) EXECUTE FUNCTION spell_email_v1();

-- An account whose email is another one's but for its spelling keeps it as it is: it is found by exactly that.
WITH spelt AS (
    SELECT user_id, as_nfc_v1(email) AS email, count(*) OVER (PARTITION BY lower(as_nfc_v1(email))) AS accounts
      FROM users
     WHERE octet_length(email) > char_length(email)
)
UPDATE users
   SET email = spelt.email
  FROM spelt
 WHERE users.user_id = spelt.user_id AND users.email <> spelt.email AND accounts = 1
   AND NOT EXISTS (SELECT FROM users AS other WHERE lower(other.email) = lower(spelt.email) AND other.user_id <> spelt.user_id);
