/* Between the files that divide rows (split.c, folds.c, groups.c): not for other rooms. */
#ifndef LN_DATA_PARTS_H
#define LN_DATA_PARTS_H

#include "base/rng.h"
#include "data/dataset.h"

#define LN_PARTS 3 /* train, test, validation */

/* How many rows each part is to have. */
typedef struct ln_part_sizes {
    int64_t rows[LN_PARTS];  /* their sum is what there is to share out */
    double shares[LN_PARTS]; /* of that sum, before rounding */
} ln_part_sizes;

/* Shuffles `rows` (all of the data set where it is NULL), by class where `stratify`, and deals them
 * out into dataset->split. */
ln_status ln_parts_deal(ln_dataset *dataset, const int64_t *rows, int64_t count, bool stratify,
                        const ln_part_sizes *sizes, ln_rng rng, ln_error *err);

/* The part (0 .. parts - 1) of each row's group: groups in random order, each into the part that is
 * furthest below its size. Parts of size 0 stay empty, no others do. */
typedef struct ln_group_fill {
    const double *sizes; /* rows a part should have */
    int parts;
    const int32_t *of; /* rows: a mark each, or NULL */
    int32_t without;   /* rows with this mark take no part: theirs stays as it is */
    ln_rng rng;
} ln_group_fill;
ln_status ln_groups_fill(const ln_dataset *dataset, const ln_group_fill *fill, int32_t *out,
                         ln_error *err);

/* Fold and part of each row, into dataset->fold_of and dataset->split. */
ln_status ln_folds_draw(ln_dataset *dataset, const ln_split_options *options, ln_error *err);

#endif
