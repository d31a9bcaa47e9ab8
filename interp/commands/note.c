/* lunette note: what people have to say about a run. */
#include <stdio.h>

#include "../command.h"
#include "../rows.h"
#include "base/error.h"

static ln_status print_notes(ln_store *store, int64_t run, ln_format format, ln_error *err)
{
    const ln_cell cell = {.column = "run", .type = LN_CELL_INT, .integer = run};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
    return ln_rows_print(
        store,
        people ? "SELECT substr(replace(at, 'T', ' '), 1, 19) AS at, message AS note FROM event "
                 "WHERE run = :run AND level = 'note' ORDER BY id"
               : "SELECT at, message AS note FROM event WHERE run = :run AND level = 'note' "
                 "ORDER BY id",
        &params, format, stdout, NULL, err);
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    ln_store *store = NULL;
    int64_t id;
    bool write = options->operands.count > 1;
    ln_status status = ln_format_parse(options->format, &format, err);
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK)
        status = ln_store_find_run(store, options->operands.at[0], &id, err);
    if (status == LN_OK && !write)
        status = print_notes(store, id, format, err);
    ln_store_close(store);
    store = NULL;
    if (status == LN_OK && write) {
        status = ln_store_open(options->db, LN_STORE_WRITE, &store, err);
        if (status == LN_OK)
            status = ln_store_note(store, id, options->operands.at[1], err);
        ln_store_close(store);
    }
    return (int)status;
}

const ln_command ln_command_note = {
    .name = "note",
    .operands = "RUN [TEXT]",
    .min_operands = 1,
    .max_operands = 2,
    .options = "db format",
    .summary = "write a note about a run, or show its notes",
    .details =
        "  lunette note last \"the bureau score was one month late here\"\n"
        "  lunette note 3\n"
        "Notes are kept with their time (events of level note); a later one stands beside the\n"
        "earlier ones. `lunette show` shows them.",
    .run = run,
};
