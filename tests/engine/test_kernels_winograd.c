/* kernels: convolutions with fewer multiplications (numerics "fast"), against sums in float64: which
 * shapes they take, how much they lose, and that images keep their bits. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/convolution.h"
#include "kernels/last.h"
#include "kernels/library.h"
#include "kernels/winograd.h"

enum { IMAGES = 5, USES = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA };

static float *floats(int64_t count, uint64_t seed)
{
    float *out = ln_alloc_aligned((size_t)count * sizeof *out);
    ln_rng rng = ln_rng_make(seed, "test winograd", 0, 0);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)ln_rng_normal(&rng);
    return out;
}

/* channels, results, height, width, kernel, padding before and behind */
static const int64_t shapes[][7] = {
    {16, 16, 12, 12, 3, 1, 1}, {64, 32, 9, 14, 3, 1, 1}, {33, 70, 11, 8, 3, 0, 0},
    {130, 20, 7, 7, 3, 1, 1},  {17, 47, 6, 5, 3, 0, 2},  {20, 24, 4, 7, 3, 2, 2},
    {20, 40, 12, 12, 5, 0, 0}, {48, 16, 9, 10, 5, 2, 2}, {150, 33, 6, 6, 5, 1, 3},
    {32, 32, 24, 23, 3, 1, 1}, {16, 300, 8, 8, 3, 1, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ln_convolution shape_of(const int64_t *s)
{
    return (ln_convolution){
        .groups = 1,
        .in_channels = s[0],
        .out_channels = s[1],
        .in = {1, s[2], s[3]},
        .out = {1, s[2] + s[5] + s[6] - s[4] + 1, s[3] + s[5] + s[6] - s[4] + 1},
        .kernel = {1, s[4], s[4]},
        .stride = {1, 1, 1},
        .dilation = {1, 1, 1},
        .before = {0, s[5], s[5]},
        .images = IMAGES,
        .last = true,
        .fast = true};
}

/* y by its definition (dy NULL), or the gradient of x; sums in float64, or each product and sum rounded to
 * float32 as direct kernels do (`single`). */
static void naive(const ln_convolution *s, const float *x, const float *dy, const float *w,
                  bool single, double *out)
{
    const int64_t k = s->kernel[1], ins = s->in_channels, outs = s->out_channels;
    const int64_t count = dy ? ln_convolution_in_row(s) : ln_convolution_out_row(s);
    memset(out, 0, (size_t)count * sizeof *out);
    for (int64_t place = 0; place < s->out[1] * s->out[2]; place++)
        for (int64_t tap = 0; tap < k * k; tap++) {
            const int64_t row = place / s->out[2] + tap / k - s->before[1];
            const int64_t column = place % s->out[2] + tap % k - s->before[2];
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

typedef struct convolving {
    ln_convolution shape;
    ln_convolved *packed;
    float *x, *dy, *w, *bias, *y, *dx;
    void *scratch;
} convolving;

static void begin(convolving *c, const int64_t *made)
{
    ln_error err;
    const unsigned uses = USES | LN_CONVOLVE_OTHERS; /* of the weights of a rule */
    c->shape = shape_of(made);
    c->packed = NULL;
    c->x = floats(IMAGES * ln_convolution_in_row(&c->shape), 1);
    c->dy = floats(IMAGES * ln_convolution_out_row(&c->shape), 2);
    c->w = floats(ln_convolution_weights(&c->shape), 3);
    c->bias = floats(c->shape.out_channels, 4);
    c->y = floats(IMAGES * ln_convolution_out_row(&c->shape), 5);
    c->dx = floats(IMAGES * ln_convolution_in_row(&c->shape), 6);
    assert_ok(ln_convolutions_winograd.pack(&c->shape, uses, c->w, &c->packed, &err));
    c->scratch = ln_alloc_aligned(c->packed->scratch_bytes + 1);
}

static void end(convolving *c)
{
    float *all[] = {c->x, c->dy, c->w, c->bias, c->y, c->dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ln_free_aligned(all[i]);
    ln_free_aligned(c->scratch);
    ln_convolved_release(c->packed);
}

static void forward(const convolving *c, int64_t images, const float *x, float *y)
{
    ln_error err;
    assert_ok(
        c->packed->kernels->forward(c->packed, images, x, NULL, c->bias, y, c->scratch, &err));
}

static void backward(const convolving *c, int64_t images, const float *dy, float *dx)
{
    ln_error err;
    assert_ok(c->packed->kernels->backward_data(c->packed, images, dy, NULL, dx, c->scratch, &err));
}

/* The last image of a batch, both ways. Greatest error seen: 8.1e-6 of the mean size, where that of sums
 * rounded at each step was 7.8e-6; in the mean 1.5 to 2.6 times theirs. */
static void results_are_those_of_long_sums(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c;
        begin(&c, shapes[i]);
        forward(&c, IMAGES, c.x, c.y);
        backward(&c, IMAGES, c.dy, c.dx);
        for (int way = 0; way < 2; way++) {
            const int64_t in = ln_convolution_in_row(&c.shape);
            const int64_t out = ln_convolution_out_row(&c.shape), count = way ? in : out;
            const float *x = c.x + (IMAGES - 1) * in, *dy = c.dy + (IMAGES - 1) * out;
            const float *got = way ? c.dx + (IMAGES - 1) * in : c.y + (IMAGES - 1) * out;
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

/* Alone, in pairs, in a batch: whatever tiles of other images are computed beside its own. */
static void an_image_does_not_feel_the_others(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        convolving c;
        begin(&c, shapes[i]);
        const int64_t in = ln_convolution_in_row(&c.shape), out = ln_convolution_out_row(&c.shape);
        float *few = floats(2 * (in > out ? in : out), 7);
        forward(&c, IMAGES, c.x, c.y);
        backward(&c, IMAGES, c.dy, c.dx);
        for (int64_t first = 0; first < IMAGES; first++)
            for (int64_t count = 1; count <= 2 && first + count <= IMAGES; count++) {
                forward(&c, count, c.x + first * in, few);
                assert_same_bits(few, c.y + first * out, (size_t)(count * out) * sizeof *few);
                backward(&c, count, c.dy + first * out, few);
                assert_same_bits(few, c.dx + first * in, (size_t)(count * in) * sizeof *few);
            }
        ln_free_aligned(few);
        end(&c);
    }
}

/* Tiles hang over small images: then, with few channels, with strides, and where nobody allowed it, the
 * kernels are others. */
static void only_shapes_that_gain(void **state)
{
    static const struct {
        int64_t shape[7], stride, groups, dilation;
        bool fast, suits;
    } cases[] = {
        {{16, 16, 12, 12, 3, 1, 1}, 1, 1, 1, true, true},
        {{16, 16, 12, 12, 3, 1, 1}, 1, 1, 1, false, false},
        {{16, 16, 12, 12, 3, 1, 1}, 2, 1, 1, true, false},
        {{16, 16, 12, 12, 3, 1, 1}, 1, 16, 1, true, false},
        {{16, 16, 12, 12, 3, 1, 1}, 1, 1, 2, true, false},
        {{15, 16, 12, 12, 3, 1, 1}, 1, 1, 1, true, false},
        {{16, 15, 12, 12, 3, 1, 1}, 1, 1, 1, true, false},
        {{16, 16, 12, 12, 7, 3, 3}, 1, 1, 1, true, false},
        {{16, 16, 2, 2, 3, 1, 1}, 1, 1, 1, true, false},  /* 36 products in place of 36 */
        {{16, 16, 3, 3, 3, 1, 1}, 1, 1, 1, true, true},   /* 36 in place of 81 */
        {{16, 16, 5, 5, 3, 1, 1}, 1, 1, 1, true, true},   /* 144 in place of 225 */
        {{16, 16, 12, 12, 5, 2, 2}, 1, 1, 1, true, true}, /* 1296 in place of 3600 */
        {{16, 16, 3, 3, 5, 2, 2}, 1, 1, 1, true, true},   /* 144 in place of 225 */
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
        for (int k = 1; k < 3; k++) {
            shape.stride[k] = cases[i].stride;
            shape.dilation[k] = cases[i].dilation;
            shape.out[k] = (shape.in[k] + 2 * shape.before[k] -
                            cases[i].dilation * (shape.kernel[k] - 1) - 1) /
                               cases[i].stride +
                           1;
        }
        float *w = floats(ln_convolution_weights(&shape), 3);
        print_message("case %zu\n", i);
        assert_ok(ln_convolution_pack(&shape, USES, w, &packed, &err));
        assert_string_equal(packed->kernels->name, cases[i].suits ? "winograd" : "onednn");
        assert_string_equal(packed->names[0], cases[i].suits ? "winograd" : packed->names[0]);
        ln_convolved_release(packed);
        ln_free_aligned(w);
    }
}

/* Other weights in a call are computed as everywhere: with the plain entry's bits. */
static void weights_of_a_rule(void **state)
{
    (void)state;
    if (!ln_last_is_fast())
        skip();
    convolving c;
    begin(&c, shapes[2]);
    ln_convolution strict = c.shape;
    ln_convolved *other = NULL;
    ln_error err;
    float *w = floats(ln_convolution_weights(&c.shape), 9);
    float *y = floats(IMAGES * ln_convolution_out_row(&c.shape), 5);
    float *dx = floats(IMAGES * ln_convolution_in_row(&c.shape), 6);
    strict.fast = false;
    assert_ok(
        ln_library_convolutions()->pack(&strict, USES | LN_CONVOLVE_OTHERS, c.w, &other, &err));
    void *scratch = ln_alloc_aligned(other->scratch_bytes + 1);
    assert_ok(c.packed->kernels->forward(c.packed, IMAGES, c.x, w, c.bias, c.y, c.scratch, &err));
    assert_ok(c.packed->kernels->backward_data(c.packed, IMAGES, c.dy, w, c.dx, c.scratch, &err));
    assert_ok(other->kernels->forward(other, IMAGES, c.x, w, c.bias, y, scratch, &err));
    assert_ok(other->kernels->backward_data(other, IMAGES, c.dy, w, dx, scratch, &err));
    assert_same_bits(c.y, y, (size_t)(IMAGES * ln_convolution_out_row(&c.shape)) * sizeof *y);
    assert_same_bits(c.dx, dx, (size_t)(IMAGES * ln_convolution_in_row(&c.shape)) * sizeof *dx);
    ln_convolved_release(other);
    ln_free_aligned(w);
    ln_free_aligned(y);
    ln_free_aligned(dx);
    ln_free_aligned(scratch);
    end(&c);
}

static ln_status pack(void *context, ln_error *err)
{
    const ln_convolution shape = shape_of(shapes[0]);
    ln_convolved *packed = NULL;
    ln_status status = ln_convolutions_winograd.pack(&shape, USES, context, &packed, err);
    ln_convolved_release(packed);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    const ln_convolution shape = shape_of(shapes[0]);
    float *w = floats(ln_convolution_weights(&shape), 3);
    (void)state;
    sweep_allocation_failures(pack, w);
    ln_free_aligned(w);
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
