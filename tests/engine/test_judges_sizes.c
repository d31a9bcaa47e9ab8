/* Judges that read the attribution alone: sparseness, complexity, completeness, and with a mask
 * relevance_mass, relevance_rank, pointing_game. By hand, against references, and masks themselves. */
#include "judging.h"

#include "judges/mask.h"

/* One item of n units. */
static verdict judge_one(const char *word, const float *attribution, int64_t n, const uint8_t *mask)
{
    ln_item item = {0};
    return judge_all(
        word, "",
        (ln_judged){
            .items = &item, .item_count = 1, .attribution = attribution, .units = n, .mask = mask},
        NULL);
}

static void check_hand(const char *word, const float *attribution, int64_t n, const uint8_t *mask,
                       double wanted)
{
    verdict got = judge_one(word, attribution, n, mask);
    assert_null(got.reasons[0]);
    assert_near_f64(got.values, &wanted, 1, 1e-15, 0);
}

static void check_undefined(const char *word, const float *attribution, int64_t n,
                            const uint8_t *mask, const char *reason)
{
    verdict got = judge_one(word, attribution, n, mask);
    assert_true(isnan(got.values[0]));
    assert_non_null(got.reasons[0]);
    assert_string_equal(got.reasons[0], reason);
}

static void sparseness_by_hand(void **state)
{
    (void)state;
    check_hand("sparseness", (float[]){1, 1, 1, 1}, 4, NULL, 0);
    check_hand("sparseness", (float[]){0, 0, -5, 0}, 4, NULL, 0.75); /* (n - 1) / n */
    check_hand("sparseness", (float[]){7}, 1, NULL, 0);
    /* 1, 2, 3: (-2 * 1 + 0 * 2 + 2 * 3) / (3 * 6) */
    check_hand("sparseness", (float[]){-2, 3, 1}, 3, NULL, 4.0 / 18);
    check_hand("sparseness", (float[]){-200, 300, 100}, 3, NULL, 4.0 / 18);
}

static void complexity_by_hand(void **state)
{
    (void)state;
    check_hand("complexity", (float[]){3, -3, 3, 3}, 4, NULL, log(4));
    check_hand("complexity", (float[]){0, -8, 0}, 3, NULL, 0);
    check_hand("complexity", (float[]){1, -2, 1}, 3, NULL, 1.5 * log(2)); /* 1/4, 1/2, 1/4 */
}

static void localisation_by_hand(void **state)
{
    (void)state;
    static const uint8_t mask[] = {0, 1, 0, 1, 0};
    static const float values[] = {-4, 3, 1, -2, 0}, tied[] = {2, -2, 2, 2, 0};
    check_hand("relevance_mass", values, 5, mask, 0.5);
    check_hand("relevance_rank", values, 5, mask, 0.5); /* 0 and 1 are the top two */
    check_hand("pointing_game", values, 5, mask, 0);
    check_hand("pointing_game", (float[]){-4, -5, 1, 2, 0}, 5, mask, 1);
    check_hand("relevance_mass", tied, 5, mask, 0.5);
    check_hand("relevance_rank", tied, 5, mask, 0.5); /* ties: 0 and 1 */
    check_hand("pointing_game", tied, 5, mask, 0);    /* ties: 0 */
    check_hand("relevance_mass", (float[]){0, 1, 0, 3, 0}, 5, mask, 1);
    check_hand("relevance_rank", (float[]){0, 1, 0, 3, 0}, 5, mask, 1);
    check_hand("relevance_mass", (float[]){9, 0, 1, 0, 2}, 5, mask, 0);
}

/* Nothing to say, nothing to find, or no number: never a score. */
static void empty_and_infinite_are_undefined(void **state)
{
    (void)state;
    static const uint8_t mask[] = {0, 1, 1}, none[] = {0, 0, 0};
    static const char *const words[] = {"sparseness", "complexity", "relevance_mass",
                                        "relevance_rank", "pointing_game"};
    for (int i = 0; i < 5; i++) {
        check_undefined(words[i], (float[]){0, -0.0F, 0}, 3, mask,
                        "the attribution is zero everywhere");
        check_undefined(words[i], (float[]){1, NAN, INFINITY}, 3, mask,
                        "the attribution holds NaN");
        check_undefined(words[i], (float[]){1, -INFINITY, 0}, 3, mask,
                        "the attribution holds an infinite number");
        if (i >= 2)
            check_undefined(words[i], (float[]){1, 2, 3}, 3, none, "the mask is empty");
    }
}

/* Masks row by row: item i reads that of its row. */
static void masks_belong_to_rows(void **state)
{
    (void)state;
    static const uint8_t masks[] = {1, 0, 0, 1, 0, 0};
    static const float values[] = {1, 3, 1, 3};
    ln_item items[] = {{.row = 1}, {.row = 0}};
    verdict got = judge_all("relevance_mass", "",
                            (ln_judged){.items = items,
                                        .item_count = 2,
                                        .attribution = values,
                                        .units = 2,
                                        .mask = masks,
                                        .mask_stride = 2},
                            NULL);
    assert_true(got.values[0] == 0.75 && got.values[1] == 0.25);
}

static void completeness_by_hand(void **state)
{
    (void)state;
    static const float values[] = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, INFINITY, 1, 2, 3, 1, 2, 3};
    static const double output[] = {10, 2, 5, 1, NAN, 1};
    static const double base[] = {4, 3, NAN, 0, 0, -INFINITY};
    static const char *const reasons[] = {
        NULL,
        NULL,
        "the method has no output at a baseline: it promises no sum",
        "the attribution holds an infinite number",
        "the explained output is not a finite number",
        "the output at the baseline is infinite"};
    ln_item items[6] = {0};
    verdict got = judge_all("completeness", "",
                            (ln_judged){.items = items,
                                        .item_count = 6,
                                        .attribution = values,
                                        .units = 3,
                                        .output = output,
                                        .baseline_output = base},
                            NULL);
    assert_true(got.values[0] == 0 && got.values[1] == 7);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(isnan(got.values[i]), reasons[i] != NULL);
        if (reasons[i])
            assert_string_equal(got.reasons[i], reasons[i]);
        else
            assert_null(got.reasons[i]);
    }
}

/* ---------------------------------------------------------------- references */

static void sizes_as_written_out_in_numpy(void **state)
{
    (void)state;
    ln_error err = {0};
    static const uint8_t masks[][6] = {{1, 0, 0, 1, 0, 1}, {0, 1, 1, 0, 0}, {0, 0, 0, 0, 1, 0}};
    static const char *const words[] = {"sparseness", "complexity", "relevance_mass",
                                        "relevance_rank", "pointing_game"};
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        ln_tensor *wide = reference_of(network->name, "input_x_gradient"), *values = NULL;
        assert_ok(ln_tensor_convert(wide, LN_F32, &values, &err));
        ln_item items[REFERENCE_ROWS] = {0};
        ln_judged judged = {.items = items,
                            .item_count = REFERENCE_ROWS,
                            .attribution = ln_f32(values),
                            .units = network->sizes[0],
                            .mask = masks[n]};
        for (int i = 0; i < 5; i++) {
            ln_tensor *wanted = reference_of(network->name, words[i]);
            verdict got = judge_all(words[i], "", judged, NULL);
            assert_near_f64(got.values, ln_f64(wanted), REFERENCE_ROWS, 1e-14, 1e-14);
            ln_tensor_release(wanted);
        }
        ln_tensor_release(wide);
        ln_tensor_release(values);
    }
}

/* What SciPy and scikit-image say of pairs of maps (tests/reference/randomisation_reference.py). */
static void similarities_as_scipy_and_scikit_image_have_them(void **state)
{
    (void)state;
    static const char *const similarities[] = {"spearman", "pearson", "ssim"};
    ln_tensor *a = reference("randomisation.a"), *b = reference("randomisation.b");
    ln_item items[6] = {0};
    for (int i = 0; i < 6; i++) {
        char name[64], given[64];
        snprintf(name, sizeof name, "randomisation.%s%s", similarities[i / 2],
                 i % 2 ? "-absolute" : "");
        snprintf(given, sizeof given, "similarity=\"%s\"%s", similarities[i / 2],
                 i % 2 ? " absolute=true" : "");
        ln_tensor *wanted = reference(name);
        verdict got = judge_all("parameter_randomisation", given,
                                (ln_judged){.items = items,
                                            .item_count = 6,
                                            .attribution = ln_f32(a),
                                            .other = ln_f32(b),
                                            .shape = TEST_SHAPE(2, 9, 11),
                                            .units = 198},
                                NULL);
        assert_near_f64(got.values, ln_f64(wanted), 6, 1e-12, 1e-12);
        ln_tensor_release(wanted);
    }
    ln_tensor_release(a);
    ln_tensor_release(b);
}

/* Maps that say nothing, or are none. */
static void likeness_is_undefined_with_a_reason(void **state)
{
    (void)state;
    static const float flat[] = {2, 2, 2, 2}, rising[] = {1, 2, 3, 4}, broken[] = {1, NAN, 3, 4};
    const struct {
        const float *a, *b;
        const char *given;
        ln_shape shape;
        const char *reason;
    } cases[] = {
        {flat, rising, "", {0}, "the attribution is the same everywhere"},
        {rising, flat, "", {0}, "the attribution of the randomised model is the same everywhere"},
        {rising, broken, "", {0}, "the attribution of the randomised model is not finite"},
        {rising, rising, "similarity=\"ssim\"", {0}, "ssim compares maps of two axes"},
        {rising, rising, "similarity=\"ssim\"", TEST_SHAPE(2, 2), "7 by 7 pixels or more"},
    };
    ln_item item = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        verdict got = judge_all("parameter_randomisation", cases[i].given,
                                (ln_judged){.items = &item,
                                            .item_count = 1,
                                            .attribution = cases[i].a,
                                            .other = cases[i].b,
                                            .shape = cases[i].shape,
                                            .units = 4},
                                NULL);
        assert_true(isnan(got.values[0]));
        assert_non_null(strstr(got.reasons[0], cases[i].reason));
    }
}

/* The residual of a coarse quadrature, from attribution to verdict. */
static void completeness_as_written_out_in_numpy(void **state)
{
    (void)state;
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        stored_rows it = open_stored(network);
        ln_tensor *wanted = reference_of(network->name, "completeness");
        ln_request request = stored_request(&it);
        request.baseline = it.one;
        ln_explanation made =
            explain("integrated_gradients", "steps=20 method=\"riemann_left\"", request, NULL);
        verdict got = judge_all("completeness", "",
                                (ln_judged){.items = it.items,
                                            .item_count = REFERENCE_ROWS,
                                            .attribution = made.values,
                                            .units = made.width,
                                            .output = made.output,
                                            .baseline_output = made.baseline_output},
                                NULL);
        assert_near_f64(got.values, ln_f64(wanted), REFERENCE_ROWS, 5e-6, 0);
        assert_true(ln_f64(wanted)[0] > 1e-3); /* something to see */
        ln_explanation_free(&made);
        ln_tensor_release(wanted);
        close_stored(&it);
    }
}

/* ---------------------------------------------------------------- masks */

static void check_mask(ln_tensor *given, const int32_t *element_of, int64_t width,
                       const int32_t *unit_of, int64_t units, const uint8_t *wanted)
{
    ln_error err = {0};
    ln_tensor *mask = NULL;
    assert_ok(ln_mask_make(given, element_of, width, unit_of, units, &mask, &err));
    assert_int_equal(mask->dtype, LN_U8);
    assert_int_equal(mask->shape.dims[0], given->shape.dims[0]);
    assert_int_equal(mask->shape.dims[1], units);
    assert_memory_equal(mask->data, wanted, (size_t)(given->shape.dims[0] * units));
    ln_tensor_release(mask);
    ln_tensor_release(given);
}

static void masks_go_from_elements_to_units(void **state)
{
    (void)state;
    ln_error err = {0};
    static const int32_t columns[] = {0, 1, 1, 2}, groups[] = {1, 0, 0, 1}, gap[] = {0, 2, 2, 3};
    check_mask(tensor_f32(TEST_SHAPE(1, 3), (float[]){0, -0.5F, 2}), NULL, 3, NULL, 3,
               (uint8_t[]){0, 1, 1});
    check_mask(tensor_i64(TEST_SHAPE(2, 4), (int64_t[]){1, 0, 0, 7, 0, -1, 2, 0}), NULL, 4, groups,
               2, (uint8_t[]){0, 1, 1, 0});
    check_mask(tensor_i64(TEST_SHAPE(1, 3), (int64_t[]){0, 1, 0}), columns, 4, NULL, 4,
               (uint8_t[]){0, 1, 1, 0});
    check_mask(tensor_i64(TEST_SHAPE(1, 3), (int64_t[]){0, 1, 0}), columns, 4, columns, 3,
               (uint8_t[]){0, 1, 0});
    check_mask(tensor_i64(TEST_SHAPE(1, 4), (int64_t[]){1, 1, 1, 1}), NULL, 4, gap, 4,
               (uint8_t[]){1, 0, 1, 1}); /* a unit without inputs is outside */
    ln_tensor *given = tensor_i64(TEST_SHAPE(1, 4), (int64_t[]){1, 0, 0, 0}), *mask = NULL;
    assert_fails(ln_mask_make(given, NULL, 4, groups, 2, &mask, &err), LN_EINVALID,
                 "group 1 lies partly in the mask");
    assert_null(mask);
    ln_tensor_release(given);
    given = tensor_f64(TEST_SHAPE(1, 2), (double[]){1, NAN});
    assert_fails(ln_mask_make(given, NULL, 2, NULL, 2, &mask, &err), LN_EINVALID, "holds NaN");
    assert_null(mask);
    ln_tensor_release(given);
}

static ln_status make_mask(void *context, ln_error *err)
{
    ln_tensor *mask = NULL;
    ln_status status = ln_mask_make(context, NULL, 4, NULL, 4, &mask, err);
    ln_tensor_release(mask);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    ln_tensor *given = tensor_i64(TEST_SHAPE(1, 4), (int64_t[]){1, 0, 0, 0});
    sweep_allocation_failures(make_mask, given);
    ln_tensor_release(given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparseness_by_hand),
        cmocka_unit_test(complexity_by_hand),
        cmocka_unit_test(localisation_by_hand),
        cmocka_unit_test(empty_and_infinite_are_undefined),
        cmocka_unit_test(masks_belong_to_rows),
        cmocka_unit_test(completeness_by_hand),
        cmocka_unit_test(similarities_as_scipy_and_scikit_image_have_them),
        cmocka_unit_test(likeness_is_undefined_with_a_reason),
        cmocka_unit_test(sizes_as_written_out_in_numpy),
        cmocka_unit_test(completeness_as_written_out_in_numpy),
        cmocka_unit_test(masks_go_from_elements_to_units),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("judges", tests, NULL, NULL);
}
