-- A claim costs the same for one waiting user and for ten thousand. Runs before the deploy: processes of the version before
-- claim by the same lock and the same turns. Adding the trigger waits for whoever writes tasks, for a moment.

-- In the order in which claims lock them.
LOCK TABLE tasks, claim_turns IN SHARE ROW EXCLUSIVE MODE;

-- Who waits, in the order of their turns: somebody who was never served comes first. `waiting` may be true of a user whose
-- last waiting task has gone, which the next claim that comes by puts right; it is never false of one who waits.
ALTER TABLE claim_turns
    ALTER COLUMN last_claimed_at SET DEFAULT '-infinity',
    ADD COLUMN waiting boolean NOT NULL DEFAULT false;
ALTER TABLE claim_turns SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX idx_claim_turns_waiting ON claim_turns (last_claimed_at, user_id) WHERE waiting;

-- Called within the transaction that lets a task wait. The share of the row's lock keeps a claim from striking the user
-- off before that transaction has ended: the claim doesn't see its task yet.
CREATE FUNCTION begin_to_wait_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM claim_turns WHERE user_id = NEW.user_id AND waiting FOR KEY SHARE;
    IF NOT FOUND THEN
        INSERT INTO claim_turns (user_id, waiting) VALUES (NEW.user_id, true)
            ON CONFLICT (user_id) DO UPDATE SET waiting = true;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tasks_begin_to_wait AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.status = 'pending' AND NOT NEW.elsewhere AND NEW.user_id IS NOT NULL)
    EXECUTE FUNCTION begin_to_wait_v1();
CREATE TRIGGER tasks_wait_again AFTER UPDATE OF status, elsewhere, user_id ON tasks FOR EACH ROW
    WHEN (NEW.status = 'pending' AND NOT NEW.elsewhere AND NEW.user_id IS NOT NULL
          AND (OLD.status <> 'pending' OR OLD.elsewhere OR OLD.user_id IS DISTINCT FROM NEW.user_id))
    EXECUTE FUNCTION begin_to_wait_v1();

INSERT INTO claim_turns (user_id, waiting)
SELECT DISTINCT user_id, true FROM tasks WHERE status = 'pending' AND NOT elsewhere AND user_id IS NOT NULL
ON CONFLICT (user_id) DO UPDATE SET waiting = true;

-- The first task in a user's line that this worker can do, locked; null when there is none. Rows that somebody holds
-- locked are passed over. A user for whom nothing waits at all is struck off: with the row locked against whoever begins
-- to wait, and after another look.
CREATE FUNCTION first_in_line_v1(of_user text, able text[], at timestamptz) RETURNS text
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
    PERFORM FROM tasks WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere LIMIT 1;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM FROM claim_turns WHERE user_id = of_user FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE claim_turns
           SET waiting = false
         WHERE user_id = of_user
           AND NOT EXISTS (SELECT FROM tasks WHERE user_id = of_user AND status = 'pending' AND NOT elsewhere);
    END IF;
    RETURN NULL;
END
$$;

-- The waiting task whose turn it is, now processing: of the user with the fewest tasks running, among equals of the one
-- whose last claim is oldest, the first in that user's own line. One claim at a time: only then is the user with the
-- fewest tasks running the same for everybody. Each statement after the lock sees what the claim before it did.
-- Users with nothing running, who may be many, are walked along the order of their turns; those with something running
-- are no more than there are slots, and are sorted.
CREATE FUNCTION claim_next_task_v3(for_worker text, able text[], for_time interval, at timestamptz)
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
    busy := ARRAY(SELECT DISTINCT user_id FROM tasks WHERE status = 'processing' AND NOT elsewhere);
    LOOP
        SELECT user_id, last_claimed_at INTO turn
          FROM claim_turns
         WHERE waiting AND (last_claimed_at, user_id) > (last_turn, last_user) AND user_id <> ALL (busy)
         ORDER BY last_claimed_at, user_id
         LIMIT 1;
        EXIT WHEN NOT FOUND;
        next_id := first_in_line_v1(turn.user_id, able, moment);
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
             ORDER BY running.tasks, last_claimed_at, user_id
        LOOP
            next_id := first_in_line_v1(turn.user_id, able, moment);
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
