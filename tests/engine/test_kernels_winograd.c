/* kernels: convolutions with fewer multiplications (numerics "fast"), against sums in float64: which
 * shapes they take, how much they lose, and that images keep their bits. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "kernels/last.h"
#include "kernels/library.h"
#include "kernels/winograd.h"

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test winograd", seed);
}

#include "convolving.h"
#include "packing.h"

/* channels, results, height, width, kernel, stride, dilation, padding before and behind */
static const int64_t shapes[][9] = {
    {16, 16, 12, 12, 3, 1, 1, 1, 1}, {64, 32, 9, 14, 3, 1, 1, 1, 1}, {33, 70, 11, 8, 3, 1, 1, 0, 0},
    {130, 20, 7, 7, 3, 1, 1, 1, 1},  {17, 47, 6, 5, 3, 1, 1, 0, 2},  {20, 24, 4, 7, 3, 1, 1, 2, 2},
    {20, 40, 12, 12, 5, 1, 1, 0, 0}, {48, 16, 9, 10, 5, 1, 1, 2, 2}, {150, 33, 6, 6, 5, 1, 1, 1, 3},
    {32, 32, 24, 23, 3, 1, 1, 1, 1}, {16, 300, 8, 8, 3, 1, 1, 1, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ln_convolution fast_shape(const int64_t *made)
{
    ln_convolution shape = shape_of(made);
    shape.fast = true;
    return shape;
}

static convolving begin_fast(const int64_t *made)
{
    const ln_convolution shape = fast_shape(made);
    return begin(&ln_convolutions_winograd, &shape,
                 USES | LN_CONVOLVE_OTHERS); /* of the weights of a rule */
}

/* The greatest and the mean (of squares) difference, in parts of the mean size of what is wanted. */
static double difference(const float *got, const double *wanted, int64_t count, double *mean)
{
    double most = 0, sum = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        const double d = (double)got[i] - wanted[i];
        most = fmax(most, fabs(d));
        sum += d * d;
        size += wanted[i] * wanted[i];
    }
    *mean = sqrt(sum / size);
    return most / sqrt(size / (double)count);
}

/* The last image of a batch, both ways. Greatest error seen: 8.1e-6 of the mean size, where that of sums
 * rounded at each step was 7.8e-6; in the mean 1.5 to 2.6 times theirs. */
static void results_are_those_of_long_sums(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c = begin_fast(shapes[i]);
        forward(&c, IMAGES, c.x, NULL, c.y);
        backward(&c, IMAGES, c.dy, NULL, c.dx);
        for (int way = 0; way < 2; way++) {
            const int64_t count = way ? c.in : c.out;
            const float *x = c.x + (IMAGES - 1) * c.in, *dy = c.dy + (IMAGES - 1) * c.out;
            const float *got = way ? c.dx + (IMAGES - 1) * c.in : c.y + (IMAGES - 1) * c.out;
            double *wanted = ln_alloc((size_t)count * sizeof *wanted);
            double *rough = ln_alloc((size_t)count * sizeof *rough), mean, direct;
            float *single = floats(count, 1);
            naive(&c.shape, x, way ? dy : NULL, c.w, false, wanted);
            naive(&c.shape, x, way ? dy : NULL, c.w, true, rough);
            for (int64_t k = 0; k < count; k++)
                single[k] = (float)rough[k];
            const double rounded = difference(single, wanted, count, &direct);
            for (int64_t k = 0; k < count && !way; k++)
                wanted[k] += (double)c.bias[k % c.shape.out_channels];
            const double most = difference(got, wanted, count, &mean);
            print_message("shape %d way %d: greatest %.1e (direct %.1e), mean %.1e (direct %.1e)\n",
                          i, way, most, rounded, mean, direct);
            assert_true(most < 1e-5);
            assert_true(mean < 4 * direct);
            ln_free(wanted);
            ln_free(rough);
            ln_free_aligned(single);
        }
        end(&c);
    }
}

static void an_image_does_not_feel_the_others(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c = begin_fast(shapes[i]);
        check_that_images_keep_their_bits(&c);
        end(&c);
    }
}

/* Tiles hang over small images: then, with few channels, with strides, and where nobody allowed it, the
 * kernels are others. */
static void only_shapes_that_gain(void **state)
{
    static const struct {
        int64_t shape[9], groups;
        bool fast, suits;
    } cases[] = {
        {{16, 16, 12, 12, 3, 1, 1, 1, 1}, 1, true, true},
        {{16, 16, 12, 12, 3, 1, 1, 1, 1}, 1, false, false},
        {{16, 16, 12, 12, 3, 2, 1, 1, 1}, 1, true, false},
        {{16, 16, 12, 12, 3, 1, 1, 1, 1}, 16, true, false},
        {{16, 16, 12, 12, 3, 1, 2, 1, 1}, 1, true, false},
        {{15, 16, 12, 12, 3, 1, 1, 1, 1}, 1, true, false},
        {{16, 15, 12, 12, 3, 1, 1, 1, 1}, 1, true, false},
        {{16, 16, 12, 12, 7, 1, 1, 3, 3}, 1, true, false},
        {{16, 16, 2, 2, 3, 1, 1, 1, 1}, 1, true, false},  /* 36 products in place of 36 */
        {{16, 16, 3, 3, 3, 1, 1, 1, 1}, 1, true, true},   /* 36 in place of 81 */
        {{16, 16, 5, 5, 3, 1, 1, 1, 1}, 1, true, true},   /* 144 in place of 225 */
        {{16, 16, 12, 12, 5, 1, 1, 2, 2}, 1, true, true}, /* 1296 in place of 3600 */
        {{16, 16, 3, 3, 5, 1, 1, 2, 2}, 1, true, true},   /* 144 in place of 225 */
    };
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ln_convolution shape = shape_of(cases[i].shape);
        ln_convolved *packed = NULL;
        ln_error err;
        shape.fast = cases[i].fast;
        shape.groups = cases[i].groups;
        float *w = floats(ln_convolution_weights(&shape), 3);
        print_message("case %zu\n", i);
        assert_ok(ln_convolution_pack(&shape, USES, w, &packed, &err));
        assert_string_equal(packed->kernels->name, cases[i].suits ? "winograd" : "onednn");
        assert_string_equal(packed->names[0], cases[i].suits ? "winograd" : packed->names[0]);
        ln_convolved_release(packed);
        ln_free_aligned(w);
    }
}

static void weights_of_a_rule(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    convolving c = begin_fast(shapes[2]);
    ln_convolution strict = c.shape;
    strict.fast = false;
    check_weights_of_a_rule(&c, &strict);
    end(&c);
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = fast_shape(shapes[0]);
    (void)state;
    sweep_packing(&ln_convolutions_winograd, &shape, USES | LN_CONVOLVE_OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_long_sums),
        cmocka_unit_test(an_image_does_not_feel_the_others),
        cmocka_unit_test(only_shapes_that_gain),
        cmocka_unit_test(weights_of_a_rule),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("kernels winograd", tests, NULL, NULL);
}
