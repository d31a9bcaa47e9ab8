/* Where the SQL of `lunette query` comes from, and where its rows go. */
#ifndef LN_QUERY_INPUT_H
#define LN_QUERY_INPUT_H

#include <stdio.h>

#include "../command.h"
#include "store/store.h"

/* The SQL of the operand: itself, of a file FILE.sql, of standard input (-), or kept (@NAME). Caller
 * frees. */
ln_status ln_query_input(ln_store *store, const ln_options *options, char **sql, ln_error *err);
/* The files of --attach. */
ln_status ln_query_attach(ln_store *store, const ln_options *options, ln_error *err);

/* A file to write rows to. */
typedef struct ln_output {
    FILE *file;       /* to write to */
    const char *path; /* as given */
    char *beside; /* the file that is renamed to it; NULL: written in place (a device, a pipe) */
} ln_output;
/* LN_EINVALID where it is the store itself. */
ln_status ln_output_open(const char *path, const char *store, ln_output *output, ln_error *err);
/* Puts the file into its place where status is LN_OK, else takes it away. */
ln_status ln_output_close(ln_output *output, ln_status status, ln_error *err);

#endif
