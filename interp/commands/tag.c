/* lunette tag: names and values that people give to runs. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"

static ln_status print_tags(ln_store *store, const ln_options *options, ln_format format,
                            ln_error *err)
{
    int64_t run;
    ln_status status = ln_store_find_run(store, options->operands.at[0], &run, err);
    const ln_cell cell = {.column = "run", .type = LN_CELL_INT, .integer = run};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    if (status == LN_OK)
        status = ln_rows_print(store, "SELECT key, value FROM tag WHERE run = :run ORDER BY key",
                               &params, format, stdout, NULL, err);
    return status;
}

/* "author=me" */
static ln_status set_one(ln_store *store, int64_t run, const char *text, ln_error *err)
{
    const char *equals = strchr(text, '=');
    char *key = ln_strndup(text, (size_t)(equals - text));
    ln_status status =
        key ? ln_store_tag(store, run, key, equals + 1, err) : ln_fail_memory(err, strlen(text));
    ln_free(key);
    return status;
}

/* All of them, or none. */
static ln_status change_tags(ln_store *store, const ln_options *options, ln_error *err)
{
    int64_t run;
    ln_status status = ln_store_begin(store, err);
    if (status != LN_OK)
        return status;
    status = ln_store_find_run(store, options->operands.at[0], &run, err);
    if (status == LN_OK && options->remove)
        status = ln_store_untag(store, run, options->remove, err);
    for (int i = 1; i < options->operands.count && status == LN_OK; i++)
        status = set_one(store, run, options->operands.at[i], err);
    if (status == LN_OK)
        return ln_store_commit(store, err);
    ln_store_rollback(store);
    return status;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    ln_store *store = NULL;
    ln_status status = ln_format_parse(options->format, &format, err);
    for (int i = 1; i < options->operands.count && status == LN_OK; i++)
        if (!strchr(options->operands.at[i], '='))
            status = ln_usage(options, err, "a tag is NAME=VALUE, found '%.100s'",
                              options->operands.at[i]);
    if (status != LN_OK)
        return (int)status;
    /* A reader first: nothing is made where there is no store. */
    status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK && (options->remove || options->operands.count > 1)) {
        ln_store_close(store);
        store = NULL;
        status = ln_store_open(options->db, LN_STORE_WRITE, &store, err);
        if (status == LN_OK)
            status = change_tags(store, options, err);
    } else if (status == LN_OK) {
        status = print_tags(store, options, format, err);
    }
    ln_store_close(store);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"remove", "NAME", "take the tag of this name away"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_tag = {
    .name = "tag",
    .operands = "RUN [NAME=VALUE ...]",
    .min_operands = 1,
    .max_operands = -1,
    .options = "db format remove",
    .notes = notes,
    .summary = "give a run tags, or show those it has",
    .details =
        "  lunette tag last author=me purpose=\"second review\"\n"
        "  lunette tag 3 --remove purpose\n"
        "  lunette tag 3\n"
        "A tag replaces the run's earlier one of that name. Names have letters, digits, _, -\n"
        "and . ; `lunette runs --where \"tag.author = 'me'\"` finds runs by their tags.",
    .run = run,
};
