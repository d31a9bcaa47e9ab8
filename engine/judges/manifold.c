/* off_manifold: the share of the rows which an explainer had the model evaluate that lie outside of the
 * training data. The job counts them while it makes them (explainers/common/manifold.h); here the share is told, and
 * for explainers that make no rows of their own, why there is none. */
#include <math.h>

#include "judges/judge.h"

typedef struct off_manifold_params {
    int64_t rows;    /* read by whoever makes the watch */
    int64_t samples; /* likewise */
    double quantile; /* likewise */
} off_manifold_params;

static ln_status off_manifold(const ln_judged *judged, ln_pool *pool, double *values,
                              const char **reasons, ln_error *err)
{
    (void)pool, (void)err;
    for (int64_t i = 0; i < judged->item_count; i++) {
        values[i] = judged->outside ? judged->outside[i] : NAN;
        reasons[i] = !isnan(values[i])  ? NULL
                     : !judged->outside ? "it asks the model about no rows but the explained one"
                                        : "no feature was moved";
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(off_manifold_params, samples),
     .fallback = "200",
     .min = 1,
     .max = 1e6,
     .help = "rows of each attribution that are compared, drawn from those evaluated; all, where "
             "there are no more"},
    {.name = "rows",
     .type = LN_PARAM_INT,
     .offset = offsetof(off_manifold_params, rows),
     .fallback = "1000",
     .min = 2,
     .max = 1e7,
     .help = "training rows that they are compared with, drawn; all, where there are no more"},
    {.name = "quantile",
     .type = LN_PARAM_REAL,
     .offset = offsetof(off_manifold_params, quantile),
     .fallback = "0.95",
     .min = 0,
     .max = 1,
     .help =
         "of the training rows' distances from their nearest other one: further away is outside"},
    LN_PARAM_END,
};

const ln_judge ln_judge_off_manifold = {
    .word =
        {
            .name = "off_manifold",
            .summary = "share of the rows evaluated that lie outside of the training data",
            .formula = "share of perturbed rows s with min over training rows t of |s - t| > the "
                       "quantile of "
                       "min over t' != t of |t - t'|",
            .source = "Slack, Hilgard, Jia, Singh and Lakkaraju 2020, Fooling LIME and SHAP, "
                      "arXiv:1911.02508; the "
                      "distance as in one-class nearest neighbours (Tax 2001)",
            .params = params,
            .params_size = sizeof(off_manifold_params),
        },
    .flags = LN_JUDGE_WATCHES,
    .higher_is_better = false,
    .version = 1,
    .run = off_manifold,
};
