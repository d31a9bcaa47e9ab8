/* lunette runs: the runs of the store, newest first. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"

/* What people see: short times, the first metrics in one text. */
#define SHORT_COLUMNS                                                                              \
    "id, experiment, status, substr(replace(started_at, 'T', ' '), 1, 19) AS started, "            \
    "round(seconds, 1) AS seconds, model, (SELECT group_concat(label || ' ' || "                   \
    "printf('%.4g', value), ', ') FROM (SELECT m.label, m.value FROM metric m WHERE m.run = "      \
    "run_summary.id AND m.scope = 'model' AND m.class IS NULL AND m.slice IS NULL AND m.value "    \
    "IS NOT NULL ORDER BY m.name = 'loss', m.id LIMIT 3)) AS metrics"

/* The same for programs, whole. */
#define LONG_COLUMNS                                                                               \
    "id, uuid, experiment, status, started_at, finished_at, seconds, seed, model, explanations, "  \
    "attributions, metrics, error"

static const char *const sortable[] = {
    "id",
    "uuid",
    "experiment",
    "status",
    "started_at",
    "finished_at",
    "seconds",
    "seed",
    "model",
    "explanations",
    "attributions",
    "numerics",
    "threads",
    "isa",
    "host",
    "invocation",
    "script_sha256",
    "parent_run",
    "reproduces_run",
    "error",
    NULL,
};

/* "COLUMN", "COLUMN:asc", "COLUMN:desc"; a name that is no column is a metric's label. */
static ln_status write_order(const ln_options *options, ln_store *store, ln_text *sql,
                             ln_error *err)
{
    if (!options->sort) {
        ln_text_add(sql, " ORDER BY id DESC");
        return LN_OK;
    }
    char name[128];
    const char *colon = strrchr(options->sort, ':');
    const char *direction = colon ? colon + 1 : "asc";
    size_t length = colon ? (size_t)(colon - options->sort) : strlen(options->sort);
    if (length == 0 || length >= sizeof name ||
        (strcmp(direction, "asc") != 0 && strcmp(direction, "desc") != 0))
        return ln_usage(options, err,
                        "--sort: expected COLUMN, COLUMN:asc or COLUMN:desc, found "
                        "'%.100s'",
                        options->sort);
    snprintf(name, sizeof name, "%.*s", (int)length, options->sort);
    for (int i = 0; sortable[i]; i++)
        if (strcmp(sortable[i], name) == 0) {
            ln_text_format(sql, " ORDER BY %s %s, id DESC", name, direction);
            return LN_OK;
        }
    char *found;
    const ln_cell cell = {
        .column = "label", .type = LN_CELL_TEXT, .data = name, .bytes = strlen(name)};
    const ln_query_options by_label = {.params = &cell, .param_count = 1};
    ln_status status = ln_rows_text(store,
                                    "SELECT label FROM metric WHERE scope = 'model' AND label = "
                                    ":label LIMIT 1",
                                    &by_label, &found, err);
    if (status != LN_OK)
        return status;
    bool metric = found[0] != '\0';
    ln_free(found);
    if (metric) {
        /* A label has letters, digits, _ and - only, so it needs no escaping here. */
        ln_text_format(sql, " ORDER BY metrics ->> '$.\"%s\"' %s NULLS LAST, id DESC", name,
                       direction);
        return LN_OK;
    }
    ln_usage(options, err, "--sort: runs have no column and no metric '%s'", name);
    const char *near = ln_nearest_word(name, sortable);
    if (near)
        ln_error_hint(err, "did you mean '%s'?", near);
    return LN_EINVALID;
}

static ln_status print_runs(ln_store *store, const ln_options *options, ln_format format,
                            ln_error *err)
{
    bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
    ln_text sql = {0};
    ln_text_format(&sql, "SELECT %s FROM run_summary", people ? SHORT_COLUMNS : LONG_COLUMNS);
    if (options->where)
        ln_text_format(&sql, "\nWHERE (\n%s\n)", options->where);
    ln_status status = write_order(options, store, &sql, err);
    if (status == LN_OK && options->limit >= 0)
        ln_text_format(&sql, " LIMIT %lld", (long long)options->limit);
    if (status == LN_OK && sql.failed)
        status = ln_fail_memory(err, sql.length);
    if (status == LN_OK) {
        int64_t rows = 0;
        status = ln_rows_print(store, sql.data, NULL, format, stdout, &rows, err);
        if (status == LN_ESTORE && options->where)
            ln_error_prefix(err, "--where");
    }
    ln_text_free(&sql);
    return status;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    ln_store *store = NULL;
    ln_status status = ln_format_parse(options->format, &format, err);
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK)
        status = print_runs(store, options, format, err);
    ln_store_close(store);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"sort", "COLUMN[:desc]",
     "a column of run_summary, or a metric by its label (default: newest first)"},
    {"limit", "N", "at most N runs"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_runs = {
    .name = "runs",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .options = "db format where sort limit",
    .notes = notes,
    .summary = "list the runs, newest first",
    .details =
        "--where takes SQL over the columns of the view run_summary; metrics is JSON:\n"
        "  lunette runs --where \"status = 'ok' AND metrics ->> 'accuracy' > 0.7\"\n"
        "--sort takes a column of that view or a metric's label, with :desc for the greatest\n"
        "first: lunette runs --sort accuracy:desc --limit 5",
    .run = run,
};
