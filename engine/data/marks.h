/* Columns of a CSV that say something about the rows and are no features: weights, groups, parts. */
#ifndef LN_DATA_MARKS_H
#define LN_DATA_MARKS_H

#include "data/dataset.h"
#include "data/table.h"

/* Each fills its field of `dataset` from the cells of a column; missing cells are NULL, which is an
 * error here, as is what cannot be meant: the message names line and value. What was made before an
 * error is freed with the data set. */
ln_status ln_csv_weights(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err);
ln_status ln_csv_groups(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err);
ln_status ln_csv_parts(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err);

#endif
