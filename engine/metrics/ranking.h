/* Rows from the highest score down, in blocks of equal scores: what the metrics and curves of the
 * order of scores walk over. */
#ifndef LN_METRICS_RANKING_H
#define LN_METRICS_RANKING_H

#include "metrics/metric.h"
#include "metrics/order.h"

typedef struct ln_ranking {
    const ln_metric_input *input;
    const ln_pair *order;        /* n rows; NULL where there is one class only */
    ln_pair *owned;              /* what holds them, or NULL where the input brought them along */
    double positives, negatives; /* weights */
} ln_ranking;

/* Rows [begin, end) of the order have one score: one threshold. */
typedef struct ln_block {
    int64_t begin, end;
    double score;
    double positives, negatives; /* weights within */
} ln_block;

/* Rows [0, n) from the highest score of class `positive` down, into `room` (2 n pairs); returns the
 * half that holds them. A tag is twice the row, and one more where the row is of that class. */
ln_pair *ln_ranking_sort(const ln_metric_input *input, int32_t positive, ln_pair *room);

/* ln_metric_input.order, for an input that is ranked more than once: class_count x n pairs, each class's
 * rows as ln_ranking_sort gives them. Of two classes class 1's are there, and class 0's are not. */
ln_status ln_ranking_orders(const ln_metric_input *input, ln_pair *out, ln_error *err);

/* O(n), or one radix sort where the input has no order. The caller frees it, also after an error. */
ln_status ln_ranking_make(const ln_metric_input *input, int32_t positive, ln_ranking *out,
                          ln_error *err);
void ln_ranking_free(ln_ranking *ranking);
/* Whether one of the two sides has no weight: nothing can be ranked, and nothing was sorted. */
bool ln_ranking_one_class(const ln_ranking *ranking);
/* The block with rows after `at` (a zeroed one: the first); false at the end. */
bool ln_ranking_next(const ln_ranking *ranking, ln_block *at);

#endif
