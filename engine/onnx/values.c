/* TensorProto: the data of constants. Numbers stand in raw_data (little-endian, as in memory) or in
 * the field of their type: float_data, double_data, int64_data, and int32_data for int32, bool and
 * the bits of float16 and bfloat16. float64 is rounded to float32, as everything is computed in
 * float32.
 *
 * A first loop over the message finds type, dimensions and how many numbers there are; only when
 * that is the product of the dimensions is memory taken. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/proto.h"

#define DATA_LOCATION_EXTERNAL 1

/* How the elements of a type are stored. */
typedef struct element {
    int64_t type;
    const char *name;
    size_t raw_bytes;  /* one element in raw_data; 0: not read */
    uint32_t field;    /* the typed field's number */
    ln_wire_type wire; /* of the typed field's elements */
    ln_dtype dtype;    /* what it becomes */
} element;

static const element elements[] = {
    {LN_ONNX_FLOAT, "float", 4, 4, LN_WIRE_FIXED32, LN_F32},
    {LN_ONNX_UINT8, "uint8", 1, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT8, "int8", 1, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_UINT16, "uint16", 2, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT16, "int16", 2, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT32, "int32", 4, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT64, "int64", 8, 7, LN_WIRE_VARINT, LN_I64},
    {LN_ONNX_STRING, "string", 0, 0, LN_WIRE_BYTES, LN_U8},
    {LN_ONNX_BOOL, "bool", 1, 5, LN_WIRE_VARINT, LN_BOOL},
    {LN_ONNX_FLOAT16, "float16", 2, 5, LN_WIRE_VARINT, LN_F32},
    {LN_ONNX_DOUBLE, "double", 8, 10, LN_WIRE_FIXED64, LN_F32},
    {LN_ONNX_UINT32, "uint32", 4, 11, LN_WIRE_VARINT, LN_I64},
    {LN_ONNX_UINT64, "uint64", 8, 11, LN_WIRE_VARINT, LN_I64},
    {14, "complex64", 0, 0, LN_WIRE_FIXED32, LN_F32},
    {15, "complex128", 0, 0, LN_WIRE_FIXED64, LN_F64},
    {LN_ONNX_BFLOAT16, "bfloat16", 2, 5, LN_WIRE_VARINT, LN_F32},
    {17, "float8e4m3fn", 0, 0, LN_WIRE_VARINT, LN_F32},
    {18, "float8e4m3fnuz", 0, 0, LN_WIRE_VARINT, LN_F32},
    {19, "float8e5m2", 0, 0, LN_WIRE_VARINT, LN_F32},
    {20, "float8e5m2fnuz", 0, 0, LN_WIRE_VARINT, LN_F32},
    {21, "uint4", 0, 0, LN_WIRE_VARINT, LN_I32},
    {22, "int4", 0, 0, LN_WIRE_VARINT, LN_I32},
    {23, "float4e2m1", 0, 0, LN_WIRE_VARINT, LN_F32},
    {24, "float8e8m0", 0, 0, LN_WIRE_VARINT, LN_F32},
    {25, "uint2", 0, 0, LN_WIRE_VARINT, LN_I32},
    {26, "int2", 0, 0, LN_WIRE_VARINT, LN_I32},
};

static const element *element_of(int64_t type)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].type == type)
            return &elements[i];
    return NULL;
}

bool ln_onnx_type_dtype(int64_t type, ln_dtype *out)
{
    const element *found = element_of(type);
    if (!found || found->raw_bytes == 0)
        return false;
    *out = found->dtype;
    return true;
}

const char *ln_onnx_type_name(int64_t type)
{
    const element *found = element_of(type);
    return found ? found->name : type == 0 ? "none" : "unknown";
}

/* What the first loop finds. */
typedef struct header {
    ln_bytes name;
    int64_t type, location;
    int64_t dims[LN_MAX_RANK];
    size_t rank;
    bool has_raw, has_segment;
    ln_bytes raw;
    ln_bytes file;           /* of external data: a path, */
    uint64_t offset, length; /* where in it, and how many bytes (0: to its end) */
    bool bad_place;          /* one of the two is no number */
    size_t typed[16];        /* numbers in the typed field of that number */
} header;

static void take_dimension(void *context, uint64_t bits)
{
    header *out = context;
    if (out->rank < LN_MAX_RANK)
        out->dims[out->rank] = (int64_t)bits;
    out->rank++;
}

static bool to_number(ln_bytes text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(text.data[i] - '0'), out))
            return false;
    return text.size > 0;
}

/* One entry of external_data: a key and its value, both text. */
static ln_status take_external(header *out, const ln_wire *wire, const ln_wire_field *entry,
                               ln_error *err)
{
    ln_bytes parts[2] = {{0}};
    ln_wire_field field;
    ln_status status = ln_wire_expect(entry, LN_WIRE_BYTES, "a place of external data", err);
    if (status)
        return status;
    ln_wire inner = ln_wire_open(entry->bytes, wire->origin);
    for (;;) {
        status = ln_wire_next(&inner, &field, err);
        if (status || field.number == 0)
            break;
        if (field.number > 2)
            continue;
        parts[field.number - 1] = field.bytes;
        status = ln_wire_expect(&field, LN_WIRE_BYTES, "a place of external data", err);
        if (status)
            return status;
    }
    if (ln_bytes_equal(parts[0], "location"))
        out->file = parts[1];
    else if (ln_bytes_equal(parts[0], "offset"))
        out->bad_place = out->bad_place || !to_number(parts[1], &out->offset);
    else if (ln_bytes_equal(parts[0], "length"))
        out->bad_place = out->bad_place || !to_number(parts[1], &out->length);
    return status;
}

static ln_status header_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                              ln_error *err)
{
    header *out = context;
    size_t count;
    ln_status status;
    switch (field->number) {
    case 1:
        status = ln_wire_count(field, LN_WIRE_VARINT, "a tensor's shape", &count, err);
        return status ? status
                      : ln_wire_numbers(wire, field, LN_WIRE_VARINT, take_dimension, out, err);
    case 2:
        out->type = (int64_t)field->value;
        return ln_wire_expect(field, LN_WIRE_VARINT, "a tensor's type", err);
    case 3:
        out->has_segment = true;
        return LN_OK;
    case 4:
    case 5:
    case 7:
    case 10:
    case 11: {
        ln_wire_type wanted = field->number == 4    ? LN_WIRE_FIXED32
                              : field->number == 10 ? LN_WIRE_FIXED64
                                                    : LN_WIRE_VARINT;
        status = ln_wire_count(field, wanted, "a tensor's data", &count, err);
        out->typed[field->number] += count;
        return status;
    }
    case 8:
        out->name = field->bytes;
        return ln_wire_expect(field, LN_WIRE_BYTES, "a tensor's name", err);
    case 9:
        out->has_raw = true;
        out->raw = field->bytes;
        return ln_wire_expect(field, LN_WIRE_BYTES, "a tensor's raw data", err);
    case 13:
        return take_external(out, wire, field, err);
    case 14:
        out->location = (int64_t)field->value;
        return ln_wire_expect(field, LN_WIRE_VARINT, "a tensor's data location", err);
    default:
        return LN_OK;
    }
}

static ln_status decode_header(ln_bytes message, const uint8_t *origin, header *out, ln_error *err)
{
    *out = (header){0};
    return ln_wire_each(message, origin, header_field, out, err);
}

static ln_status name_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                            ln_error *err)
{
    (void)wire;
    if (field->number != 8)
        return LN_OK;
    *(ln_bytes *)context = field->bytes;
    return ln_wire_expect(field, LN_WIRE_BYTES, "a tensor's name", err);
}

ln_status ln_onnx_tensor_label(ln_bytes message, const uint8_t *origin, ln_bytes *name,
                               ln_error *err)
{
    *name = (ln_bytes){0};
    return ln_wire_each(message, origin, name_field, name, err);
}

/* ---------------------------------------------------------------- numbers */

/* IEEE 754 binary16 to binary32; exact. */
static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31;
    float fraction = (float)(half & 1023);
    float magnitude = exponent == 0    ? ldexpf(fraction, -24)
                      : exponent == 31 ? (half & 1023 ? NAN : INFINITY)
                                       : ldexpf(1024 + fraction, exponent - 25);
    return half >> 15 ? -magnitude : magnitude;
}

/* Where the next element goes. */
typedef struct sink {
    int64_t type; /* of the file */
    ln_tensor *out;
    size_t index;
    bool overflow; /* a double does not fit float32, or an int32 is none */
} sink;

static float float_of(sink *to, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;
    switch (to->type) {
    case LN_ONNX_FLOAT16:
        return half_to_float((uint16_t)low);
    case LN_ONNX_DOUBLE:
        memcpy(&wide, &bits, sizeof wide);
        /* The midpoint between the greatest float and 2^128 rounds up to infinity. */
        if (isfinite(wide) && fabs(wide) >= 0x1.ffffffp127) {
            to->overflow = true;
            return 0;
        }
        return (float)wide;
    case LN_ONNX_BFLOAT16:
        low <<= 16;
        break;
    default:
        break;
    }
    memcpy(&narrow, &low, sizeof narrow);
    return narrow;
}

static void take_element(void *context, uint64_t bits)
{
    sink *to = context;
    size_t i = to->index++;
    switch (to->out->dtype) {
    case LN_F32:
        ln_f32(to->out)[i] = float_of(to, bits);
        break;
    case LN_I64:
        to->overflow |= to->type == LN_ONNX_UINT64 && bits > INT64_MAX;
        ln_i64(to->out)[i] = to->type == LN_ONNX_UINT32 ? (int64_t)(uint32_t)bits : (int64_t)bits;
        break;
    case LN_I32: {
        if (to->type == LN_ONNX_INT8)
            bits = (uint64_t)(int64_t)(int8_t)bits;
        else if (to->type == LN_ONNX_INT16)
            bits = (uint64_t)(int64_t)(int16_t)bits;
        /* A varint carries the sign over 64 bits, raw data over 32. */
        int32_t number = (int32_t)(uint32_t)bits;
        to->overflow |= bits > UINT32_MAX && (int64_t)bits != number;
        ((int32_t *)to->out->data)[i] = number;
        break;
    }
    default:
        ((uint8_t *)to->out->data)[i] = bits != 0;
        break;
    }
}

static void take_raw(ln_bytes raw, size_t size, sink *to)
{
    const bool as_it_is =
        to->type == LN_ONNX_FLOAT || to->type == LN_ONNX_INT64 || to->type == LN_ONNX_INT32;
    if (as_it_is && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        if (raw.size)
            memcpy(to->out->data, raw.data, raw.size);
        return;
    }
    for (size_t at = 0; at < raw.size; at += size) {
        uint64_t bits = 0;
        for (size_t i = 0; i < size; i++)
            bits |= (uint64_t)raw.data[at + i] << (8 * i);
        take_element(to, bits);
    }
}

static ln_status take_typed(ln_bytes message, const uint8_t *origin, const element *as, sink *to,
                            ln_error *err)
{
    ln_wire wire = ln_wire_open(message, origin);
    ln_wire_field field;
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status || field.number == 0)
            return status;
        if (field.number == as->field) {
            status = ln_wire_numbers(&wire, &field, as->wire, take_element, to, err);
            if (status)
                return status;
        }
    }
}

/* ---------------------------------------------------------------- tensor */

/* Shape and number of elements, whatever the data are. */
static ln_status check_shape(const header *from, const element *as, ln_shape *shape,
                             uint64_t *wanted, ln_error *err)
{
    if (from->has_segment)
        return ln_fail(err, LN_EUNSUPPORTED, "its data are cut into segments");
    if (!as || as->raw_bytes == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its elements are of type %s; floating-point numbers of 16 to 64 bits, "
                       "whole ones of 8 to 64 bits and bool are read",
                       ln_onnx_type_name(from->type));
    if (from->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "it has %zu dimensions; up to %d are read", from->rank,
                       LN_MAX_RANK);
    shape->rank = (int)from->rank;
    memcpy(shape->dims, from->dims, sizeof from->dims);
    *wanted = 1;
    for (int axis = 0; axis < shape->rank; axis++)
        if (shape->dims[axis] < 0 ||
            __builtin_mul_overflow(*wanted, (uint64_t)shape->dims[axis], wanted))
            return ln_fail(err, LN_EINVALID, "its shape is no shape (axis %d has size %lld)", axis,
                           (long long)shape->dims[axis]);
    return LN_OK;
}

/* The raw bytes of external data; *bytes is to be freed. */
static ln_status read_external(header *from, const element *as, uint64_t wanted,
                               ln_onnx_source *source, uint8_t **bytes, ln_error *err)
{
    size_t size;
    uint64_t length;
    if (!source->folder)
        return ln_fail(err, LN_EUNSUPPORTED, "its data are in another file (external data)");
    if (from->bad_place || from->file.size == 0)
        return ln_fail(err, LN_EINVALID, "its external data have no %s",
                       from->bad_place ? "proper offset and length" : "location");
    if (__builtin_mul_overflow(wanted, as->raw_bytes, &length) ||
        (from->length != 0 && from->length != length))
        return ln_fail(err, LN_EINVALID,
                       "its shape has %llu elements, but its external data have %llu bytes",
                       (unsigned long long)wanted, (unsigned long long)from->length);
    if (length == 0) {
        from->raw = (ln_bytes){0};
        from->has_raw = true;
        return LN_OK;
    }
    ln_status status =
        ln_onnx_read_external(source->folder, from->file, from->offset, length, bytes, &size, err);
    if (status)
        return status;
    if (source->external)
        source->external(source->context, ln_bytes_text(from->file).at);
    source->external_bytes += size;
    from->raw = (ln_bytes){*bytes, size};
    from->has_raw = true;
    return LN_OK;
}

static ln_status check_count(const header *from, const element *as, uint64_t wanted, ln_error *err)
{
    size_t found = from->has_raw ? from->raw.size / as->raw_bytes : from->typed[as->field];
    if (found != wanted || (from->has_raw && from->raw.size % as->raw_bytes != 0))
        return ln_fail(err, LN_EINVALID, "its shape has %llu elements, but its data hold %zu%s",
                       (unsigned long long)wanted, found,
                       from->has_raw && from->raw.size % as->raw_bytes ? " and a part" : "");
    return LN_OK;
}

ln_status ln_onnx_decode_tensor(ln_bytes message, ln_onnx_source *source, ln_tensor **out,
                                ln_error *err)
{
    *out = NULL;
    header from;
    ln_shape shape = {0};
    uint64_t wanted = 0;
    uint8_t *external = NULL;
    ln_status status = decode_header(message, source->origin, &from, err);
    if (status)
        return status;
    const element *as = element_of(from.type);
    source->type = from.type;
    status = check_shape(&from, as, &shape, &wanted, err);
    if (!status && from.location == DATA_LOCATION_EXTERNAL)
        status = read_external(&from, as, wanted, source, &external, err);
    if (!status)
        status = check_count(&from, as, wanted, err);
    if (!status)
        status = ln_tensor_new(as->dtype, &shape, out, err);
    sink to = {.type = from.type, .out = *out};
    if (!status && from.has_raw)
        take_raw(from.raw, as->raw_bytes, &to);
    else if (!status)
        status = take_typed(message, source->origin, as, &to, err);
    if (!status && to.overflow)
        status = ln_fail(err, LN_EINVALID, "one of its numbers does not fit %s",
                         as->dtype == LN_F32   ? "float32"
                         : as->dtype == LN_I32 ? "int32"
                                               : "int64");
    ln_free(external);
    if (status) {
        ln_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

ln_status ln_onnx_decode_list(const ln_onnx_attribute *attribute, const uint8_t *origin,
                              ln_dtype dtype, ln_tensor **out, ln_error *err)
{
    element as = {.type = dtype == LN_F32 ? LN_ONNX_FLOAT : LN_ONNX_INT64,
                  .field = dtype == LN_F32 ? 7 : 8,
                  .wire = dtype == LN_F32 ? LN_WIRE_FIXED32 : LN_WIRE_VARINT};
    *out = NULL;
    ln_shape shape = {.rank = 1};
    ln_wire wire = ln_wire_open(attribute->message, origin);
    ln_wire_field field;
    ln_status status;
    do {
        size_t count = 0;
        status = ln_wire_next(&wire, &field, err);
        if (!status && field.number == as.field)
            status = ln_wire_count(&field, as.wire, "a list of numbers", &count, err);
        shape.dims[0] += (int64_t)count;
    } while (!status && field.number != 0);
    if (!status)
        status = ln_tensor_new(dtype, &shape, out, err);
    if (status)
        return status;
    sink to = {.type = as.type, .out = *out};
    status = take_typed(attribute->message, origin, &as, &to, err);
    if (status) {
        ln_tensor_release(*out);
        *out = NULL;
    }
    return status;
}
