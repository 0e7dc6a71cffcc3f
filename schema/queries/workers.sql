-- Worker processes, as they are seen.

-- name: see_worker
INSERT INTO workers (worker_id, slots, modes, trouble) VALUES (:worker_id, :slots, :modes, :trouble)
ON CONFLICT (worker_id) DO UPDATE
   SET seen_at = now(), slots = excluded.slots, modes = excluded.modes, trouble = excluded.trouble

-- name: forget_worker
DELETE FROM workers WHERE worker_id = :worker_id

-- name: silent_workers
SELECT worker_id FROM workers WHERE seen_at < now() - interval '1 hour'

-- name: forget_workers
DELETE FROM workers WHERE worker_id = ANY (:worker_ids::text[])

-- name: living_workers
-- Those that take messages.
SELECT worker_id, slots, modes, started_at, seen_at
  FROM workers
 WHERE seen_at > now() - interval '15 seconds' AND trouble IS NULL

-- name: hindered_workers
SELECT worker_id, trouble FROM workers WHERE seen_at > now() - interval '15 seconds' AND trouble IS NOT NULL
