-- The way back: what was written in the old layout, to whichever Redis. Runs before the deploy.

-- What an export has written, or was about to: a record that looks so came from here. `before` is what stood there when
-- it was written, or what an earlier export had written.
CREATE TABLE legacy_exported (
    kind        text NOT NULL CHECK (kind IN ('user', 'task')),
    record_id   text NOT NULL,
    fingerprint bytea NOT NULL,
    before      bytea,
    -- Whether it stood there when an export looked last; if not, it has changed there since.
    stands      boolean NOT NULL DEFAULT true,
    exported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, record_id)
);

-- Where an import read from: addresses, and the server's own name for itself where it tells it; without credentials.
ALTER TABLE legacy_imports ADD COLUMN source text[];

-- When somebody here last allowed or forbade the account anything; null: nobody has.
ALTER TABLE users ADD COLUMN judged_at timestamptz;

-- Where the old system served a brought result's picture, without host and query: front ends have stored that.
ALTER TABLE files ADD COLUMN old_address text;

CREATE INDEX idx_files_old_address ON files (user_id, old_address) WHERE old_address IS NOT NULL;

WITH pictures AS (
    SELECT tasks.result ->> (kind || '_file_id') AS file_id, tasks.user_id,
           regexp_replace(regexp_replace(tasks.result -> 'legacy' ->> name, '^([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*', ''),
                          '[?#].*$', '') AS address
      FROM tasks
     CROSS JOIN (VALUES ('output', 'output_image'), ('thumbnail', 'thumbnail'), ('comparison', 'comparison_image'))
             AS pictures (kind, name)
     WHERE tasks.result ? 'legacy' AND tasks.result ->> 'output_file_id' IS NOT NULL
)
UPDATE files
   SET old_address = '/' || ltrim(pictures.address, '/')
  FROM pictures
 WHERE files.file_id = pictures.file_id AND files.user_id = pictures.user_id AND brought
   AND length(pictures.address) BETWEEN 1 AND 500;
