/* NumPy's .npy format (numpy/lib/format.py, "NPY format"): the magic "\x93NUMPY", two version
 * bytes, the header's length (2 bytes in version 1, 4 in versions 2 and 3, little-endian), the
 * header, the elements. The header is a Python dictionary of three keys:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * A file is a stranger's: every length is checked against what is there before it is used, the
 * elements must be exactly as many bytes as the shape says, and nothing is allocated before that.
 * The reader of the header accepts what Python's own literals allow there (either quote, spaces,
 * any order of keys, a trailing comma, an L behind numbers as Python 2 wrote) and no more. */
#include "tensor/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "tensor/npy_elements.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6

/* A walk over the header's text. */
typedef struct cursor {
    const char *at;  /* the next character */
    const char *end; /* behind the last */
} cursor;

typedef struct header {
    ln_npy_layout layout;                 /* dtype in the file, byte order */
    bool fortran;                         /* column-major */
    ln_shape shape;                       /* as in NumPy */
    bool has_descr, has_order, has_shape; /* which keys were there */
} header;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

/* Takes `wanted` when it is next. */
static bool take(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A quoted text without escapes; false when it is none or longer than the buffer. */
static bool take_string(cursor *c, char *buffer, size_t size)
{
    skip_space(c);
    if (c->at >= c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (!close || (size_t)(close - c->at) >= size || memchr(c->at, '\\', (size_t)(close - c->at)))
        return false;
    size_t length = (size_t)(close - c->at);
    memcpy(buffer, c->at, length);
    buffer[length] = '\0';
    c->at = close + 1;
    return true;
}

static bool take_dimension(cursor *c, int64_t *out)
{
    skip_space(c);
    if (c->at >= c->end || *c->at < '0' || *c->at > '9')
        return false;
    int64_t number = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (__builtin_mul_overflow(number, (int64_t)10, &number) ||
            __builtin_add_overflow(number, (int64_t)(*c->at - '0'), &number))
            return false;
        c->at++;
    }
    if (c->at < c->end && *c->at == 'L')
        c->at++;
    *out = number;
    return true;
}

/* "()", "(3,)", "(3, 4)". */
static ln_status take_shape(cursor *c, const char *name, ln_shape *shape, ln_error *err)
{
    *shape = (ln_shape){0};
    bool more = take(c, '(');
    if (!more)
        return ln_fail(err, LN_EINVALID, "%s: the shape in its header is no tuple", name);
    while (more && !take(c, ')')) {
        int64_t dimension;
        if (!take_dimension(c, &dimension))
            return ln_fail(err, LN_EINVALID,
                           "%s: the shape in its header has a dimension that is "
                           "no number from 0 to 2^63 - 1",
                           name);
        if (shape->rank == LN_MAX_RANK)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "%s: it has more than %d dimensions, the most Lunette takes", name,
                           LN_MAX_RANK);
        shape->dims[shape->rank++] = dimension;
        more = take(c, ',');
        if (!more && !take(c, ')'))
            return ln_fail(err, LN_EINVALID, "%s: the shape in its header does not end", name);
    }
    return LN_OK;
}

static ln_status take_descr(cursor *c, const char *name, header *head, ln_error *err)
{
    char descr[32];
    skip_space(c);
    if (c->at < c->end && (*c->at == '[' || *c->at == '('))
        return ln_fail(err, LN_EUNSUPPORTED,
                       "%s: its dtype has fields (a structured array); plain numbers are wanted",
                       name);
    if (!take_string(c, descr, sizeof descr))
        return ln_fail(err, LN_EINVALID, "%s: the dtype in its header is no text", name);
    return ln_npy_layout_parse(name, descr, &head->layout, err);
}

static ln_status take_entry(cursor *c, const char *name, header *head, ln_error *err)
{
    char key[32];
    if (!take_string(c, key, sizeof key) || !take(c, ':'))
        return ln_fail(err, LN_EINVALID, "%s: its header is no dictionary of texts", name);
    if (strcmp(key, "descr") == 0 && !head->has_descr) {
        head->has_descr = true;
        return take_descr(c, name, head, err);
    }
    if (strcmp(key, "fortran_order") == 0 && !head->has_order) {
        head->has_order = true;
        head->fortran = take_word(c, "True");
        if (!head->fortran && !take_word(c, "False"))
            return ln_fail(err, LN_EINVALID,
                           "%s: fortran_order in its header is neither True nor "
                           "False",
                           name);
        return LN_OK;
    }
    if (strcmp(key, "shape") == 0 && !head->has_shape) {
        head->has_shape = true;
        return take_shape(c, name, &head->shape, err);
    }
    return ln_fail(err, LN_EINVALID, "%s: its header has an unknown or repeated key '%s'", name,
                   key);
}

static ln_status parse_header(const char *name, const char *text, size_t length, header *head,
                              ln_error *err)
{
    cursor c = {.at = text, .end = text + length};
    bool more = take(&c, '{');
    if (!more)
        return ln_fail(err, LN_EINVALID, "%s: its header is no dictionary", name);
    while (more && !take(&c, '}')) {
        ln_status status = take_entry(&c, name, head, err);
        if (status)
            return status;
        more = take(&c, ',');
        if (!more && !take(&c, '}'))
            return ln_fail(err, LN_EINVALID, "%s: its header does not end", name);
    }
    skip_space(&c);
    if (c.at != c.end)
        return ln_fail(err, LN_EINVALID, "%s: its header goes on after its end", name);
    const char *missing = !head->has_descr   ? "descr"
                          : !head->has_order ? "fortran_order"
                          : !head->has_shape ? "shape"
                                             : NULL;
    if (missing)
        return ln_fail(err, LN_EINVALID, "%s: its header has no '%s'", name, missing);
    return LN_OK;
}

/* Finds the header's text and where the elements begin. */
static ln_status find_header(const char *name, const uint8_t *data, size_t bytes, size_t *start,
                             size_t *length, ln_error *err)
{
    if (bytes < MAGIC_BYTES || memcmp(data, MAGIC, MAGIC_BYTES) != 0)
        return ln_fail(err, LN_EINVALID,
                       "%s is no .npy file (it does not begin with the magic "
                       "word of that format)",
                       name);
    int version = bytes > MAGIC_BYTES ? data[MAGIC_BYTES] : 1;
    if (version < 1 || version > 3)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "%s: version %d of the .npy format; versions 1 to 3 are read", name,
                       version);
    *start = version == 1 ? 10 : 12;
    if (bytes < *start)
        return ln_fail(err, LN_EINVALID, "%s ends within its header", name);
    *length = data[8] | (size_t)data[9] << 8;
    if (version > 1)
        *length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (bytes - *start < *length)
        return ln_fail(err, LN_EINVALID, "%s ends within its header", name);
    return LN_OK;
}

/* The bytes that the elements must take. */
static ln_status check_size(const char *name, const header *head, size_t have, ln_error *err)
{
    char shape[256];
    int64_t want = head->layout.bytes, largest = 8;
    bool empty = false, overflow = false;
    for (int i = 0; i < head->shape.rank; i++) {
        int64_t dimension = head->shape.dims[i];
        empty = empty || dimension == 0;
        if (dimension > 0)
            overflow = overflow || __builtin_mul_overflow(want, dimension, &want) ||
                       __builtin_mul_overflow(largest, dimension, &largest);
    }
    ln_shape_text(&head->shape, shape, sizeof shape);
    if (overflow)
        return ln_fail(err, LN_EINVALID, "%s: the shape %s has more elements than can be counted",
                       name, shape);
    if (empty)
        want = 0;
    if ((uint64_t)want != have)
        return ln_fail(err, LN_EINVALID,
                       "%s: the shape %s needs %" PRId64 " bytes of data, the file has %zu", name,
                       shape, want, have);
    return LN_OK;
}

ln_status ln_npy_parse(const char *name, const void *data, size_t bytes, ln_tensor **out,
                       ln_error *err)
{
    *out = NULL;
    header head = {0};
    size_t start = 0, length = 0;
    ln_status status = find_header(name, data, bytes, &start, &length, err);
    if (!status)
        status = parse_header(name, (const char *)data + start, length, &head, err);
    if (!status)
        status = check_size(name, &head, bytes - start - length, err);
    if (!status)
        status = ln_tensor_new(head.layout.dtype, &head.shape, out, err);
    if (status)
        return status;
    ln_npy_load(&head.layout, head.fortran, (const uint8_t *)data + start + length, *out);
    return LN_OK;
}

ln_status ln_npy_read(const char *path, ln_tensor **out, uint8_t *sha256, ln_error *err)
{
    *out = NULL;
    ln_file file;
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    status = ln_npy_parse(path, file.data, file.bytes, out, err);
    if (!status && sha256)
        memcpy(sha256, file.sha256, LN_SHA256_BYTES);
    ln_file_free(&file);
    return status;
}

static const char *descr_of(ln_dtype dtype)
{
    static const char *const descr[] = {
        [LN_F32] = "<f4", [LN_F64] = "<f8", [LN_I64] = "<i8",
        [LN_I32] = "<i4", [LN_U8] = "|u1",  [LN_BOOL] = "|b1",
    };
    return descr[dtype];
}

ln_status ln_npy_write(const char *path, const ln_tensor *tensor, ln_error *err)
{
    char shape[256];
    ln_shape_text(&tensor->shape, shape, sizeof shape);
    ln_text text = {0};
    ln_text_addn(&text, MAGIC "\x01\x00\x00\x00", MAGIC_BYTES + 4);
    ln_text_format(&text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                   descr_of(tensor->dtype), shape);
    /* Spaces and a newline bring the elements to a multiple of 64. */
    while (!text.failed && (text.length + 1) % 64 != 0)
        ln_text_addn(&text, " ", 1);
    ln_text_addn(&text, "\n", 1);
    size_t start = text.length;
    ln_text_addn(&text, tensor->data, tensor->bytes);

    ln_status status;
    if (text.failed) {
        status = ln_fail_memory(err, start + tensor->bytes);
    } else {
        text.data[8] = (char)((start - 10) & 0xFF);
        text.data[9] = (char)((start - 10) >> 8);
        status = ln_file_write(path, text.data, text.length, err);
    }
    ln_text_free(&text);
    return status;
}
