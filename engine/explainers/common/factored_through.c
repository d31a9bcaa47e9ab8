/* Mixtures that go through all layers: dense ones behind the first (kernels/cascade.h). */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/factored_internal.h"

#define KEY_BITS 32  /* mixtures are sorted by what they have of so many groups, the last ones */
#define DIGIT_BITS 8 /* of a key, a pass */
#define ROWS 64      /* references that go through the layers together */

/* `chosen` counts in panels: of the table, and of ROWS times the sums of its runs, each of which has two or more. */
_Static_assert(LN_FACTORED_TABLE / sizeof(float) / 2 * ROWS / LN_CASCADE_PANEL <= UINT16_MAX,
               "places of 16 bits reach all sums");

/* Whether great sums have small outputs: then what a great group leaves in the sums of a walk that it has gone from
 * shows. Relu alone hands great sums on, whose own rounding is as great. */
static bool levels(const ln_cascade *cascade)
{
    bool any = cascade->ending.activate != NULL;
    for (int64_t l = 0; l < cascade->layer_count; l++)
        any = any || cascade->layers[l].ending.activate;
    return any;
}

ln_status ln_factored_make_through(ln_model *model, const ln_function_options *options,
                                   int64_t width, ln_factored *out, ln_error *err)
{
    ln_status status = ln_model_cascade(model, options, out->cut, &out->cascade, err);
    out->through = !status && out->cascade.layers;
    out->hidden = out->through ? ln_cascade_padded(width) : width;
    out->run = ln_kernels_cascade();
    out->exact = out->through && levels(&out->cascade);
    return status;
}

/* Of a run of all groups a run has, and of the last run. */
ln_status ln_factored_list_outside(ln_factored *it, ln_error *err)
{
    const size_t subsets = (size_t)1 << it->bits;
    for (int i = 0; i < 2; i++) {
        const int64_t groups = i == 0 ? it->bits : ln_factored_groups_of(it, it->runs - 1);
        it->outside[i] = ln_calloc(subsets, sizeof *it->outside[i]);
        if (!it->outside[i])
            return ln_fail_memory(err, subsets * sizeof *it->outside[i]);
        for (int64_t s = 0; s < (int64_t)1 << groups; s++)
            it->outside[i][s] = (uint16_t)(((1 << groups) - 1) ^ s);
    }
    return LN_OK;
}

void ln_factored_free_through(ln_factored *it)
{
    ln_cascade_free(&it->cascade);
    ln_free(it->outside[0]);
    ln_free(it->outside[1]);
    ln_free_aligned(it->only_start);
    ln_free_aligned(it->only_begin);
}

/* Mixtures as the kernel wants them: some rows more may be read and written. */
static int64_t padded(int64_t count)
{
    return (count + LN_CASCADE_ROWS - 1) / LN_CASCADE_ROWS * LN_CASCADE_ROWS;
}

void ln_factored_carve_through(const ln_factored *it, ln_factored_buffers *made, ln_carver *carver)
{
    const int64_t run = it->hidden << it->bits, block = LN_FACTORED_BLOCK;
    made->of_other = ln_carve(carver, run, sizeof *made->of_other);
    made->of_groups = ln_carve(carver, it->groups->count * it->hidden, sizeof *made->of_groups);
    made->both = ln_carve(carver, run * it->runs, sizeof *made->both);
    made->chosen = ln_carve(carver, block * it->runs, sizeof *made->chosen);
    made->order = ln_carve(carver, block, sizeof *made->order);
    made->spare = ln_carve(carver, block, sizeof *made->spare);
    made->key = ln_carve(carver, block, sizeof *made->key);
    made->sum = ln_carve(carver, block, sizeof *made->sum);
    if (it->exact) {
        made->change = ln_carve(carver, it->groups->count * it->hidden, sizeof *made->change);
        made->begin = ln_carve(carver, it->hidden, sizeof *made->begin);
    }
    made->moves = ln_carve(carver, it->groups->count, sizeof *made->moves);
}

/* What a row has of each subset of a run, and a reference of what is outside it. */
static void add_run(const ln_factored *it, const ln_factored_buffers *at, int64_t run,
                    const float *other)
{
    const int64_t first = (run << it->bits) * it->hidden;
    it->gather(&(ln_gather){.rows = (int64_t)1 << ln_factored_groups_of(it, run),
                            .width = it->hidden,
                            .count = 1,
                            .parts = (int64_t)1 << it->bits,
                            .start = at->of_row + first,
                            .start_row = it->hidden,
                            .tables = other,
                            .chosen = it->outside[run == it->runs - 1],
                            .y = at->both + first});
}

void ln_factored_row_through(const ln_factored *it, const ln_factored_buffers *at)
{
    for (int64_t run = 0; run < it->runs && it->only; run++)
        add_run(it, at, run, it->only + (run << it->bits) * it->hidden);
}

void ln_factored_other_through(const ln_factored *it, const ln_factored_buffers *at, const float *r)
{
    ln_factored_columns(it, r, at->group);
    for (int64_t run = 0; run < it->runs; run++) {
        ln_factored_fill(it, run, at->group, at->of_other);
        add_run(it, at, run, at->of_other);
    }
}

/* Where the sums of a subset of a run stand, in panels. */
static uint16_t place(const ln_factored *it, int64_t run, uint64_t subset)
{
    const int64_t panels = it->hidden / LN_CASCADE_PANEL;
    return (uint16_t)(((run << it->bits) + (int64_t)subset) * panels);
}

/* Of all runs of a mask. */
static void place_mask(const ln_factored *it, const uint64_t *mask, uint16_t *chosen)
{
    for (int64_t run = 0; run < it->runs; run++)
        chosen[run] = place(
            it, run, ln_factored_bits_of(mask, run * it->bits, ln_factored_groups_of(it, run)));
}

/* Of one word: what is beyond the last group is in no mask. */
static void place_word(const ln_factored *it, uint64_t mask, uint16_t *chosen)
{
    const uint32_t panels = (uint32_t)(it->hidden / LN_CASCADE_PANEL), step = panels << it->bits;
    const uint32_t subset = ((uint32_t)1 << it->bits) - 1;
    uint32_t first = 0;
    for (int64_t run = 0; run < it->runs; run++, first += step, mask >>= it->bits)
        chosen[run] = (uint16_t)(first + ((uint32_t)mask & subset) * panels);
}

/* By the mask's last groups, digit by digit from the lowest. */
static void sort(const ln_factored *it, const ln_factored_buffers *at, const uint64_t *masks,
                 int64_t words, int64_t count)
{
    enum { DIGITS = 1 << DIGIT_BITS };
    const int64_t groups = it->groups->count, bits = groups < KEY_BITS ? groups : KEY_BITS;
    int32_t *from = at->order, *to = at->spare;
    for (int64_t c = 0; c < count; c++)
        at->key[c] = ln_factored_bits_of(masks + c * words, groups - bits, bits);
    for (int shift = 0; shift < KEY_BITS; shift += DIGIT_BITS) {
        int32_t next[DIGITS] = {0}, begin = 0;
        for (int64_t c = 0; c < count; c++)
            next[at->key[c] >> shift & (DIGITS - 1)]++;
        for (int d = 0; d < DIGITS; d++) {
            const int32_t number = next[d];
            next[d] = begin;
            begin += number;
        }
        for (int64_t c = 0; c < count; c++)
            to[next[at->key[from[c]] >> shift & (DIGITS - 1)]++] = from[c];
        int32_t *kept = from;
        from = to;
        to = kept;
    }
}

void ln_factored_masks_through(const ln_factored *it, const ln_factored_buffers *at,
                               const uint64_t *masks, int64_t words, int64_t count, bool alike)
{
    for (int64_t c = 0; c < count; c++)
        at->order[c] = (int32_t)c;
    if (alike)
        sort(it, at, masks, words, count);
    uint16_t *chosen = at->chosen;
    for (int64_t c = 0; c < count; c++, chosen += it->runs)
        if (words == 1)
            place_word(it, masks[at->order[c]], chosen);
        else
            place_mask(it, masks + at->order[c] * words, chosen);
    memset(chosen, 0, (size_t)((padded(count) - count) * it->runs) * sizeof *chosen);
}

void ln_factored_clear(const ln_factored_buffers *at, int64_t count)
{
    memset(at->sum, 0, (size_t)padded(count) * sizeof *at->sum);
}

void ln_factored_add(const ln_factored *it, const ln_factored_buffers *at, int64_t count,
                     int64_t output)
{
    it->run(&it->cascade, &(ln_cascade_rows){.count = count,
                                             .tables = it->runs,
                                             .start = it->bias,
                                             .parts = at->both,
                                             .chosen = at->chosen,
                                             .output = output,
                                             .output_count = 1,
                                             .sum = at->sum});
}

/* The sum of a whole run, one group after the other as ln_factored_fill adds them to nothing. */
static void add_whole_run(const ln_factored *it, int64_t run, const float *group, float *sum)
{
    static const uint16_t whole[LN_FACTORED_MOST_BITS] = {0};
    static const float nothing[LN_CASCADE_WIDEST] = {0};
    it->gather(&(ln_gather){.rows = 1,
                            .width = it->hidden,
                            .count = ln_factored_groups_of(it, run),
                            .parts = 1,
                            .start = nothing,
                            .tables = group,
                            .chosen = whole,
                            .y = sum});
}

void ln_factored_take(const ln_factored *it, const ln_factored_buffers *at, const float *x)
{
    ln_factored_columns(it, x, at->of_groups);
}

void ln_factored_ends_through(const ln_factored *it, const ln_factored_buffers *at, const float *r)
{
    const int64_t panels = it->hidden / LN_CASCADE_PANEL, ends = r ? 2 : 1;
    if (r)
        ln_factored_columns(it, r, at->group);
    for (int64_t end = 0; end < ends; end++) {
        const float *groups = end == 0 ? at->of_groups : at->group;
        for (int64_t run = 0; run < it->runs; run++) {
            const int64_t place = end * it->runs + run;
            add_whole_run(it, run, groups + run * it->bits * it->hidden,
                          at->both + place * it->hidden);
            at->chosen[place] = (uint16_t)(place * panels);
        }
    }
    memset(at->chosen + ends * it->runs, 0,
           (size_t)((padded(ends) - ends) * it->runs) * sizeof *at->chosen);
}

void ln_factored_walks(const ln_factored *it, const ln_factored_buffers *at, const int32_t *group,
                       int64_t count)
{
    const int32_t panels = (int32_t)(it->hidden / LN_CASCADE_PANEL);
    for (int64_t i = 0; i < count; i++)
        at->chosen[i] = (uint16_t)(group[i] * panels);
    memset(at->chosen + count, 0, (size_t)(padded(count) - count) * sizeof *at->chosen);
    memset(at->moves, 0, (size_t)it->groups->count * sizeof *at->moves);
}

/* Where a walk begins, (2, hidden) of which the first counts: all of the reference, added as in a mixture with nothing
 * of x. */
static void begin_walk(const ln_factored *it, const float *group, float *start)
{
    const int64_t hidden = it->hidden;
    float *whole = start + hidden;
    memcpy(start, it->bias, (size_t)hidden * sizeof *start);
    for (int64_t run = 0; run < it->runs; run++) {
        add_whole_run(it, run, group, whole);
        group += ln_factored_groups_of(it, run) * hidden;
        for (int64_t o = 0; o < hidden; o++)
            start[o] += whole[o];
    }
}

static void begin_exactly(const ln_factored *it, const float *group, double *begin)
{
    for (int64_t o = 0; o < it->hidden; o++)
        begin[o] = (double)it->bias[o];
    for (int64_t g = 0; g < it->groups->count; g++, group += it->hidden)
        for (int64_t o = 0; o < it->hidden; o++)
            begin[o] += (double)group[o];
}

ln_status ln_factored_keep_start(ln_factored *it, ln_error *err)
{
    const size_t hidden = (size_t)it->hidden;
    it->only_start = ln_alloc_aligned(2 * hidden * sizeof *it->only_start);
    it->only_begin = ln_alloc_aligned(hidden * sizeof *it->only_begin);
    if (!it->only_start || !it->only_begin)
        return ln_fail_memory(err, hidden * sizeof *it->only_begin);
    begin_walk(it, it->only_group, it->only_start);
    begin_exactly(it, it->only_group, it->only_begin);
    return LN_OK;
}

void ln_factored_walk_from(const ln_factored *it, const ln_factored_buffers *at, const float *r)
{
    const int64_t groups = it->groups->count;
    const float *of_r = it->only_group ? it->only_group : at->group;
    if (!it->only_group)
        ln_factored_columns(it, r, at->group);
    if (it->exact)
        it->walks->exact_changes(groups, it->hidden, at->of_groups, of_r, at->change, at->moves);
    else
        it->walks->changes(groups, it->hidden, at->of_groups, of_r, at->both, at->moves);
    if (!it->only_group && it->exact)
        begin_exactly(it, of_r, at->begin);
    else if (!it->only_group)
        begin_walk(it, of_r, at->of_other);
}

void ln_factored_walk(const ln_factored *it, const ln_factored_buffers *at, int64_t count,
                      int64_t walk, int64_t output)
{
    it->run(&it->cascade,
            &(ln_cascade_rows){.count = count,
                               .tables = 1,
                               .walk = walk,
                               .start = it->only_group ? it->only_start : at->of_other,
                               .parts = at->both,
                               .walk_start = it->only_group ? it->only_begin : at->begin,
                               .changes = at->change,
                               .chosen = at->chosen,
                               .output = output,
                               .output_count = 1,
                               .sum = at->sum});
}

/* What ln_factored_outputs works on. */
typedef struct scratch {
    float *group, *parts; /* (groups, hidden), (ROWS, runs, hidden) */
    uint16_t *chosen;     /* (ROWS, runs): a row's runs are its own */
    double *found;        /* (outputs, ROWS) */
} scratch;

static scratch carve(const ln_factored *it, ln_carver *carver)
{
    scratch made = {0};
    made.group = ln_carve(carver, it->groups->count * it->hidden, sizeof *made.group);
    made.parts = ln_carve(carver, ROWS * it->runs * it->hidden, sizeof *made.parts);
    made.chosen = ln_carve(carver, ROWS * it->runs, sizeof *made.chosen);
    made.found = ln_carve(carver, ROWS * it->cascade.outputs, sizeof *made.found);
    return made;
}

ln_status ln_factored_outputs(const ln_factored *it, const float *rows, int64_t width,
                              int64_t count, double *sum, ln_error *err)
{
    const int64_t outputs = it->cascade.outputs, floats = it->runs * it->hidden;
    ln_carver carver = {0};
    carve(it, &carver);
    const size_t bytes = carver.used;
    carver = (ln_carver){.base = ln_alloc_aligned(bytes)};
    if (!carver.base)
        return ln_fail_memory(err, bytes);
    scratch at = carve(it, &carver);
    memset(at.parts, 0, (size_t)(ROWS * floats) * sizeof *at.parts);
    for (int64_t i = 0; i < ROWS * it->runs; i++)
        at.chosen[i] = (uint16_t)(i * it->hidden / LN_CASCADE_PANEL);
    memset(sum, 0, (size_t)outputs * sizeof *sum);
    for (int64_t done = 0; done < count; done += ROWS) {
        const int64_t block = count - done < ROWS ? count - done : ROWS;
        for (int64_t r = 0; r < block; r++) {
            ln_factored_columns(it, rows + (done + r) * width, at.group);
            for (int64_t run = 0; run < it->runs; run++)
                add_whole_run(it, run, at.group + run * it->bits * it->hidden,
                              at.parts + r * floats + run * it->hidden);
        }
        memset(at.found, 0, (size_t)(ROWS * outputs) * sizeof *at.found);
        it->run(&it->cascade, &(ln_cascade_rows){.count = block,
                                                 .tables = it->runs,
                                                 .start = it->bias,
                                                 .parts = at.parts,
                                                 .chosen = at.chosen,
                                                 .output_count = outputs,
                                                 .sum = at.found,
                                                 .sum_row = ROWS});
        for (int64_t o = 0; o < outputs; o++)
            for (int64_t r = 0; r < block; r++)
                sum[o] += at.found[o * ROWS + r];
    }
    ln_free_aligned(carver.base);
    return LN_OK;
}
