#include "explainers/common/coalitions.h"

#include <math.h>
#include <string.h>

/* What one call works on. */
typedef struct choice {
    ln_coalitions *out;
    const int64_t *player;
    int64_t count; /* players */
    ln_rng *rng;   /* the layer's */
} choice;

int64_t ln_coalitions_slots(int64_t capacity)
{
    int64_t slots = 4;
    while (slots < 2 * capacity)
        slots *= 2;
    return slots;
}

ln_coalitions ln_coalitions_carve(int64_t players, int64_t words, int64_t capacity,
                                  ln_carver *carver)
{
    ln_coalitions made = {.words = words, .capacity = capacity};
    made.masks = ln_carve(carver, 2 * capacity * words, sizeof *made.masks);
    made.weight = ln_carve(carver, capacity, sizeof *made.weight);
    made.unseen = ln_carve(carver, capacity, sizeof *made.unseen);
    made.layer = ln_carve(carver, capacity, sizeof *made.layer);
    made.slots = ln_carve(carver, ln_coalitions_slots(capacity), sizeof *made.slots);
    made.chosen = ln_carve(carver, players, sizeof *made.chosen);
    return made;
}

int64_t ln_coalitions_pairs(int64_t players, int64_t most)
{
    if (players >= 62)
        return most;
    int64_t pairs = ((int64_t)1 << (players - 1)) - 1;
    return pairs < most ? pairs : most;
}

static void set_bit(uint64_t *mask, int64_t bit)
{
    mask[bit / 64] |= (uint64_t)1 << bit % 64;
}

static bool has_bit(const uint64_t *mask, int64_t bit)
{
    return mask[bit / 64] >> bit % 64 & 1;
}

/* Writes the pair of the `size` chosen players after those that are there. */
static void write_pair(const choice *it, int64_t size)
{
    int64_t words = it->out->words;
    uint64_t *first = it->out->masks + 2 * it->out->pairs * words, *second = first + words;
    memset(first, 0, (size_t)(2 * words) * sizeof *first);
    for (int64_t i = 0; i < it->count; i++)
        set_bit(second, it->player[i]);
    for (int64_t i = 0; i < size; i++)
        set_bit(first, it->player[it->out->chosen[i]]);
    for (int64_t w = 0; w < words; w++)
        second[w] ^= first[w];
    if (has_bit(first, it->player[it->count - 1]))
        for (int64_t w = 0; w < words; w++) {
            uint64_t kept = first[w];
            first[w] = second[w];
            second[w] = kept;
        }
}

static void take_pair(const choice *it, int64_t layer, double weight, double unseen)
{
    ln_coalitions *out = it->out;
    out->weight[out->pairs] = weight;
    out->unseen[out->pairs] = unseen;
    out->layer[out->pairs++] = (int32_t)layer;
}

/* All pairs of a layer: the subsets of `size` players in lexicographic order; of the middle layer
 * those that have player 0, the other of each pair being its complement. */
static void enumerate(const choice *it, int64_t size, double weight)
{
    int64_t *chosen = it->out->chosen, n = it->count, fixed = 2 * size == n ? 1 : 0;
    for (int64_t i = 0; i < size; i++)
        chosen[i] = i;
    for (;;) {
        write_pair(it, size);
        take_pair(it, size, weight, 0);
        int64_t i = size - 1;
        while (i >= fixed && chosen[i] == n - size + i)
            i--;
        if (i < fixed)
            return;
        chosen[i]++;
        for (int64_t j = i + 1; j < size; j++)
            chosen[j] = chosen[j - 1] + 1;
    }
}

/* `size` different players (Floyd's algorithm), in no order. */
static void draw_players(const choice *it, int64_t size)
{
    int64_t *chosen = it->out->chosen, n = it->count;
    for (int64_t i = 0; i < size; i++) {
        int64_t last = n - size + i;
        int64_t drawn = (int64_t)ln_rng_below(it->rng, (uint64_t)last + 1);
        for (int64_t j = 0; j < i; j++)
            if (chosen[j] == drawn) {
                drawn = last;
                break;
            }
        chosen[i] = drawn;
    }
}

uint64_t ln_coalitions_hash(const uint64_t *mask, int64_t words)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (int64_t w = 0; w < words; w++) {
        hash = (hash ^ mask[w]) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

/* Whether the pair just written is new among those drawn; then it is remembered. */
static bool is_new(const choice *it)
{
    const ln_coalitions *out = it->out;
    int64_t mask = ln_coalitions_slots(out->capacity) - 1;
    const uint64_t *pair = out->masks + 2 * out->pairs * out->words;
    const uint64_t hash = ln_coalitions_hash(pair, out->words);
    for (int64_t slot = (int64_t)(hash & (uint64_t)mask);; slot = (slot + 1) & mask) {
        if (out->slots[slot] < 0) {
            out->slots[slot] = (int32_t)out->pairs;
            return true;
        }
        if (memcmp(out->masks + 2 * out->slots[slot] * out->words, pair,
                   (size_t)out->words * sizeof *pair) == 0)
            return false;
    }
}

static void draw(const choice *it, int64_t size, int64_t number, double weight, double unseen)
{
    while (number > 0) {
        draw_players(it, size);
        write_pair(it, size);
        if (!is_new(it))
            continue;
        take_pair(it, size, weight, unseen);
        number--;
    }
}

void ln_coalitions_choose(ln_coalitions *coalitions, const int64_t *player, int64_t count,
                          ln_sampling sampling, ln_rng *rng)
{
    ln_rng own;
    choice it = {.out = coalitions, .player = player, .count = count, .rng = &own};
    int64_t layers = count / 2;
    double left = (double)coalitions->capacity, shares = 0, kernel = 0, binomial = 1, done = 0;
    bool full = true;
    coalitions->pairs = coalitions->pairs_in_full = 0;
    memset(coalitions->slots, 0xff,
           (size_t)ln_coalitions_slots(coalitions->capacity) * sizeof *coalitions->slots);
    for (int64_t s = 1; s < count; s++) {
        kernel += 1 / ((double)s * (double)(count - s));
        shares += sampling == LN_SAMPLING_LEVERAGE ? 1 : 1 / ((double)s * (double)(count - s));
    }
    double offset = 0;
    for (int64_t s = 1; s <= layers; s++) {
        double sizes = 2 * s == count ? 1 : 2;
        double of_kernel = sizes / ((double)s * (double)(count - s));
        double of_shares = sampling == LN_SAMPLING_LEVERAGE ? sizes : of_kernel;
        binomial = binomial * (double)(count - s + 1) / (double)s;
        double pairs = binomial * sizes / 2, share = left * of_shares / shares;
        if (full && share >= pairs * (1 - 1e-12)) {
            enumerate(&it, s, of_kernel / kernel / (2 * pairs));
            coalitions->pairs_in_full = coalitions->pairs;
            left -= pairs;
            shares -= of_shares;
            continue;
        }
        if (full)
            offset = ln_rng_uniform(rng);
        full = false;
        int64_t number = (int64_t)(floor(done + share + offset) - floor(done + offset));
        if (coalitions->pairs + number > coalitions->capacity)
            number = coalitions->capacity - coalitions->pairs;
        done += share;
        own = ln_rng_part(rng, (uint32_t)s);
        if (share > 0)
            draw(&it, s, number, of_kernel / kernel / (2 * share), 1 - share / pairs);
    }
}
