/* Complexity: can the explanation be taken in at a glance? Both judges read the sizes |a| alone.
 *
 *   sparseness = sum over i of (2 i - n - 1) v_i / (n sum v), v = |a| sorted ascending, i = 1..n
 *   complexity = - sum over u of p_u ln p_u, p = |a| / sum |a|; 0 ln 0 = 0
 *
 * Sparseness is the Gini index, from 0 (all alike) to (n - 1) / n (one unit has all): higher is
 * better. Complexity is an entropy in nats, from 0 (one unit) to ln n (all alike): lower is better.
 * An n that differs makes values of both incomparable.
 *
 * attribution (items, units) -> one value an item; float64 sums by falling size. Cost: a sort an
 * item, no pass of the model. Undefined where all is zero or something is not finite: an explanation
 * that says nothing is not simple. Sources: Chalasani et al. 2020; Bhatt, Weller, Moura 2020. */
#include <math.h>

#include "judges/attribution.h"

static double sparseness_of(const ln_judged *judged, int64_t item, const ln_magnitudes *magnitudes,
                            const char **reason)
{
    (void)item;
    (void)reason;
    double n = (double)judged->units, sum = 0, weighted = 0;
    for (int64_t k = 0; k < judged->units; k++) {
        double size = (double)magnitudes->size[magnitudes->order[k]];
        double i = n - (double)k; /* its place from the smallest */
        sum += size;
        weighted += (2 * i - n - 1) * size;
    }
    return weighted / (n * sum);
}

static double complexity_of(const ln_judged *judged, int64_t item, const ln_magnitudes *magnitudes,
                            const char **reason)
{
    (void)item;
    (void)reason;
    double sum = 0, entropy = 0;
    for (int64_t k = 0; k < judged->units; k++)
        sum += (double)magnitudes->size[magnitudes->order[k]];
    for (int64_t k = 0; k < judged->units; k++) {
        double share = (double)magnitudes->size[magnitudes->order[k]] / sum;
        if (share > 0)
            entropy -= share * log(share);
    }
    return entropy;
}

static ln_status sparseness(const ln_judged *judged, ln_pool *pool, double *values,
                            const char **reasons, ln_error *err)
{
    return ln_judge_by_magnitude(judged, pool, sparseness_of, values, reasons, err);
}

static ln_status complexity(const ln_judged *judged, ln_pool *pool, double *values,
                            const char **reasons, ln_error *err)
{
    return ln_judge_by_magnitude(judged, pool, complexity_of, values, reasons, err);
}

static const ln_param params[] = {LN_PARAM_END};

const ln_judge ln_judge_sparseness = {
    .word =
        {
            .name = "sparseness",
            .summary = "Gini index of the sizes: how few features hold the explanation",
            .formula = "sum_i (2i - n - 1) v_i / (n sum v), v = |a| sorted ascending",
            .source = "Chalasani et al. 2020, Concise Explanations of Neural Networks using "
                      "Adversarial Training, arXiv:1810.06583",
            .params = params,
        },
    .higher_is_better = true,
    .version = 1,
    .run = sparseness,
};

const ln_judge ln_judge_complexity = {
    .word =
        {
            .name = "complexity",
            .summary = "entropy of the features' shares, in nats",
            .formula = "- sum p ln p, p = |a| / sum |a|",
            .source = "Bhatt, Weller and Moura 2020, Evaluating and Aggregating Feature-based "
                      "Model Explanations, arXiv:2005.00631",
            .params = params,
        },
    .higher_is_better = false,
    .version = 1,
    .run = complexity,
};
