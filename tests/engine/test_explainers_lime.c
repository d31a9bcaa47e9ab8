/* lime: its fit and its bins against the lime package's, its samples, its errors. End to end against
 * the package: tests/spec/cases/explainer-lime.spec. */
#include "shapley_support.h"

#include "explainers/common/local_model.h"
#include "explainers/common/neighbourhood.h"

/* ---------------------------------------------------------------- the fit */

static ln_tensor *fit_reference(const char *name, const char *part)
{
    char text[64];
    snprintf(text, sizeof text, "lime.fit-%s%s", name, part);
    return reference(text);
}

/* On the package's own samples: its coefficients, intercept and R^2, for each way to choose features. */
static void check_fits(const char *name, bool ones)
{
    static const ln_selection selections[] = {LN_SELECTION_FORWARD, LN_SELECTION_HIGHEST,
                                              LN_SELECTION_NONE, LN_SELECTION_LASSO};
    ln_tensor *z = fit_reference(name, "-z"), *y = fit_reference(name, "-y");
    ln_tensor *weight = fit_reference(name, "-weight"), *wanted = fit_reference(name, "");
    int64_t n = z->shape.dims[1];
    const int64_t counts[] = {1, 3, 5, n};
    ln_carver carver = {0};
    ln_local_model_carve(n, &carver);
    carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
    ln_local_model model = ln_local_model_carve(n, &carver);
    ln_local_samples samples = {.z = ln_f64(z),
                                .y = ln_f64(y),
                                .weight = ln_f64(weight),
                                .count = z->shape.dims[0],
                                .features = n,
                                .ones = ones};
    for (int64_t s = 0; s < 4; s++)
        for (int64_t c = 0; c < 4; c++) {
            const double *row = ln_f64(wanted) + (s * 4 + c) * (n + 2);
            ln_local_model_fit(&model, &samples, selections[s], counts[c]);
            assert_near_f64(model.value, row, (size_t)n, 1e-9, 1e-9);
            assert_near_f64(&model.intercept, row + n, 1, 1e-9, 1e-9);
            assert_near_f64(&model.r2, row + n + 1, 1, 1e-9, 1e-9);
            for (int64_t i = 0; i < n; i++) /* the feature that does not vary has nothing to say */
                assert_true(isnan(model.error[i]) || row[i] != 0 || i == 4);
        }
    ln_free_aligned(carver.base);
    ln_tensor_release(z);
    ln_tensor_release(y);
    ln_tensor_release(weight);
    ln_tensor_release(wanted);
}

static void fits_are_those_of_the_lime_package(void **state)
{
    (void)state;
    check_fits("binary", false);
    check_fits("binary", true);
    check_fits("numbers", false);
}

/* Two features that are one, so large that the penalty is lost beside them: nothing is known of either. */
static void what_cannot_be_told_apart_is_nan(void **state)
{
    (void)state;
    const double z[] = {1e9, 1e9, -1e9, -1e9, 2e9, 2e9, 0, 0};
    const double y[] = {1, -1, 2, 0}, weight[] = {1, 1, 1, 1};
    ln_carver carver = {0};
    ln_local_model_carve(2, &carver);
    carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
    ln_local_model model = ln_local_model_carve(2, &carver);
    const ln_local_samples samples = {.z = z, .y = y, .weight = weight, .count = 4, .features = 2};
    ln_local_model_fit(&model, &samples, LN_SELECTION_NONE, 2);
    for (int i = 0; i < 2; i++)
        assert_true(isnan(model.value[i]) && isnan(model.error[i]));
    assert_true(isnan(model.r2));
    ln_free_aligned(carver.base);
}

/* "auto" is forward up to six features, then highest. */
static void auto_is_forward_for_few_features(void **state)
{
    (void)state;
    ln_model *model = random_model(9, 4);
    ln_tensor *x = tensor_random(TEST_SHAPE(40, 9), 2);
    ln_item item = {.row = 1};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    static const struct {
        const char *one, *other;
    } same[] = {
        {"samples=300 features=6", "samples=300 features=6 selection=\"forward\""},
        {"samples=300 features=7", "samples=300 features=7 selection=\"highest\""},
        {"samples=300", "samples=300 selection=\"none\""}, /* 10 are more than there are */
        {"samples=300 features=\"all\"", "samples=300 features=3 selection=\"none\""},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        ln_explanation one = explain("lime", same[i].one, request, NULL);
        ln_explanation two = explain("lime", same[i].other, request, NULL);
        assert_same_bits(one.values, two.values, 9 * sizeof(float));
        ln_explanation_free(&one);
        ln_explanation_free(&two);
    }
    ln_explanation few = explain("lime", "samples=300 features=2", request, NULL);
    int chosen = 0;
    for (int i = 0; i < 9; i++) {
        assert_true((few.values[i] != 0) == !isnan(few.errors[i]));
        chosen += few.values[i] != 0;
    }
    assert_int_equal(chosen, 2);
    ln_explanation_free(&few);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- bins */

static void bounds_are_those_of_the_lime_package(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_tensor *x = reference("lime.bins-x"), *labels = reference("lime.bins-labels");
    ln_tensor *wanted = reference("lime.bins");
    int64_t rows = x->shape.dims[0], columns = x->shape.dims[1];
    static double values[200];
    static int64_t classes[200];
    for (int how = 0; how < 3; how++)
        for (int64_t c = 0; c < columns; c++) {
            for (int64_t r = 0; r < rows; r++) {
                values[r] = ln_f64(x)[r * columns + c];
                classes[r] = (int64_t)ln_f64(labels)[r];
            }
            ln_bins bins;
            assert_ok(ln_bins_make(values, classes, rows, 3, (ln_discretize)how, &bins, &err));
            const double *bounds = ln_f64(wanted) + ((int64_t)how * columns + c) * 9;
            int count = 0;
            while (count < 9 && !isnan(bounds[count]))
                count++;
            assert_int_equal(bins.count, count + 1);
            assert_near_f64(bins.bound, bounds, (size_t)count, 1e-12, 1e-12);
        }
    ln_tensor_release(x);
    ln_tensor_release(labels);
    ln_tensor_release(wanted);
}

/* (-inf, 1], (1, 2], (2, inf) of 1 1 1 2 2 4 8: the first bin is a point, the last has mean 6. */
static void bins_by_hand(void **state)
{
    (void)state;
    ln_error err = {0};
    double values[] = {8, 1, 2, 1, 4, 1, 2};
    ln_bins bins;
    assert_ok(ln_bins_make(values, NULL, 7, 0, LN_DISCRETIZE_QUARTILE, &bins, &err));
    assert_int_equal(bins.count, 4); /* 1, 2, 3: the quartiles */
    assert_near_f64(bins.bound, ((double[]){1, 2, 3}), 3, 0, 0);
    static const double at[] = {-5, 1, 1.5, 2, 2.5, 3, 4, 100};
    static const int wanted[] = {0, 0, 1, 1, 2, 2, 3, 3};
    for (int i = 0; i < 8; i++)
        assert_int_equal(ln_bins_find(&bins, at[i]), wanted[i]);
    assert_near_f64(bins.mean, ((double[]){1, 2, 0, 6}), 4, 0, 0);
    assert_near_f64(bins.deviation, ((double[]){0, 0, 0, 2}), 4, 0, 0);
    ln_rng rng = ln_rng_make(1, "test", 0, 0);
    enum { DRAWS = 20000 };
    static uint32_t words[DRAWS];
    static int32_t last[DRAWS];
    static double shares[DRAWS], quantiles[DRAWS];
    static float drawn[DRAWS];
    const ln_bin_kernels *kernels = ln_kernels_bins();
    ln_bin_table table;
    ln_bins_table(&bins, true, NULL, &table);
    assert_true(table.mean[0] == 1 && table.mean[1] == 2); /* points draw themselves ... */
    for (int b = 0; b < 2; b++) {
        assert_true(table.below[b] == 0.5 && table.within[b] == 0 && table.deviation[b] == 0);
        assert_true(table.low[b] == table.mean[b] && table.high[b] == table.mean[b]);
    }
    for (int i = 0; i < DRAWS; i++)
        last[i] = 3;
    ln_rng_words(&rng, words, DRAWS);
    kernels->shares(&table, last, words, DRAWS, shares);
    kernels->quantiles(shares, DRAWS, quantiles);
    kernels->numbers(&table, last, quantiles, DRAWS, drawn);
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double number = (double)drawn[i];
        assert_true(number >= 3 && number <= 8);
        sum += number / DRAWS;
        squares += number * number / DRAWS;
    }
    /* The normal distribution of mean 6 and deviation 2, cut off at 3 and 8: SciPy's truncnorm. */
    assert_near_f64(&sum, ((double[]){5.7096251}), 1, 0.03, 0);
    double variance = squares - sum * sum;
    assert_near_f64(&variance, ((double[]){1.6627400}), 1, 0.04, 0);
    /* ... or what is given for points: only what ends where it begins is one. */
    ln_bins_table(&bins, true, &(float){-7}, &table);
    assert_true(table.mean[0] == -7 && table.mean[1] == 2 && table.mean[3] == 6);
    /* Not cut off: all of the normal distribution. */
    ln_bins_table(&bins, false, &(float){-7}, &table);
    assert_true(table.below[3] == 0 && table.within[3] == 1 && table.deviation[3] == 2);
    assert_true(table.low[3] == -INFINITY && table.high[3] == INFINITY && table.mean[0] == 1);
}

/* ---------------------------------------------------------------- samples */

/* A linear model: R^2 is 1, and a coefficient is what the penalty leaves of a deviation times the
 * weight, 1 part in some thousand. */
static void a_linear_model_is_found(void **state)
{
    (void)state;
    static const float weights[] = {0.5F, -2, 0.25F, 1};
    ln_model *model = network_of("dense", (int64_t[]){3, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_random(TEST_SHAPE(50, 3), 4);
    ln_item item = {.row = 3};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("lime", "discretize=\"none\"", request, NULL);
    for (int64_t c = 0; c < 3; c++) {
        double sum = 0, squares = 0;
        for (int64_t r = 0; r < 50; r++) {
            double value = (double)ln_f32(x)[r * 3 + c];
            sum += value / 50;
            squares += value * value / 50;
        }
        float wanted = (float)(sqrt(squares - sum * sum) * (double)weights[c]);
        assert_near_f32(&got.values[c], &wanted, 1, 0, 3e-3);
    }
    double one = 1;
    assert_near_f64(got.fit, &one, 1, 1e-5, 0);
    ln_explanation_free(&got);
    /* Covered by a baseline: what an input changes, each alone and two of them together. */
    static const float base[] = {0.5F, 0.25F, -1};
    static const int32_t groups[] = {1, 0, 1};
    request.baseline = tensor_f32(TEST_SHAPE(1, 3), base);
    const float *row = ln_f32(x) + 9;
    float change[3];
    for (int c = 0; c < 3; c++)
        change[c] = weights[c] * (row[c] - base[c]);
    got = explain("lime", "samples=20000 kernel_width=1", request, NULL);
    assert_near_f32(got.values, change, 3, 1e-5, 3e-3);
    ln_explanation_free(&got);
    request.groups = groups;
    request.group_count = 2;
    got = explain("lime", "samples=20000 kernel_width=1", request, NULL);
    assert_near_f32(got.values, ((float[]){change[1], change[0] + change[2]}), 2, 1e-5, 3e-3);
    ln_explanation_free(&got);
    ln_tensor_release((ln_tensor *)request.baseline);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* An output that never changes has no R^2, and coefficients of 0. */
static void a_constant_model_has_no_fit(void **state)
{
    (void)state;
    static const float weights[] = {0, 0, 3};
    ln_model *model = network_of("dense", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_random(TEST_SHAPE(20, 2), 4);
    ln_item item = {.row = 3};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("lime", "samples=100", request, NULL);
    assert_true(isnan(got.fit[0]) && got.values[0] == 0 && got.values[1] == 0);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Columns of a group are drawn from one training row: here both are always equal, so a sample in which
 * they are not shows that they were drawn apart. f is |x0 - x1|. */
static void columns_of_a_group_stay_together(void **state)
{
    (void)state;
    static const float weights[] = {1, -1, -1, 1, 0, 0, 1, 1, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){2, 2, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_zero(LN_F32, TEST_SHAPE(40, 2));
    for (int64_t r = 0; r < 40; r++) /* two values a column: every bin is a point */
        ln_f32(x)[2 * r] = ln_f32(x)[2 * r + 1] = (float)(r % 2);
    static const int32_t together[] = {0, 0};
    ln_item item = {.row = 3};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation apart = explain("lime", "samples=200", request, NULL);
    assert_true(apart.fit[0] >= 0 && fabs((double)apart.values[0]) > 0.1);
    ln_explanation_free(&apart);
    request.groups = together;
    request.group_count = 1;
    ln_explanation got = explain("lime", "samples=200", request, NULL);
    assert_true(isnan(got.fit[0]) && got.values[0] == 0);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- errors, bits, refusals */

/* Over 60 streams: the variance of the coefficients is what the standard errors say. */
static void errors_are_as_large_as_they_say(void **state)
{
    (void)state;
    enum { STREAMS = 60, N = 7 };
    setting it = new_setting();
    static const char *const given[] = {"samples=400", "samples=400 discretize=\"none\""};
    for (int mode = 0; mode < 2; mode++) {
        double sum[N] = {0}, squares[N] = {0}, said = 0, found = 0;
        ln_request request = request_of(&it, true);
        request.item_count = 1;
        for (uint64_t stream = 0; stream < STREAMS; stream++) {
            request.stream = stream;
            ln_explanation got = explain("lime", given[mode], request, NULL);
            for (int i = 0; i < N; i++) {
                double value = (double)got.values[i], error = (double)got.errors[i];
                sum[i] += value;
                squares[i] += value * value;
                said += error * error / STREAMS;
            }
            ln_explanation_free(&got);
        }
        for (int i = 0; i < N; i++)
            found += (squares[i] - sum[i] * sum[i] / STREAMS) / (STREAMS - 1);
        if (!(said / found > 0.75 && said / found < 1.33))
            fail_msg("%s: variance %g, said to be %g", given[mode], found, said);
    }
    free_setting(&it);
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    setting it = new_setting();
    static const char *const given[] = {"samples=200", "samples=200 discretize=\"decile\"",
                                        "samples=200 discretize=\"none\" features=3"};
    for (int mode = 0; mode < 3; mode++)
        check_request_bits("lime", given[mode], request_of(&it, true));
    free_setting(&it);
}

/* A row ends at the first look whose errors are small enough, with the bits that so many samples give. */
static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    setting it = new_setting();
    static const char *const given[] = {"features=3", "features=7", "discretize=\"none\""};
    static const double enough[] = {0.08, 0.08, 0.02};
    for (int k = 0; k < 3 * ROWS; k++) {
        char text[96];
        const double stop = enough[k / ROWS];
        ln_request request = request_of(&it, true);
        request.items = it.items + k % ROWS;
        request.item_count = 1;
        snprintf(text, sizeof text, "%s samples=20000 stop=%g", given[k / ROWS], stop);
        ln_explanation got = explain("lime", text, request, NULL);
        int64_t samples = 500;
        for (;; samples += samples / 2) {
            double most = 0;
            snprintf(text, sizeof text, "%s samples=%d", given[k / ROWS], (int)samples);
            ln_explanation plain = explain("lime", text, request, NULL);
            for (int i = 0; i < 7; i++)
                most = fmax(most, (double)plain.errors[i]); /* NaN: not chosen */
            if (samples == got.evaluations) {
                assert_true(most <= stop);
                assert_same_bits(got.values, plain.values, 7 * sizeof(float));
                assert_same_bits(got.errors, plain.errors, 7 * sizeof(float));
                assert_same_bits(got.fit, plain.fit, sizeof(double));
                ln_explanation_free(&plain);
                break;
            }
            assert_true(most > stop);
            ln_explanation_free(&plain);
        }
        if (!(samples > 500 && samples < 20000))
            fail_msg("%s, row %d: %d samples", given[k / ROWS], k % ROWS, (int)samples);
        ln_explanation_free(&got);
    }
    assert_int_equal(check_no_end("lime", "samples=1300", request_of(&it, true)), 0);
    char text[96];
    snprintf(text, sizeof text, "%s samples=20000 stop=%g", given[0], enough[0]);
    check_request_bits("lime", text, request_of(&it, true));
    free_setting(&it);
}

static void what_does_not_apply_is_refused(void **state)
{
    (void)state;
    setting it = new_setting();
    static const int32_t groups[] = {0, 0, 1, 2, 3, 4, 5};
    ln_request request = request_of(&it, true), masks = request_of(&it, false);
    ln_tensor *base = tensor_zero(LN_F32, TEST_SHAPE(1, 7));
    check_refused("lime", "discretize=\"entropy\"", request,
                  "\"entropy\" needs the classes of the rows it draws from", "discretize");
    request.groups = groups;
    request.group_count = 6;
    check_refused("lime", "discretize=\"none\"", request,
                  "without bins a group has one number, and group 0 has 2 columns", "discretize");
    masks.baseline = base;
    masks.input_shape = TEST_SHAPE(1, 7);
    check_refused(
        "lime", "", masks,
        "every pixel would be a feature: expected groups, as superpixels or grid { 4, 4 }",
        "groups");
    ln_tensor_release(base);
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_are_those_of_the_lime_package),
        cmocka_unit_test(what_cannot_be_told_apart_is_nan),
        cmocka_unit_test(auto_is_forward_for_few_features),
        cmocka_unit_test(bounds_are_those_of_the_lime_package),
        cmocka_unit_test(bins_by_hand),
        cmocka_unit_test(a_linear_model_is_found),
        cmocka_unit_test(a_constant_model_has_no_fit),
        cmocka_unit_test(columns_of_a_group_stay_together),
        cmocka_unit_test(errors_are_as_large_as_they_say),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(what_does_not_apply_is_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
