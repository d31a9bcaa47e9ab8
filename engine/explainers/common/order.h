/* The order in which faithfulness judges take features: by the signed attribution, greatest first,
 * ties by the lower index (a stable merge sort, which needs no memory but what it is given). */
#ifndef LN_EXPLAINERS_ORDER_H
#define LN_EXPLAINERS_ORDER_H

#include "lunette.h"

/* `order` and `spare` have `count` entries; `order` gets the indices. No value may be NaN. */
void ln_order_by_value(const float *values, int64_t count, int32_t *order, int32_t *spare);

#endif
