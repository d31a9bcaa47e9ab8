/* lunette gc: removes what no run refers to any more and gives the space back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../table.h"
#include "base/error.h"

/* What was found, as a table. */
typedef struct collected {
    ln_table *table;  /* what, rows, bytes */
    int64_t rows;     /* of all kinds */
    ln_status status; /* of adding a row */
    ln_error *err;    /* with it */
} collected;

static void add(void *context, const char *what, int64_t rows, int64_t bytes)
{
    collected *c = context;
    const ln_cell cells[] = {
        {.type = LN_CELL_TEXT, .data = what, .bytes = strlen(what)},
        {.type = LN_CELL_INT, .integer = rows},
        {.type = LN_CELL_INT, .integer = bytes},
    };
    c->rows += rows;
    if (c->status == LN_OK)
        c->status = ln_table_row(c->table, cells, c->err);
}

static ln_status collect(ln_store *store, const ln_options *options, ln_format format,
                         ln_error *err)
{
    static const ln_table_column columns[] = {{"unused", NULL}, {"rows", NULL}, {"bytes", NULL}};
    collected c = {.err = err};
    int64_t bytes = 0;
    ln_status status =
        ln_table_new(stdout, options->quiet ? LN_FORMAT_TABLE : format, columns, 3, &c.table, err);
    if (status == LN_OK)
        status = ln_store_collect(store, options->dry_run, add, &c, err);
    if (status == LN_OK)
        status = c.status;
    if (status == LN_OK && !options->quiet)
        status = ln_table_end(c.table, err);
    ln_table_free(c.table);
    bool shrink = status == LN_OK && !options->dry_run && !options->no_vacuum;
    if (shrink)
        status = ln_store_shrink(store, &bytes, err);
    if (shrink && status != LN_OK)
        ln_error_prefix(err, "the rows were removed, but their space stays in the file");
    else if (bytes > 0 && !options->quiet)
        fprintf(stderr, "the store is %" PRId64 " bytes smaller\n", bytes);
    return status;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_store *store = NULL;
    ln_format format;
    ln_status status = ln_format_parse(options->format, &format, err);
    /* A reader first: nothing is made where there is no store. */
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    ln_store_close(store);
    store = NULL;
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_WRITE, &store, err);
    if (status == LN_OK)
        status = collect(store, options, format, err);
    ln_store_close(store);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"dry-run", "", "tell what would go, remove nothing"},
    {"quiet", "", "print nothing"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_gc = {
    .name = "gc",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .options = "db dry-run no-vacuum format",
    .notes = notes,
    .summary = "remove data, models and tensors that no run refers to any more",
    .details =
        "After `lunette rm`: models, data sets with their samples, tensors, scripts, environments\n"
        "and experiments that no run refers to. Nothing is removed while a run is being written.\n"
        "Then the file is written anew without its free pages (VACUUM), which takes as much disk\n"
        "again as the store for a moment; with --no-vacuum they stay in the file, and later runs\n"
        "fill them.",
    .run = run,
};
