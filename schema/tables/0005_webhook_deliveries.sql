-- What is to be told to whom about an ended task. Runs before the deploy.

CREATE TABLE webhook_deliveries (
    delivery_id     text PRIMARY KEY,
    user_id         text NOT NULL REFERENCES users ON DELETE CASCADE,
    task_id         text NOT NULL,
    url             text NOT NULL,
    event           text NOT NULL CHECK (event IN ('task.done', 'task.failed', 'task.cancelled')),
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    delivered_at    timestamptz,
    last_status     integer,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_deliveries_ended CHECK (delivered_at IS NULL OR next_attempt_at IS NULL)
);

CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX idx_webhook_deliveries_task ON webhook_deliveries (task_id);
