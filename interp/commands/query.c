/* lunette query: SQL on the store, read-only unless --write. The SQL is the operand, a file, standard
 * input, or a query that the store keeps. Several statements run in their order. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "query_input.h"
#include "query_schema.h"

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

static ln_status run_all(ln_store *store, const ln_options *options, const char *sql,
                         ln_format format, FILE *out, params *p, ln_error *err)
{
    const ln_query_options query_options = {
        .write = options->write, .params = p->cells, .param_count = p->count};
    const char *rest = sql;
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
            fputc('\n', out);
        first = first && ln_query_columns(query) == 0;
        status = ln_rows_print_query(query, format, false, out, NULL, err);
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

static ln_status save(ln_store *store, const ln_options *options, const char *sql, ln_error *err)
{
    ln_status status = ln_query_check(store, sql, options->write, err);
    if (status == LN_OK)
        status = ln_store_save_query(store, options->save, sql, err);
    if (status == LN_OK && !options->quiet)
        fprintf(stderr, "saved: lunette query @%s\n", options->save);
    return status;
}

static ln_status print_saved(ln_store *store, ln_format format, FILE *out, ln_error *err)
{
    bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
    return ln_rows_print(store,
                         people ? "SELECT '@' || name AS name, replace(sql, char(10), ' ') AS sql "
                                  "FROM saved_query ORDER BY name"
                                : "SELECT name, sql FROM saved_query ORDER BY name",
                         NULL, format, out, NULL, err);
}

/* What the options ask for, printed to out. */
static ln_status answer(ln_store *store, const ln_options *options, ln_format format, params *p,
                        FILE *out, ln_error *err)
{
    char *sql = NULL;
    ln_status status = ln_query_attach(store, options, err);
    if (status != LN_OK)
        return status;
    if (options->remove)
        return ln_store_remove_query(store, options->remove, err);
    if (options->saved)
        return print_saved(store, format, out, err);
    if (options->schema)
        return ln_query_schema(store, options, format, out, err);
    status = ln_query_input(store, options, &sql, err);
    if (status == LN_OK && options->save)
        status = save(store, options, sql, err);
    else if (status == LN_OK)
        status = run_all(store, options, sql, format, out, p, err);
    ln_free(sql);
    return status;
}

/* -o FILE: written beside its place and renamed, so that none is half there. */
static ln_status answer_to_file(ln_store *store, const ln_options *options, ln_format format,
                                params *p, ln_error *err)
{
    ln_output output;
    ln_status status = ln_output_open(options->output, ln_store_path(store), &output, err);
    if (status != LN_OK)
        return status;
    status = answer(store, options, format, p, output.file, err);
    return ln_output_close(&output, status, err);
}

/* What does not go together. */
static ln_status check_usage(const ln_options *options, ln_error *err)
{
    int ways = options->saved + options->schema + (options->remove != NULL);
    bool operand = options->operands.count > 0;
    if (ways > 1 || (ways == 1 && options->save))
        return ln_usage(options, err,
                        "--saved, --schema, --remove and --save are asked for one at a "
                        "time");
    if (operand && (options->saved || options->remove))
        return ln_usage(options, err, "%s takes no SQL", options->saved ? "--saved" : "--remove");
    if (!operand && ways == 0)
        return ln_usage(options, err, "'lunette query' needs SQL, FILE.sql, - or @NAME");
    return LN_OK;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    params p = {0};
    ln_store *store = NULL;
    ln_status status = ln_format_parse(options->format, &format, err);
    if (status == LN_OK)
        status = check_usage(options, err);
    if (status == LN_OK)
        status = read_params(options, &p, err);
    /* --write changes a store, it does not make one: what is none yet is the reader's error. */
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK && (options->write || options->save || options->remove)) {
        ln_store_close(store);
        store = NULL;
        status = ln_store_open(options->db, LN_STORE_WRITE, &store, err);
    }
    if (status == LN_OK)
        status = options->output ? answer_to_file(store, options, format, &p, err)
                                 : answer(store, options, format, &p, stdout, err);
    ln_store_close(store);
    free_params(&p);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"output", "FILE", "write the rows to FILE"},
    {"save", "NAME", "keep the SQL in the store as @NAME, run nothing"},
    {"saved", "", "list the queries that the store keeps"},
    {"remove", "NAME", "take a kept query away"},
    {"schema", "", "list tables, views and functions; with a NAME its columns"},
    {"attach", "FILE [AS N]", "read another SQLite file too, as N.table"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_query = {
    .name = "query",
    .operands = "SQL | FILE.sql | - | @NAME",
    .min_operands = 0,
    .max_operands = 1,
    .options = "db format param output save saved remove schema attach write",
    .notes = notes,
    .summary = "answer SQL from the store, read-only",
    .details =
        "  lunette query \"SELECT * FROM run_summary\"\n"
        "  lunette query --param run=3 \"SELECT * FROM feature_importance WHERE run = :run\"\n"
        "  lunette query monthly.sql --format csv -o monthly.csv\n"
        "  lunette query --save last_runs \"SELECT id, status FROM run ORDER BY id DESC LIMIT 5\"\n"
        "  lunette query @last_runs\n"
        "  lunette query --attach \"2025.db AS old\" \"SELECT count(*) FROM old.run\"\n"
        "  lunette query --schema           lunette query --schema run_summary\n"
        "- is standard input. Several statements, separated by ;, run in their order. A parameter\n"
        "that looks like a number is one (7, 0.5, 1e-3; 007 is text). docs/store.md has all "
        "tables\n"
        "and a cookbook; lunette_sqlite.so gives the same to the sqlite3 shell and Python.",
    .run = run,
};
