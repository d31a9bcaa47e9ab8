/* lunette show DATA.csv. Part of the command show. */
#ifndef LN_SHOW_DATA_H
#define LN_SHOW_DATA_H

#include "../table.h"

/* Prints a line a column; `common`: how many frequent values each shows. The errors of ln_csv_read. */
ln_status ln_show_data(const char *path, ln_format format, int common, ln_error *err);

#endif
