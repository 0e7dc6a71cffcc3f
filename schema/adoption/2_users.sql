-- The rows and the shape of `users`, from what the system before this one had to what 0001 makes. Its columns are all
-- there by now, as text, timestamptz, boolean or a kind of number, without defaults, constraints, indexes and triggers.

INSERT INTO darkroom_adoption_notes (kind, record_id, quarantined, reasons, fields)
SELECT 'user', darkroom_adoption_name(user_id, ctid), true, ARRAY['its id is missing, too long or not one'],
       darkroom_adoption_fields(to_jsonb(users))
  FROM users
 WHERE (length(user_id) BETWEEN 1 AND 50 AND user_id = btrim(user_id) AND user_id !~ '[[:cntrl:]]') IS NOT TRUE;

DELETE FROM users
 WHERE (length(user_id) BETWEEN 1 AND 50 AND user_id = btrim(user_id) AND user_id !~ '[[:cntrl:]]') IS NOT TRUE;

-- One account an email: whoever was there last keeps it.
WITH ranked AS (
    SELECT user_id,
           row_number() OVER (PARTITION BY lower(btrim(email))
                              ORDER BY last_login DESC NULLS LAST, created_at DESC NULLS LAST, user_id) > 1 AS taken
      FROM users
     WHERE btrim(email) <> ''
)
INSERT INTO darkroom_adoption_notes (kind, record_id, quarantined, reasons, fields)
SELECT 'user', users.user_id, false, reasons, darkroom_adoption_fields(to_jsonb(users), names)
  FROM users
  LEFT JOIN ranked USING (user_id)
 CROSS JOIN LATERAL (
    SELECT array_agg(reason) AS reasons, array_agg(name) AS names
      FROM (VALUES
            ('email', taken, 'its email is another account''s, and was left out'),
            ('email', length(btrim(email)) > 320, 'its email is too long, and was left out'),
            ('current_credits', current_credits < 0, 'current_credits is negative; 0 stands for it'),
            ('current_credits', current_credits >= 0 AND current_credits <> darkroom_adoption_credits(current_credits),
             'current_credits is not a number of credits'),
            ('total_credits_used', total_credits_used <> darkroom_adoption_credits(total_credits_used),
             'total_credits_used is not a number of credits'),
            ('created_at', created_at IS NOT NULL AND darkroom_adoption_time(created_at) IS NULL,
             'created_at is not a time that can be shown, and was left out'),
            ('updated_at', updated_at IS NOT NULL AND darkroom_adoption_time(updated_at) IS NULL,
             'updated_at is not a time that can be shown, and was left out'),
            ('last_login', last_login IS NOT NULL AND darkroom_adoption_time(last_login) IS NULL,
             'last_login is not a time that can be shown, and was left out'),
            ('plan_renew_at', plan_renew_at IS NOT NULL AND darkroom_adoption_time(plan_renew_at) IS NULL,
             'plan_renew_at is not a time that can be shown, and was left out')
           ) AS looked_at (name, wrong, reason)
     WHERE wrong) AS found
 WHERE reasons IS NOT NULL;

UPDATE users
   SET email = NULL
  FROM darkroom_adoption_notes
 WHERE kind = 'user' AND record_id = user_id AND NOT quarantined AND darkroom_adoption_notes.fields ? 'email';

ALTER TABLE users
    ALTER COLUMN email TYPE text USING nullif(btrim(email), ''),
    ALTER COLUMN has_password TYPE boolean USING coalesce(has_password, password_hash <> '', false),
    ALTER COLUMN is_active TYPE boolean USING coalesce(is_active, true),
    ALTER COLUMN signup_bonus_granted TYPE boolean USING coalesce(signup_bonus_granted, false),
    ALTER COLUMN plan_renew_at TYPE timestamptz USING darkroom_adoption_time(plan_renew_at),
    ALTER COLUMN current_credits TYPE bigint USING darkroom_adoption_credits(current_credits),
    ALTER COLUMN total_credits_used TYPE bigint USING darkroom_adoption_credits(total_credits_used),
    ALTER COLUMN created_at TYPE timestamptz
        USING coalesce(darkroom_adoption_time(created_at), darkroom_adoption_time(last_login),
                       darkroom_adoption_time(updated_at), now()),
    ALTER COLUMN updated_at TYPE timestamptz
        USING coalesce(darkroom_adoption_time(updated_at), darkroom_adoption_time(last_login),
                       darkroom_adoption_time(created_at), now()),
    ALTER COLUMN last_login TYPE timestamptz USING darkroom_adoption_time(last_login);

ALTER TABLE users
    ALTER COLUMN has_password SET DEFAULT false,
    ALTER COLUMN has_password SET NOT NULL,
    ALTER COLUMN is_active SET DEFAULT true,
    ALTER COLUMN is_active SET NOT NULL,
    ALTER COLUMN signup_bonus_granted SET DEFAULT false,
    ALTER COLUMN signup_bonus_granted SET NOT NULL,
    ALTER COLUMN current_credits SET DEFAULT 0,
    ALTER COLUMN current_credits SET NOT NULL,
    ALTER COLUMN total_credits_used SET DEFAULT 0,
    ALTER COLUMN total_credits_used SET NOT NULL,
    ALTER COLUMN created_at SET DEFAULT now(),
    ALTER COLUMN created_at SET NOT NULL,
    ALTER COLUMN updated_at SET DEFAULT now(),
    ALTER COLUMN updated_at SET NOT NULL,
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id),
    ADD CONSTRAINT users_user_id_check CHECK (length(user_id) BETWEEN 1 AND 50),
    ADD CONSTRAINT users_current_credits_check CHECK (current_credits >= 0),
    ADD CONSTRAINT users_total_credits_used_check CHECK (total_credits_used >= 0);
