/* The elements are those of .npy files in big-endian order, so that file's loader turns them. */
#include "tensor/idx.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/gzip.h"
#include "tensor/npy_elements.h"

#define MAGIC_BYTES 4
#define DIMENSION_BYTES 4

/* NumPy's name of an IDX type, or NULL. */
static const char *type_name(uint8_t type)
{
    switch (type) {
    case 0x08:
        return "|u1";
    case 0x09:
        return "|i1";
    case 0x0B:
        return ">i2";
    case 0x0C:
        return ">i4";
    case 0x0D:
        return ">f4";
    case 0x0E:
        return ">f8";
    default:
        return NULL;
    }
}

static ln_status check_size(const char *name, const ln_shape *shape, int element, size_t have,
                            ln_error *err)
{
    char text[256];
    int64_t want = element;
    bool overflow = false;
    for (int i = 0; i < shape->rank; i++)
        overflow = overflow || __builtin_mul_overflow(want, shape->dims[i], &want);
    ln_shape_text(shape, text, sizeof text);
    if (overflow)
        return ln_fail(err, LN_EINVALID, "%s: the shape %s has more elements than can be counted",
                       name, text);
    if ((uint64_t)want != have)
        return ln_fail(err, LN_EINVALID,
                       "%s: the shape %s needs %" PRId64 " bytes of data, the file has %zu", name,
                       text, want, have);
    return LN_OK;
}

ln_status ln_idx_parse(const char *name, const void *data, size_t bytes, ln_tensor **out,
                       ln_error *err)
{
    const uint8_t *at = data;
    ln_npy_layout layout;
    ln_shape shape = {0};
    *out = NULL;
    if (bytes < MAGIC_BYTES || at[0] != 0 || at[1] != 0 || !type_name(at[2]))
        return ln_fail(err, LN_EINVALID,
                       "%s is no IDX file (it does not begin with two zero bytes and a known type)",
                       name);
    if (at[3] > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "%s: it has more than %d dimensions, the most Lunette takes", name,
                       LN_MAX_RANK);
    const size_t start = MAGIC_BYTES + (size_t)at[3] * DIMENSION_BYTES;
    if (bytes < start)
        return ln_fail(err, LN_EINVALID, "%s ends within its header", name);
    for (shape.rank = 0; shape.rank < at[3]; shape.rank++) {
        const uint8_t *d = at + MAGIC_BYTES + (size_t)shape.rank * DIMENSION_BYTES;
        shape.dims[shape.rank] =
            (int64_t)d[0] << 24 | (int64_t)d[1] << 16 | (int64_t)d[2] << 8 | d[3];
    }
    ln_status status = ln_npy_layout_parse(name, type_name(at[2]), &layout, err);
    if (!status)
        status = check_size(name, &shape, layout.bytes, bytes - start, err);
    if (!status)
        status = ln_tensor_new(layout.dtype, &shape, out, err);
    if (status)
        return status;
    ln_npy_load(&layout, false, at + start, *out);
    return LN_OK;
}

ln_status ln_idx_read(const char *path, ln_tensor **out, uint8_t *sha256, ln_error *err)
{
    ln_file file;
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    if (ln_is_gzip(file.data, file.bytes)) {
        status = ln_gunzip(path, file.data, file.bytes, &text, &bytes, err);
        if (!status)
            status = ln_idx_parse(path, text, bytes, out, err);
    } else {
        status = ln_idx_parse(path, file.data, file.bytes, out, err);
    }
    if (!status && sha256)
        memcpy(sha256, file.sha256, LN_SHA256_BYTES);
    ln_free(text);
    ln_file_free(&file);
    return status;
}
