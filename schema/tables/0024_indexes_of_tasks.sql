-- The lists of a user's tasks: smaller indexes, of which one serves any filter. Runs before the deploy; until that is
-- over, lists of one mode or one status that processes of the version before ask for are sorted. Whoever writes a task
-- waits meanwhile, for some seconds with a million of them.

-- Newest first is read from the end. In this direction a user's new entries come last, which leaves pages full behind them;
-- in the other one each splits a page in two halves.
DROP INDEX idx_tasks_user_created;
CREATE INDEX idx_tasks_user_created ON tasks (user_id, created_at, task_id);

-- For any status and any mode, in order: a list of one status reads each mode's last ones, a list of one mode each status's.
DROP INDEX idx_tasks_user_status;
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status, mode, created_at, task_id);

-- For counting. Few different keys: a tenth of the others' size.
DROP INDEX idx_tasks_user_id;
CREATE INDEX idx_tasks_user_id ON tasks (user_id, mode, status);

-- Without the lease: to renew it touches no index.
DROP INDEX idx_tasks_running;
CREATE INDEX idx_tasks_running ON tasks (user_id) WHERE status = 'processing' AND NOT elsewhere;
