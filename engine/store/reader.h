/* What element, attribution_values and feature_importance share on one connection: prepared
 * statements, the tensors read last, and the names of columns, inputs and groups.
 *
 * The reader belongs to the eponymous table `element`, which SQLite disconnects when the connection
 * is closed, before it looks for statements left open; a function's own data would be freed too
 * late. All codes are SQLite's; ln_reader_message has the words for SQLITE_CORRUPT_VTAB. */
#ifndef LN_STORE_READER_H
#define LN_STORE_READER_H

#include "store/sqlite.h"

typedef struct ln_reader ln_reader;

/* One a connection; modules and functions point to it and count it. */
typedef struct ln_hub {
    int references;    /* modules and functions that hold it */
    sqlite3 *db;       /* the connection */
    ln_reader *reader; /* while `element` is connected */
} ln_hub;
void ln_hub_release(void *hub);
/* The connection's reader, connecting `element` if need be. */
int ln_hub_reader(ln_hub *hub, ln_reader **out);

/* A tensor of the store as float32, counted. */
typedef struct ln_block {
    int references;  /* the cache's and the users' */
    int64_t id;      /* its row in `tensor` */
    int rank;        /* as stored */
    int64_t dims[8]; /* as stored */
    int64_t count;   /* numbers */
    uint64_t used;   /* when it was asked for last */
    float *at;       /* count numbers; other dtypes are rounded to float32 */
} ln_block;
void ln_block_release(ln_block *block); /* NULL is fine */

/* Names of columns, of inputs, or of groups, counted. */
typedef struct ln_names {
    int references;  /* the cache's and the users' */
    int64_t key[4];  /* what they are of */
    uint64_t used;   /* when they were asked for last */
    int64_t count;   /* names; 0: there are none */
    char **at;       /* count of them */
    int64_t *column; /* inputs: the column of each (-1: not known); else NULL */
} ln_names;
void ln_names_release(ln_names *names); /* NULL is fine */

typedef enum ln_space { LN_SPACE_COLUMN, LN_SPACE_INPUT, LN_SPACE_GROUP, LN_SPACE_OTHER } ln_space;

/* A row of `attribution` with what leads to its names; -1 where NULL. */
typedef struct ln_attribution {
    int64_t id, sample, tensor, tensor_row, groups, error; /* as the columns */
    int64_t run, dataset;                                  /* of its explanation, of its sample */
    ln_space space;                                        /* its `space` */
    bool of_pairs; /* an interaction: a number for each two of what is named */
} ln_attribution;
/* The columns to select for ln_attribution_fill, in its order. */
#define LN_ATTRIBUTION_COLUMNS                                                                     \
    "a.id, a.sample, a.tensor, a.tensor_row, a.groups, a.error, e.run, s.dataset, a.space, a.kind"
#define LN_ATTRIBUTION_COLUMN_COUNT 10 /* what is selected behind them begins there */
#define LN_ATTRIBUTION_FROM                                                                        \
    " FROM main.attribution a JOIN main.explanation e ON e.id = a.explanation "                    \
    "LEFT JOIN main.sample s ON s.id = a.sample "
void ln_attribution_fill(sqlite3_stmt *statement, ln_attribution *out);

/* The numbers of one attribution: a row of a block. */
typedef struct ln_slice {
    ln_block *block;     /* retained; NULL: none */
    const float *at;     /* count numbers */
    int64_t count;       /* numbers */
    int rank;            /* of the attribution's shape */
    const int64_t *dims; /* of the attribution's shape */
} ln_slice;
void ln_slice_release(ln_slice *slice); /* and empties it */

ln_reader *ln_reader_new(sqlite3 *db); /* NULL when out of memory */
void ln_reader_free(ln_reader *reader);
sqlite3 *ln_reader_db(ln_reader *reader);
const char *ln_reader_message(const ln_reader *reader);

/* *found is false where there is no such row. */
int ln_reader_attribution(ln_reader *reader, int64_t id, ln_attribution *out, bool *found);
/* *out is NULL where there is no such tensor. Caller releases. */
int ln_reader_block(ln_reader *reader, int64_t tensor, ln_block **out);
/* Row `row` of a tensor (-1: the whole of it). An empty slice where `tensor` is -1. */
int ln_reader_slice(ln_reader *reader, int64_t tensor, int64_t row, ln_slice *out);
/* The input tensor's row of a sample in a run; empty where it is not kept. */
int ln_reader_input(ln_reader *reader, int64_t run, int64_t sample, ln_slice *out);
/* Where the numbers of an attribution's own input start in that row: 0 but in models of several inputs. */
int ln_reader_input_start(ln_reader *reader, int64_t attribution, int64_t model, int64_t *out);
/* The model and data set of a run, -1 where it has none. */
int ln_reader_scope(ln_reader *reader, int64_t run, int64_t *model, int64_t *dataset);
/* The raw values of a sample in its columns' order: count values, NULL where not kept. Caller frees
 * each and the list with sqlite3. */
int ln_reader_raw(ln_reader *reader, int64_t sample, const ln_names *columns, sqlite3_value ***out);

/* Names of a data set's columns; of a model's encoded inputs. Caller releases. */
int ln_reader_features(ln_reader *reader, int64_t dataset, ln_names **out);
int ln_reader_inputs(ln_reader *reader, int64_t model, ln_names **out);
/* Names of an attribution's `count` numbers, of pairs the names of one side: *out NULL where they have
 * none. Caller releases. */
int ln_reader_names(ln_reader *reader, const ln_attribution *attribution, int64_t count,
                    ln_names **out);

/* --- for names.c ------------------------------------------------------------------------------ */

typedef enum ln_reader_sql {
    LN_SQL_ATTRIBUTION,
    LN_SQL_TENSOR,
    LN_SQL_INPUT,
    LN_SQL_INPUT_START,
    LN_SQL_SCOPE,
    LN_SQL_RAW,
    LN_SQL_FEATURES,
    LN_SQL_ENCODING,
    LN_SQL_COUNT,
} ln_reader_sql;
/* The statement, prepared once, reset, without bindings. Borrowed. */
int ln_reader_statement(ln_reader *reader, ln_reader_sql which, sqlite3_stmt **out);
ln_names *ln_reader_cached_names(ln_reader *reader, const int64_t key[4]); /* retained, or NULL */
void ln_reader_cache_names(ln_reader *reader, ln_names *names);            /* retains it */

/* -1 where the column is NULL. */
int64_t ln_column_id(sqlite3_stmt *statement, int column);

#endif
