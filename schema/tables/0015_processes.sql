-- The processes that are connected, and the storage that the files are in. Runs before the deploy.

-- One row: the name of an object that lies in the storage, so that another storage, or the empty directory below a volume
-- that isn't mounted, is told from it.
CREATE TABLE storage_mark (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    mark     text NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- Each says so every few seconds and strikes itself off when it ends; one that hangs or was killed falls silent.
-- A process whose storage isn't the one with the mark has none.
CREATE TABLE processes (
    process_id   text PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('api', 'worker')),
    node         text NOT NULL,
    address      text,
    storage      text NOT NULL,
    storage_mark text,
    started_at   timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now()
);
