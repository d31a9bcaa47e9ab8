/* Metrics, their curves and intervals against scikit-learn's stored numbers (reference/metrics). */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "metrics/metric.h"
#include "tensor/npy.h"

static ln_error err;

/* The parameters of a metric as one struct, chosen by the metric's own descriptor. */
typedef union params {
    ln_average_params average;
    ln_auc_params auc;
    ln_share_params share;
    ln_threshold_params threshold;
    ln_curve_params curve;
    ln_bins_params bins;
    char bytes[64];
} params;

static void set_param(const ln_metric *metric, params *out, const char *name, const char *text)
{
    const ln_param *param = metric->word.params;
    while (param->name && strcmp(param->name, name) != 0)
        param++;
    if (!param->name)
        fail_msg("%s has no parameter %s", metric->word.name, name);
    char *place = out->bytes + param->offset;
    if (param->type == LN_PARAM_REAL)
        *(double *)(void *)place = strtod(text, NULL);
    else if (param->type == LN_PARAM_INT)
        *(int64_t *)(void *)place = strtoll(text, NULL, 10);
    else
        *(int *)(void *)place = ln_choice_index(param->choices, text, strlen(text));
}

/* `options` is "-" or "name=value,name=value"; it is cut into pieces. */
static params params_of(const ln_metric *metric, char *options)
{
    params out = {.bytes = {0}};
    assert_true(metric->word.params_size <= sizeof out);
    if (metric->word.params_size)
        memcpy(&out, metric->defaults, metric->word.params_size);
    if (strcmp(options, "-") == 0)
        return out;
    char *rest, *one = strtok_r(options, ",", &rest);
    for (; one; one = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(one, '=');
        assert_non_null(value);
        *value++ = '\0';
        set_param(metric, &out, one, value);
    }
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

static bool is_regression(const ln_metric *metric)
{
    return metric->flags & LN_METRIC_REGRESSION;
}

static void scikit_learn_agrees(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/metrics/expected.txt"), "r");
    assert_non_null(file);
    char name[32], word[32], options[64], wanted[40], shown[64];
    int weighted, lines = 0;
    while (fscanf(file, "%31s %d %31s %63s %39s", name, &weighted, word, options, wanted) == 5) {
        const ln_metric *metric = ln_metric_find(word);
        assert_non_null(metric);
        snprintf(shown, sizeof shown, "%s", options);
        set s = set_read(name, is_regression(metric), weighted);
        params p = params_of(metric, options);
        ln_metric_result result;
        assert_ok(ln_metric_compute(metric, &s.input, &p, &result, &err));
        bool undefined = strcmp(wanted, "undefined") == 0;
        double value = strtod(wanted, NULL);
        if (result.defined == undefined ||
            (!undefined && !(fabs(result.value - value) <= 1e-12 * fabs(value) + 1e-15)))
            fail_msg("%s (weighted %d) %s %s: got %.17g (%s), expected %s", name, weighted, word,
                     shown, result.value, result.reason, wanted);
        assert_int_equal(result.n, s.input.n);
        assert_true(undefined ? isnan(result.value) && result.reason[0] : true);
        ln_metric_result_free(&result);
        set_free(&s);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 528);
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

/* One series of curves.txt against the computed one. */
static void series_agrees(FILE *file, const ln_metric_series *series, const char *word)
{
    char name[24];
    int points;
    assert_int_equal(fscanf(file, "%23s %d", name, &points), 2);
    assert_string_equal(series->name, strcmp(name, "-") == 0 ? "" : name);
    if (series->count != points)
        fail_msg("%s %s: %d points, expected %d", word, name, (int)series->count, points);
    for (int i = 0; i < points; i++) {
        double wanted[3], got[] = {series->x[i], series->y[i], series->threshold[i]};
        assert_int_equal(fscanf(file, "%lf %lf %lf", &wanted[0], &wanted[1], &wanted[2]), 3);
        assert_near_f64(got, wanted, 3, 1e-15, 1e-12);
    }
}

static void curves_agree(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/metrics/curves.txt"), "r");
    assert_non_null(file);
    char name[32], word[32], options[64];
    int weighted, series, curves = 0;
    while (fscanf(file, "%31s %d %31s %63s %d", name, &weighted, word, options, &series) == 5) {
        const ln_metric *metric = ln_metric_find(word);
        assert_non_null(metric);
        set s = set_read(name, false, weighted);
        params p = params_of(metric, options);
        ln_metric_result result;
        assert_ok(ln_metric_compute(metric, &s.input, &p, &result, &err));
        assert_string_equal(ln_metric_status(&result), "ok");
        assert_true(isnan(result.value));
        assert_int_equal(result.series_count, series);
        for (int i = 0; i < series; i++)
            series_agrees(file, &result.series[i], word);
        ln_metric_result_free(&result);
        set_free(&s);
        curves++;
    }
    fclose(file);
    assert_int_equal(curves, 29);
}

/* Each interval alone and on two workers: the same bits. */
static void intervals_agree(void **state)
{
    (void)state;
    ln_pool *pool;
    assert_ok(ln_pool_new(2, &pool, &err));
    FILE *file = fopen(test_file("reference/metrics/intervals.txt"), "r");
    assert_non_null(file);
    char name[32], word[32], options[64];
    double wanted[2];
    int weighted, lines = 0;
    long long resamples;
    unsigned long long seed;
    ln_interval_options how = {0};
    while (fscanf(file, "%31s %d %31s %63s %lf %lld %llu %lf %lf", name, &weighted, word, options,
                  &how.level, &resamples, &seed, &wanted[0], &wanted[1]) == 9) {
        how.resamples = resamples;
        how.seed = seed;
        const ln_metric *metric = ln_metric_find(word);
        set s = set_read(name, false, weighted);
        params p = params_of(metric, options);
        ln_metric_result alone, shared;
        assert_ok(ln_metric_compute(metric, &s.input, &p, &alone, &err));
        assert_ok(ln_metric_compute(metric, &s.input, &p, &shared, &err));
        assert_ok(ln_metric_interval(metric, &s.input, &p, &how, NULL, &alone, &err));
        assert_ok(ln_metric_interval(metric, &s.input, &p, &how, pool, &shared, &err));
        double got[] = {alone.lower, alone.upper};
        if (!(fabs(got[0] - wanted[0]) <= 1e-12) || !(fabs(got[1] - wanted[1]) <= 1e-12))
            fail_msg("%s (weighted %d) %s: got [%.17g, %.17g], expected [%.17g, %.17g] %s", name,
                     weighted, word, got[0], got[1], wanted[0], wanted[1], alone.reason);
        assert_same_bits(&shared.lower, &alone.lower, sizeof(double));
        assert_same_bits(&shared.upper, &alone.upper, sizeof(double));
        ln_metric_result_free(&alone);
        ln_metric_result_free(&shared);
        set_free(&s);
        lines++;
    }
    fclose(file);
    ln_pool_free(pool);
    assert_int_equal(lines, 52);
}

/* A value, matrix or curve of every metric in the table stands among the stored numbers. */
static void every_metric_has_references(void **state)
{
    (void)state;
    for (int i = 0; ln_metrics[i]; i++) {
        const bool curve = ln_metrics[i]->flags & LN_METRIC_CURVE;
        char line[256], word[32] = "";
        bool found = ln_metrics[i] == ln_metric_find("confusion_matrix"); /* matrices.txt */
        const char *path =
            curve ? "reference/metrics/curves.txt" : "reference/metrics/expected.txt";
        FILE *file = fopen(test_file(path), "r");
        assert_non_null(file);
        while (!found && fgets(line, sizeof line, file))
            found = sscanf(line, "%*s %*d %31s", word) == 1 &&
                    strcmp(word, ln_metrics[i]->word.name) == 0;
        fclose(file);
        if (!found)
            fail_msg("%s has no reference value in %s", ln_metrics[i]->word.name, path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_has_references),
        cmocka_unit_test(scikit_learn_agrees),
        cmocka_unit_test(confusion_matrices_agree),
        cmocka_unit_test(curves_agree),
        cmocka_unit_test(intervals_agree),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
