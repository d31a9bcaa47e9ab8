/* shapley_sampling and permutation_shap: the orders that are walked, and how far they are off. */
#include "shapley_support.h"

#include "base/rng.h"

#define INPUTS 7

/* What one walk along `order` adds for each input, by the values of all coalitions. */
static void walk_along(const double *value, const int64_t *order, bool backwards, double share,
                       double *sum)
{
    int64_t seen = 0;
    for (int64_t k = 0; k < INPUTS; k++) {
        int64_t input = order[backwards ? INPUTS - 1 - k : k], with = seen | (int64_t)1 << input;
        sum[input] += share * (value[with] - value[seen]);
        seen = with;
    }
}

/* The orders of a key, walked here, with their standard error. */
static void orders_by_hand(void **state)
{
    (void)state;
    static const float zero[INPUTS] = {0};
    static double value[1 << INPUTS];
    setting it = new_setting();
    for (int antithetic = 0; antithetic < 2; antithetic++) {
        ln_request request = request_of(&it, false);
        request.seed = 11;
        request.stream = 2;
        ln_explanation got = explain(
            "shapley_sampling", antithetic ? "permutations=40 antithetic=true" : "permutations=20",
            request, NULL);
        for (int64_t row = 0; row < ROWS; row++) {
            double walks[20][INPUTS] = {{0}};
            ln_rng rng = ln_rng_make(11, "shapley_sampling", 2, (uint64_t)row);
            all_values(it.model, ln_f32(it.x) + row * INPUTS, zero, INPUTS, value);
            for (int w = 0; w < 20; w++) {
                int64_t order[INPUTS] = {0, 1, 2, 3, 4, 5, 6};
                uint32_t word[INPUTS - 1];
                for (int k = 0; k < INPUTS - 1;
                     k++) /* word k says who of the first k + 2 is last */
                    word[k] = ln_rng_u32(&rng);
                for (int left = INPUTS; left > 1; left--) {
                    const int chosen = (int)((uint64_t)word[left - 2] * (uint64_t)left >> 32);
                    const int64_t moved = order[chosen];
                    order[chosen] = order[left - 1];
                    order[left - 1] = moved;
                }
                walk_along(value, order, false, antithetic ? 0.5 : 1, walks[w]);
                if (antithetic)
                    walk_along(value, order, true, 0.5, walks[w]);
            }
            for (int i = 0; i < INPUTS; i++) {
                double mean = 0, spread = 0;
                for (int w = 0; w < 20; w++)
                    mean += walks[w][i] / 20;
                for (int w = 0; w < 20; w++)
                    spread += (walks[w][i] - mean) * (walks[w][i] - mean) / (20 * 19);
                float wanted = (float)mean, error = (float)sqrt(spread);
                /* Outputs about 1 in float32, whose first layer is summed in another order. */
                assert_near_f32(&got.values[row * INPUTS + i], &wanted, 1, 6e-7, 1e-6);
                assert_near_f32(&got.errors[row * INPUTS + i], &error, 1, 6e-7, 1e-5);
            }
        }
        assert_int_equal(got.evaluations, 1 + ROWS * (1 + (antithetic ? 40 : 20) * 6));
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* Whatever the number of orders the sum is the change, and an input that is not read gets 0. */
static void the_sum_is_the_change(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"shapley_sampling", "permutations=1"},
                                           {"shapley_sampling", "permutations=6 antithetic=true"},
                                           {"permutation_shap", "evaluations=31"}};
    setting it = new_setting();
    for (size_t c = 0; c < 3; c++) {
        ln_explanation got = explain(cases[c][0], cases[c][1], request_of(&it, true), NULL);
        for (int64_t i = 0; i < ROWS; i++) {
            ln_summary summary = ln_summarise(got.values + i * INPUTS, INPUTS, got.output[i],
                                              got.baseline_output[i]);
            assert_true(ln_residual_holds(&summary, got.output[i], got.baseline_output[i], 1e-7));
            assert_true(got.values[i * INPUTS + 6] == 0);
            for (int64_t f = 0; f < INPUTS; f++) /* one order says nothing of its error */
                assert_int_equal(isnan(got.errors[i * INPUTS + f]), c == 0);
        }
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* Hidden units that read two inputs each: features interact by twos, and there one order, walked both
 * ways, is exact. */
static void interactions_of_two_cancel(void **state)
{
    (void)state;
    static const float weights[] = {1, -2, 0, 0,    0,  1.5F, 1,     0, 0,  0, -1, 2,     1,
                                    0, 0,  1, 0.5F, -1, 0,    0.25F, 2, -1, 1, 1,  0.125F};
    ln_model *model =
        network_of("dense tanh dense", (int64_t[]){4, 4, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_random(TEST_SHAPE(6, 4), 3), *background = tensor_random(x->shape, 4);
    ln_item items[6];
    for (int i = 0; i < 6; i++)
        items[i] = (ln_item){.row = i};
    ln_request request = {
        .model = model, .x = x, .items = items, .item_count = 6, .background = background};
    ln_explanation wanted = explain("shapley_exact", "", request, NULL);
    ln_explanation one = explain("permutation_shap", "evaluations=9", request, NULL);
    ln_explanation many = explain("permutation_shap", "", request, NULL);
    ln_explanation both =
        explain("shapley_sampling", "permutations=2 antithetic=true", request, NULL);
    ln_explanation single = explain("shapley_sampling", "permutations=2", request, NULL);
    double off = 0;
    for (int i = 0; i < 24; i++)
        off += fabs((double)single.values[i] - (double)wanted.values[i]);
    assert_true(off > 0.1); /* which walks one way are not */
    assert_near_f32(one.values, wanted.values, 24, 2e-6, 1e-6);
    assert_near_f32(many.values, wanted.values, 24, 2e-6, 1e-6);
    assert_near_f32(both.values, wanted.values, 24, 2e-6, 1e-6);
    assert_int_equal(one.evaluations, 6 + 6 * (1 + 6 * 6));
    assert_int_equal(many.evaluations, 6 + 6 * (1 + 500 / 9 * 6 * 6));
    ln_explanation *made[] = {&wanted, &one, &many, &both, &single};
    for (int i = 0; i < 5; i++)
        ln_explanation_free(made[i]);
    ln_tensor_release(x);
    ln_tensor_release(background);
    ln_model_release(model);
}

/* Over many seeds: no bias, and errors as large as they say. The mean squared error. */
static double check_estimate(const char *word, const char *given)
{
    enum { DRAWS = 300 };
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    ln_explanation wanted = explain("shapley_exact", "", request, NULL);
    double bias[ROWS * INPUTS] = {0}, said = 0, squares = 0;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        request.seed = seed;
        ln_explanation got = explain(word, given, request, NULL);
        for (int i = 0; i < ROWS * INPUTS; i++) {
            double off = (double)got.values[i] - (double)wanted.values[i];
            bias[i] += off / DRAWS;
            squares += off * off / (DRAWS * ROWS * INPUTS);
            said += (double)got.errors[i] * (double)got.errors[i] / (DRAWS * ROWS * INPUTS);
        }
        ln_explanation_free(&got);
    }
    double chi = 0; /* one in expectation */
    for (int i = 0; i < ROWS * INPUTS; i++)
        chi += bias[i] * bias[i] / (squares / DRAWS) / (ROWS * INPUTS);
    if (!(chi < 2) || !(said / squares > 0.85 && said / squares < 1.18))
        fail_msg("%s { %s }: squared error %g, said to be %g; bias %g of its noise", word, given,
                 squares, said, chi);
    ln_explanation_free(&wanted);
    free_setting(&it);
    return squares;
}

static void estimates_are_as_close_as_they_say(void **state)
{
    (void)state;
    double plain = check_estimate("shapley_sampling", "permutations=12");
    double both = check_estimate("shapley_sampling", "permutations=12 antithetic=true");
    check_estimate("permutation_shap", "evaluations=90");
    assert_true(both < 0.5 * plain); /* for the same evaluations */
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    check_bits("shapley_sampling", "permutations=7");
    check_bits("shapley_sampling", "permutations=200 antithetic=true");
    check_bits("permutation_shap", "evaluations=50");
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    setting it = new_setting();
    check_refused("shapley_sampling", "antithetic=true", request_of(&it, true),
                  "antithetic orders come in pairs, and there are 25: expected an even number",
                  "permutations");
    check_refused("permutation_shap", "evaluations=14", request_of(&it, true),
                  "14 evaluations are less than one order of 7 features takes: expected at least "
                  "2M + 1 = 15",
                  "evaluations");
    free_setting(&it);
}

/* A row ends at the first tenth walk whose errors are small enough: the same as if it had been asked for
 * so many, and not before. */
static void walks_stop_where_errors_are_small(void **state)
{
    (void)state;
    setting it = new_setting();
    for (int64_t row = 0; row < ROWS; row++) {
        ln_request request = request_of(&it, false);
        request.items = it.items + row;
        request.item_count = 1;
        ln_explanation got =
            explain("shapley_sampling", "permutations=5000 stop=0.05", request, NULL);
        int64_t walks = (got.evaluations - 2) / 6;
        if (!(walks % 10 == 0 && walks > 10 && walks < 5000))
            fail_msg("row %d: %d walks", (int)row, (int)walks);
        check_end("shapley_sampling", "permutations=", request, &got, walks, 10, 0.05);
        ln_explanation_free(&got);
    }
    assert_int_equal(check_no_end("permutation_shap", "evaluations=300", request_of(&it, true)), 0);
    check_request_bits("shapley_sampling", "permutations=5000 stop=0.05", request_of(&it, false));
    check_request_bits("permutation_shap", "evaluations=9000 stop=0.05", request_of(&it, true));
    check_refused("permutation_shap", "evaluations=164 stop=0.05", request_of(&it, true),
                  "stop first looks at the errors after 10 orders, and 164 evaluations are 10 of 7 "
                  "features: expected at least 11 (2M + 1) = 165",
                  "evaluations");
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_stop_where_errors_are_small),
        cmocka_unit_test(orders_by_hand),
        cmocka_unit_test(the_sum_is_the_change),
        cmocka_unit_test(interactions_of_two_cancel),
        cmocka_unit_test(estimates_are_as_close_as_they_say),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
