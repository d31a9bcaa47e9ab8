/* The metrics of ../shared/conformance (what scikit-learn and scipy compute), where it is there. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/file.h"
#include "metrics/metric.h"
#include "tensor/npy.h"

#define GIVEN "../shared/conformance/given"

static ln_error err;

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static ln_tensor *file_of(const cJSON *set, const char *key, ln_dtype dtype)
{
    char path[256];
    snprintf(path, sizeof path, GIVEN "/%s", text_of(set, key));
    ln_tensor *read, *out;
    assert_ok(ln_npy_read(path, &read, NULL, &err));
    assert_ok(ln_tensor_convert(read, dtype, &out, &err));
    ln_tensor_release(read);
    return out;
}

/* One number a row is class 1's probability. */
static ln_tensor *pairs_of(ln_tensor *scores)
{
    if (scores->shape.rank == 2)
        return scores;
    int64_t n = scores->shape.dims[0];
    ln_tensor *pairs = tensor_zero(LN_F64, TEST_SHAPE(n, 2));
    for (int64_t i = 0; i < n; i++) {
        ln_f64(pairs)[2 * i] = 1 - ln_f64(scores)[i];
        ln_f64(pairs)[2 * i + 1] = ln_f64(scores)[i];
    }
    ln_tensor_release(scores);
    return pairs;
}

/* 1 when the metric is one of ours, and its value is right. */
static int check_case(const cJSON *set, const cJSON *entry, const ln_metric_input *input)
{
    const ln_metric *metric = ln_metric_find(text_of(entry, "name"));
    if (!metric)
        return 0;
    union {
        ln_average_params average;
        ln_share_params share;
        ln_bins_params bins;
    } params = {0};
    if (metric->word.params_size)
        memcpy(&params, metric->defaults, metric->word.params_size);
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(entry, "params");
    const char *average = text_of(given, "average");
    if (average)
        params.average.average =
            ln_choice_index(metric->word.params[0].choices, average, strlen(average));
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(given, "at");
    if (at)
        params.share.at = at->valuedouble;
    ln_metric_result result;
    assert_ok(ln_metric_compute(metric, input, &params, &result, &err));
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(entry, "expected");
    double wanted = cJSON_IsNull(expected) ? NAN : expected->valuedouble;
    if (result.defined ? !(fabs(result.value - wanted) <= 1e-6) : !isnan(wanted))
        fail_msg("%s %s: got %.9g (%s), expected %.9g", text_of(set, "id"), metric->word.name,
                 result.value, result.reason, wanted);
    ln_metric_result_free(&result);
    return 1;
}

static void given_metrics_agree(void **state)
{
    (void)state;
    if (access(GIVEN "/metrics.json", R_OK) != 0)
        skip();
    ln_file file;
    assert_ok(ln_file_read(GIVEN "/metrics.json", &file, &err));
    cJSON *sets = cJSON_Parse(file.data);
    ln_file_free(&file);
    int checked = 0;
    const cJSON *set, *entry;
    cJSON_ArrayForEach(set, sets)
    {
        ln_tensor *scores = pairs_of(file_of(set, "scores", LN_F64));
        ln_tensor *labels = file_of(set, "labels", LN_I32);
        ln_metric_input input = {.n = scores->shape.dims[0],
                                 .class_count = scores->shape.dims[1],
                                 .scores = ln_f64(scores),
                                 .labels = labels->data};
        cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(set, "evaluate")) checked +=
            check_case(set, entry, &input);
        ln_tensor_release(scores);
        ln_tensor_release(labels);
    }
    cJSON_Delete(sets);
    assert_true(checked > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(given_metrics_agree)};
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
