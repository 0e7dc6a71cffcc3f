-- The rows and the shape of `tasks`, as 2_users.sql does it; the foreign key to `users` comes with 5_records.sql.
-- Processing ones have a lease until then: 0001 demands it, and 0007 knows better.

WITH judged AS (
    SELECT ctid AS place,
           array_remove(ARRAY[
               CASE WHEN NOT darkroom_adoption_is_id(task_id) THEN 'its id is missing, too long or not one' END,
               CASE WHEN lower(btrim(status)) IN ('pending', 'processing', 'done', 'failed', 'cancelled') IS NOT TRUE
                    THEN 'its status is missing or unknown' END,
               CASE WHEN upper(btrim(mode)) IN ('HEAD_SWAP', 'BACKGROUND_CHANGE', 'POSE_CHANGE') IS NOT TRUE
                    THEN 'its mode is missing or unknown' END,
               CASE WHEN NOT darkroom_adoption_is_id(source_image)
                    THEN 'its source image is missing or not the id of a file' END,
               CASE WHEN user_id <> '' AND (length(user_id) > 50 OR user_id <> btrim(user_id) OR user_id ~ '[[:cntrl:]]')
                    THEN 'its user''s id is not one' END
           ], NULL) AS reasons
      FROM tasks
), noted AS (
    INSERT INTO darkroom_adoption_notes (kind, record_id, quarantined, reasons, fields)
    SELECT 'task', darkroom_adoption_name(task_id, tasks.ctid), true, reasons, darkroom_adoption_fields(to_jsonb(tasks))
      FROM tasks JOIN judged ON tasks.ctid = judged.place
     WHERE reasons <> '{}'
)
DELETE FROM tasks WHERE ctid IN (SELECT place FROM judged WHERE reasons <> '{}');

UPDATE tasks
   SET status = lower(btrim(status)), mode = upper(btrim(mode))
 WHERE status <> lower(btrim(status)) OR mode <> upper(btrim(mode));

INSERT INTO darkroom_adoption_notes (kind, record_id, quarantined, reasons, fields)
SELECT 'task', task_id, false, reasons, darkroom_adoption_fields(to_jsonb(tasks), names)
  FROM tasks
 CROSS JOIN LATERAL (
    SELECT array_agg(reason) AS reasons, array_agg(name) AS names
      FROM (VALUES
            ('completed_at', completed_at IS NOT NULL AND status <> 'done',
             format('it is %s and has completed_at, left out here', status)),
            ('failed_at', failed_at IS NOT NULL AND status <> 'failed',
             format('it is %s and has failed_at, left out here', status)),
            ('cancelled_at', cancelled_at IS NOT NULL AND status <> 'cancelled',
             format('it is %s and has cancelled_at, left out here', status)),
            ('created_at', darkroom_adoption_time(created_at) IS NULL,
             'created_at is missing or not a time that can be shown'),
            ('updated_at', updated_at IS NOT NULL AND darkroom_adoption_time(updated_at) IS NULL,
             'updated_at is not a time that can be shown, and was left out'),
            ('started_at', started_at IS NOT NULL AND darkroom_adoption_time(started_at) IS NULL,
             'started_at is not a time that can be shown, and was left out'),
            ('completed_at', completed_at IS NOT NULL AND darkroom_adoption_time(completed_at) IS NULL,
             'completed_at is not a time that can be shown, and was left out'),
            ('failed_at', failed_at IS NOT NULL AND darkroom_adoption_time(failed_at) IS NULL,
             'failed_at is not a time that can be shown, and was left out'),
            ('cancelled_at', cancelled_at IS NOT NULL AND darkroom_adoption_time(cancelled_at) IS NULL,
             'cancelled_at is not a time that can be shown, and was left out'),
            ('processing_time', processing_time NOT BETWEEN 0 AND 100000000
                                OR (processing_time IS NOT NULL AND status IN ('pending', 'processing')),
             'processing_time says nothing about it, and was left out'),
            ('progress', progress NOT BETWEEN 0 AND 100, 'progress is not a number from 0 to 100'),
            ('credits_consumed', credits_consumed <> darkroom_adoption_charge(credits_consumed),
             'credits_consumed is not a number of credits'),
            ('reference_image', btrim(reference_image) <> '' AND NOT darkroom_adoption_is_id(reference_image),
             'its reference image is not the id of a file, and was left out'),
            ('config', jsonb_typeof(darkroom_adoption_json(config)) <> 'object',
             'config is not an object, and was left out'),
            ('result', jsonb_typeof(darkroom_adoption_json(result)) <> 'object',
             'result is not an object, and was left out'),
            ('error', jsonb_typeof(darkroom_adoption_json(error)) = 'array',
             'error is not an object, and was left out')
           ) AS looked_at (name, wrong, reason)
     WHERE wrong) AS found
 WHERE reasons IS NOT NULL;

-- Times that can be shown, each end time with its status.
UPDATE tasks
   SET created_at = coalesce(created, updated, completed, failed, cancelled, now()),
       updated_at = coalesce(updated, completed, failed, cancelled, created, now()),
       started_at = started,
       completed_at = CASE status WHEN 'done' THEN coalesce(completed, updated, created, now()) END,
       failed_at = CASE status WHEN 'failed' THEN coalesce(failed, completed, updated, created, now()) END,
       cancelled_at = CASE status WHEN 'cancelled' THEN coalesce(cancelled, updated, created, now()) END
  FROM (SELECT ctid AS place,
               darkroom_adoption_time(created_at) AS created,
               darkroom_adoption_time(updated_at) AS updated,
               darkroom_adoption_time(started_at) AS started,
               darkroom_adoption_time(completed_at) AS completed,
               darkroom_adoption_time(failed_at) AS failed,
               darkroom_adoption_time(cancelled_at) AS cancelled
          FROM tasks) AS shown
 WHERE tasks.ctid = place
   AND ((created_at, updated_at, started_at, completed_at, failed_at, cancelled_at)
        IS DISTINCT FROM (created, updated, started, completed, failed, cancelled)
        OR created IS NULL OR updated IS NULL
        OR (status = 'done') <> (completed_at IS NOT NULL)
        OR (status = 'failed') <> (failed_at IS NOT NULL)
        OR (status = 'cancelled') <> (cancelled_at IS NOT NULL));

ALTER TABLE tasks
    ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    ADD COLUMN webhook_url text,
    ADD COLUMN credits_refunded integer NOT NULL DEFAULT 0,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN retry_of text,
    ADD COLUMN line smallint NOT NULL DEFAULT 2 CHECK (line BETWEEN 0 AND 3),
    ADD COLUMN not_before timestamptz,
    ADD COLUMN dispatched_at timestamptz,
    ADD COLUMN message_no integer NOT NULL DEFAULT 0,
    ADD COLUMN lease_token bigint NOT NULL DEFAULT 0,
    ADD COLUMN lease_expires_at timestamptz,
    ADD COLUMN worker_id text;

-- Every USING sees the row as it was before this statement; the new processing_time, as it is after it.
ALTER TABLE tasks RENAME COLUMN processing_time TO darkroom_adoption_seconds;

ALTER TABLE tasks
    ALTER COLUMN user_id TYPE text USING nullif(user_id, ''),
    ALTER COLUMN progress TYPE smallint
        USING CASE WHEN status = 'done' THEN 100 ELSE least(greatest(coalesce(progress, 0), 0), 100) END,
    ALTER COLUMN reference_image TYPE text
        USING darkroom_adoption_reference(reference_image, mode, darkroom_adoption_object(config)),
    ALTER COLUMN config TYPE jsonb USING darkroom_adoption_object(config),
    ALTER COLUMN result TYPE jsonb USING darkroom_adoption_result(result),
    ALTER COLUMN error TYPE jsonb USING darkroom_adoption_error(error),
    ALTER COLUMN credits_consumed TYPE integer USING darkroom_adoption_charge(credits_consumed),
    -- The old system kept no record of refunds: the balances are what they are.
    ALTER COLUMN credits_refunded TYPE integer
        USING CASE WHEN status IN ('failed', 'cancelled') THEN darkroom_adoption_charge(credits_consumed) ELSE 0 END,
    ALTER COLUMN started_at TYPE timestamptz
        USING CASE WHEN status IN ('pending', 'processing') THEN started_at
                   ELSE least(coalesce(completed_at, failed_at, cancelled_at),
                              coalesce(started_at,
                                       coalesce(completed_at, failed_at, cancelled_at)
                                       - CASE WHEN darkroom_adoption_seconds BETWEEN 0 AND 100000000
                                              THEN make_interval(secs => darkroom_adoption_seconds::double precision) END,
                                       created_at)) END,
    ALTER COLUMN lease_expires_at TYPE timestamptz USING CASE WHEN status = 'processing' THEN now() END,
    ADD COLUMN processing_time double precision GENERATED ALWAYS AS (
        CAST(extract(epoch FROM coalesce(completed_at, failed_at, cancelled_at) - started_at) AS double precision)
    ) STORED;

ALTER TABLE tasks
    DROP COLUMN darkroom_adoption_seconds,
    ALTER COLUMN status SET DEFAULT 'pending',
    ALTER COLUMN status SET NOT NULL,
    ALTER COLUMN mode SET NOT NULL,
    ALTER COLUMN progress SET DEFAULT 0,
    ALTER COLUMN progress SET NOT NULL,
    ALTER COLUMN source_image SET NOT NULL,
    ALTER COLUMN config SET DEFAULT '{}',
    ALTER COLUMN config SET NOT NULL,
    ALTER COLUMN credits_consumed SET DEFAULT 0,
    ALTER COLUMN credits_consumed SET NOT NULL,
    ALTER COLUMN created_at SET DEFAULT now(),
    ALTER COLUMN created_at SET NOT NULL,
    ALTER COLUMN updated_at SET DEFAULT now(),
    ALTER COLUMN updated_at SET NOT NULL,
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (task_id),
    ADD CONSTRAINT tasks_task_id_check CHECK (length(task_id) BETWEEN 1 AND 64),
    ADD CONSTRAINT tasks_status_check
        CHECK (status IN ('pending', 'processing', 'done', 'failed', 'cancelled')),
    ADD CONSTRAINT tasks_mode_check CHECK (mode IN ('HEAD_SWAP', 'BACKGROUND_CHANGE', 'POSE_CHANGE')),
    ADD CONSTRAINT tasks_progress_check CHECK (progress BETWEEN 0 AND 100),
    ADD CONSTRAINT tasks_config_check CHECK (jsonb_typeof(config) = 'object'),
    ADD CONSTRAINT tasks_credits_consumed_check CHECK (credits_consumed >= 0),
    ADD CONSTRAINT tasks_check CHECK (credits_refunded BETWEEN 0 AND credits_consumed),
    ADD CONSTRAINT tasks_completed_when_done CHECK ((status = 'done') = (completed_at IS NOT NULL)),
    ADD CONSTRAINT tasks_failed_when_failed CHECK ((status = 'failed') = (failed_at IS NOT NULL)),
    ADD CONSTRAINT tasks_cancelled_when_cancelled CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    ADD CONSTRAINT tasks_leased_while_processing CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL));
