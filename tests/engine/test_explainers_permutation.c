/* feature_permutation: its mean over the background, its draws, and its errors. */
#include "shapley_support.h"

#define INPUTS 7
#define BACKGROUND 11

/* By the definition, from whole rows: what group g loses on average over the background. */
static double mean_loss(const setting *it, int64_t row, const int32_t *group_of, int32_t g,
                        double *deviation)
{
    ln_error err = {0};
    ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(BACKGROUND + 1, INPUTS)), *out = NULL;
    for (int64_t r = 0; r <= BACKGROUND; r++)
        for (int64_t i = 0; i < INPUTS; i++)
            ln_f32(rows)[r * INPUTS + i] = r < BACKGROUND && group_of[i] == g
                                               ? ln_f32(it->background)[r * INPUTS + i]
                                               : ln_f32(it->x)[row * INPUTS + i];
    assert_ok(ln_model_forward(it->model, LN_LINK_RAW, rows, NULL, &out, &err));
    double whole = (double)ln_f32(out)[BACKGROUND], sum = 0, squares = 0;
    for (int64_t r = 0; r < BACKGROUND; r++)
        sum += whole - (double)ln_f32(out)[r];
    for (int64_t r = 0; r < BACKGROUND; r++) {
        double off = whole - (double)ln_f32(out)[r] - sum / BACKGROUND;
        squares += off * off;
    }
    *deviation = sqrt(squares / (BACKGROUND - 1));
    ln_tensor_release(rows);
    ln_tensor_release(out);
    return sum / BACKGROUND;
}

static const int32_t alone[] = {0, 1, 2, 3, 4, 5, 6}, together[] = {0, 1, 1, 0, 2, 2, 2};

/* With as many samples as there are rows, or more: the mean over all of them, without an error; what the
 * model does not read gets exactly 0. */
static void all_rows_give_their_mean(void **state)
{
    (void)state;
    setting it = new_setting();
    for (int grouped = 0; grouped < 2; grouped++) {
        ln_request request = request_of(&it, true);
        request.groups = grouped ? together : NULL;
        request.group_count = 3;
        ln_explanation got =
            explain("feature_permutation", grouped ? "samples=50" : "samples=11", request, NULL);
        for (int64_t i = 0; i < ROWS * got.width; i++) {
            double deviation;
            float wanted = (float)mean_loss(&it, i / got.width, grouped ? together : alone,
                                            (int32_t)(i % got.width), &deviation);
            assert_near_f32(&got.values[i], &wanted, 1, 2e-7, 1e-5);
            assert_true(got.errors[i] == 0);
        }
        assert_true(grouped || got.values[6] == 0);
        assert_true(isnan(got.baseline_output[0]));
        assert_int_equal(got.evaluations, ROWS * (got.width * BACKGROUND + 1));
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* Fewer samples: over many streams their mean is that over all rows, and they spread as the standard
 * errors say, which know that rows are not drawn twice. */
static void few_rows_estimate_it(void **state)
{
    (void)state;
    enum { STREAMS = 400 };
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    request.item_count = 1;
    double sum[INPUTS] = {0}, squares[INPUTS] = {0}, said[INPUTS] = {0};
    for (uint64_t stream = 0; stream < STREAMS; stream++) {
        request.stream = stream;
        ln_explanation got = explain("feature_permutation", "samples=4", request, NULL);
        for (int i = 0; i < INPUTS; i++) {
            sum[i] += (double)got.values[i];
            squares[i] += (double)got.values[i] * (double)got.values[i];
            said[i] += (double)got.errors[i] * (double)got.errors[i] / STREAMS;
        }
        ln_explanation_free(&got);
    }
    for (int i = 0; i < INPUTS - 1; i++) {
        double deviation, wanted = mean_loss(&it, 0, alone, i, &deviation);
        double variance = deviation * deviation / 4 * (1 - 4.0 / BACKGROUND);
        double found = (squares[i] - sum[i] * sum[i] / STREAMS) / (STREAMS - 1);
        assert_near_f64(&(double){sum[i] / STREAMS}, &wanted, 1, 4 * sqrt(variance / STREAMS), 0);
        assert_near_f64(&found, &variance, 1, 0, 0.25);
        assert_near_f64(&said[i], &variance, 1, 0, 0.1);
    }
    ln_explanation one = explain("feature_permutation", "samples=1", request, NULL);
    assert_true(isnan(one.errors[0])); /* of one number there is no spread */
    ln_explanation_free(&one);
    free_setting(&it);
}

/* A row ends at the first look whose errors are small enough, with the bits that so many samples give; one that never
 * is as sure takes all rows, and has the bits of taking them at once. */
static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    enum { MANY = 320 };
    setting it = new_setting();
    ln_tensor *many = tensor_random(TEST_SHAPE(MANY, INPUTS), 9);
    ln_request request = request_of(&it, true);
    request.background = many;
    static const char *const budgets[] = {"samples=310", "samples=1000"};
    for (int b = 0; b < 2; b++)
        for (int64_t row = 0; row < ROWS; row++) {
            char text[64];
            ln_request one = request;
            one.items = request.items + row;
            one.item_count = 1;
            snprintf(text, sizeof text, "%s stop=0.1", budgets[b]);
            ln_explanation got = explain("feature_permutation", text, one, NULL);
            const int64_t samples = (got.evaluations - 1) / INPUTS;
            if (!(samples % 10 == 0 && samples > 10 && samples < 310))
                fail_msg("row %d: %d samples", (int)row, (int)samples);
            check_end("feature_permutation", "samples=", one, &got, samples, 10, 0.1);
            ln_explanation_free(&got);
        }
    assert_int_equal(check_no_end("feature_permutation", "samples=47", request), 0);
    ln_explanation all = explain("feature_permutation", "samples=320", request, NULL);
    ln_explanation got = explain("feature_permutation", "samples=1000 stop=1e-9", request, NULL);
    assert_same_items(&got, &all, 0);
    assert_int_equal(got.evaluations, all.evaluations);
    assert_true(greatest_error(&got) == 0);
    ln_explanation_free(&all);
    ln_explanation_free(&got);
    check_request_bits("feature_permutation", "samples=1000 stop=0.1", request);
    ln_tensor_release(many);
    free_setting(&it);
}

static void a_background_is_needed(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_error err = {0};
    ln_request request = request_of(&it, false);
    const ln_explainer *explainer = ln_explainer_find("feature_permutation");
    parameters params = parameters_of(&explainer->word, "");
    request.params = params.bytes;
    request.group_count = INPUTS;
    request.row_ids = own_numbers;
    ln_job *job = NULL;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID,
                 "it compares with a background, and has none");
    assert_string_equal(err.field, "background");
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_give_their_mean),
        cmocka_unit_test(few_rows_estimate_it),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(a_background_is_needed),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
