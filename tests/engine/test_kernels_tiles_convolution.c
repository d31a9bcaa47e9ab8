/* kernels: convolutions on tiles of bfloat16, against sums in float64: all geometries, how much they lose, that
 * images keep their bits and that weights that were not packed give the same. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/convolution.h"
#include "kernels/convolution_tiles.h"
#include "kernels/library.h"
#include "kernels/tiles.h"

#ifdef __x86_64__

enum { IMAGES = 5, USES = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA };

static float *floats(int64_t count, uint64_t seed)
{
    float *out = ln_alloc_aligned((size_t)count * sizeof *out);
    ln_rng rng = ln_rng_make(seed, "test tiles", 0, 0);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)ln_rng_normal(&rng);
    return out;
}

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

static ln_convolution shape_of(const int64_t *s)
{
    ln_convolution shape = {.groups = 1,
                            .in_channels = s[0],
                            .out_channels = s[1],
                            .in = {1, s[2], s[3]},
                            .out = {1},
                            .kernel = {1, s[4], s[4]},
                            .stride = {1, s[5], s[5]},
                            .dilation = {1, s[6], s[6]},
                            .before = {0, s[7], s[7]},
                            .images = IMAGES,
                            .last = true};
    for (int i = 1; i < 3; i++)
        shape.out[i] = (shape.in[i] + s[7] + s[8] - s[6] * (s[4] - 1) - 1) / s[5] + 1;
    return shape;
}

/* y by its definition (dy NULL), or the gradient of x; sums in float64, or each step rounded to float32
 * (`single`). */
static void naive(const ln_convolution *s, const float *x, const float *dy, const float *w,
                  bool single, double *out)
{
    const int64_t k = s->kernel[1], ins = s->in_channels, outs = s->out_channels;
    const int64_t count = dy ? ln_convolution_in_row(s) : ln_convolution_out_row(s);
    memset(out, 0, (size_t)count * sizeof *out);
    for (int64_t place = 0; place < s->out[1] * s->out[2]; place++)
        for (int64_t tap = 0; tap < k * k; tap++) {
            const int64_t row =
                place / s->out[2] * s->stride[1] + tap / k * s->dilation[1] - s->before[1];
            const int64_t column =
                place % s->out[2] * s->stride[2] + tap % k * s->dilation[2] - s->before[2];
            if (row < 0 || row >= s->in[1] || column < 0 || column >= s->in[2])
                continue;
            const int64_t at = row * s->in[2] + column;
            for (int64_t o = 0; o < outs; o++)
                for (int64_t i = 0; i < ins; i++) {
                    const double weight = (double)w[(o * ins + i) * k * k + tap];
                    double *sum = dy ? &out[at * ins + i] : &out[place * outs + o];
                    *sum += weight * (double)(dy ? dy[place * outs + o] : x[at * ins + i]);
                    *sum = single ? (double)(float)*sum : *sum;
                }
        }
}

typedef struct convolving {
    ln_convolution shape;
    int64_t in, out; /* numbers of an image */
    ln_convolved *packed;
    float *x, *dy, *w, *bias, *y, *dx;
    void *scratch;
} convolving;

static void begin(convolving *c, const int64_t *made)
{
    ln_error err;
    c->shape = shape_of(made);
    c->in = ln_convolution_in_row(&c->shape);
    c->out = ln_convolution_out_row(&c->shape);
    c->packed = NULL;
    c->x = floats(IMAGES * c->in, 1);
    c->dy = floats(IMAGES * c->out, 2);
    c->w = floats(ln_convolution_weights(&c->shape), 3);
    c->bias = floats(c->shape.out_channels, 4);
    c->y = floats(IMAGES * c->out, 5);
    c->dx = floats(IMAGES * c->in, 6);
    assert_true(ln_tiled_possible(&c->shape));
    assert_ok(ln_convolutions_tiles.pack(&c->shape, USES, c->w, &c->packed, &err));
    c->scratch = ln_alloc_aligned(c->packed->scratch_bytes);
    memset(c->scratch, 0xff, c->packed->scratch_bytes); /* NaN */
    for (int64_t i = 0; i < IMAGES * c->out; i++)
        c->y[i] = NAN;
    for (int64_t i = 0; i < IMAGES * c->in; i++)
        c->dx[i] = NAN;
}

static void end(convolving *c)
{
    float *all[] = {c->x, c->dy, c->w, c->bias, c->y, c->dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
    ln_free_aligned(c->scratch);
    ln_convolved_release(c->packed);
}

/* `w` NULL: those that were packed. */
static void forward(const convolving *c, int64_t images, const float *x, const float *w, float *y)
{
    ln_error err;
    assert_ok(c->packed->kernels->forward(c->packed, images, x, w, c->bias, y, c->scratch, &err));
}

static void backward(const convolving *c, int64_t images, const float *dy, const float *w,
                     float *dx)
{
    ln_error err;
    assert_ok(c->packed->kernels->backward_data(c->packed, images, dy, w, dx, c->scratch, &err));
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
        convolving c;
        print_message("shape %d\n", i);
        begin(&c, shapes[i]);
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

/* Alone, in pairs, in a batch: whatever stands beside it, NaN too. */
static void an_image_does_not_feel_the_others(void **state)
{
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c;
        begin(&c, shapes[i]);
        float *few = floats(2 * (c.in > c.out ? c.in : c.out), 7);
        for (int64_t k = 0; k < c.in; k++)
            c.x[2 * c.in + k] = NAN;
        for (int64_t k = 0; k < c.out; k++)
            c.dy[2 * c.out + k] = INFINITY;
        forward(&c, IMAGES, c.x, NULL, c.y);
        backward(&c, IMAGES, c.dy, NULL, c.dx);
        for (int64_t first = 0; first < IMAGES; first++)
            for (int64_t count = 1; count <= 2 && first + count <= IMAGES; count++) {
                if (first <= 2 && first + count > 2)
                    continue;
                forward(&c, count, c.x + first * c.in, NULL, few);
                assert_same_bits(few, c.y + first * c.out, (size_t)(count * c.out) * sizeof *few);
                backward(&c, count, c.dy + first * c.out, NULL, few);
                assert_same_bits(few, c.dx + first * c.in, (size_t)(count * c.in) * sizeof *few);
            }
        ln_free_aligned(few);
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
        convolving c;
        begin(&c, shapes[i / 2]);
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
        convolving c;
        ln_error err;
        begin(&c, shapes[i]);
        float *w = floats(ln_convolution_weights(&c.shape), 9);
        float *y = floats(IMAGES * c.out, 5), *dx = floats(IMAGES * c.in, 6);
        forward(&c, IMAGES, c.x, w, y);
        backward(&c, IMAGES, c.dy, w, dx);
        assert_ok(ln_convolutions_tiles.pack(&c.shape, USES, w, &c.packed, &err));
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
    convolving c;
    ln_error err;
    ln_convolved *both = NULL, *library = NULL;
    begin(&c, shapes[8]);
    assert_ok(ln_convolution_pack(&c.shape, USES, c.w, &both, &err));
    assert_ok(ln_library_convolutions()->pack(&c.shape, USES, c.w, &library, &err));
    assert_string_equal(both->names[0], "tiles");
    assert_string_equal(both->names[1], library->names[1]);
    assert_ok(ln_convolution_pack(&c.shape, USES, c.w, &both, &err)); /* again, into the same */
    void *scratch = ln_alloc_aligned(both->scratch_bytes);
    float *y = floats(IMAGES * c.out, 5), *dx = floats(IMAGES * c.in, 6);
    assert_true(both->scratch_bytes >= library->scratch_bytes);
    forward(&c, IMAGES, c.x, NULL, c.y);
    assert_ok(library->kernels->backward_data(library, IMAGES, c.dy, c.w, c.dx, scratch, &err));
    assert_ok(both->kernels->forward(both, IMAGES, c.x, c.w, c.bias, y, scratch, &err));
    assert_ok(both->kernels->backward_data(both, IMAGES, c.dy, c.w, dx, scratch, &err));
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

static ln_status pack(void *context, ln_error *err)
{
    const ln_convolution shape = shape_of(shapes[8]);
    ln_convolved *packed = NULL;
    ln_status status = ln_convolution_pack(&shape, USES, context, &packed, err);
    ln_convolved_release(packed);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = shape_of(shapes[8]);
    float *w = floats(ln_convolution_weights(&shape), 3);
    (void)state;
    if (ln_tiles_available())
        sweep_allocation_failures(pack, w);
    ln_free_aligned(w);
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
