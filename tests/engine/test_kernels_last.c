/* kernels: images whose channels are last, against the plain convolutions on turned images and against
 * naive loops, in every instruction set that runs here. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/convolved.h"
#include "kernels/last.h"
#include "kernels/library.h"

enum { IMAGES = 5, USES = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA };

/* The tables that can run here. */
static int tables(const ln_last_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_last_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_last_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_last_avx512;
#endif
    return count;
}

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test last", seed);
}

/* Of images with `channels` channels of `places` places, each. */
static float *turned(const float *first, int64_t images, int64_t channels, int64_t places)
{
    float *out = ln_alloc_aligned((size_t)(images * channels * places) * sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < images; i++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < places; p++)
                out[(i * places + p) * channels + c] = first[(i * channels + c) * places + p];
    return out;
}

/* groups, channels, results, size, kernel, stride, dilation, padding before and after */
static const int64_t shapes[][9] = {
    {1, 1, 10, 28, 5, 1, 1, 0, 0},  {1, 3, 64, 33, 7, 2, 1, 3, 3},
    {1, 4, 17, 9, 3, 1, 1, 1, 1},   {1, 2, 32, 12, 4, 3, 1, 0, 2},
    {1, 3, 8, 20, 3, 2, 1, 0, 1},   {1, 3, 5, 7, 1, 1, 1, 0, 0},
    {1, 1, 16, 6, 6, 1, 1, 0, 0},   {1, 3, 16, 11, 3, 1, 2, 2, 2},
    {1, 64, 32, 9, 3, 1, 1, 1, 1},  {1, 10, 20, 12, 5, 1, 1, 0, 0},
    {1, 24, 30, 8, 1, 2, 1, 0, 0},  {20, 20, 20, 10, 3, 2, 1, 1, 1},
    {4, 16, 32, 7, 3, 1, 1, 1, 1},  {1, 512, 256, 5, 3, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, 1, 1, 0, 0},    {1, 3, 21, 126, 3, 1, 1, 1, 1},
    {1, 3, 10, 198, 7, 2, 1, 3, 2}, {1, 4, 33, 100, 5, 1, 1, 0, 0},
    {1, 2, 16, 225, 4, 2, 1, 2, 1}, {1, 4, 20, 240, 3, 2, 1, 0, 3},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ln_convolution shape_of(const int64_t *s, bool last)
{
    ln_convolution shape = {
        .groups = s[0], .in_channels = s[1], .out_channels = s[2], .images = IMAGES, .last = last};
    for (int i = 0; i < 3; i++) {
        shape.in[i] = i ? s[3] + i : 1;
        shape.kernel[i] = i ? s[4] : 1;
        shape.stride[i] = i ? s[5] : 1;
        shape.dilation[i] = i ? s[6] : 1;
        shape.before[i] = i ? s[7] : 0;
        shape.out[i] = i ? (s[3] + i + s[7] + s[8] - s[6] * (s[4] - 1) - 1) / s[5] + 1 : 1;
    }
    return shape;
}

static void compare(const float *got, const float *wanted, int64_t count)
{
    double scale = 1;
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs((double)wanted[i]));
    assert_near_f32(got, wanted, (size_t)count, 2e-6 * scale, 1e-5);
}

/* One shape: both layouts compute the same, and an image alone has the bits that it has in a batch. */
static void check_shape(const int64_t *made)
{
    const ln_convolution shape = shape_of(made, true), other = shape_of(made, false);
    const int64_t in = ln_convolution_in_row(&shape), out = ln_convolution_out_row(&shape);
    const int64_t places = in / shape.in_channels, out_places = out / shape.out_channels;
    float *x = floats(IMAGES * in, 1), *dy = floats(IMAGES * out, 2);
    float *w = floats(ln_convolution_weights(&shape), 3), *bias = floats(shape.out_channels, 4);
    float *y = floats(IMAGES * out, 5), *dx = floats(IMAGES * in, 6);
    float *one = floats(in > out ? in : out, 7);
    float *last_x = turned(x, IMAGES, shape.in_channels, places);
    float *last_dy = turned(dy, IMAGES, shape.out_channels, out_places);
    float *last_y = floats(IMAGES * out, 8), *last_dx = floats(IMAGES * in, 9);
    ln_convolved *plain = NULL, *last = NULL;
    ln_error err;
    assert_ok(ln_convolved_pack(&ln_convolutions_plain, &other, USES, w, &plain, &err));
    assert_ok(ln_convolved_pack(ln_library_convolutions(), &shape, USES, w, &last, &err));
    const size_t most =
        plain->scratch_bytes > last->scratch_bytes ? plain->scratch_bytes : last->scratch_bytes;
    void *scratch = ln_alloc_aligned(most + 1);
    assert_ok(ln_convolved_forward(plain, IMAGES, x, w, bias, y, scratch, &err));
    assert_ok(ln_convolved_backward_data(plain, IMAGES, dy, w, dx, scratch, &err));
    assert_ok(ln_convolved_forward(last, IMAGES, last_x, w, bias, last_y, scratch, &err));
    assert_ok(ln_convolved_backward_data(last, IMAGES, last_dy, w, last_dx, scratch, &err));
    float *wanted_y = turned(y, IMAGES, shape.out_channels, out_places);
    float *wanted_dx = turned(dx, IMAGES, shape.in_channels, places);
    compare(last_y, wanted_y, IMAGES * out);
    compare(last_dx, wanted_dx, IMAGES * in);
    for (int64_t i = 0; i < IMAGES; i++) {
        assert_ok(ln_convolved_forward(last, 1, last_x + i * in, w, bias, one, scratch, &err));
        assert_same_bits(one, last_y + i * out, (size_t)out * sizeof *one);
        assert_ok(ln_convolved_backward_data(last, 1, last_dy + i * out, w, one, scratch, &err));
        assert_same_bits(one, last_dx + i * in, (size_t)in * sizeof *one);
    }
    float *all[] = {x,      dy,     w,       bias,    y,       dx,       one,
                    last_x, last_y, last_dx, last_dy, scratch, wanted_y, wanted_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
    ln_convolved_release(plain);
    ln_convolved_release(last);
}

static void convolutions_are_those_of_turned_images(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        print_message("shape %d\n", i);
        check_shape(shapes[i]);
    }
}

/* The plain entry turns images itself, and its sums are the same. Scratch memory is spoilt before. */
static void check_plain(const int64_t *made)
{
    ln_error err;
    float *y[2], *dx[2];
    const ln_convolution first = shape_of(made, false);
    const int64_t in = ln_convolution_in_row(&first), out = ln_convolution_out_row(&first);
    const int64_t places = in / first.in_channels, out_places = out / first.out_channels;
    float *w = floats(ln_convolution_weights(&first), 3), *bias = floats(first.out_channels, 4);
    float *x = floats(IMAGES * in, 1), *dy = floats(IMAGES * out, 2);
    float *last_x = turned(x, IMAGES, first.in_channels, places);
    float *last_dy = turned(dy, IMAGES, first.out_channels, out_places);
    for (int last = 0; last < 2; last++) {
        const ln_convolution shape = shape_of(made, last == 1);
        ln_convolved *plain = NULL;
        assert_ok(ln_convolved_pack(&ln_convolutions_plain, &shape, USES, w, &plain, &err));
        void *scratch = ln_alloc_aligned(plain->scratch_bytes);
        memset(scratch, 0xff, plain->scratch_bytes);
        y[last] = floats(IMAGES * out, 5);
        dx[last] = floats(IMAGES * in, 6);
        assert_ok(ln_convolved_forward(plain, IMAGES, last ? last_x : x, w, bias, y[last], scratch,
                                       &err));
        assert_ok(ln_convolved_backward_data(plain, IMAGES, last ? last_dy : dy, w, dx[last],
                                             scratch, &err));
        ln_free_aligned(scratch);
        ln_convolved_release(plain);
    }
    float *wanted_y = turned(y[0], IMAGES, first.out_channels, out_places);
    float *wanted_dx = turned(dx[0], IMAGES, first.in_channels, places);
    assert_same_bits(y[1], wanted_y, (size_t)(IMAGES * out) * sizeof *wanted_y);
    assert_same_bits(dx[1], wanted_dx, (size_t)(IMAGES * in) * sizeof *wanted_dx);
    float *all[] = {w, bias, x, dy, last_x, last_dy, y[0], y[1], dx[0], dx[1], wanted_y, wanted_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
}

static void plain_ones_turn_images(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        check_plain(shapes[i]);
}

/* ---------------------------------------------------------------- the small kernels */

/* The gradient of few channels by its definition; dy as `thin` reads it. */
static void naive_thin(const ln_thin *t, const float *dy, double *dx)
{
    const int64_t line = t->left + t->out[1] + t->right;
    for (int64_t i = 0; i < t->in[0] * t->in[1] * t->channels; i++)
        dx[i] = 0;
    for (int64_t oy = 0; oy < t->out[0]; oy++)
        for (int64_t ox = 0; ox < t->out[1]; ox++)
            for (int64_t ky = 0; ky < t->kernel[0]; ky++)
                for (int64_t kx = 0; kx < t->kernel[1]; kx++) {
                    const int64_t y = oy * t->stride[0] + ky - t->before[0];
                    const int64_t x = ox * t->stride[1] + kx - t->before[1];
                    const float *d = dy + (oy * line + t->left + ox) * t->lanes;
                    const float *w = t->weight + (ky * t->kernel[1] + kx) * t->lanes * t->channels;
                    if (y < 0 || y >= t->in[0] || x < 0 || x >= t->in[1])
                        continue;
                    for (int64_t c = 0; c < t->channels; c++)
                        for (int64_t o = 0; o < t->lanes; o++)
                            dx[(y * t->in[1] + x) * t->channels + c] +=
                                (double)d[o] * (double)w[(o / 16 * t->channels + c) * 16 + o % 16];
                }
}

static void thin_is_the_gradient_of_few_channels(void **state)
{
    const ln_last_kernels *kernels[3];
    (void)state;
    for (int64_t channels = 1; channels <= LN_THIN_CHANNELS; channels++)
        for (int64_t lanes = 16; lanes <= 80; lanes += 16)
            for (int64_t stride = 1; stride <= 3; stride++) {
                ln_thin t = {.channels = channels,
                             .results = lanes - 3,
                             .lanes = lanes,
                             .left = lanes == 16 ? 4 : 0,
                             .right = lanes == 16 ? 4 + LN_THIN_PLACES : 0,
                             .out = {6, 19},
                             .kernel = {3, 5},
                             .stride = {stride, stride},
                             .before = {1, 2}};
                t.in[0] = 5 * stride + 2;
                t.in[1] = 18 * stride + 4;
                const int64_t line = t.left + t.out[1] + t.right;
                const int64_t count = t.in[0] * t.in[1] * channels;
                float *dy = floats(t.out[0] * line * lanes, 1), *dx = floats(count, 2);
                float *weight = floats(15 * lanes * channels, 3);
                double *wanted = ln_calloc((size_t)count, sizeof *wanted);
                for (int64_t i = 0; i < t.out[0] * line; i++)
                    if (i % line < t.left || i % line >= t.left + t.out[1])
                        memset(dy + i * lanes, 0, (size_t)lanes * sizeof *dy);
                t.weight = weight;
                naive_thin(&t, dy, wanted);
                for (int k = 0; k < tables(kernels); k++) {
                    kernels[k]->thin(&t, dy, dx);
                    for (int64_t i = 0; i < count; i++)
                        if (!(fabs((double)dx[i] - wanted[i]) < 1e-4))
                            fail_msg("table %d, element %d: %g, not %g", k, (int)i, (double)dx[i],
                                     wanted[i]);
                }
                ln_free_aligned(dy);
                ln_free_aligned(dx);
                ln_free_aligned(weight);
                ln_free(wanted);
            }
}

/* channels, stride: a place of the stride has 3, 4, 6 or 8 numbers of dx. */
static void across_is_the_gradient_of_wide_lines(void **state)
{
    static const int64_t cases[][2] = {{3, 1}, {4, 1}, {2, 2}, {3, 2}, {2, 3}, {4, 2}};
    enum { RESULTS = 16, KERNEL_X = 5, KERNEL_Y = 3, OUT = 19 };
    const ln_last_kernels *kernels[3];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t channels = cases[i][0], stride = cases[i][1], rows = channels * stride;
        const int64_t shifts = (KERNEL_X + stride - 1) / stride;
        ln_across t = {.thin = {.channels = channels,
                                .results = RESULTS,
                                .lanes = RESULTS,
                                .in = {5 * stride + 2, 18 * stride + 4},
                                .out = {6, OUT},
                                .kernel = {KERNEL_Y, KERNEL_X},
                                .stride = {stride, stride},
                                .before = {1, 2}},
                       .shifts = {(KERNEL_Y + stride - 1) / stride, shifts},
                       .places = LN_ACROSS_PLACES,
                       .width = LN_ACROSS_PLACES + shifts - 1};
        const int64_t count = t.thin.in[0] * t.thin.in[1] * channels;
        float *dy = floats(6 * OUT * RESULTS, 1), *dx = floats(count, 2);
        float *weight = floats(KERNEL_Y * KERNEL_X * channels * RESULTS, 3);
        float *own = ln_calloc((size_t)(KERNEL_Y * shifts * RESULTS * rows), sizeof *own);
        float *scratch = floats(t.shifts[0] * RESULTS * t.width + 2 * rows * t.places, 4);
        double *wanted = ln_calloc((size_t)count, sizeof *wanted);
        for (int64_t k = 0; k < KERNEL_Y * KERNEL_X * channels * RESULTS; k++) {
            const int64_t tap = k / RESULTS / channels, c = k / RESULTS % channels, o = k % RESULTS;
            const int64_t j = tap % KERNEL_X / stride, phase = tap % KERNEL_X % stride;
            own[((tap / KERNEL_X * shifts + j) * RESULTS + o) * rows + phase * channels + c] =
                weight[k];
        }
        t.thin.weight = weight;
        t.weight = own;
        naive_thin(&t.thin, dy, wanted);
        for (int k = 0; k < tables(kernels); k++) {
            kernels[k]->across(&t, dy, dx, scratch);
            for (int64_t e = 0; e < count; e++)
                if (!(fabs((double)dx[e] - wanted[e]) < 1e-4))
                    fail_msg("case %d, table %d, element %d: %g, not %g", (int)i, k, (int)e,
                             (double)dx[e], wanted[e]);
        }
        ln_free_aligned(dy);
        ln_free_aligned(dx);
        ln_free_aligned(weight);
        ln_free(own);
        ln_free_aligned(scratch);
        ln_free(wanted);
    }
}

/* A 5 x 6 image, windows 3 x 2 that overlap along the first axis and are cut at both ends. */
static void check_pools(const ln_last_kernels *kernels, int64_t channels, bool nan)
{
    static const ln_last_span rows[] = {{0, 2, 3}, {0, 3, 3}, {2, 3, 3}, {3, 2, 3}};
    static const ln_last_span columns[] = {{0, 2, 2}, {2, 2, 2}, {4, 1, 1}};
    const ln_last_pool pool = {.channels = channels,
                               .in = {5, 6},
                               .out = {4, 3},
                               .dilation = {1, 1},
                               .spans = {rows, columns}};
    float *x = floats(30 * channels, 1), *dy = floats(12 * channels, 2);
    float *y = floats(12 * channels, 3), *dx = floats(30 * channels, 4);
    x[7 * channels] = x[8 * channels]; /* two that are equal: the first counts */
    if (nan)
        x[14 * channels + channels - 1] = NAN;
    for (int greatest = 0; greatest < 2; greatest++) {
        (greatest ? kernels->max_forward : kernels->mean_forward)(&pool, x, y);
        if (greatest)
            kernels->max_backward(&pool, x, dy, dx);
        else
            kernels->mean_backward(&pool, dy, dx);
        float *wanted_dx = ln_calloc((size_t)(30 * channels), sizeof *wanted_dx);
        for (int64_t o = 0; o < 12 * channels; o++) {
            const ln_last_span *r = &rows[o / channels / 3], *c = &columns[o / channels % 3];
            const int64_t channel = o % channels;
            int64_t at = -1;
            double sum = 0;
            for (int64_t i = 0; i < r->count; i++)
                for (int64_t j = 0; j < c->count; j++) {
                    const int64_t e = ((r->first + i) * 6 + c->first + j) * channels + channel;
                    if (at < 0 || x[e] > x[at] || isnan(x[e]))
                        at = e;
                    sum += (double)x[e];
                    if (!greatest)
                        wanted_dx[e] +=
                            (float)((double)dy[o] / ((double)r->divisor * (double)c->divisor));
                }
            const float wanted =
                greatest ? x[at] : (float)(sum / ((double)r->divisor * (double)c->divisor));
            assert_same_bits(&y[o], &wanted, sizeof wanted);
            if (greatest)
                wanted_dx[at] += dy[o];
        }
        assert_near_f32(dx, wanted_dx, (size_t)(30 * channels), 1e-6, 1e-6);
        ln_free(wanted_dx);
    }
    ln_free_aligned(x);
    ln_free_aligned(dy);
    ln_free_aligned(y);
    ln_free_aligned(dx);
}

static void poolings_match_naive_loops(void **state)
{
    static const int64_t channels[] = {1, 3, 7, 10, 16, 17, 64, 130};
    const ln_last_kernels *kernels[3];
    (void)state;
    for (int k = 0; k < tables(kernels); k++)
        for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
            check_pools(kernels[k], channels[i], false);
            check_pools(kernels[k], channels[i], true);
        }
}

static void what_follows_a_convolution(void **state)
{
    const float from[] = {-1, 0, 0.5F, 6, 7, NAN, INFINITY}, add[] = {3, 0, -1, 1, 0, 0, -1};
    const float relu[] = {2, 0, 0, 7, 7, NAN, INFINITY}, six[] = {2, 0, 0, 6, 6, NAN, 6};
    const float sum[] = {2, 0, -0.5F, 7, 7, NAN, INFINITY};
    const float relu_keeps[] = {1, 0, 0, 1, 1, 1, 1}, six_keeps[] = {1, 0, 0, 0, 0, 0, 0};
    const float dy[] = {1, 1, 1, 1, 1, 1, 1};
    const ln_last_kernels *kernels[3];
    (void)state;
    for (int k = 0; k < tables(kernels); k++)
        for (int kind = LN_FINISH_NOTHING; kind <= LN_FINISH_CLAMP; kind++) {
            const ln_finish finish = {(ln_finish_kind)kind, 0, 6};
            const float *wanted = kind == LN_FINISH_NOTHING ? sum
                                  : kind == LN_FINISH_RELU  ? relu
                                                            : six;
            float y[7], dz[7];
            memcpy(y, from, sizeof y);
            kernels[k]->finish(&finish, 7, add, y);
            assert_near_f32(y, wanted, 7, 0, 0);
            if (kind == LN_FINISH_NOTHING)
                continue;
            kernels[k]->keep(&finish, 7, y, dy, dz);
            assert_near_f32(dz, kind == LN_FINISH_RELU ? relu_keeps : six_keeps, 7, 0, 0);
        }
}

static void turning_there_and_back(void **state)
{
    (void)state;
    for (int64_t rows = 1; rows < 40; rows += 6)
        for (int64_t columns = 1; columns < 50; columns += 7) {
            float *from = floats(rows * columns, 1), *to = floats(rows * columns, 2);
            ln_last_turn(rows, columns, from, to);
            for (int64_t i = 0; i < rows * columns; i++)
                assert_true(to[i % columns * rows + i / columns] == from[i]);
            ln_free_aligned(from);
            ln_free_aligned(to);
        }
}

/* The tap of a window of 2 x 2 that wins: the first of the greatest, the last NaN. */
static int winner(const float *const x[2], int64_t o)
{
    int best = 0;
    for (int tap = 1; tap < 4; tap++) {
        const float here = x[tap / 2][2 * o + tap % 2], most = x[best / 2][2 * o + best % 2];
        best = here > most || isnan(here) ? tap : best;
    }
    return best;
}

static void pairs_are_windows_of_two_lines(void **state)
{
    enum { MOST = 40, LINES = 3, UNTOUCHED = 7 };
    const ln_last_kernels *kernels[3];
    (void)state;
    for (int k = 0; k < tables(kernels); k++)
        for (int64_t count = 1; count <= MOST; count++) {
            const int64_t width = 2 * count + count % 3;
            float *x = floats(2 * LINES * width, 1), *dy = floats(LINES * count, 3);
            float y[LINES * MOST + 1], dx[2 * LINES * (2 * MOST + 2) + 1];
            for (int64_t i = 0; i < 2 * LINES * width; i += 3) /* ties, NaNs and infinities */
                x[i] = i % 4 == 0 ? NAN : i % 4 == 1 ? INFINITY : 1;
            for (int64_t i = 0; i <= 2 * LINES * width; i++)
                dx[i] = UNTOUCHED;
            y[LINES * count] = UNTOUCHED;
            const ln_pairs pairs = {.lines = LINES, .count = count, .width = width};
            kernels[k]->pairs_forward(&pairs, x, y);
            kernels[k]->pairs_backward(&pairs, x, dy, dx);
            for (int64_t n = 0; n < LINES * count; n++) {
                const int64_t first = n / count * 2 * width, o = n % count;
                const float *const lines[2] = {x + first, x + first + width};
                const int best = winner(lines, o);
                const float most = lines[best / 2][2 * o + best % 2];
                assert_true(y[n] == most || (isnan(y[n]) && isnan(most)));
                for (int tap = 0; tap < 4; tap++) {
                    float *got = &dx[first + tap / 2 * width + 2 * o + tap % 2];
                    assert_true(*got == (tap == best ? dy[n] : 0));
                    *got = UNTOUCHED;
                }
            }
            assert_true(y[LINES * count] == UNTOUCHED);
            for (int64_t i = 0; i <= 2 * LINES * width; i++) /* gaps, and what lies behind */
                assert_true(dx[i] == UNTOUCHED);
            ln_free_aligned(x);
            ln_free_aligned(dy);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_those_of_turned_images),
        cmocka_unit_test(plain_ones_turn_images),
        cmocka_unit_test(thin_is_the_gradient_of_few_channels),
        cmocka_unit_test(across_is_the_gradient_of_wide_lines),
        cmocka_unit_test(poolings_match_naive_loops),
        cmocka_unit_test(what_follows_a_convolution),
        cmocka_unit_test(turning_there_and_back),
        cmocka_unit_test(pairs_are_windows_of_two_lines),
    };
    return cmocka_run_group_tests_name("kernels last", tests, NULL, NULL);
}
