-- What it takes to run a stored run again, beside its sources.

-- How the run was asked for: JSON with script (as on the command line), folder (where relative paths
-- start), arguments, set, seed, numerics, confine (folders, or false), and experiment and run, its
-- place among what the script describes, from 1.
CREATE TABLE run_settings (
    run      INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    settings TEXT NOT NULL
) STRICT;

-- The files that a run read, but for its sources.
CREATE TABLE run_file (
    run    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    role   TEXT NOT NULL,               -- the script's field: data, model, explain[2].baseline ...
    path   TEXT NOT NULL,               -- absolute
    sha256 TEXT NOT NULL,               -- of the file's bytes
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- Content of such files, in stores that carry them (`export --format db --with-data`).
CREATE TABLE file (
    sha256 TEXT NOT NULL UNIQUE,        -- of data
    data   BLOB NOT NULL
) STRICT;

-- Two modules may have the same text: a source is told by its path too.
-- (Columns of the key come first: integrity_check of SQLite 3.40 mistakes any other order.)
CREATE TABLE new_run_source (
    run    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    role   TEXT NOT NULL CHECK (role IN ('script', 'module')),
    path   TEXT NOT NULL,               -- where this run read it
    sha256 TEXT NOT NULL REFERENCES source (sha256),
    PRIMARY KEY (run, role, path)
) STRICT, WITHOUT ROWID;
INSERT INTO new_run_source
SELECT r.run, r.role, coalesce(r.path, s.path, r.sha256), r.sha256
FROM run_source r JOIN source s ON s.sha256 = r.sha256;
DROP TABLE run_source;
ALTER TABLE new_run_source RENAME TO run_source;
