/* Axioms: does the explanation keep what its method promises? Completeness says that the values sum
 * to what the explained number gained over the baseline:
 *
 *   completeness = |sum over u of a_u - (f_t(x) - f_t(baseline))|             lower is better
 *
 * It is the size of the residual that the store keeps, in units of the explained number, sums in
 * float64. attribution (items, units) -> one value an item. Cost: nothing but the sum; both outputs
 * were recorded with the attribution. Undefined for methods without an output at a baseline (they
 * promise no sum) and where a number is not finite.
 * Source: Sundararajan, Taly, Yan 2017, section 3. */
#include <math.h>

#include "judges/attribution.h"

static double completeness_of(const ln_judged *judged, int64_t item, const char **reason)
{
    const float *values = judged->attribution + item * judged->units;
    double output = judged->output[item], at_baseline = judged->baseline_output[item];
    *reason = ln_not_finite(values, judged->units);
    if (*reason)
        return NAN;
    if (!isfinite(output)) {
        *reason = "the explained output is not a finite number";
        return NAN;
    }
    if (isnan(at_baseline)) {
        *reason = "the method has no output at a baseline: it promises no sum";
        return NAN;
    }
    if (isinf(at_baseline)) {
        *reason = "the output at the baseline is infinite";
        return NAN;
    }
    return fabs(ln_summarise(values, judged->units, output, at_baseline).residual);
}

static ln_status completeness(const ln_judged *judged, ln_pool *pool, double *values,
                              const char **reasons, ln_error *err)
{
    (void)pool;
    (void)err;
    for (int64_t i = 0; i < judged->item_count; i++)
        values[i] = completeness_of(judged, i, &reasons[i]);
    return LN_OK;
}

static const ln_param params[] = {LN_PARAM_END};

const ln_judge ln_judge_completeness = {
    .word =
        {
            .name = "completeness",
            .summary = "what the values leave unexplained of the output's gain over the baseline",
            .formula = "|sum a - (f_t(x) - f_t(baseline))|",
            .source = "Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks, "
                      "arXiv:1703.01365",
            .params = params,
        },
    .higher_is_better = false,
    .version = 1,
    .run = completeness,
};
