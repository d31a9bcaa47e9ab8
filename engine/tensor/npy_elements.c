/* Elements of .npy files, one by one: little-endian bytes become a 64-bit word, the word the value.
 * Where file and tensor agree (the usual case) the whole is one copy.
 *
 *     f2 -> f32 (exact)   f4 -> f32   f8 -> f64   i1, i2, u2 -> i32   i4 -> i32   i8, u4 -> i64
 *     u1 -> u8            b1 -> bool (any byte but 0 is true, as in NumPy)
 *
 * Fortran order is read with a counter of indices that runs as the file does, and writes to the
 * row-major place: O(elements * rank). */
#include "tensor/npy_elements.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *code; /* NumPy's, without the byte order */
    ln_dtype dtype;   /* what it becomes */
} codes[] = {
    {"f2", LN_F32}, {"f4", LN_F32}, {"f8", LN_F64}, {"i1", LN_I32}, {"i2", LN_I32},  {"i4", LN_I32},
    {"i8", LN_I64}, {"u1", LN_U8},  {"u2", LN_I32}, {"u4", LN_I64}, {"b1", LN_BOOL},
};

/* What a dtype that is not read is called. */
static const char *kind_name(char kind)
{
    switch (kind) {
    case 'O':
        return " (Python objects)";
    case 'S':
    case 'a':
    case 'U':
        return " (texts)";
    case 'c':
        return " (complex numbers)";
    case 'M':
    case 'm':
        return " (dates or durations)";
    case 'V':
        return " (raw bytes)";
    default:
        return "";
    }
}

ln_status ln_npy_layout_parse(const char *name, const char *descr, ln_npy_layout *out,
                              ln_error *err)
{
    const char *code = descr;
    bool ordered = *code && strchr("<>|=", *code) != NULL;
    if (ordered)
        code++;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].code, code) != 0)
            continue;
        *out = (ln_npy_layout){.kind = code[0],
                               .bytes = code[1] - '0',
                               .swapped = *descr == '>' && code[1] != '1',
                               .dtype = codes[i].dtype};
        return LN_OK;
    }
    return ln_fail(err, LN_EUNSUPPORTED,
                   "%s: its dtype '%s'%s is not read; f2, f4, f8, i1, i2, i4, i8, u1, u2, u4 and "
                   "b1 are",
                   name, descr, kind_name(*code));
}

/* Half precision: sign, 5 bits of exponent (bias 15), 10 of fraction. Exact in float. */
static float from_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int fraction = half & 1023;
    float size;
    if (exponent == 31)
        size = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        size = ldexpf((float)fraction, -24);
    else
        size = ldexpf((float)(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -size : size;
}

static uint64_t load_word(const uint8_t *data, int bytes, bool swapped)
{
    uint64_t word = 0;
    for (int i = 0; i < bytes; i++)
        word |= (uint64_t)data[swapped ? bytes - 1 - i : i] << (8 * i);
    return word;
}

static int64_t sign_extend(uint64_t word, int bytes)
{
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    return (int64_t)((word ^ sign) - sign);
}

static void store_element(const ln_npy_layout *layout, uint64_t word, ln_tensor *out, int64_t at)
{
    int64_t whole = layout->kind == 'i' ? sign_extend(word, layout->bytes) : (int64_t)word;
    switch (layout->dtype) {
    case LN_F32: {
        uint32_t bits = (uint32_t)word;
        float value;
        if (layout->bytes == 2)
            value = from_half((uint16_t)word);
        else
            memcpy(&value, &bits, sizeof value);
        ((float *)out->data)[at] = value;
        break;
    }
    case LN_F64:
        memcpy((double *)out->data + at, &word, sizeof word);
        break;
    case LN_I64:
        ((int64_t *)out->data)[at] = whole;
        break;
    case LN_I32:
        ((int32_t *)out->data)[at] = (int32_t)whole;
        break;
    case LN_U8:
        ((uint8_t *)out->data)[at] = (uint8_t)whole;
        break;
    case LN_BOOL:
        ((uint8_t *)out->data)[at] = whole != 0;
        break;
    }
}

/* The next index in Fortran order; returns its place in row-major order. */
static int64_t advance(const ln_shape *shape, const int64_t *strides, int64_t *index, int64_t place)
{
    for (int i = 0; i < shape->rank; i++) {
        place += strides[i];
        if (++index[i] < shape->dims[i])
            break;
        place -= strides[i] * shape->dims[i];
        index[i] = 0;
    }
    return place;
}

void ln_npy_load(const ln_npy_layout *layout, bool fortran, const uint8_t *data, ln_tensor *out)
{
    int64_t count = ln_shape_count(&out->shape);
    if (count == 0)
        return;
    bool reordered = fortran && out->shape.rank > 1;
    bool same = !layout->swapped && layout->dtype != LN_BOOL &&
                (size_t)layout->bytes == ln_dtype_size(layout->dtype);
    if (same && !reordered) {
        memcpy(out->data, data, out->bytes);
        return;
    }
    int64_t strides[LN_MAX_RANK], index[LN_MAX_RANK] = {0}, stride = 1, place = 0;
    for (int i = out->shape.rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= out->shape.dims[i];
    }
    for (int64_t i = 0; i < count; i++) {
        uint64_t word = load_word(data + i * layout->bytes, layout->bytes, layout->swapped);
        store_element(layout, word, out, reordered ? place : i);
        if (reordered)
            place = advance(&out->shape, strides, index, place);
    }
}
