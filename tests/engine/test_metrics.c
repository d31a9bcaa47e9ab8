/* Metrics: against scikit-learn's stored numbers (reference/metrics), against
 * what can be counted by hand, and for what is undefined. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/metric.h"
#include "metrics/order.h"
#include "tensor/npy.h"

static ln_error err;

/* The parameters of a metric as one struct, chosen by the metric's own descriptor. */
typedef union params {
    ln_average_params average;
    ln_auc_params auc;
    ln_share_params share;
} params;

static params params_of(const ln_metric *metric, const char *average, const char *at)
{
    params out = {0};
    if (metric->word.params_size)
        memcpy(&out, metric->defaults, metric->word.params_size);
    if (strcmp(average, "-") != 0) {
        const char *choices = metric->word.params[0].choices;
        out.average.average = ln_choice_index(choices, average, strlen(average));
        assert_true(out.average.average >= 0);
    }
    if (strcmp(at, "-") != 0)
        out.share.at = strtod(at, NULL);
    return out;
}

/* ---------------------------------------------------------------- stored references */

/* A set's files, converted to what the metrics take. */
typedef struct set {
    ln_tensor *scores, *labels, *numbers, *weights;
    ln_metric_input input;
} set;

static ln_tensor *set_file(const char *name, const char *part, ln_dtype dtype)
{
    char path[128];
    snprintf(path, sizeof path, "reference/metrics/%s-%s.npy", name, part);
    ln_tensor *read, *out;
    assert_ok(ln_npy_read(test_file(path), &read, NULL, &err));
    assert_ok(ln_tensor_convert(read, dtype, &out, &err));
    ln_tensor_release(read);
    return out;
}

static set set_read(const char *name, bool regression, bool weighted)
{
    set out = {.scores = set_file(name, "scores", LN_F64)};
    out.input = (ln_metric_input){.n = out.scores->shape.dims[0], .scores = ln_f64(out.scores)};
    if (regression) {
        out.numbers = set_file(name, "numbers", LN_F64);
        out.input.outputs = out.scores->shape.dims[1];
        out.input.numbers = ln_f64(out.numbers);
    } else {
        out.labels = set_file(name, "labels", LN_I32);
        out.input.class_count = out.scores->shape.dims[1];
        out.input.labels = out.labels->data;
    }
    if (weighted) {
        out.weights = set_file(name, "weights", LN_F64);
        out.input.weights = ln_f64(out.weights);
    }
    return out;
}

static void set_free(set *s)
{
    ln_tensor_release(s->scores);
    ln_tensor_release(s->labels);
    ln_tensor_release(s->numbers);
    ln_tensor_release(s->weights);
}

static void scikit_learn_agrees(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/metrics/expected.txt"), "r");
    assert_non_null(file);
    char name[32], word[32], average[16], at[16], wanted[40];
    int weighted, lines = 0;
    while (fscanf(file, "%31s %d %31s %15s %15s %39s", name, &weighted, word, average, at,
                  wanted) == 6) {
        const ln_metric *metric = ln_metric_find(word);
        assert_non_null(metric);
        set s = set_read(name, strcmp(word, "mse") == 0, weighted);
        params p = params_of(metric, average, at);
        ln_metric_result result;
        assert_ok(ln_metric_compute(metric, &s.input, &p, &result, &err));
        bool undefined = strcmp(wanted, "undefined") == 0;
        double value = strtod(wanted, NULL);
        if (result.defined == undefined ||
            (!undefined && !(fabs(result.value - value) <= 1e-12 * fabs(value))))
            fail_msg("%s (weighted %d) %s %s %s: got %.17g (%s), expected %s", name, weighted, word,
                     average, at, result.value, result.reason, wanted);
        assert_int_equal(result.n, s.input.n);
        assert_true(undefined ? isnan(result.value) && result.reason[0] : true);
        ln_metric_result_free(&result);
        set_free(&s);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 282);
}

static void confusion_matrices_agree(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/metrics/matrices.txt"), "r");
    assert_non_null(file);
    char name[32];
    int weighted, lines = 0;
    while (fscanf(file, "%31s %d", name, &weighted) == 2) {
        set s = set_read(name, false, weighted);
        int64_t classes = s.input.class_count;
        ln_metric_result result;
        assert_ok(
            ln_metric_compute(ln_metric_find("confusion_matrix"), &s.input, NULL, &result, &err));
        assert_string_equal(ln_metric_status(&result), "ok");
        assert_true(isnan(result.value));
        ln_shape shape = TEST_SHAPE(classes, classes);
        assert_true(ln_shape_equal(&result.matrix->shape, &shape));
        double wanted[36];
        for (int64_t i = 0; i < classes * classes; i++)
            assert_int_equal(fscanf(file, "%lf", &wanted[i]), 1);
        assert_near_f64(ln_f64(result.matrix), wanted, (size_t)(classes * classes), 0, 1e-13);
        ln_metric_result_free(&result);
        set_free(&s);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 16);
}

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
    double loss = -(log(0.6) + log(0.5) + log(0.9) + log(0.9) + log(0.5) + log(0.2)) / 6;
    assert_near_f64((double[]){value_of("log_loss", &input, NULL)}, &loss, 1, 0, 1e-15);

    double guess[] = {1, 2, 4}, truth[] = {1, 4, 3};
    double weights[] = {5, 1, 2};
    ln_metric_input numbers = {.n = 3, .scores = guess, .numbers = truth, .weights = weights};
    assert_true(value_of("mse", &numbers, NULL) == 6.0 / 8);
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
    assert_undefined("recall", &negatives, NULL, "no row is of class 1");
    assert_undefined("f1", &negatives, NULL, "no row is of class 1 and none is predicted as it");
    ln_metric_input positives = binary(3, scores, all);
    assert_undefined("roc_auc", &positives, NULL, "one class only");
    assert_undefined("precision", &positives, NULL, "nothing is predicted as class 1");
    assert_true(value_of("recall", &positives, NULL) == 0);

    ln_metric_input input = binary(3, scores, mixed);
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
    assert_true(value_of("roc_auc", &bad, NULL) == 1);
    ln_metric_input lost = {.n = 1, .scores = (double[]){1}, .numbers = (double[]){NAN}};
    assert_undefined("mse", &lost, NULL, "a true value is missing or not finite");
    lost = (ln_metric_input){.n = 1, .scores = (double[]){1e200}, .numbers = (double[]){0}};
    assert_undefined("mse", &lost, NULL, "the squares are too large for a float64");
}

static void averages_remark_on_empty_classes(void **state)
{
    (void)state;
    ln_metric_input input = binary(3, (double[]){0.1, 0.4, 0.2}, (int32_t[]){0, 1, 0});
    ln_average_params macro = {LN_AVERAGE_MACRO};
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
    ln_average_params binary_average = {LN_AVERAGE_BINARY}, macro = {LN_AVERAGE_MACRO};
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

static void order_is_stable_and_complete(void **state)
{
    (void)state;
    double scores[] = {0.5, -0.0, INFINITY, -1e300, 0.0, 0.5, -INFINITY, 1e-310, -1e-310, 0.5};
    int64_t order[10], wanted[] = {2, 0, 5, 9, 7, 1, 4, 8, 3, 6};
    assert_ok(ln_order_descending(scores, 10, 1, order, &err));
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

static ln_status compute_all(void *context, ln_error *error)
{
    const ln_metric_input *input = context;
    for (int i = 0; ln_metrics[i]; i++) {
        if (strcmp(ln_metrics[i]->word.name, "mse") == 0)
            continue;
        ln_metric_result result;
        ln_status status = ln_metric_compute(ln_metrics[i], input, NULL, &result, error);
        ln_metric_result_free(&result);
        if (status)
            return status;
    }
    return LN_OK;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    ln_metric_input input = binary(3, (double[]){0.1, 0.4, 0.7}, (int32_t[]){0, 1, 1});
    sweep_allocation_failures(compute_all, &input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scikit_learn_agrees),
        cmocka_unit_test(confusion_matrices_agree),
        cmocka_unit_test(values_by_hand),
        cmocka_unit_test(certain_wrong_answers_cost_a_finite_loss),
        cmocka_unit_test(equal_scores_predict_the_lowest_class),
        cmocka_unit_test(undefined_metrics_say_why),
        cmocka_unit_test(averages_remark_on_empty_classes),
        cmocka_unit_test(wrong_uses_are_refused),
        cmocka_unit_test(the_table_is_in_order_and_whole),
        cmocka_unit_test(order_is_stable_and_complete),
        cmocka_unit_test(many_scores_are_ranked_exactly),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
