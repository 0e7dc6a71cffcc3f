-- Both tables are there: a UUID is one user's id, however it was spelt in either.

UPDATE tasks
   SET user_id = (SELECT user_id
                    FROM users
                   WHERE lower(replace(users.user_id, '-', '')) = lower(replace(tasks.user_id, '-', ''))
                   ORDER BY user_id
                   LIMIT 1)
 WHERE user_id ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$'
   AND NOT EXISTS (SELECT FROM users WHERE users.user_id = tasks.user_id)
   AND lower(replace(user_id, '-', '')) IN (SELECT lower(replace(user_id, '-', '')) FROM users);
