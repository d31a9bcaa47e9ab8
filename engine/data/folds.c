/* Cross-validation: the rows in k folds, each of which is the test part of one run.
 *
 * Rows are sorted by class (not stratified: all are one class), shuffled within it by (seed, "fold",
 * repeat), and dealt out in turn: the row at place p of this order is in fold p mod k. So the folds
 * of a class differ by at most one row, and so do the folds as wholes; scikit-learn's
 * StratifiedKFold gives the same sizes. With groups whole groups are dealt out (groups.c).
 *
 * A validation part is drawn from the rows outside the fold by (seed, "fold validation", repeat,
 * fold), with the classes' shares where folds have them. Cost: rows. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/parts.h"

#include <math.h>

static ln_status check(const ln_dataset *dataset, const ln_split_options *options, ln_error *err)
{
    if (options->folds < 2 || options->folds > dataset->rows)
        return ln_fail(err, LN_EINVALID,
                       "%d folds of %lld rows are not possible; from 2 to %lld are", options->folds,
                       (long long)dataset->rows, (long long)dataset->rows);
    if (options->fold < 0 || options->fold >= options->folds)
        return ln_fail(err, LN_EINVALID, "there is no fold %d; folds are 0 to %d", options->fold,
                       options->folds - 1);
    return LN_OK;
}

/* Fold of each row, drawn row by row. */
static ln_status deal(const ln_dataset *dataset, const ln_split_options *options, ln_rng rng,
                      int32_t *fold_of, ln_error *err)
{
    const int64_t classes = options->stratify ? dataset->class_count : 1;
    int64_t *first = ln_calloc((size_t)classes + 1, sizeof *first);
    int64_t *next = ln_alloc((size_t)classes * sizeof *next);
    int64_t *order = ln_alloc((size_t)dataset->rows * sizeof *order);
    ln_status status = LN_OK;
    if (!first || !next || !order) {
        status = ln_fail_memory(err, (size_t)dataset->rows * sizeof *order);
        goto out;
    }
    for (int64_t i = 0; i < dataset->rows; i++)
        first[(options->stratify ? dataset->labels[i] : 0) + 1]++;
    for (int64_t c = 0; c < classes; c++) {
        next[c] = first[c];
        first[c + 1] += first[c];
    }
    for (int64_t i = 0; i < dataset->rows; i++)
        order[next[options->stratify ? dataset->labels[i] : 0]++] = i;
    for (int64_t c = 0; c < classes; c++)
        ln_rng_shuffle(&rng, order + first[c], (size_t)(first[c + 1] - first[c]));
    for (int64_t p = 0; p < dataset->rows; p++)
        fold_of[order[p]] = (int32_t)(p % options->folds);
out:
    ln_free(first);
    ln_free(next);
    ln_free(order);
    return status;
}

static ln_status deal_groups(const ln_dataset *dataset, const ln_split_options *options, ln_rng rng,
                             int32_t *fold_of, ln_error *err)
{
    double *sizes = ln_alloc((size_t)options->folds * sizeof *sizes);
    if (!sizes)
        return ln_fail_memory(err, (size_t)options->folds * sizeof *sizes);
    for (int f = 0; f < options->folds; f++)
        sizes[f] = (double)dataset->rows / options->folds;
    const ln_group_fill fill = {sizes, options->folds, NULL, 0, rng};
    ln_status status = ln_groups_fill(dataset, &fill, fold_of, err);
    ln_free(sizes);
    return status;
}

/* ---------------------------------------------------------------- validation */

static ln_status validation_of_groups(ln_dataset *dataset, const ln_split_options *options,
                                      const ln_part_sizes *sizes, ln_rng rng, ln_error *err)
{
    const double wanted[LN_PARTS] = {(double)sizes->rows[0], 0, (double)sizes->rows[2]};
    const ln_group_fill fill = {wanted, LN_PARTS, dataset->fold_of, options->fold, rng};
    int32_t *part = ln_alloc((size_t)dataset->rows * sizeof *part);
    if (!part)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *part);
    ln_status status = ln_groups_fill(dataset, &fill, part, err);
    for (int64_t i = 0; i < dataset->rows && status == LN_OK; i++) {
        if (dataset->fold_of[i] != options->fold)
            dataset->split[i] = (int8_t)part[i];
    }
    ln_free(part);
    return status;
}

static ln_status draw_validation(ln_dataset *dataset, const ln_split_options *options,
                                 ln_error *err)
{
    const double asked = options->validation;
    const ln_rng rng = ln_rng_make(options->seed, "fold validation", (uint64_t)options->repeat,
                                   (uint64_t)options->fold);
    int64_t count = 0,
            wanted = (int64_t)(asked > 1 ? asked : floor(asked * (double)dataset->rows + 0.5));
    int64_t *rows = ln_alloc((size_t)dataset->rows * sizeof *rows);
    if (!rows)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *rows);
    for (int64_t i = 0; i < dataset->rows; i++) {
        if (dataset->fold_of[i] != options->fold)
            rows[count++] = i;
    }
    ln_status status;
    if (!(asked > 0) || wanted < 1 || wanted >= count) {
        status =
            ln_fail(err, LN_EINVALID, "validation = %g is no part of the %lld rows outside a fold",
                    asked, (long long)count);
        goto out;
    }
    const double share = (double)wanted / (double)count;
    const ln_part_sizes sizes = {{count - wanted, 0, wanted}, {1 - share, 0, share}};
    status = dataset->groups
                 ? validation_of_groups(dataset, options, &sizes, rng, err)
                 : ln_parts_deal(dataset, rows, count, options->stratify, &sizes, rng, err);
out:
    ln_free(rows);
    return status;
}

ln_status ln_folds_draw(ln_dataset *dataset, const ln_split_options *options, ln_error *err)
{
    const ln_rng rng = ln_rng_make(options->seed, "fold", (uint64_t)options->repeat, 0);
    ln_status status = check(dataset, options, err);
    if (status != LN_OK)
        return status;
    if (!dataset->fold_of)
        dataset->fold_of = ln_alloc((size_t)dataset->rows * sizeof *dataset->fold_of);
    if (!dataset->fold_of)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *dataset->fold_of);
    status = dataset->groups ? deal_groups(dataset, options, rng, dataset->fold_of, err)
                             : deal(dataset, options, rng, dataset->fold_of, err);
    if (status != LN_OK)
        return status;
    for (int64_t i = 0; i < dataset->rows; i++)
        dataset->split[i] = dataset->fold_of[i] == options->fold ? LN_SPLIT_TEST : LN_SPLIT_TRAIN;
    return options->validation != 0 ? draw_validation(dataset, options, err) : LN_OK;
}
