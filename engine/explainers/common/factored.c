#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/factored_internal.h"

/* Chooses `bits`: the fewest additions for `count` mixtures. Additions wait for memory where a product
 * does not: they pay where there are half as many. */
static bool choose_bits(ln_factored *it, int64_t groups, int64_t count)
{
    double best = (double)it->inputs / 2;
    if (count > LN_FACTORED_BLOCK)
        count = LN_FACTORED_BLOCK;
    for (int64_t bits = 1; bits <= LN_FACTORED_MOST_BITS; bits++) {
        int64_t runs = (groups + bits - 1) / bits;
        if ((runs << bits) * it->hidden * (int64_t)sizeof(float) > LN_FACTORED_TABLE)
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

/* The layer's weights input by input, and its bias; both with zeros behind the layer's own numbers. */
static ln_status copy_layer(const ln_first_dense *dense, ln_factored *out, ln_error *err)
{
    const size_t bytes = (size_t)(dense->inputs * out->hidden) * sizeof *out->columns;
    out->columns = ln_calloc(1, bytes);
    out->bias = ln_calloc((size_t)out->hidden, sizeof *out->bias);
    if (!out->columns || !out->bias)
        return ln_fail_memory(err, bytes);
    for (int64_t i = 0; i < dense->inputs; i++)
        for (int64_t o = 0; o < dense->outputs; o++)
            out->columns[i * out->hidden + o] =
                dense->weight[dense->in_out ? i * dense->outputs + o : o * dense->inputs + i];
    if (dense->bias)
        memcpy(out->bias, dense->bias, (size_t)dense->outputs * sizeof *out->bias);
    return LN_OK;
}

ln_status ln_factored_make(ln_model *model, ln_link link, const ln_groups *groups, int64_t count,
                           int64_t rows, ln_factored *out, ln_error *err)
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
    const ln_function_options options = {.link = link, .rows = rows, .behind = &out->value};
    status = ln_factored_make_through(model, &options, dense.outputs, out, err);
    if (!status && !choose_bits(out, groups->count, count))
        out->through = false;
    if (status || out->bits == 0)
        return status;
    status = copy_layer(&dense, out, err);
    if (!status && out->through)
        status = ln_factored_list_outside(out, err);
    out->gather = ln_kernels_gather();
    out->walks = ln_kernels_walks();
    out->on = !status;
    return status;
}

void ln_factored_free(ln_factored *factored)
{
    ln_free(factored->columns);
    ln_free(factored->bias);
    ln_free(factored->only);
    ln_free(factored->only_group);
    ln_factored_free_through(factored);
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
    if (factored->through) {
        ln_factored_carve_through(factored, &made, carver);
        return made;
    }
    made.of_other = ln_carve(carver, table, sizeof *made.of_other);
    made.start = ln_carve(carver, LN_FACTORED_BLOCK * factored->hidden, sizeof *made.start);
    made.in = ln_carve(carver, LN_FACTORED_BLOCK * factored->runs, sizeof *made.in);
    made.out = ln_carve(carver, LN_FACTORED_BLOCK * factored->runs, sizeof *made.out);
    return made;
}

void ln_factored_columns(const ln_factored *it, const float *x, float *group)
{
    it->walks->columns(&(ln_walk_columns){.groups = it->groups->count,
                                          .width = it->hidden,
                                          .start = it->groups->start,
                                          .member = it->groups->member,
                                          .columns = it->columns},
                       x, group);
}

/* The sums over all subsets of a run: those with a group as their last are the ones before, and it. */
void ln_factored_fill(const ln_factored *it, int64_t run, const float *group, float *table)
{
    static const uint16_t none[1 << LN_FACTORED_MOST_BITS] = {0};
    const int64_t hidden = it->hidden, bits = ln_factored_groups_of(it, run);
    memset(table, 0, (size_t)hidden * sizeof *table);
    for (int64_t bit = 0; bit < bits; bit++)
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

/* Those of all runs. */
static void fill_table(const ln_factored *it, float *group, const float *x, float *table)
{
    ln_factored_columns(it, x, group);
    for (int64_t run = 0; run < it->runs; run++)
        ln_factored_fill(it, run, group, table + (run << it->bits) * it->hidden);
}

/* To each subset of a run's sums what the only reference has outside it. */
static void add_only(const ln_factored *it, float *table)
{
    const int64_t hidden = it->hidden, parts = (int64_t)1 << it->bits;
    for (int64_t run = 0; run < it->runs; run++) {
        const int64_t all = ((int64_t)1 << ln_factored_groups_of(it, run)) - 1,
                      first = run * parts * hidden;
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
    if (factored->through)
        ln_factored_row_through(factored, at);
    else if (factored->only)
        add_only(factored, at->of_row);
}

void ln_factored_other(const ln_factored *factored, const ln_factored_buffers *at, const float *r)
{
    if (factored->through && !factored->only)
        ln_factored_other_through(factored, at, r);
    else if (!factored->only)
        fill_table(factored, at->group, r, at->of_other);
}

ln_status ln_factored_keep(ln_factored *factored, const float *r, ln_error *err)
{
    size_t bytes = (size_t)(factored->runs << factored->bits) * (size_t)factored->hidden;
    factored->only_group = ln_calloc((size_t)(factored->groups->count * factored->hidden),
                                     sizeof *factored->only_group);
    factored->only = ln_calloc(bytes, sizeof *factored->only);
    if (!factored->only_group || !factored->only)
        return ln_fail_memory(err, bytes * sizeof *factored->only);
    fill_table(factored, factored->only_group, r, factored->only);
    return factored->through ? ln_factored_keep_start(factored, err) : LN_OK;
}

/* Which subset of a run is in a mixture. */
static void put(const ln_factored *it, const ln_factored_buffers *at, int64_t mixture, int64_t run,
                const uint64_t *mask)
{
    int64_t first = run * it->bits, bits = ln_factored_groups_of(it, run);
    uint16_t all = (uint16_t)((1 << bits) - 1),
             in = mask ? (uint16_t)ln_factored_bits_of(mask, first, bits) : all;
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
