-- Jobs that engines run elsewhere for tasks, each noted before it is started: whoever takes a task over finds its job again
-- instead of paying for another, and what runs for nobody is stopped. Runs before the deploy.

CREATE TABLE remote_jobs (
    job_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id     text NOT NULL,
    lease_token bigint NOT NULL,
    engine      text NOT NULL,
    -- Which of the engine's servers, without its address.
    place       text NOT NULL,
    -- Null where the server gives ids, and hasn't yet.
    job_id      text,
    begun_at    timestamptz NOT NULL,
    started_at  timestamptz,
    -- Nobody follows it any more: another engine has taken over.
    dropped     boolean NOT NULL DEFAULT false,
    over_at     timestamptz,
    how         text CHECK (how IN ('ended', 'stopped', 'lost', 'unknown')),
    asked       integer NOT NULL DEFAULT 0,
    asked_at    timestamptz,
    CHECK ((over_at IS NULL) = (how IS NULL))
);
-- No reference to tasks: a job that still runs outlives its task's row until it is stopped.

-- One at a time: a second job for a task can't be noted, so it isn't started.
CREATE UNIQUE INDEX idx_remote_jobs_followed ON remote_jobs (task_id) WHERE over_at IS NULL AND NOT dropped;
CREATE INDEX idx_remote_jobs_open ON remote_jobs (job_no) WHERE over_at IS NULL;
CREATE INDEX idx_remote_jobs_over ON remote_jobs (over_at) WHERE over_at IS NOT NULL;
