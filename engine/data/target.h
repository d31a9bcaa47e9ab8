/* From the cells of a CSV's target column to class ids or numbers. */
#ifndef LN_DATA_TARGET_H
#define LN_DATA_TARGET_H

#include "data/dataset.h"
#include "data/table.h"

/* Fills the target's fields of `dataset`; missing cells of `column` are NULL (an error here). What
 * was made before an error is freed with the data set. */
ln_status ln_csv_target(const ln_csv_table *table, int column, const ln_csv_options *options,
                        ln_dataset *dataset, ln_error *err);

#endif
