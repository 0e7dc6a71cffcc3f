-- What a task's life calls is planned once a session, and not for each call's values: of a claim's time that was half,
-- since PostgreSQL believes that it saves more by knowing how long an array is. Every plan goes by an index anyhow (0051).
-- Runs before the deploy.
ALTER FUNCTION note_event_v2() SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION begin_to_wait_v2() SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION tell_end_v1() SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION count_down_batch_v1() SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION first_in_line_v3(text, text[], timestamptz) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION claim_tasks_v6(text[], text[], interval, timestamptz, jsonb) SET plan_cache_mode = force_generic_plan;
