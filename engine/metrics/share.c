/* What the highest scores hold: lift, gain.
 *
 *     gain = positives in the top share / all positives
 *     lift = (positives in the top share / weight of the top share) / (P / (P + Q))
 *
 * The top share is at * (P + Q) of weight, P of positive and Q of negative rows; of the block of
 * equal scores at the cut the needed part counts in proportion. With one class both are undefined.
 * Cost: one radix sort. */
#include <math.h>
#include <stddef.h>

#include "metrics/ranking.h"

/* *hit: positives in the top share; *wanted: its weight. Undefined with one class only. */
static ln_status top_share(const ln_metric_input *input, const void *params, double *hit,
                           double *wanted, ln_ranking *rows, ln_metric_result *result,
                           ln_error *err)
{
    ln_status status = ln_ranking_make(input, 1, LN_RANKING_BLOCKS, rows, err);
    if (status || ln_ranking_one_class(rows)) {
        ln_ranking_free(rows);
        return status ? status : ln_metric_undefined(result, "one class only");
    }
    double taken = 0;
    *wanted = ((const ln_share_params *)params)->at * (rows->positives + rows->negatives);
    *hit = 0;
    for (ln_block at = {0}; taken < *wanted && ln_ranking_next(rows, &at);) {
        double size = at.positives + at.negatives;
        if (!(size > 0))
            continue;
        *hit += fmin(1, (*wanted - taken) / size) * at.positives;
        taken += size;
    }
    ln_ranking_free(rows);
    return LN_OK;
}

static ln_status lift(const ln_metric_input *input, const void *params, ln_metric_result *result,
                      ln_error *err)
{
    ln_ranking rows;
    double hit, wanted;
    ln_status status = top_share(input, params, &hit, &wanted, &rows, result, err);
    if (!status && result->defined)
        result->value = hit / wanted / (rows.positives / (rows.positives + rows.negatives));
    return status;
}

static ln_status gain(const ln_metric_input *input, const void *params, ln_metric_result *result,
                      ln_error *err)
{
    ln_ranking rows;
    double hit, wanted;
    ln_status status = top_share(input, params, &hit, &wanted, &rows, result, err);
    if (!status && result->defined)
        result->value = hit / rows.positives;
    return status;
}

static const ln_param share_params[] = {{.name = "at",
                                         .type = LN_PARAM_REAL,
                                         .offset = offsetof(ln_share_params, at),
                                         .fallback = "0.1",
                                         .min = 0,
                                         .max = 1,
                                         .above_min = true,
                                         .position = 1,
                                         .help = "share of the rows, highest scores first"},
                                        LN_PARAM_END};
static const ln_share_params share_defaults = {0.1};

const ln_metric ln_metric_lift = {
    .word = {.name = "lift",
             .summary = "positive rate among the highest scores over that of all rows",
             .formula = "(positives in the top share / size of the top share) / base rate",
             .source = "marketing and credit scoring; ties at the cut count in proportion",
             .params = share_params,
             .params_size = sizeof(ln_share_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &share_defaults,
    .compute = lift,
};

const ln_metric ln_metric_gain = {
    .word = {.name = "gain",
             .summary = "share of all positive rows that the highest scores hold",
             .formula = "positives in the top share / all positives",
             .source = "cumulative gains of marketing; ties at the cut count in proportion",
             .params = share_params,
             .params_size = sizeof(ln_share_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &share_defaults,
    .compute = gain,
};
