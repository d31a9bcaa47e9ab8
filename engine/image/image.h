/* Pictures as bytes: PNG by libpng, JPEG by libjpeg-turbo, colours, size. What a picture holds beside
 * its 8-bit colours is left out, as Pillow's convert("RGB") does: transparency, gamma, colour
 * profiles, the camera's orientation. 16 bits a channel are rounded to 8 (v * 255 / 65535).
 *
 * Content is a stranger's: both libraries work on the file in memory, their errors come back as
 * messages, and what a file claims about its size is checked before memory is taken. */
#ifndef LN_IMAGE_H
#define LN_IMAGE_H

#include "lunette.h"

#define LN_IMAGE_PIXELS 100000000 /* more in one picture are refused */

typedef struct ln_image {
    int64_t height, width; /* pixels */
    int channels;          /* 1 grey, 3 red, green, blue */
    uint8_t *pixels;       /* height x width x channels; NULL: nothing decoded */
} ln_image;

/* The picture of a file by its first bytes, grey or in colours as it is stored; `name` is for
 * messages. LN_EINVALID: neither PNG nor JPEG, cut off, damaged, without pixels, too many of them.
 * Caller frees with ln_image_free, also after an error. */
ln_status ln_image_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                          ln_error *err);
void ln_image_free(ln_image *image);

/* Makes it grey or coloured in place. Grey is ITU-R 601 luma in integers, as Pillow's "L":
 * (19595 R + 38470 G + 7471 B + 32768) >> 16. */
ln_status ln_image_recolour(ln_image *image, int channels, ln_error *err);

/* To height x width, in place (resize.c). */
ln_status ln_image_resize(ln_image *image, int64_t height, int64_t width, ln_error *err);

/* image.c, for the two readers: takes memory for out->pixels after the size has been checked. */
ln_status ln_image_room(const char *name, ln_image *out, ln_error *err);
ln_status ln_png_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                        ln_error *err);
ln_status ln_jpeg_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                         ln_error *err);

#endif
