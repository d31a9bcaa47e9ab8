/* Permutation SHAP: Shapley values over a background, from orders walked forwards and backwards.
 *
 *   a_g = mean over drawn orders and both directions of v(those before g, and g) - v(those before g)
 *
 * v(S) is the mean over the background's rows with the features outside S from them. The budget says
 * how many orders: evaluations / (2 n + 1) for the n features of a row that vary. For a model
 * whose features interact by twos at most one order is exact. The sum is exact at any rate. x (N, width)
 * -> a (N, M). Cost: 2 (n - 1) coalitions an order, each over the whole background. Source: the
 * Permutation explainer of shap. */
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "explainers/common/orders.h"

typedef struct permutation_shap_params {
    int64_t evaluations; /* coalitions a row */
    double stop;         /* ln_orders */
    double tolerance;    /* relative residual that verify lets pass */
} permutation_shap_params;

static int64_t walks(const void *given, int64_t varying)
{
    const permutation_shap_params *params = given;
    return params->evaluations / (2 * varying + 1);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const permutation_shap_params *params = job->request->params;
    if (walks(params, job->width) < 1) {
        ln_fail(err, LN_EINVALID,
                "%" PRId64 " evaluations are less than one order of %" PRId64
                " features takes: expected at least 2M + 1 = %" PRId64,
                params->evaluations, job->width, 2 * job->width + 1);
        ln_error_field(err, "evaluations");
        return LN_EINVALID;
    }
    if (params->stop > 0 && walks(params, job->width) <= LN_ORDERS_LOOK &&
        !job->request->allows_idle) {
        const int64_t least = (LN_ORDERS_LOOK + 1) * (2 * job->width + 1);
        ln_fail(err, LN_EINVALID,
                "stop first looks at the errors after %d orders, and %" PRId64
                " evaluations are %" PRId64 " of %" PRId64
                " features: expected at least %d (2M + 1) = %" PRId64,
                LN_ORDERS_LOOK, params->evaluations, walks(params, job->width), job->width,
                LN_ORDERS_LOOK + 1, least);
        ln_error_field(err, "evaluations");
        return LN_EINVALID;
    }
    return ln_orders_prepare(job, true, params->stop, scratch_bytes, err);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    return ln_orders_run(job, chunk, walks, err);
}

static const ln_param params[] = {
    {.name = "evaluations",
     .type = LN_PARAM_INT,
     .offset = offsetof(permutation_shap_params, evaluations),
     .fallback = "500",
     .min = 1,
     .max = 1e9,
     .help = "coalitions a row: 2M + 1 an order of M features, walked forwards and backwards"},
    LN_STOP(permutation_shap_params),
    LN_GAME_GROUPS,
    LN_GAME_BACKGROUND,
    LN_GAME_TOLERANCE(permutation_shap_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_permutation_shap = {
    .word =
        {
            .name = "permutation_shap",
            .summary = "estimate of Shapley values over a background, by orders walked both ways",
            .formula = "a_g = mean over drawn orders, forwards and backwards, of v(those before g, "
                       "and g) - v(those before g)",
            .source = "the Permutation explainer of shap; Lundberg and Lee 2017, arXiv:1705.07874",
            .params = params,
            .params_size = sizeof(permutation_shap_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_COMPLETE | LN_RANDOM |
             LN_HAS_ERRORS,
    .version = 5,
    .tolerance = 1e-4,
    .cost = "evaluations times the rows of the background forward passes a row, or less",
    .prepare = prepare,
    .start = ln_orders_start,
    .release = ln_orders_release,
    .run = run,
};
