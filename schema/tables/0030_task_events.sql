-- A task's history: each status it had, when, in which attempt, and why. Written by a trigger, in the statement that
-- changes the status, whichever it is. Runs before the deploy. Adding the triggers waits for whoever writes tasks.

CREATE TABLE task_events (
    task_id   text NOT NULL,
    seq       integer NOT NULL CHECK (seq > 0),
    user_id   text,
    status    text NOT NULL CHECK (status IN ('pending', 'processing', 'done', 'failed', 'cancelled')),
    attempt   integer NOT NULL,
    code      text,
    engine    text,
    note      text,
    worker_id text,
    at        timestamptz NOT NULL,
    -- Where it stands among its user's events, for streams to resume from: given once it can be seen, since transactions
    -- don't become visible in the order in which they took numbers (place_events). Null where no stream asked.
    place     bigint,
    PRIMARY KEY (task_id, seq)
);
-- No reference to users or tasks: a claim would lock the user's row after the task's.

CREATE INDEX idx_task_events_place ON task_events (user_id, place, at);
CREATE SEQUENCE task_event_places OWNED BY task_events.place;

-- Events outlive their task by a day: a stream may resume from one of them. Those of an erased user don't.
CREATE TABLE event_removals (
    task_id text PRIMARY KEY,
    gone_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_event_removals_gone ON event_removals (gone_at);

-- Why the task last went back to the line: {"code", "note"}.
ALTER TABLE tasks ADD COLUMN requeued_for jsonb;

-- Reads the row again: who takes its columns from NEW breaks in open sessions when a column's type changes.
CREATE FUNCTION note_event_v1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    next_seq integer := 1;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT coalesce(max(seq), 0) + 1 INTO next_seq FROM task_events WHERE task_id = NEW.task_id;
    END IF;
    INSERT INTO task_events (task_id, seq, user_id, status, attempt, code, engine, note, worker_id, at)
    SELECT task_id, next_seq, user_id, status, attempts,
           CASE status WHEN 'failed' THEN error ->> 'code' WHEN 'pending' THEN requeued_for ->> 'code' END,
           CASE status WHEN 'done' THEN result #>> '{metadata,engine}' END,
           CASE status WHEN 'failed' THEN error ->> 'message' WHEN 'pending' THEN requeued_for ->> 'note' END,
           worker_id,
           CASE status
               WHEN 'processing' THEN started_at
               WHEN 'done' THEN completed_at
               WHEN 'failed' THEN failed_at
               WHEN 'cancelled' THEN cancelled_at
               ELSE CASE TG_OP WHEN 'INSERT' THEN created_at ELSE updated_at END
           END
      FROM tasks
     WHERE task_id = NEW.task_id;
    RETURN NULL;
END
$$;

-- What the system before this one had ended has no history here.
CREATE TRIGGER tasks_begin_history AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.legacy_fingerprint IS NULL OR NEW.status IN ('pending', 'processing'))
    EXECUTE FUNCTION note_event_v1();
CREATE TRIGGER tasks_continue_history AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (NEW.status <> OLD.status)
    EXECUTE FUNCTION note_event_v1();

CREATE FUNCTION note_gone_tasks_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_removals (task_id) SELECT task_id FROM gone ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER tasks_end_history AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION note_gone_tasks_v1();

-- Every task that isn't ended has a history from here on.
INSERT INTO task_events (task_id, seq, user_id, status, attempt, worker_id, at)
SELECT task_id, 1, user_id, status, attempts, worker_id, updated_at
  FROM tasks
 WHERE status IN ('pending', 'processing');
