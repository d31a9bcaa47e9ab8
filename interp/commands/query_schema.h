/* lunette query --schema: what can be asked. */
#ifndef LN_QUERY_SCHEMA_H
#define LN_QUERY_SCHEMA_H

#include <stdio.h>

#include "../command.h"
#include "../table.h"

/* All tables, views and functions; of the operand, where there is one, its columns. */
ln_status ln_query_schema(ln_store *store, const ln_options *options, ln_format format, FILE *out,
                          ln_error *err);

#endif
