/* kernels: planes (images whose channels are first), each kernel and the convolutions made of them, against
 * naive loops in double, in every instruction set that runs here. */
#include "packing.h"
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/convolved.h"
#include "kernels/library.h"
#include "kernels/planes.h"

enum { IMAGES = 3, USES = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA };

/* The tables that can run here. */
static int tables(const ln_planes_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_planes_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_planes_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_planes_avx512;
#endif
    return count;
}

static float *floats(int64_t count, uint64_t seed)
{
    float *out = ln_alloc_aligned((size_t)count * sizeof *out);
    ln_rng rng = ln_rng_make(seed, "test planes", 0, 0);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)ln_rng_normal(&rng);
    return out;
}

static double *zeros(int64_t count)
{
    double *out = ln_calloc((size_t)count, sizeof *out);
    assert_non_null(out);
    return out;
}

static void compare(const float *got, const double *wanted, int64_t count)
{
    double scale = 1;
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(wanted[i]));
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - wanted[i]) <= 2e-6 * scale))
            fail_msg("number %lld: %g, not %g", (long long)i, (double)got[i], wanted[i]);
}

/* ---------------------------------------------------------------- kernels */

/* Where nothing may be written, bits that no sum has. */
static void mark(float *at, int64_t count)
{
    memset(at, 0x7b, (size_t)count * sizeof *at);
}

static void assert_marked(const float *at, int64_t count)
{
    float marks[64];
    mark(marks, 64);
    for (int64_t i = 0; i < count; i++)
        assert_memory_equal(at + i, marks, sizeof *at);
}

/* All numbers of rows and of places around those of registers; written is what was asked for. */
static void products_are_sums(void **state)
{
    enum { DEPTH = 7, MOST = 16 * 9 + 3, ROW = MOST + 5, FROM = 3 * MOST };
    const ln_planes_kernels *kernels[3];
    const int count = tables(kernels);
    float *weight = floats(DEPTH * 20, 1), *from = floats(FROM, 2), *bias = floats(20, 3);
    static float to[3][20 * ROW];
    const int32_t at[DEPTH] = {0, 17, 3, 150, 64, 201, 5};
    (void)state;
    for (int64_t rows = 1; rows <= 20; rows++)
        for (int64_t places = 1; places <= MOST; places += places < 40 ? 1 : 13) {
            for (int k = 0; k < count; k++) {
                mark(to[k], 20 * ROW);
                kernels[k]->product(&(ln_planes_product){.rows = rows,
                                                         .places = places,
                                                         .depth = DEPTH,
                                                         .weight = weight,
                                                         .bias = places % 2 ? bias : NULL,
                                                         .from = from,
                                                         .at = at,
                                                         .to = to[k],
                                                         .to_row = ROW});
            }
            for (int64_t r = 0; r < rows; r++)
                for (int64_t p = 0; p < places; p++) {
                    double sum = places % 2 ? (double)bias[r] : 0;
                    for (int i = 0; i < DEPTH; i++)
                        sum += (double)weight[i * rows + r] * (double)from[at[i] + p];
                    for (int k = 0; k < count; k++)
                        assert_true(fabs((double)to[k][r * ROW + p] - sum) < 1e-5);
                }
            for (int k = 0; k < count; k++)
                for (int64_t r = 0; r < 20; r++)
                    assert_marked(to[k] + r * ROW + (r < rows ? places : 0),
                                  ROW - (r < rows ? places : 0));
            if (count == 3) /* the same fused additions in the same order */
                assert_same_bits(to[2], to[1], sizeof to[1]);
        }
    ln_free_aligned(weight);
    ln_free_aligned(from);
    ln_free_aligned(bias);
}

static void lines_are_moved(void **state)
{
    enum { LINES = 3, MOST = 40, AROUND = 64 };
    const ln_planes_kernels *kernels[3];
    const int count = tables(kernels);
    float *x = floats(2 * AROUND + LINES * MOST, 4), *from = x + AROUND;
    static float to[LINES * MOST + 8];
    (void)state;
    for (int k = 0; k < count; k++)
        for (int64_t in = 1; in <= MOST; in += 3)
            for (int64_t out = 1; out <= MOST; out++)
                for (int64_t shift = -19; shift <= 19; shift += shift < -3 || shift > 2 ? 8 : 1) {
                    mark(to, LINES * MOST + 8);
                    kernels[k]->move(&(ln_planes_move){LINES, in, out, shift}, from, to);
                    for (int64_t i = 0; i < LINES * out; i++) {
                        const int64_t at = i % out + shift;
                        const float wanted = at < 0 || at >= in ? 0 : from[i / out * in + at];
                        assert_true(to[i] == wanted);
                    }
                    assert_marked(to + LINES * out, 8);
                }
    ln_free_aligned(x);
}

/* from lines and width, to lines, taps, shifts, steps */
static const int64_t folds[][9] = {
    {5, 8, 9, 5, 5, 0, 0, 1, 1},    {4, 24, 4, 1, 3, 0, 1, 1, 1}, {6, 13, 7, 3, 7, 1, 3, 1, 1},
    {3, 33, 9, 2, 4, -1, -2, 2, 3}, {7, 1, 5, 3, 1, 2, 0, 1, 1},  {2, 40, 3, 4, 16, 1, 9, 1, 2},
    {9, 17, 3, 5, 2, 4, 0, 1, 20},  {1, 30, 1, 1, 5, 0, 2, 1, 1},
};

static void lines_are_folded(void **state)
{
    enum { AROUND = 512, LINES = 9, WIDTH = 48, TAPS = 64, ROW = 320 };
    const ln_planes_kernels *kernels[3];
    const int count = tables(kernels);
    float *x = floats(2 * AROUND + TAPS * ROW, 5), *from = x + AROUND;
    float *start = floats(LINES * WIDTH, 6);
    (void)state;
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++) {
        const int64_t *g = folds[i];
        const ln_planes_fold fold = {.from = {g[0], g[1]},
                                     .to = {g[2], WIDTH},
                                     .taps = {g[3], g[4]},
                                     .shift = {g[5], g[6]},
                                     .step = {g[7], g[8]},
                                     .row = ROW};
        float to[3][LINES * WIDTH];
        double wanted[LINES * WIDTH];
        for (int64_t n = 0; n < g[2] * WIDTH; n++) {
            wanted[n] = (double)start[n];
            for (int64_t tap = 0; tap < g[3] * g[4]; tap++) {
                const int64_t line = n / WIDTH + g[5] - tap / g[4] * g[7];
                const int64_t at = n % WIDTH + g[6] - tap % g[4] * g[8];
                if (line >= 0 && line < g[0] && at >= 0 && at < g[1])
                    wanted[n] += (double)from[tap * ROW + line * g[1] + at];
            }
        }
        for (int k = 0; k < count; k++) {
            memcpy(to[k], start, sizeof to[k]);
            kernels[k]->fold(&fold, from, to[k]);
            compare(to[k], wanted, g[2] * WIDTH);
            assert_same_bits(to[k] + g[2] * WIDTH, start + g[2] * WIDTH,
                             (size_t)((LINES - g[2]) * WIDTH) * sizeof **to);
            assert_same_bits(to[k], to[0], sizeof to[k]);
        }
    }
    ln_free_aligned(x);
    ln_free_aligned(start);
}

/* ---------------------------------------------------------------- convolutions */

/* channels, results, size, kernel, dilation, padding before and after; lines are one longer than the size,
 * the kernel one less high where the last number says so */
static const int64_t shapes[][8] = {
    {1, 10, 28, 5, 1, 0, 0, 0}, {10, 20, 12, 5, 1, 0, 0, 0}, {1, 1, 1, 1, 1, 0, 0, 0},
    {3, 7, 9, 3, 1, 1, 1, 0},   {2, 5, 17, 3, 2, 2, 1, 0},   {3, 16, 33, 7, 1, 3, 3, 0},
    {5, 3, 6, 6, 1, 0, 0, 1},   {1, 2, 40, 16, 1, 3, 9, 1},  {4, 9, 11, 2, 3, 0, 4, 0},
    {20, 6, 8, 3, 1, 4, 4, 1},  {2, 3, 300, 3, 1, 1, 1, 0},  {7, 33, 70, 5, 1, 2, 2, 0},
    {6, 16, 14, 5, 1, 0, 0, 0}, {17, 21, 5, 4, 1, 2, 1, 0},  {1, 8, 2, 5, 1, 3, 3, 0},
    {3, 24, 20, 5, 1, 0, 0, 0}, /* a band of dy that ends in the middle of a register, at dy's end */
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static ln_convolution shape_of(const int64_t *s)
{
    ln_convolution shape = {
        .groups = 1, .in_channels = s[0], .out_channels = s[1], .images = IMAGES};
    for (int i = 0; i < LN_SPATIAL; i++) {
        shape.in[i] = i ? s[2] + (i == 2) : 1;
        shape.kernel[i] = i ? s[3] - (i == 1 ? s[7] : 0) : 1;
        shape.stride[i] = 1;
        shape.dilation[i] = i ? s[4] : 1;
        shape.before[i] = i ? s[5] : 0;
        shape.out[i] = i ? shape.in[i] + s[5] + s[6] - s[4] * (shape.kernel[i] - 1) : 1;
    }
    return shape;
}

/* Every multiplication of a convolution: y[out] += w x[in], or dx[in] += w dy[out]. */
static void convolve(const ln_convolution *s, const float *w, const float *x, const float *dy,
                     double *y, double *dx)
{
    const int64_t in = s->in[1] * s->in[2], out = s->out[1] * s->out[2];
    const int64_t taps = s->kernel[1] * s->kernel[2];
    for (int64_t o = 0; o < s->out_channels; o++)
        for (int64_t c = 0; c < s->in_channels; c++)
            for (int64_t tap = 0; tap < taps; tap++)
                for (int64_t p = 0; p < out; p++) {
                    const int64_t line =
                        p / s->out[2] + tap / s->kernel[2] * s->dilation[1] - s->before[1];
                    const int64_t column =
                        p % s->out[2] + tap % s->kernel[2] * s->dilation[2] - s->before[2];
                    if (line < 0 || line >= s->in[1] || column < 0 || column >= s->in[2])
                        continue;
                    const int64_t from = c * in + line * s->in[2] + column, to = o * out + p;
                    const double weight = (double)w[(o * s->in_channels + c) * taps + tap];
                    y[to] += weight * (double)x[from];
                    dx[from] += weight * (double)dy[to];
                }
}

/* Against loops, in a batch and alone, which gives the same bits. */
static void check_shape(const int64_t *made)
{
    const ln_convolution shape = shape_of(made);
    const int64_t in = ln_convolution_in_row(&shape), out = ln_convolution_out_row(&shape);
    float *x = floats(IMAGES * in, 1), *dy = floats(IMAGES * out, 2);
    float *w = floats(ln_convolution_weights(&shape), 3), *bias = floats(shape.out_channels, 4);
    float *y = floats(IMAGES * out, 5), *dx = floats(IMAGES * in, 6);
    float *one = floats(in > out ? in : out, 7);
    double *wanted_y = zeros(IMAGES * out), *wanted_dx = zeros(IMAGES * in);
    ln_convolved *packed = NULL;
    ln_error err;
    assert_true(ln_planes_possible(&shape));
    for (int64_t i = 0; i < IMAGES * out; i++)
        wanted_y[i] = (double)bias[i % out / (shape.out[1] * shape.out[2])];
    for (int64_t i = 0; i < IMAGES; i++)
        convolve(&shape, w, x + i * in, dy + i * out, wanted_y + i * out, wanted_dx + i * in);
    assert_ok(ln_convolved_pack(&ln_convolutions_planes, &shape, USES, w, &packed, &err));
    void *scratch = ln_alloc_aligned(packed->scratch_bytes);
    memset(scratch, 0x7b, packed->scratch_bytes);
    assert_ok(ln_convolved_forward(packed, IMAGES, x, NULL, bias, y, scratch, &err));
    assert_ok(ln_convolved_backward_data(packed, IMAGES, dy, NULL, dx, scratch, &err));
    compare(y, wanted_y, IMAGES * out);
    compare(dx, wanted_dx, IMAGES * in);
    for (int64_t i = 0; i < IMAGES; i++) {
        assert_ok(ln_convolved_forward(packed, 1, x + i * in, NULL, bias, one, scratch, &err));
        assert_same_bits(one, y + i * out, (size_t)out * sizeof *one);
        assert_ok(ln_convolved_backward_data(packed, 1, dy + i * out, NULL, one, scratch, &err));
        assert_same_bits(one, dx + i * in, (size_t)in * sizeof *one);
    }
    float *all[] = {x, dy, w, bias, y, dx, one, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
    ln_free(wanted_y);
    ln_free(wanted_dx);
    ln_convolved_release(packed);
}

static void convolutions_are_sums(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        print_message("shape %d\n", i);
        check_shape(shapes[i]);
    }
}

/* Gradients of weights, other weights, and weights that are packed again. */
static void other_uses(void **state)
{
    const ln_convolution shape = shape_of(shapes[3]);
    const int64_t in = ln_convolution_in_row(&shape), out = ln_convolution_out_row(&shape);
    const int64_t weights = ln_convolution_weights(&shape);
    float *x = floats(IMAGES * in, 1), *dy = floats(IMAGES * out, 2), *w = floats(weights, 3);
    float *other = floats(weights, 4), *y = floats(IMAGES * out, 5), *dx = floats(IMAGES * in, 6);
    float *dw = floats(weights, 7);
    ln_error err;
    (void)state;
    for (int again = 0; again < 2; again++) {
        ln_convolved *packed = NULL;
        double *wanted_y = zeros(IMAGES * out), *wanted_dx = zeros(IMAGES * in);
        const unsigned uses = USES | (again ? LN_CONVOLVE_BACKWARD_WEIGHTS : LN_CONVOLVE_OTHERS);
        assert_ok(ln_convolved_pack(&ln_convolutions_planes, &shape, uses, w, &packed, &err));
        if (again)
            assert_ok(
                ln_convolved_pack(&ln_convolutions_planes, &shape, uses, other, &packed, &err));
        void *scratch = ln_alloc_aligned(packed->scratch_bytes);
        const float *given = again ? NULL : other;
        for (int64_t i = 0; i < IMAGES; i++)
            convolve(&shape, other, x + i * in, dy + i * out, wanted_y + i * out,
                     wanted_dx + i * in);
        assert_ok(ln_convolved_forward(packed, IMAGES, x, given, NULL, y, scratch, &err));
        assert_ok(ln_convolved_backward_data(packed, IMAGES, dy, given, dx, scratch, &err));
        compare(y, wanted_y, IMAGES * out);
        compare(dx, wanted_dx, IMAGES * in);
        if (again) {
            /* dw dw' of the sum of y dy: the derivative along w' is y' dy, linear as it is. */
            double along = 0, wanted = 0;
            memset(dw, 0, (size_t)weights * sizeof *dw);
            assert_ok(ln_convolved_backward_weights(packed, IMAGES, x, dy, dw, scratch, &err));
            for (int64_t i = 0; i < weights; i++)
                along += (double)dw[i] * (double)other[i];
            for (int64_t i = 0; i < IMAGES * out; i++)
                wanted += wanted_y[i] * (double)dy[i];
            assert_true(fabs(along - wanted) <= 1e-4 * fmax(1, fabs(wanted)));
        }
        ln_free_aligned(scratch);
        ln_free(wanted_y);
        ln_free(wanted_dx);
        ln_convolved_release(packed);
    }
    float *all[] = {x, dy, w, other, y, dx, dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
}

static void what_is_not_possible(void **state)
{
    ln_convolution shape = shape_of(shapes[3]);
    (void)state;
    assert_true(ln_planes_possible(&shape));
    shape.last = true;
    assert_false(ln_planes_possible(&shape));
    shape = shape_of(shapes[3]);
    shape.stride[2] = 2;
    assert_false(ln_planes_possible(&shape));
    shape = shape_of(shapes[3]);
    shape.groups = 3;
    assert_false(ln_planes_possible(&shape));
    shape = shape_of(shapes[3]);
    shape.kernel[0] = 2;
    assert_false(ln_planes_possible(&shape));
    shape = shape_of(shapes[3]);
    shape.kernel[2] = LN_PLANES_TAPS + 1;
    assert_false(ln_planes_possible(&shape));
    shape = shape_of(shapes[3]);
    shape.dilation[2] = LN_PLANES_LANES + 1;
    assert_false(ln_planes_possible(&shape));
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = shape_of(shapes[3]);
    (void)state;
    sweep_packing(&ln_convolutions_planes, &shape, USES | LN_CONVOLVE_OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_sums),
        cmocka_unit_test(lines_are_moved),
        cmocka_unit_test(lines_are_folded),
        cmocka_unit_test(convolutions_are_sums),
        cmocka_unit_test(other_uses),
        cmocka_unit_test(what_is_not_possible),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("planes", tests, NULL, NULL);
}
