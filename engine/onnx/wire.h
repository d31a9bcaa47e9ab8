/* The protobuf wire format, read field by field: keys, varints, fixed and length-delimited values.
 * A cursor never leaves its bytes and nothing recurses; what is inside a message is opened by
 * making a cursor of its own. */
#ifndef LN_ONNX_WIRE_H
#define LN_ONNX_WIRE_H

#include "lunette.h"

/* Part of the file's bytes, borrowed; not terminated. */
typedef struct ln_bytes {
    const uint8_t *data; /* NULL only where size is 0 */
    size_t size;
} ln_bytes;

typedef enum ln_wire_type {
    LN_WIRE_VARINT = 0,
    LN_WIRE_FIXED64 = 1,
    LN_WIRE_BYTES = 2,
    LN_WIRE_FIXED32 = 5,
} ln_wire_type;

typedef struct ln_wire {
    const uint8_t *at, *end;
    const uint8_t *origin; /* first byte of the file, for messages */
} ln_wire;

typedef struct ln_wire_field {
    uint32_t number; /* of the field; 0 at the end of the message */
    ln_wire_type type;
    uint64_t value; /* of a varint, fixed64 or fixed32 */
    ln_bytes bytes; /* of a length-delimited one */
} ln_wire_field;

ln_wire ln_wire_open(ln_bytes message, const uint8_t *origin);

/* The next field; field->number is 0 at the end. LN_EINVALID where the bytes are none: a key or
 * varint that does not end, a length beyond the message, a group, an unknown wire type. */
ln_status ln_wire_next(ln_wire *wire, ln_wire_field *field, ln_error *err);

/* Calls `take` for each field of a message, in order, until one fails. */
typedef ln_status (*ln_wire_take_field)(void *context, const ln_wire *wire,
                                        const ln_wire_field *field, ln_error *err);
ln_status ln_wire_each(ln_bytes message, const uint8_t *origin, ln_wire_take_field take,
                       void *context, ln_error *err);

/* LN_EINVALID unless the field has this wire type; `what` names it ("GraphProto.node"). */
ln_status ln_wire_expect(const ln_wire_field *field, ln_wire_type type, const char *what,
                         ln_error *err);

/* How many numbers a repeated field of numbers holds: 1, or those of a packed one, whose elements
 * have the wire type `element`. LN_EINVALID where the packed bytes are no whole number of them. */
ln_status ln_wire_count(const ln_wire_field *field, ln_wire_type element, const char *what,
                        size_t *out, ln_error *err);

/* Calls `take` for each of those numbers (raw bits), in order. */
typedef void (*ln_wire_take)(void *context, uint64_t bits);
ln_status ln_wire_numbers(const ln_wire *wire, const ln_wire_field *field, ln_wire_type element,
                          ln_wire_take take, void *context, ln_error *err);

#endif
