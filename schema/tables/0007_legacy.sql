-- What came from the system before this one, and what is to be known about it. Runs before the deploy.

ALTER TABLE users
    -- What the record looked like in the old Redis when it was last imported; null: an account made here. Empty: it came
    -- with the old system's tables, or with a task whose user was unknown, and no import has seen it in Redis.
    ADD COLUMN legacy_fingerprint bytea,
    -- Only its id is known, from a task. A later import fills it.
    ADD COLUMN is_placeholder boolean NOT NULL DEFAULT false;

ALTER TABLE tasks
    ADD COLUMN legacy_fingerprint bytea,
    -- When the old Redis was going to forget it by itself.
    ADD COLUMN legacy_expires_at timestamptz,
    -- Unfinished, and the old system's workers have it: here it is only read, never dispatched, claimed or swept.
    ADD COLUMN elsewhere boolean NOT NULL DEFAULT false,
    -- When it was taken over from the old system's workers: from then on it lives here.
    ADD COLUMN taken_over_at timestamptz,
    -- Its place in its user's line. Only tasks from the old queue have one that isn't their created_at.
    ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now();

UPDATE tasks SET queued_at = created_at WHERE status IN ('pending', 'processing');

ALTER TABLE tasks
    DROP CONSTRAINT tasks_leased_while_processing,
    ADD CONSTRAINT tasks_leased_while_processing
        CHECK ((status = 'processing' AND NOT elsewhere) = (lease_expires_at IS NOT NULL)),
    ADD CONSTRAINT tasks_elsewhere_unfinished
        CHECK (NOT elsewhere OR (status IN ('pending', 'processing') AND legacy_fingerprint IS NOT NULL));

DROP INDEX idx_tasks_waiting, idx_tasks_running, idx_tasks_undispatched;
CREATE INDEX idx_tasks_waiting ON tasks (user_id, line, queued_at, task_id) WHERE status = 'pending' AND NOT elsewhere;
CREATE INDEX idx_tasks_running ON tasks (user_id, lease_expires_at) WHERE status = 'processing' AND NOT elsewhere;
CREATE INDEX idx_tasks_undispatched ON tasks (created_at)
    WHERE status = 'pending' AND NOT elsewhere AND dispatched_at IS NULL;
CREATE INDEX idx_tasks_elsewhere ON tasks (task_id) WHERE elsewhere;

-- As before (0001), but for tasks that wait elsewhere.
CREATE OR REPLACE FUNCTION waiting_tasks(of_user text, up_to integer) RETURNS bigint
    LANGUAGE sql VOLATILE AS $$
    SELECT count(*)
      FROM (SELECT FROM tasks WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere LIMIT up_to) AS waiting
$$;

-- The old system let several users use one file: one row for each of them, on one blob. Without a user it is the
-- operators'.
ALTER TABLE files DROP CONSTRAINT files_pkey;
CREATE UNIQUE INDEX idx_files_owner ON files (file_id, user_id) NULLS NOT DISTINCT;
-- Whether it came from the old system's folder: once deleted here, a later import leaves it there.
ALTER TABLE files ADD COLUMN brought boolean NOT NULL DEFAULT false;

-- Every import that was begun; the last one's prefix and time zone are what is compared and read by.
CREATE TABLE legacy_imports (
    import_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix      text NOT NULL,
    timezone    text NOT NULL,
    take_over   boolean NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    summary     jsonb
);

-- Records that could not be imported, whole, and why.
CREATE TABLE legacy_quarantine (
    kind           text NOT NULL CHECK (kind IN ('user', 'task', 'file')),
    record_id      text NOT NULL,
    reason         text NOT NULL,
    -- Each field's text, or {"base64": ...} where it isn't text.
    fields         jsonb NOT NULL,
    fingerprint    bytea NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id)
);

-- Records that were imported otherwise than they were, or that differ from what was used here meanwhile, and why.
CREATE TABLE legacy_remarks (
    kind        text NOT NULL CHECK (kind IN ('user', 'task', 'file', 'queue')),
    record_id   text NOT NULL,
    reasons     text[] NOT NULL,
    -- Whether the record was left as it is here, because it was used here meanwhile.
    conflict    boolean NOT NULL DEFAULT false,
    fields      jsonb,
    fingerprint bytea NOT NULL,
    remarked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id)
);

-- Imported records that were deleted here: a later import doesn't bring them back. A file has one for the owner who
-- deleted it, `file_id/user_id`, and one for all, `file_id`: it never becomes the operators'.
CREATE TABLE legacy_tombstones (
    kind      text NOT NULL CHECK (kind IN ('user', 'task', 'file')),
    record_id text NOT NULL,
    gone_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id)
);
