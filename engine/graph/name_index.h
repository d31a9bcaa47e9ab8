/* Which number a name has: names are added with the numbers 0, 1, 2 ... and found again in time that
 * depends on the length of a name alone. Names come from files, so this is not a hash table: a
 * stranger could choose names that share a slot, and a million of them would take hours. */
#ifndef LN_NAME_INDEX_H
#define LN_NAME_INDEX_H

#include "lunette.h"

/* A name, and the fork of the tree that was made to tell it from those before it. */
typedef struct ln_name_entry {
    const char *name; /* borrowed */
    int child[2];     /* of the fork, for bit 0 and bit 1: a fork's number, or ~number of a name */
    uint32_t byte;    /* of a name, where the fork looks; behind its end there are zeros */
    uint8_t bit;      /* of that byte: one bit is set */
} ln_name_entry;

/* Empty when zeroed. */
typedef struct ln_name_index {
    ln_name_entry *entries; /* one a name, by its number; the fork of number 0 is not used */
    int count;              /* names */
    int root;               /* as a fork's child */
} ln_name_index;

/* The name gets the number index->count; it must not be there yet, and must live as long as the
 * index. LN_ENOMEM. */
ln_status ln_name_index_add(ln_name_index *index, const char *name, ln_error *err);
void ln_name_index_remove_last(ln_name_index *index);
int ln_name_index_find(const ln_name_index *index, const char *name); /* the number, or -1 */
void ln_name_index_free(ln_name_index *index);

#endif
