-- Which waiting task was announced by which message. `:now` is null outside of tests: the database's clock decides.

-- name: mark_undispatched
-- Its message is used up: as long as it waits, it is to be dispatched again, under a new message's number. A statement
-- on its own: whoever waits for this row's lock must not hold others' (mark_dispatched locks many). One row if there is
-- such a task, whatever its state; of nulls unless it waits.
WITH marked AS (
    UPDATE tasks
       SET dispatched_at = NULL, message_no = message_no + 1
     WHERE task_id = :task_id AND status = 'pending' AND NOT elsewhere
    RETURNING task_id, message_no, mode, not_before IS NULL OR not_before <= coalesce(:now, clock_timestamp()) AS due
)
SELECT marked.task_id, marked.message_no, marked.mode, marked.due
  FROM tasks LEFT JOIN marked USING (task_id)
 WHERE tasks.task_id = :task_id

-- name: mark_dispatched
-- Answers which of the sent messages still announce a waiting task. The others were cancelled or claimed meanwhile.
-- Locked in one order, so that two processes that mark the same tasks don't wait for each other.
-- Doesn't wait for the disk: a mark that a crash of the database brings back leads to another message, and that is all.
WITH lax AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), waiting AS (
    SELECT tasks.task_id
      FROM unnest(:task_ids::text[], :message_nos::text[]::integer[]) AS sent (task_id, message_no)
      JOIN tasks USING (task_id, message_no)
     WHERE tasks.status = 'pending' AND NOT tasks.elsewhere
     ORDER BY tasks.task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET dispatched_at = coalesce(:now, now())
  FROM waiting CROSS JOIN lax
 WHERE tasks.task_id = waiting.task_id
RETURNING tasks.task_id

-- name: undispatched_tasks
-- Marked and due, in pages. A task that was created a moment ago is left to whoever created it.
SELECT task_id, message_no, created_at
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND dispatched_at IS NULL
   AND updated_at <= coalesce(:now, now()) - :grace::interval
   AND (not_before IS NULL OR not_before <= coalesce(:now, now()))
   AND (created_at, task_id) > (:after_created_at, :after_task_id) -- if after_task_id
 ORDER BY created_at, task_id
 LIMIT :limit

-- name: dispatched_tasks
-- Waiting tasks whose message was sent a while ago, in pages: whether the message is still there is for Redis to tell.
SELECT task_id, message_no
  FROM tasks
 WHERE status = 'pending' AND NOT elsewhere AND task_id > :after
   AND dispatched_at <= coalesce(:now, now()) - :age::interval
 ORDER BY task_id
 LIMIT :limit

-- name: mark_lost_messages
WITH waiting AS (
    SELECT tasks.task_id
      FROM unnest(:task_ids::text[], :message_nos::text[]::integer[]) AS lost (task_id, message_no)
      JOIN tasks USING (task_id, message_no)
     WHERE tasks.status = 'pending' AND NOT tasks.elsewhere
     ORDER BY tasks.task_id
       FOR NO KEY UPDATE OF tasks
)
UPDATE tasks
   SET dispatched_at = NULL, message_no = message_no + 1
  FROM waiting
 WHERE tasks.task_id = waiting.task_id
RETURNING tasks.task_id

-- name: line_up
-- Whoever waits has a turn, whatever a restore or a hand has done to the turns: without one nobody would come to its tasks.
INSERT INTO claim_turns (user_id, waiting)
SELECT DISTINCT tasks.user_id, true
  FROM unnest(:task_ids::text[]) AS seen (task_id)
  JOIN tasks USING (task_id)
  LEFT JOIN claim_turns USING (user_id)
 WHERE tasks.status = 'pending' AND NOT tasks.elsewhere AND tasks.user_id IS NOT NULL
   AND (claim_turns.waiting IS NOT TRUE OR tasks.mode <> ALL (claim_turns.modes) OR claim_turns.asleep_until > now())
ON CONFLICT (user_id) DO UPDATE SET waiting = true, modes = NULL, asleep_until = NULL
RETURNING user_id
