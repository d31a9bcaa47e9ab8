/* kernels: convolutions against naive sums in float64, the promise that an image's bits depend on
 * the image alone, and that oneDNN's part is none of its reference implementations. */
#include "packing.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/convolution.h"
#include "kernels/convolved.h"
#include "kernels/library.h"

enum {
    IMAGES = 5,
    ALL = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA | LN_CONVOLVE_BACKWARD_WEIGHTS
};

/* The entries that can run here. */
static int entries(const ln_convolutions *out[2])
{
    int count = 0;
    out[count++] = &ln_convolutions_plain;
    if (ln_library_convolutions())
        out[count++] = ln_library_convolutions();
    return count;
}

/* groups, channels, results, sizes, kernel, stride, dilation, before; `out` follows, with `after`. */
typedef struct made_shape {
    int64_t groups, in_channels, out_channels, in[3], kernel[3], stride[3], dilation[3], before[3],
        after[3];
} made_shape;

static const made_shape shapes[] = {
    {1, 1, 10, {1, 12, 12}, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
    {1, 3, 20, {1, 15, 14}, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
    {1, 16, 32, {1, 9, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 20, 17, {1, 8, 7}, {1, 3, 3}, {1, 2, 1}, {1, 1, 1}, {0, 1, 0}, {0, 0, 2}},
    {1, 33, 24, {1, 6, 6}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
    {1, 16, 16, {1, 9, 9}, {1, 3, 3}, {1, 1, 1}, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}},
    {4, 16, 32, {1, 7, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {24, 24, 24, {1, 10, 10}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 8, 8, {1, 1, 40}, {1, 1, 5}, {1, 1, 1}, {1, 1, 1}, {0, 0, 2}, {0, 0, 2}},
    {1, 4, 16, {4, 6, 5}, {3, 3, 2}, {1, 2, 1}, {1, 1, 1}, {1, 1, 0}, {1, 1, 0}},
    {2, 6, 4, {1, 5, 6}, {1, 2, 3}, {1, 3, 1}, {1, 1, 1}, {0, 1, 2}, {0, 1, 2}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ln_convolution shape_of(const made_shape *made)
{
    ln_convolution shape = {.groups = made->groups,
                            .in_channels = made->in_channels,
                            .out_channels = made->out_channels,
                            .images = IMAGES};
    for (int i = 0; i < 3; i++) {
        const int64_t extent = made->dilation[i] * (made->kernel[i] - 1) + 1;
        shape.in[i] = made->in[i];
        shape.kernel[i] = made->kernel[i];
        shape.stride[i] = made->stride[i];
        shape.dilation[i] = made->dilation[i];
        shape.before[i] = made->before[i];
        shape.out[i] =
            (made->in[i] + made->before[i] + made->after[i] - extent) / made->stride[i] + 1;
    }
    return shape;
}

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test convolutions", seed);
}

/* Numbers for one shape, and what an entry or the naive sum makes of them. */
typedef struct problem {
    ln_convolution shape;
    int64_t in, out, weights; /* numbers of an image, of its result, of the kernel */
    float *x, *w, *bias, *dy;
    float *y, *dx, *dw; /* results; dw starts at 1 */
    ln_convolved *packed;
    void *scratch;
} problem;

static problem make(const made_shape *made)
{
    problem p = {.shape = shape_of(made)};
    p.in = ln_convolution_in_row(&p.shape);
    p.out = ln_convolution_out_row(&p.shape);
    p.weights = ln_convolution_weights(&p.shape);
    p.x = floats(IMAGES * p.in, 1);
    p.w = floats(p.weights, 2);
    p.bias = floats(p.shape.out_channels, 3);
    p.dy = floats(IMAGES * p.out, 4);
    p.y = floats(IMAGES * p.out, 5);
    p.dx = floats(IMAGES * p.in, 6);
    p.dw = floats(p.weights, 7);
    for (int64_t i = 0; i < p.weights; i++)
        p.dw[i] = 1;
    return p;
}

static void pack(problem *p, const ln_convolutions *kernels)
{
    ln_error err;
    assert_ok(ln_convolved_pack(kernels, &p->shape, ALL, p->w, &p->packed, &err));
    p->scratch = ln_alloc_aligned(p->packed->scratch_bytes + 1);
    assert_non_null(p->scratch);
}

static void drop(problem *p)
{
    float *all[] = {p->x, p->w, p->bias, p->dy, p->y, p->dx, p->dw, p->scratch};
    ln_convolved_release(p->packed);
    for (int i = 0; i < 8; i++)
        ln_free_aligned(all[i]);
}

/* All three maps at once: every product of the definition is visited once. */
static void naive(const problem *p, double *y, double *dx, double *dw)
{
    const ln_convolution *s = &p->shape;
    const int64_t outputs = s->out_channels / s->groups, channels = s->in_channels / s->groups;
    const int64_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const int64_t places = s->out[0] * s->out[1] * s->out[2], size = s->in[0] * s->in[1] * s->in[2];
    for (int64_t i = 0; i < IMAGES * p->out; i++)
        y[i] = (double)p->bias[i / places % s->out_channels];
    for (int64_t i = 0; i < IMAGES * p->in; i++)
        dx[i] = 0;
    for (int64_t i = 0; i < p->weights; i++)
        dw[i] = 1;
    for (int64_t i = 0; i < IMAGES * p->out; i++)
        for (int64_t k = 0; k < channels * taps; k++) {
            const int64_t place = i % places, o = i / places % s->out_channels, tap = k % taps;
            const int64_t at[3] = {place / (s->out[1] * s->out[2]), place / s->out[2] % s->out[1],
                                   place % s->out[2]};
            const int64_t t[3] = {tap / (s->kernel[1] * s->kernel[2]),
                                  tap / s->kernel[2] % s->kernel[1], tap % s->kernel[2]};
            int64_t from = 0;
            for (int a = 0; a < 3 && from >= 0; a++) {
                const int64_t x = at[a] * s->stride[a] + t[a] * s->dilation[a] - s->before[a];
                from = x < 0 || x >= s->in[a] ? -1 : from * s->in[a] + x;
            }
            if (from < 0)
                continue;
            const int64_t c = o / outputs * channels + k / taps;
            const int64_t x = (i / p->out * s->in_channels + c) * size + from;
            const int64_t w = o * channels * taps + k;
            y[i] += (double)p->w[w] * (double)p->x[x];
            dx[x] += (double)p->w[w] * (double)p->dy[i];
            dw[w] += (double)p->x[x] * (double)p->dy[i];
        }
}

static void near(const float *got, const double *wanted, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const float one = (float)wanted[i];
        assert_near_f32(&got[i], &one, 1, 3e-5, 1e-5);
    }
}

static void every_entry_matches_a_naive_sum(void **state)
{
    const ln_convolutions *kernels[2];
    ln_error err;
    (void)state;
    for (int e = 0; e < entries(kernels); e++)
        for (int i = 0; i < SHAPES; i++) {
            problem p = make(&shapes[i]);
            double *y = ln_calloc((size_t)(IMAGES * p.out), sizeof *y);
            double *dx = ln_calloc((size_t)(IMAGES * p.in), sizeof *dx);
            double *dw = ln_calloc((size_t)p.weights, sizeof *dw);
            pack(&p, kernels[e]);
            naive(&p, y, dx, dw);
            print_message("%s, shape %d\n", kernels[e]->name, i);
            assert_ok(
                ln_convolved_forward(p.packed, IMAGES, p.x, p.w, p.bias, p.y, p.scratch, &err));
            assert_ok(
                ln_convolved_backward_data(p.packed, IMAGES, p.dy, p.w, p.dx, p.scratch, &err));
            assert_ok(
                ln_convolved_backward_weights(p.packed, IMAGES, p.x, p.dy, p.dw, p.scratch, &err));
            near(p.y, y, IMAGES * p.out);
            near(p.dx, dx, IMAGES * p.in);
            near(p.dw, dw, p.weights);
            drop(&p);
            ln_free(y);
            ln_free(dx);
            ln_free(dw);
        }
}

/* Each image alone, in a plan of another size, and in a batch: the same bits. */
static void an_image_does_not_feel_the_others(void **state)
{
    const ln_convolutions *kernels[2];
    ln_error err;
    (void)state;
    for (int e = 0; e < entries(kernels); e++)
        for (int i = 0; i < SHAPES; i++) {
            problem p = make(&shapes[i]), one = make(&shapes[i]);
            one.shape.images = 1;
            pack(&p, kernels[e]);
            pack(&one, kernels[e]);
            assert_ok(
                ln_convolved_forward(p.packed, IMAGES, p.x, p.w, p.bias, p.y, p.scratch, &err));
            assert_ok(
                ln_convolved_backward_data(p.packed, IMAGES, p.dy, p.w, p.dx, p.scratch, &err));
            for (int64_t image = 0; image < IMAGES; image++) {
                assert_ok(ln_convolved_forward(one.packed, 1, p.x + image * p.in, one.w, one.bias,
                                               one.y, one.scratch, &err));
                assert_same_bits(one.y, p.y + image * p.out, (size_t)p.out * sizeof(float));
                assert_ok(ln_convolved_backward_data(one.packed, 1, p.dy + image * p.out, one.w,
                                                     one.dx, one.scratch, &err));
                assert_same_bits(one.dx, p.dx + image * p.in, (size_t)p.in * sizeof(float));
            }
            drop(&p);
            drop(&one);
        }
}

/* Weights that were not packed give the plain entry's bits, without a bias too. */
static void other_weights_are_the_plain_entrys(void **state)
{
    ln_error err;
    (void)state;
    for (int i = 0; i < SHAPES && ln_library_convolutions(); i++) {
        problem p = make(&shapes[i]), plain = make(&shapes[i]);
        float *other = floats(p.weights, 9);
        pack(&p, ln_library_convolutions());
        pack(&plain, &ln_convolutions_plain);
        assert_ok(ln_convolved_forward(p.packed, 2, p.x, other, NULL, p.y, p.scratch, &err));
        assert_ok(
            ln_convolved_forward(plain.packed, 2, p.x, other, NULL, plain.y, plain.scratch, &err));
        assert_same_bits(p.y, plain.y, (size_t)(2 * p.out) * sizeof(float));
        assert_ok(ln_convolved_backward_data(p.packed, 2, p.dy, other, p.dx, p.scratch, &err));
        assert_ok(ln_convolved_backward_data(plain.packed, 2, p.dy, other, plain.dx, plain.scratch,
                                             &err));
        assert_same_bits(p.dx, plain.dx, (size_t)(2 * p.in) * sizeof(float));
        ln_free_aligned(other);
        drop(&p);
        drop(&plain);
    }
}

/* Packing again takes the new weights. */
static void weights_are_packed_again(void **state)
{
    const ln_convolutions *kernels[2];
    ln_error err;
    (void)state;
    for (int e = 0; e < entries(kernels); e++) {
        problem p = make(&shapes[2]), fresh = make(&shapes[2]);
        pack(&p, kernels[e]);
        const ln_convolved *before = p.packed;
        for (int64_t i = 0; i < p.weights; i++)
            p.w[i] = fresh.w[i] = p.w[i] * 2 + 1;
        assert_ok(ln_convolution_pack(&p.shape, ALL, p.w, &p.packed, &err));
        assert_ptr_equal(p.packed, before);
        pack(&fresh, kernels[e]);
        assert_ok(ln_convolved_forward(p.packed, 1, p.x, p.w, NULL, p.y, p.scratch, &err));
        assert_ok(ln_convolved_forward(fresh.packed, 1, p.x, fresh.w, NULL, fresh.y, fresh.scratch,
                                       &err));
        assert_same_bits(p.y, fresh.y, (size_t)p.out * sizeof(float));
        drop(&p);
        drop(&fresh);
    }
}

/* Where there is oneDNN it computes the shapes of well-known networks itself: no reference
 * implementation, no gathered windows. The gradient of an image of few channels is ours. */
static void known_networks_run_on_direct_convolutions(void **state)
{
    static const made_shape known[] = {
        {1, 3, 64, {1, 32, 32}, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
        {1, 64, 64, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
        {1, 64, 128, {1, 14, 14}, {1, 1, 1}, {1, 2, 2}, {1, 1, 1}, {0}, {0}},
        {32, 32, 32, {1, 14, 14}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
        {1, 24, 144, {1, 14, 14}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
    };
    (void)state;
    if (!ln_library_convolutions())
        skip();
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        problem p = make(&known[i]);
        ln_error err;
        assert_ok(ln_convolution_pack(&p.shape, ALL, p.w, &p.packed, &err));
        assert_ptr_equal(p.packed->kernels, ln_library_convolutions());
        assert_int_equal(p.packed->direct, i == 0 ? ALL & ~LN_CONVOLVE_BACKWARD_DATA : ALL);
        drop(&p);
    }
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = shape_of(&shapes[2]);
    (void)state;
    sweep_packing(NULL, &shape, ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_matches_a_naive_sum),
        cmocka_unit_test(an_image_does_not_feel_the_others),
        cmocka_unit_test(other_weights_are_the_plain_entrys),
        cmocka_unit_test(weights_are_packed_again),
        cmocka_unit_test(known_networks_run_on_direct_convolutions),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("kernels_convolution", tests, NULL, NULL);
}
