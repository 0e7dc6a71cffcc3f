-- Webhooks: what is to be told to a receiver, written in the transaction that ended what it tells of. Runs before the
-- deploy. Adding the triggers waits for whoever writes tasks.

-- Which of its events a task's receiver is told; null: all of its ends.
ALTER TABLE tasks ADD COLUMN webhook_events text[];

-- The one of 0005 was never written to.
DROP TABLE webhook_deliveries;

CREATE TABLE webhook_deliveries (
    delivery_id     text PRIMARY KEY,
    user_id         text NOT NULL,
    event_id        text NOT NULL,
    type            text NOT NULL CHECK (type IN ('task.done', 'task.failed', 'task.cancelled', 'batch.done', 'ping')),
    task_id         text,
    batch_id        text,
    url             text NOT NULL,
    host            text NOT NULL GENERATED ALWAYS AS (lower(coalesce(substring(url FROM '://([^/?#]*)'), ''))) STORED,
    -- What the task was, once its row is gone.
    data            jsonb,
    status          text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'delivered', 'failed', 'gone')),
    -- Since it began, or was asked for again; and in all.
    tries           integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When its own schedule wants it, and when it is tried: later while the receiver is left in peace, or while a worker
    -- has it.
    due_at          timestamptz NOT NULL,
    next_attempt_at timestamptz,
    announced_at    timestamptz,
    claim           text,
    claimed_until   timestamptz,
    last_status     integer,
    last_error      text,
    last_response   text,
    created_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    -- When it may be forgotten, if it has ended.
    forget_at       timestamptz,
    CONSTRAINT webhook_deliveries_waiting CHECK ((status = 'waiting') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_ended CHECK ((status = 'waiting') = (ended_at IS NULL))
);
-- No reference to users or tasks: an end would lock the user's row after the task's.

CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (host, next_attempt_at) WHERE status = 'waiting';
CREATE INDEX idx_webhook_deliveries_user ON webhook_deliveries (user_id, created_at, delivery_id);
CREATE INDEX idx_webhook_deliveries_task ON webhook_deliveries (task_id);
CREATE INDEX idx_webhook_deliveries_forget ON webhook_deliveries (forget_at) WHERE forget_at IS NOT NULL;

-- Receivers of which the last attempts failed: left in peace for a while.
CREATE TABLE webhook_hosts (
    user_id      text NOT NULL,
    host         text NOT NULL,
    failures     integer NOT NULL CHECK (failures > 0),
    failed_at    timestamptz NOT NULL,
    paused_until timestamptz,
    PRIMARY KEY (user_id, host)
);
CREATE INDEX idx_webhook_hosts_failed ON webhook_hosts (failed_at);

-- What users' webhooks are signed with, sealed under a key made from SECRET_KEY; `sealed_by` names it.
CREATE TABLE webhook_secrets (
    user_id        text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    sealed         text NOT NULL,
    sealed_by      text NOT NULL,
    previous       text,
    previous_until timestamptz,
    made_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_webhook_secrets_sealed_by ON webhook_secrets (sealed_by);

-- Lets a receiver be told of something, once. For whoever ends it, in the transaction that does.
CREATE FUNCTION tell_webhook_v1(
    whose text, event text, kind text, receiver text, of_task text, of_batch text, at timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO webhook_deliveries (delivery_id, user_id, event_id, type, task_id, batch_id, url,
                                    due_at, next_attempt_at, created_at)
    VALUES ('dlv_' || coalesce(of_task, of_batch), whose, event, kind, of_task, of_batch, receiver, at, at, at)
        ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION tell_end_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhook_v1(
                user_id,
                task_id || '.' || (SELECT max(seq) FROM task_events WHERE task_events.task_id = tasks.task_id),
                'task.' || status,
                webhook_url,
                task_id,
                NULL,
                coalesce(completed_at, failed_at, cancelled_at))
       FROM tasks
      WHERE task_id = NEW.task_id
        AND user_id IS NOT NULL
        AND (webhook_events IS NULL OR 'task.' || status = ANY (webhook_events));
    RETURN NULL;
END
$$;

-- Triggers run in the order of their names: after tasks_continue_history, which writes the event that this one names.
CREATE TRIGGER tasks_tell_webhook AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (NEW.webhook_url IS NOT NULL AND NEW.status <> OLD.status AND NEW.status IN ('done', 'failed', 'cancelled'))
    EXECUTE FUNCTION tell_end_v1();

-- What is still to be told of a task that goes is told as it was.
CREATE FUNCTION keep_for_webhook_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook_deliveries
       SET data = to_jsonb(gone)
      FROM gone
     WHERE webhook_deliveries.task_id = gone.task_id AND webhook_deliveries.status = 'waiting';
    RETURN NULL;
END
$$;

CREATE TRIGGER tasks_leave_webhook AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION keep_for_webhook_v1();
