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
 * Of a difference between two models over the same rows, both are computed on the same resample: what
 * makes a row hard for both cancels out (the paired form).
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
    ln_metric_input input[2]; /* of the rows themselves, with their order; two of a difference */
    int inputs;               /* 1, or 2: the value is that of the first less that of the second */
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

/* The metric's value on the rows as often as `times` says; NaN where it is undefined. */
static ln_status value_of(const resampling *all, int which, const int32_t *times, double *value,
                          ln_error *err)
{
    ln_metric_input input = all->input[which];
    input.times = times;
    *value = NAN;
    if (!has_weight(&input))
        return LN_OK;
    ln_metric_result result = {.defined = true, .value = NAN};
    ln_status status = all->metric->compute(&input, all->params, &result, err);
    if (!status && result.defined)
        *value = result.value;
    ln_metric_result_free(&result);
    return status;
}

static ln_status resample(void *context, int64_t number, int worker, ln_error *err)
{
    const resampling *all = context;
    const int64_t n = all->input[0].n;
    int32_t *times = all->times + worker * n;
    memset(times, 0, (size_t)n * sizeof *times);
    ln_rng rng =
        ln_rng_make(all->options->seed, "bootstrap", all->options->number, (uint64_t)number);
    for (int64_t i = 0; i < n; i++)
        times[ln_rng_below(&rng, (uint64_t)n)]++;
    double values[2] = {0, 0};
    ln_status status = LN_OK;
    for (int i = 0; i < all->inputs && !status; i++)
        status = value_of(all, i, times, &values[i], err);
    all->values[number] = values[0] - values[1];
    return status;
}

static ln_status sort_once(const ln_metric_input *input, ln_pair **out, ln_error *err)
{
    const size_t pairs = (size_t)input->n * (size_t)input->class_count;
    *out = ln_calloc(pairs, sizeof **out);
    return *out ? ln_ranking_orders(input, *out, err) : ln_fail_memory(err, pairs * sizeof **out);
}

/* The ends go to *result, and a remark where resamples had to be left out. */
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
    const int64_t resamples = all->options->resamples;
    const size_t threads = pool ? (size_t)ln_pool_threads(pool) : 1;
    const size_t counts = (size_t)all->input[0].n * sizeof *all->times;
    ln_pair *order[2] = {NULL, NULL};
    ln_status status = LN_OK;
    all->values = ln_calloc((size_t)resamples, sizeof *all->values);
    all->times = ln_calloc(threads, counts);
    if (!all->values || !all->times)
        status = ln_fail_memory(err, (size_t)resamples * sizeof *all->values + threads * counts);
    for (int i = 0; i < all->inputs && !status; i++)
        if (all->metric->flags & LN_METRIC_RANKING && !all->input[i].order) {
            status = sort_once(&all->input[i], &order[i], err);
            all->input[i].order = order[i];
        }
    if (!status)
        status = ln_parallel(pool, resamples, resample, all, NULL, NULL, err);
    if (!status)
        summarise(all->options, all->values, result);
    ln_free(order[0]);
    ln_free(order[1]);
    ln_free(all->times);
    ln_free(all->values);
    return status;
}

static ln_metric_input with_outputs(const ln_metric_input *input)
{
    ln_metric_input checked = *input;
    if (checked.outputs == 0)
        checked.outputs = 1;
    return checked;
}

ln_status ln_metric_interval(const ln_metric *metric, const ln_metric_input *input,
                             const void *params, const ln_interval_options *options, ln_pool *pool,
                             ln_metric_result *result, ln_error *err)
{
    ln_status status = ln_bootstrap_check(options->level, options->resamples, err);
    if (status || !result->defined || metric->flags & LN_METRIC_NO_VALUE)
        return status;
    const ln_metric_input checked = with_outputs(input);
    if (metric->interval) {
        status = metric->interval(&checked, options->level, &result->lower, &result->upper, err);
        if (status || !isnan(result->lower))
            return status;
    }
    resampling all = {.metric = metric,
                      .input = {checked},
                      .inputs = 1,
                      .params = params ? params : metric->defaults,
                      .options = options};
    return bootstrap(&all, pool, result, err);
}

ln_status ln_metric_difference(const ln_metric *metric, const ln_metric_input *a,
                               const ln_metric_input *b, const void *params,
                               const ln_interval_options *options, ln_pool *pool,
                               ln_metric_result *result, ln_error *err)
{
    ln_metric_result other = {0};
    if (a->n != b->n || a->class_count != b->class_count)
        return ln_fail(err, LN_EINVALID,
                       "a paired difference needs the same rows and classes on both sides");
    ln_status status = ln_bootstrap_check(options->level, options->resamples, err);
    if (!status)
        status = ln_metric_compute(metric, a, params, result, err);
    if (!status)
        status = ln_metric_compute(metric, b, params, &other, err);
    if (!status && result->defined && !other.defined) {
        result->defined = false;
        memcpy(result->reason, other.reason, sizeof result->reason);
    }
    result->value = !status && result->defined ? result->value - other.value : NAN;
    if (!status && result->defined && !(metric->flags & LN_METRIC_NO_VALUE)) {
        resampling all = {.metric = metric,
                          .input = {with_outputs(a), with_outputs(b)},
                          .inputs = 2,
                          .params = params ? params : metric->defaults,
                          .options = options};
        status = bootstrap(&all, pool, result, err);
    }
    ln_metric_result_free(&other);
    return status;
}
