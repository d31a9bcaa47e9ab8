/* kernels: convolutions on tiles of bfloat16, against sums in float64: all geometries, how much they lose, that
 * images keep their bits and that weights that were not packed give the same. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "kernels/convolution_tiles.h"
#include "kernels/library.h"
#include "kernels/tiles.h"

#ifdef __x86_64__

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test tiles", seed);
}

#include "convolving.h"
#include "packing.h"

/* channels, results, height, width, kernel, stride, dilation, padding before and behind */
static const int64_t shapes[][9] = {
    {32, 32, 7, 7, 3, 1, 1, 1, 1},    {64, 40, 9, 14, 3, 1, 1, 1, 1},
    {33, 70, 11, 8, 3, 1, 1, 0, 0},   {160, 20, 7, 7, 3, 1, 1, 1, 1},
    {320, 33, 4, 5, 3, 1, 1, 1, 1},   {48, 48, 12, 17, 3, 2, 1, 1, 1},
    {48, 33, 9, 8, 3, 2, 1, 0, 1},    {64, 64, 9, 9, 1, 2, 1, 0, 0},
    {64, 100, 6, 31, 1, 1, 1, 0, 0},  {40, 36, 13, 11, 3, 1, 2, 2, 2},
    {32, 32, 10, 12, 4, 3, 1, 1, 2},  {32, 34, 15, 14, 3, 4, 1, 2, 0},
    {32, 32, 11, 11, 3, 3, 2, 3, 1},  {3, 64, 31, 33, 7, 2, 1, 3, 3},
    {1, 10, 14, 15, 5, 1, 1, 0, 0},   {10, 20, 12, 12, 5, 1, 1, 0, 0},
    {3, 40, 9, 9, 3, 1, 2, 2, 2},     {40, 3, 9, 9, 5, 1, 1, 4, 1},
    {16, 96, 10, 10, 1, 1, 1, 0, 0},  {4, 8, 20, 21, 3, 3, 1, 1, 1},
    {20, 10, 6, 7, 2, 1, 1, 3, 3},    {36, 32, 3, 1, 1, 1, 1, 2, 2},
    {32, 32, 1, 1, 3, 2, 1, 1, 1},    {32, 64, 57, 60, 3, 1, 1, 1, 1},
    {8, 40, 64, 70, 5, 1, 1, 2, 2},   {96, 32, 40, 41, 3, 2, 1, 1, 1},
    {32, 32, 2, 2000, 3, 1, 1, 1, 1}, {64, 24, 1, 60, 1, 1, 1, 0, 0},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static convolving begin_tiled(const int64_t *made)
{
    const ln_convolution shape = shape_of(made);
    assert_true(ln_tiled_possible(&shape));
    return begin(&ln_convolutions_tiles, &shape, USES | LN_CONVOLVE_OTHERS);
}

/* Adds the squares of what `got` and float32 lack to `errors`. */
static void check_image(const convolving *c, int64_t image, bool back, double *errors)
{
    const int64_t count = back ? c->in : c->out;
    const float *x = c->x + image * c->in, *dy = c->dy + image * c->out;
    const float *got = back ? c->dx + image * c->in : c->y + image * c->out;
    double *wanted = ln_alloc((size_t)count * sizeof *wanted);
    double *rough = ln_alloc((size_t)count * sizeof *rough), size = 0;
    naive(&c->shape, x, back ? dy : NULL, c->w, false, wanted);
    naive(&c->shape, x, back ? dy : NULL, c->w, true, rough);
    for (int64_t k = 0; k < count; k++) {
        errors[1] += (rough[k] - wanted[k]) * (rough[k] - wanted[k]);
        size = fmax(size, fabs(wanted[k]));
        wanted[k] += back ? 0 : (double)c->bias[k % c->shape.out_channels];
    }
    for (int64_t k = 0; k < count; k++) {
        const double off = (double)got[k] - wanted[k];
        errors[0] += off * off;
        if (!(fabs(off) <= 2e-6 * (size + 3)))
            fail_msg("%s, image %d, number %d: %.9g, not %.9g", back ? "backward" : "forward",
                     (int)image, (int)k, (double)got[k], wanted[k]);
    }
    ln_free(wanted);
    ln_free(rough);
}

static void results_are_those_of_long_sums(void **state)
{
    double errors[2] = {0, 0};
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        print_message("shape %d\n", i);
        convolving c = begin_tiled(shapes[i]);
        forward(&c, IMAGES, c.x, c.w, c.y);
        backward(&c, IMAGES, c.dy, NULL, c.dx);
        for (int back = 0; back < 2; back++) {
            check_image(&c, 0, back, errors);
            check_image(&c, IMAGES - 1, back, errors);
        }
        end(&c);
    }
    print_message("root mean square: %.2f of float32's\n", sqrt(errors[0] / errors[1]));
    assert_true(errors[0] <= errors[1]);
}

static void an_image_does_not_feel_the_others(void **state)
{
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c = begin_tiled(shapes[i]);
        check_that_images_keep_their_bits(&c);
        end(&c);
    }
}

/* What a NaN, and an infinite number, reach: the windows that hold it, and no place beside them. */
static void what_is_not_finite_stays_in_its_windows(void **state)
{
    static const float bad[] = {NAN, INFINITY};
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < 2 * SHAPES; i++) {
        convolving c = begin_tiled(shapes[i / 2]);
        const ln_convolution *s = &c.shape;
        const int64_t row = s->in[1] / 2, column = s->in[2] / 2, outs = s->out_channels;
        c.x[(row * s->in[2] + column) * s->in_channels] = bad[i % 2];
        forward(&c, 1, c.x, NULL, c.y);
        for (int64_t k = 0; k < c.out; k++) {
            const int64_t place = k / outs;
            const int64_t down = row + s->before[1] - place / s->out[2] * s->stride[1];
            const int64_t across = column + s->before[2] - place % s->out[2] * s->stride[2];
            const int64_t reach = s->dilation[1] * (s->kernel[1] - 1);
            const bool held = down >= 0 && down <= reach && down % s->dilation[1] == 0 &&
                              across >= 0 && across <= reach && across % s->dilation[2] == 0;
            assert_int_equal(!isfinite(c.y[k]), held);
        }
        end(&c);
    }
}

static void other_weights_are_as_good_as_packed_ones(void **state)
{
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        ln_error err;
        convolving c = begin_tiled(shapes[i]);
        float *w = floats(ln_convolution_weights(&c.shape), 9);
        float *y = floats(IMAGES * c.out, 5), *dx = floats(IMAGES * c.in, 6);
        forward(&c, IMAGES, c.x, w, y);
        backward(&c, IMAGES, c.dy, w, dx);
        assert_ok(ln_convolved_pack(&ln_convolutions_tiles, &c.shape, c.packed->uses, w, &c.packed,
                                    &err));
        forward(&c, IMAGES, c.x, NULL, c.y);
        backward(&c, IMAGES, c.dy, NULL, c.dx);
        assert_same_bits(c.y, y, (size_t)(IMAGES * c.out) * sizeof *y);
        assert_same_bits(c.dx, dx, (size_t)(IMAGES * c.in) * sizeof *dx);
        ln_free_aligned(w);
        ln_free_aligned(y);
        ln_free_aligned(dx);
        end(&c);
    }
}

/* Single places of many results: forward by tiles, back by the library, each with the bits that it has alone. */
static void each_way_has_its_own_kernels(void **state)
{
    (void)state;
    if (!ln_tiles_available() || !ln_library_convolutions())
        skip();
    ln_error err;
    ln_convolved *both = NULL, *library = NULL;
    convolving c = begin_tiled(shapes[8]);
    assert_ok(ln_convolution_pack(&c.shape, USES, c.w, &both, &err));
    assert_ok(ln_convolved_pack(ln_library_convolutions(), &c.shape, USES, c.w, &library, &err));
    assert_string_equal(both->names[0], "tiles");
    assert_string_equal(both->names[1], library->names[1]);
    assert_ok(ln_convolution_pack(&c.shape, USES, c.w, &both, &err)); /* again, into the same */
    void *scratch = ln_alloc_aligned(both->scratch_bytes);
    float *y = floats(IMAGES * c.out, 5), *dx = floats(IMAGES * c.in, 6);
    assert_true(both->scratch_bytes >= library->scratch_bytes);
    forward(&c, IMAGES, c.x, NULL, c.y);
    assert_ok(ln_convolved_backward_data(library, IMAGES, c.dy, c.w, c.dx, scratch, &err));
    assert_ok(ln_convolved_forward(both, IMAGES, c.x, c.w, c.bias, y, scratch, &err));
    assert_ok(ln_convolved_backward_data(both, IMAGES, c.dy, c.w, dx, scratch, &err));
    assert_same_bits(y, c.y, (size_t)(IMAGES * c.out) * sizeof *y);
    assert_same_bits(dx, c.dx, (size_t)(IMAGES * c.in) * sizeof *dx);
    ln_convolved_release(both);
    ln_convolved_release(library);
    ln_free_aligned(scratch);
    ln_free_aligned(y);
    ln_free_aligned(dx);
    end(&c);
}

static void tiles_compute_what_fills_them(void **state)
{
    static const struct {
        int64_t shape[9];
        bool forward, backward;
    } cases[] = {
        {{64, 64, 56, 56, 3, 1, 1, 1, 1}, true, true},
        {{512, 512, 7, 7, 3, 1, 1, 1, 1}, true, true},
        {{64, 128, 56, 56, 3, 2, 1, 1, 1}, true, true},
        {{3, 64, 224, 224, 7, 2, 1, 3, 3}, true, true},
        {{10, 20, 12, 12, 5, 1, 1, 0, 0}, true, false},
        {{3, 32, 224, 224, 3, 2, 1, 1, 1}, false, false},
        {{1, 10, 28, 28, 5, 1, 1, 0, 0}, false, false},
        {{16, 16, 28, 28, 3, 1, 1, 1, 1}, false, false},
        {{512, 512, 2, 2, 3, 1, 1, 1, 1}, false, false},
        {{64, 384, 14, 14, 1, 1, 1, 0, 0}, true, false},
        {{384, 64, 14, 14, 1, 1, 1, 0, 0}, false, true},
        {{24, 144, 56, 56, 1, 1, 1, 0, 0}, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ln_convolution shape = shape_of(cases[i].shape);
        print_message("case %zu\n", i);
        assert_int_equal(ln_tiled_pays(&shape, false), cases[i].forward);
        assert_int_equal(ln_tiled_pays(&shape, true), cases[i].backward);
    }
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = shape_of(shapes[8]);
    (void)state;
    if (ln_tiles_available())
        sweep_packing(NULL, &shape, USES);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(results_are_those_of_long_sums),
        cmocka_unit_test(an_image_does_not_feel_the_others),
        cmocka_unit_test(what_is_not_finite_stays_in_its_windows),
        cmocka_unit_test(other_weights_are_as_good_as_packed_ones),
        cmocka_unit_test(each_way_has_its_own_kernels),
        cmocka_unit_test(tiles_compute_what_fills_them),
        cmocka_unit_test(failing_allocations_leave_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
