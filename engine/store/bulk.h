/* Many rows of one table, written a few a statement. */
#ifndef LN_STORE_BULK_H
#define LN_STORE_BULK_H

#include "store/internal.h"

/* What is inserted: first the columns that are the same for all rows of a call. */
typedef struct ln_bulk {
    int place;           /* in store->put, and the next one */
    const char *table;   /* in main */
    const char *columns; /* its columns, the common ones first */
    int common, own;     /* how many are common, how many a row's own */
} ln_bulk;

/* Binds what is common; binds row i's own columns, of which the first has the place given. */
typedef void (*ln_bind_common_fn)(sqlite3_stmt *statement, const void *context);
typedef void (*ln_bind_row_fn)(sqlite3_stmt *statement, int place, const void *context, int64_t i);

/* Inserts `count` rows inside the caller's transaction, which has to end with a failure: the rows
 * before the one that failed stay. */
ln_status ln_store_put_bulk(ln_store *store, const ln_bulk *into, ln_bind_common_fn bind_common,
                            ln_bind_row_fn bind_row, const void *context, int64_t count,
                            ln_error *err);

#endif
