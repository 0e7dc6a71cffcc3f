-- Tasks that were created together. Runs before the deploy.

CREATE TABLE batches (
    batch_id    text PRIMARY KEY CHECK (length(batch_id) BETWEEN 1 AND 64),
    user_id     text NOT NULL REFERENCES users ON DELETE CASCADE,
    total       integer NOT NULL CHECK (total > 0),
    -- How many of its tasks haven't ended. Whoever ends one holds this row until that is committed: of two that end at
    -- once one is the last.
    unfinished  integer NOT NULL CHECK (unfinished BETWEEN 0 AND total),
    webhook_url text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    CONSTRAINT batches_ended_when_nothing_is_left CHECK ((unfinished = 0) = (ended_at IS NOT NULL))
);

CREATE INDEX idx_batches_user ON batches (user_id);

-- Refers to no table: a task would lock the batch's row before its own.
ALTER TABLE tasks ADD COLUMN batch_id text;
CREATE INDEX idx_tasks_batch ON tasks (batch_id, status) WHERE batch_id IS NOT NULL;

-- Reads the row again: who takes its columns from NEW breaks in open sessions when a column's type changes.
CREATE FUNCTION count_down_batch_v1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    batch record;
BEGIN
    UPDATE batches
       SET unfinished = unfinished - 1,
           ended_at = CASE WHEN unfinished = 1 THEN coalesce(completed_at, failed_at, cancelled_at) END
      FROM tasks
     WHERE tasks.task_id = NEW.task_id AND batches.batch_id = tasks.batch_id
    RETURNING batches.batch_id, batches.user_id, batches.webhook_url, batches.ended_at INTO batch;
    IF batch.ended_at IS NOT NULL AND batch.webhook_url IS NOT NULL THEN
        PERFORM tell_webhook_v1(
                    batch.user_id, batch.batch_id || '.1', 'batch.done', batch.webhook_url, NULL, batch.batch_id,
                    batch.ended_at);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tasks_count_down_batch AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (NEW.batch_id IS NOT NULL AND NEW.status IN ('done', 'failed', 'cancelled')
          AND OLD.status IN ('pending', 'processing'))
    EXECUTE FUNCTION count_down_batch_v1();
