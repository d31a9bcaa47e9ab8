/* A CSV column's cells, before they become numbers or categories. */
#ifndef LN_DATA_CELLS_H
#define LN_DATA_CELLS_H

#include "lunette.h"

/* Cells that mean "missing" become NULL; returns how many. Compared without the blanks around them
 * with the texts of `missing` (NULL-terminated; NULL: "", "NA", "NaN", "nan", "null", "?"). */
int64_t ln_cells_mark_missing(char **cells, int64_t rows, const char *const *missing);
/* Reads cells as numbers (NULL: NaN) as far as that goes; the first row that is none, or -1. */
int64_t ln_cells_read_numbers(char *const *cells, int64_t rows, double *numbers);

#endif
