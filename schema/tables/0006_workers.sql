-- Which worker processes are there. Runs before the deploy.

CREATE TABLE workers (
    worker_id  text PRIMARY KEY,
    slots      integer NOT NULL CHECK (slots > 0),
    modes      text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
);
