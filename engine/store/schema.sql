-- The store's tables, version 1 (docs/store.md explains them one by one). Views are in views.sql.
--
-- Every `id` is the row's number; a column with the name of a table holds the id of its row there.
-- Times are UTC ISO-8601 text with milliseconds, 2026-01-31T12:00:00.000Z. Hashes are SHA-256: 64
-- hexadecimal digits as text, 32 bytes in tensor.sha256. Class ids, rows and features count from
-- 0. JSON is text. Deleting a run (DELETE FROM run) takes along what belongs to it alone; data
-- sets, models, sources, environments and tensors are shared between runs and stay.

CREATE TABLE schema_version (
    version    INTEGER PRIMARY KEY,
    applied_at TEXT NOT NULL
) STRICT;

-- ------------------------------------------------------------------------------------- what is
-- shared

CREATE TABLE experiment (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A machine and a build; sha256 is over all the other columns.
CREATE TABLE environment (
    id        INTEGER PRIMARY KEY,
    sha256    TEXT NOT NULL UNIQUE,
    host      TEXT,
    os        TEXT,
    cpu       TEXT,
    isa       TEXT,
    compiler  TEXT,
    version   TEXT,                     -- of Lunette
    build     TEXT,
    libraries TEXT                      -- JSON: {"kernels": "oneDNN 2.6.3", ...}
) STRICT;

-- Scripts and modules, whole.
CREATE TABLE source (
    sha256 TEXT NOT NULL UNIQUE,
    path   TEXT,                        -- where it was when first seen
    text   TEXT NOT NULL
) STRICT;

-- Tensors by content. sha256 is over dtype, shape and data. The numbers are raw: little-endian,
-- row-major, never compressed or normalised. Last column: a row's head is read without its numbers.
CREATE TABLE tensor (
    id     INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    dtype  TEXT NOT NULL,               -- f32, f64, i64, i32, u8, bool
    shape  TEXT NOT NULL,               -- JSON: [50, 20]
    data   BLOB NOT NULL
) STRICT;

CREATE TABLE dataset (
    id     INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,        -- of the file's bytes and of how it is read
    name   TEXT NOT NULL,
    path   TEXT,
    rows   INTEGER NOT NULL,
    meta   TEXT                         -- JSON: target, classes, shape ...
) STRICT;

-- Columns of a data set, without the target.
CREATE TABLE feature (
    id      INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    idx     INTEGER NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT,                       -- numeric, categorical
    UNIQUE (dataset, idx)
) STRICT;

-- Rows of a data set that some run used.
CREATE TABLE sample (
    id      INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,
    idx     INTEGER NOT NULL,           -- row of the data set
    label   ANY,                        -- class id (INTEGER) or number (REAL); NULL: not known
    raw     TEXT,                       -- JSON in original units: {"age": 67, ...}
    UNIQUE (dataset, idx)
) STRICT;

CREATE TABLE model (
    id         INTEGER PRIMARY KEY,
    sha256     TEXT NOT NULL UNIQUE,
    name       TEXT,
    format     TEXT,                    -- network, onnx, ...
    graph      TEXT,                    -- JSON
    parameters INTEGER,                 -- how many numbers were trained
    weights    INTEGER REFERENCES tensor,
    file       TEXT
) STRICT;

-- The model's encoded inputs, in order.
CREATE TABLE encoding (
    model   INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,
    idx     INTEGER NOT NULL,
    feature INTEGER REFERENCES feature, -- the column it comes from
    name    TEXT NOT NULL,              -- age, or purpose=radio/tv
    meta    TEXT,                       -- JSON: centre and scale, or the category
    PRIMARY KEY (model, idx)
) STRICT, WITHOUT ROWID;

-- ------------------------------------------------------------------------------------------------
-- run

CREATE TABLE run (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    uuid           TEXT NOT NULL UNIQUE,
    invocation     TEXT NOT NULL,       -- one `lunette run`: the same for all its runs
    experiment     INTEGER NOT NULL REFERENCES experiment,
    status         TEXT NOT NULL CHECK (status IN ('running', 'ok', 'failed', 'interrupted')),
    started_at     TEXT NOT NULL,
    finished_at    TEXT,
    seed           INTEGER,
    numerics       TEXT,
    threads        INTEGER,
    argv           TEXT,                -- JSON
    script_sha256  TEXT,
    identity       TEXT,                -- over sources, parameters, content of files and version: what
                                        -- decides the results (and `run --needed`)
    environment    INTEGER REFERENCES environment,
    parent_run     INTEGER REFERENCES run ON DELETE SET NULL, -- the one it resumes
    reproduces_run INTEGER REFERENCES run ON DELETE SET NULL,
    error          TEXT
) STRICT;
CREATE INDEX run_experiment ON run (experiment);
CREATE INDEX run_identity ON run (identity);
CREATE INDEX run_parent ON run (parent_run) WHERE parent_run IS NOT NULL;
CREATE INDEX run_reproduces ON run (reproduces_run) WHERE reproduces_run IS NOT NULL;

CREATE TABLE run_source (
    run    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    sha256 TEXT NOT NULL REFERENCES source (sha256),
    role   TEXT NOT NULL CHECK (role IN ('script', 'module')),
    path   TEXT,                        -- where this run read it
    PRIMARY KEY (run, sha256, role)
) STRICT, WITHOUT ROWID;

-- The resolved configuration, defaults included: explain[1].steps = 50.
CREATE TABLE param (
    run  INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    key  TEXT NOT NULL,
    type TEXT NOT NULL,                 -- number, string, boolean, ...
    num  REAL,
    text TEXT,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    run   INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_model (
    run   INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES model,
    PRIMARY KEY (run, model)
) STRICT, WITHOUT ROWID;

-- How a run used a sample. `input` is what the model read, for the rows of `inputs`.
CREATE TABLE run_sample (
    run       INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    sample    INTEGER NOT NULL REFERENCES sample,
    split     TEXT,                     -- train, test, validation
    fold      INTEGER,
    weight    REAL,
    input     INTEGER REFERENCES tensor,
    input_row INTEGER,
    PRIMARY KEY (run, sample)
) STRICT, WITHOUT ROWID;

CREATE TABLE prediction (
    run        INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    sample     INTEGER NOT NULL REFERENCES sample,
    class      INTEGER,                 -- the predicted class; NULL in regression
    label      ANY,                     -- what is true: class id or number
    score      REAL,                    -- probability of `class`; in regression the number
    output     INTEGER REFERENCES tensor, -- all outputs: row output_row
    output_row INTEGER,
    PRIMARY KEY (run, sample)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------
-- explanations

CREATE TABLE explanation (
    id            INTEGER PRIMARY KEY,
    run           INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    seq           INTEGER NOT NULL,     -- position in the script's list
    label         TEXT NOT NULL,
    explainer     TEXT NOT NULL,        -- its word
    version       INTEGER,
    params        TEXT,                 -- canonical JSON, defaults resolved
    params_sha256 TEXT,
    status        TEXT NOT NULL,
    reason        TEXT,
    evaluations   INTEGER,
    elapsed_ns    INTEGER,
    UNIQUE (run, label)
) STRICT;

-- One explained sample and target. Its numbers are row `tensor_row` of `tensor` (the whole tensor
-- where tensor_row is NULL); a grouped one has a number a group, `groups` maps elements to groups.
CREATE TABLE attribution (
    id              INTEGER PRIMARY KEY,
    explanation     INTEGER NOT NULL REFERENCES explanation ON DELETE CASCADE,
    sample          INTEGER REFERENCES sample, -- NULL: a global one
    target          INTEGER,
    kind            TEXT NOT NULL,      -- feature, interaction, activation, input
    space           TEXT NOT NULL,      -- column, input, group, layer
    layer           TEXT,
    unit            INTEGER,
    seq             INTEGER NOT NULL,   -- position within the explanation
    tensor          INTEGER REFERENCES tensor,
    tensor_row      INTEGER,
    groups          INTEGER REFERENCES tensor,
    error           INTEGER REFERENCES tensor, -- standard errors, same row
    output          REAL,
    baseline_output REAL,
    total           REAL,
    residual        REAL,               -- total - (output - baseline_output), where promised
    absorbed        REAL,
    min             REAL,
    max             REAL,
    l1              REAL,
    nan_count       INTEGER,
    status          TEXT NOT NULL,
    reason          TEXT,
    input           TEXT                -- the model's input it belongs to, where there are several
) STRICT;
CREATE INDEX attribution_explanation ON attribution (explanation, sample);

-- --------------------------------------------------------------------------------------------
-- metrics

CREATE TABLE metric (
    id               INTEGER PRIMARY KEY,
    run              INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name             TEXT NOT NULL,     -- its word
    label            TEXT NOT NULL,
    params           TEXT,              -- canonical JSON
    scope            TEXT NOT NULL CHECK (scope IN ('model', 'explanation', 'attribution')),
    split            TEXT,
    class            INTEGER,
    slice            TEXT,
    explanation      INTEGER REFERENCES explanation ON DELETE CASCADE,
    attribution      INTEGER REFERENCES attribution ON DELETE CASCADE,
    sample           INTEGER REFERENCES sample,
    value            REAL,              -- NULL: a curve or matrix, or not defined (see reason)
    lower            REAL,
    upper            REAL,
    n                INTEGER,
    higher_is_better INTEGER,           -- 1, 0, or NULL: neither
    tensor           INTEGER REFERENCES tensor,
    status           TEXT NOT NULL,
    reason           TEXT
) STRICT;
CREATE INDEX metric_run ON metric (run, scope, label);
CREATE INDEX metric_explanation ON metric (explanation, label) WHERE explanation IS NOT NULL;
CREATE INDEX metric_attribution ON metric (attribution) WHERE attribution IS NOT NULL;

CREATE TABLE curve (
    metric    INTEGER NOT NULL REFERENCES metric ON DELETE CASCADE,
    series    TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    x         REAL,
    y         REAL,
    threshold REAL,
    PRIMARY KEY (metric, series, seq)
) STRICT, WITHOUT ROWID;

-- --------------------------------------------------------------------------------- verdicts and
-- notes

CREATE TABLE expectation (
    id         INTEGER PRIMARY KEY,
    invocation TEXT NOT NULL,
    experiment INTEGER REFERENCES experiment,
    run        INTEGER REFERENCES run ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    text       TEXT NOT NULL,           -- as written
    held       INTEGER,                 -- 1, 0, or NULL: could not be told
    detail     TEXT
) STRICT;
CREATE INDEX expectation_invocation ON expectation (invocation);
CREATE INDEX expectation_run ON expectation (run);

CREATE TABLE saved_query (
    name TEXT PRIMARY KEY NOT NULL,
    sql  TEXT NOT NULL
) STRICT;

CREATE TABLE artifact (
    id         INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name       TEXT NOT NULL,
    media_type TEXT,
    path       TEXT,
    sha256     TEXT,
    bytes      INTEGER,
    UNIQUE (run, name)
) STRICT;

CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    run     INTEGER REFERENCES run ON DELETE CASCADE,
    at      TEXT NOT NULL,
    level   TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX event_run ON event (run);
