-- What an import brings in the midst of its work has no time of its start: the system before this one records none. Its
-- event is of when its record was last written. And a task that comes again by the id of one that is gone (a rehearsed
-- import whose tasks were deleted) goes on with that one's history. Runs before the deploy. Waits for whoever writes tasks.

CREATE FUNCTION note_event_v2() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    next_seq integer;
BEGIN
    SELECT coalesce(max(seq), 0) + 1 INTO next_seq FROM task_events WHERE task_id = NEW.task_id;
    IF TG_OP = 'INSERT' AND next_seq > 1 THEN
        DELETE FROM event_removals WHERE task_id = NEW.task_id;
    END IF;
    INSERT INTO task_events (task_id, seq, user_id, status, attempt, code, engine, note, worker_id, at)
    SELECT task_id, next_seq, user_id, status, attempts,
           CASE status WHEN 'failed' THEN error ->> 'code' WHEN 'pending' THEN requeued_for ->> 'code' END,
           CASE status WHEN 'done' THEN result #>> '{metadata,engine}' END,
           CASE status WHEN 'failed' THEN error ->> 'message' WHEN 'pending' THEN requeued_for ->> 'note' END,
           worker_id,
           CASE status
               WHEN 'processing' THEN coalesce(started_at, updated_at)
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

DROP TRIGGER tasks_begin_history ON tasks;
DROP TRIGGER tasks_continue_history ON tasks;
CREATE TRIGGER tasks_begin_history AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.legacy_fingerprint IS NULL OR NEW.status IN ('pending', 'processing'))
    EXECUTE FUNCTION note_event_v2();
CREATE TRIGGER tasks_continue_history AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (NEW.status <> OLD.status)
    EXECUTE FUNCTION note_event_v2();

DROP FUNCTION note_event_v1;
