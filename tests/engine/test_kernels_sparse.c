/* kernels: convolutions that skip zeros, against sums in float64: which shapes they take, every stride,
 * dilation, padding and size of band, that images keep their bits, and weights that are not finite. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/last.h"
#include "kernels/library.h"
#include "kernels/sparse.h"

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test sparse", seed);
}

#include "convolving.h"
#include "packing.h"

/* channels, results, height, width, kernel, stride, dilation, padding before and behind */
static const int64_t shapes[][9] = {
    {64, 64, 12, 12, 3, 1, 1, 1, 1},
    {128, 128, 7, 9, 3, 1, 1, 1, 1},
    {64, 128, 11, 8, 3, 2, 1, 1, 1},
    {192, 64, 7, 7, 3, 1, 1, 0, 0},
    {64, 192, 9, 10, 5, 3, 1, 2, 1},
    {128, 320, 6, 6, 3, 1, 2, 2, 2},
    {256, 256, 4, 5, 1, 1, 1, 0, 0},
    {64, 64, 5, 6, 7, 2, 1, 3, 3},
    {64, 64, 56, 41, 3, 1, 1, 1, 1},
    {192, 128, 30, 29, 3, 2, 1, 1, 0}, /* in bands */
    {64, 64, 3, 3, 3, 4, 3, 4, 6},
    {512, 128, 2, 2, 3, 1, 1, 1, 1},
    {64, 64, 1, 700, 3, 1, 1, 1, 1},
    {128, 64, 300, 2, 3, 1, 5, 5, 5},
    {64, 64, 5, 4, 3, 1, 1, 2, 0},
    {64, 64, 6, 5, 3, 1, 1, 0, 4},
    {64, 64, 4, 1, 3, 1, 1, 1, 2},
    {192, 64, 3, 2, 3, 1, 1, 1, 1},
    {128, 128, 5, 4, 3, 1, 1, 0, 3},
    /* windows of few channels; of the last two some places are in none */
    {3, 64, 23, 21, 7, 2, 1, 3, 3},
    {3, 64, 9, 12, 3, 1, 1, 1, 1},
    {1, 64, 12, 9, 5, 1, 1, 0, 0},
    {3, 128, 12, 11, 3, 2, 1, 0, 1},
    {4, 64, 8, 8, 7, 1, 1, 6, 6},
    {3, 64, 12, 13, 5, 3, 1, 0, 0},
    {2, 64, 11, 14, 3, 5, 1, 1, 0},

};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Of every `apart` numbers one, and the last of each place, stays. */
static void thin_out(int64_t count, int64_t channels, uint64_t seed, float *x)
{
    float *chance = floats(count, seed);
    for (int64_t i = 0; i < count; i++)
        if (chance[i] < 0 && (i + 1) % channels != 0)
            x[i] = 0;
    ln_free_aligned(chance);
}

static ln_convolution sparse_shape(const int64_t *made)
{
    ln_convolution shape = shape_of(made);
    shape.zeros[0] = shape.zeros[1] = LN_ZEROS_HALF;
    return shape;
}

/* Half of the numbers are 0; of the first image none, the second is 0 altogether. */
static convolving begin_shape(const ln_convolution *shape, unsigned uses)
{
    convolving c = begin(&ln_convolutions_sparse, shape, uses);
    thin_out((IMAGES - 1) * c.in, shape->in_channels, 11, c.x + c.in);
    thin_out((IMAGES - 1) * c.out, shape->out_channels, 12, c.dy + c.out);
    memset(c.x + c.in, 0, (size_t)c.in * sizeof *c.x);
    memset(c.dy + c.out, 0, (size_t)c.out * sizeof *c.dy);
    return c;
}

static convolving begin_sparse(const int64_t *made, unsigned uses)
{
    const ln_convolution shape = sparse_shape(made);
    return begin_shape(&shape, uses);
}

static bool available(void)
{
    const ln_convolution shape = sparse_shape(shapes[0]);
    return ln_sparse_suits(&shape, false);
}

/* Windows of few channels want 32 registers. */
static bool suits(const int64_t *shape)
{
    return shape[0] >= LN_SPARSE_NARROWEST || ln_cpu_has("avx512");
}

/* Against the sum of the sizes of its terms, of which a sum in any order may lose `terms` roundings. */
static void compare(const float *got, const double *wanted, const double *sizes, int64_t count,
                    int64_t terms)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - wanted[i]) <= (double)terms * 0x1p-24 * sizes[i]))
            fail_msg("number %lld is %.9g, not %.9g", (long long)i, (double)got[i], wanted[i]);
}

static float *absolute(const float *x, int64_t count)
{
    float *made = ln_alloc_aligned((size_t)count * sizeof *made);
    for (int64_t i = 0; i < count; i++)
        made[i] = fabsf(x[i]);
    return made;
}

static void check_image(const convolving *c, int64_t image, int way)
{
    const ln_convolution *s = &c->shape;
    const int64_t count = way ? c->in : c->out, taps = s->kernel[1] * s->kernel[2];
    const float *from = way ? c->dy + image * c->out : c->x + image * c->in;
    float *size = absolute(from, way ? c->out : c->in);
    float *weight = absolute(c->w, ln_convolution_weights(s));
    double *wanted = ln_alloc((size_t)count * sizeof *wanted);
    double *sizes = ln_alloc((size_t)count * sizeof *sizes);
    naive(s, from, way ? from : NULL, c->w, false, wanted);
    naive(s, size, way ? size : NULL, weight, false, sizes);
    for (int64_t k = 0; k < count && !way; k++) {
        wanted[k] += (double)c->bias[k % s->out_channels];
        sizes[k] += fabs((double)c->bias[k % s->out_channels]);
    }
    compare(way ? c->dx + image * c->in : c->y + image * c->out, wanted, sizes, count,
            1 + taps * (way ? s->out_channels : s->in_channels));
    ln_free(wanted);
    ln_free(sizes);
    ln_free_aligned(size);
    ln_free_aligned(weight);
}

static void results_are_those_of_all_numbers(void **state)
{
    (void)state;
    if (!available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        if (!suits(shapes[i]))
            continue;
        convolving c = begin_sparse(shapes[i], USES);
        print_message("shape %d\n", i);
        forward(&c, IMAGES, c.x, NULL, c.y);
        backward(&c, IMAGES, c.dy, NULL, c.dx);
        for (int64_t image = 0; image < 3; image++)
            for (int way = 0; way < 2; way++)
                check_image(&c, image, way);
        end(&c);
    }
}

static void an_image_does_not_feel_the_others(void **state)
{
    (void)state;
    if (!available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        if (!suits(shapes[i]))
            continue;
        convolving c = begin_sparse(shapes[i], USES);
        check_that_images_keep_their_bits(&c);
        end(&c);
    }
}

/* From `least` to `most`. */
static int64_t drawn(ln_rng *rng, int64_t least, int64_t most)
{
    return least + (int64_t)ln_rng_below(rng, (uint64_t)(most - least + 1));
}

/* Axes that differ in all: kernels longer than the image, strides beyond the kernel, padding that cuts numbers off. A
 * quarter of the shapes are windows of few channels, another takes three taps of a line at once. False: there is
 * none of this number. */
static bool drawn_shape(uint64_t number, bool backward, ln_convolution *s)
{
    ln_rng rng = ln_rng_make(3, "shapes", 0, number);
    const bool windows = backward && number % 4 == 0, woven = number % 4 == 1;
    const int64_t channels = drawn(&rng, LN_SPARSE_STEP, 150);
    const int64_t results = windows ? drawn(&rng, 1, 8) : drawn(&rng, 1, 5) * LN_SPARSE_NARROWEST;
    *s = (ln_convolution){.groups = 1,
                          .in_channels = backward ? results : channels,
                          .out_channels = backward ? channels : results,
                          .in = {1, 1, 1},
                          .out = {1, 1, 1},
                          .kernel = {1, 1, 1},
                          .stride = {1, 1, 1},
                          .dilation = {1, 1, 1},
                          .images = IMAGES,
                          .last = true,
                          .zeros = {LN_ZEROS_HALF, LN_ZEROS_HALF}};
    for (int i = 1; i < LN_SPATIAL; i++) {
        const bool tied = woven && i == 2;
        s->in[i] = drawn(&rng, 1, 12);
        s->kernel[i] = tied ? LN_SPARSE_WOVEN : windows && i == 1 ? 3 : drawn(&rng, 1, 6);
        s->stride[i] = tied ? 1 : drawn(&rng, 1, 4);
        s->dilation[i] = tied || windows ? 1 : drawn(&rng, 1, 3);
        s->before[i] = drawn(&rng, windows ? 0 : -2, 6);
        const int64_t room =
            s->in[i] + s->before[i] + drawn(&rng, -2, 6) - s->dilation[i] * (s->kernel[i] - 1) - 1;
        if (room < 0)
            return false;
        s->out[i] = room / s->stride[i] + 1;
    }
    return ln_sparse_suits(s, backward);
}

static void run_way(const convolving *c, int way, int64_t images)
{
    if (way)
        backward(c, images, c->dy, NULL, c->dx);
    else
        forward(c, images, c->x, NULL, c->y);
}

/* What is not finite reaches what the convolution lets it reach, no padding and no neighbour. */
static void check_reach_of_infinity(const convolving *c, int way)
{
    const ln_convolution *s = &c->shape;
    const int64_t count = way ? c->in : c->out, numbers = way ? c->out : c->in;
    float *from = way ? c->dy : c->x, *got = way ? c->dx : c->y;
    double *wanted = ln_alloc((size_t)count * sizeof *wanted);
    for (int64_t at = 0; at < numbers; at += numbers / 3 + 1) {
        const float kept = from[at];
        from[at] = INFINITY;
        run_way(c, way, 1);
        naive(s, from, way ? from : NULL, c->w, false, wanted);
        for (int64_t i = 0; i < count; i++)
            assert_int_equal(isfinite(got[i]) != 0, isfinite(wanted[i]) != 0);
        from[at] = kept;
    }
    ln_free(wanted);
}

static void shapes_that_are_drawn(void **state)
{
    enum { DRAWN = 60 };
    (void)state;
    if (!available())
        skip();
    for (uint64_t number = 0; number < DRAWN; number++)
        for (int way = 0; way < 2; way++) {
            ln_convolution shape;
            if (!drawn_shape(number, way == 1, &shape))
                continue;
            convolving c =
                begin_shape(&shape, way ? LN_CONVOLVE_BACKWARD_DATA : LN_CONVOLVE_FORWARD);
            print_message("shape %d, way %d\n", (int)number, way);
            run_way(&c, way, IMAGES);
            for (int64_t image = 0; image < 3; image++)
                check_image(&c, image, way);
            check_reach_of_infinity(&c, way);
            end(&c);
        }
}

/* Each way of a convolution may have its own entry. */
static void only_shapes_that_gain(void **state)
{
    const ln_zeros few = LN_ZEROS_FEW, some = LN_ZEROS_SOME, many = LN_ZEROS_MANY,
                   half = LN_ZEROS_HALF;
    const bool wide = ln_cpu_has("avx512");
    const struct {
        int64_t shape[9], groups;
        ln_zeros zeros[2];
        bool suits[2];
    } cases[] = {
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {half, half}, {true, true}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {few, few}, {false, false}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {half, few}, {true, false}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {few, half}, {false, true}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {many, many}, {true, true}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {some, some}, {wide, wide}},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, 64, {half, half}, {false, false}},
        {{32, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {half, half}, {true, false}},
        {{3, 64, 12, 12, 7, 2, 1, 3, 3}, 1, {half, half}, {false, true}},
        {{3, 64, 12, 12, 7, 2, 2, 3, 3}, 1, {half, half}, {false, false}},
        {{2, 64, 12, 12, 7, 2, 1, 3, 3}, 1, {half, half}, {false, false}},
        {{3, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {half, half}, {false, true}},
        {{8, 64, 12, 12, 3, 1, 1, 1, 1}, 1, {half, half}, {false, false}},
        {{64, 128, 12, 12, 1, 1, 1, 0, 0}, 1, {half, half}, {false, false}},
        {{128, 256, 12, 12, 1, 1, 1, 0, 0}, 1, {half, half}, {true, true}},
        {{128, 256, 12, 12, 1, 1, 1, 0, 0}, 1, {many, many}, {false, false}},
        {{128, 192, 12, 12, 1, 1, 1, 0, 0}, 1, {half, half}, {false, true}},
        {{128, 256, 12, 12, 1, 2, 1, 0, 0}, 1, {half, half}, {false, false}},
    };
    (void)state;
    if (!available() || !ln_library_convolutions())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ln_convolution shape = shape_of(cases[i].shape);
        memcpy(shape.zeros, cases[i].zeros, sizeof shape.zeros);
        shape.groups = cases[i].groups;
        print_message("case %zu\n", i);
        for (int way = 0; way < 2; way++)
            assert_int_equal(ln_sparse_suits(&shape, way == 1),
                             cases[i].suits[way] && (way == 0 || suits(cases[i].shape)));
    }
}

/* 0 times what is not finite is NaN: weights that hold such are not for what skips zeros. */
static void weights_that_are_not_finite(void **state)
{
    (void)state;
    if (!available() || !ln_library_convolutions() || ln_cpu_has("amx")) /* which has tiles */
        skip();
    for (int i = 0; i < 2; i++) {
        ln_error err;
        ln_convolved *others = NULL;
        convolving c = begin_sparse(shapes[0], i == 0 ? USES : LN_CONVOLVE_BACKWARD_DATA);
        assert_ok(ln_convolution_pack(&c.shape, c.packed->uses, c.w, &others, &err));
        assert_string_equal(others->names[1], "sparse");
        ln_convolved_release(others);
        others = NULL;
        c.w[0] = INFINITY;
        assert_ok(ln_convolution_pack(&c.shape, c.packed->uses, c.w, &others, &err));
        assert_string_not_equal(others->names[0], "sparse");
        assert_string_not_equal(others->names[1], "sparse");
        ln_convolved_release(c.packed);
        c.packed = others;
        ln_free_aligned(c.scratch);
        c.scratch = ln_alloc_aligned(c.packed->scratch_bytes + 1);
        backward(&c, 1, c.dy + c.out, NULL, c.dx); /* of an image of zeros */
        assert_true(isnan(c.dx[0]));
        if (i == 0) {
            forward(&c, 1, c.x + c.in, NULL, c.y);
            assert_true(isnan(c.y[c.shape.out_channels * (c.shape.out[2] + 1)]));
        }
        end(&c);
    }
}

static void weights_are_packed_again(void **state)
{
    (void)state;
    if (!available())
        skip();
    ln_error err;
    convolving c = begin_sparse(shapes[0], USES);
    const ln_convolution shape = c.shape;
    const size_t scratch_bytes = c.packed->scratch_bytes;
    float *wanted = floats(c.out, 5);
    forward(&c, 1, c.x, NULL, wanted);
    const float kept = c.w[0];
    c.w[0] = kept + 1;
    assert_ok(ln_convolved_pack(&ln_convolutions_sparse, &shape, USES, c.w, &c.packed, &err));
    forward(&c, 1, c.x, NULL, c.y);
    assert_memory_not_equal(c.y, wanted, (size_t)c.out * sizeof *wanted);
    c.w[0] = kept;
    assert_ok(ln_convolved_pack(&ln_convolutions_sparse, &shape, USES, c.w, &c.packed, &err));
    forward(&c, 1, c.x, NULL, c.y);
    assert_same_bits(c.y, wanted, (size_t)c.out * sizeof *wanted);
    assert_int_equal(c.packed->scratch_bytes, scratch_bytes);
    ln_free_aligned(wanted);
    end(&c);
}

/* Of many weights that are packed for the forward pass and nothing else. */
static void only_what_serves_others_is_whole(void **state)
{
    static const struct {
        int64_t shape[9];
        unsigned uses;
        bool whole;
    } cases[] = {
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, LN_CONVOLVE_FORWARD, true},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, USES, false},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, LN_CONVOLVE_BACKWARD_DATA, false},
        {{64, 64, 12, 12, 3, 1, 1, 1, 1}, LN_CONVOLVE_FORWARD | LN_CONVOLVE_OTHERS, false},
        {{16, 64, 12, 12, 3, 1, 1, 1, 1}, LN_CONVOLVE_FORWARD, false},
    };
    (void)state;
    if (!available())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        convolving c = begin_sparse(cases[i].shape, cases[i].uses);
        assert_ptr_equal(c.packed->whole, cases[i].whole ? c.packed : NULL);
        end(&c);
    }
}

/* What was packed for the forward pass can be read again, bit by bit. */
static void weights_are_read_again(void **state)
{
    (void)state;
    if (!available())
        skip();
    for (int i = 0; i < SHAPES; i++) {
        ln_error err;
        const ln_convolution shape = sparse_shape(shapes[i]);
        const int64_t count = ln_convolution_weights(&shape);
        float *w = floats(count, 3), *again = floats(count, 4);
        ln_convolved *packed = NULL;
        w[1] = -0.0F;
        for (int pass = 0; pass < 2; pass++) {
            assert_ok(ln_convolved_pack(&ln_convolutions_sparse, &shape, LN_CONVOLVE_FORWARD, w,
                                        &packed, &err));
            assert_ok(ln_convolution_unpack(packed, again, &err));
            assert_same_bits(again, w, (size_t)count * sizeof *w);
            memcpy(w + 2, &(uint32_t){0x7fa12345u}, sizeof *w); /* no number: bits are bits */
        }
        ln_convolved_release(packed);
        ln_free_aligned(w);
        ln_free_aligned(again);
    }
}

static void weights_of_a_rule(void **state)
{
    (void)state;
    if (!available() || !ln_last_is_fast())
        skip();
    convolving c = begin_sparse(shapes[2], USES | LN_CONVOLVE_OTHERS);
    ln_convolution dense = c.shape;
    memset(dense.zeros, 0, sizeof dense.zeros);
    check_weights_of_a_rule(&c, &dense);
    end(&c);
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    if (!available())
        skip();
    const ln_convolution shape = sparse_shape(shapes[0]);
    sweep_packing(&ln_convolutions_sparse, &shape, USES | LN_CONVOLVE_OTHERS);
    sweep_packing(NULL, &shape, USES); /* each way on its own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_all_numbers),
        cmocka_unit_test(shapes_that_are_drawn),
        cmocka_unit_test(an_image_does_not_feel_the_others),
        cmocka_unit_test(only_shapes_that_gain),
        cmocka_unit_test(weights_that_are_not_finite),
        cmocka_unit_test(weights_are_packed_again),
        cmocka_unit_test(only_what_serves_others_is_whole),
        cmocka_unit_test(weights_are_read_again),
        cmocka_unit_test(weights_of_a_rule),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("kernels sparse", tests, NULL, NULL);
}
