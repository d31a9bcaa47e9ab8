/* Which of many coins show heads most often, told apart by as few tosses as that takes: KL-LUCB for the best
 * `most` of `count` arms (Kaufmann and Kalyanakrishnan 2013, Information Complexity in Bandit Subset Selection).
 * Each round tosses two arms, the one of those chosen so far whose lower bound is the least and the one of the
 * others whose upper bound is the greatest, until these are no more than `tolerance` apart. Bounds are those of
 * bernoulli.h, in round t of the level
 *
 *   beta(t) = log(405.5 K t^1.1 / delta) + log(log(405.5 K t^1.1 / delta))       K: count
 *
 * With probability 1 - delta none of those chosen is worse than the worst of the best `most` by more than the
 * tolerance. Of equal means that of the lower index is the better; where there are no more than `most` arms,
 * none is tossed. */
#ifndef LN_EXPLAINERS_BEST_ARMS_H
#define LN_EXPLAINERS_BEST_ARMS_H

#include "explainers/common/passes.h"

typedef struct ln_arms {
    int64_t *tosses; /* (count) of each arm so far */
    int64_t *heads;  /* (count) */
    double *bound;   /* (count) scratch */
    int64_t *order;  /* (count) arms, the best first */
    int64_t *spare;  /* (count) scratch */
} ln_arms;
ln_arms ln_arms_carve(int64_t count, ln_carver *carver);

/* Tosses `arm` so often, or less where no more may be; *tosses are how many it was, *heads of them. */
typedef ln_status (*ln_toss_fn)(void *context, int64_t arm, int64_t wanted, int64_t *tosses,
                                int64_t *heads, ln_error *err);

typedef struct ln_best_arms {
    int64_t count, most;     /* arms, and how many are looked for; most >= 1 */
    int64_t batch;           /* tosses at a time */
    double delta, tolerance; /* see above */
    ln_toss_fn toss;
    void *context; /* of toss */
} ln_best_arms;

/* Fills arms->order; *all is false where tosses ended before they had to. */
ln_status ln_best_arms_find(const ln_best_arms *task, ln_arms *arms, bool *all, ln_error *err);

/* beta(t). */
double ln_best_arms_level(int64_t count, int64_t round, double delta);

#endif
