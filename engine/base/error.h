/* Filling an ln_error. `ln_fail` returns its status, so that a caller writes
 * `return ln_fail(err, LN_EINVALID, "...", ...)`. A NULL err is fine. */
#ifndef LN_BASE_ERROR_H
#define LN_BASE_ERROR_H

#include "lunette.h"

ln_status ln_fail(ln_error *err, ln_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As ln_fail(err, LN_ENOMEM, ...) with the memory limit and use in the message. */
ln_status ln_fail_memory(ln_error *err, size_t wanted);

/* Adds a hint ("did you mean 'saliency'?") to an error already filled. */
void ln_error_hint(ln_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names the script's field that an error about its input is about, unless one is named. */
void ln_error_field(ln_error *err, const char *field);

/* Puts `context: ` before the message of an error already filled ("layer 'fc1' (Gemm): ..."). */
void ln_error_prefix(ln_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The entry of `words` (NULL-terminated) nearest to `word` by edit distance, or NULL when none is
 * near enough to be a likely misspelling. */
const char *ln_nearest_word(const char *word, const char *const *words);

#endif
