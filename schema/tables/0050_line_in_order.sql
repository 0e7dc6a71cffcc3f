-- Who is first in a line is read from the index that has it in its order. Before its first ANALYZE, when PostgreSQL takes a
-- table for nearly empty, it would rather read and sort all of a user's waiting tasks for each claim. Runs before the deploy.
ALTER FUNCTION first_in_line_v3(text, text[], timestamptz) SET enable_sort = off;
