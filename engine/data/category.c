/* Interning by an open hash table (FNV-1a, linear probing, at most half full): one look at each
 * cell, memory in the number of distinct texts. Sorting is by bytes, which for UTF-8 is by code
 * point, as scikit-learn sorts Python's strings. */
#include "data/category.h"

#include "base/alloc.h"
#include "base/error.h"
#include "data/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* The slot that holds `text` or is free for it. */
static size_t find_slot(const ln_interner *set, const char *text)
{
    size_t at = hash_text(text) & (set->slot_count - 1);
    while (set->slots[at] && strcmp(set->texts[set->slots[at] - 1], text) != 0)
        at = (at + 1) & (set->slot_count - 1);
    return at;
}

static bool grow(ln_interner *set)
{
    if (set->room > INT32_MAX / 4)
        return false;
    int32_t room = set->room ? 2 * set->room : 16;
    const char **texts = ln_realloc(set->texts, (size_t)room * sizeof *texts);
    if (!texts)
        return false;
    set->texts = texts;
    int32_t *slots = ln_calloc(2 * (size_t)room, sizeof *slots);
    if (!slots)
        return false;
    ln_free(set->slots);
    set->slots = slots;
    set->slot_count = 2 * (size_t)room;
    set->room = room;
    for (int32_t i = 0; i < set->count; i++)
        set->slots[find_slot(set, set->texts[i])] = i + 1;
    return true;
}

int32_t ln_interner_add(ln_interner *set, const char *text)
{
    if (set->count == set->room && !grow(set))
        return -1;
    size_t at = find_slot(set, text);
    if (!set->slots[at]) {
        set->texts[set->count++] = text;
        set->slots[at] = set->count;
    }
    return set->slots[at] - 1;
}

void ln_interner_free(ln_interner *set)
{
    ln_free(set->texts);
    ln_free(set->slots);
    *set = (ln_interner){0};
}

typedef struct numbered_text {
    const char *text;
    int32_t number; /* by first occurrence */
} numbered_text;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const numbered_text *)a)->text, ((const numbered_text *)b)->text);
}

/* place[number] = place in the sorted order; texts = copies in that order. */
static ln_status sort_texts(const ln_interner *set, int32_t *place, char **texts, ln_error *err)
{
    numbered_text *order = ln_alloc((size_t)set->count * sizeof *order);
    if (!order)
        return ln_fail_memory(err, (size_t)set->count * sizeof *order);
    for (int32_t i = 0; i < set->count; i++)
        order[i] = (numbered_text){set->texts[i], i};
    qsort(order, (size_t)set->count, sizeof *order, by_text);
    ln_status status = LN_OK;
    for (int32_t i = 0; i < set->count && status == LN_OK; i++) {
        place[order[i].number] = i;
        texts[i] = ln_strdup(order[i].text);
        if (!texts[i])
            status = ln_fail_memory(err, strlen(order[i].text) + 1);
    }
    ln_free(order);
    return status;
}

ln_status ln_categories_make(char *const *cells, int64_t rows, int32_t **codes, char ***texts,
                             int32_t *count, ln_error *err)
{
    ln_interner set = {0};
    int32_t *place = NULL, *code = ln_alloc((size_t)rows * sizeof *code);
    char **sorted = NULL;
    ln_status status = LN_OK;

    if (!code) {
        status = ln_fail_memory(err, (size_t)rows * sizeof *code);
        goto out;
    }
    for (int64_t i = 0; i < rows; i++) {
        code[i] = cells[i] ? ln_interner_add(&set, cells[i]) : -1;
        if (cells[i] && code[i] < 0) {
            status = ln_fail_memory(err, 2 * (size_t)set.count * sizeof *set.texts);
            goto out;
        }
    }
    place = ln_alloc((size_t)set.count * sizeof *place);
    sorted = ln_calloc((size_t)set.count, sizeof *sorted);
    if (!place || !sorted) {
        status = ln_fail_memory(err, (size_t)set.count * sizeof *sorted);
        goto out;
    }
    status = sort_texts(&set, place, sorted, err);
    for (int64_t i = 0; i < rows && status == LN_OK; i++) {
        if (code[i] >= 0)
            code[i] = place[code[i]];
    }
out:
    if (status == LN_OK) {
        *codes = code;
        *texts = sorted;
        *count = set.count;
    } else {
        ln_free(code);
        ln_texts_free(sorted, set.count);
    }
    ln_free(place);
    ln_interner_free(&set);
    return status;
}

void ln_texts_free(char **texts, int64_t count)
{
    if (!texts)
        return;
    for (int64_t i = 0; i < count; i++)
        ln_free(texts[i]);
    ln_free(texts);
}

void ln_texts_hint(ln_error *err, const char *word, char *const *texts, int64_t count)
{
    const char **words = ln_calloc((size_t)count + 1, sizeof *words);
    if (!words)
        return; /* the error stands without its hint */
    memcpy(words, texts, (size_t)count * sizeof *words);
    const char *nearest = ln_nearest_word(word, words);
    if (nearest)
        ln_error_hint(err, "did you mean '%s'?", ln_csv_show(nearest).text);
    ln_free(words);
}

ln_listed ln_texts_list(char *const *texts, int64_t count)
{
    const int64_t most = 5;
    ln_listed listed;
    size_t length = 0;
    listed.text[0] = '\0';
    for (int64_t i = 0; i < count && i < most; i++)
        length += (size_t)snprintf(listed.text + length, sizeof listed.text - length, "%s%s",
                                   i ? ", " : "", ln_csv_show(texts[i]).text);
    if (count > most)
        snprintf(listed.text + length, sizeof listed.text - length, ", ... (%lld of them)",
                 (long long)count);
    return listed;
}
