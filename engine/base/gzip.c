/* One pass of zlib's inflate into a buffer that doubles as it fills, so that what a file claims about
 * its size is never believed; the buffer counts against --memory as everything does. Members follow
 * one another as `cat a.gz b.gz` leaves them; zeros behind the last one (tapes) are skipped. */
#include "base/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, in gzip's wrapping */

static void *allocate(void *context, unsigned count, unsigned size)
{
    (void)context;
    return ln_calloc(count, size);
}

static void release(void *context, void *block)
{
    (void)context;
    ln_free(block);
}

bool ln_is_gzip(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    return bytes >= 2 && at[0] == 0x1F && at[1] == 0x8B;
}

typedef struct output {
    char *data;
    size_t bytes, room; /* room leaves a byte for the NUL */
} output;

static ln_status grow(output *out, ln_error *err)
{
    const size_t room = out->room ? 2 * out->room : 1 << 16;
    char *data = ln_realloc(out->data, room + 1);
    if (!data)
        return ln_fail_memory(err, room + 1);
    out->data = data;
    out->room = room;
    return LN_OK;
}

/* Inflates one member; the stream stands behind it afterwards. */
static ln_status inflate_member(const char *name, z_stream *stream, size_t *left, output *out,
                                ln_error *err)
{
    for (;;) {
        ln_status status = out->bytes == out->room ? grow(out, err) : ln_check_interrupt(err);
        if (status != LN_OK)
            return status;
        const size_t free_bytes = out->room - out->bytes;
        const unsigned in = (unsigned)(*left < UINT_MAX ? *left : UINT_MAX);
        const unsigned room = (unsigned)(free_bytes < UINT_MAX ? free_bytes : UINT_MAX);
        stream->next_out = (unsigned char *)out->data + out->bytes;
        stream->avail_out = room;
        stream->avail_in = in;
        const int what = inflate(stream, Z_NO_FLUSH);
        *left -= in - stream->avail_in;
        out->bytes += room - stream->avail_out;
        if (what == Z_STREAM_END)
            return LN_OK;
        if (what == Z_MEM_ERROR)
            return ln_fail_memory(err, 1 << 16);
        if (what == Z_DATA_ERROR || what == Z_NEED_DICT || what == Z_STREAM_ERROR)
            return ln_fail(err, LN_EINVALID, "%s is damaged: its gzip data cannot be read (%s)",
                           name, stream->msg ? stream->msg : "unknown form");
        if (*left == 0 && stream->avail_out > 0)
            return ln_fail(err, LN_EINVALID, "%s is cut off: its gzip data do not end", name);
    }
}

static bool only_zeros(const unsigned char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i])
            return false;
    }
    return true;
}

ln_status ln_gunzip(const char *name, const void *data, size_t bytes, char **out, size_t *out_bytes,
                    ln_error *err)
{
    z_stream stream = {.zalloc = allocate, .zfree = release};
    output made = {0};
    size_t left = bytes;
    stream.next_in = (unsigned char *)(uintptr_t)data; /* zlib reads it only */
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return ln_fail_memory(err, 1 << 16);
    ln_status status = grow(&made, err);
    while (status == LN_OK && !only_zeros(stream.next_in, left)) {
        if (!ln_is_gzip(stream.next_in, left)) {
            status =
                ln_fail(err, LN_EINVALID, "%s is damaged: something follows its gzip data", name);
            break;
        }
        status = inflate_member(name, &stream, &left, &made, err);
        inflateReset(&stream);
    }
    inflateEnd(&stream);
    if (status != LN_OK) {
        ln_free(made.data);
        return status;
    }
    made.data[made.bytes] = '\0';
    *out = made.data;
    *out_bytes = made.bytes;
    return LN_OK;
}
