/* A growing text, and JSON by cJSON: canonical (keys sorted, shortest numbers that read back the
 * same), so that equal parameters have equal text and hash. */
#ifndef LN_BASE_TEXT_H
#define LN_BASE_TEXT_H

#include "lunette.h"

typedef struct ln_text {
    char *data; /* NUL-terminated; NULL while empty */
    size_t length, room;
    bool failed; /* an append ran out of memory; checked once at the end */
} ln_text;

void ln_text_add(ln_text *text, const char *part);
void ln_text_addn(ln_text *text, const char *part, size_t length);
void ln_text_format(ln_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ln_text_json_string(ln_text *text, const char *part, size_t length); /* quoted and escaped;
                                                            invalid UTF-8 becomes U+FFFD */
void ln_text_json_number(ln_text *text, double number); /* shortest; nan and inf: null */
void ln_text_free(ln_text *text);

#endif
