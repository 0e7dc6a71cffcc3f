-- As 0051, for the rest: each create of a first minute also read all tasks and all of the ledger so far. A function of
-- SQL keeps its plans since PostgreSQL 18. Runs before the deploy.
ALTER FUNCTION waiting_tasks(text, integer) SET enable_seqscan = off;
ALTER FUNCTION enter_external_v1() SET enable_seqscan = off;
ALTER FUNCTION enter_external_v1() SET enable_sort = off;
ALTER FUNCTION is_an_input(text) SET enable_seqscan = off;
ALTER FUNCTION end_sessions_v1() SET enable_seqscan = off;
ALTER FUNCTION keep_for_webhook_v1() SET enable_seqscan = off;
ALTER FUNCTION take_stored_bytes_v1() SET enable_seqscan = off;
