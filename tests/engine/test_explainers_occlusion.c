/* Occlusion and its windows, and the random control. */
#include "networks.h"

#include "base/rng.h"
#include "explainers/common/windows.h"

/* ---------------------------------------------------------------- windows */

/* All inputs that a position covers, as text. */
static void check_position(const ln_windows *windows, int64_t position, const char *wanted)
{
    char text[128] = "";
    int64_t start, length;
    ln_runs runs = ln_runs_of(windows, position);
    while (ln_runs_next(&runs, &start, &length))
        for (int64_t i = start; i < start + length; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", text[0] ? " " : "",
                     (int)i);
    assert_string_equal(text, wanted);
}

static void windows_slide_and_are_cut(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_windows windows;
    ln_shape line = TEST_SHAPE(7), image = TEST_SHAPE(2, 3, 4);
    assert_ok(ln_windows_make(&line, &(ln_ints){1, {3}}, &(ln_ints){1, {3}}, &windows, &err));
    assert_int_equal(windows.count, 3); /* ceil(4 / 3) + 1 */
    check_position(&windows, 0, "0 1 2");
    check_position(&windows, 1, "3 4 5");
    check_position(&windows, 2, "6");

    assert_ok(ln_windows_make(&image, &(ln_ints){3, {1, 2, 3}}, &(ln_ints){3, {1, 2, 2}}, &windows,
                              &err));
    assert_int_equal(windows.count, 2 * 2 * 2);
    check_position(&windows, 0, "0 1 2 4 5 6");
    check_position(&windows, 1, "2 3 6 7"); /* cut at the right */
    check_position(&windows, 2, "8 9 10");  /* cut below */
    check_position(&windows, 7, "22 23");

    /* One number: all spatial axes and whole channels. */
    assert_ok(ln_windows_make(&image, &(ln_ints){1, {3}}, &(ln_ints){1, {1}}, &windows, &err));
    assert_int_equal(windows.count, 1 * 1 * 2);
    check_position(&windows, 1, "1 2 3 5 6 7 9 10 11 13 14 15 17 18 19 21 22 23");
    /* A single stride leaves no channel out. */
    assert_ok(
        ln_windows_make(&image, &(ln_ints){3, {1, 2, 2}}, &(ln_ints){1, {2}}, &windows, &err));
    assert_int_equal(windows.count, 2 * 2 * 2);
}

static void windows_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_windows windows;
    ln_shape image = TEST_SHAPE(1, 3, 4), line = TEST_SHAPE(7);
    const ln_ints one = {1, {1}};
    assert_fails(
        ln_windows_make(&image, &(ln_ints){2, {2, 2}}, &one, &windows, &err), LN_EINVALID,
        "found 2 numbers: expected one for all spatial axes, or one an axis of the input's "
        "shape without N, (1, 3, 4)");
    assert_string_equal(err.field, "window");
    assert_fails(ln_windows_make(&image, &(ln_ints){1, {4}}, &one, &windows, &err), LN_EINVALID,
                 "the window is 4 along axis 1 of the input, which has 3 there: expected 1 to 3");
    assert_string_equal(err.field, "window");
    assert_fails(ln_windows_make(&line, &(ln_ints){0, {0}}, &one, &windows, &err), LN_EINVALID,
                 "found 0 numbers");
    assert_fails(ln_windows_make(&line, &(ln_ints){1, {0}}, &one, &windows, &err), LN_EINVALID,
                 "expected 1 to 7");
    assert_fails(ln_windows_make(&line, &(ln_ints){1, {2}}, &(ln_ints){1, {3}}, &windows, &err),
                 LN_EINVALID, "the stride is 3 along axis 0, where the window is 2");
    assert_string_equal(err.field, "stride");
    assert_fails(ln_windows_make(&line, &(ln_ints){1, {2}}, &(ln_ints){1, {0}}, &windows, &err),
                 LN_EINVALID, "the stride is 0");
    assert_fails(
        ln_windows_make(&image, &(ln_ints){3, {1, 2, 2}}, &(ln_ints){2, {1, 1}}, &windows, &err),
        LN_EINVALID, "found 2 numbers");
    assert_string_equal(err.field, "stride");
}

/* ---------------------------------------------------------------- occlusion */

/* The small network of Captum's own suite, with the values of its tests. */
static void occlusion_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  -10,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, 1};
    static const float x[] = {20, 50, 30}, ten[] = {10, 10, 10};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){3, 4, 2}, weights, LN_TASK_CLASSIFICATION);
    check_one("occlusion", "window=1", model, LN_LINK_RAW, x, 0, NULL, (float[]){80, 200, 120}, 0);
    check_one("occlusion", "window=2", model, LN_LINK_RAW, x, 0, ten, (float[]){200, 220, 240}, 0);
    check_one("occlusion", "window=2 stride=2", model, LN_LINK_RAW, x, 0, NULL,
              (float[]){280, 280, 120}, 0);
    ln_model_release(model);
}

static void occlusions_as_captum_has_them(void **state)
{
    (void)state;
    static const int64_t grids[][3] = {{1, 2, 3}, {1, 1, 5}, {1, 3, 2}};
    static const char *const grid_given[] = {
        "window=1,2,2 stride=1,1,2", "window=1,1,2 stride=1,1,2", "window=1,2,2 stride=1,1,2"};
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        stored_rows it = open_stored(network);
        const int64_t width = it.model->width;
        const struct {
            const char *name, *given;
            const ln_tensor *baseline;
            ln_shape shape;
        } cases[] = {{"occlusion", "window=2", NULL, TEST_SHAPE(width)},
                     {"occlusion-stride", "window=3 stride=2", it.baselines, TEST_SHAPE(width)},
                     {"occlusion-grid", grid_given[n], it.one, ln_shape_of(3, grids[n])}};
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            ln_tensor *wanted = reference_of(network->name, cases[c].name);
            ln_request request = stored_request(&it);
            request.baseline = cases[c].baseline;
            request.input_shape = cases[c].shape;
            ln_explanation got = explain("occlusion", cases[c].given, request, NULL);
            for (int64_t i = 0; i < REFERENCE_ROWS * width; i++) {
                double value = (double)got.values[i], number = ln_f64(wanted)[i];
                if (!(fabs(value - number) <= 5e-6 + 1e-5 * fabs(number)))
                    fail_msg("%s, %s: element %d is %.9g, the reference says %.9g", network->name,
                             cases[c].name, (int)i, value, number);
            }
            ln_explanation_free(&got);
            ln_tensor_release(wanted);
        }
        close_stored(&it);
    }
}

static void occlusion_needs_an_array_and_a_window(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(&reference_networks[0]);
    ln_tensor *x = reference_of("relu", "x");
    ln_item item = {0};
    const ln_explainer *explainer = ln_explainer_find("occlusion");
    parameters params = parameters_of(&explainer->word, "window=2");
    ln_request request = completed(
        explainer,
        (ln_request){.model = model, .x = x, .items = &item, .item_count = 1, .params = &params});
    ln_job *job = NULL;
    request.input_shape = TEST_SCALAR;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EUNSUPPORTED,
                 "the columns of a table have no order: feature_ablation");
    request.input_shape = TEST_SHAPE(2, 2);
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID,
                 "the input's shape does not fit");
    request.input_shape = TEST_SHAPE(2, 3);
    params = parameters_of(&explainer->word, "window=4");
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID, "axis 1");
    assert_string_equal(err.field, "window");
    params = parameters_of(&explainer->word, "window=2,2 stride=3");
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID, "stride is 3");
    assert_string_equal(err.field, "stride");
    assert_null(job);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- the control */

#define DRAWN 60

static ln_explanation draw(ln_model *model, const ln_tensor *x, uint64_t seed, uint64_t stream,
                           const int64_t *row_ids, int64_t target)
{
    ln_item items[DRAWN];
    for (int64_t i = 0; i < DRAWN; i++)
        items[i] = (ln_item){.row = i, .target = target};
    return explain("random_attribution", "",
                   (ln_request){.model = model,
                                .x = x,
                                .row_ids = row_ids,
                                .items = items,
                                .item_count = DRAWN,
                                .seed = seed,
                                .stream = stream},
                   NULL);
}

static double correlation(const ln_explanation *a, const ln_explanation *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < a->count * a->width; i++) {
        ab += (double)a->values[i] * (double)b->values[i];
        aa += (double)a->values[i] * (double)a->values[i];
        bb += (double)b->values[i] * (double)b->values[i];
    }
    return ab / sqrt(aa * bb);
}

/* Draws depend on seed, stream and the row's number in the data set, and on nothing else. */
static void random_draws_are_keyed(void **state)
{
    (void)state;
    ln_model *model = reference_model(&reference_networks[0]);
    ln_tensor *x = tensor_random(TEST_SHAPE(DRAWN, 6), 1), *y = tensor_random(x->shape, 2);
    int64_t shifted[DRAWN];
    for (int i = 0; i < DRAWN; i++)
        shifted[i] = i + 10;
    ln_explanation first = draw(model, x, 7, 0, NULL, 0), same = draw(model, y, 7, 0, NULL, 2);
    ln_explanation others[] = {draw(model, x, 8, 0, NULL, 0), draw(model, x, 7, 1, NULL, 0),
                               draw(model, x, 7, 0, shifted, 0)};
    assert_same_bits(same.values, first.values, DRAWN * 6 * sizeof(float));
    for (int i = 0; i < 3; i++)
        assert_true(fabs(correlation(&first, &others[i])) < 0.2);
    assert_same_bits(others[2].values, first.values + 10 * 6, (DRAWN - 10) * 6 * sizeof(float));
    assert_null(first.errors);
    double sum = 0, squares = 0, n = DRAWN * 6;
    for (int i = 0; i < DRAWN * 6; i++) {
        sum += (double)first.values[i];
        squares += (double)first.values[i] * (double)first.values[i];
    }
    assert_true(fabs(sum / n) < 4 / sqrt(n) && fabs(squares / n - 1) < 4 * sqrt(2 / n));
    for (int i = 0; i < 3; i++)
        ln_explanation_free(&others[i]);
    ln_explanation_free(&first);
    ln_explanation_free(&same);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_model_release(model);
}

/* The first numbers of a key, as Philox and Box-Muller give them. */
static void random_attribution_by_hand(void **state)
{
    (void)state;
    ln_model *model = reference_model(&reference_networks[0]);
    ln_tensor *x = reference_of("relu", "x");
    ln_item item = {.row = 4, .target = 1};
    ln_request request = {.model = model,
                          .x = x,
                          .items = &item,
                          .item_count = 1,
                          .groups = reference_networks[0].groups,
                          .group_count = 3,
                          .seed = 3,
                          .stream = 5};
    ln_explanation got = explain("random_attribution", "", request, NULL);
    ln_rng rng = ln_rng_make(3, "random_attribution", 5, 4);
    assert_int_equal(got.width, 3); /* one a group */
    for (int u = 0; u < 3; u++) {
        float wanted = (float)ln_rng_normal(&rng);
        assert_same_bits(&got.values[u], &wanted, sizeof wanted);
    }
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_slide_and_are_cut),
        cmocka_unit_test(windows_that_do_not_fit_are_refused),
        cmocka_unit_test(occlusion_by_hand),
        cmocka_unit_test(occlusions_as_captum_has_them),
        cmocka_unit_test(occlusion_needs_an_array_and_a_window),
        cmocka_unit_test(random_draws_are_keyed),
        cmocka_unit_test(random_attribution_by_hand),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
