#include "explainers/common/conditions.h"

#include <math.h>
#include <string.h>

#include "model/model.h"

#define BITS 64 /* of a word */

static int64_t columns_of(const ln_neighbourhood *near, int64_t group)
{
    return near->start[group + 1] - near->start[group];
}

int64_t ln_conditions_most(const ln_neighbourhood *near, int64_t groups)
{
    int64_t most = 0;
    if (!near)
        return groups;
    for (int64_t g = 0; g < groups; g++) {
        const int bins = columns_of(near, g) == 1 ? near->columns[near->start[g]].bins.count : 0;
        most += bins > 2 ? bins - 1 : 1; /* one bound less than bins; at least the row's category */
    }
    return most;
}

ln_conditions ln_conditions_carve(const ln_neighbourhood *near, const ln_groups *pieces,
                                  int64_t width, int64_t groups, int64_t longest, ln_carver *carver)
{
    ln_conditions made = {.near = near, .pieces = pieces, .width = width, .groups = groups};
    const int64_t most = ln_conditions_most(near, groups);
    const int64_t named = longest < groups ? longest : groups;
    made.words = near ? (near->rows + BITS - 1) / BITS : 0;
    made.at = ln_carve(carver, most, sizeof *made.at);
    made.holds = ln_carve(carver, most * made.words, sizeof *made.holds);
    made.bins = ln_carve(carver, near ? near->column_count : 0, sizeof *made.bins);
    made.z = ln_carve(carver, groups, sizeof *made.z);
    made.group = ln_carve(carver, named, sizeof *made.group);
    made.among = ln_carve(carver, named * made.words, sizeof *made.among);
    made.among_count = ln_carve(carver, named, sizeof *made.among_count);
    made.shows = ln_carve(carver, groups, sizeof *made.shows);
    made.random = ln_carve(carver, near ? 1 + named : (groups + 31) / 32, sizeof *made.random);
    return made;
}

/* ---------------------------------------------------------------- which there are */

/* Whether a training row has what x has in a column: the category, or the bin. */
static bool is_same(const ln_conditions *it, int64_t row, int64_t c, const float *x)
{
    const ln_near_column *column = &it->near->columns[c];
    const float *from = it->near->training + row * it->width;
    if (column->number >= 0)
        return ln_near_bin(it->near, c, row) == it->bins[c];
    return memcmp(from + column->first, x + column->first, (size_t)column->count * sizeof *from) ==
           0;
}

static bool fulfils(const ln_conditions *it, const ln_condition *condition, int64_t row,
                    const float *x)
{
    const ln_neighbourhood *near = it->near;
    if (condition->kind != LN_CONDITION_SAME) {
        const uint8_t bin = ln_near_bin(near, condition->column, row);
        if (bin == LN_NEAR_MISSING)
            return false;
        return condition->kind == LN_CONDITION_AT_MOST ? bin <= condition->bin
                                                       : bin > condition->bin;
    }
    for (int64_t c = near->start[condition->group]; c < near->start[condition->group + 1]; c++)
        if (!is_same(it, row, c, x))
            return false;
    return true;
}

/* Adds a condition, with its rows, unless all of them fulfil it. */
static void add(ln_conditions *it, ln_condition condition, const float *x)
{
    int64_t others = 1; /* training rows that do not; of masks some have no piece */
    if (it->near) {
        uint64_t *holds = it->holds + it->count * it->words;
        memset(holds, 0, (size_t)it->words * sizeof *holds);
        others = it->near->rows;
        for (int64_t r = 0; r < it->near->rows; r++)
            if (fulfils(it, &condition, r, x)) {
                holds[r / BITS] |= UINT64_C(1) << r % BITS;
                others--;
            }
    }
    if (others > 0)
        it->at[it->count++] = condition;
}

static void add_bounds(ln_conditions *it, ln_condition about, const float *x)
{
    const int bins = it->near->columns[about.column].bins.count, own = it->bins[about.column];
    for (about.bin = 0; about.bin < bins - 1; about.bin++) {
        about.kind = own <= about.bin ? LN_CONDITION_AT_MOST : LN_CONDITION_ABOVE;
        add(it, about, x);
    }
}

void ln_conditions_of(ln_conditions *it, const float *x)
{
    it->count = 0;
    if (it->near)
        ln_neighbourhood_of(it->near, x, it->bins, it->z);
    for (int64_t g = 0; g < it->groups; g++) {
        const int64_t column = it->near ? it->near->start[g] : -1;
        const ln_condition same = {.group = g, .column = column, .kind = LN_CONDITION_SAME};
        if (it->near && columns_of(it->near, g) == 0)
            continue;
        if (it->near && columns_of(it->near, g) == 1 && it->near->columns[column].number >= 0 &&
            it->bins[column] != LN_NEAR_MISSING)
            add_bounds(it, same, x);
        else
            add(it, same, x);
    }
}

bool ln_conditions_imply(const ln_conditions *it, const int32_t *rule, int64_t size, int32_t more)
{
    const ln_condition *wanted = &it->at[more];
    for (int64_t k = 0; k < size; k++) {
        const ln_condition *has = &it->at[rule[k]];
        if (has->group != wanted->group || has->kind != wanted->kind)
            continue;
        if (has->kind == LN_CONDITION_SAME ||
            (has->kind == LN_CONDITION_AT_MOST ? has->bin <= wanted->bin : has->bin >= wanted->bin))
            return true;
    }
    return false;
}

double ln_conditions_coverage(const ln_conditions *it, const int32_t *rule, int64_t size)
{
    int64_t rows = 0;
    if (!it->near)
        return ldexp(1, (int)-size);
    if (size == 0)
        return 1;
    for (int64_t w = 0; w < it->words; w++) {
        uint64_t all = it->holds[rule[0] * it->words + w];
        for (int64_t k = 1; k < size; k++)
            all &= it->holds[rule[k] * it->words + w];
        rows += __builtin_popcountll(all);
    }
    return (double)rows / (double)it->near->rows;
}

/* ---------------------------------------------------------------- rows under a rule */

/* The place of a group among those that the rule is about so far; a new one where it is none of them. */
static int64_t place_of(ln_conditions *it, int64_t group)
{
    for (int64_t k = 0; k < it->named; k++)
        if (it->group[k] == group)
            return k;
    it->group[it->named] = group;
    memset(it->among + it->named * it->words, 0xff, (size_t)it->words * sizeof *it->among);
    return it->named++;
}

void ln_conditions_set(ln_conditions *it, const int32_t *rule, int64_t size)
{
    it->named = 0;
    memset(it->shows, 0, (size_t)it->groups * sizeof *it->shows);
    for (int64_t k = 0; k < size; k++) {
        it->shows[it->at[rule[k]].group] = true;
        const int64_t place = place_of(it, it->at[rule[k]].group);
        for (int64_t w = 0; w < it->words; w++)
            it->among[place * it->words + w] &= it->holds[rule[k] * it->words + w];
    }
    for (int64_t k = 0; k < it->named; k++) {
        it->among_count[k] = 0;
        for (int64_t w = 0; w < it->words; w++)
            it->among_count[k] += __builtin_popcountll(it->among[k * it->words + w]);
    }
}

/* One of `count` numbers from 0: some are more likely than others by 2^-32 times their number. */
static int64_t below(uint32_t word, int64_t count)
{
    return (int64_t)((uint64_t)word * (uint64_t)count >> 32);
}

/* The training row that is number `rank` of those whose bit is set. */
static int64_t find_set(const uint64_t *bits, int64_t rank)
{
    int64_t w = 0;
    for (int count; rank >= (count = __builtin_popcountll(bits[w])); w++)
        rank -= count;
    uint64_t word = bits[w];
    for (; rank > 0; rank--)
        word &= word - 1;
    return w * BITS + __builtin_ctzll(word);
}

static void copy_group(const ln_neighbourhood *near, int64_t group, const float *from, float *row)
{
    for (int64_t c = near->start[group]; c < near->start[group + 1]; c++)
        memcpy(row + near->columns[c].first, from + near->columns[c].first,
               (size_t)near->columns[c].count * sizeof *row);
}

static void draw_mask(const ln_conditions *it, const float *x, const float *cover, ln_rng *rng,
                      float *row)
{
    ln_rng_words(rng, it->random, (it->groups + 31) / 32);
    memcpy(row, x, (size_t)it->width * sizeof *row);
    for (int64_t g = 0; g < it->groups; g++)
        if (!it->shows[g] && !(it->random[g / 32] >> g % 32 & 1))
            ln_groups_fill(it->pieces, g, cover, row);
}

void ln_conditions_draw(const ln_conditions *it, const float *x, const float *cover, ln_rng *rng,
                        float *row)
{
    const ln_neighbourhood *near = it->near;
    if (!near) {
        draw_mask(it, x, cover, rng, row);
        return;
    }
    ln_rng_words(rng, it->random, 1 + it->named);
    const int64_t drawn = below(it->random[0], near->rows);
    memcpy(row, near->training + drawn * it->width, (size_t)it->width * sizeof *row);
    for (int64_t k = 0; k < it->named; k++) {
        const uint64_t *among = it->among + k * it->words;
        if (among[drawn / BITS] >> drawn % BITS & 1)
            continue;
        const float *from = x;
        if (it->among_count[k] > 0)
            from = near->training +
                   find_set(among, below(it->random[1 + k], it->among_count[k])) * it->width;
        copy_group(near, it->group[k], from, row);
    }
}
