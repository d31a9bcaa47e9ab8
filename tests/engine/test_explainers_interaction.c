/* shapley_interaction: against its definition over all coalitions, sums, games known by hand, its errors. */
#include "shapley_support.h"

#define MOST 12

/* I_ij / 2 and what is left to each player, by the definition, from the values of all coalitions. */
static void by_definition(int64_t n, const double *value, double *matrix)
{
    double weight[MOST] = {0}, single[MOST] = {0}, binomial = 1;
    for (int64_t s = 0; s + 1 < n; s++) { /* s! (n - s - 2)! / (n - 1)! */
        weight[s] = 1 / ((double)(n - 1) * binomial);
        binomial = binomial * (double)(n - 2 - s) / (double)(s + 1);
    }
    binomial = 1;
    for (int64_t s = 0; s < n; s++) { /* s! (n - s - 1)! / n! */
        single[s] = 1 / ((double)n * binomial);
        binomial = binomial * (double)(n - 1 - s) / (double)(s + 1);
    }
    for (int64_t i = 0; i < n; i++) {
        double own = 0;
        for (int64_t set = 0; set < (int64_t)1 << n; set++)
            if (!(set >> i & 1))
                own += single[__builtin_popcountll((unsigned long long)set)] *
                       (value[set | (int64_t)1 << i] - value[set]);
        for (int64_t j = 0; j < n; j++) {
            const int64_t a = (int64_t)1 << i, b = (int64_t)1 << j;
            double sum = 0;
            for (int64_t set = 0; set < (int64_t)1 << n && j != i; set++)
                if (!(set & (a | b)))
                    sum += weight[__builtin_popcountll((unsigned long long)set)] *
                           (value[set | a | b] - value[set | a] - value[set | b] + value[set]);
            matrix[i * n + j] = sum / 2;
            own -= sum / 2;
        }
        matrix[i * n + i] = own;
    }
}

static void check_matrix(const ln_explanation *got, int64_t entry, int64_t n, const double *wanted,
                         double slack)
{
    for (int64_t i = 0; i < n * n; i++) {
        const double value = (double)got->values[entry * n * n + i];
        if (!(fabs(value - wanted[i]) <= slack))
            fail_msg("M = %d: (%d, %d) is %.9g, the definition says %.9g", (int)n, (int)(i / n),
                     (int)(i % n), value, wanted[i]);
    }
}

/* From 1 to 12 features, with the default, which are all coalitions of 11, and with "all". */
static void all_coalitions_give_the_definition(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= MOST; n++) {
        static double value[1 << MOST], wanted[MOST * MOST];
        ln_model *model = random_model(n, (uint64_t)n);
        ln_tensor *x = tensor_random(TEST_SHAPE(1, n), 40 + (uint64_t)n);
        ln_tensor *base = tensor_random(TEST_SHAPE(1, n), 60 + (uint64_t)n);
        ln_item item = {0};
        ln_request request = {
            .model = model, .x = x, .items = &item, .item_count = 1, .baseline = base};
        all_values(model, ln_f32(x), ln_f32(base), n, value);
        by_definition(n, value, wanted);
        for (int way = n > 11; way < 2; way++) {
            ln_explanation got =
                explain("shapley_interaction", way ? "samples=\"all\"" : "", request, NULL);
            assert_int_equal(got.width, n * n);
            assert_int_equal(got.evaluations, (int64_t)1 << n);
            check_matrix(&got, 0, n, wanted, 2e-6);
            for (int64_t i = 0; i < n * n; i++)
                assert_true(got.errors[i] == 0);
            ln_explanation_free(&got);
        }
        ln_tensor_release(x);
        ln_tensor_release(base);
        ln_model_release(model);
    }
}

/* Rows sum to the Shapley values, over a background and with groups too; all to the change of the output. Input
 * 6 is not read by the network: it does nothing alone, and nothing with others. */
static void rows_sum_to_shapley_values(void **state)
{
    (void)state;
    setting it = new_setting();
    static const int32_t groups[] = {0, 1, 1, 2, 0, 3, 3};
    for (int mode = 0; mode < 4; mode++) {
        ln_request request = request_of(&it, mode % 2);
        request.groups = mode > 1 ? groups : NULL;
        request.group_count = 4;
        ln_explanation exact = explain("shapley_exact", "", request, NULL);
        ln_explanation got = explain("shapley_interaction", "", request, NULL);
        const int64_t n = exact.width;
        assert_int_equal(got.width, n * n);
        for (int64_t entry = 0; entry < ROWS; entry++) {
            double all = 0;
            for (int64_t i = 0; i < n; i++) {
                double sum = 0;
                for (int64_t j = 0; j < n; j++) {
                    const float *row = got.values + entry * n * n;
                    sum += (double)row[i * n + j];
                    assert_true(row[i * n + j] == row[j * n + i]);
                    if (mode < 2 && j == 6)
                        assert_true(fabsf(row[i * n + j]) < 1e-7F);
                }
                assert_near_f64(&sum, &(double){(double)exact.values[entry * n + i]}, 1, 2e-6, 0);
                all += sum;
            }
            const double change = got.output[entry] - got.baseline_output[entry];
            assert_near_f64(&all, &change, 1, 2e-6, 0);
        }
        ln_explanation_free(&exact);
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* The sum holds at any rate, and an input that does not vary has exactly nothing. */
static void samples_keep_the_sum(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    ln_tensor *same = tensor_zero(LN_F32, it.background->shape);
    memcpy(same->data, it.background->data, same->bytes);
    for (int64_t b = 0; b < 11; b++)
        ln_f32(same)[b * 7 + 2] = ln_f32(it.x)[3 * 7 + 2]; /* the same in row 3 */
    request.background = same;
    ln_explanation got = explain("shapley_interaction", "samples=40", request, NULL);
    for (int64_t entry = 0; entry < ROWS; entry++) {
        double all = 0;
        for (int64_t i = 0; i < 49; i++)
            all += (double)got.values[entry * 49 + i];
        const double change = got.output[entry] - got.baseline_output[entry];
        assert_near_f64(&all, &change, 1, 2e-6, 0);
    }
    for (int64_t i = 0; i < 7; i++) {
        const int64_t at[] = {3 * 49 + 2 * 7 + i, 3 * 49 + i * 7 + 2};
        for (int k = 0; k < 2; k++)
            assert_true(got.values[at[k]] == 0 && got.errors[at[k]] == 0);
    }
    ln_explanation_free(&got);
    ln_tensor_release(same);
    free_setting(&it);
}

/* x0 + 2 x1 + relu(x0 + x1 - 1) at (1, 1) from 0: the pair is worth 1, half on each side, and alone they are
 * worth 1 and 2. */
static void a_pair_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 0, 0, 1, 1, 1, 0, 0, -1, 1, 2, 1, 0};
    static const float wanted[] = {1, 0.5F, 0.5F, 2};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){2, 3, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 1});
    ln_item item = {0};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("shapley_interaction", "", request, NULL);
    assert_near_f32(got.values, wanted, 4, 1e-6, 0);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- the estimate */

/* Sum over pairs of w relu(z_i + z_j - 1) and a linear part, at ones from zeros: no more than two inputs a
 * term. */
static ln_model *pairs_model(int64_t n, const float *pair, const float *alone)
{
    const int64_t terms = n * (n - 1) / 2, hidden = terms + n;
    float *numbers = calloc((size_t)(hidden * n + hidden + hidden + 1), sizeof *numbers);
    assert_non_null(numbers);
    float *bias = numbers + hidden * n, *out = bias + hidden;
    int64_t term = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++, term++) {
            numbers[term * n + i] = numbers[term * n + j] = 1;
            bias[term] = -1;
            out[term] = pair[term];
        }
    for (int64_t i = 0; i < n; i++) {
        numbers[(terms + i) * n + i] = 1;
        out[terms + i] = alone[i];
    }
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){n, hidden, 1}, numbers, LN_TASK_REGRESSION);
    free(numbers);
    return model;
}

/* Of pairs alone everything is found from a sixteenth of the coalitions, and known to be. */
static void pairs_are_found_from_few_coalitions(void **state)
{
    (void)state;
    enum { N = 14, TERMS = N * (N - 1) / 2 };
    ln_tensor *numbers = tensor_random(TEST_SHAPE(TERMS + N), 8);
    const float *pair = ln_f32(numbers), *alone = pair + TERMS;
    ln_model *model = pairs_model(N, pair, alone);
    float ones[N];
    for (int i = 0; i < N; i++)
        ones[i] = 1;
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, N), ones);
    ln_item item = {0};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("shapley_interaction", "samples=1000", request, NULL);
    for (int i = 0, term = 0; i < N; i++) {
        assert_near_f32(got.values + i * N + i, alone + i, 1, 1e-5, 0);
        for (int j = i + 1; j < N; j++, term++) {
            const float half = pair[term] / 2;
            assert_near_f32(got.values + i * N + j, &half, 1, 1e-5, 0);
            assert_true(got.errors[i * N + j] < 1e-5F);
        }
    }
    ln_explanation_free(&got);
    ln_tensor_release(numbers);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Over 60 seeds, without the fit of pairs, with hardly enough coalitions for it, and with many: the mean is the
 * definition's within what its errors allow, and the squared errors, of the pairs and of the diagonal, are as
 * large as they say. */
static void estimates_are_as_close_as_they_say(void **state)
{
    (void)state;
    enum { N = 12, SEEDS = 60 };
    static double value[1 << N], wanted[N * N];
    static const char *const given[] = {"samples=100", "samples=268", "samples=600"};
    ln_model *model = random_model(N, 5);
    ln_tensor *x = tensor_random(TEST_SHAPE(1, N), 6), *base = tensor_random(x->shape, 7);
    ln_item item = {0};
    all_values(model, ln_f32(x), ln_f32(base), N, value);
    by_definition(N, value, wanted);
    double before = INFINITY;
    for (int mode = 0; mode < 3; mode++) {
        double mean[N * N] = {0}, said[2] = {0}, found[2] = {0}, variance[N * N] = {0};
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            ln_request request = {.model = model,
                                  .x = x,
                                  .items = &item,
                                  .item_count = 1,
                                  .baseline = base,
                                  .seed = seed};
            ln_explanation got = explain("shapley_interaction", given[mode], request, NULL);
            for (int i = 0; i < N * N; i++) {
                const double off = (double)got.values[i] - wanted[i], error = (double)got.errors[i];
                const int own = i % (N + 1) == 0;
                mean[i] += off / SEEDS;
                variance[i] += error * error / SEEDS;
                found[own] += off * off;
                said[own] += error * error;
            }
            ln_explanation_free(&got);
        }
        for (int i = 0; i < N * N; i++)
            if (!(fabs(mean[i]) <= 4.5 * sqrt(variance[i] / SEEDS)))
                fail_msg("%s: (%d, %d) is off by %g on average, its error is %g", given[mode],
                         i / N, i % N, mean[i], sqrt(variance[i]));
        for (int own = 0; own < 2; own++)
            if (!(said[own] / found[own] > 0.75 && said[own] / found[own] < 1.33))
                fail_msg("%s, %s: squared errors %g, said to be %g", given[mode],
                         own ? "diagonal" : "pairs", found[own], said[own]);
        assert_true(found[0] < before / 3);
        before = found[0];
    }
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

/* Against shapiq (interaction_reference.py): with all coalitions its exact indices, and at the same number of
 * evaluations, over 40 seeds, less than half of its closest approximator's mean squared error. */
static void estimates_are_closer_than_shapiqs(void **state)
{
    (void)state;
    double logs = 0;
    for (int64_t n = 12; n <= 14; n++) {
        one_row it;
        stored_row(&it, "kernel", n);
        ln_tensor *wanted = reference_part("kernel", n, "pairs");
        ln_tensor *peer = reference_part("kernel", n, "shapiq");
        double ours = 0, theirs = 0;
        const int64_t seeds = peer->shape.dims[0];
        for (int64_t seed = -1; seed < seeds; seed++) {
            it.request.seed = (uint64_t)seed;
            ln_explanation got =
                explain("shapley_interaction", seed < 0 ? "samples=\"all\"" : "", it.request, NULL);
            assert_true(seed < 0 || got.evaluations <= 4 * n + 2048 + 2);
            for (int64_t i = 0; i < n; i++)
                for (int64_t j = i + 1; j < n; j++) {
                    const double off =
                        2 * (double)got.values[i * n + j] - ln_f64(wanted)[i * n + j];
                    assert_true(seed >= 0 || fabs(off) < 5e-6);
                    ours += seed < 0 ? 0 : off * off / (double)(n * (n - 1) / 2 * seeds);
                }
            theirs += seed < 0 ? 0 : ln_f64(peer)[seed] / (double)seeds;
            ln_explanation_free(&got);
        }
        print_message("M = %d: mean squared error %.3f of shapiq's\n", (int)n, ours / theirs);
        assert_true(ours < theirs);
        logs += log(ours / theirs) / 3;
        ln_tensor_release(wanted);
        ln_tensor_release(peer);
        free_row(&it);
    }
    assert_true(exp(logs) < 0.5);
}

/* ---------------------------------------------------------------- stop, bits, refusals */

static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    enum { N = 13, FIRST = 2 * (128 + 4 * N) };
    ln_model *model = random_model(N, 3);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, N), 1);
    for (int row = 0; row < 3; row++) {
        ln_item item = {.row = row};
        ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
        ln_explanation got =
            explain("shapley_interaction", "samples=6000 stop=0.02", request, NULL);
        check_end_at_look("shapley_interaction", "", request, &got, FIRST, 0.02, N);
        check_no_end("shapley_interaction", "samples=701", request);
        ln_explanation_free(&got);
    }
    const ln_item items[] = {{0, 0}, {1, 0}, {2, 0}};
    check_request_bits("shapley_interaction", "samples=6000 stop=0.02",
                       (ln_request){.model = model, .x = x, .items = items, .item_count = 3});
    ln_tensor_release(x);
    ln_model_release(model);
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    check_bits("shapley_interaction", "");
    check_bits("shapley_interaction", "samples=60");
    check_bits("shapley_interaction", "samples=120 stop=0.01");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    one_row it;
    random_row(&it, 21);
    check_refused(
        "shapley_interaction", "samples=\"all\"", it.request,
        "\"all\" are 2^M coalitions of M features, and here M is 21: expected at most 20; "
        "give a number, or put features together in groups",
        "samples");
    check_refused("shapley_interaction", "samples=83", it.request,
                  "83 coalitions cannot tell the pairs of 21 features apart: expected at least 4M "
                  "= 84",
                  "samples");
    ln_explanation got = explain("shapley_interaction", "samples=84", it.request, NULL);
    assert_int_equal(got.evaluations, 86);
    ln_explanation_free(&got);
    free_row(&it);
    random_row(&it, 1025);
    check_refused("shapley_interaction", "", it.request,
                  "the interactions of M features are M x M numbers a row, and here M is 1025: "
                  "expected at most 1024; put features together in groups",
                  "groups");
    free_row(&it);
}

static ln_status whole_job(void *request, ln_error *err)
{
    const parameters params =
        parameters_of(&ln_explainer_find("shapley_interaction")->word, "samples=40 stop=0.001");
    return try_job("shapley_interaction", &params, *(const ln_request *)request, err);
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    sweep_allocation_failures(whole_job, &request);
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_coalitions_give_the_definition),
        cmocka_unit_test(rows_sum_to_shapley_values),
        cmocka_unit_test(samples_keep_the_sum),
        cmocka_unit_test(a_pair_by_hand),
        cmocka_unit_test(pairs_are_found_from_few_coalitions),
        cmocka_unit_test(estimates_are_as_close_as_they_say),
        cmocka_unit_test(estimates_are_closer_than_shapiqs),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
