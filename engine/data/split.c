/* Dividing the rows among train, test and validation.
 *
 * Sizes: the shares times the number of rows, rounded by largest remainders so that they add up
 * (Hamilton's method). Stratified, every class is shared out the same way while the splits keep
 * these sizes: each (class, split) gets the whole part of rows of the class times share; what is
 * left goes to the cells with the greatest fractions that still have room in their class and their
 * split (ties: lower class, then train before test before validation). Then the rows of a class are
 * shuffled and dealt out in order. Cost: n log n. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPLITS LN_PARTS

static const char *const split_names[SPLITS] = {"train", "test", "validation"};

/* A (class, split) that may get one more row. */
typedef struct cell {
    double fraction;
    int64_t at; /* class * SPLITS + split */
} cell;

static int by_fraction(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    if (x->fraction != y->fraction)
        return x->fraction < y->fraction ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Fills in what is left to the rest (NAN): test 0.25 where train is open too, then what the others
 * leave. *counts: numbers of rows are meant, not shares. */
static ln_status complete(const ln_split_options *options, int64_t rows, double asked[SPLITS],
                          bool *counts, ln_error *err)
{
    bool fractions = false;
    double sum = 0;
    *counts = false;
    for (int s = 0; s < SPLITS; s++) {
        if (isnan(asked[s]) && s != LN_SPLIT_VALIDATION)
            continue;
        if (!(asked[s] >= 0) || isinf(asked[s]) || (asked[s] > 1 && asked[s] != floor(asked[s])))
            return ln_fail(err, LN_EINVALID,
                           "%s = %g is no part of a split; give a share from 0 to 1 or a number of "
                           "rows",
                           split_names[s], asked[s]);
        *counts = *counts || asked[s] > 1;
        fractions = fractions || (asked[s] > 0 && asked[s] <= 1);
        sum += asked[s];
    }
    if (*counts && fractions)
        return ln_fail(err, LN_EINVALID,
                       "a split is given either in shares (up to 1) or in numbers of rows (2 or "
                       "more), not in both");
    const double whole = *counts ? (double)rows : 1;
    if (isnan(options->train) && isnan(options->test))
        sum += asked[LN_SPLIT_TEST] = *counts ? floor(whole / 4) : 0.25;
    for (int s = 0; s < SPLITS; s++) {
        if (isnan(asked[s]))
            sum += asked[s] = whole - sum > 1e-9 ? whole - sum : 0;
    }
    if (*counts && sum != whole)
        return ln_fail(err, LN_EINVALID,
                       "the split asks for %.0f rows in all, and the data set has %lld", sum,
                       (long long)rows);
    if (!*counts && fabs(sum - 1) > 1e-9)
        return ln_fail(err, LN_EINVALID,
                       "the shares of a split must add up to 1; train, test and validation make "
                       "%.10g",
                       sum);
    return LN_OK;
}

/* Rows of each split: counts as they are, shares by largest remainders. */
static ln_status split_sizes(const ln_split_options *options, int64_t rows, ln_part_sizes *out,
                             ln_error *err)
{
    int64_t *sizes = out->rows;
    double *shares = out->shares;
    double asked[SPLITS] = {options->train, options->test, options->validation};
    bool counts;
    ln_status status = complete(options, rows, asked, &counts, err);
    if (status != LN_OK)
        return status;
    cell cells[SPLITS];
    int64_t left = rows;
    for (int s = 0; s < SPLITS; s++) {
        double exact = counts ? asked[s] : asked[s] * (double)rows;
        shares[s] = exact / (double)rows;
        sizes[s] = (int64_t)floor(exact + 1e-9); /* 0.7 * 10 is 7, whatever its last bit says */
        cells[s] = (cell){exact - (double)sizes[s], s};
        left -= sizes[s];
    }
    qsort(cells, SPLITS, sizeof *cells, by_fraction);
    for (int s = 0; left > 0; s = (s + 1) % SPLITS) {
        if (asked[cells[s].at] > 0) {
            sizes[cells[s].at]++;
            left--;
        }
    }
    for (int s = 0; s < SPLITS; s++) {
        if (asked[s] > 0 && sizes[s] == 0)
            return ln_fail(err, LN_EINVALID,
                           "the %s split would be empty: %s = %g of %lld rows is less than one",
                           split_names[s], split_names[s], asked[s], (long long)rows);
    }
    return LN_OK;
}

/* share[class * SPLITS + split]: rows of the class in the split. Sums over splits are the classes'
 * counts, sums over classes the splits' sizes. */
static ln_status share_out(const int64_t *counts, int64_t classes, const int64_t sizes[SPLITS],
                           const double shares[SPLITS], int64_t *share, ln_error *err)
{
    int64_t room[SPLITS] = {sizes[0], sizes[1], sizes[2]}, left = 0;
    cell *cells = ln_alloc((size_t)classes * SPLITS * sizeof *cells);
    int64_t *unplaced = ln_alloc((size_t)classes * sizeof *unplaced);
    if (!cells || !unplaced) {
        ln_free(cells);
        ln_free(unplaced);
        return ln_fail_memory(err, (size_t)classes * SPLITS * sizeof *cells);
    }
    for (int64_t c = 0; c < classes; c++) {
        unplaced[c] = counts[c];
        for (int s = 0; s < SPLITS; s++) {
            double exact = (double)counts[c] * shares[s];
            int64_t whole = (int64_t)floor(exact + 1e-9);
            whole = whole < unplaced[c] ? whole : unplaced[c];
            whole = whole < room[s] ? whole : room[s];
            share[c * SPLITS + s] = whole;
            cells[c * SPLITS + s] = (cell){exact - (double)whole, c * SPLITS + s};
            unplaced[c] -= whole;
            room[s] -= whole;
        }
        left += unplaced[c];
    }
    qsort(cells, (size_t)classes * SPLITS, sizeof *cells, by_fraction);
    /* The first pass nearly always places all; a class whose splits are full waits for the next. */
    while (left > 0) {
        for (int64_t i = 0; i < classes * SPLITS; i++) {
            int64_t c = cells[i].at / SPLITS, s = cells[i].at % SPLITS;
            if (unplaced[c] > 0 && room[s] > 0) {
                share[cells[i].at]++;
                unplaced[c]--;
                room[s]--;
                left--;
            }
        }
    }
    ln_free(cells);
    ln_free(unplaced);
    return LN_OK;
}

/* Rows sorted by class (one class for all when not stratified), shuffled in each, dealt out. */
ln_status ln_parts_deal(ln_dataset *dataset, const int64_t *rows, int64_t count, bool stratify,
                        const ln_part_sizes *sizes, ln_rng rng, ln_error *err)
{
    int64_t classes = stratify ? dataset->class_count : 1;
    int64_t *counts = ln_calloc((size_t)classes, sizeof *counts);
    int64_t *next = ln_calloc((size_t)classes, sizeof *next);
    int64_t *share = ln_alloc((size_t)classes * SPLITS * sizeof *share);
    int64_t *order = ln_alloc((size_t)count * sizeof *order);
    ln_status status = LN_OK;

    if (!counts || !next || !share || !order) {
        status = ln_fail_memory(err, (size_t)count * sizeof *order);
        goto out;
    }
    for (int64_t i = 0; i < count; i++)
        counts[stratify ? dataset->labels[rows ? rows[i] : i] : 0]++;
    for (int64_t c = 1; c < classes; c++)
        next[c] = next[c - 1] + counts[c - 1];
    for (int64_t i = 0; i < count; i++) {
        const int64_t id = rows ? rows[i] : i;
        order[next[stratify ? dataset->labels[id] : 0]++] = id;
    }
    status = share_out(counts, classes, sizes->rows, sizes->shares, share, err);
    if (status != LN_OK)
        goto out;
    int64_t *row = order;
    for (int64_t c = 0; c < classes; c++) {
        ln_rng_shuffle(&rng, row, (size_t)counts[c]);
        for (int s = 0; s < SPLITS; s++) {
            for (int64_t i = 0; i < share[c * SPLITS + s]; i++)
                dataset->split[*row++] = (int8_t)s;
        }
    }
out:
    ln_free(counts);
    ln_free(next);
    ln_free(share);
    ln_free(order);
    return status;
}

/* Parts of whole groups, near the sizes. */
static ln_status deal_groups(ln_dataset *dataset, const ln_part_sizes *sizes, ln_rng rng,
                             ln_error *err)
{
    double wanted[SPLITS];
    int32_t *part = ln_alloc((size_t)dataset->rows * sizeof *part);
    if (!part)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *part);
    for (int s = 0; s < SPLITS; s++)
        wanted[s] = (double)sizes->rows[s];
    const ln_group_fill fill = {wanted, SPLITS, NULL, 0, rng};
    ln_status status = ln_groups_fill(dataset, &fill, part, err);
    for (int64_t i = 0; i < dataset->rows && status == LN_OK; i++)
        dataset->split[i] = (int8_t)part[i];
    ln_free(part);
    return status;
}

/* Validation rows out of the training rows that files give: a share or number of those. */
static ln_status deal_validation(ln_dataset *dataset, const ln_split_options *options,
                                 ln_error *err)
{
    int64_t count = 0;
    int64_t *rows = ln_alloc((size_t)dataset->rows * sizeof *rows);
    if (!rows)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *rows);
    for (int64_t i = 0; i < dataset->rows; i++) {
        if (dataset->given[i] == LN_SPLIT_TRAIN)
            rows[count++] = i;
    }
    const double asked = options->validation;
    const int64_t wanted = (int64_t)(asked >= 1 ? asked : floor(asked * (double)count + 0.5));
    const double share = (double)wanted / (double)count;
    const ln_part_sizes sizes = {{count - wanted, 0, wanted}, {1 - share, 0, share}};
    ln_status status;
    if (wanted < 1 || wanted >= count)
        status = ln_fail(err, LN_EINVALID, "validation = %g is no part of the %lld training rows",
                         asked, (long long)count);
    else
        status = ln_parts_deal(dataset, rows, count, options->stratify, &sizes,
                               ln_rng_make(options->seed, "validation", 0, 0), err);
    ln_free(rows);
    return status;
}

ln_status ln_dataset_split(ln_dataset *dataset, const ln_split_options *options, ln_error *err)
{
    ln_part_sizes sizes;
    if (!options->folds || dataset->given) {
        ln_free(dataset->fold_of); /* of an earlier division */
        dataset->fold_of = NULL;
    }
    if (dataset->given) {
        memcpy(dataset->split, dataset->given, (size_t)dataset->rows);
        return options->validation > 0 ? deal_validation(dataset, options, err) : LN_OK;
    }
    if (options->stratify && !dataset->labels)
        return ln_fail(err, LN_EINVALID,
                       "a stratified split needs classes; the target of %s is numbers: set "
                       "stratify = false",
                       dataset->name);
    if (options->stratify && dataset->groups)
        return ln_fail(err, LN_EINVALID,
                       "a split by groups (column '%s') cannot be stratified: leave `stratify` out",
                       dataset->group_name);
    if (options->folds)
        return ln_folds_draw(dataset, options, err);
    ln_status status = split_sizes(options, dataset->rows, &sizes, err);
    if (status != LN_OK)
        return status;
    ln_rng rng = ln_rng_make(options->seed, "split", 0, 0);
    return dataset->groups
               ? deal_groups(dataset, &sizes, rng, err)
               : ln_parts_deal(dataset, NULL, dataset->rows, options->stratify, &sizes, rng, err);
}
