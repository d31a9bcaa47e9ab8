/* PNG by libpng, whose memory is ours. An error of libpng's jumps back into `read_picture`; all that
 * must outlive the jump stands in the structure that it is given, and nothing is owned by a frame
 * that is jumped over. Ancillary chunks (profiles, texts, times) are passed over unread. */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/image.h"

/* Deflate packs at most 1032 bytes into one: a shorter file cannot hold the pixels it claims. */
#define DEFLATE_MOST 1032

typedef struct reading {
    const char *name;
    const uint8_t *at; /* what is left of the file */
    size_t left, bytes;
    bool cut_off;   /* more was asked for than the file has */
    size_t starved; /* bytes for which there was no memory */
    char why[128];  /* libpng's own words */
    png_structp png;
    png_infop info;
    ln_image *image;
} reading;

static void *allocate(png_structp png, png_alloc_size_t bytes)
{
    void *block = ln_alloc(bytes);
    if (!block)
        ((reading *)png_get_mem_ptr(png))->starved = bytes;
    return block;
}

static void release(png_structp png, void *block)
{
    (void)png;
    ln_free(block);
}

static void take(png_structp png, png_bytep to, size_t bytes)
{
    reading *from = png_get_io_ptr(png);
    if (bytes > from->left) {
        from->cut_off = true;
        png_error(png, "cut off");
    }
    memcpy(to, from->at, bytes);
    from->at += bytes;
    from->left -= bytes;
}

static void on_error(png_structp png, const char *message)
{
    reading *from = png_get_error_ptr(png);
    snprintf(from->why, sizeof from->why, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, const char *message)
{
    (void)png;
    (void)message;
}

/* To 8 bits a channel, grey or red, green, blue, whatever the file has. */
static void ask_for_bytes(reading *from, int kind)
{
    if (kind == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(from->png);
    else
        png_set_expand_gray_1_2_4_to_8(from->png);
    png_set_scale_16(from->png);
    png_set_strip_alpha(from->png);
}

/* The header, and whether the file can be what it says. */
static ln_status read_header(reading *from, ln_error *err)
{
    png_uint_32 width, height;
    int depth, kind;
    png_read_info(from->png, from->info);
    png_get_IHDR(from->png, from->info, &width, &height, &depth, &kind, NULL, NULL, NULL);
    const uint64_t packed =
        ((uint64_t)width * (unsigned)depth * png_get_channels(from->png, from->info) + 7) / 8;
    from->image->width = width;
    from->image->height = height;
    from->image->channels = kind & PNG_COLOR_MASK_COLOR ? 3 : 1;
    if (packed > (uint64_t)from->bytes * DEFLATE_MOST / height)
        return ln_fail(err, LN_EINVALID, "%s is cut off: %zu bytes cannot hold %u x %u pixels",
                       from->name, from->bytes, width, height);
    ask_for_bytes(from, kind);
    return LN_OK;
}

/* All of the file, down to its end chunk. */
static ln_status read_picture(reading *from, ln_error *err)
{
    if (setjmp(png_jmpbuf(from->png))) {
        if (from->starved)
            return ln_fail_memory(err, from->starved);
        if (from->cut_off)
            return ln_fail(err, LN_EINVALID, "%s is cut off: its PNG data do not end", from->name);
        return ln_fail(err, LN_EINVALID, "%s is damaged: it cannot be read as PNG (%s)", from->name,
                       from->why);
    }
    png_set_keep_unknown_chunks(from->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(from->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ln_image_room has words */
    png_set_read_fn(from->png, from, take);
    ln_status status = read_header(from, err);
    if (!status)
        status = ln_image_room(from->name, from->image, err);
    if (status)
        return status;
    const size_t stride = (size_t)from->image->width * (size_t)from->image->channels;
    const int passes = png_set_interlace_handling(from->png);
    png_read_update_info(from->png, from->info);
    if (png_get_rowbytes(from->png, from->info) != stride)
        return ln_fail(err, LN_EUNSUPPORTED, "%s: PNG of this kind is not read", from->name);
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t y = 0; y < from->image->height; y++)
            png_read_row(from->png, from->image->pixels + (size_t)y * stride, NULL);
    }
    png_read_end(from->png, NULL);
    return LN_OK;
}

ln_status ln_png_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                        ln_error *err)
{
    reading from = {.name = name, .at = data, .left = bytes, .bytes = bytes, .image = out};
    from.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &from, on_error, on_warning, &from,
                                        allocate, release);
    from.info = from.png ? png_create_info_struct(from.png) : NULL;
    ln_status status = from.info ? read_picture(&from, err) : ln_fail_memory(err, from.starved);
    png_destroy_read_struct(&from.png, &from.info, NULL);
    return status;
}
