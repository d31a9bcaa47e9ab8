/* Bootstrap intervals: against NumPy's quantiles over independently computed draws
 * (reference/metrics/bootstrap.txt), and by hand. */
#include "support.h"

#include <math.h>
#include <stdio.h>

#include "metrics/bootstrap.h"
#include "tensor/npy.h"

static ln_error err;

static void bootstrap_has_the_stored_values(void **state)
{
    (void)state;
    ln_tensor *a, *b;
    assert_ok(ln_npy_read(test_file("reference/metrics/difference-a.npy"), &a, NULL, &err));
    assert_ok(ln_npy_read(test_file("reference/metrics/difference-b.npy"), &b, NULL, &err));
    FILE *file = fopen(test_file("reference/metrics/bootstrap.txt"), "r");
    assert_non_null(file);
    unsigned long long seed, number;
    double level, wanted[3];
    long long resamples;
    int lines = 0;
    while (fscanf(file, "%llu %llu %lf %lld %lf %lf %lf", &seed, &number, &level, &resamples,
                  &wanted[0], &wanted[1], &wanted[2]) == 7) {
        ln_bootstrap_options options = {level, resamples, seed, number};
        if (lines == 0) /* zeros mean the defaults, which the file's first line has */
            options = (ln_bootstrap_options){.seed = seed, .number = number};
        ln_interval got;
        assert_ok(ln_bootstrap_paired(ln_f64(a), ln_f64(b), 37, &options, &got, &err));
        double ends[] = {got.mean, got.lower, got.upper};
        assert_near_f64(ends, wanted, 3, 0, 1e-14);
        assert_int_equal(got.n, 35);
        assert_int_equal(got.left_out, 2);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 3);
    ln_tensor_release(a);
    ln_tensor_release(b);
}

static const double zeros[4];

/* Two values: a mean is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4; of constants it is the constant. */
static void bootstrap_by_hand(void **state)
{
    (void)state;
    ln_bootstrap_options options = {.level = 0.8, .seed = 5};
    ln_interval got;
    assert_ok(ln_bootstrap_paired((double[]){1, 0}, zeros, 2, &options, &got, &err));
    assert_true(got.mean == 0.5 && got.lower == 0 && got.upper == 1);
    options.level = 0.4; /* the quantiles 0.3 and 0.7 lie among the halves */
    assert_ok(ln_bootstrap_paired((double[]){1, 0}, zeros, 2, &options, &got, &err));
    assert_true(got.lower == 0.5 && got.upper == 0.5);

    double a[] = {3, NAN, 7, 1}, b[] = {1, 2, 5, NAN};
    assert_ok(ln_bootstrap_paired(a, b, 4, &options, &got, &err));
    assert_true(got.mean == 2 && got.lower == 2 && got.upper == 2);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.left_out, 2);
    assert_ok(ln_bootstrap_paired((double[]){NAN}, b, 1, &options, &got, &err));
    assert_true(isnan(got.mean) && isnan(got.lower) && isnan(got.upper) && got.n == 0);
    options.level = 1;
    assert_fails(ln_bootstrap_paired(a, zeros, 4, &options, &got, &err), LN_EINVALID,
                 "between 0 and 1");
    options = (ln_bootstrap_options){.resamples = -1};
    assert_fails(ln_bootstrap_paired(a, zeros, 4, &options, &got, &err), LN_EINVALID,
                 "1 to 10000000");
}

static ln_status bootstrap_once(void *context, ln_error *error)
{
    ln_bootstrap_options options = {.resamples = 5};
    ln_interval got;
    return ln_bootstrap_paired(context, zeros, 3, &options, &got, error);
}

static void bootstrap_survives_failing_allocations(void **state)
{
    (void)state;
    double values[] = {1, 2, 3};
    sweep_allocation_failures(bootstrap_once, values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bootstrap_has_the_stored_values),
        cmocka_unit_test(bootstrap_by_hand),
        cmocka_unit_test(bootstrap_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
