/* Which tables are copied between stores, for copy.c and for the test that no table is forgotten. */
#ifndef LN_STORE_COPY_H
#define LN_STORE_COPY_H

#include "store/internal.h"

typedef struct ln_copy_rule {
    const char *table;  /* its name */
    const char *key[3]; /* columns by which an equal row is known; NULL: none, rows are written */
    const char *part;  /* a table whose rows come along with a new row: by its key's first column */
    const char *owner; /* the table, and column, that its rows belong to; NULL: shared */
} ln_copy_rule;

const ln_copy_rule *ln_copy_rules(size_t *count);
/* Tables that are not copied as they are; ends with NULL. */
const char *const *ln_copy_others(void);

#endif
