/* The store: one SQLite file that keeps every run whole. This room is the only user of sqlite3.h.
 * schema.sql is the schema of docs/store.md; migrations bring older stores up to it. It knows no
 * explainer: what it writes is given to it as rows.
 *
 * Writing: ln_store_begin (BEGIN IMMEDIATE), ln_store_insert ..., ln_store_commit; a finished piece
 * is one transaction and is reported only after its commit. Not thread-safe: one thread a store (the
 * one that ln_store_submit_... starts has a connection of its own). */
#ifndef LN_STORE_H
#define LN_STORE_H

#include "base/hash.h"
#include "lunette.h"
#include "tensor/tensor.h"

typedef enum ln_store_mode {
    LN_STORE_READ,  /* never changes the file; falls back to immutable=1 in a folder without
                        write permission when there is no -wal */
    LN_STORE_WRITE, /* creates and migrates */
} ln_store_mode;

/* Errors: LN_ESTORE for a file that is no store, newer than this program, damaged, locked for too
 * long (30 s), read-only or full, each with its own words; LN_EFILE when READ and it is missing. */
ln_status ln_store_open(const char *path, ln_store_mode mode, ln_store **out, ln_error *err);
void ln_store_close(ln_store *store); /* NULL is fine; rolls back what is open */
const char *ln_store_path(const ln_store *store);

/* --- rows ------------------------------------------------------------------------------------ */

typedef enum ln_cell_type {
    LN_CELL_NULL,
    LN_CELL_INT,
    LN_CELL_REAL,
    LN_CELL_TEXT,
    LN_CELL_BLOB
} ln_cell_type;

typedef struct ln_cell {
    const char *column; /* insert: the column's name; parameters of a query: name without ':' */
    ln_cell_type type;
    int64_t integer;
    double real;      /* NaN is stored as NULL */
    const void *data; /* text (UTF-8) or blob, borrowed */
    size_t bytes;
} ln_cell;

ln_status ln_store_begin(ln_store *store, ln_error *err);
ln_status ln_store_commit(ln_store *store, ln_error *err);
void ln_store_rollback(ln_store *store);

/* INSERT into a table of the schema; names are checked against it. *id (may be NULL) is the rowid.
 * Statements are prepared once and kept. */
ln_status ln_store_insert(ln_store *store, const char *table, const ln_cell *cells, int count,
                          int64_t *id, ln_error *err);
/* Rows of one table, thousands at once: several go into a statement. */
#define LN_MANY_COLUMNS 16
typedef struct ln_many_rows {
    const char *table;          /* its name, checked as by insert, like those of columns */
    const ln_cell *common;      /* what is the same in all rows */
    int common_count;           /* how many columns that is */
    const char *const *columns; /* names of those that a row has of its own */
    int column_count;           /* how many; with the common ones at most LN_MANY_COLUMNS */
    int64_t count;              /* rows */
    /* NULL; or the table whose row the first common cell names, which is looked up once: that all else is there
     * that the rows point to is then the caller's promise. SQLite would look it up for each row. */
    const char *owner;
    void *context; /* of fill */
    /* Fills row i's own cells, all but their names, in the order of `columns`. What they point to is
     * read before the next call. Rows are asked for in order, each once. */
    ln_status (*fill)(void *context, int64_t i, ln_cell *cells, ln_error *err);
} ln_many_rows;
/* All or none: in the caller's transaction, which has to end with a failure, or in one of its own. */
ln_status ln_store_insert_many(ln_store *store, const ln_many_rows *many, ln_error *err);
/* As insert, but where the unique key `key_column` already has this value, its id is returned and
 * nothing is written (source, environment, dataset, model by sha256; experiment by name). *added
 * (may be NULL) tells which. */
ln_status ln_store_intern(ln_store *store, const char *table, const char *key_column,
                          const ln_cell *cells, int count, int64_t *id, bool *added, ln_error *err);
/* UPDATE table SET cells WHERE id = id: only rows of runs that are still `running`. */
ln_status ln_store_update(ln_store *store, const char *table, int64_t id, const ln_cell *cells,
                          int count, ln_error *err);
/* Content-addressed: an equal tensor is stored once. */
ln_status ln_store_put_tensor(ln_store *store, const ln_tensor *tensor, int64_t *id, ln_error *err);
/* What a tensor of so many bytes takes in the file: its pages, and its part of those that it shares. */
double ln_store_tensor_bytes(int64_t bytes);
ln_status ln_store_get_tensor(ln_store *store, int64_t id, ln_tensor **out, ln_error *err);

/* A piece of an explanation: `count` attributions that share one tensor (count, ...shape). Rows are
 * written in item order with `seq` going on from first_seq. */
typedef struct ln_attribution_rows {
    int64_t explanation; /* its id */
    int64_t count, first_seq;
    const int64_t *sample;     /* sample ids; entry -1: NULL (global) */
    const int64_t *target;     /* entry -1: NULL */
    const char *kind, *space;  /* "feature", "input" ... */
    const char *layer;         /* or NULL */
    int64_t unit;              /* of the layer, or -1 */
    const ln_tensor *values;   /* (count, ...) f32 */
    const ln_tensor *errors;   /* same shape, or NULL */
    int64_t groups;            /* tensor id, or -1 */
    const ln_tensor *grouping; /* stored with them, in place of `groups`; or NULL */
    const double *output, *baseline_output, *absorbed; /* NaN: NULL; array pointer may be NULL */
    const double *total, *residual, *min, *max, *l1;   /* count entries each */
    const int64_t *nan_count;
    const char *const *status; /* NULL: "ok" for all */
    const char *const *reason; /* NULL: none */
    const char *input;         /* the model's input they belong to, where there are several */
    const struct ln_attribution_rows
        *next; /* the same samples' attributions to the next input, or those of the next samples
                       where each has groups of its own; or NULL */
    int64_t judged; /* of the first: attributions that verdicts are of, one after the other, where
                       they are not these `count`; else 0. `sample` has as many entries */
    int64_t evaluations, elapsed_ns; /* of the explanation so far: its row has them with the piece,
                                        where it is submitted */
} ln_attribution_rows;
/* One transaction if none is open. Row i's id is *first_id + i. */
ln_status ln_store_put_attributions(ln_store *store, const ln_attribution_rows *rows,
                                    int64_t *first_id, ln_error *err);

/* What a judge says of each attribution of a piece: rows of `metric`. */
typedef struct ln_verdict_rows {
    int64_t run;                       /* its id */
    const char *name, *label, *params; /* of the judge */
    int higher_is_better;              /* 1, 0, or -1: neither */
    const double *values;              /* one an attribution; NaN: not defined */
    const char *const *reasons;        /* why not, or what it falls short of; NULL: none */
    const char *const *own_params;     /* one an attribution in place of params, or NULL */
    const double *lower, *upper;       /* confidence intervals, NaN: none; or NULL */
    const int64_t *n;                  /* of how many numbers each value is, or NULL */
} ln_verdict_rows;
/* Attributions and verdicts in one transaction; those to other inputs (`next`) follow, and have the same
 * seq. Verdicts are of all of them together and stand at the first ones. */
ln_status ln_store_put_piece(ln_store *store, const ln_attribution_rows *rows,
                             const ln_verdict_rows *verdicts, int verdict_count, ln_error *err);

/* The points of one series of a metric that is a curve. */
typedef struct ln_curve_rows {
    int64_t metric;          /* its id */
    const char *series;      /* "" where there is one */
    int64_t count;           /* points */
    const double *x, *y;     /* count each; NaN: NULL */
    const double *threshold; /* the same, or NULL: none */
} ln_curve_rows;
ln_status ln_store_put_curve(ln_store *store, const ln_curve_rows *curve, ln_error *err);

/* --- written while the run goes on ---------------------------------------------------------------
 * What is submitted is copied (tensors are retained) and written by a thread of the store, in this
 * order, each in one transaction; an eighth of the memory limit, or of the machine's memory, waits at
 * most, and no more than 1 GB. A failure is told, in its own words, by the next call that submits,
 * begins or settles; what waited behind it is not written. Other calls of the store are for the owner's thread
 * as before. */
ln_status ln_store_submit_piece(ln_store *store, const ln_attribution_rows *rows,
                                const ln_verdict_rows *verdicts, int verdict_count, ln_error *err);
/* ln_store_update, or ln_store_insert where id is 0. */
ln_status ln_store_submit_row(ln_store *store, const char *table, int64_t id, const ln_cell *cells,
                              int count, ln_error *err);
/* Waits until all is written. A query outside of a transaction begins with it. */
ln_status ln_store_settle(ln_store *store, ln_error *err);
int64_t ln_store_written(const ln_store *store); /* attributions submitted and committed */

/* A finished piece of an explanation, kept for the run that resumes it. */
typedef struct ln_kept_piece {
    int64_t from, first_id, count; /* explanation of the old run; ids first_id .. + count of it */
    int64_t run, to;               /* the new run and its explanation */
} ln_kept_piece;
/* Writes the piece's attributions, and its metrics, again as rows of the new explanation; their
 * tensors are the same. Row i's id is *first_id + i. */
ln_status ln_store_keep_piece(ln_store *store, const ln_kept_piece *piece, int64_t *first_id,
                              ln_error *err);

/* --- queries --------------------------------------------------------------------------------- */

typedef struct ln_query ln_query;

typedef struct ln_query_options {
    bool write;            /* lets statements change the store (`query --write`) */
    const ln_cell *params; /* named parameters (:name, @name, $name) */
    int param_count;
    double timeout; /* seconds; 0: none */
} ln_query_options;

/* The first statement of `sql`, which must live as long as the query; LN_ESTORE has SQLite's words
 * and, where known, the line with the place marked. Every parameter must have a value. Without
 * `write` an allow-list authorizer and query_only refuse everything that is not reading this store
 * (ATTACH, PRAGMA that set, VACUUM INTO, load_extension, writing functions). */
ln_status ln_query_new(ln_store *store, const char *sql, const ln_query_options *options,
                       ln_query **out, ln_error *err);
const char *ln_query_rest(const ln_query *query); /* what follows the statement, blanks skipped */
int ln_query_columns(const ln_query *query);
const char *ln_query_name(const ln_query *query, int column);
/* The table column that a result column is, or NULL where it is an expression. Borrowed. */
const char *ln_query_origin(const ln_query *query, int column);
bool ln_query_uses(const ln_query *query, const char *parameter); /* name without ':' */
/* *more is false after the last row. */
ln_status ln_query_next(ln_query *query, bool *more, ln_error *err);
ln_cell ln_query_cell(const ln_query *query, int column); /* borrowed until the next call */
void ln_query_free(ln_query *query);

/* Whether every statement of `sql` could be run, parameters aside; runs none. */
ln_status ln_query_check(ln_store *store, const char *sql, bool write, ln_error *err);

/* Another SQLite file, for reading, under a name in SQL; before the first query. LN_EFILE where it is
 * missing, LN_EINVALID for a name that will not do. */
ln_status ln_store_attach(ln_store *store, const char *path, const char *name, ln_error *err);

/* Queries kept in the store. An unknown name is LN_EINVALID, with a near one; caller frees *sql. */
ln_status ln_store_save_query(ln_store *store, const char *name, const char *sql, ln_error *err);
ln_status ln_store_saved_query(ln_store *store, const char *name, char **sql, ln_error *err);
ln_status ln_store_remove_query(ln_store *store, const char *name, ln_error *err);

/* What can be asked: tables, views, virtual tables, functions, each with its line. */
typedef struct ln_described {
    const char *kind;    /* "table", "view", "virtual table", "function", "aggregate" */
    const char *name;    /* as in SQL */
    const char *form;    /* of a function: "tensor_get(t, i)"; else NULL */
    const char *summary; /* one line, no full stop */
} ln_described;
extern const ln_described ln_store_described[]; /* ends with a NULL name */

/* --- runs ------------------------------------------------------------------------------------ */

/* RUN of the command line: a number, a unique prefix of a uuid (4 digits or more), an experiment's
 * name (its newest run), `last`, `last~1`. LN_EINVALID when there is none or several, with what
 * there is. */
ln_status ln_store_find_run(ln_store *store, const char *text, int64_t *run, ln_error *err);

/* Which runs, in what order, what of them. A name is a column of run_summary, a metric's label, an
 * explanation's and a judge's (saliency.deletion), a parameter's key (train.epochs) or tag.NAME. */
typedef struct ln_run_choice {
    const char *where;    /* a condition in SQL over such names; or NULL */
    const char *sort;     /* "-roc_auc, id", the greatest first with a minus; or NULL: the newest */
    const char *columns;  /* "id, roc_auc, train.epochs"; or NULL: */
    const char *fallback; /* SQL over run_summary */
    bool people;          /* reals of `columns` with 6 digits */
    int64_t limit;        /* -1: all */
} ln_run_choice;
/* *sql is the statement, for ln_query_new on this store before the next call; caller frees.
 * LN_EINVALID for an unknown name (with near ones) and for whatever is no expression. */
ln_status ln_store_choose_runs(ln_store *store, const ln_run_choice *choice, char **sql,
                               ln_error *err);

/* Runs left `running` by processes that are gone become `interrupted` (at every open for writing,
 * and shown so by readers): a running process holds an advisory lock on byte run id of the file
 * `<store>-running`, taken by ln_store_run_begin and released by ln_store_close. Call it inside the
 * transaction that inserts the run, so that no other process sees the row without the lock. */
ln_status ln_store_run_begin(ln_store *store, int64_t run, ln_error *err);

/* The run's checkpoint goes: another takes its place, or the run is finished. */
ln_status ln_store_drop_checkpoint(ln_store *store, int64_t run, ln_error *err);
ln_status ln_store_mark_dead(ln_store *store, int64_t *marked, ln_error *err);

/* What people add, also to finished runs: a tag (replaced where the run has one of that name) and a
 * note (an event of level "note"). LN_EINVALID for a name or text that will not do, and for the
 * removal of a tag that is not there. */
ln_status ln_store_tag(ln_store *store, int64_t run, const char *key, const char *value,
                       ln_error *err);
ln_status ln_store_untag(ln_store *store, int64_t run, const char *key, ln_error *err);
ln_status ln_store_note(ln_store *store, int64_t run, const char *text, ln_error *err);

/* Removes runs with all that is theirs alone, files below the store's folder included. LN_EFAILED,
 * and nothing is removed, where one is running or another run resumes or reproduces it. */
typedef struct ln_removed {
    int64_t files;   /* removed */
    int64_t changed; /* left, since they are no longer what was stored */
} ln_removed;
ln_status ln_store_remove_runs(ln_store *store, const int64_t *runs, int count, ln_removed *removed,
                               ln_error *err);

/* Removes what no run refers to (models, data sets, tensors, scripts ...) and tells each kind, its
 * rows and the bytes of their content; with dry_run it only tells. LN_EFAILED while a run lives. */
typedef void (*ln_collected_fn)(void *context, const char *what, int64_t rows, int64_t bytes);
ln_status ln_store_collect(ln_store *store, bool dry_run, ln_collected_fn each, void *context,
                           ln_error *err);
/* Gives free pages back to the file system (VACUUM): *bytes fewer. */
ln_status ln_store_shrink(ln_store *store, int64_t *bytes, ln_error *err);

/* Integrity: PRAGMA integrity_check, foreign keys, the hash of every source, artifact and tensor,
 * every attribution's tensor row and recorded sums, residuals against each explanation's
 * `tolerance`. `run` 0: the whole store. Each finding goes to `each` (severity "broken", "residual",
 * or "missing": a file beside the store). */
typedef void (*ln_finding_fn)(void *context, const char *severity, const char *text);
ln_status ln_store_verify(ln_store *store, int64_t run, ln_finding_fn each, void *context,
                          int64_t *checked, ln_error *err);

/* --- other stores ---------------------------------------------------------------------------- */

/* What became of a run that was to be copied. */
typedef struct ln_copied {
    int64_t from, to; /* its numbers there and here; to 0: it was left out */
    bool added;       /* false: it was here already, by its uuid */
    bool running;     /* it is still running there, and was left out */
} ln_copied;
typedef void (*ln_copied_fn)(void *context, const ln_copied *copied);
/* Copies runs (NULL: all, in their order) and what they refer to, equal content once; in one
 * transaction of `to`. Pictures stay where they are. */
ln_status ln_store_copy(ln_store *from, ln_store *to, const int64_t *runs, int count,
                        ln_copied_fn each, void *context, ln_error *err);

/* Makes a store a single file, to be sent: journal_mode DELETE, nothing beside it once it is closed. */
ln_status ln_store_seal(ln_store *store, ln_error *err);

/* The allocator of SQLite is ours (counted against --memory); once, before the first open. */
void ln_store_configure(void);

const char *ln_store_library(void); /* the version of SQLite in use: "3.40.1" */

#endif
