/* Intervals of metrics by the percentile bootstrap (Efron and Tibshirani 1993): n rows are drawn
 * with replacement from the n there are, the metric is computed on them, and this `resamples` times;
 * the interval lies between the quantiles of those values, as in bootstrap.h. Classes are not kept
 * in proportion: how many rows are of a class is part of what varies.
 *
 * Resample r draws from the stream (seed, "bootstrap", number, r) and hands the metric how often each
 * row was taken. The scores are sorted once, before the first resample: a ranking metric walks the
 * same order each time and leaves out what was not taken. Cost: n draws and O(n) a resample.
 * Resamples go over the pool's workers; each is a function of its number alone and leaves its value
 * in a place of its own, so that the ends are the same bits on any number of threads.
 *
 * A resample can lack what the metric needs (a class of few rows): it is left out, and the reason
 * says how many were. A metric may have a better interval of its own: roc_auc has DeLong's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "metrics/bootstrap.h"
#include "metrics/metric.h"
#include "metrics/ranking.h"

typedef struct resampling {
    const ln_metric *metric;
    ln_metric_input input; /* of the rows themselves, with their order */
    const void *params;
    const ln_interval_options *options;
    int32_t *times; /* n a worker */
    double *values; /* one a resample; NaN where it is undefined */
} resampling;

static bool has_weight(const ln_metric_input *input)
{
    if (!input->weights)
        return true;
    for (int64_t row = 0; row < input->n; row++)
        if (ln_metric_weight(input, row) > 0)
            return true;
    return false;
}

static ln_status resample(void *context, int64_t number, int worker, ln_error *err)
{
    const resampling *all = context;
    ln_metric_input input = all->input;
    int32_t *times = all->times + worker * input.n;
    memset(times, 0, (size_t)input.n * sizeof *times);
    ln_rng rng =
        ln_rng_make(all->options->seed, "bootstrap", all->options->number, (uint64_t)number);
    for (int64_t i = 0; i < input.n; i++)
        times[ln_rng_below(&rng, (uint64_t)input.n)]++;
    input.times = times;
    all->values[number] = NAN;
    if (!has_weight(&input))
        return LN_OK;
    ln_metric_result result = {.defined = true, .value = NAN};
    ln_status status = all->metric->compute(&input, all->params, &result, err);
    if (!status && result.defined)
        all->values[number] = result.value;
    ln_metric_result_free(&result);
    return status;
}

/* For metrics that rank rows: the order of every class's scores (of two, class 1's only). */
static ln_status sort_once(const ln_metric_input *input, ln_pair **out, ln_error *err)
{
    size_t rows = (size_t)input->n, classes = (size_t)input->class_count;
    ln_pair *order = *out = ln_calloc(rows * classes, sizeof *order);
    ln_pair *room = ln_calloc(rows, 2 * sizeof *room);
    ln_status status = LN_OK;
    if (!order || !room)
        status = ln_fail_memory(err, rows * (classes + 2) * sizeof *order);
    for (int32_t c = classes == 2; c < (int32_t)classes && !status; c++)
        memcpy(order + (size_t)c * rows, ln_ranking_sort(input, c, room), rows * sizeof *order);
    ln_free(room);
    return status;
}

static void summarise(const ln_interval_options *options, double *values, ln_metric_result *result)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < options->resamples; i++)
        if (isfinite(values[i]))
            values[kept++] = values[i];
    if (kept > 0)
        ln_bootstrap_ends(values, kept, options->level, &result->lower, &result->upper);
    if (kept == options->resamples)
        return;
    size_t used = strlen(result->reason);
    const char *end = kept == 0 ? ": there is no interval" : " and left out of the interval";
    snprintf(result->reason + used, sizeof result->reason - used,
             "%s%lld of %lld resamples are undefined%s", used ? "; " : "",
             (long long)(options->resamples - kept), (long long)options->resamples, end);
}

static ln_status bootstrap(resampling *all, ln_pool *pool, ln_metric_result *result, ln_error *err)
{
    const ln_metric_input *input = &all->input;
    const int64_t resamples = all->options->resamples;
    const size_t threads = pool ? (size_t)ln_pool_threads(pool) : 1;
    const size_t counts = (size_t)input->n * sizeof *all->times;
    ln_pair *order = NULL;
    ln_status status = LN_OK;
    all->values = ln_calloc((size_t)resamples, sizeof *all->values);
    all->times = ln_calloc(threads, counts);
    if (!all->values || !all->times)
        status = ln_fail_memory(err, (size_t)resamples * sizeof *all->values + threads * counts);
    if (!status && all->metric->flags & LN_METRIC_RANKING && !input->order) {
        status = sort_once(input, &order, err);
        all->input.order = order;
    }
    if (!status)
        status = ln_parallel(pool, resamples, resample, all, NULL, NULL, err);
    if (!status)
        summarise(all->options, all->values, result);
    ln_free(order);
    ln_free(all->times);
    ln_free(all->values);
    return status;
}

ln_status ln_metric_interval(const ln_metric *metric, const ln_metric_input *input,
                             const void *params, const ln_interval_options *options, ln_pool *pool,
                             ln_metric_result *result, ln_error *err)
{
    ln_status status = ln_bootstrap_check(options->level, options->resamples, err);
    if (status || !result->defined || metric->flags & LN_METRIC_NO_VALUE)
        return status;
    ln_metric_input checked = *input;
    if (checked.outputs == 0)
        checked.outputs = 1;
    if (metric->interval) {
        status = metric->interval(&checked, options->level, &result->lower, &result->upper, err);
        if (status || !isnan(result->lower))
            return status;
    }
    resampling all = {.metric = metric,
                      .input = checked,
                      .params = params ? params : metric->defaults,
                      .options = options};
    return bootstrap(&all, pool, result, err);
}
