/* The virtual tables over attributions, and the functions that read one. */
#ifndef LN_STORE_ELEMENT_H
#define LN_STORE_ELEMENT_H

#include "store/reader.h"

/* Each keeps a reference to the hub, also when it fails. */
int ln_sql_register_element(sqlite3 *db, ln_hub *hub);
int ln_sql_register_importance(sqlite3 *db, ln_hub *hub);

/* --- for element_plan.c ------------------------------------------------------------------------- */

enum {
    LN_ELEMENT_ATTRIBUTION,
    LN_ELEMENT_IDX,
    LN_ELEMENT_I0,
    LN_ELEMENT_I3 = LN_ELEMENT_I0 + 3,
    LN_ELEMENT_NAME,
    LN_ELEMENT_RAW,
    LN_ELEMENT_INPUT,
    LN_ELEMENT_VALUE,
    LN_ELEMENT_ERROR,
};

/* Bits of idxNum: what is pushed down and which columns are wanted. The first argument is that of
 * attribution, the last that of idx. */
enum {
    LN_BY_ATTRIBUTION = 1, /* attribution = one */
    LN_BY_IDX = 2,         /* idx = one */
    LN_WANT_NAME = 4,
    LN_WANT_RAW = 8,
    LN_WANT_INPUT = 16,
    LN_WANT_ERROR = 32,
    LN_BY_LIST = 64,   /* attribution IN: all of them in one xFilter */
    LN_IN_BANDS = 128, /* in the order (idx, attribution) */
};

/* xBestIndex of `element`. */
int ln_element_plan(sqlite3_vtab *base, sqlite3_index_info *info);

/* Hands an error of the reader to SQLite with the reader's words. Returns the code. */
int ln_element_fail(sqlite3_vtab *table, const ln_reader *reader, int code);

#endif
