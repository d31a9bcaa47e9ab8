/* Two models over the same rows: the paired bootstrap of a metric's difference against resampled
 * copies of the rows, DeLong's test against its definition over all pairs, McNemar's against sums of
 * binomial coefficients. */
#include "support.h"

#include <math.h>
#include <stdlib.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "metrics/bootstrap.h"
#include "metrics/delong.h"
#include "metrics/mcnemar.h"
#include "metrics/metric.h"

#define ROWS 60

static ln_error err;

typedef struct two_models {
    double a[2 * ROWS], b[2 * ROWS]; /* probabilities of both classes */
    int32_t labels[ROWS];
} two_models;

/* Scores of one decimal, so that many are tied; the second model knows more. */
static void draw_models(two_models *out, uint64_t seed)
{
    ln_rng rng = ln_rng_make(seed, "test", 0, 0);
    for (int i = 0; i < ROWS; i++) {
        const double truth = (double)ln_rng_below(&rng, 11) / 10;
        const double weak = (double)ln_rng_below(&rng, 11) / 10;
        out->labels[i] = (double)ln_rng_below(&rng, 100) < 100 * truth;
        out->a[2 * i + 1] = floor((truth + 2 * weak) / 3 * 10) / 10;
        out->b[2 * i + 1] = truth;
        out->a[2 * i] = 1 - out->a[2 * i + 1];
        out->b[2 * i] = 1 - out->b[2 * i + 1];
    }
}

static ln_metric_input input_of(const double *scores, const int32_t *labels, int64_t n)
{
    return (ln_metric_input){.n = n, .class_count = 2, .scores = scores, .labels = labels};
}

static double value_of(const ln_metric *metric, const double *scores, const int32_t *labels)
{
    ln_metric_input input = input_of(scores, labels, ROWS);
    ln_metric_result result;
    assert_ok(ln_metric_compute(metric, &input, NULL, &result, &err));
    const double value = result.value;
    ln_metric_result_free(&result);
    return value;
}

/* The metric on copies of the drawn rows. */
static double resampled(const ln_metric *metric, const two_models *models, uint64_t seed,
                        int number)
{
    two_models copy;
    ln_rng rng = ln_rng_make(seed, "bootstrap", 5, (uint64_t)number);
    for (int i = 0; i < ROWS; i++) {
        const int row = (int)ln_rng_below(&rng, ROWS);
        for (int c = 0; c < 2; c++) {
            copy.a[2 * i + c] = models->a[2 * row + c];
            copy.b[2 * i + c] = models->b[2 * row + c];
        }
        copy.labels[i] = models->labels[row];
    }
    return value_of(metric, copy.a, copy.labels) - value_of(metric, copy.b, copy.labels);
}

static void differences_are_those_of_copied_rows(void **state)
{
    (void)state;
    static const char *const words[] = {"roc_auc", "accuracy", "f1", "brier", "lift"};
    two_models models;
    draw_models(&models, 3);
    const ln_metric_input a = input_of(models.a, models.labels, ROWS);
    const ln_metric_input b = input_of(models.b, models.labels, ROWS);
    const ln_interval_options options = {.level = 0.9, .resamples = 150, .seed = 11, .number = 5};
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        const ln_metric *metric = ln_metric_find(words[w]);
        double values[150], lower, upper;
        for (int r = 0; r < 150; r++)
            values[r] = resampled(metric, &models, 11, r);
        ln_bootstrap_ends(values, 150, 0.9, &lower, &upper);
        ln_metric_result result, threads;
        assert_ok(ln_metric_difference(metric, &a, &b, NULL, &options, NULL, &result, &err));
        const double delta =
            value_of(metric, models.a, models.labels) - value_of(metric, models.b, models.labels);
        const double wanted[] = {delta, lower, upper};
        const double got[] = {result.value, result.lower, result.upper};
        assert_near_f64(got, wanted, 3, 0, 1e-12);
        assert_ok(ln_metric_difference(metric, &a, &b, NULL, &options, pool, &threads, &err));
        assert_true(threads.lower == result.lower && threads.upper == result.upper);
        ln_metric_result_free(&result);
        ln_metric_result_free(&threads);
    }
    ln_pool_free(pool);
}

static void differences_of_nothing_say_why(void **state)
{
    (void)state;
    const double scores[] = {0.4, 0.6, 0.7, 0.3};
    const int32_t labels[] = {1, 1};
    const ln_metric_input a = input_of(scores, labels, 2);
    ln_metric_input b = a;
    const ln_interval_options options = {.level = 0.95, .resamples = 10};
    ln_metric_result result;
    const ln_metric *metric = ln_metric_find("roc_auc");
    assert_ok(ln_metric_difference(metric, &a, &b, NULL, &options, NULL, &result, &err));
    assert_true(!result.defined && isnan(result.value) && isnan(result.lower));
    assert_string_equal(result.reason, "one class only");
    ln_metric_result_free(&result);
    b.n = 1;
    assert_fails(ln_metric_difference(metric, &a, &b, NULL, &options, NULL, &result, &err),
                 LN_EINVALID, "the same rows");
}

/* 1 where the positive row scores above the negative one, 1/2 where equal. */
static double won(const double *scores, int positive, int negative)
{
    const double p = scores[2 * positive + 1], n = scores[2 * negative + 1];
    return p > n ? 1 : p == n ? 0.5 : 0;
}

/* A row's part of the difference of the two areas, by its definition. */
static double part(const two_models *models, int row)
{
    double sum = 0;
    int others = 0;
    for (int other = 0; other < ROWS; other++) {
        if (models->labels[other] == models->labels[row])
            continue;
        const int positive = models->labels[row] ? row : other;
        const int negative = models->labels[row] ? other : row;
        sum += won(models->a, positive, negative) - won(models->b, positive, negative);
        others++;
    }
    return sum / others;
}

static void delong_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        two_models models;
        draw_models(&models, seed);
        double mean[2] = {0, 0}, squares[2] = {0, 0}, count[2] = {0, 0};
        for (int i = 0; i < ROWS; i++) {
            mean[models.labels[i]] += part(&models, i);
            count[models.labels[i]]++;
        }
        for (int i = 0; i < ROWS; i++) {
            const int class = models.labels[i];
            squares[class] += pow(part(&models, i) - mean[class] / count[class], 2);
        }
        double variance = 0;
        for (int c = 0; c < 2; c++)
            variance += squares[c] / (count[c] - 1) / count[c];
        const double z = fabs(mean[1] / count[1]) / sqrt(variance), wanted = erfc(z / sqrt(2.0));
        const ln_metric_input a = input_of(models.a, models.labels, ROWS);
        const ln_metric_input b = input_of(models.b, models.labels, ROWS);
        double p;
        assert_ok(ln_delong_test(&a, &b, &p, &err));
        assert_near_f64(&p, &wanted, 1, 0, 1e-12);
        assert_ok(ln_delong_test(&a, &a, &p, &err));
        assert_true(p == 1);
    }
}

static void mcnemar_by_hand(void **state)
{
    (void)state;
    /* 2 (1 + 12 + 66) / 2^12, 2 (1 + 5) / 2^5, and a coin that fell evenly or never. */
    const double got[] = {ln_mcnemar(10, 2), ln_mcnemar(1, 4), ln_mcnemar(3, 3), ln_mcnemar(0, 0)};
    const double wanted[] = {2.0 * 79 / 4096, 2.0 * 6 / 32, 1, 1};
    assert_near_f64(got, wanted, 4, 0, 1e-12);
    /* Many rows do not overflow: scipy.stats.binomtest(60000, 121000). */
    const double many = ln_mcnemar(60000, 61000), scipy = 0.00407963758118841;
    assert_near_f64(&many, &scipy, 1, 0, 1e-8);
}

static ln_status difference_once(void *context, ln_error *error)
{
    two_models *models = context;
    const ln_metric_input a = input_of(models->a, models->labels, ROWS);
    const ln_metric_input b = input_of(models->b, models->labels, ROWS);
    const ln_interval_options options = {.level = 0.95, .resamples = 3};
    ln_metric_result result = {0};
    double p;
    ln_status status = ln_metric_difference(ln_metric_find("roc_auc"), &a, &b, NULL, &options, NULL,
                                            &result, error);
    ln_metric_result_free(&result);
    return status ? status : ln_delong_test(&a, &b, &p, error);
}

static void paired_survives_failing_allocations(void **state)
{
    (void)state;
    two_models models;
    draw_models(&models, 1);
    sweep_allocation_failures(difference_once, &models);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_those_of_copied_rows),
        cmocka_unit_test(differences_of_nothing_say_why),
        cmocka_unit_test(delong_is_its_definition),
        cmocka_unit_test(mcnemar_by_hand),
        cmocka_unit_test(paired_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
