-- Users and their tasks. Runs before the deploy.
-- Ids are text: `usr_...` and `task_...`, or whatever an older system gave (UUIDs among them).

CREATE TABLE users (
    user_id              text PRIMARY KEY CHECK (length(user_id) BETWEEN 1 AND 50),
    email                text,
    username             text,
    avatar               text,
    password_hash        text,
    has_password         boolean NOT NULL DEFAULT false,
    is_active            boolean NOT NULL DEFAULT true,
    signup_bonus_granted boolean NOT NULL DEFAULT false,
    current_plan_id      text,
    plan_renew_at        timestamptz,
    current_credits      integer NOT NULL DEFAULT 0 CHECK (current_credits >= 0),
    total_credits_used   integer NOT NULL DEFAULT 0 CHECK (total_credits_used >= 0),
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    last_login           timestamptz
);

CREATE UNIQUE INDEX idx_users_email ON users (lower(email));

CREATE TABLE tasks (
    task_id          text PRIMARY KEY CHECK (length(task_id) BETWEEN 1 AND 64),
    user_id          text REFERENCES users ON DELETE CASCADE,
    status           text NOT NULL DEFAULT 'pending'
                     CHECK (status IN ('pending', 'processing', 'done', 'failed', 'cancelled')),
    mode             text NOT NULL CHECK (mode IN ('HEAD_SWAP', 'BACKGROUND_CHANGE', 'POSE_CHANGE')),
    priority         text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    progress         smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    current_step     text,
    source_image     text NOT NULL,
    reference_image  text,
    config           jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    result           jsonb,
    error            jsonb,
    webhook_url      text,
    credits_consumed integer NOT NULL DEFAULT 0 CHECK (credits_consumed >= 0),
    credits_refunded integer NOT NULL DEFAULT 0 CHECK (credits_refunded BETWEEN 0 AND credits_consumed),
    attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    retry_of         text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    completed_at     timestamptz,
    failed_at        timestamptz,
    cancelled_at     timestamptz,
    processing_time  double precision GENERATED ALWAYS AS (
        CAST(extract(epoch FROM coalesce(completed_at, failed_at, cancelled_at) - started_at) AS double precision)
    ) STORED,

    -- The place in its user's line: 0 came back from a lost or stopped worker, then high, normal, low.
    line             smallint NOT NULL DEFAULT 2 CHECK (line BETWEEN 0 AND 3),
    -- A transient failure waits until then.
    not_before       timestamptz,
    -- Null: to be dispatched. Otherwise a message numbered message_no went to Redis then.
    dispatched_at    timestamptz,
    message_no       integer NOT NULL DEFAULT 0,
    -- The fencing token: every claim raises it, nothing lowers it.
    lease_token      bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    worker_id        text,

    CONSTRAINT tasks_completed_when_done CHECK ((status = 'done') = (completed_at IS NOT NULL)),
    CONSTRAINT tasks_failed_when_failed CHECK ((status = 'failed') = (failed_at IS NOT NULL)),
    CONSTRAINT tasks_cancelled_when_cancelled CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT tasks_leased_while_processing CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL))
);

CREATE INDEX idx_tasks_user_id ON tasks (user_id, mode, created_at DESC, task_id DESC);
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status, created_at DESC, task_id DESC);
CREATE INDEX idx_tasks_user_created ON tasks (user_id, created_at DESC, task_id DESC);

-- Who waits, in the order of the line; what runs; what is still to be dispatched.
CREATE INDEX idx_tasks_waiting ON tasks (user_id, line, created_at, task_id) WHERE status = 'pending';
CREATE INDEX idx_tasks_running ON tasks (user_id, lease_expires_at) WHERE status = 'processing';
CREATE INDEX idx_tasks_undispatched ON tasks (created_at) WHERE status = 'pending' AND dispatched_at IS NULL;
-- Which unfinished tasks use a file, and which tasks have it as an input at all.
CREATE INDEX idx_tasks_source_image ON tasks (source_image);
CREATE INDEX idx_tasks_reference_image ON tasks (reference_image) WHERE reference_image IS NOT NULL;

-- When each user was last given a worker's slot. Apart from users, so that claims and charges don't wait for each other.
CREATE TABLE claim_turns (
    user_id         text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    last_claimed_at timestamptz NOT NULL
);

-- How many tasks of a user wait, counted up to a limit.
-- VOLATILE on purpose: a create that had to wait for its user's row counts again, with a fresh snapshot, and so sees
-- what its predecessors inserted; STABLE would let concurrent creates pass the limit together.
CREATE FUNCTION waiting_tasks(of_user text, up_to integer) RETURNS bigint
    LANGUAGE sql VOLATILE AS $$
    SELECT count(*)
      FROM (SELECT FROM tasks WHERE user_id = of_user AND status = 'pending' LIMIT up_to) AS waiting
$$;
