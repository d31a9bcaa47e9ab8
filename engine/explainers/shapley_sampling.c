/* Shapley values from random orders of the features: the mean of what a feature adds when it comes.
 *
 *   a_g = mean over drawn orders of v(those before g, and g) - v(those before g)
 *
 * v as common/game.h has it, orders as common/orders.h. `antithetic` walks every order backwards too,
 * which cancels the part of the error that interactions of two features make; both count. The sum
 * is exact at any rate. x (N, width) -> a (N, M). Cost: M - 1 coalitions an order. Source: Castro,
 * Gomez and Tejada 2009; antithetic: Mitchell et al. 2022. */
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "explainers/common/orders.h"

typedef struct shapley_sampling_params {
    int64_t permutations; /* orders a row */
    bool antithetic;      /* every second one is the one before, backwards */
    double stop;          /* ln_orders */
    double tolerance;     /* relative residual that verify lets pass */
} shapley_sampling_params;

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const shapley_sampling_params *params = job->request->params;
    if (params->antithetic && params->permutations % 2 != 0) {
        ln_fail(err, LN_EINVALID,
                "antithetic orders come in pairs, and there are %" PRId64
                ": expected an even number",
                params->permutations);
        ln_error_field(err, "permutations");
        return LN_EINVALID;
    }
    const int64_t look = (params->antithetic ? 2 : 1) * LN_ORDERS_LOOK;
    const ln_status status =
        ln_stop_check(job->request, params->stop, params->permutations, look, "permutations", err);
    if (status)
        return status;
    return ln_orders_prepare(job, params->antithetic, params->stop, scratch_bytes, err);
}

static int64_t walks(const void *given, int64_t varying)
{
    const shapley_sampling_params *params = given;
    (void)varying;
    return params->antithetic ? params->permutations / 2 : params->permutations;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    return ln_orders_run(job, chunk, walks, err);
}

static const ln_param params[] = {
    {.name = "permutations",
     .type = LN_PARAM_INT,
     .offset = offsetof(shapley_sampling_params, permutations),
     .fallback = "25",
     .min = 1,
     .max = 1e9,
     .help = "orders of the features a row"},
    {.name = "antithetic",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(shapley_sampling_params, antithetic),
     .fallback = "false",
     .help = "every second order is the one before it, backwards"},
    LN_STOP(shapley_sampling_params),
    LN_GAME_GROUPS,
    LN_GAME_REFERENCES,
    LN_GAME_TOLERANCE(shapley_sampling_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_shapley_sampling = {
    .word =
        {
            .name = "shapley_sampling",
            .summary = "mean of what features add in random orders: Shapley values, estimated",
            .formula = "a_g = mean over drawn orders of v(those before g, and g) - v(those before "
                       "g)",
            .source = "Castro, Gomez and Tejada 2009, Polynomial Calculation of the Shapley Value "
                      "based on Sampling; antithetic: Mitchell et al. 2022, arXiv:2104.12199",
            .params = params,
            .params_size = sizeof(shapley_sampling_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_COMPLETE |
             LN_RANDOM | LN_HAS_ERRORS,
    .version = 5,
    .tolerance = 1e-4,
    .cost = "permutations times features - 1 forward passes a row (times the rows of the "
            "background)",
    .prepare = prepare,
    .start = ln_orders_start,
    .release = ln_orders_release,
    .run = run,
};
