#include "explainers/common/known.h"

#include <string.h>

#define MOST_LOOKS 64 /* each has half as many pairs again: more than an int64_t counts */

ln_known ln_known_carve(int64_t players, int64_t words, int64_t most, ln_carver *carver)
{
    /* Of each size a choice may round to one pair less than the one before. */
    int64_t rounded = MOST_LOOKS * (players / 2), all = ln_coalitions_pairs(players, INT64_MAX);
    ln_known known = {.words = words, .capacity = all - most < rounded ? all : most + rounded};
    const int64_t slots = ln_coalitions_slots(known.capacity);
    known.masks = ln_carve(carver, 2 * known.capacity * words, sizeof *known.masks);
    known.values = ln_carve(carver, 2 * known.capacity, sizeof *known.values);
    known.slots = ln_carve(carver, slots, sizeof *known.slots);
    return known;
}

void ln_known_clear(ln_known *known)
{
    known->pairs = 0;
    memset(known->slots, 0xff, (size_t)ln_coalitions_slots(known->capacity) * sizeof *known->slots);
}

/* The slot of a pair: where it is, or where it would be. */
static int32_t *slot_of(const ln_known *known, const uint64_t *pair)
{
    const int64_t last = ln_coalitions_slots(known->capacity) - 1;
    for (int64_t slot = (int64_t)(ln_coalitions_hash(pair, known->words) & (uint64_t)last);;
         slot = (slot + 1) & last) {
        int32_t *at = &known->slots[slot];
        if (*at < 0 || memcmp(known->masks + 2 * *at * known->words, pair,
                              (size_t)known->words * sizeof *pair) == 0)
            return at;
    }
}

/* Puts the pairs of a choice that are not known behind those that are; how many. */
static int64_t add(const ln_known *known, const ln_coalitions *coalitions)
{
    const int64_t pair_words = 2 * known->words;
    int64_t end = known->pairs;
    for (int64_t p = 0; p < coalitions->pairs; p++) {
        const uint64_t *pair = coalitions->masks + p * pair_words;
        int32_t *slot = slot_of(known, pair);
        if (*slot >= 0)
            continue;
        memcpy(known->masks + end * pair_words, pair, (size_t)pair_words * sizeof *pair);
        *slot = (int32_t)end++;
    }
    return end - known->pairs;
}

ln_status ln_known_values(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                          const ln_game_buffers *at, int64_t entry, const ln_coalitions *coalitions,
                          ln_known *known, double *values, ln_error *err)
{
    const int64_t more = add(known, coalitions), first = 2 * known->pairs;
    ln_status status =
        ln_game_values(job, game, chunk, at, entry, known->masks + first * known->words, 2 * more,
                       known->values + first, err);
    if (status)
        return status;
    known->pairs += more;
    for (int64_t p = 0; p < coalitions->pairs; p++) {
        const int32_t place = *slot_of(known, coalitions->masks + 2 * p * known->words);
        values[2 * p] = known->values[2 * place];
        values[2 * p + 1] = known->values[2 * place + 1];
    }
    return LN_OK;
}
