/* Metrics: against what can be counted by hand, and for what is undefined. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/metric.h"
#include "metrics/order.h"

static ln_error err;

/* ---------------------------------------------------------------- by hand */

/* A binary input from class 1's scores; the pairs are kept until the next call. */
static ln_metric_input binary(int64_t n, const double *scores, const int32_t *labels)
{
    static double pairs[64];
    for (int64_t i = 0; i < n; i++) {
        pairs[2 * i] = 1 - scores[i];
        pairs[2 * i + 1] = scores[i];
    }
    return (ln_metric_input){.n = n, .class_count = 2, .scores = pairs, .labels = labels};
}

static double value_of(const char *word, const ln_metric_input *input, const void *p)
{
    ln_metric_result result;
    assert_ok(ln_metric_compute(ln_metric_find(word), input, p, &result, &err));
    assert_true(result.defined);
    double value = result.value;
    ln_metric_result_free(&result);
    return value;
}

static void assert_undefined(const char *word, const ln_metric_input *input, const void *p,
                             const char *reason)
{
    ln_metric_result result;
    assert_ok(ln_metric_compute(ln_metric_find(word), input, p, &result, &err));
    assert_false(result.defined);
    assert_true(isnan(result.value));
    assert_string_equal(ln_metric_status(&result), "undefined");
    assert_string_equal(result.reason, reason);
    ln_metric_result_free(&result);
}

static void values_by_hand(void **state)
{
    (void)state;
    /* From the top: 0.9 +, 0.5 (+ -), 0.4 -, 0.2 +, 0.1 -; 0.5 itself is predicted as class 1. */
    double scores[] = {0.4, 0.5, 0.9, 0.1, 0.5, 0.2};
    int32_t labels[] = {0, 1, 1, 0, 0, 1};
    ln_metric_input input = binary(6, scores, labels);
    assert_true(value_of("accuracy", &input, NULL) == 4.0 / 6);
    assert_true(value_of("precision", &input, NULL) == 2.0 / 3);
    assert_true(value_of("recall", &input, NULL) == 2.0 / 3);
    assert_true(value_of("f1", &input, NULL) == 4.0 / 6);
    /* Pairs in the right order: 3 for 0.9, 2.5 for 0.5, 1 for 0.2, of 9. */
    assert_true(value_of("roc_auc", &input, NULL) == 6.5 / 9);
    /* Rates (TPR, FPR) go (1/3, 0), (2/3, 1/3), (2/3, 2/3), (1, 2/3). */
    assert_near_f64((double[]){value_of("ks", &input, NULL)}, (double[]){1.0 / 3}, 1, 1e-16, 0);
    /* The top two rows of six: 0.9 and half of the tied pair: 1.5 positives of 2, over 1/2. */
    ln_share_params third = {1.0 / 3};
    assert_near_f64((double[]){value_of("lift", &input, &third)}, (double[]){1.5}, 1, 1e-15, 0);
    /* A quarter is one and a half rows: 1 + a quarter of the pair's one positive. */
    ln_share_params quarter = {0.25};
    assert_near_f64((double[]){value_of("lift", &input, &quarter)}, (double[]){1.25 / 1.5 / 0.5}, 1,
                    1e-15, 0);
    /* The same two rows hold 1.5 of the three positives. */
    assert_near_f64((double[]){value_of("gain", &input, &third)}, (double[]){0.5}, 1, 1e-15, 0);
    assert_true(value_of("ks_threshold", &input, NULL) == 0.9); /* 1/3 there and at 0.5 and 0.2 */
    /* Precision 1, 2/3 and 3/5 where 0.9, 0.5 and 0.2 add a positive each. */
    assert_near_f64((double[]){value_of("average_precision", &input, NULL)},
                    (double[]){(1 + 2.0 / 3 + 3.0 / 5) / 3}, 1, 1e-16, 0);
    /* TP 2, FP 1, FN 1, TN 2. */
    assert_true(value_of("balanced_accuracy", &input, NULL) == 2.0 / 3);
    assert_true(value_of("mcc", &input, NULL) == (2.0 * 2 - 1) / 9);
    assert_near_f64((double[]){value_of("cohen_kappa", &input, NULL)}, (double[]){1.0 / 3}, 1,
                    1e-16, 0);
    double squares = 0.16 + 0.25 + 0.01 + 0.01 + 0.25 + 0.64;
    assert_near_f64((double[]){value_of("brier", &input, NULL)}, (double[]){squares / 6}, 1, 1e-16,
                    0);
    /* Two bins, 0.5 in the lower one: 0.4, 0.5, 0.1, 0.5, 0.2 with two positives, and 0.9. */
    ln_bins_params two = {2};
    assert_near_f64((double[]){value_of("expected_calibration_error", &input, &two)},
                    (double[]){(fabs(2 - 1.7) + fabs(1 - 0.9)) / 6}, 1, 1e-16, 0);
    double loss = -(log(0.6) + log(0.5) + log(0.9) + log(0.9) + log(0.5) + log(0.2)) / 6;
    assert_near_f64((double[]){value_of("log_loss", &input, NULL)}, &loss, 1, 0, 1e-15);

    double guess[] = {1, 2, 4}, truth[] = {1, 4, 3};
    double weights[] = {5, 1, 2};
    ln_metric_input numbers = {.n = 3, .scores = guess, .numbers = truth, .weights = weights};
    assert_true(value_of("mse", &numbers, NULL) == 6.0 / 8);
    assert_true(value_of("rmse", &numbers, NULL) == sqrt(6.0 / 8));
    assert_true(value_of("mae", &numbers, NULL) == 4.0 / 8);
    /* The mean is 15/8; 5 (7/8)^2 + (17/8)^2 + 2 (9/8)^2 = 696/64. */
    assert_near_f64((double[]){value_of("r2", &numbers, NULL)}, (double[]){1 - 6.0 * 64 / 696}, 1,
                    1e-15, 0);
}

/* Points of `word` over the six rows of values_by_hand, as x, y, threshold. */
static void assert_curve(const char *word, const double (*wanted)[3], int64_t count)
{
    double scores[] = {0.4, 0.5, 0.9, 0.1, 0.5, 0.2};
    int32_t labels[] = {0, 1, 1, 0, 0, 1};
    ln_metric_input input = binary(6, scores, labels);
    ln_metric_result result;
    assert_ok(ln_metric_compute(ln_metric_find(word), &input, NULL, &result, &err));
    assert_true(result.defined && isnan(result.value));
    assert_int_equal(result.series_count, 1);
    assert_int_equal(result.series[0].count, count);
    for (int64_t i = 0; i < count; i++) {
        const ln_metric_series *series = &result.series[0];
        double got[] = {series->x[i], series->y[i], series->threshold[i]};
        assert_near_f64(got, wanted[i], 3, 1e-16, 1e-15);
    }
    ln_metric_result_free(&result);
}

static void curves_by_hand(void **state)
{
    (void)state;
    const double third = 1.0 / 3, half = 0.5, sixth = 1.0 / 6;
    const double roc[][3] = {
        {0, 0, NAN},         {0, third, 0.9}, {third, 2 * third, 0.5}, {2 * third, 2 * third, 0.4},
        {2 * third, 1, 0.2}, {1, 1, 0.1}};
    const double pr[][3] = {
        {0, 1, NAN},   {third, 1, 0.9}, {2 * third, 2 * third, 0.5}, {2 * third, half, 0.4},
        {1, 0.6, 0.2}, {1, half, 0.1}};
    const double gain[][3] = {{0, 0, NAN},
                              {sixth, third, 0.9},
                              {half, 2 * third, 0.5},
                              {4 * sixth, 2 * third, 0.4},
                              {5 * sixth, 1, 0.2},
                              {1, 1, 0.1}};
    const double lift[][3] = {{sixth, 2, 0.9},
                              {half, 4 * third, 0.5},
                              {4 * sixth, 1, 0.4},
                              {5 * sixth, 1.2, 0.2},
                              {1, 1, 0.1}};
    assert_curve("roc_curve", roc, 6);
    assert_curve("pr_curve", pr, 6);
    assert_curve("gain_curve", gain, 6);
    assert_curve("lift_curve", lift, 5);
}

static void certain_wrong_answers_cost_a_finite_loss(void **state)
{
    (void)state;
    ln_metric_input input = binary(2, (double[]){0, 1}, (int32_t[]){1, 1});
    double wanted = (52 * log(2) - log(1 - 0x1p-52)) / 2;
    assert_near_f64((double[]){value_of("log_loss", &input, NULL)}, &wanted, 1, 0, 1e-15);
}

static void equal_scores_predict_the_lowest_class(void **state)
{
    (void)state;
    double scores[] = {0.2, 0.4, 0.4, 0.3, 0.3, 0.4, 0.5, 0.5, 0};
    ln_metric_input input = {
        .n = 3, .class_count = 3, .scores = scores, .labels = (int32_t[]){1, 2, 0}};
    assert_true(value_of("accuracy", &input, NULL) == 1);
    input.labels = (int32_t[]){2, 2, 1};
    assert_true(value_of("accuracy", &input, NULL) == 1.0 / 3);
}

/* ---------------------------------------------------------------- undefined, and refused */

static void undefined_metrics_say_why(void **state)
{
    (void)state;
    double scores[] = {0.1, 0.4, 0.2};
    int32_t none[] = {0, 0, 0}, all[] = {1, 1, 1}, mixed[] = {0, 1, 1};
    ln_metric_input negatives = binary(3, scores, none);
    assert_undefined("roc_auc", &negatives, NULL, "one class only");
    assert_undefined("ks", &negatives, NULL, "one class only");
    assert_undefined("lift", &negatives, NULL, "one class only");
    assert_undefined("gain", &negatives, NULL, "one class only");
    assert_undefined("ks_threshold", &negatives, NULL, "one class only");
    assert_undefined("average_precision", &negatives, NULL, "one class only");
    assert_undefined("roc_curve", &negatives, NULL, "one class only");
    assert_undefined("ks_curve", &negatives, NULL, "one class only");
    assert_undefined("mcc", &negatives, NULL, "one class only");
    assert_undefined("cohen_kappa", &negatives, NULL, "one class only, and it alone is predicted");
    assert_true(value_of("balanced_accuracy", &negatives, NULL) == 1);
    assert_undefined("recall", &negatives, NULL, "no row is of class 1");
    assert_undefined("f1", &negatives, NULL, "no row is of class 1 and none is predicted as it");
    ln_metric_input positives = binary(3, scores, all);
    assert_undefined("roc_auc", &positives, NULL, "one class only");
    assert_undefined("precision", &positives, NULL, "nothing is predicted as class 1");
    assert_true(value_of("recall", &positives, NULL) == 0);

    ln_metric_input input = binary(3, scores, mixed);
    assert_undefined("mcc", &input, NULL, "all rows are predicted as one class");
    assert_true(value_of("cohen_kappa", &input, NULL) == 0);
    input.weights = (double[]){0, 1, 2}; /* the only negative has no weight */
    assert_undefined("roc_auc", &input, NULL, "one class only");
    input.weights = (double[]){0, 0, 0};
    assert_undefined("accuracy", &input, NULL, "the weights sum to 0");
    input.n = 0;
    assert_undefined("log_loss", &input, NULL, "no rows");

    ln_metric_input bad = binary(3, (double[]){0.1, NAN, 0.2}, mixed);
    assert_undefined("accuracy", &bad, NULL, "a score is no finite number");
    bad = binary(3, (double[]){0.1, 0.5, 1.5}, mixed);
    assert_undefined("log_loss", &bad, NULL, "the score 1.5 of row 2 is no probability");
    assert_undefined("brier", &bad, NULL, "the score 1.5 of row 2 is no probability");
    assert_undefined("calibration_curve", &bad, NULL, "the score 1.5 of row 2 is no probability");
    assert_true(value_of("roc_auc", &bad, NULL) == 1);
    ln_metric_input lost = {.n = 1, .scores = (double[]){1}, .numbers = (double[]){NAN}};
    assert_undefined("mse", &lost, NULL, "a true value is missing or not finite");
    lost = (ln_metric_input){.n = 1, .scores = (double[]){1e200}, .numbers = (double[]){0}};
    assert_undefined("mse", &lost, NULL, "the errors are too large for a float64");
    assert_undefined("r2", &lost, NULL, "the true values are all equal");
    lost = (ln_metric_input){
        .n = 2, .outputs = 2, .scores = (double[]){1, 2, 3, 4}, .numbers = (double[]){1, 5, 2, 5}};
    assert_undefined("r2", &lost, NULL, "the true values of output 1 are all equal");
    lost.weights = (double[]){1, 0}; /* a row without weight makes no variance */
    assert_undefined("r2", &lost, NULL, "the true values of output 0 are all equal");
}

static void averages_remark_on_empty_classes(void **state)
{
    (void)state;
    ln_metric_input input = binary(3, (double[]){0.1, 0.4, 0.2}, (int32_t[]){0, 1, 0});
    ln_average_params macro = {LN_AVERAGE_MACRO, 0.5};
    ln_metric_result result;
    assert_ok(ln_metric_compute(ln_metric_find("precision"), &input, &macro, &result, &err));
    assert_true(result.defined && result.value == 1.0 / 3);
    assert_string_equal(result.reason, "nothing is predicted as class 1: it counts as 0");
    ln_metric_result_free(&result);
    double scores[] = {1, 0, 0, 1, 0, 0, 1, 0, 0};
    ln_metric_input three = {
        .n = 3, .class_count = 3, .scores = scores, .labels = (int32_t[]){0, 1, 2}};
    assert_ok(ln_metric_compute(ln_metric_find("precision"), &three, &macro, &result, &err));
    assert_string_equal(result.reason,
                        "nothing is predicted as class 1 and 1 other classes: they count as 0");
    ln_metric_result_free(&result);
    three.labels = (int32_t[]){0, 1, 1};
    assert_undefined("roc_auc", &three, NULL, "no row is of class 2: it has no curve of its own");
}

static void wrong_uses_are_refused(void **state)
{
    (void)state;
    ln_average_params binary_average = {LN_AVERAGE_BINARY, 0.5}, macro = {LN_AVERAGE_MACRO, 0.5};
    assert_fails(ln_metric_check(ln_metric_find("f1"), 3, NULL, &err), LN_EINVALID,
                 "choose average = \"macro\"");
    assert_fails(ln_metric_check(ln_metric_find("recall"), 4, &binary_average, &err), LN_EINVALID,
                 "found 4");
    assert_ok(ln_metric_check(ln_metric_find("f1"), 3, &macro, &err));
    assert_fails(ln_metric_check(ln_metric_find("ks"), 3, NULL, &err), LN_EINVALID,
                 "ks is defined for two classes, found 3");
    assert_fails(ln_metric_check(ln_metric_find("accuracy"), 0, NULL, &err), LN_EINVALID,
                 "regression");
    assert_fails(ln_metric_check(ln_metric_find("mse"), 2, NULL, &err), LN_EINVALID, "classes");
    assert_fails(ln_metric_check(ln_metric_find("accuracy"), 1, NULL, &err), LN_EINVALID,
                 "found 1");

    ln_threshold_params early = {0.3};
    assert_ok(ln_metric_check(ln_metric_find("mcc"), 2, &early, &err));
    assert_fails(ln_metric_check(ln_metric_find("mcc"), 3, &early, &err), LN_EINVALID,
                 "threshold is for two classes, found 3");
    macro.threshold = 0.3;
    assert_fails(ln_metric_check(ln_metric_find("f1"), 3, &macro, &err), LN_EINVALID,
                 "leave f1's threshold out");
    assert_fails(ln_metric_check(ln_metric_find("ks_curve"), 3, NULL, &err), LN_EINVALID,
                 "two classes");

    ln_metric_result result;
    ln_metric_input input = binary(2, (double[]){0.1, 0.9}, (int32_t[]){0, 2});
    assert_fails(ln_metric_compute(ln_metric_find("accuracy"), &input, NULL, &result, &err),
                 LN_EINVALID, "the label of row 1 is 2, but there are 2 classes (0 to 1)");
    input = binary(2, (double[]){0.1, 0.9}, (int32_t[]){0, -1});
    assert_fails(ln_metric_compute(ln_metric_find("accuracy"), &input, NULL, &result, &err),
                 LN_EINVALID, "the label of row 1 is -1");
    input = binary(2, (double[]){0.1, 0.9}, (int32_t[]){0, 1});
    input.weights = (double[]){1, -2};
    assert_fails(ln_metric_compute(ln_metric_find("accuracy"), &input, NULL, &result, &err),
                 LN_EINVALID, "the weight of row 1 is -2");
}

static void intervals_say_what_they_lack(void **state)
{
    (void)state;
    ln_metric_input input = binary(3, (double[]){0.1, 0.4, 0.2}, (int32_t[]){0, 1, 0});
    ln_interval_options options = {.level = 0.95, .resamples = 200, .seed = 1};
    const ln_metric *metric = ln_metric_find("ks");
    ln_metric_result result;
    /* Of the resamples (2/3)^3 are likely to lack the positive and (1/3)^3 the negatives. */
    assert_ok(ln_metric_compute(metric, &input, NULL, &result, &err));
    assert_ok(ln_metric_interval(metric, &input, NULL, &options, NULL, &result, &err));
    assert_true(result.value == 1 && result.lower == 1 && result.upper == 1);
    assert_string_equal(result.reason,
                        "64 of 200 resamples are undefined and left out of the interval");
    ln_metric_result_free(&result);
    /* DeLong needs two rows of each class: the bootstrap takes over. */
    metric = ln_metric_find("roc_auc");
    assert_ok(ln_metric_compute(metric, &input, NULL, &result, &err));
    assert_ok(ln_metric_interval(metric, &input, NULL, &options, NULL, &result, &err));
    assert_true(result.lower == 1 && result.upper == 1 && result.reason[0]);
    ln_metric_result_free(&result);
    /* What is undefined has no interval, nor has a curve. */
    input.labels = (int32_t[]){0, 0, 0};
    assert_ok(ln_metric_compute(metric, &input, NULL, &result, &err));
    assert_ok(ln_metric_interval(metric, &input, NULL, &options, NULL, &result, &err));
    assert_true(isnan(result.lower) && isnan(result.upper));
    assert_string_equal(result.reason, "one class only");
    ln_metric_result_free(&result);
    options.level = 1;
    assert_fails(ln_metric_interval(metric, &input, NULL, &options, NULL, &result, &err),
                 LN_EINVALID, "between 0 and 1");
}

/* ---------------------------------------------------------------- the table, order, memory */

static void the_table_is_in_order_and_whole(void **state)
{
    (void)state;
    for (int i = 0; ln_metrics[i]; i++) {
        const ln_metric *metric = ln_metrics[i];
        assert_ptr_equal(ln_metric_find(metric->word.name), metric);
        assert_true(i == 0 || strcmp(ln_metrics[i - 1]->word.name, metric->word.name) < 0);
        assert_true(metric->word.summary[0] && metric->word.formula[0] && metric->word.source[0]);
        assert_string_equal(metric->scope, "model");
        assert_true((metric->word.params_size > 0) == (metric->defaults != NULL));
        assert_true((metric->word.params_size > 0) == (metric->word.params[0].name != NULL));
        char page[64];
        snprintf(page, sizeof page, "../docs/metrics/%s.md", metric->word.name);
        test_file(page);
    }
    assert_null(ln_metric_find("acuracy"));
}

/* order[0 .. n-1]: the rows, highest score first, equal scores (0 and -0 are equal) in row order. */
static void sort_descending(const double *scores, int64_t n, int64_t *order)
{
    ln_pair *pairs = ln_alloc((size_t)n * 2 * sizeof *pairs);
    assert_non_null(pairs);
    for (int64_t i = 0; i < n; i++)
        pairs[i] = (ln_pair){ln_order_key(scores[i]), i};
    ln_order_sort(pairs, pairs + n, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = pairs[i].tag;
    ln_free(pairs);
}

static void order_is_stable_and_complete(void **state)
{
    (void)state;
    double scores[] = {0.5, -0.0, INFINITY, -1e300, 0.0, 0.5, -INFINITY, 1e-310, -1e-310, 0.5};
    int64_t order[10], wanted[] = {2, 0, 5, 9, 7, 1, 4, 8, 3, 6};
    sort_descending(scores, 10, order);
    assert_memory_equal(order, wanted, sizeof wanted);
}

/* Two million scores of 1000 values: the area must equal the count over pairs of values. */
static void many_scores_are_ranked_exactly(void **state)
{
    (void)state;
    int64_t n = 2000000;
    ln_tensor *scores = tensor_zero(LN_F64, TEST_SHAPE(n, 2));
    ln_tensor *labels = tensor_zero(LN_I32, TEST_SHAPE(n));
    ln_rng rng = ln_rng_make(1, "ranked", 0, 0);
    static int64_t count[1000][2];
    for (int64_t i = 0; i < n; i++) {
        int64_t level = (int64_t)ln_rng_below(&rng, 1000);
        int32_t label = (int64_t)ln_rng_below(&rng, 1000) < level;
        ln_f64(scores)[2 * i + 1] = (double)level / 999;
        ((int32_t *)labels->data)[i] = label;
        count[level][label]++;
    }
    double won = 0, negatives = 0, positives = 0;
    for (int level = 0; level < 1000; level++) {
        won += (double)count[level][1] * (2 * negatives + (double)count[level][0]);
        negatives += (double)count[level][0];
        positives += (double)count[level][1];
    }
    ln_metric_input input = {
        .n = n, .class_count = 2, .scores = ln_f64(scores), .labels = labels->data};
    assert_true(value_of("roc_auc", &input, NULL) == won / (2 * positives * negatives));
    ln_tensor_release(scores);
    ln_tensor_release(labels);
}

/* All metrics of the task and their intervals. */
static ln_status compute_all(void *context, ln_error *error)
{
    const ln_metric_input *input = context;
    const ln_interval_options options = {.level = 0.9, .resamples = 3};
    unsigned task = input->class_count == 0   ? LN_METRIC_REGRESSION
                    : input->class_count == 2 ? LN_METRIC_BINARY
                                              : LN_METRIC_MULTICLASS;
    for (int i = 0; ln_metrics[i]; i++) {
        if (!(ln_metrics[i]->flags & task))
            continue;
        ln_average_params macro = {LN_AVERAGE_MACRO, 0.5};
        const void *params = ln_metrics[i]->word.params_size == sizeof macro ? &macro : NULL;
        ln_metric_result result;
        ln_status status = ln_metric_compute(ln_metrics[i], input, params, &result, error);
        if (!status)
            status =
                ln_metric_interval(ln_metrics[i], input, params, &options, NULL, &result, error);
        ln_metric_result_free(&result);
        if (status)
            return status;
    }
    return LN_OK;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    ln_metric_input input =
        binary(5, (double[]){0.1, 0.4, 0.7, 0.2, 0.9}, (int32_t[]){0, 1, 1, 0, 1});
    sweep_allocation_failures(compute_all, &input);
    double scores[] = {0.2, 0.4, 0.4, 0.3, 0.3, 0.4, 0.5, 0.5, 0};
    ln_metric_input three = {
        .n = 3, .class_count = 3, .scores = scores, .labels = (int32_t[]){1, 2, 0}};
    sweep_allocation_failures(compute_all, &three);
    ln_metric_input numbers = {
        .n = 9, .scores = scores, .numbers = (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9}};
    sweep_allocation_failures(compute_all, &numbers);
}

/* Scores of every spread: the order goes down, equal ones stay in row order, each row is there. */
static void every_spread_of_scores_is_sorted_stably(void **state)
{
    (void)state;
    enum { ROWS = 20000, KINDS = 9 };
    ln_rng rng = ln_rng_make(11, "order", 0, 0);
    double *scores = ln_alloc(ROWS * sizeof *scores);
    int64_t *order = ln_alloc(ROWS * sizeof *order);
    for (int kind = 0; kind < KINDS; kind++) {
        for (int64_t i = 0; i < ROWS; i++) {
            const double u = ln_rng_uniform(&rng);
            const double all[KINDS] = {u,
                                       floor(u * 7) / 7,
                                       ldexp(u, -(int)(i % 1000)),
                                       (double)i,
                                       (double)-i,
                                       u < 0.5 ? 0.0 : -0.0,
                                       u < 0.1   ? INFINITY
                                       : u < 0.2 ? -INFINITY
                                                 : u - 0.5,
                                       1 + ldexp(floor(u * 100), -52),
                                       i == 777 ? 1e300 : u * 1e-300};
            scores[i] = all[kind];
        }
        for (int64_t n = 1; n <= ROWS; n = n * 3 + 1) {
            int64_t rows = 0;
            sort_descending(scores, n, order);
            for (int64_t i = 0; i < n; i++) {
                rows += order[i];
                if (i > 0 &&
                    !(scores[order[i - 1]] > scores[order[i]] ||
                      (scores[order[i - 1]] == scores[order[i]] && order[i - 1] < order[i])))
                    fail_msg("kind %d, %d rows: wrong at %d", kind, (int)n, (int)i);
            }
            assert_int_equal(rows, n * (n - 1) / 2);
        }
    }
    ln_free(scores);
    ln_free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spread_of_scores_is_sorted_stably),
        cmocka_unit_test(values_by_hand),
        cmocka_unit_test(curves_by_hand),
        cmocka_unit_test(certain_wrong_answers_cost_a_finite_loss),
        cmocka_unit_test(equal_scores_predict_the_lowest_class),
        cmocka_unit_test(undefined_metrics_say_why),
        cmocka_unit_test(averages_remark_on_empty_classes),
        cmocka_unit_test(wrong_uses_are_refused),
        cmocka_unit_test(intervals_say_what_they_lack),
        cmocka_unit_test(the_table_is_in_order_and_whole),
        cmocka_unit_test(order_is_stable_and_complete),
        cmocka_unit_test(many_scores_are_ranked_exactly),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
