-- A task's history, and streams of it. Events are written by triggers (schema/tables/0030_task_events.sql).

-- name: place_events
-- Gives places to events that have none, in an order that keeps each task's. One statement at a time: whoever sees a place
-- then sees every lower one, and an event that becomes visible later gets a higher one. What is older than an hour (no
-- transaction is open as long as that) is history that no stream asked for, unless one resumes from an event as old: then
-- what came since that one gets its place, too. Of a task the earlier ones come along, and none after a later one.
WITH one_at_a_time AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('darkroom events', 0))
), due AS (
    SELECT task_id, seq
      FROM task_events, one_at_a_time
     WHERE user_id = ANY (:user_ids::text[]) AND place IS NULL
       AND at > coalesce((SELECT resumed.at
                            FROM task_events AS resumed
                           WHERE resumed.task_id = :task_id AND resumed.seq = :seq
                             AND resumed.user_id = ANY (:user_ids::text[])), now()) - interval '1 hour'
       AND seq > (SELECT coalesce(max(told.seq), 0)
                    FROM task_events AS told
                   WHERE told.task_id = task_events.task_id AND told.place IS NOT NULL)
     ORDER BY at
     LIMIT :limit
), unplaced AS (
    SELECT task_id, seq, max(at) OVER (PARTITION BY task_id ORDER BY seq) AS at
      FROM (SELECT task_id, max(seq) AS up_to FROM due GROUP BY task_id) AS concerned
     CROSS JOIN LATERAL (
        SELECT seq, at
          FROM task_events
         WHERE task_events.task_id = concerned.task_id AND seq <= up_to
           AND seq > (SELECT coalesce(max(told.seq), 0)
                        FROM task_events AS told
                       WHERE told.task_id = concerned.task_id AND told.place IS NOT NULL)
        OFFSET 0) AS untold -- each task's by the index, however few or many the planner expects
     ORDER BY 3, task_id, seq
), numbered AS MATERIALIZED (
    SELECT task_id, seq, nextval('task_event_places') AS place FROM unplaced
), placed AS (
    UPDATE task_events
       SET place = numbered.place
      FROM numbered
     WHERE task_events.task_id = numbered.task_id AND task_events.seq = numbered.seq AND task_events.place IS NULL
)
SELECT count(*) FROM due -- also where another has just placed them: there may be more

-- name: newest_place
SELECT coalesce(max(place), 0) FROM task_events WHERE user_id = :user_id

-- name: place_of
SELECT place FROM task_events WHERE user_id = :user_id AND task_id = :task_id AND seq = :seq

-- name: events_since
-- Of several users, each from behind a place of its own: read along the index, however long their histories are.
SELECT {EventRecord}
  FROM unnest(:user_ids::text[], :places::text[]::bigint[]) AS watched (watcher, since)
 CROSS JOIN LATERAL (
    SELECT {EventRecord} FROM task_events WHERE user_id = watcher AND place > since ORDER BY place LIMIT :limit) AS following
 ORDER BY place
 LIMIT :limit

-- name: events_of_task
SELECT {EventRecord} FROM task_events WHERE task_id = :task_id AND user_id = :user_id AND seq > :after ORDER BY seq

-- name: unfinished
-- What a user's stream begins with: each unfinished task and its latest event, in the order of these.
SELECT {TaskRecord}, latest.seq AS latest_seq, latest.place AS latest_place
  FROM tasks
  LEFT JOIN LATERAL (
      SELECT seq, place FROM task_events WHERE task_events.task_id = tasks.task_id ORDER BY seq DESC LIMIT 1
  ) AS latest ON true
 WHERE user_id = :user_id AND status IN ('pending', 'processing')
 ORDER BY latest.place NULLS FIRST, created_at, task_id

-- name: tasks_as_they_are
SELECT {TaskRecord} FROM tasks WHERE task_id = ANY (:task_ids::text[])

-- name: task_and_owner
-- For whoever holds a signed address: as long as its owner may use the service.
SELECT {TaskRecord}
  FROM tasks
 WHERE task_id = :task_id AND EXISTS (SELECT FROM users WHERE users.user_id = tasks.user_id AND is_active)

-- name: histories_to_forget
-- In pages.
SELECT task_id, gone_at
  FROM event_removals
 WHERE gone_at < coalesce(:now, now()) - interval '24 hours'
   AND (gone_at, task_id) > (coalesce(:after_gone_at::timestamptz, '-infinity'), coalesce(:after_task_id::text, ''))
 ORDER BY gone_at, task_id
 LIMIT :limit

-- name: forget_histories
WITH forgotten AS (
    DELETE FROM task_events WHERE task_id = ANY (:task_ids::text[])
), told AS (
    -- A receiver that still sleeps is told first.
    UPDATE webhook_deliveries SET forget_at = now() WHERE task_id = ANY (:task_ids::text[])
)
DELETE FROM event_removals WHERE task_id = ANY (:task_ids::text[])
