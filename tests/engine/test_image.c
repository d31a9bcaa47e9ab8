/* PNG and JPEG of every kind against Pillow, and files that are cut off, damaged, or lie about what
 * they hold. Reference arrays: tests/reference/image_reference.py. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "image/image.h"
#include "tensor/npy.h"

static const char *const files[] = {
    "rgb.png",        "rgba.png",        "grey.png",      "grey_alpha.png", "palette.png",
    "bits.png",       "deep.png",        "deep_rgba.png", "interlaced.png", "photo.jpg",
    "photo_grey.jpg", "progressive.jpg", "full.jpg",      "cmyk.jpg",
};
enum { FILES = sizeof files / sizeof *files };

static void load(const char *name, ln_file *out)
{
    ln_error err;
    char path[96];
    snprintf(path, sizeof path, "reference/image/%s", name);
    assert_ok(ln_file_read(test_file(path), out, &err));
}

/* The array `STEM.KIND.npy`. */
static ln_tensor *wanted(const char *name, const char *kind)
{
    ln_error err;
    ln_tensor *x;
    char path[96];
    snprintf(path, sizeof path, "reference/image/%.*s.%s.npy", (int)strcspn(name, "."), name, kind);
    assert_ok(ln_npy_read(test_file(path), &x, NULL, &err));
    return x;
}

/* Every byte within `tolerance` levels. */
static void assert_pixels(const ln_image *image, const ln_tensor *x, int tolerance,
                          const char *name)
{
    const uint8_t *bytes = x->data;
    assert_int_equal(image->height, x->shape.dims[0]);
    assert_int_equal(image->width, x->shape.dims[1]);
    assert_int_equal(image->channels, x->shape.dims[2]);
    for (size_t i = 0; i < x->bytes; i++) {
        if (abs(image->pixels[i] - bytes[i]) > tolerance)
            fail_msg("%s: byte %zu is %d, not %d", name, i, image->pixels[i], bytes[i]);
    }
}

/* Four inks are rounded once here and twice there. */
static int tolerance_of(const char *name)
{
    return strcmp(name, "cmyk.jpg") == 0 ? 1 : 0;
}

static void every_kind_is_read_as_pillow_reads_it(void **state)
{
    (void)state;
    ln_error err;
    for (int f = 0; f < FILES; f++) {
        ln_file file;
        ln_image image;
        load(files[f], &file);
        for (int channels = 3; channels >= 1; channels -= 2) {
            ln_tensor *x = wanted(files[f], channels == 3 ? "rgb" : "grey");
            assert_ok(ln_image_decode(files[f], file.data, file.bytes, &image, &err));
            assert_ok(ln_image_recolour(&image, channels, &err));
            assert_pixels(&image, x, tolerance_of(files[f]), files[f]);
            ln_image_free(&image);
            ln_tensor_release(x);
        }
        ln_file_free(&file);
    }
}

static void images_are_resized_as_pillow_resizes_them(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{5, 4}, {26, 31}, {13, 4}, {1, 1}, {40, 3}};
    ln_error err;
    ln_file file;
    load("rgb.png", &file);
    for (int s = 0; s < 5; s++) {
        char kind[32];
        ln_image image;
        snprintf(kind, sizeof kind, "%dx%d", (int)sizes[s][0], (int)sizes[s][1]);
        ln_tensor *x = wanted("rgb.png", kind);
        assert_ok(ln_image_decode("rgb.png", file.data, file.bytes, &image, &err));
        assert_ok(ln_image_resize(&image, sizes[s][0], sizes[s][1], &err));
        assert_pixels(&image, x, 0, kind);
        ln_image_free(&image);
        ln_tensor_release(x);
    }
    ln_file_free(&file);
}

static void a_flat_image_stays_flat_at_any_size(void **state)
{
    (void)state;
    ln_error err;
    for (int64_t size = 1; size < 40; size += 3) {
        ln_image image = {.height = 7, .width = 11, .channels = 1};
        image.pixels = ln_alloc(77);
        memset(image.pixels, 200, 77);
        assert_ok(ln_image_resize(&image, size, 41 - size, &err));
        for (int64_t i = 0; i < size * (41 - size); i++)
            assert_int_equal(image.pixels[i], 200);
        ln_image_free(&image);
    }
}

/* ---------------------------------------------------------------- what is wrong with a file */

static void refused(const void *data, size_t bytes, const char *part)
{
    ln_error err = {0};
    ln_image image;
    assert_fails(ln_image_decode("x.png", data, bytes, &image, &err), LN_EINVALID, part);
    ln_image_free(&image);
}

static void other_files_are_named_as_such(void **state)
{
    (void)state;
    refused("", 0, "x.png is empty");
    refused("GIF89a", 6, "x.png is neither a PNG nor a JPEG image");
    refused("\x89PNG", 4, "neither");
    refused("\xFF\xD8\xFF", 3, "cut off");
}

static void every_prefix_is_cut_off(void **state)
{
    (void)state;
    for (int f = 0; f < FILES; f++) {
        ln_file file;
        load(files[f], &file);
        for (size_t bytes = 8; bytes < file.bytes - 2; bytes += 1 + bytes / 64)
            refused(file.data, bytes, "x.png is ");
        ln_file_free(&file);
    }
}

static void damage_is_survived(void **state)
{
    (void)state;
    ln_rng rng = ln_rng_make(3, "damage", 0, 0);
    int seen = 0;
    for (int f = 0; f < FILES; f++) {
        ln_file file;
        load(files[f], &file);
        for (int i = 0; i < 400; i++) {
            const size_t at = (size_t)ln_rng_below(&rng, file.bytes);
            const char was = file.data[at];
            const size_t before = ln_memory_used();
            ln_error err = {0};
            ln_image image;
            file.data[at] = (char)ln_rng_below(&rng, 256);
            if (ln_image_decode("x", file.data, file.bytes, &image, &err)) {
                assert_true(err.message[0] != '\0');
                seen++;
            }
            ln_image_free(&image);
            assert_int_equal(ln_memory_used(), before);
            file.data[at] = was;
        }
        ln_file_free(&file);
    }
    assert_true(seen > 2000); /* PNG has checksums */
}

/* Sets a PNG's width and height, with the checksum of its header. */
static void claim(uint8_t *png, uint32_t width, uint32_t height)
{
    for (int i = 0; i < 4; i++) {
        png[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        png[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    const uint32_t sum = (uint32_t)crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static void a_size_that_cannot_be_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    ln_file file;
    load("rgb.png", &file);
    uint8_t *png = (uint8_t *)file.data;
    const size_t before = ln_memory_used();
    ln_memory_limit(before + 1000000);
    claim(png, 60000, 60000);
    refused(png, file.bytes, "bytes cannot hold 60000 x 60000 pixels");
    claim(png, 0x7FFFFFFF, 0x7FFFFFFF);
    refused(png, file.bytes, "cannot hold");
    claim(png, 0, 5);
    refused(png, file.bytes, "damaged");
    ln_memory_limit(0);
    ln_file_free(&file);

    load("photo.jpg", &file);
    uint8_t *frame = (uint8_t *)memmem(file.data, file.bytes, "\xFF\xC0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\xEA\x60\xEA\x60", 4); /* 60000 x 60000 */
    refused(file.data, file.bytes, "60000 x 60000 pixels; images of up to 100 million are read");
    ln_file_free(&file);
}

/* The library's own memory counts: coefficients of a progressive file. */
static void the_memory_limit_holds_for_jpeg(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_file file;
    ln_image image;
    load("progressive.jpg", &file);
    uint8_t *frame = (uint8_t *)memmem(file.data, file.bytes, "\xFF\xC2", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\x0B\xB8\x0B\xB8",
           4); /* 3000 x 3000: 27 MB of pixels, as many coefficients */
    ln_memory_limit(ln_memory_used() + 30000000);
    assert_fails(ln_image_decode("x.jpg", file.data, file.bytes, &image, &err), LN_ENOMEM, NULL);
    ln_memory_limit(0);
    ln_image_free(&image);
    ln_file_free(&file);
}

static ln_status read_resized(void *context, ln_error *err)
{
    const ln_file *file = context;
    ln_image image;
    ln_status status = ln_image_decode("x", file->data, file->bytes, &image, err);
    if (!status)
        status = ln_image_recolour(&image, 1, err);
    if (!status)
        status = ln_image_recolour(&image, 3, err);
    if (!status)
        status = ln_image_resize(&image, 4, 5, err);
    ln_image_free(&image);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    for (int f = 0; f < FILES; f++) {
        ln_file file;
        load(files[f], &file);
        sweep_allocation_failures(read_resized, &file);
        ln_file_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_as_pillow_reads_it),
        cmocka_unit_test(images_are_resized_as_pillow_resizes_them),
        cmocka_unit_test(a_flat_image_stays_flat_at_any_size),
        cmocka_unit_test(other_files_are_named_as_such),
        cmocka_unit_test(every_prefix_is_cut_off),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(a_size_that_cannot_be_is_refused_before_memory_is_taken),
        cmocka_unit_test(the_memory_limit_holds_for_jpeg),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
