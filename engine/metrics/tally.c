/* Counting once over the rows what the metrics of the predicted class are made of. Sums run in row
 * order in float64; without weights they are counts, and exact. */
#include "metrics/tally.h"

#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/error.h"

void ln_tally_free(ln_tally *tally)
{
    ln_free(tally->hit);
    ln_free(tally->occurs);
}

ln_status ln_tally_make(const ln_metric_input *input, double threshold, ln_tally *out,
                        ln_error *err)
{
    size_t classes = (size_t)input->class_count;
    *out = (ln_tally){.hit = ln_calloc(classes, 3 * sizeof(double)),
                      .occurs = ln_calloc(classes, sizeof(bool))};
    if (!out->hit || !out->occurs) {
        ln_tally_free(out);
        return ln_fail_memory(err, classes * (3 * sizeof(double) + sizeof(bool)));
    }
    out->predicted = out->hit + classes;
    out->actual = out->predicted + classes;
    for (int64_t row = 0; row < input->n; row++) {
        if (input->times && input->times[row] == 0)
            continue;
        int32_t is = input->labels[row], said = ln_metric_predicted_at(input, row, threshold);
        double weight = ln_metric_weight(input, row);
        out->actual[is] += weight;
        out->predicted[said] += weight;
        if (is == said)
            out->hit[is] += weight;
        else
            out->missed += weight;
        out->total += weight;
        out->occurs[is] = out->occurs[said] = true;
    }
    return LN_OK;
}

const ln_param ln_threshold_param[] = {
    {.name = "threshold",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_threshold_params, threshold),
     .fallback = "0.5",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help =
         "class 1 of two is predicted where its score is at least this; or a rule that finds it on "
         "other rows"},
    LN_PARAM_END};
const ln_threshold_params ln_threshold_defaults = {LN_METRIC_THRESHOLD};

ln_status ln_threshold_check(const ln_metric *metric, int64_t class_count, const void *params,
                             ln_error *err)
{
    double threshold = ((const ln_threshold_params *)params)->threshold;
    if (class_count > 2 && threshold != LN_METRIC_THRESHOLD)
        return ln_fail(err, LN_EINVALID,
                       "threshold is for two classes, found %lld: of more the class with the "
                       "highest score is predicted, leave %s's threshold out",
                       (long long)class_count, metric->word.name);
    return LN_OK;
}
