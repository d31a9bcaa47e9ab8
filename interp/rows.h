/* From a query to printed rows, and the parameters of --param. */
#ifndef LN_ROWS_H
#define LN_ROWS_H

#include "table.h"

/* Runs a query to its end and prints its rows; *rows (may be NULL) is their number. A statement
 * that returns no columns (an UPDATE) prints nothing. `terse`: see ln_table_terse. */
ln_status ln_rows_print_query(ln_query *query, ln_format format, bool terse, FILE *out,
                              int64_t *rows, ln_error *err);
/* The same for the one statement of `sql`; a second one after it is an error. */
ln_status ln_rows_print(ln_store *store, const char *sql, const ln_query_options *options,
                        ln_format format, FILE *out, int64_t *rows, ln_error *err);

/* "name=value" as a cell: a whole number or a decimal number in its usual spelling is a number,
 * all else text. `name` receives a copy, to be freed. LN_EINVALID without a name. */
ln_status ln_param_cell(const char *text, ln_cell *out, char **name, ln_error *err);

#endif
