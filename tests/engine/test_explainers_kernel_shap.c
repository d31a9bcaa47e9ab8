/* kernel_shap: which coalitions are chosen, their fit, and its errors. */
#include "shapley_support.h"

#include "explainers/common/coalitions.h"

/* ---------------------------------------------------------------- the coalitions */

#define PLAYERS 13

/* Pairs of a choice among `count` of the bits 0, 5, 10 ... */
typedef struct chosen {
    ln_coalitions coalitions;
    int64_t player[PLAYERS];
    uint64_t masks[2 << PLAYERS];
    double weight[1 << PLAYERS], unseen[1 << PLAYERS];
    int32_t layer[1 << PLAYERS], slots[2 << PLAYERS];
    int64_t chosen[PLAYERS];
} chosen;

static void choose(chosen *it, int64_t count, int64_t capacity, ln_sampling sampling, uint64_t seed)
{
    it->coalitions = (ln_coalitions){.words = 1,
                                     .capacity = ln_coalitions_pairs(count, capacity),
                                     .masks = it->masks,
                                     .weight = it->weight,
                                     .unseen = it->unseen,
                                     .layer = it->layer,
                                     .slots = it->slots,
                                     .chosen = it->chosen};
    for (int64_t i = 0; i < count; i++)
        it->player[i] = 4 * i;
    ln_rng rng = ln_rng_make(seed, "test", 0, 0);
    ln_coalitions_choose(&it->coalitions, it->player, count, sampling, &rng);
}

static int by_mask(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Pairs are complements, all different, the first without the last player, of their layer's sizes. */
static void check_pairs(chosen *it, int64_t count)
{
    uint64_t all = 0;
    for (int64_t i = 0; i < count; i++)
        all |= (uint64_t)1 << it->player[i];
    int64_t pairs = it->coalitions.pairs;
    for (int64_t p = 0; p < pairs; p++) {
        uint64_t first = it->masks[2 * p];
        int size = __builtin_popcountll(first);
        assert_true(it->masks[2 * p + 1] == (all ^ first) && (first & all) == first);
        assert_false(first >> it->player[count - 1] & 1);
        assert_true(it->layer[p] == (size < count - size ? size : count - size));
        assert_true(p == 0 || it->layer[p] >= it->layer[p - 1]);
        assert_int_equal(it->unseen[p] == 0, p < it->coalitions.pairs_in_full);
    }
    qsort(it->masks, 2 * (size_t)pairs, sizeof(uint64_t), by_mask);
    for (int64_t m = 1; m < 2 * pairs; m++)
        assert_true(it->masks[m] != it->masks[m - 1]);
}

/* With a budget for all of them each coalition is there, weighted by the Shapley kernel. */
static void all_coalitions_have_the_kernels_weight(void **state)
{
    (void)state;
    static chosen it;
    for (int64_t n = 2; n <= PLAYERS; n++)
        for (int sampling = 0; sampling < 2; sampling++) {
            double kernel[PLAYERS] = {0}, sum = 0, binomial = 1;
            for (int64_t s = 1; s < n; s++) {
                binomial = binomial * (double)(n - s + 1) / (double)s;
                kernel[s] = 1 / (binomial * (double)s * (double)(n - s));
                sum += kernel[s] * binomial;
            }
            choose(&it, n, INT64_MAX, (ln_sampling)sampling, 1);
            assert_int_equal(it.coalitions.pairs, (1 << (n - 1)) - 1);
            assert_int_equal(it.coalitions.pairs_in_full, it.coalitions.pairs);
            for (int64_t p = 0; p < it.coalitions.pairs; p++)
                assert_near_f64(&it.weight[p], &(double){kernel[it.layer[p]] / sum}, 1, 0, 1e-12);
            check_pairs(&it, n);
        }
}

/* Over many draws each coalition's weight is the kernel's on average, whatever the layout. */
static void drawn_coalitions_are_unbiased(void **state)
{
    (void)state;
    enum { N = 7, DRAWS = 4000, CAPACITY = 13 };
    static chosen it;
    for (int sampling = 0; sampling < 2; sampling++) {
        double mean[1 << N] = {0}, drawn = 0;
        for (uint64_t seed = 0; seed < DRAWS; seed++) {
            choose(&it, N, CAPACITY, (ln_sampling)sampling, seed);
            assert_true(it.coalitions.pairs <= CAPACITY && it.coalitions.pairs >= CAPACITY - 1);
            drawn += (double)it.coalitions.pairs / DRAWS;
            for (int64_t p = 0; p < it.coalitions.pairs; p++) {
                int place = 0;
                for (int i = 0; i < N; i++)
                    place |= (int)(it.masks[2 * p] >> 4 * i & 1) << i;
                mean[place] += it.weight[p] / DRAWS;
            }
            check_pairs(&it, N);
        }
        assert_true(drawn > CAPACITY - 0.01);
        static const double binomial[] = {1, 7, 21, 35, 35, 21, 7};
        for (int mask = 1; mask < 1 << (N - 1); mask++) {
            int size = __builtin_popcount((unsigned)mask);
            double wanted =
                1 / (binomial[size] * size * (N - size)) / (2 * (1.0 / 6 + 1.0 / 10 + 1.0 / 12));
            if (!(fabs(mean[mask] / wanted - 1) < 0.25))
                fail_msg("coalition %d of size %d weighs %g on average, not %g", mask, size,
                         mean[mask], wanted);
        }
    }
}

/* ---------------------------------------------------------------- the values */

/* The difference to the exact values, and whether they say that they are exact. */
static void check_equal(ln_request request, const char *given, bool exact)
{
    ln_explanation wanted = explain("shapley_exact", "", request, NULL);
    ln_explanation got = explain("kernel_shap", given, request, NULL);
    size_t count = (size_t)(got.count * got.width);
    assert_near_f32(got.values, wanted.values, count, 1e-5, 1e-5);
    assert_same_bits(got.baseline_output, wanted.baseline_output,
                     (size_t)got.count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(got.errors[i] == 0, exact);
    ln_explanation_free(&wanted);
    ln_explanation_free(&got);
}

static void kernel_shap_over_all_coalitions_is_exact(void **state)
{
    (void)state;
    setting it = new_setting();
    static const int32_t groups[] = {0, 1, 1, 2, 0, 3, 3};
    for (int background = 0; background < 2; background++) {
        ln_request request = request_of(&it, background);
        check_equal(request, "samples=\"all\"", true);
        check_equal(request, "", true); /* 2M + 2048 are more than 126 */
        check_equal(request, "samples=126 sampling=\"leverage\"", true);
        request.groups = groups;
        request.group_count = 4;
        check_equal(request, "samples=\"all\"", true);
    }
    free_setting(&it);
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        check_stored(network, "kernel_shap", "samples=\"all\"", "shapley", 1, false);
        check_stored(network, "kernel_shap", "", "shapley-rows", REFERENCE_ROWS, false);
        check_stored(network, "kernel_shap", "", "shapley-groups", 1, true);
        check_stored(network, "kernel_shap", "", "shapley-background", -1, false);
    }
}

/* What is the same in the row and in all references is no player: exactly 0, and no coalitions. */
static void features_that_never_vary_get_nothing(void **state)
{
    (void)state;
    setting it = new_setting();
    static const int64_t varying[] = {7, 5, 2, 1, 0};
    static const int64_t evaluations[] = {1 + 20 * 11, 1 + 20 * 11, 1 + 2 * 11, 1, 1};
    for (int64_t row = 0; row < ROWS; row++) {
        ln_request request = request_of(&it, true);
        request.items = it.items + row;
        request.item_count = 1;
        ln_tensor *same = tensor_zero(LN_F32, it.background->shape);
        memcpy(same->data, it.background->data, same->bytes);
        for (int64_t i = varying[row]; i < 7; i++)
            for (int64_t b = 0; b < 11; b++)
                ln_f32(same)[b * 7 + i] = ln_f32(it.x)[row * 7 + i];
        request.background = same;
        ln_explanation got = explain("kernel_shap", "samples=20", request, NULL);
        double sum = 0;
        for (int64_t i = 0; i < 7; i++) {
            assert_true((got.values[i] == 0 && got.errors[i] == 0) || i < varying[row]);
            sum += (double)got.values[i];
        }
        double change = got.output[0] - got.baseline_output[0];
        assert_near_f64(&sum, &change, 1, 1e-6, 0);
        assert_int_equal(got.evaluations, 11 + evaluations[row]);
        ln_explanation_free(&got);
        ln_tensor_release(same);
    }
    free_setting(&it);
}

/* ---------------------------------------------------------------- few features */

/* Over all coalitions, where both have the same: what shap's KernelExplainer gives with each l1_reg
 * (L1 of shapley_reference.py). */
static void chosen_features_are_those_of_shap(void **state)
{
    (void)state;
    static const char *const given[] = {"features=1", "features=3", "features=5",
                                        "l1=\"aic\"", "l1=\"bic\"", "l1=0.0005",
                                        "l1=0.002",   "l1=0.01",    "l1=0.03"};
    for (int64_t n = 6; n <= 9; n += 3) {
        char options[64];
        one_row it;
        stored_row(&it, "kernel-l1", n);
        ln_tensor *wanted = reference_part("kernel-l1", n, "values");
        for (size_t rule = 0; rule < sizeof given / sizeof *given; rule++) {
            snprintf(options, sizeof options, "samples=\"all\" %s", given[rule]);
            ln_explanation got = explain("kernel_shap", options, it.request, NULL);
            for (int64_t i = 0; i < n; i++) {
                const double value = ln_f64(wanted)[(int64_t)rule * n + i];
                if (!(fabs((double)got.values[i] - value) <= 1e-6 + 1e-5 * fabs(value)))
                    fail_msg("M = %d, %s: feature %d is %g, shap has %g", (int)n, given[rule],
                             (int)i, (double)got.values[i], value);
                assert_int_equal(isnan(got.errors[i]), value == 0);
            }
            ln_explanation_free(&got);
        }
        ln_tensor_release(wanted);
        free_row(&it);
    }
}

/* Of a function of two features out of eight, from few coalitions: these two, exactly, whatever the rule;
 * and none where the penalty is larger than everything. */
static void a_sparse_function_is_found(void **state)
{
    (void)state;
    static const char *const given[] = {"samples=40 features=2", "samples=40 l1=\"bic\"",
                                        "samples=40 l1=\"aic\"", "samples=40 l1=0.001"};
    float weights[9] = {0, 0, 3, 0, 0, 0, -2, 0, 1};
    ln_model *model = network_of("dense", (int64_t[]){8, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 8), (float[]){1, 1, 1, 1, 1, 1, 1, 1});
    ln_item item = {0};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        ln_explanation got = explain("kernel_shap", given[i], request, NULL);
        for (int f = 0; f < 8; f++) {
            const double wanted = (double)weights[f], value = (double)got.values[f];
            assert_near_f64(&value, &wanted, 1, 1e-6, 0);
        }
        ln_explanation_free(&got);
    }
    ln_explanation none = explain("kernel_shap", "l1=100", request, NULL);
    for (int f = 0; f < 8; f++)
        assert_true(none.values[f] == 0 && isnan(none.errors[f]));
    ln_explanation_free(&none);
    check_refused("kernel_shap", "l1=0.1 features=3", request,
                  "l1 chooses features, and so does features = 3: expected one of them",
                  "features");
    ln_tensor_release(x);
    ln_model_release(model);
    /* Rows are four times the pairs, and 14 features of 28 coalitions leave enough of them: only a game
     * of two has too few. */
    ln_model *two = network_of("dense", (int64_t[]){2, 1}, (float[]){1, 2, 0}, LN_TASK_REGRESSION);
    x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 1});
    request.model = two;
    request.x = x;
    ln_explanation both = explain("kernel_shap", "l1=\"aic\"", request, NULL);
    const double sum = (double)both.values[0] + (double)both.values[1];
    assert_near_f64(&sum, &(double){3}, 1, 1e-6, 0);
    ln_explanation_free(&both);
    ln_tensor_release(x);
    ln_model_release(two);
}

/* ---------------------------------------------------------------- the estimate */

#define SEEDS 40

/* Over 40 seeds: the mean squared error, and the mean of what the standard errors say it is. */
static void estimate(int64_t n, const char *given, double *error, double *said)
{
    one_row it;
    stored_row(&it, "kernel", n);
    ln_tensor *wanted = reference_part("kernel", n, "exact");
    *error = *said = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        it.request.seed = seed;
        ln_explanation got = explain("kernel_shap", given, it.request, NULL);
        assert_true(got.evaluations <= 2 * n + 2048 + 2);
        for (int64_t i = 0; i < n; i++) {
            double off = (double)got.values[i] - ln_f64(wanted)[i];
            *error += off * off / (double)(n * SEEDS);
            *said += (double)got.errors[i] * (double)got.errors[i] / (double)(n * SEEDS);
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(wanted);
    free_row(&it);
}

/* Mean of shap's squared errors, one a seed: 300 of them, since over 40 that mean is off by a twelfth. */
static double of_shap(int64_t n)
{
    ln_tensor *errors = reference_part("kernel", n, "shap");
    int64_t seeds = errors->shape.dims[0];
    double sum = 0;
    for (int64_t i = 0; i < seeds; i++)
        sum += ln_f64(errors)[i] / (double)seeds;
    ln_tensor_release(errors);
    return sum;
}

/* Against shap's KernelExplainer with the same number of evaluations, over 40 seeds: paired, at most its
 * mean squared error at every M from 12 to 16; leverage, less of it in geometric mean; and both as close
 * to the exact values as their standard errors say. */
static void kernel_shap_is_closer_than_shap(void **state)
{
    (void)state;
    static const char *const given[] = {"sampling=\"paired\"", "sampling=\"leverage\""};
    for (int mode = 0; mode < 2; mode++) {
        double logs = 0;
        for (int64_t n = 12; n <= 16; n++) {
            double shap = of_shap(n), error, said;
            estimate(n, given[mode], &error, &said);
            if (mode == 0 && !(error <= shap))
                fail_msg("M = %d, %s: %g, where shap has %g", (int)n, given[mode], error, shap);
            if (!(said / error > 0.75 && said / error < 1.33))
                fail_msg("M = %d, %s: %g, said to be %g", (int)n, given[mode], error, said);
            logs += log(error / shap) / 5;
            print_message("M = %d, %s: mean squared error %.3f of shap's\n", (int)n, given[mode],
                          error / shap);
        }
        assert_true(exp(logs) < 0.8);
    }
}

/* ---------------------------------------------------------------- bits */

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    check_bits("kernel_shap", "");
    check_bits("kernel_shap", "samples=40");
    check_bits("kernel_shap", "samples=41 sampling=\"leverage\"");
    check_bits("kernel_shap", "samples=60 features=3");
    check_bits("kernel_shap", "samples=60 l1=\"aic\"");
    check_bits("kernel_shap", "samples=120 stop=0.01");
}

/* A row ends at the first look whose errors are small enough, with the bits that so many samples give, and
 * little more is evaluated than these. */
static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    enum { N = 14, FIRST = 2 * (128 + 2 * N) };
    static const char *const given[] = {"sampling=\"paired\"", "sampling=\"leverage\"",
                                        "features=6"};
    static const double enough[] = {0.012, 0.012, 0.05};
    ln_model *model = random_model(N, 3);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, N), 1);
    ln_tensor *background = tensor_random(TEST_SHAPE(2, N), 2);
    for (int k = 0; k < 9; k++) {
        char text[96];
        ln_item item = {.row = k % 3};
        const char *rest = given[k / 3];
        const double stop = enough[k / 3];
        ln_request request = {
            .model = model, .x = x, .items = &item, .item_count = 1, .background = background};
        snprintf(text, sizeof text, "%s samples=6000 stop=%g", rest, stop);
        ln_explanation got = explain("kernel_shap", text, request, NULL);
        snprintf(text, sizeof text, "%s ", rest);
        check_end_at_look("kernel_shap", text, request, &got, FIRST, stop, N);
        ln_explanation_free(&got);
        snprintf(text, sizeof text, "%s samples=701", rest);
        check_no_end("kernel_shap", text, request);
    }
    const ln_item items[] = {{0, 0}, {1, 0}, {2, 0}};
    check_request_bits(
        "kernel_shap", "samples=6000 stop=0.012",
        (ln_request){
            .model = model, .x = x, .items = items, .item_count = 3, .background = background});
    ln_tensor_release(x);
    ln_tensor_release(background);
    ln_model_release(model);
}

static void samples_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    one_row it;
    random_row(&it, 21);
    check_refused(
        "kernel_shap", "samples=\"all\"", it.request,
        "\"all\" are 2^M coalitions of M features, and here M is 21: expected at most 20; "
        "give a number, or put features together in groups",
        "samples");
    check_refused("kernel_shap", "samples=41", it.request,
                  "41 coalitions cannot tell 21 features apart: expected at least 2M = 42",
                  "samples");
    ln_explanation got = explain("kernel_shap", "samples=42", it.request, NULL);
    assert_int_equal(got.evaluations, 44);
    ln_explanation_free(&got);
    free_row(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_coalitions_have_the_kernels_weight),
        cmocka_unit_test(drawn_coalitions_are_unbiased),
        cmocka_unit_test(kernel_shap_over_all_coalitions_is_exact),
        cmocka_unit_test(features_that_never_vary_get_nothing),
        cmocka_unit_test(chosen_features_are_those_of_shap),
        cmocka_unit_test(a_sparse_function_is_found),
        cmocka_unit_test(kernel_shap_is_closer_than_shap),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(samples_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
