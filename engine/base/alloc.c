/* The memory account. Every block carries a header in front with the size asked for; the sum of
 * those sizes is the account. Two layouts: 16 bytes of header for ordinary blocks (malloc's own
 * alignment is kept), 64 for numbers.
 *
 * The account and the fault counter are atomics: workers allocate too. Order between threads does
 * not matter, so everything is relaxed; the limit is exact because bytes are reserved before malloc
 * is called and given back when it fails. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HEADER 16
#define ALIGNED_HEADER 64
#define LARGE ((size_t)4 << 20) /* bytes: from here on large pages pay */

static atomic_size_t memory_used, memory_limit;
static atomic_size_t fault_countdown, fault_made; /* countdown 0: the harness is off */
static atomic_bool fault_once;

static bool fault_strikes(void)
{
    atomic_fetch_add_explicit(&fault_made, 1, memory_order_relaxed);
    size_t left = atomic_load_explicit(&fault_countdown, memory_order_relaxed);
    while (left > 0) {
        /* When all later ones fail too, the countdown stays at 1. */
        size_t next = left > 1 ? left - 1 : atomic_load(&fault_once) ? 0 : 1;
        if (atomic_compare_exchange_weak(&fault_countdown, &left, next))
            return left == 1;
    }
    return false;
}

static bool reserve(size_t bytes)
{
    if (fault_strikes())
        return false;
    size_t limit = atomic_load_explicit(&memory_limit, memory_order_relaxed);
    size_t used = atomic_load_explicit(&memory_used, memory_order_relaxed);
    do {
        if (bytes > SIZE_MAX / 2 - used || (limit > 0 && used + bytes > limit))
            return false;
    } while (!atomic_compare_exchange_weak(&memory_used, &used, used + bytes));
    return true;
}

static void give_back(size_t bytes)
{
    atomic_fetch_sub_explicit(&memory_used, bytes, memory_order_relaxed);
}

/* Of large blocks whole pages of 2 MB are asked for: first use of a small page costs the kernel as much
 * as filling it does us. A hint: where it is refused nothing changes. */
static void ask_for_large_pages(char *base, size_t bytes)
{
    const uintptr_t page = (uintptr_t)2 << 20, start = (uintptr_t)base;
    const uintptr_t first = (start + page - 1) & ~(page - 1), end = (start + bytes) & ~(page - 1);
    if (first < end)
        madvise(base + (first - start), end - first, MADV_HUGEPAGE);
}

static void *finish(char *base, size_t header, size_t bytes)
{
    if (!base) {
        give_back(bytes);
        return NULL;
    }
    if (bytes >= LARGE)
        ask_for_large_pages(base, bytes);
    memcpy(base, &bytes, sizeof bytes);
    return base + header;
}

static size_t size_of(const void *block, size_t header)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - header, sizeof bytes);
    return bytes;
}

void *ln_alloc(size_t bytes)
{
    if (!reserve(bytes))
        return NULL;
    return finish(malloc(bytes + HEADER), HEADER, bytes);
}

void *ln_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !reserve(bytes))
        return NULL;
    return finish(calloc(1, bytes + HEADER), HEADER, bytes);
}

void *ln_realloc(void *block, size_t bytes)
{
    if (!block)
        return ln_alloc(bytes);
    size_t before = size_of(block, HEADER);
    if (bytes <= before) {
        /* Giving memory back cannot fail for the caller: where realloc refuses, the block stays. */
        char *base = realloc((char *)block - HEADER, bytes + HEADER);
        if (!base)
            base = (char *)block - HEADER;
        give_back(before - bytes);
        memcpy(base, &bytes, sizeof bytes);
        return base + HEADER;
    }
    if (!reserve(bytes - before))
        return NULL;
    char *base = realloc((char *)block - HEADER, bytes + HEADER);
    if (!base) {
        give_back(bytes - before);
        return NULL;
    }
    memcpy(base, &bytes, sizeof bytes);
    return base + HEADER;
}

void ln_free(void *block)
{
    if (!block)
        return;
    give_back(size_of(block, HEADER));
    free((char *)block - HEADER);
}

char *ln_strdup(const char *text)
{
    return ln_strndup(text, strlen(text));
}

char *ln_strndup(const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = ln_alloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void *ln_alloc_aligned(size_t bytes)
{
    if (!reserve(bytes))
        return NULL;
    /* aligned_alloc wants a multiple of the alignment. */
    size_t whole = (bytes + ALIGNED_HEADER + 63) & ~(size_t)63;
    return finish(aligned_alloc(64, whole), ALIGNED_HEADER, bytes);
}

void ln_free_aligned(void *block)
{
    if (!block)
        return;
    give_back(size_of(block, ALIGNED_HEADER));
    free((char *)block - ALIGNED_HEADER);
}

size_t ln_alloc_size(const void *block)
{
    return block ? size_of(block, HEADER) : 0;
}

void ln_memory_limit(size_t bytes)
{
    atomic_store(&memory_limit, bytes);
}

size_t ln_memory_limit_get(void)
{
    return atomic_load(&memory_limit);
}

size_t ln_memory_used(void)
{
    return atomic_load(&memory_used);
}

size_t ln_memory_fail_at(size_t nth, bool once)
{
    atomic_store(&fault_once, once);
    atomic_store(&fault_countdown, nth);
    return atomic_exchange(&fault_made, 0);
}
