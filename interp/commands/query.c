/* lunette query: SQL on the store, read-only unless --write. Several statements run in their
 * order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"

/* Parameters given by --param. */
typedef struct params {
    ln_cell *cells; /* count of them */
    char **names;   /* their names, owned */
    bool *used;     /* some statement has it */
    int count;
} params;

static void free_params(params *p)
{
    for (int i = 0; i < p->count; i++)
        ln_free(p->names[i]);
    ln_free(p->names);
    ln_free(p->cells);
    ln_free(p->used);
}

static ln_status read_params(const ln_options *options, params *p, ln_error *err)
{
    size_t room = (size_t)options->params.count + 1;
    p->cells = ln_calloc(room, sizeof *p->cells);
    p->names = ln_calloc(room, sizeof *p->names);
    p->used = ln_calloc(room, sizeof *p->used);
    if (!p->cells || !p->names || !p->used)
        return ln_fail_memory(err, room);
    for (int i = 0; i < options->params.count; i++) {
        ln_status status = ln_param_cell(options->params.at[i], &p->cells[i], &p->names[i], err);
        if (status != LN_OK)
            return status;
        p->count = i + 1;
    }
    return LN_OK;
}

static ln_status run_all(ln_store *store, const ln_options *options, ln_format format, params *p,
                         ln_error *err)
{
    const ln_query_options query_options = {
        .write = options->write, .params = p->cells, .param_count = p->count};
    const char *rest = options->operands.at[0];
    bool first = true;
    do {
        ln_query *query;
        ln_status status = ln_query_new(store, rest, &query_options, &query, err);
        if (status != LN_OK)
            return status;
        for (int i = 0; i < p->count; i++)
            p->used[i] = p->used[i] || ln_query_uses(query, p->names[i]);
        bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
        if (!first && people && ln_query_columns(query) > 0)
            fputc('\n', stdout);
        first = first && ln_query_columns(query) == 0;
        status = ln_rows_print_query(query, format, false, stdout, NULL, err);
        rest = ln_query_rest(query);
        ln_query_free(query);
        if (status != LN_OK)
            return status;
    } while (*rest);
    for (int i = 0; i < p->count; i++)
        if (!p->used[i])
            return ln_usage(options, err, "--param %s: no statement has the parameter :%s",
                            p->names[i], p->names[i]);
    return LN_OK;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    params p = {0};
    ln_store *store = NULL;
    struct stat about;
    ln_status status = ln_format_parse(options->format, &format, err);
    if (status == LN_OK)
        status = read_params(options, &p, err);
    /* --write changes a store, it does not make one: a missing file is the reader's error. */
    bool missing = stat(options->db, &about) != 0 && errno == ENOENT;
    if (status == LN_OK)
        status = ln_store_open(
            options->db, options->write && !missing ? LN_STORE_WRITE : LN_STORE_READ, &store, err);
    if (status == LN_OK)
        status = run_all(store, options, format, &p, err);
    ln_store_close(store);
    free_params(&p);
    return (int)status;
}

const ln_command ln_command_query = {
    .name = "query",
    .operands = "SQL",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db format param write",
    .summary = "answer SQL from the store, read-only",
    .details =
        "Tables, views and functions are in docs/store.md; lunette_sqlite.so gives the same to "
        "the\n"
        "sqlite3 shell and Python. Several statements, separated by ;, run in their order.\n"
        "  lunette query \"SELECT * FROM run_summary\"\n"
        "  lunette query --param run=3 \"SELECT * FROM feature_importance WHERE run = :run\"\n"
        "A parameter that looks like a number is one (7, 0.5, 1e-3; 007 is text).",
    .run = run,
};
