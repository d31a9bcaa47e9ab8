/* Keys, varints, fixed numbers and length-delimited values: what wire.c reads. */
#include "onnx/put.h"

#include <string.h>

#include "onnx/wire.h"

void ln_put_varint(ln_text *to, uint64_t value)
{
    char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (char)(value | 0x80);
    bytes[count++] = (char)value;
    ln_text_addn(to, bytes, count);
}

void ln_put_int(ln_text *to, unsigned field, int64_t value)
{
    ln_put_varint(to, (uint64_t)field << 3 | LN_WIRE_VARINT);
    ln_put_varint(to, (uint64_t)value);
}

void ln_put_bytes(ln_text *to, unsigned field, const void *data, size_t size)
{
    ln_put_varint(to, (uint64_t)field << 3 | LN_WIRE_BYTES);
    ln_put_varint(to, size);
    ln_text_addn(to, data ? data : "", size);
}

void ln_put_text(ln_text *to, unsigned field, const char *text)
{
    ln_put_bytes(to, field, text, strlen(text));
}

void ln_put_fixed(ln_text *to, unsigned field, uint64_t bits, int size)
{
    char bytes[8];
    for (int i = 0; i < size; i++)
        bytes[i] = (char)(bits >> (8 * i));
    ln_put_varint(to, (uint64_t)field << 3 | (size == 8 ? LN_WIRE_FIXED64 : LN_WIRE_FIXED32));
    ln_text_addn(to, bytes, (size_t)size);
}

void ln_put_float(ln_text *to, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    ln_put_fixed(to, field, bits, 4);
}

void ln_put_message(ln_text *to, unsigned field, ln_text *message)
{
    to->failed = to->failed || message->failed;
    ln_put_bytes(to, field, message->data, message->length);
    ln_text_free(message);
}
