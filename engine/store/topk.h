/* The k elements of greatest |value|, for tensor_topk and tensor_topk_iou. */
#ifndef LN_STORE_TOPK_H
#define LN_STORE_TOPK_H

#include "store/sqlite.h"

/* The indices of the k numbers of greatest magnitude, greatest first, of equal ones the lower index
 * first, NaN never. False: the result is set (NULL for a NULL k, an error for one that is no whole
 * number >= 0, or out of memory). Caller frees *out with sqlite3_free. Cost n log k. */
bool ln_topk(sqlite3_context *context, const char *function, const ln_floats *floats,
             sqlite3_value *k, int64_t **out, int64_t *count);

#endif
