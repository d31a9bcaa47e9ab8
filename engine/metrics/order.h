/* Rows in descending order of a score. */
#ifndef LN_METRICS_ORDER_H
#define LN_METRICS_ORDER_H

#include "lunette.h"

/* order[0 .. n-1]: the rows, highest score first, equal scores (0 and -0 are equal) in row order.
 * Row r's score is scores[r * stride]; none may be NaN. */
ln_status ln_order_descending(const double *scores, int64_t n, int64_t stride, int64_t *order,
                              ln_error *err);

#endif
