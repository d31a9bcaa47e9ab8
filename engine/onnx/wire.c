/* The protobuf wire format (developers.google.com/protocol-buffers/docs/encoding). A message is a
 * run of fields; a field is a key (a varint: number * 8 + wire type) and a value, whose length the
 * wire type tells: a varint (7 bits a byte, lowest first), 8 bytes, a length and that many bytes,
 * or 4 bytes. Groups (types 3 and 4) are a dead form that ONNX never used; they could nest without
 * bound, and are refused. A repeated field of numbers may stand packed, all in one length-delimited
 * value, or one by one; both are read.
 *
 * Every length is compared with what is left before a pointer moves. */
#include "onnx/wire.h"

#include "base/error.h"

ln_wire ln_wire_open(ln_bytes message, const uint8_t *origin)
{
    if (message.size == 0)
        return (ln_wire){origin, origin, origin};
    return (ln_wire){message.data, message.data + message.size, origin};
}

static size_t left(const ln_wire *wire)
{
    return (size_t)(wire->end - wire->at);
}

static unsigned long long place(const ln_wire *wire)
{
    return (unsigned long long)(wire->at - wire->origin);
}

/* One varint of at most ten bytes; LN_EINVALID otherwise. */
static ln_status varint(ln_wire *wire, uint64_t *out, ln_error *err)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (wire->at == wire->end)
            return ln_fail(err, LN_EINVALID, "it ends at byte %llu within a number", place(wire));
        uint8_t byte = *wire->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return LN_OK;
        }
    }
    return ln_fail(err, LN_EINVALID, "the number before byte %llu has more than 64 bits",
                   place(wire));
}

static ln_status fixed(ln_wire *wire, size_t size, uint64_t *out, ln_error *err)
{
    if (left(wire) < size)
        return ln_fail(err, LN_EINVALID, "it ends at byte %llu within a number of %zu bytes",
                       place(wire), size);
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out |= (uint64_t)wire->at[i] << (8 * i);
    wire->at += size;
    return LN_OK;
}

static ln_status delimited(ln_wire *wire, ln_bytes *out, ln_error *err)
{
    uint64_t length;
    ln_status status = varint(wire, &length, err);
    if (status)
        return status;
    if (length > left(wire))
        return ln_fail(err, LN_EINVALID, "a length at byte %llu says %llu bytes, but %zu are left",
                       place(wire), (unsigned long long)length, left(wire));
    *out = (ln_bytes){wire->at, (size_t)length};
    wire->at += length;
    return LN_OK;
}

ln_status ln_wire_next(ln_wire *wire, ln_wire_field *field, ln_error *err)
{
    *field = (ln_wire_field){0};
    if (wire->at == wire->end)
        return LN_OK;
    uint64_t key;
    ln_status status = varint(wire, &key, err);
    if (status)
        return status;
    if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF)
        return ln_fail(err, LN_EINVALID, "there is no field number before byte %llu", place(wire));
    field->number = (uint32_t)(key >> 3);
    field->type = (ln_wire_type)(key & 7);
    switch (key & 7) {
    case LN_WIRE_VARINT:
        return varint(wire, &field->value, err);
    case LN_WIRE_FIXED64:
        return fixed(wire, 8, &field->value, err);
    case LN_WIRE_BYTES:
        return delimited(wire, &field->bytes, err);
    case LN_WIRE_FIXED32:
        return fixed(wire, 4, &field->value, err);
    default:
        return ln_fail(err, LN_EINVALID, "the field before byte %llu has wire type %d, which is %s",
                       place(wire), (int)(key & 7), (key & 7) < 5 ? "a group" : "none");
    }
}

ln_status ln_wire_each(ln_bytes message, const uint8_t *origin, ln_wire_take_field take,
                       void *context, ln_error *err)
{
    ln_wire wire = ln_wire_open(message, origin);
    ln_wire_field field;
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status || field.number == 0)
            return status;
        status = take(context, &wire, &field, err);
        if (status)
            return status;
    }
}

ln_status ln_wire_expect(const ln_wire_field *field, ln_wire_type type, const char *what,
                         ln_error *err)
{
    if (field->type == type)
        return LN_OK;
    return ln_fail(err, LN_EINVALID, "%s has wire type %d, not %d", what, (int)field->type,
                   (int)type);
}

ln_status ln_wire_count(const ln_wire_field *field, ln_wire_type element, const char *what,
                        size_t *out, ln_error *err)
{
    *out = 1;
    if (field->type == element)
        return LN_OK;
    ln_status status = ln_wire_expect(field, LN_WIRE_BYTES, what, err);
    if (status)
        return status;
    size_t size = element == LN_WIRE_FIXED64 ? 8 : 4;
    if (element != LN_WIRE_VARINT) {
        *out = field->bytes.size / size;
        if (field->bytes.size % size != 0)
            return ln_fail(err, LN_EINVALID, "%s holds %zu bytes, no multiple of %zu", what,
                           field->bytes.size, size);
        return LN_OK;
    }
    /* A varint ends with its one byte below 128. */
    *out = 0;
    for (size_t i = 0; i < field->bytes.size; i++)
        *out += field->bytes.data[i] < 0x80;
    return LN_OK;
}

ln_status ln_wire_numbers(const ln_wire *wire, const ln_wire_field *field, ln_wire_type element,
                          ln_wire_take take, void *context, ln_error *err)
{
    if (field->type == element) {
        take(context, field->value);
        return LN_OK;
    }
    ln_wire packed = ln_wire_open(field->bytes, wire->origin);
    while (packed.at < packed.end) {
        uint64_t value;
        ln_status status = element == LN_WIRE_VARINT
                               ? varint(&packed, &value, err)
                               : fixed(&packed, element == LN_WIRE_FIXED64 ? 8 : 4, &value, err);
        if (status)
            return status;
        take(context, value);
    }
    return LN_OK;
}
