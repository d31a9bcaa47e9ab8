#include "explainers/common/factored.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define MOST_BITS 8
#define MOST_TABLE                                                                                 \
    (int64_t)64 * 1024 /* bytes of one row's sums: more of them would be read from farther away */

/* Chooses `bits`: the fewest additions for `count` mixtures. Additions wait for memory where a product
 * does not: they pay where there are half as many. */
static bool choose_bits(ln_factored *it, int64_t groups, int64_t count)
{
    double best = (double)it->inputs / 2;
    if (count > LN_FACTORED_BLOCK)
        count = LN_FACTORED_BLOCK;
    for (int64_t bits = 1; bits <= MOST_BITS; bits++) {
        int64_t runs = (groups + bits - 1) / bits;
        if ((runs << bits) * it->hidden * (int64_t)sizeof(float) > MOST_TABLE)
            break;
        double additions = (double)runs * (1 + (double)((int64_t)1 << bits) / (double)count);
        if (additions < best) {
            best = additions;
            it->bits = bits;
            it->runs = runs;
        }
    }
    return it->bits > 0;
}

ln_status ln_factored_make(const ln_model *model, ln_link link, const ln_groups *groups,
                           int64_t count, ln_factored *out, ln_error *err)
{
    ln_first_dense dense;
    *out = (ln_factored){.groups = groups};
    ln_status status = ln_model_first_dense(model, link, &dense, err);
    if (status || !dense.weight)
        return status;
    out->inputs = dense.inputs;
    out->hidden = dense.outputs;
    out->value = dense.value;
    out->cut = dense.cut;
    if (!choose_bits(out, groups->count, count))
        return LN_OK;
    size_t bytes = (size_t)(dense.inputs * dense.outputs) * sizeof *out->columns;
    out->columns = ln_alloc(bytes);
    out->bias = ln_calloc((size_t)dense.outputs, sizeof *out->bias);
    if (!out->columns || !out->bias)
        return ln_fail_memory(err, bytes);
    for (int64_t i = 0; i < dense.inputs; i++)
        for (int64_t o = 0; o < dense.outputs; o++)
            out->columns[i * dense.outputs + o] =
                dense.weight[dense.in_out ? i * dense.outputs + o : o * dense.inputs + i];
    if (dense.bias)
        memcpy(out->bias, dense.bias, (size_t)dense.outputs * sizeof *out->bias);
    out->gather = ln_kernels_gather();
    out->on = true;
    return LN_OK;
}

void ln_factored_free(ln_factored *factored)
{
    ln_free(factored->columns);
    ln_free(factored->bias);
    ln_free(factored->only);
    *factored = (ln_factored){0};
}

ln_factored_buffers ln_factored_carve(const ln_factored *factored, ln_carver *carver)
{
    ln_factored_buffers made = {0};
    if (!factored->on)
        return made;
    int64_t table = (factored->runs << factored->bits) * factored->hidden;
    made.group = ln_carve(carver, factored->groups->count * factored->hidden, sizeof *made.group);
    made.of_row = ln_carve(carver, table, sizeof *made.of_row);
    made.of_other = ln_carve(carver, table, sizeof *made.of_other);
    made.start = ln_carve(carver, LN_FACTORED_BLOCK * factored->hidden, sizeof *made.start);
    made.in = ln_carve(carver, LN_FACTORED_BLOCK * factored->runs, sizeof *made.in);
    made.out = ln_carve(carver, LN_FACTORED_BLOCK * factored->runs, sizeof *made.out);
    return made;
}

/* W x_g of every group. */
static void add_columns(const ln_factored *it, const float *x, float *group)
{
    int64_t hidden = it->hidden;
    for (int64_t g = 0; g < it->groups->count; g++) {
        float *sum = group + g * hidden;
        memset(sum, 0, (size_t)hidden * sizeof *sum);
        for (int64_t m = it->groups->start[g]; m < it->groups->start[g + 1]; m++) {
            int64_t input = it->groups->member[m];
            const float *column = it->columns + input * hidden;
            for (int64_t o = 0; o < hidden && x[input] != 0; o++)
                sum[o] += column[o] * x[input];
        }
    }
}

/* The sums over all subsets of each run: those with a group as their last are the ones before, and it. */
static void fill_table(const ln_factored *it, float *group, const float *x, float *table)
{
    static const uint16_t none[1 << MOST_BITS] = {0};
    int64_t hidden = it->hidden, groups = it->groups->count, parts = (int64_t)1 << it->bits;
    add_columns(it, x, group);
    for (int64_t run = 0; run < it->runs; run++, table += parts * hidden) {
        memset(table, 0, (size_t)hidden * sizeof *table);
        for (int64_t bit = 0; bit < it->bits && run * it->bits + bit < groups; bit++)
            it->gather(&(ln_gather){.rows = (int64_t)1 << bit,
                                    .width = hidden,
                                    .count = 1,
                                    .parts = 1,
                                    .start = table,
                                    .start_row = hidden,
                                    .tables = group + (run * it->bits + bit) * hidden,
                                    .chosen = none,
                                    .y = table + ((int64_t)hidden << bit)});
    }
}

/* Groups of a run: the last one's may be fewer. */
static int64_t groups_of(const ln_factored *it, int64_t run)
{
    const int64_t left = it->groups->count - run * it->bits;
    return left < it->bits ? left : it->bits;
}

/* To each subset of a run's sums what the only reference has outside it. */
static void add_only(const ln_factored *it, float *table)
{
    const int64_t hidden = it->hidden, parts = (int64_t)1 << it->bits;
    for (int64_t run = 0; run < it->runs; run++) {
        const int64_t all = ((int64_t)1 << groups_of(it, run)) - 1, first = run * parts * hidden;
        for (int64_t s = 0; s <= all; s++) {
            const float *other = it->only + first + (all ^ s) * hidden;
            float *sum = table + first + s * hidden;
            for (int64_t o = 0; o < hidden; o++)
                sum[o] += other[o];
        }
    }
}

void ln_factored_row(const ln_factored *factored, const ln_factored_buffers *at, const float *x)
{
    fill_table(factored, at->group, x, at->of_row);
    if (factored->only)
        add_only(factored, at->of_row);
}

void ln_factored_other(const ln_factored *factored, const ln_factored_buffers *at, const float *r)
{
    if (!factored->only)
        fill_table(factored, at->group, r, at->of_other);
}

ln_status ln_factored_keep(ln_factored *factored, const float *r, ln_error *err)
{
    size_t bytes = (size_t)(factored->runs << factored->bits) * (size_t)factored->hidden;
    float *group = ln_calloc((size_t)(factored->groups->count * factored->hidden), sizeof *group);
    factored->only = ln_calloc(bytes, sizeof *factored->only);
    ln_status status = LN_OK;
    if (!group || !factored->only)
        status = ln_fail_memory(err, bytes * sizeof *group);
    else
        fill_table(factored, group, r, factored->only);
    ln_free(group);
    return status;
}

/* Bits [first, first + count) of a mask. */
static uint16_t bits_of(const uint64_t *mask, int64_t first, int64_t count)
{
    uint64_t bits = mask[first / 64] >> first % 64;
    if (first % 64 + count > 64)
        bits |= mask[first / 64 + 1] << (64 - first % 64);
    return (uint16_t)(bits & (((uint64_t)1 << count) - 1));
}

/* Which subset of a run is in a mixture. */
static void put(const ln_factored *it, const ln_factored_buffers *at, int64_t mixture, int64_t run,
                const uint64_t *mask)
{
    int64_t first = run * it->bits, bits = groups_of(it, run);
    uint16_t all = (uint16_t)((1 << bits) - 1), in = mask ? bits_of(mask, first, bits) : all;
    at->in[mixture * it->runs + run] = in;
    at->out[mixture * it->runs + run] = all ^ in;
}

/* All runs of a mixture whose mask is one word: what is beyond the last group is in no mask. */
static void put_word(const ln_factored *it, const ln_factored_buffers *at, int64_t mixture,
                     uint64_t mask)
{
    const int64_t groups = it->groups->count, bits = it->bits;
    const uint64_t all = groups < 64 ? ((uint64_t)1 << groups) - 1 : UINT64_MAX;
    const uint64_t last = ((uint64_t)1 << bits) - 1;
    uint64_t in = mask, out = all & ~mask;
    for (int64_t run = 0; run < it->runs; run++, in >>= bits, out >>= bits) {
        at->in[mixture * it->runs + run] = (uint16_t)(in & last);
        at->out[mixture * it->runs + run] = (uint16_t)(out & last);
    }
}

/* The prepared mixtures' parts of x, where each is of use to several references. */
static void add_row(const ln_factored *it, const ln_factored_buffers *at, int64_t count)
{
    if (it->only)
        return;
    it->gather(&(ln_gather){.rows = count,
                            .width = it->hidden,
                            .count = it->runs,
                            .parts = (int64_t)1 << it->bits,
                            .start = it->bias,
                            .start_row = 0,
                            .tables = at->of_row,
                            .chosen = at->in,
                            .y = at->start});
}

void ln_factored_masks(const ln_factored *factored, const ln_factored_buffers *at,
                       const uint64_t *masks, int64_t words, int64_t count)
{
    for (int64_t c = 0; c < count; c++)
        if (words == 1)
            put_word(factored, at, c, masks[c]);
        else
            for (int64_t run = 0; run < factored->runs; run++)
                put(factored, at, c, run, masks + c * words);
    add_row(factored, at, count);
}

void ln_factored_ends(const ln_factored *factored, const ln_factored_buffers *at)
{
    for (int64_t run = 0; run < factored->runs; run++) {
        put(factored, at, 0, run, NULL);
        at->in[factored->runs + run] = at->out[run];
        at->out[factored->runs + run] = at->in[run];
    }
    add_row(factored, at, 2);
}

/* h of mixtures [first, first + count): what `chosen` picks from the tables, added to the start of each. */
static void mix(const ln_factored *it, int64_t count, const float *start, int64_t start_row,
                const float *tables, const uint16_t *chosen, float *h)
{
    it->gather(&(ln_gather){.rows = count,
                            .width = it->hidden,
                            .count = it->runs,
                            .parts = (int64_t)1 << it->bits,
                            .start = start,
                            .start_row = start_row,
                            .tables = tables,
                            .chosen = chosen,
                            .y = h,
                            .cut = it->cut});
}

void ln_factored_all(const ln_factored *factored, const ln_factored_buffers *at, float *h)
{
    mix(factored, 1, factored->bias, 0, at->of_row, at->in, h);
}

void ln_factored_mix(const ln_factored *factored, const ln_factored_buffers *at, int64_t first,
                     int64_t count, float *h)
{
    if (factored->only)
        mix(factored, count, factored->bias, 0, at->of_row, at->in + first * factored->runs, h);
    else
        mix(factored, count, at->start + first * factored->hidden, factored->hidden, at->of_other,
            at->out + first * factored->runs, h);
}
