/* McNemar's test: do two classifiers err equally often on the same rows? */
#ifndef LN_METRICS_MCNEMAR_H
#define LN_METRICS_MCNEMAR_H

#include <stdint.h>

/* Two-sided exact p, from the rows that only the one and only the other gets right (each 0 or more);
 * 1 where there are none of either. */
double ln_mcnemar(int64_t only_first, int64_t only_second);

#endif
