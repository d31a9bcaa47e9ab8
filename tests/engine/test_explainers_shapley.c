/* Shapley values: by hand, by brute force, against what captum and shap made, and their axioms. */
#include "shapley_support.h"

/* The small network of Captum's own suite. */
static ln_model *hand_model(void)
{
    static const float weights[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  -10,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, 1};
    return network_of("dense relu dense", (int64_t[]){3, 4, 2}, weights, LN_TASK_CLASSIFICATION);
}

static void shapley_exact_by_hand(void **state)
{
    (void)state;
    static const float x[] = {20, 50, 30}, small[] = {2, 10, 3};
    ln_model *model = hand_model();
    check_one("shapley_exact", "", model, LN_LINK_RAW, x, 0, NULL,
              (float[]){230.0F / 3, 590.0F / 3, 350.0F / 3}, 0);
    check_one("shapley_exact", "", model, LN_LINK_RAW, small, 0, NULL, (float[]){7, 32.5F, 10.5F},
              0);
    /* From a baseline that opens every unit the network is linear. */
    check_one("shapley_exact", "", model, LN_LINK_RAW, x, 0, (float[]){4, 4, 4},
              (float[]){64, 184, 104}, 0);
    ln_model_release(model);
    /* A product is shared half and half: relu(a + b - 1) at (1, 1) is their conjunction. */
    static const float both[] = {1, 1, -1};
    model = network_of("dense relu", (int64_t[]){2, 1}, both, LN_TASK_REGRESSION);
    check_one("shapley_exact", "", model, LN_LINK_RAW, (float[]){1, 1}, 0, NULL,
              (float[]){0.5F, 0.5F}, 0);
    ln_model_release(model);
    model = network_of("dense relu", (int64_t[]){1, 1}, (float[]){2, 1}, LN_TASK_REGRESSION);
    check_one("shapley_exact", "", model, LN_LINK_RAW, (float[]){3}, 0, NULL, (float[]){6}, 0);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- brute force */

/* Adds the marginal contributions along every order that begins with the first `set` of `order`;
 * how many orders there were. */
static int64_t along_orders(const double *value, int64_t n, int64_t *order, int64_t set,
                            double *sum)
{
    if (set == n) {
        int64_t seen = 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t with = seen | (int64_t)1 << order[k];
            sum[order[k]] += value[with] - value[seen];
            seen = with;
        }
        return 1;
    }
    int64_t orders = 0;
    for (int64_t k = set; k < n; k++) {
        int64_t chosen = order[k];
        order[k] = order[set];
        order[set] = chosen;
        orders += along_orders(value, n, order, set + 1, sum);
        order[set] = order[k];
        order[k] = chosen;
    }
    return orders;
}

static void brute_force_gives_the_same(void **state)
{
    (void)state;
    static double value[1 << MOST];
    for (int64_t n = 1; n <= MOST; n += n < 8 ? 1 : 2) {
        ln_model *model = random_model(n, 40 + (uint64_t)n);
        ln_tensor *x = tensor_random(TEST_SHAPE(1, n), 1), *base = tensor_random(x->shape, 2);
        double phi[MOST], sum[MOST] = {0};
        int64_t order[MOST];
        float wanted[MOST];
        all_values(model, ln_f32(x), ln_f32(base), n, value);
        by_counting(value, n, phi);
        for (int64_t i = 0; i < n; i++)
            order[i] = i;
        if (n <= 7) {
            double orders = (double)along_orders(value, n, order, 0, sum);
            for (int64_t i = 0; i < n; i++)
                phi[i] = sum[i] / orders;
        }
        for (int64_t i = 0; i < n; i++)
            wanted[i] = (float)phi[i];
        /* Outputs about 1 in float32, whose first layer is summed in another order. */
        check_one("shapley_exact", "", model, LN_LINK_RAW, ln_f32(x), 0, ln_f32(base), wanted,
                  6e-7);
        ln_tensor_release(x);
        ln_tensor_release(base);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- references */

static void shapley_exact_as_captum_and_shap_have_it(void **state)
{
    (void)state;
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        check_stored(network, "shapley_exact", "", "shapley", 1, false);
        check_stored(network, "shapley_exact", "", "shapley-rows", REFERENCE_ROWS, false);
        check_stored(network, "shapley_exact", "", "shapley-groups", 1, true);
        check_stored(network, "shapley_exact", "", "shapley-background", -1, false);
    }
}

/* ---------------------------------------------------------------- axioms */

/* The sum is f(x) - v(none) up to float32's rounding of the values, a dummy gets exactly 0. */
static void the_sum_is_the_change(void **state)
{
    (void)state;
    setting it = new_setting();
    for (int background = 0; background < 2; background++) {
        ln_explanation got = explain("shapley_exact", "", request_of(&it, background), NULL);
        for (int64_t i = 0; i < ROWS; i++) {
            ln_summary summary =
                ln_summarise(got.values + i * 7, 7, got.output[i], got.baseline_output[i]);
            assert_true(fabs(got.output[i] - got.baseline_output[i]) > 1e-2);
            assert_true(ln_residual_holds(&summary, got.output[i], got.baseline_output[i], 1e-7));
            assert_true(got.values[i * 7 + 6] == 0);
        }
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* Over a background the values are the mean of those from each of its rows. */
static void a_background_is_averaged_over(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it = new_setting();
    ln_explanation got = explain("shapley_exact", "", request_of(&it, true), NULL);
    double mean[ROWS * 7] = {0}, none = 0;
    for (int64_t b = 0; b < 11; b++) {
        ln_request request = request_of(&it, false);
        ln_tensor *row = NULL;
        assert_ok(ln_tensor_rows(it.background, b, 1, &row, &err));
        request.baseline = row;
        ln_explanation one = explain("shapley_exact", "", request, NULL);
        for (int i = 0; i < ROWS * 7; i++)
            mean[i] += (double)one.values[i] / 11;
        none += one.baseline_output[0] / 11;
        ln_explanation_free(&one);
        ln_tensor_release(row);
    }
    for (int i = 0; i < ROWS * 7; i++)
        assert_true(fabs((double)got.values[i] - mean[i]) < 1e-6);
    assert_near_f64(got.baseline_output, &none, 1, 1e-12, 0);
    assert_int_equal(got.evaluations, 11 + ROWS * (1 + 126 * 11));
    ln_explanation_free(&got);
    free_setting(&it);
}

/* ---------------------------------------------------------------- bits */

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    check_bits("shapley_exact", "");
}

/* ---------------------------------------------------------------- mistakes */

static void too_many_features_are_refused(void **state)
{
    (void)state;
    ln_model *model = random_model(21, 3);
    ln_tensor *x = tensor_random(TEST_SHAPE(1, 21), 1);
    ln_item item = {0};
    static const int32_t groups[21] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    check_refused("shapley_exact", "", request,
                  "shapley_exact evaluates all 2^M coalitions of M features, and here M is 21: "
                  "expected at most 20; put features together in groups",
                  "groups");
    request.groups = groups;
    request.group_count = 5;
    ln_explanation got = explain("shapley_exact", "", request, NULL);
    assert_int_equal(got.width, 5);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void references_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"shapley_exact", "kernel_shap", "shapley_sampling"};
    setting it = new_setting();
    ln_tensor *narrow = tensor_zero(LN_F32, TEST_SHAPE(4, 6));
    ln_tensor *none = tensor_zero(LN_F32, TEST_SHAPE(0, 7)),
              *one = tensor_random(TEST_SHAPE(1, 7), 1);
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        ln_request request = request_of(&it, true);
        request.background = narrow;
        check_refused(words[w], "", request,
                      "the background has shape (4, 6) and type f32: expected (K, 7) with a row or "
                      "more, f32",
                      "background");
        request.background = none;
        check_refused(words[w], "", request, "the background has shape (0, 7)", "background");
        request.background = it.background;
        request.baseline = one;
        check_refused(words[w], "", request, "there are a baseline and a background", "background");
    }
    ln_tensor_release(narrow);
    ln_tensor_release(none);
    ln_tensor_release(one);
    free_setting(&it);
}

/* More features than a word of a mask has bits, in groups of one and two: each gets what it adds to a
 * linear function, whatever is left of the last run of groups. */
static void masks_of_several_words(void **state)
{
    (void)state;
    enum { WIDE = 150 };
    ln_tensor *numbers = tensor_random(TEST_SHAPE(WIDE * 3 + 3 + 3 + 1), 4);
    ln_model *model =
        network_of("dense dense", (int64_t[]){WIDE, 3, 1}, ln_f32(numbers), LN_TASK_REGRESSION);
    ln_tensor *x = tensor_random(TEST_SHAPE(1, WIDE), 5), *base = tensor_random(x->shape, 6);
    ln_item item = {0};
    for (int64_t groups = WIDE; groups >= 75; groups -= 75) {
        static int32_t group_of[WIDE];
        static float wanted[WIDE];
        for (int64_t i = 0; i < WIDE; i++)
            group_of[i] = (int32_t)(i % groups);
        memset(wanted, 0, sizeof wanted);
        for (int64_t i = 0; i < WIDE; i++) {
            double weight = 0;
            for (int64_t h = 0; h < 3; h++)
                weight += (double)ln_f32(numbers)[h * WIDE + i] *
                          (double)ln_f32(numbers)[WIDE * 3 + 3 + h];
            wanted[group_of[i]] += (float)(weight * (double)(ln_f32(x)[i] - ln_f32(base)[i]));
        }
        static const char *const words[] = {"kernel_shap", "shapley_sampling"};
        for (int w = 0; w < 2; w++) {
            ln_request request = {.model = model,
                                  .x = x,
                                  .items = &item,
                                  .item_count = 1,
                                  .background = base,
                                  .groups = group_of,
                                  .group_count = groups};
            ln_explanation got =
                explain(words[w], w == 0 ? "samples=400" : "permutations=3", request, NULL);
            assert_near_f32(got.values, wanted, (size_t)groups, 3e-4, 1e-4);
            ln_explanation_free(&got);
        }
    }
    ln_tensor_release(numbers);
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapley_exact_by_hand),
        cmocka_unit_test(brute_force_gives_the_same),
        cmocka_unit_test(masks_of_several_words),
        cmocka_unit_test(shapley_exact_as_captum_and_shap_have_it),
        cmocka_unit_test(the_sum_is_the_change),
        cmocka_unit_test(a_background_is_averaged_over),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(too_many_features_are_refused),
        cmocka_unit_test(references_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
