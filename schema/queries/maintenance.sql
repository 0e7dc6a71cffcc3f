-- Who does the chores, and what of them fails.

-- name: take_lead
-- Take or keep the lead. Whoever finds another one's lease running writes nothing.
INSERT INTO leaders (duty, holder, expires_at)
SELECT :duty, :holder, clock_timestamp() + :lease::interval
 WHERE NOT EXISTS (
    SELECT FROM leaders WHERE duty = :duty AND holder <> :holder AND expires_at > clock_timestamp())
ON CONFLICT (duty) DO UPDATE
   SET holder = excluded.holder,
       expires_at = excluded.expires_at,
       elected_at = CASE WHEN leaders.holder = excluded.holder THEN leaders.elected_at ELSE excluded.elected_at END
 WHERE leaders.holder = excluded.holder OR leaders.expires_at <= clock_timestamp()
RETURNING holder

-- name: resign
DELETE FROM leaders WHERE duty = :duty AND holder = :holder

-- name: leader
SELECT holder FROM leaders WHERE duty = :duty AND expires_at > clock_timestamp()

-- name: note_failure
-- How often that has failed by now.
INSERT INTO chore_failures (chore, subject, reason) VALUES (:chore, :subject, :reason)
ON CONFLICT (chore, subject) DO UPDATE
   SET failures = chore_failures.failures + 1, reason = excluded.reason, last_at = now()
RETURNING failures

-- name: recent_failures
-- Chores look again every few minutes at the latest: what has not failed for longer is over.
SELECT chore, subject, reason, failures
  FROM chore_failures
 WHERE last_at > now() - interval '15 minutes'
 ORDER BY last_at DESC
 LIMIT :limit

-- name: forget_old_failures
DELETE FROM chore_failures WHERE last_at < now() - interval '1 day'
