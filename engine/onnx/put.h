/* The protobuf wire format written: fields appended to a text. Memory that runs out shows in
 * to->failed. */
#ifndef LN_ONNX_PUT_H
#define LN_ONNX_PUT_H

#include "base/text.h"

void ln_put_varint(ln_text *to, uint64_t value);
void ln_put_int(ln_text *to, unsigned field, int64_t value);
void ln_put_bytes(ln_text *to, unsigned field, const void *data, size_t size);
void ln_put_text(ln_text *to, unsigned field, const char *text);
void ln_put_float(ln_text *to, unsigned field, float value);
/* A fixed32 or fixed64 (`size` 4 or 8). */
void ln_put_fixed(ln_text *to, unsigned field, uint64_t bits, int size);
/* The message as a field; it is freed. */
void ln_put_message(ln_text *to, unsigned field, ln_text *message);

#endif
