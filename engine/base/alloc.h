/* All memory of ours goes through here: it is counted against --memory and can be made to fail by
 * the fault harness. oneDNN gets its buffers from us; Lua and SQLite are given these functions.
 * Thread-safe (the account is atomic). ln_alloc(0) returns a valid pointer. */
#ifndef LN_BASE_ALLOC_H
#define LN_BASE_ALLOC_H

#include "lunette.h"

void *ln_alloc(size_t bytes); /* NULL when out of memory or over the limit; 16-aligned */
void *ln_calloc(size_t count, size_t size);  /* zeroed; NULL also when the product overflows */
void *ln_realloc(void *block, size_t bytes); /* as realloc */
void ln_free(void *block);                   /* NULL is fine; only for the four above */
char *ln_strdup(const char *text);
char *ln_strndup(const char *text, size_t length);
void *ln_alloc_aligned(size_t bytes); /* 64-aligned, for numbers; ln_free_aligned */
void ln_free_aligned(void *block);
size_t ln_alloc_size(const void *block); /* the size asked for (not of aligned ones) */

void ln_memory_limit(size_t bytes); /* 0: no limit (the default) */
size_t ln_memory_limit_get(void);
size_t ln_memory_used(void);

/* Fault harness: the nth allocation from now (1 = the next) fails, then all go on as before
 * (`once`) or all later ones fail too. 0 switches it off. Returns how many were made since. */
size_t ln_memory_fail_at(size_t nth, bool once);

#endif
