/* Columns that would be taken for categories and hardly are: dates, free text, identifiers. */
#ifndef LN_DATA_SUSPECT_H
#define LN_DATA_SUSPECT_H

#include "data/table.h"

/* True when there are values (cells that are not NULL) and every one is a date: 2024-01-31,
 * 2024/01/31, 31.01.2024 or 01/31/2024, with a time of day behind it or not. */
bool ln_column_is_dates(char *const *cells, int64_t rows);
/* More than 50 different texts, and more than nine values in ten are: no categories. */
bool ln_column_is_text(int32_t distinct, int64_t values);

ln_status ln_refuse_dates(const ln_csv_table *table, int column, ln_error *err);
ln_status ln_refuse_text(const ln_csv_table *table, int column, int32_t distinct, ln_error *err);

#endif
