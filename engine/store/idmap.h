/* Numbers of rows in one store -> their numbers in another. Ids are from 1. */
#ifndef LN_STORE_IDMAP_H
#define LN_STORE_IDMAP_H

#include "lunette.h"

/* Zeroed it is empty; `at` is freed by ln_free. */
typedef struct ln_idmap {
    int64_t *at;        /* 2 * room: old, new; old 0: an empty place */
    size_t room, count; /* room is a power of two */
} ln_idmap;

int64_t ln_idmap_get(const ln_idmap *map, int64_t old); /* 0 where there is none */
ln_status ln_idmap_put(ln_idmap *map, int64_t old, int64_t new, ln_error *err);

#endif
