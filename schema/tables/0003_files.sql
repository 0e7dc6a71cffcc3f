-- Uploads and results. Runs before the deploy.

CREATE TABLE files (
    file_id      text PRIMARY KEY CHECK (length(file_id) BETWEEN 1 AND 64),
    user_id      text REFERENCES users ON DELETE CASCADE,
    task_id      text,
    purpose      text,
    filename     text NOT NULL,
    blob_key     text NOT NULL,
    sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    content_type text NOT NULL,
    size         bigint NOT NULL CHECK (size >= 0),
    width        integer NOT NULL CHECK (width > 0),
    height       integer NOT NULL CHECK (height > 0),
    uploaded_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_files_user ON files (user_id, uploaded_at);
CREATE INDEX idx_files_task ON files (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX idx_files_blob ON files (blob_key);
CREATE INDEX idx_files_uploads ON files (uploaded_at) WHERE task_id IS NULL;

-- Blobs to be removed from the storage once they are due, unless a file refers to them by then. A blob is noted here
-- before it is written and struck off when its file is recorded, so that a crash in between leaves nothing behind.
CREATE TABLE blob_removals (
    blob_key text PRIMARY KEY,
    due_at   timestamptz NOT NULL
);

CREATE INDEX idx_blob_removals_due ON blob_removals (due_at);

-- However a file's row goes (by request, with its task, with its user), its blob follows.
CREATE FUNCTION note_blob_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_removals (blob_key, due_at) VALUES (OLD.blob_key, now())
    ON CONFLICT (blob_key) DO UPDATE SET due_at = excluded.due_at;
    RETURN NULL;
END
$$;

-- Whether any task has the file as its input.
-- VOLATILE on purpose: asked once the file's row is locked, it sees, with a fresh snapshot, the task of a create that had
-- held a share of that lock until then.
CREATE FUNCTION is_an_input(file text) RETURNS boolean
    LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (SELECT FROM tasks WHERE source_image = file OR reference_image = file)
$$;

CREATE TRIGGER files_note_blob_removal AFTER DELETE ON files FOR EACH ROW EXECUTE FUNCTION note_blob_removal();
