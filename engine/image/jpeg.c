/* JPEG by libjpeg-turbo, with its accurate integer transform, whose bits are the same with and without
 * SIMD. An error of the library's jumps back into `read_picture`, as with PNG. Warnings that mean lost
 * pixels are errors; the others (bytes between markers, odd versions) are passed over.
 *
 * The library takes its memory itself: strips of the picture, and for files in several scans the
 * coefficients of all of it. It is counted by a block of that size which is held meanwhile and never
 * touched. Four inks become colours as Pillow does it: R = 255 - C seen through 255 - K. */
#include <setjmp.h>
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>

#include <jerror.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/image.h"

#define SCANS_MOST 200            /* a file of many empty scans would take hours */
#define LIBRARY_MEMORY (1u << 18) /* tables and buffers, whatever the picture */

typedef struct reading {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    bool cut_off;
    char why[JMSG_LENGTH_MAX];
    const char *name;
    const void *data;
    size_t bytes;
    ln_image *image;
    void *reserved; /* stands for the library's memory in the account */
    uint8_t *inks;  /* a row of CMYK, or NULL */
} reading;

static void on_error(j_common_ptr jpeg)
{
    reading *from = jpeg->client_data;
    jpeg->err->format_message(jpeg, from->why);
    longjmp(from->back, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
        ((reading *)jpeg->client_data)->cut_off = true;
        on_error(jpeg);
        break;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_MUST_RESYNC:
        on_error(jpeg);
        break;
    default:
        break;
    }
}

static void on_progress(j_common_ptr jpeg)
{
    if (((j_decompress_ptr)jpeg)->input_scan_number <= SCANS_MOST)
        return;
    reading *from = jpeg->client_data;
    snprintf(from->why, sizeof from->why, "more than %d scans", SCANS_MOST);
    longjmp(from->back, 1);
}

/* What the library will take: strips of 16 rows a component, and all coefficients of several scans. */
static size_t library_memory(j_decompress_ptr jpeg)
{
    size_t bytes = LIBRARY_MEMORY + (size_t)jpeg->image_width * (size_t)jpeg->num_components * 128;
    if (jpeg_has_multiple_scans(jpeg)) {
        for (int i = 0; i < jpeg->num_components; i++)
            bytes += ((size_t)jpeg->comp_info[i].width_in_blocks + 8) *
                     ((size_t)jpeg->comp_info[i].height_in_blocks + 8) * sizeof(JBLOCK);
    }
    return bytes;
}

static ln_status start(reading *from, ln_error *err)
{
    j_decompress_ptr jpeg = &from->jpeg;
    jpeg_mem_src(jpeg, from->data, from->bytes);
    jpeg_read_header(jpeg, TRUE);
    *from->image = (ln_image){.height = jpeg->image_height, .width = jpeg->image_width};
    from->image->channels = jpeg->num_components == 1 ? 1 : 3;
    const bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
    const ln_status status = ln_image_room(from->name, from->image, err);
    if (status)
        return status;
    const size_t reserve = library_memory(jpeg), row = 4 * (size_t)jpeg->image_width;
    from->reserved = ln_alloc(reserve);
    from->inks = inks ? ln_alloc(row) : NULL;
    if (!from->reserved || (inks && !from->inks))
        return ln_fail_memory(err, from->reserved ? row : reserve);
    jpeg->mem->max_memory_to_use = (long)reserve;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    return LN_OK;
}

static uint8_t scaled(unsigned a, unsigned b) /* a * b / 255, rounded */
{
    return (uint8_t)((a * b + 127) / 255);
}

/* Adobe's files hold 255 - ink, all others the ink. */
static void inks_to_colours(const reading *from, uint8_t *to)
{
    const unsigned flip = from->jpeg.saw_Adobe_marker ? 0 : 255;
    for (int64_t x = 0; x < from->image->width; x++) {
        const uint8_t *ink = from->inks + 4 * x;
        for (int c = 0; c < 3; c++)
            to[3 * x + c] = scaled(ink[c] ^ flip, ink[3] ^ flip);
    }
}

static ln_status read_picture(reading *from, ln_error *err)
{
    if (setjmp(from->back)) {
        if (from->cut_off)
            return ln_fail(err, LN_EINVALID, "%s is cut off: its JPEG data do not end", from->name);
        return ln_fail(err, LN_EINVALID, "%s is damaged: it cannot be read as JPEG (%s)",
                       from->name, from->why);
    }
    jpeg_create_decompress(&from->jpeg);
    from->jpeg.progress = &from->progress;
    ln_status status = start(from, err);
    const size_t stride = (size_t)from->image->width * (size_t)from->image->channels;
    while (status == LN_OK && from->jpeg.output_scanline < from->jpeg.output_height) {
        uint8_t *to = from->image->pixels + from->jpeg.output_scanline * stride;
        jpeg_read_scanlines(&from->jpeg, from->inks ? &from->inks : &to, 1);
        if (from->inks)
            inks_to_colours(from, to);
    }
    if (status == LN_OK)
        jpeg_finish_decompress(&from->jpeg);
    return status;
}

ln_status ln_jpeg_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                         ln_error *err)
{
    reading from = {.name = name, .data = data, .bytes = bytes, .image = out};
    from.jpeg.err = jpeg_std_error(&from.errors);
    from.jpeg.client_data = &from;
    from.errors.error_exit = on_error;
    from.errors.emit_message = on_message;
    from.progress.progress_monitor = on_progress;
    const ln_status status = read_picture(&from, err);
    jpeg_destroy_decompress(&from.jpeg);
    ln_free(from.reserved);
    ln_free(from.inks);
    return status;
}
