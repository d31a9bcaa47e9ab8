/* Rows from the highest score down, in blocks of equal scores: what the metrics and curves of the
 * order of scores walk over. */
#ifndef LN_METRICS_RANKING_H
#define LN_METRICS_RANKING_H

#include "metrics/metric.h"
#include "metrics/order.h"

typedef struct ln_ranking {
    const ln_metric_input *input;
    const ln_pair *order;   /* n rows, a tag as below; NULL where there is one class only, or: */
    const uint64_t *marked; /* n rows that weigh 1 each: twice (key - least), and one more where
                                    the row is of the class */
    uint64_t least;         /* the least key */
    void *owned;            /* what holds them, or NULL where the input brought them along */
    double positives, negatives; /* weights */
} ln_ranking;

/* Rows [begin, end) of the order have one score: one threshold. */
typedef struct ln_block {
    int64_t begin, end;
    double score;
    double positives, negatives; /* weights within */
} ln_block;

/* ln_metric_input.order, for an input that is ranked more than once: class_count x n pairs, each class's
 * rows from the highest score down, tagged with twice the row, and one more where it is of the class. Of two classes class 1's are there, and class 0's are not. */
ln_status ln_ranking_orders(const ln_metric_input *input, ln_pair *out, ln_error *err);

/* What is read of a ranking: its blocks, or `order` too. */
typedef enum ln_ranking_of { LN_RANKING_BLOCKS, LN_RANKING_ROWS } ln_ranking_of;

/* O(n), or one radix sort where the input has no order. The caller frees it, also after an error. */
ln_status ln_ranking_make(const ln_metric_input *input, int32_t positive, ln_ranking_of of,
                          ln_ranking *out, ln_error *err);
void ln_ranking_free(ln_ranking *ranking);
/* Whether one of the two sides has no weight: nothing can be ranked, and nothing was sorted. */
bool ln_ranking_one_class(const ln_ranking *ranking);
/* How many blocks have weight; *last (where there is one) is the end of the last of them. */
int64_t ln_ranking_blocks(const ln_ranking *ranking, int64_t *last);

/* The next block of rows that do not all weigh 1. */
void ln_ranking_next_weighted(const ln_ranking *ranking, ln_block *at);

/* The block with rows after `at` (a zeroed one: the first); false at the end. */
static inline bool ln_ranking_next(const ln_ranking *ranking, ln_block *at)
{
    const int64_t begin = at->end, n = ranking->input->n;
    if (begin == n)
        return false;
    if (!ranking->marked) {
        ln_ranking_next_weighted(ranking, at);
        return true;
    }
    const uint64_t key = ranking->marked[begin] >> 1;
    int64_t end = begin, positives = 0;
    for (; end < n && ranking->marked[end] >> 1 == key; end++)
        positives += ranking->marked[end] & 1;
    *at = (ln_block){.begin = begin,
                     .end = end,
                     .score = ln_order_score(key + ranking->least),
                     .positives = (double)positives,
                     .negatives = (double)(end - begin - positives)};
    return true;
}

#endif
