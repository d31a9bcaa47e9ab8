/* What is ranked in three ways (rows that weigh 1 by their marked keys alone, others as pairs, and in an
 * order that the input brings along) has one value. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "metrics/metric.h"
#include "metrics/ranking.h"

static ln_error err;

enum { ROWS = 3000, SPREADS = 6 };

/* Scores of several spreads: the last two reach so far to both sides that a key has no room for a mark. */
static double score_of(int spread, double u, int64_t i)
{
    const double all[SPREADS] = {u,
                                 floor(u * 20) / 20,
                                 u - 0.5,
                                 u < 0.5 ? 0.0 : -0.0,
                                 1e6 * (u - 0.5),
                                 i % 2 ? -1e300 * u : 1e300 * u};
    return all[spread];
}

static void assert_same_result(const ln_metric *metric, const ln_metric_result *a,
                               const ln_metric_result *b)
{
    if (memcmp(&a->value, &b->value, sizeof a->value) != 0 || a->defined != b->defined)
        fail_msg("%s: %.17g and %.17g", metric->word.name, a->value, b->value);
    assert_int_equal(a->series_count, b->series_count);
    for (int i = 0; i < a->series_count; i++) {
        assert_int_equal(a->series[i].count, b->series[i].count);
        if (memcmp(a->series[i].x, b->series[i].x,
                   (size_t)a->series[i].count * 3 * sizeof(double)) != 0)
            fail_msg("%s: series %d differs", metric->word.name, i);
    }
}

static void values_do_not_depend_on_how_rows_are_ranked(void **state)
{
    (void)state;
    double *scores = ln_calloc(ROWS, 2 * sizeof *scores), *ones = ln_alloc(ROWS * sizeof *ones);
    int32_t *labels = ln_alloc(ROWS * sizeof *labels);
    ln_pair *order = ln_alloc(ROWS * 2 * sizeof *order);
    ln_rng rng = ln_rng_make(3, "ranked", 0, 0);
    for (int spread = 0; spread < SPREADS; spread++) {
        for (int64_t i = 0; i < ROWS; i++) {
            const double u = ln_rng_uniform(&rng);
            scores[2 * i + 1] = score_of(spread, u, i);
            labels[i] = ln_rng_uniform(&rng) < u;
            ones[i] = 1;
        }
        ln_metric_input marked = {.n = ROWS, .class_count = 2, .scores = scores, .labels = labels};
        ln_metric_input pairs = marked, brought = marked;
        pairs.weights = ones;
        brought.order = order;
        assert_ok(ln_ranking_orders(&marked, order, &err));
        ln_ranking ranking;
        assert_ok(ln_ranking_make(&marked, 1, LN_RANKING_BLOCKS, &ranking, &err));
        assert_true((ranking.marked != NULL) == (spread < 4)); /* both ways are taken */
        ln_ranking_free(&ranking);
        for (int i = 0; ln_metrics[i]; i++) {
            const ln_metric *metric = ln_metrics[i];
            if (!(metric->flags & LN_METRIC_BINARY))
                continue;
            const ln_curve_params few = {100};
            const bool curve = metric->word.params_size == sizeof few && metric->defaults &&
                               (metric->flags & LN_METRIC_CURVE);
            ln_metric_result result[3];
            assert_ok(ln_metric_compute(metric, &marked, curve ? &few : NULL, &result[0], &err));
            assert_ok(ln_metric_compute(metric, &pairs, curve ? &few : NULL, &result[1], &err));
            assert_ok(ln_metric_compute(metric, &brought, curve ? &few : NULL, &result[2], &err));
            assert_same_result(metric, &result[0], &result[1]);
            assert_same_result(metric, &result[0], &result[2]);
            for (int k = 0; k < 3; k++)
                ln_metric_result_free(&result[k]);
        }
    }
    ln_free(scores);
    ln_free(ones);
    ln_free(labels);
    ln_free(order);
}

/* Keys alone come out as qsort puts them. */
static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void keys_are_sorted_without_tags(void **state)
{
    (void)state;
    enum { MOST = 100000 };
    uint64_t *keys = ln_alloc(3 * MOST * sizeof *keys), *wanted = keys + 2 * MOST;
    ln_rng rng = ln_rng_make(4, "keys", 0, 0);
    for (int64_t n = 1; n <= MOST; n = 2 * n + 1) {
        for (int shift = 0; shift < 64; shift += 9) {
            for (int64_t i = 0; i < n; i++)
                keys[i] = wanted[i] = ln_rng_below(&rng, UINT64_MAX) >> shift;
            qsort(wanted, (size_t)n, sizeof *wanted, by_size);
            ln_order_sort_keys(keys, keys + n, n);
            assert_memory_equal(keys, wanted, (size_t)n * sizeof *keys);
        }
    }
    ln_free(keys);
}

/* The number that is none is found wherever it stands. */
static void every_score_is_looked_at(void **state)
{
    (void)state;
    enum { LONG = 5000 };
    static double scores[2 * LONG];
    static int32_t labels[LONG];
    const double none[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (int i = 0; i < LONG; i++)
        labels[i] = i % 2;
    ln_metric_input input = {.n = LONG, .class_count = 2, .scores = scores, .labels = labels};
    ln_metric_result result;
    scores[1] = -1.7976931348623157e308; /* the greatest numbers that are numbers */
    scores[3] = 1.7976931348623157e308;
    assert_ok(ln_metric_compute(ln_metric_find("roc_auc"), &input, NULL, &result, &err));
    assert_true(result.defined);
    for (int64_t at = 0; at < 2 * LONG; at += 1237) {
        const double kept = scores[at];
        scores[at] = none[at % 4];
        assert_ok(ln_metric_compute(ln_metric_find("roc_auc"), &input, NULL, &result, &err));
        assert_false(result.defined);
        assert_string_equal(result.reason, "a score is no finite number");
        scores[at] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_do_not_depend_on_how_rows_are_ranked),
        cmocka_unit_test(keys_are_sorted_without_tags),
        cmocka_unit_test(every_score_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
