/* Rows in descending order of a score. */
#ifndef LN_METRICS_ORDER_H
#define LN_METRICS_ORDER_H

#include "lunette.h"

/* What is sorted: 16 bytes that move together, so that nothing has to be looked up afterwards. */
typedef struct ln_pair {
    uint64_t key; /* ascending keys are descending scores, equal keys equal scores */
    int64_t tag;  /* the caller's: the row, and what else is wanted in its place */
} ln_pair;

uint64_t ln_order_key(double score); /* of a number that is not NaN; 0 and -0 are equal */
double ln_order_score(uint64_t key);
/* Sorts by key, equal ones in the order given; `scratch` has room for n as well. */
void ln_order_sort(ln_pair *pairs, ln_pair *scratch, int64_t n);
/* The same of keys without tags: half the memory, and half the time. */
void ln_order_sort_keys(uint64_t *keys, uint64_t *scratch, int64_t n);

#endif
