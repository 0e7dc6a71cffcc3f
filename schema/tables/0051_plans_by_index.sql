-- What a task's life calls reads by indexes, however small its tables were when a session made its plans: PostgreSQL keeps
-- them until it analyzes a table again, and each create read all events of the first minute. Runs before the deploy.
ALTER FUNCTION note_event_v2() SET enable_seqscan = off;
ALTER FUNCTION begin_to_wait_v2() SET enable_seqscan = off;
ALTER FUNCTION tell_end_v1() SET enable_seqscan = off;
ALTER FUNCTION count_down_batch_v1() SET enable_seqscan = off;
ALTER FUNCTION first_in_line_v3(text, text[], timestamptz) SET enable_seqscan = off;
ALTER FUNCTION claim_tasks_v6(text[], text[], interval, timestamptz, jsonb) SET enable_seqscan = off;
