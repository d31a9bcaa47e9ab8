/* lunette runs: the runs of the store, newest first. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"

/* What people see: short times, the first metrics in one text. */
#define SHORT_COLUMNS                                                                              \
    "id, experiment, status, substr(replace(started_at, 'T', ' '), 1, 19) AS started, "            \
    "round(seconds, 1) AS seconds, model, (SELECT group_concat(label || ' ' || "                   \
    "printf('%.4g', value), ', ') FROM (SELECT m.label, m.value FROM metric m WHERE m.run = "      \
    "run_summary.id AND m.scope = 'model' AND m.class IS NULL AND m.slice IS NULL AND m.value "    \
    "IS NOT NULL ORDER BY m.name = 'loss', m.id LIMIT 3)) AS metrics, "                            \
    "(SELECT group_concat(key || iif(value = '', '', '=' || value), ', ') FROM (SELECT key, "      \
    "value FROM tag WHERE run = run_summary.id ORDER BY key)) AS tags, note"

/* The same for programs, whole. */
#define LONG_COLUMNS                                                                               \
    "id, uuid, experiment, status, started_at, finished_at, seconds, seed, model, explanations, "  \
    "attributions, metrics, tags, note, error"

static ln_status print_runs(ln_store *store, const ln_options *options, ln_format format,
                            ln_error *err)
{
    bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
    const ln_run_choice choice = {
        .where = options->where,
        .sort = options->sort,
        .columns = options->columns,
        .fallback = people ? SHORT_COLUMNS : LONG_COLUMNS,
        .people = people,
        .limit = options->limit,
    };
    char *sql;
    ln_query *query;
    ln_status status = ln_store_choose_runs(store, &choice, &sql, err);
    if (status != LN_OK)
        return status;
    status = ln_query_new(store, sql, NULL, &query, err);
    if (status == LN_ESTORE && options->where)
        ln_error_prefix(err, "--where");
    if (status == LN_OK)
        status = ln_rows_print_query(query, format, people && !options->columns, stdout, NULL, err);
    ln_query_free(query);
    ln_free(sql);
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
    {"where", "SQL", "only runs for which this condition holds"},
    {"sort", "NAMES", "by these, with - before a name the greatest first (default: newest first)"},
    {"columns", "NAMES", "what is shown of each run"},
    {"limit", "N", "at most N runs"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_runs = {
    .name = "runs",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .options = "db format where sort columns limit",
    .notes = notes,
    .summary = "list the runs, newest first",
    .details =
        "  lunette runs --where \"roc_auc > 0.8 and train.epochs < 50\"\n"
        "  lunette runs --where \"tag.author = 'me' and status = 'ok'\" --sort -roc_auc --limit 5\n"
        "  lunette runs --columns id,experiment,roc_auc,train.epochs,saliency.deletion\n"
        "A name is a column of the view run_summary (id, experiment, status, started_at, seconds,\n"
        "seed, model, ...), a metric's label, a judge's with its explanation's "
        "(saliency.deletion), a\n"
        "parameter as --set spells it, or tag.NAME; metric. or param. before it says which of two "
        "is\n"
        "meant. A condition is an expression of SQL; numbers compare as numbers. Names with other\n"
        "characters stand in double quotes, texts in single ones.",
    .run = run,
};
