/* Parts made of whole groups (patients, customers, sites): rows of one group never stand on both
 * sides of a split, so that a model is tested on groups it has not seen.
 *
 * Groups are drawn in random order, each into the part that is then furthest below its size (ties:
 * the first part). A part is off by less than the largest group. While there are only as many groups
 * left as parts without one, each of these gets one, so that none stays empty. Cost: rows + groups x
 * parts. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/parts.h"
#include "data/table.h"

/* The part for the next group: among the empty ones only, where `only_empty`. */
static int choose(const ln_group_fill *fill, const int64_t *filled, bool only_empty)
{
    int best = -1;
    for (int p = 0; p < fill->parts; p++) {
        if (fill->sizes[p] <= 0 || (only_empty && filled[p] > 0))
            continue;
        if (best < 0 ||
            fill->sizes[p] - (double)filled[p] > fill->sizes[best] - (double)filled[best])
            best = p;
    }
    return best;
}

/* counts: rows of each group that takes part; order: their numbers, shuffled; part: of each. */
static ln_status assign(const ln_dataset *dataset, const ln_group_fill *fill, const int64_t *counts,
                        int64_t *order, int32_t *part, ln_error *err)
{
    ln_rng rng = fill->rng;
    int64_t groups = 0;
    int empty = 0;
    int64_t *filled = ln_calloc((size_t)fill->parts, sizeof *filled);
    if (!filled)
        return ln_fail_memory(err, (size_t)fill->parts * sizeof *filled);
    for (int32_t g = 0; g < dataset->group_count; g++) {
        if (counts[g] > 0)
            order[groups++] = g;
    }
    for (int p = 0; p < fill->parts; p++)
        empty += fill->sizes[p] > 0;
    if (groups < empty) {
        ln_free(filled);
        return ln_fail(
            err, LN_EINVALID,
            "column '%s' has %lld different values, too few for %d parts that share none",
            ln_csv_show(dataset->group_name).text, (long long)groups, empty);
    }
    ln_rng_shuffle(&rng, order, (size_t)groups);
    for (int64_t i = 0; i < groups; i++) {
        int p = choose(fill, filled, groups - i <= empty);
        empty -= filled[p] == 0;
        filled[p] += counts[order[i]];
        part[order[i]] = p;
    }
    ln_free(filled);
    return LN_OK;
}

static bool takes_part(const ln_group_fill *fill, int64_t row)
{
    return !fill->of || fill->of[row] != fill->without;
}

ln_status ln_groups_fill(const ln_dataset *dataset, const ln_group_fill *fill, int32_t *out,
                         ln_error *err)
{
    const size_t groups = (size_t)dataset->group_count;
    int64_t *counts = ln_calloc(groups, sizeof *counts);
    int64_t *order = ln_alloc(groups * sizeof *order);
    int32_t *part = ln_alloc(groups * sizeof *part);
    ln_status status = LN_OK;
    if (!counts || !order || !part) {
        status = ln_fail_memory(err, groups * sizeof *counts);
        goto out;
    }
    for (int64_t i = 0; i < dataset->rows; i++)
        counts[dataset->groups[i]] += takes_part(fill, i);
    status = assign(dataset, fill, counts, order, part, err);
    for (int64_t i = 0; i < dataset->rows && status == LN_OK; i++) {
        if (takes_part(fill, i))
            out[i] = part[dataset->groups[i]];
    }
out:
    ln_free(counts);
    ln_free(order);
    ln_free(part);
    return status;
}
