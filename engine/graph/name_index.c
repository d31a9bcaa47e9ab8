/* A crit-bit tree (a binary PATRICIA trie). A fork names the first bit in which the names below its
 * two sides differ, so a name is followed down to the one leaf that it can equal, and compared once:
 * at most one step a bit of the name, about log2(count) for names as they come.
 *
 * The fork with number i was made when name i was added; the two share an entry, and taking back
 * what was added last is all that removing has to do.
 *
 * Source: Morrison 1968, PATRICIA; Bernstein, "Crit-bit trees" (cr.yp.to/critbit.html). */
#include "graph/name_index.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* The side of a fork on which a name lies. */
static int side_of(const ln_name_entry *fork, const char *name, size_t length)
{
    const unsigned byte = fork->byte < length ? (unsigned char)name[fork->byte] : 0;
    return (byte & fork->bit) != 0;
}

/* The number of the only name that `name` can equal; there must be one. */
static int candidate(const ln_name_index *index, const char *name)
{
    const size_t length = strlen(name);
    int at = index->root;
    while (at >= 0)
        at = index->entries[at].child[side_of(&index->entries[at], name, length)];
    return ~at;
}

int ln_name_index_find(const ln_name_index *index, const char *name)
{
    if (index->count == 0)
        return -1;
    const int number = candidate(index, name);
    return strcmp(index->entries[number].name, name) == 0 ? number : -1;
}

/* Makes room for one more; capacities are powers of two. */
static ln_status grow(ln_name_index *index, ln_error *err)
{
    const size_t count = (size_t)index->count;
    if (count & (count - 1))
        return LN_OK;
    const size_t bytes = (count ? 2 * count : 1) * sizeof *index->entries;
    ln_name_entry *larger = ln_realloc(index->entries, bytes);
    if (!larger)
        return ln_fail_memory(err, bytes);
    index->entries = larger;
    return LN_OK;
}

/* Puts the fork of `entry` where the bit it looks at belongs: bits are looked at from the first on,
 * in a byte from the highest. */
static void hang_in(ln_name_index *index, ln_name_entry *entry)
{
    const size_t length = strlen(entry->name);
    const int number = (int)(entry - index->entries), side = side_of(entry, entry->name, length);
    int *link = &index->root;
    while (*link >= 0) {
        ln_name_entry *fork = &index->entries[*link];
        if (fork->byte > entry->byte || (fork->byte == entry->byte && fork->bit < entry->bit))
            break;
        link = &fork->child[side_of(fork, entry->name, length)];
    }
    entry->child[side] = ~number;
    entry->child[1 - side] = *link;
    *link = number;
}

ln_status ln_name_index_add(ln_name_index *index, const char *name, ln_error *err)
{
    ln_status status = grow(index, err);
    if (status)
        return status;
    ln_name_entry *entry = &index->entries[index->count];
    *entry = (ln_name_entry){.name = name};
    if (index->count == 0) {
        index->root = ~0;
    } else {
        const char *other = index->entries[candidate(index, name)].name;
        size_t byte = 0;
        while (name[byte] == other[byte] && name[byte])
            byte++;
        const unsigned differ = (unsigned char)name[byte] ^ (unsigned char)other[byte];
        assert(differ); /* else the name is there already */
        entry->byte = (uint32_t)byte;
        entry->bit = (uint8_t)(1u << (31 - __builtin_clz(differ)));
        hang_in(index, entry);
    }
    index->count++;
    return LN_OK;
}

void ln_name_index_remove_last(ln_name_index *index)
{
    const int number = --index->count;
    const ln_name_entry *entry = &index->entries[number];
    const size_t length = strlen(entry->name);
    int *link = &index->root;
    if (number == 0)
        return;
    while (*link != number)
        link = &index->entries[*link].child[side_of(&index->entries[*link], entry->name, length)];
    *link = entry->child[1 - side_of(entry, entry->name, length)];
}

void ln_name_index_free(ln_name_index *index)
{
    ln_free(index->entries);
    *index = (ln_name_index){0};
}
