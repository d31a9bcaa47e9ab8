/* Scratch memory freed at once: one arena a run or a worker. Blocks are 64-aligned, never moved. */
#ifndef LN_BASE_ARENA_H
#define LN_BASE_ARENA_H

#include "lunette.h"

typedef struct ln_arena {
    struct ln_arena_block *blocks; /* newest first */
    size_t block_bytes;            /* size of an ordinary block */
} ln_arena;

void ln_arena_init(ln_arena *arena, size_t block_bytes); /* 0: 64 KiB */
void *ln_arena_alloc(ln_arena *arena, size_t bytes);     /* NULL when out of memory */
void *ln_arena_calloc(ln_arena *arena, size_t count, size_t size);
char *ln_arena_strdup(ln_arena *arena, const char *text);
void ln_arena_free(ln_arena *arena); /* everything; may be used again */

#endif
