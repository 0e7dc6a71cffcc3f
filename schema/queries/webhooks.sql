-- Deliveries of webhooks. Rows are written by triggers (schema/tables/0032_webhooks.sql); `:now` is null outside of tests:
-- the database's clock decides.

-- name: add_ping
INSERT INTO webhook_deliveries (delivery_id, user_id, event_id, type, url, due_at, next_attempt_at, created_at, forget_at)
VALUES (:delivery_id, :user_id, :event_id, 'ping', :url, now(), now(), now(), now() + interval '7 days')
RETURNING {DeliveryRecord}

-- name: list_deliveries
SELECT {DeliveryRecord}
  FROM webhook_deliveries
 WHERE user_id = :user_id
   AND status = :status -- if status
   AND (created_at, delivery_id) < (:after, :after_id) -- if after
 ORDER BY created_at DESC, delivery_id DESC
 LIMIT :limit

-- name: redeliver
-- From the beginning of the schedule, at once: whoever asks for it says that the receiver is well.
WITH asked_again AS (
    UPDATE webhook_hosts
       SET failures = 1, paused_until = now()
      FROM webhook_deliveries AS asked
     WHERE asked.delivery_id = :delivery_id AND asked.user_id = :user_id
       AND webhook_hosts.user_id = asked.user_id AND webhook_hosts.host = asked.host
)
UPDATE webhook_deliveries
   SET status = 'waiting', tries = 0, due_at = now(), next_attempt_at = now(), ended_at = NULL,
       announced_at = NULL, claim = NULL, claimed_until = NULL
 WHERE user_id = :user_id AND delivery_id = :delivery_id
RETURNING {DeliveryRecord}

-- name: due_deliveries
-- Due, and not announced lately: a few of each receiver, so that none with many hides the others; what was never announced
-- first, so that neither do many receivers that don't get on, nor one user's many at a receiver that others have too.
WITH RECURSIVE receivers AS (
    (SELECT host FROM webhook_deliveries WHERE status = 'waiting' ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT host FROM webhook_deliveries
             WHERE status = 'waiting' AND host > receivers.host ORDER BY host LIMIT 1)
      FROM receivers
     WHERE receivers.host IS NOT NULL
)
SELECT delivery_id, attempts, announced
  FROM receivers
 CROSS JOIN LATERAL (
    SELECT delivery_id, attempts, announced_at IS NOT NULL AS announced, announced_at, next_attempt_at
      FROM webhook_deliveries
     WHERE status = 'waiting'
       AND host = receivers.host
       AND next_attempt_at <= coalesce(:now, now())
       AND (announced_at IS NULL OR announced_at <= coalesce(:now, now()) - :again::interval)
     ORDER BY webhook_deliveries.announced_at NULLS FIRST, next_attempt_at
     LIMIT :each) AS due
 ORDER BY announced_at NULLS FIRST, next_attempt_at
 LIMIT :limit

-- name: mark_announced
UPDATE webhook_deliveries SET announced_at = now() WHERE delivery_id = ANY (:delivery_ids::text[])

-- name: receiver_of
SELECT host FROM webhook_deliveries WHERE delivery_id = :delivery_id AND status = 'waiting'

-- name: hold_receiver
-- One claim or outcome at a time for each receiver; a transaction's first statement.
SELECT pg_advisory_xact_lock(hashtextextended('darkroom webhooks to ' || :host, 0))

-- name: claim_delivery
-- The named delivery, or the receiver's next one: if it is due, its receiver is neither in peace nor busy, with its user's
-- or with all, and its user hasn't many receivers busy. One that failed lately gets one of a user's at a time. With its
-- claim it is due again when whoever has it must have died.
UPDATE webhook_deliveries
   SET tries = tries + 1,
       attempts = attempts + 1,
       claim = :claim,
       claimed_until = coalesce(:now, now()) + :lease::interval,
       next_attempt_at = coalesce(:now, now()) + :lease::interval
 WHERE delivery_id = (
    SELECT due.delivery_id
      FROM webhook_deliveries AS due LEFT JOIN webhook_hosts AS receiver USING (user_id, host)
     WHERE due.status = 'waiting'
       AND due.host = :host
       AND due.next_attempt_at <= coalesce(:now, now())
       AND due.delivery_id = :delivery_id -- if delivery_id
       AND (receiver.paused_until IS NULL OR receiver.paused_until <= coalesce(:now, now()))
       AND :most > (SELECT count(*) FROM webhook_deliveries AS busy
                     WHERE busy.status = 'waiting' AND busy.host = :host
                       AND busy.next_attempt_at > coalesce(:now, now())
                       AND busy.next_attempt_at <= coalesce(:now, now()) + :lease::interval
                       AND busy.claimed_until > coalesce(:now, now()))
       AND :most_of_user > (SELECT count(*) FROM webhook_deliveries AS theirs
                             WHERE theirs.user_id = due.user_id
                               AND theirs.claim IS NOT NULL
                               AND theirs.claimed_until > coalesce(:now, now()))
       AND CASE WHEN receiver.failures >= :sick THEN 1 ELSE :most_of_user_here END
           > (SELECT count(*) FROM webhook_deliveries AS busy
               WHERE busy.status = 'waiting' AND busy.host = :host AND busy.user_id = due.user_id
                 AND busy.next_attempt_at > coalesce(:now, now())
                 AND busy.next_attempt_at <= coalesce(:now, now()) + :lease::interval
                 AND busy.claimed_until > coalesce(:now, now()))
     ORDER BY due.next_attempt_at
     LIMIT 1
       FOR UPDATE OF due SKIP LOCKED)
RETURNING {DeliveryRecord}

-- name: settle_delivery
-- What an attempt led to; nothing when the claim has passed on. `:wait` is null where it has ended.
UPDATE webhook_deliveries
   SET status = :status,
       due_at = coalesce(coalesce(:now, now()) + :wait::interval, due_at),
       next_attempt_at = coalesce(:now, now()) + :wait::interval,
       ended_at = CASE WHEN :status <> 'waiting' THEN coalesce(:now, now()) END,
       forget_at = CASE WHEN batch_id IS NULL THEN forget_at ELSE coalesce(:now, now()) + interval '30 days' END,
       announced_at = NULL,
       claim = NULL,
       claimed_until = NULL,
       last_status = :last_status::integer,
       last_error = :last_error,
       last_response = :last_response
 WHERE delivery_id = :delivery_id AND claim = :claim AND status = 'waiting'
RETURNING {DeliveryRecord}

-- name: receiver_failed
-- Until when the receiver is left in peace: from so many failures in a row on, twice as long with each further one.
INSERT INTO webhook_hosts AS receiver (user_id, host, failures, failed_at)
VALUES (:user_id, :host, 1, coalesce(:now, now()))
    ON CONFLICT (user_id, host) DO UPDATE
   SET failures = least(receiver.failures + 1, 1000),
       failed_at = excluded.failed_at,
       paused_until = CASE WHEN receiver.failures + 1 >= :sick THEN
           excluded.failed_at + least(:longest::interval, :first::interval * power(2, least(receiver.failures + 1 - :sick, 20))) END
RETURNING paused_until

-- name: postpone
-- What is due before the receiver is asked again, some seconds apart then.
UPDATE webhook_deliveries
   SET next_attempt_at = :until + random() * :apart::interval
 WHERE user_id = :user_id AND host = :host AND status = 'waiting' AND claim IS NULL AND next_attempt_at < :until

-- name: receiver_well
DELETE FROM webhook_hosts WHERE user_id = :user_id AND host = :host RETURNING paused_until IS NOT NULL

-- name: bring_forward
-- A receiver that is well again: what its own schedule wants now needn't wait any longer.
UPDATE webhook_deliveries
   SET next_attempt_at = greatest(due_at, coalesce(:now, now())), announced_at = NULL
 WHERE user_id = :user_id AND host = :host AND status = 'waiting' AND claim IS NULL
   AND next_attempt_at > greatest(due_at, coalesce(:now, now()))

-- name: told_task
SELECT {TaskRecord} FROM tasks WHERE task_id = :task_id AND user_id = :user_id

-- name: told_as_it_was
-- What was kept of something when it went, which may be after its delivery was claimed.
SELECT data FROM webhook_deliveries WHERE delivery_id = :delivery_id

-- name: deliveries_to_forget
-- In pages.
SELECT delivery_id, forget_at
  FROM webhook_deliveries
 WHERE forget_at <= coalesce(:now, now()) AND status <> 'waiting'
   AND (forget_at, delivery_id) > (coalesce(:after_forget_at::timestamptz, '-infinity'), coalesce(:after_delivery_id::text, ''))
 ORDER BY forget_at, delivery_id
 LIMIT :limit

-- name: forget_deliveries
DELETE FROM webhook_deliveries WHERE delivery_id = ANY (:delivery_ids::text[]) AND status <> 'waiting'

-- name: forget_receivers
DELETE FROM webhook_hosts WHERE failed_at < coalesce(:now, now()) - interval '7 days'

-- name: webhook_secret
SELECT sealed, CASE WHEN previous_until > now() THEN previous END AS previous
  FROM webhook_secrets
 WHERE user_id = :user_id

-- name: add_secret
INSERT INTO webhook_secrets (user_id, sealed, sealed_by) VALUES (:user_id, :sealed, :sealed_by) ON CONFLICT DO NOTHING

-- name: rotate_secret
INSERT INTO webhook_secrets AS kept (user_id, sealed, sealed_by)
VALUES (:user_id, :sealed, :sealed_by)
    ON CONFLICT (user_id) DO UPDATE
   SET sealed = excluded.sealed, sealed_by = excluded.sealed_by, made_at = now(),
       previous = kept.sealed, previous_until = now() + :overlap::interval

-- name: secrets_to_reseal
SELECT user_id, sealed, previous FROM webhook_secrets WHERE sealed_by <> :sealed_by AND user_id > :after ORDER BY user_id LIMIT :limit

-- name: reseal
UPDATE webhook_secrets
   SET sealed = :sealed, previous = :previous, sealed_by = :sealed_by
 WHERE user_id = :user_id AND sealed = :was
