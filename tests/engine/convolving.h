/* What the programs share that compare convolutions of images whose channels are last with their definition:
 * shapes, sums in float64, a convolution with its operands, and that images do not feel one another. The
 * including file has a function floats(count, seed). */
#ifndef LN_TESTS_CONVOLVING_H
#define LN_TESTS_CONVOLVING_H

#include "support.h"

#include <math.h>
#include <string.h>

#include "kernels/convolution.h"
#include "kernels/convolved.h"
#include "kernels/library.h"

enum { IMAGES = 5, USES = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA };

/* Of channels, results, height, width, kernel, stride, dilation, padding before and behind. */
static inline ln_convolution shape_of(const int64_t *s)
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

/* y by its definition (dy NULL), or the gradient of x; sums in float64, or each step rounded to float32 as
 * direct kernels do (`single`). */
static inline void naive(const ln_convolution *s, const float *x, const float *dy, const float *w,
                         bool single, double *out)
{
    const int64_t k = s->kernel[2], taps = s->kernel[1] * k;
    const int64_t ins = s->in_channels, outs = s->out_channels;
    const int64_t count = dy ? ln_convolution_in_row(s) : ln_convolution_out_row(s);
    memset(out, 0, (size_t)count * sizeof *out);
    for (int64_t place = 0; place < s->out[1] * s->out[2]; place++)
        for (int64_t tap = 0; tap < taps; tap++) {
            const int64_t row =
                place / s->out[2] * s->stride[1] + tap / k * s->dilation[1] - s->before[1];
            const int64_t column =
                place % s->out[2] * s->stride[2] + tap % k * s->dilation[2] - s->before[2];
            if (row < 0 || row >= s->in[1] || column < 0 || column >= s->in[2])
                continue;
            const int64_t at = row * s->in[2] + column;
            for (int64_t o = 0; o < outs; o++)
                for (int64_t i = 0; i < ins; i++) {
                    const double weight = (double)w[(o * ins + i) * taps + tap];
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

/* Results are NaN before they are computed, and so is what stands in the scratch memory. */
static inline convolving begin(const ln_convolutions *kernels, const ln_convolution *shape,
                               unsigned uses)
{
    ln_error err;
    convolving c = {
        .shape = *shape, .in = ln_convolution_in_row(shape), .out = ln_convolution_out_row(shape)};
    c.x = floats(IMAGES * c.in, 1);
    c.dy = floats(IMAGES * c.out, 2);
    c.w = floats(ln_convolution_weights(shape), 3);
    c.bias = floats(shape->out_channels, 4);
    c.y = floats(IMAGES * c.out, 5);
    c.dx = floats(IMAGES * c.in, 6);
    assert_ok(ln_convolved_pack(kernels, shape, uses, c.w, &c.packed, &err));
    c.scratch = ln_alloc_aligned(c.packed->scratch_bytes + 1);
    assert_non_null(c.scratch);
    memset(c.scratch, 0xff, c.packed->scratch_bytes);
    for (int64_t i = 0; i < IMAGES * c.out; i++)
        c.y[i] = NAN;
    for (int64_t i = 0; i < IMAGES * c.in; i++)
        c.dx[i] = NAN;
    return c;
}

static inline void end(convolving *c)
{
    float *all[] = {c->x, c->dy, c->w, c->bias, c->y, c->dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
    ln_free_aligned(c->scratch);
    ln_convolved_release(c->packed);
}

/* `w` NULL: those that were packed. */
static inline void forward(const convolving *c, int64_t images, const float *x, const float *w,
                           float *y)
{
    ln_error err;
    assert_ok(ln_convolved_forward(c->packed, images, x, w, c->bias, y, c->scratch, &err));
}

static inline void backward(const convolving *c, int64_t images, const float *dy, const float *w,
                            float *dx)
{
    ln_error err;
    assert_ok(ln_convolved_backward_data(c->packed, images, dy, w, dx, c->scratch, &err));
}

/* Alone, in pairs, in a batch, both ways. */
static inline void compare_alone(const convolving *c, bool spoilt)
{
    float *few = floats(2 * (c->in > c->out ? c->in : c->out), 7);
    forward(c, IMAGES, c->x, NULL, c->y);
    backward(c, IMAGES, c->dy, NULL, c->dx);
    for (int64_t first = 0; first < IMAGES; first++)
        for (int64_t count = 1; count <= 2 && first + count <= IMAGES; count++) {
            if (spoilt && first <= 2 && first + count > 2)
                continue;
            forward(c, count, c->x + first * c->in, NULL, few);
            assert_same_bits(few, c->y + first * c->out, (size_t)(count * c->out) * sizeof *few);
            backward(c, count, c->dy + first * c->out, NULL, few);
            assert_same_bits(few, c->dx + first * c->in, (size_t)(count * c->in) * sizeof *few);
        }
    ln_free_aligned(few);
}

/* An image does not feel those beside it, NaN in the third neither. */
static inline void check_that_images_keep_their_bits(convolving *c)
{
    compare_alone(c, false);
    for (int64_t k = 0; k < c->in; k++)
        c->x[2 * c->in + k] = NAN;
    for (int64_t k = 0; k < c->out; k++)
        c->dy[2 * c->out + k] = INFINITY;
    compare_alone(c, true);
}

/* Other weights in a call, of a convolution packed for them, have the bits of the library's entry for `other`, the
 * shape without what chose this entry. */
static inline void check_weights_of_a_rule(const convolving *c, const ln_convolution *other)
{
    ln_convolved *packed = NULL;
    ln_error err;
    float *w = floats(ln_convolution_weights(other), 9);
    float *y = floats(IMAGES * c->out, 5), *dx = floats(IMAGES * c->in, 6);
    assert_ok(ln_convolved_pack(ln_library_convolutions(), other, USES | LN_CONVOLVE_OTHERS, c->w,
                                &packed, &err));
    void *scratch = ln_alloc_aligned(packed->scratch_bytes + 1);
    forward(c, IMAGES, c->x, w, c->y);
    backward(c, IMAGES, c->dy, w, c->dx);
    assert_ok(ln_convolved_forward(packed, IMAGES, c->x, w, c->bias, y, scratch, &err));
    assert_ok(ln_convolved_backward_data(packed, IMAGES, c->dy, w, dx, scratch, &err));
    assert_same_bits(c->y, y, (size_t)(IMAGES * c->out) * sizeof *y);
    assert_same_bits(c->dx, dx, (size_t)(IMAGES * c->in) * sizeof *dx);
    ln_convolved_release(packed);
    ln_free_aligned(w);
    ln_free_aligned(y);
    ln_free_aligned(dx);
    ln_free_aligned(scratch);
}

#endif
