/* Texts as numbers: distinct texts in the order of their first occurrence, then sorted by bytes. */
#ifndef LN_DATA_CATEGORY_H
#define LN_DATA_CATEGORY_H

#include "lunette.h"

/* A set of texts, which are borrowed. Start from {0}. */
typedef struct ln_interner {
    const char **texts; /* distinct ones, by number */
    int32_t count, room;
    int32_t *slots;    /* hash table: number + 1, 0: free */
    size_t slot_count; /* a power of two */
} ln_interner;

/* The number of `text`, which is added when it is new; -1: out of memory. */
int32_t ln_interner_add(ln_interner *set, const char *text);
void ln_interner_free(ln_interner *set);

/* Cells (NULL: missing) -> codes by sorted texts (-1: missing), and the sorted texts, copied.
 * Caller frees with ln_free and ln_texts_free; on an error nothing is left to free. */
ln_status ln_categories_make(char *const *cells, int64_t rows, int32_t **codes, char ***texts,
                             int32_t *count, ln_error *err);
void ln_texts_free(char **texts, int64_t count); /* each and the array; entries may be NULL */
/* Adds "did you mean '...'?" with the text nearest to `word` to an error, where one is near. */
void ln_texts_hint(ln_error *err, const char *word, char *const *texts, int64_t count);
/* "bad, good" or, where there are many, "0, 1, 2, ... (20 of them)". */
typedef struct ln_listed {
    char text[320];
} ln_listed;
ln_listed ln_texts_list(char *const *texts, int64_t count);

#endif
