/* A tensor's row of the store as float32 numbers. */
#ifndef LN_STORE_BLOCK_H
#define LN_STORE_BLOCK_H

#include "store/reader.h"

/* Columns 0 to 2 of the statement's row are dtype, shape and data. SQLITE_CORRUPT_VTAB where they
 * do not fit together. Caller releases *out; its id and use are not set. */
int ln_block_make(sqlite3_stmt *statement, ln_block **out);

/* "[2,3]" -> rank, dims and the number of elements. False: no shape, or more than 2^40 elements. */
bool ln_shape_parse(const char *text, int *rank, int64_t dims[8], int64_t *count);

#endif
