/* Shapley interactions of two players each, estimated from what coalitions are worth:
 *
 *   I_ij = sum over S without i, j of |S|! (n - |S| - 2)! / (n - 1)!
 *          * (v(S + i + j) - v(S + i) - v(S + j) + v(S))
 *
 * Sizes weigh the same, and coalitions of a size too: I_ij is 1 / (n - 1) times the sum over sizes of the
 * mean over coalitions that have both players, less twice the mean over those that have one, plus the mean over
 * those that have none. A pair of coalitions (S, all others), as common/coalitions.h chooses them, says
 * the same with the mean u of its two values, in which everything that single players do cancels.
 * From the drawn pairs of a size each mean is estimated without bias: u, less its mean over the
 * size, counted by how rarely both players are on one side, or apart.
 *
 * Where there are pairs enough, what other interactions do to u is taken out first: a least squares fit of
 * u by "i and j are apart", whose own interactions are known exactly, and only what it leaves is
 * estimated as above. So a function of no more than two players a term is found from few coalitions;
 * of every other the estimate stays without bias but for the fit's, which vanishes with more of them.
 * With all coalitions it is the sum above.
 *
 * Standard errors: of a mean of different pairs drawn from a size, without replacement; sizes are
 * independent. Cost: O(pairs n^2), the fit O(pairs n^4). All sums are float64 in the order of the pairs. */
#ifndef LN_EXPLAINERS_PAIRWISE_H
#define LN_EXPLAINERS_PAIRWISE_H

#include "explainers/common/coalitions.h"
#include "explainers/common/passes.h"

/* Scratch for `count` players, and the results. */
typedef struct ln_pairwise {
    double *value;      /* (count, count) I_ij, symmetric; on the diagonal the sum over j of I_ij */
    double *error;      /* (count, count) their standard errors; NaN: unknown */
    double *sum;        /* (count, count) over one size */
    double *squares;    /* (count, count) over one size */
    double *mean;       /* (capacity) u of each pair of coalitions, less u of all and none */
    bool *inside;       /* (count) whether a player is in the first of a pair */
    double *gram;       /* (terms, terms) of the fit; terms = count (count - 1) / 2 */
    double *effect;     /* (terms) right side, then what is fitted */
    int64_t *apart;     /* (terms) those apart in a pair */
    int64_t most_terms; /* that `gram` holds; 0: no fit */
} ln_pairwise;

/* For so many pairs of coalitions at most. */
ln_pairwise ln_pairwise_carve(int64_t count, int64_t capacity, ln_carver *carver);

/* values: (2 pairs) in the order of the masks; none, all: of the coalitions without and with all. `player`:
 * the `count` players that the coalitions were chosen for, at least 2. */
void ln_pairwise_estimate(const ln_pairwise *at, const ln_coalitions *coalitions,
                          const int64_t *player, int64_t count, const double *values, double none,
                          double all);

#endif
