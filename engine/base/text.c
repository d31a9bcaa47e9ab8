/* A growing text. An append that runs out of memory sets `failed` and leaves the text as it was, so
 * that a writer of many parts checks once, at its end.
 *
 * Numbers are written with the fewest digits that read back the same double: 15 digits are enough
 * for every decimal number of up to 15 digits, and 17 for every double; only subnormal numbers need
 * a search from one digit up. "1e+20" becomes "1e20". */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Makes room for `more` bytes and the NUL. */
static bool grow(ln_text *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 4 - text->length) {
        text->failed = true;
        return false;
    }
    size_t wanted = text->length + more + 1;
    if (wanted <= text->room)
        return true;
    size_t room = text->room ? text->room * 2 : 64;
    if (room < wanted)
        room = wanted;
    char *data = ln_realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void ln_text_add(ln_text *text, const char *part)
{
    ln_text_addn(text, part, strlen(part));
}

void ln_text_addn(ln_text *text, const char *part, size_t length)
{
    if (!grow(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, part, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void ln_text_format(ln_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0)
        text->failed = true;
    else if (grow(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

/* Bytes of the UTF-8 character at `part`; 0 when it is none, and then *bad is how many bytes one
 * replacement character stands for (the part that could have begun a character, at least one). */
static size_t utf8_length(const unsigned char *part, size_t left, size_t *bad)
{
    unsigned char lead = part[0];
    size_t wanted = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    *bad = 1;
    if (lead > 0xF4 || wanted == 0)
        return 0;
    for (size_t i = 1; i < wanted; i++) {
        unsigned char low = 0x80, high = 0xBF;
        if (i == 1) {
            /* No overlong forms, no surrogates, nothing above U+10FFFF. */
            low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
            high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        }
        if (i >= left || part[i] < low || part[i] > high)
            return 0;
        *bad = i + 1;
    }
    return wanted;
}

void ln_text_json_string(ln_text *text, const char *part, size_t length)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    ln_text_addn(text, "\"", 1);
    for (size_t i = 0; i < length;) {
        const unsigned char *at = (const unsigned char *)part + i;
        size_t bad, bytes = utf8_length(at, length - i, &bad);
        if (bytes == 0) {
            ln_text_add(text, "\xEF\xBF\xBD");
            i += bad;
            continue;
        }
        const char *named = bytes == 1 && *at ? strchr(escaped, *at) : NULL;
        if (named) {
            ln_text_addn(text, "\\", 1);
            ln_text_addn(text, letters + (named - escaped), 1);
        } else if (*at < 0x20) {
            ln_text_format(text, "\\u%04x", *at);
        } else {
            ln_text_addn(text, (const char *)at, bytes);
        }
        i += bytes;
    }
    ln_text_addn(text, "\"", 1);
}

/* "1.5e+20" and "1e-07", as %g writes them, become "1.5e20" and "1e-7". */
static void shorten_exponent(char *number)
{
    char *e = strchr(number, 'e');
    if (!e)
        return;
    char *to = e + 1, *from = e + 1;
    if (*from == '+')
        from++;
    else if (*from == '-')
        *to++ = *from++;
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

void ln_text_json_number(ln_text *text, double number)
{
    char buffer[40];
    if (!isfinite(number)) {
        ln_text_add(text, "null");
        return;
    }
    if (fabs(number) < 1e15 && number == trunc(number)) {
        snprintf(buffer, sizeof buffer, "%.0f", number);
    } else {
        for (int digits = isnormal(number) ? 15 : 1; digits <= 17; digits++) {
            snprintf(buffer, sizeof buffer, "%.*g", digits, number);
            if (strtod(buffer, NULL) == number)
                break;
        }
        shorten_exponent(buffer);
    }
    ln_text_add(text, buffer);
}

void ln_text_free(ln_text *text)
{
    ln_free(text->data);
    *text = (ln_text){0};
}
