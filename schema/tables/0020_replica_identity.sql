-- A table without a primary key can't be changed once somebody publishes it (FOR ALL TABLES, Supabase's Realtime) unless
-- it is said how its rows are told apart. Runs before the deploy.

-- A file's owner may be nobody, so its key is no primary one.
ALTER TABLE files REPLICA IDENTITY FULL;
