-- Who does the chores for all workers, and what of them fails again and again. Runs before the deploy.

-- A lease as a row: works through a transaction pooler, and whoever dies is replaced when it has run out.
CREATE TABLE leaders (
    duty       text PRIMARY KEY,
    holder     text NOT NULL,
    elected_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- Rows that a chore passed over because something about them failed, for the doctor. An empty subject: the whole chore.
CREATE TABLE chore_failures (
    chore     text NOT NULL,
    subject   text NOT NULL,
    reason    text NOT NULL,
    failures  integer NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL DEFAULT now(),
    last_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chore, subject)
);

-- Retention goes through ended tasks, the oldest end first.
CREATE INDEX idx_tasks_ended ON tasks (coalesce(completed_at, failed_at, cancelled_at), task_id)
    WHERE status IN ('done', 'failed', 'cancelled') AND user_id IS NOT NULL;
