/* Seeds for the readers of PNG and JPEG files: the images of tests/reference/image, so the fuzzer runs
 * at the top of the repository. */
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"

static void read_seed(const char *name, sample *out)
{
    char path[96];
    snprintf(path, sizeof path, "tests/reference/image/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "fuzz: %s cannot be read\n", path);
        exit(2);
    }
    out->size = fread(out->bytes, 1, sizeof out->bytes, file);
    fclose(file);
}

static void make_png(int number, sample *out)
{
    static const char *const names[] = {"rgb.png",        "rgba.png",      "grey_alpha.png",
                                        "palette.png",    "bits.png",      "deep.png",
                                        "interlaced.png", "deep_rgba.png", "grey.png"};
    read_seed(names[number], out);
}

static void make_jpeg(int number, sample *out)
{
    static const char *const names[] = {"photo.jpg", "photo_grey.jpg", "progressive.jpg",
                                        "full.jpg", "cmyk.jpg"};
    read_seed(names[number], out);
}

static ln_status parse_image(const void *data, size_t size, ln_error *err)
{
    ln_image image;
    ln_status status = ln_image_decode("fuzz.png", data, size, &image, err);
    if (!status && image.width * image.height < 4096) {
        status = ln_image_recolour(&image, image.channels == 3 ? 1 : 3, err);
        if (!status)
            status = ln_image_resize(&image, 7, 5, err);
    }
    ln_image_free(&image);
    return status;
}

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Changes a byte of one chunk's name or data and makes its checksum right again. */
static void mutate_chunk(const reader *of, sample *file, ln_rng *rng)
{
    size_t at = 8, skip = fuzz_below(rng, 4);
    while (at + 12 <= file->size) {
        const size_t length = number_at(file->bytes + at);
        if (length > file->size - at - 12)
            break;
        if (skip-- == 0) {
            uint8_t *body = file->bytes + at + 4;
            body[fuzz_below(rng, 4 + length)] = (uint8_t)fuzz_below(rng, 256);
            const uint32_t sum = (uint32_t)crc32(0, body, (unsigned)(4 + length));
            for (int i = 0; i < 4; i++)
                body[4 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
            return;
        }
        at += 12 + length;
    }
    fuzz_mutate(of, file, rng);
}

const reader fuzz_png = {
    .name = "png",
    .seed_count = 9,
    .make_seed = make_png,
    .parse = parse_image,
    .mutate_within = mutate_chunk,
    .memory_base = 256 * 1024,
    .memory_factor = 1032 * 24, /* deflate's most, bits of a palette to colours */
};

const reader fuzz_jpeg = {
    .name = "jpeg",
    .seed_count = 5,
    .make_seed = make_jpeg,
    .parse = parse_image,
    .memory_base = (size_t)1 << 30, /* a few bytes may stand for LN_IMAGE_PIXELS */
};
