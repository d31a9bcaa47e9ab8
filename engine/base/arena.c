/* Arena: blocks in a list, newest first; an allocation takes the next 64-aligned part of the newest
 * block, or a new block. What is larger than a quarter of an ordinary block gets a block of its own
 * behind the newest, so that the rest of the newest is not lost. Freeing is one walk. */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"

#define ALIGN 64
#define ORDINARY_BLOCK ((size_t)64 * 1024)

struct ln_arena_block {
    struct ln_arena_block *next; /* older */
    size_t room;                 /* bytes after the head */
    size_t used;                 /* bytes of them taken */
    char pad[ALIGN - sizeof(struct ln_arena_block *) - 2 * sizeof(size_t)];
    char data[]; /* 64-aligned */
};

void ln_arena_init(ln_arena *arena, size_t block_bytes)
{
    arena->blocks = NULL;
    arena->block_bytes = block_bytes ? block_bytes : ORDINARY_BLOCK;
}

static struct ln_arena_block *new_block(size_t room)
{
    if (room > SIZE_MAX / 2)
        return NULL;
    struct ln_arena_block *block = ln_alloc_aligned(sizeof *block + room);
    if (block) {
        block->next = NULL;
        block->room = room;
        block->used = 0;
    }
    return block;
}

void *ln_arena_alloc(ln_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t whole = bytes ? (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    struct ln_arena_block *newest = arena->blocks;
    if (newest && newest->room - newest->used >= whole) {
        void *part = newest->data + newest->used;
        newest->used += whole;
        return part;
    }
    bool apart = newest && whole > arena->block_bytes / 4;
    size_t room = apart || whole > arena->block_bytes ? whole : arena->block_bytes;
    struct ln_arena_block *block = new_block(room);
    if (!block)
        return NULL;
    block->used = whole;
    if (apart) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block->data;
}

void *ln_arena_calloc(ln_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *part = ln_arena_alloc(arena, bytes);
    if (part)
        memset(part, 0, bytes);
    return part;
}

char *ln_arena_strdup(ln_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = ln_arena_alloc(arena, bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void ln_arena_free(ln_arena *arena)
{
    struct ln_arena_block *block = arena->blocks;
    while (block) {
        struct ln_arena_block *next = block->next;
        ln_free_aligned(block);
        block = next;
    }
    arena->blocks = NULL;
}
