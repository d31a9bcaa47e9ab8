/* Superpixels against scikit-image's labels, and cases by hand. Reference arrays:
 * tests/reference/superpixels_reference.py. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "image/superpixels.h"
#include "tensor/npy.h"

static const char *const images[] = {"china", "flower", "grey", "wide", "noise"};
enum { IMAGES = sizeof images / sizeof *images };

static const ln_superpixels slics[] = {{.segments = 100, .compactness = 10},
                                       {.segments = 12, .compactness = 2},
                                       {.segments = 40, .compactness = 40},
                                       {.segments = 5000, .compactness = 10}};
static const ln_superpixels quickshifts[] = {{.kernel_size = 4, .max_dist = 200, .ratio = 0.2},
                                             {.kernel_size = 2, .max_dist = 6, .ratio = 0.5},
                                             {.kernel_size = 1.3, .max_dist = 200, .ratio = 0.05}};

static ln_tensor *read_array(const char *name, const char *part)
{
    ln_error err;
    ln_tensor *x;
    char path[96];
    snprintf(path, sizeof path, "reference/superpixels/%s%s.npy", name, part);
    assert_ok(ln_npy_read(test_file(path), &x, NULL, &err));
    return x;
}

static ln_superpixels sized(ln_superpixels how, ln_superpixel_method method, const ln_tensor *image)
{
    how.method = method;
    how.channels = image->shape.dims[0];
    how.height = image->shape.dims[1];
    how.width = image->shape.dims[2];
    for (int c = 0; c < 3; c++)
        how.deviation[c] = 1;
    return how;
}

static void check(const char *name, const char *method, int at, ln_superpixels how)
{
    static int32_t label[5000];
    char part[32];
    ln_error err = {0};
    int64_t count, greatest = 0;
    ln_tensor *image = read_array(name, "");
    snprintf(part, sizeof part, ".%s-%d", method, at);
    ln_tensor *wanted = read_array(name, part);
    how = sized(how, strcmp(method, "slic") == 0 ? LN_SLIC : LN_QUICKSHIFT, image);
    assert_true(how.height * how.width <= 5000);
    assert_ok(ln_superpixels_of(&how, ln_f32(image), label, &count, &err));
    const int32_t *labels = wanted->data;
    for (int64_t i = 0; i < how.height * how.width; i++) {
        if (label[i] != labels[i])
            fail_msg("%s%s: pixel %lld is in piece %d, scikit-image has %d", name, part,
                     (long long)i, label[i], labels[i]);
        greatest = labels[i] > greatest ? labels[i] : greatest;
    }
    assert_int_equal(count, greatest + 1);
    ln_tensor_release(image);
    ln_tensor_release(wanted);
}

static void slic_is_that_of_scikit_image(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        for (int k = 0; k < 4; k++)
            check(images[i], "slic", k, slics[k]);
}

static void quickshift_is_that_of_scikit_image(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        for (int k = 0; k < 3; k++)
            check(images[i], "quickshift", k, quickshifts[k]);
}

/* One colour is one piece; two halves are two, however small the difference between their densities is. */
static void flat_regions_are_whole(void **state)
{
    (void)state;
    ln_error err = {0};
    enum { H = 9, W = 14 };
    float image[H * W];
    int32_t label[H * W];
    int64_t count;
    ln_superpixels how = {.kernel_size = 2,
                          .max_dist = 10,
                          .ratio = 1,
                          .channels = 1,
                          .height = H,
                          .width = W,
                          .deviation = {1}};
    for (int i = 0; i < H * W; i++)
        image[i] = 0.5F;
    assert_ok(ln_superpixels_of(&how, image, label, &count, &err));
    assert_int_equal(count, 1);
    for (int i = 0; i < H * W; i++)
        image[i] = i % W < 5 ? 0.1F : 0.9F;
    assert_ok(ln_superpixels_of(&how, image, label, &count, &err));
    assert_int_equal(count, 2);
    for (int i = 0; i < H * W; i++)
        assert_int_equal(label[i], i % W >= 5);
    how.method = LN_SLIC;
    how.segments = 2;
    how.compactness = 5;
    assert_ok(ln_superpixels_of(&how, image, label, &count, &err));
    assert_int_equal(count, 2);
    for (int i = 0; i < H * W; i++)
        assert_int_equal(label[i], i % W >= 5);
}

/* What the data did to the pixels is undone; other numbers are stretched, so that units do not matter. */
static void pixels_are_the_images_own(void **state)
{
    (void)state;
    static int32_t label[3][5000];
    ln_error err = {0};
    int64_t count[3];
    ln_tensor *image = read_array("flower", "");
    ln_superpixels how = sized(quickshifts[1], LN_QUICKSHIFT, image);
    const int64_t plane = how.height * how.width;
    assert_ok(ln_superpixels_of(&how, ln_f32(image), label[0], &count[0], &err));
    for (int c = 0; c < 3; c++) {
        how.mean[c] = 0.4 + 0.1 * c;
        how.deviation[c] = 0.25 + 0.25 * c;
        for (int64_t i = c * plane; i < (c + 1) * plane; i++)
            ln_f32(image)[i] = (float)(((double)ln_f32(image)[i] - how.mean[c]) / how.deviation[c]);
    }
    assert_ok(ln_superpixels_of(&how, ln_f32(image), label[1], &count[1], &err));
    assert_int_equal(count[1], count[0]);
    assert_same_bits(label[1], label[0], (size_t)plane * sizeof **label);
    ln_tensor_release(image);

    image = read_array("flower", ""); /* its least number is 0 and its greatest 1, once stretched */
    how = sized(quickshifts[1], LN_QUICKSHIFT, image);
    float low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < 3 * plane; i++) {
        low = fminf(low, ln_f32(image)[i]);
        high = fmaxf(high, ln_f32(image)[i]);
    }
    for (int64_t i = 0; i < 3 * plane; i++)
        ln_f32(image)[i] = (ln_f32(image)[i] - low) / (high - low);
    assert_ok(ln_superpixels_of(&how, ln_f32(image), label[0], &count[0], &err));
    for (int64_t i = 0; i < 3 * plane; i++)
        ln_f32(image)[i] = ln_f32(image)[i] * 256 - 128;
    assert_ok(ln_superpixels_of(&how, ln_f32(image), label[2], &count[2], &err));
    assert_int_equal(count[2], count[0]);
    assert_same_bits(label[2], label[0], (size_t)plane * sizeof **label);

    ln_f32(image)[7] = NAN;
    assert_fails(ln_superpixels_of(&how, ln_f32(image), label[0], &count[0], &err), LN_EINVALID,
                 "an image holds a number that is not finite: it has no superpixels");
    ln_tensor_release(image);
}

static ln_status cut(void *context, ln_error *err)
{
    float image[48];
    int32_t label[24];
    int64_t count;
    for (int i = 0; i < 48; i++)
        image[i] = (float)(i * 7 % 13);
    return ln_superpixels_of(context, image, label, &count, err);
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    ln_superpixels how = {.kernel_size = 1,
                          .max_dist = 3,
                          .ratio = 1,
                          .segments = 4,
                          .compactness = 1,
                          .channels = 2,
                          .height = 4,
                          .width = 6};
    sweep_allocation_failures(cut, &how);
    how.method = LN_SLIC;
    sweep_allocation_failures(cut, &how);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slic_is_that_of_scikit_image),
        cmocka_unit_test(quickshift_is_that_of_scikit_image),
        cmocka_unit_test(flat_regions_are_whole),
        cmocka_unit_test(pixels_are_the_images_own),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
