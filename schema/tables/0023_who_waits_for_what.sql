-- A claim passes over users who wait for another mode or for their time, without a look at their tasks; and tables that
-- change all the time are kept tidy. Runs before the deploy: processes of the version before claim beside it.

-- In the order in which claims lock them.
LOCK TABLE tasks, claim_turns IN SHARE ROW EXCLUSIVE MODE;

-- What a waiting user's tasks are at most: of these modes, and none of them due before then. Null: nobody has looked.
-- Like `waiting` they may promise too much, which the next claim that comes by puts right, and never too little.
ALTER TABLE claim_turns ADD COLUMN modes text[], ADD COLUMN asleep_until timestamptz;

-- As before (0016), and for what.
CREATE FUNCTION begin_to_wait_v2() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM claim_turns
      WHERE user_id = NEW.user_id AND waiting AND asleep_until IS NULL AND (modes IS NULL OR NEW.mode = ANY (modes))
        FOR KEY SHARE;
    IF NOT FOUND THEN
        INSERT INTO claim_turns AS turn (user_id, waiting, modes) VALUES (NEW.user_id, true, ARRAY[NEW.mode])
            ON CONFLICT (user_id) DO UPDATE
               SET waiting = true,
                   asleep_until = NULL,
                   modes = CASE WHEN turn.waiting THEN array_append(array_remove(turn.modes, NEW.mode), NEW.mode)
                                ELSE excluded.modes END;
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER tasks_begin_to_wait ON tasks;
DROP TRIGGER tasks_wait_again ON tasks;
CREATE TRIGGER tasks_begin_to_wait AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.status = 'pending' AND NOT NEW.elsewhere AND NEW.user_id IS NOT NULL)
    EXECUTE FUNCTION begin_to_wait_v2();
CREATE TRIGGER tasks_wait_again AFTER UPDATE OF status, elsewhere, user_id, mode, not_before ON tasks FOR EACH ROW
    WHEN (NEW.status = 'pending' AND NOT NEW.elsewhere AND NEW.user_id IS NOT NULL
          AND (OLD.status <> 'pending' OR OLD.elsewhere OR OLD.user_id IS DISTINCT FROM NEW.user_id
               OR OLD.mode <> NEW.mode OR OLD.not_before IS DISTINCT FROM NEW.not_before))
    EXECUTE FUNCTION begin_to_wait_v2();

-- As before (0016). A user for whom nothing is to be had now isn't come to again until that changes: with the row locked
-- against whoever begins to wait, and after another look.
CREATE FUNCTION first_in_line_v2(of_user text, able text[], at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found_id text;
BEGIN
    SELECT task_id INTO found_id
      FROM tasks
     WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere
       AND mode = ANY (able)
       AND (not_before IS NULL OR not_before <= at)
     ORDER BY line, queued_at, task_id
     LIMIT 1
       FOR UPDATE SKIP LOCKED;
    IF found_id IS NOT NULL THEN
        RETURN found_id;
    END IF;
    PERFORM FROM claim_turns WHERE user_id = of_user FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE claim_turns
           SET waiting = seen.modes IS NOT NULL,
               modes = seen.modes,
               asleep_until = nullif(seen.due_at, '-infinity')
          FROM (SELECT array_agg(DISTINCT mode) AS modes,
                       min(CASE WHEN not_before > at THEN not_before ELSE '-infinity' END) AS due_at
                  FROM tasks
                 WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere) AS seen
         WHERE claim_turns.user_id = of_user
           AND (waiting, claim_turns.modes, asleep_until)
               IS DISTINCT FROM (seen.modes IS NOT NULL, seen.modes, nullif(seen.due_at, '-infinity'));
    END IF;
    RETURN NULL;
END
$$;

-- As before (0016), along those for whom there may be something.
CREATE FUNCTION claim_next_task_v4(for_worker text, able text[], for_time interval, at timestamptz)
    RETURNS TABLE (claimed_task_id text, claimed_token bigint)
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment timestamptz;
    busy text[];
    turn record;
    last_turn timestamptz := '-infinity';
    last_user text := '';
    next_id text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('darkroom claims', 0));
    moment := coalesce(at, clock_timestamp());
    busy := ARRAY(SELECT DISTINCT user_id
                    FROM tasks
                   WHERE status = 'processing' AND NOT elsewhere AND user_id IS NOT NULL);
    LOOP
        SELECT user_id, last_claimed_at INTO turn
          FROM claim_turns
         WHERE waiting AND (last_claimed_at, user_id) > (last_turn, last_user) AND user_id <> ALL (busy)
           AND (modes IS NULL OR modes && able)
           AND (asleep_until IS NULL OR asleep_until <= moment)
         ORDER BY last_claimed_at, user_id
         LIMIT 1;
        EXIT WHEN NOT FOUND;
        next_id := first_in_line_v2(turn.user_id, able, moment);
        EXIT WHEN next_id IS NOT NULL;
        last_turn := turn.last_claimed_at;
        last_user := turn.user_id;
    END LOOP;
    IF next_id IS NULL THEN
        FOR turn IN
            SELECT claim_turns.user_id
              FROM (SELECT user_id, count(*) AS tasks
                      FROM tasks
                     WHERE status = 'processing' AND NOT elsewhere
                     GROUP BY user_id) AS running
              JOIN claim_turns USING (user_id)
             WHERE waiting
               AND (modes IS NULL OR modes && able)
               AND (asleep_until IS NULL OR asleep_until <= moment)
             ORDER BY running.tasks, last_claimed_at, user_id
        LOOP
            next_id := first_in_line_v2(turn.user_id, able, moment);
            EXIT WHEN next_id IS NOT NULL;
        END LOOP;
    END IF;
    IF next_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE claim_turns SET last_claimed_at = moment WHERE user_id = turn.user_id;
    RETURN QUERY
    UPDATE tasks
       SET status = 'processing',
           progress = 0,
           current_step = NULL,
           attempts = attempts + 1,
           lease_token = lease_token + 1,
           lease_expires_at = moment + for_time,
           worker_id = for_worker,
           not_before = NULL,
           started_at = moment,
           updated_at = moment
     WHERE task_id = next_id
    RETURNING task_id, lease_token;
END
$$;

-- Room in each page, so that a renewed lease and a step of progress touch no index (see idx_tasks_running in 0024); and
-- dead rows are cleared away before there are many, whatever the table's size.
ALTER TABLE tasks SET (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);
