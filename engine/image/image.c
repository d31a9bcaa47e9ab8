/* Which reader a file needs, how large it may be, and its colours. */
#include "image/image.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

ln_status ln_image_decode(const char *name, const void *data, size_t bytes, ln_image *out,
                          ln_error *err)
{
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF};
    *out = (ln_image){0};
    if (bytes >= sizeof png && memcmp(data, png, sizeof png) == 0)
        return ln_png_decode(name, data, bytes, out, err);
    if (bytes >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0)
        return ln_jpeg_decode(name, data, bytes, out, err);
    if (bytes == 0)
        return ln_fail(err, LN_EINVALID, "%s is empty", name);
    return ln_fail(err, LN_EINVALID, "%s is neither a PNG nor a JPEG image", name);
}

void ln_image_free(ln_image *image)
{
    ln_free(image->pixels);
    *image = (ln_image){0};
}

ln_status ln_image_room(const char *name, ln_image *out, ln_error *err)
{
    if (out->width > LN_IMAGE_PIXELS || out->height > LN_IMAGE_PIXELS / out->width)
        return ln_fail(err, LN_EINVALID,
                       "%s has %lld x %lld pixels; images of up to %d million are read", name,
                       (long long)out->width, (long long)out->height, LN_IMAGE_PIXELS / 1000000);
    const size_t bytes = (size_t)(out->width * out->height) * (size_t)out->channels;
    out->pixels = ln_alloc(bytes);
    return out->pixels ? LN_OK : ln_fail_memory(err, bytes);
}

static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

ln_status ln_image_recolour(ln_image *image, int channels, ln_error *err)
{
    const size_t count = (size_t)(image->height * image->width);
    if (channels == image->channels)
        return LN_OK;
    if (channels == 1) { /* a grey pixel lands at or before the place it is read from */
        for (size_t i = 0; i < count; i++)
            image->pixels[i] = luma(image->pixels + 3 * i);
    } else {
        uint8_t *pixels = ln_realloc(image->pixels, 3 * count);
        if (!pixels)
            return ln_fail_memory(err, 3 * count);
        for (size_t i = count; i-- > 0;)
            pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
        image->pixels = pixels;
    }
    image->channels = channels;
    return LN_OK;
}
