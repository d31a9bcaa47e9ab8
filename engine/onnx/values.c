/* TensorProto: the data of constants. Numbers stand in raw_data (little-endian, as in memory) or in
 * the field of their type: float_data, double_data, int64_data, and int32_data for int32, bool and
 * the bits of float16 and bfloat16. float64 is rounded to float32, as everything is computed in
 * float32.
 *
 * A first loop over the message finds type, dimensions and how many numbers there are; only when
 * that is the product of the dimensions is memory taken. */
#include <math.h>
#include <string.h>

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
    {2, "uint8", 0, 0, LN_WIRE_VARINT, LN_U8},
    {3, "int8", 0, 0, LN_WIRE_VARINT, LN_I32},
    {4, "uint16", 0, 0, LN_WIRE_VARINT, LN_I32},
    {5, "int16", 0, 0, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT32, "int32", 4, 5, LN_WIRE_VARINT, LN_I32},
    {LN_ONNX_INT64, "int64", 8, 7, LN_WIRE_VARINT, LN_I64},
    {LN_ONNX_STRING, "string", 0, 0, LN_WIRE_BYTES, LN_U8},
    {LN_ONNX_BOOL, "bool", 1, 5, LN_WIRE_VARINT, LN_BOOL},
    {LN_ONNX_FLOAT16, "float16", 2, 5, LN_WIRE_VARINT, LN_F32},
    {LN_ONNX_DOUBLE, "double", 8, 10, LN_WIRE_FIXED64, LN_F32},
    {12, "uint32", 0, 0, LN_WIRE_VARINT, LN_I64},
    {13, "uint64", 0, 0, LN_WIRE_VARINT, LN_I64},
    {14, "complex64", 0, 0, LN_WIRE_FIXED32, LN_F32},
    {15, "complex128", 0, 0, LN_WIRE_FIXED64, LN_F64},
    {LN_ONNX_BFLOAT16, "bfloat16", 2, 5, LN_WIRE_VARINT, LN_F32},
};

static const element *element_of(int64_t type)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].type == type)
            return &elements[i];
    return NULL;
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
    size_t typed[16]; /* numbers in the typed field of that number */
} header;

static void take_dimension(void *context, uint64_t bits)
{
    header *out = context;
    if (out->rank < LN_MAX_RANK)
        out->dims[out->rank] = (int64_t)bits;
    out->rank++;
}

static ln_status header_field(header *out, const ln_wire *wire, const ln_wire_field *field,
                              ln_error *err)
{
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
    case 10: {
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
    ln_wire wire = ln_wire_open(message, origin);
    ln_wire_field field;
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status || field.number == 0)
            return status;
        status = header_field(out, &wire, &field, err);
        if (status)
            return status;
    }
}

ln_status ln_onnx_tensor_label(ln_bytes message, const uint8_t *origin, ln_bytes *name,
                               ln_error *err)
{
    ln_wire wire = ln_wire_open(message, origin);
    ln_wire_field field;
    *name = (ln_bytes){0};
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status || field.number == 0)
            return status;
        if (field.number == 8) {
            *name = field.bytes;
            status = ln_wire_expect(&field, LN_WIRE_BYTES, "a tensor's name", err);
            if (status)
                return status;
        }
    }
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
        ln_i64(to->out)[i] = (int64_t)bits;
        break;
    case LN_I32: {
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

static void take_raw(const header *from, size_t size, sink *to)
{
    for (size_t at = 0; at < from->raw.size; at += size) {
        uint64_t bits = 0;
        for (size_t i = 0; i < size; i++)
            bits |= (uint64_t)from->raw.data[at + i] << (8 * i);
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

/* Shape and number of elements against what the message holds. */
static ln_status check_header(const header *from, const element *as, ln_shape *shape, ln_error *err)
{
    if (from->location == DATA_LOCATION_EXTERNAL)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its data are in another file (external data); only models with all data "
                       "in one file are read");
    if (from->has_segment)
        return ln_fail(err, LN_EUNSUPPORTED, "its data are cut into segments");
    if (!as || as->raw_bytes == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its elements are of type %s; float, double, float16, bfloat16, int32, "
                       "int64 and bool are read",
                       ln_onnx_type_name(from->type));
    if (from->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "it has %zu dimensions; up to %d are read", from->rank,
                       LN_MAX_RANK);
    shape->rank = (int)from->rank;
    memcpy(shape->dims, from->dims, sizeof from->dims);
    uint64_t wanted = 1;
    for (int axis = 0; axis < shape->rank; axis++)
        if (shape->dims[axis] < 0 ||
            __builtin_mul_overflow(wanted, (uint64_t)shape->dims[axis], &wanted))
            return ln_fail(err, LN_EINVALID, "its shape is no shape (axis %d has size %lld)", axis,
                           (long long)shape->dims[axis]);
    size_t found = from->has_raw ? from->raw.size / as->raw_bytes : from->typed[as->field];
    if (found != wanted || (from->has_raw && from->raw.size % as->raw_bytes != 0))
        return ln_fail(err, LN_EINVALID, "its shape has %llu elements, but its data hold %zu%s",
                       (unsigned long long)wanted, found,
                       from->has_raw && from->raw.size % as->raw_bytes ? " and a part" : "");
    return LN_OK;
}

ln_status ln_onnx_decode_tensor(ln_bytes message, const uint8_t *origin, ln_tensor **out,
                                ln_error *err)
{
    *out = NULL;
    header from;
    ln_shape shape = {0};
    ln_status status = decode_header(message, origin, &from, err);
    if (status)
        return status;
    const element *as = element_of(from.type);
    status = check_header(&from, as, &shape, err);
    if (!status)
        status = ln_tensor_new(as->dtype, &shape, out, err);
    if (status)
        return status;
    sink to = {.type = from.type, .out = *out};
    if (from.has_raw)
        take_raw(&from, as->raw_bytes, &to);
    else
        status = take_typed(message, origin, as, &to, err);
    if (!status && to.overflow)
        status = ln_fail(err, LN_EINVALID, "one of its numbers does not fit %s",
                         as->dtype == LN_F32 ? "float32" : "int32");
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
