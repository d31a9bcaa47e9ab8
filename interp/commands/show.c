/* lunette show RUN: one run on a page. Each section is a query that anybody can make.
 * lunette show MODEL.onnx: a model's layers (show_model.c).
 * lunette show DATA.csv: a table's columns (show_data.c). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"
#include "show_data.h"
#include "show_model.h"

/* A section: nothing is printed where its query has no rows. */
typedef struct section {
    const char *title; /* "" for none */
    const char *sql;   /* parameters :run, :top and :folder */
    const char *needs; /* a table that older stores lack, or NULL */
} section;

/* A rule's conditions in alphabetical order: rows come by the same rule in several. As stdlib/report.lua. */
#define LN_RULE_AS_SET                                                                             \
    "(SELECT group_concat(value, ' AND ') FROM (SELECT value FROM json_each('[' || "               \
    "replace(json_quote(rule), ' AND ', '\",\"') || ']') ORDER BY value))"
/* Of rules about whole groups only the beginning stands in a table. */
#define LN_SHORT_RULE                                                                              \
    "CASE WHEN length(rule) > 120 THEN substr(rule, 1, 117) || '...' ELSE rule END AS rule"

static const section sections[] = {
    {"",
     "SELECT 'run' AS \"\", id || '  ' || uuid AS \"\" FROM run WHERE id = :run "
     "UNION ALL SELECT 'experiment', experiment FROM run_summary WHERE id = :run "
     "UNION ALL SELECT 'status', status || coalesce(': ' || error, '') FROM run_summary "
     "WHERE id = :run "
     "UNION ALL SELECT 'started', started_at || coalesce(', ' || round(seconds, 2) || ' seconds', "
     "'') FROM run_summary WHERE id = :run "
     "UNION ALL SELECT 'seed', seed FROM run WHERE id = :run AND seed IS NOT NULL "
     "UNION ALL SELECT 'model', concat_model FROM (SELECT coalesce(m.name, m.format) || ', ' || "
     "coalesce(m.parameters || ' parameters, ', '') || 'sha256 ' || m.sha256 AS concat_model "
     "FROM run_model r JOIN model m ON m.id = r.model WHERE r.run = :run) "
     "UNION ALL SELECT 'data', d.name || ', ' || d.rows || ' rows, sha256 ' || d.sha256 "
     "FROM dataset d WHERE d.id IN (SELECT s.dataset FROM run_sample r JOIN sample s "
     "ON s.id = r.sample WHERE r.run = :run) "
     "UNION ALL SELECT 'identity', identity FROM run WHERE id = :run AND identity IS NOT NULL "
     "UNION ALL SELECT 'resumes', parent_run FROM run WHERE id = :run AND parent_run IS NOT NULL "
     "UNION ALL SELECT 'reproduces', reproduces_run FROM run WHERE id = :run AND reproduces_run "
     "IS NOT NULL "
     "UNION ALL SELECT 'resumed by', group_concat(id, ', ') FROM run WHERE parent_run = :run "
     "HAVING count(*) > 0 "
     "UNION ALL SELECT 'reproduced by', group_concat(id, ', ') FROM run WHERE reproduces_run = "
     ":run "
     "HAVING count(*) > 0",
     NULL},
    {"tags", "SELECT key, value FROM tag WHERE run = :run ORDER BY key", NULL},
    {"notes",
     "SELECT substr(replace(at, 'T', ' '), 1, 19) AS at, message AS note FROM event "
     "WHERE run = :run AND level = 'note' ORDER BY id",
     NULL},
    {"metrics",
     "SELECT label AS metric, split, class, slice, round(value, 6) AS value, round(lower, 6) AS "
     "lower, round(upper, 6) AS upper, n, coalesce(reason, nullif(status, 'ok')) AS note "
     "FROM metric WHERE run = :run AND scope = 'model' ORDER BY id",
     NULL},
    {"explanations",
     "SELECT e.label, e.explainer, e.status, (SELECT count(*) FROM attribution a "
     "WHERE a.explanation = e.id) AS attributions, (SELECT count(*) FROM attribution a "
     "WHERE a.explanation = e.id AND a.status <> 'ok') AS failed, e.evaluations, "
     "round(e.elapsed_ns * 1e-9, 3) AS seconds, e.reason FROM explanation e WHERE e.run = :run "
     "ORDER BY e.seq",
     NULL},
    {"judges",
     "SELECT m.label AS judge, e.label AS explanation, round(m.value, 6) AS mean, round(m.lower, "
     "6) "
     "AS lower, round(m.upper, 6) AS upper, m.n, CASE m.higher_is_better WHEN 1 THEN 'higher' WHEN "
     "0 THEN 'lower' END AS better, coalesce(m.reason, nullif(m.status, 'ok')) AS note "
     "FROM metric m LEFT JOIN explanation e ON e.id = m.explanation "
     "WHERE m.run = :run AND m.scope = 'explanation' ORDER BY m.label, m.id",
     NULL},
    {"top columns (mean |attribution|)",
     "SELECT label, place, coalesce(name, input || '[' || idx || ']', idx) AS \"column\", "
     "round(mean_abs, 6) AS mean_abs, "
     "round(mean, 6) AS mean, round(std, 6) AS std FROM (SELECT *, row_number() OVER "
     "(PARTITION BY explanation ORDER BY mean_abs DESC, idx) AS place FROM feature_importance "
     "WHERE run = :run) WHERE place <= :top ORDER BY explanation, place",
     NULL},
    {"rules (those of most rows)",
     "SELECT label, " LN_SHORT_RULE
     ", \"rows\", \"precision\", coverage FROM (SELECT *, row_number() "
     "OVER (PARTITION BY explanation ORDER BY \"rows\" DESC, coverage DESC, rule) AS place FROM "
     "(SELECT explanation, label, min(rule) AS rule, count(*) AS \"rows\", round(avg(value), 4) AS "
     "\"precision\", round(max(coverage), 4) AS coverage FROM (SELECT p.explanation, e.label, "
     "p.params ->> 'rule' AS rule, p.value, c.value AS coverage FROM metric p JOIN metric c ON "
     "c.attribution = p.attribution AND c.label = 'anchor_coverage' JOIN explanation e ON e.id = "
     "p.explanation WHERE p.run = :run AND p.scope = 'attribution' AND p.label = "
     "'anchor_precision') WHERE rule IS NOT NULL GROUP BY explanation, " LN_RULE_AS_SET ")) "
     "WHERE place <= :top ORDER BY explanation, place",
     NULL},
    {"expectations",
     "SELECT text, CASE held WHEN 1 THEN 'held' WHEN 0 THEN 'did not hold' ELSE 'could not be "
     "told' END AS verdict, detail FROM expectation WHERE invocation = (SELECT invocation FROM run "
     "WHERE id = :run) AND experiment = (SELECT experiment FROM run WHERE id = :run) AND "
     "(run IS NULL OR run = :run) ORDER BY seq",
     NULL},
    {"events",
     "SELECT substr(replace(at, 'T', ' '), 1, 19) AS at, level, message FROM event "
     "WHERE run = :run AND level <> 'note' ORDER BY id",
     NULL},
    {"parameters",
     "SELECT key, coalesce(text, num) AS value FROM param WHERE run = :run ORDER BY key", NULL},
    {"sources",
     "SELECT r.role, coalesce(r.path, s.path) AS path, r.sha256 FROM run_source r "
     "JOIN source s ON s.sha256 = r.sha256 WHERE r.run = :run ORDER BY r.role DESC, path",
     NULL},
    {"files read", "SELECT role, path, sha256 FROM run_file WHERE run = :run ORDER BY seq",
     "run_file"},
    {"artifacts",
     "SELECT name, media_type, bytes, iif(path LIKE '/%', '', :folder) || path AS path, sha256 "
     "FROM artifact WHERE run = :run ORDER BY id",
     NULL},
    {"environment",
     "SELECT v.version AS lunette, v.build, v.os, v.cpu, v.isa, v.compiler, v.libraries, v.host, "
     "r.threads, r.numerics FROM run r JOIN environment v ON v.id = r.environment "
     "WHERE r.id = :run",
     NULL},
};

/* One row as "name  value" lines: an environment is too wide for a table. */
static ln_status print_sideways(ln_query *query, ln_error *err)
{
    bool more;
    ln_status status = ln_query_next(query, &more, err);
    for (int i = 0; status == LN_OK && more && i < ln_query_columns(query); i++) {
        ln_cell cell = ln_query_cell(query, i);
        if (cell.type == LN_CELL_TEXT)
            printf("%-12s %.*s\n", cell.column, (int)cell.bytes, (const char *)cell.data);
        else if (cell.type == LN_CELL_INT)
            printf("%-12s %" PRId64 "\n", cell.column, cell.integer);
    }
    return status;
}

/* The first section: two columns without a heading. */
static ln_status print_pairs(ln_query *query, ln_error *err)
{
    for (;;) {
        bool more;
        ln_status status = ln_query_next(query, &more, err);
        if (status != LN_OK || !more)
            return status;
        ln_cell name = ln_query_cell(query, 0), value = ln_query_cell(query, 1);
        printf("%-13s ", name.data ? (const char *)name.data : "");
        if (value.type == LN_CELL_INT)
            printf("%" PRId64 "\n", value.integer);
        else
            printf("%.*s\n", (int)value.bytes, value.data ? (const char *)value.data : "");
    }
}

static ln_status has_rows(ln_store *store, const char *sql, const ln_query_options *params,
                          bool *any, ln_error *err)
{
    ln_query *query;
    ln_status status = ln_query_new(store, sql, params, &query, err);
    if (status == LN_OK)
        status = ln_query_next(query, any, err);
    ln_query_free(query);
    return status;
}

static ln_status has_table(ln_store *store, const char *name, bool *any, ln_error *err)
{
    const ln_cell cell = {
        .column = "name", .type = LN_CELL_TEXT, .data = name, .bytes = strlen(name)};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    return has_rows(store, "SELECT 1 FROM pragma_table_info(:name)", &params, any, err);
}

static ln_status print_section(ln_store *store, const section *s, const ln_query_options *params,
                               ln_format format, ln_error *err)
{
    ln_query *query;
    bool any = true;
    ln_status status = LN_OK;
    if (s->needs)
        status = has_table(store, s->needs, &any, err);
    if (status == LN_OK && any)
        status = has_rows(store, s->sql, params, &any, err);
    if (status != LN_OK || !any)
        return status;
    if (s->title[0])
        printf(format == LN_FORMAT_MD ? "\n## %s\n\n" : "\n%s\n", s->title);
    status = ln_query_new(store, s->sql, params, &query, err);
    if (status != LN_OK)
        return status;
    if (!s->title[0])
        status = print_pairs(query, err);
    else if (strcmp(s->title, "environment") == 0)
        status = print_sideways(query, err);
    else
        status = ln_rows_print_query(query, format, true, stdout, NULL, err);
    ln_query_free(query);
    return status;
}

static ln_status show(ln_store *store, const ln_options *options, ln_format format, ln_error *err)
{
    int64_t run;
    ln_status status = ln_store_find_run(store, options->operands.at[0], &run, err);
    const char *slash = strrchr(options->db, '/'); /* artifacts are beside the store */
    const ln_cell params[] = {
        {.column = "folder",
         .type = LN_CELL_TEXT,
         .data = options->db,
         .bytes = slash ? (size_t)(slash - options->db) + 1 : 0},
        {.column = "run", .type = LN_CELL_INT, .integer = run},
        {.column = "top", .type = LN_CELL_INT, .integer = options->limit >= 0 ? options->limit : 5},
    };
    const ln_query_options query_options = {.params = params, .param_count = 3};
    for (size_t i = 0; i < sizeof sections / sizeof *sections && status == LN_OK; i++)
        status = print_section(store, &sections[i], &query_options, format, err);
    if (status == LN_OK && fflush(stdout) != 0)
        status = ln_fail(err, LN_EIO, "the output cannot be written");
    return status;
}

static bool ends_in(const char *operand, const char *suffix)
{
    size_t length = strlen(operand), most = strlen(suffix);
    return length > most && strcmp(operand + length - most, suffix) == 0;
}

static bool is_data(const char *operand)
{
    return ends_in(operand, ".csv") || ends_in(operand, ".csv.gz") || ends_in(operand, ".tsv") ||
           ends_in(operand, ".tsv.gz");
}

static int run(const ln_options *options, ln_error *err)
{
    ln_format format;
    ln_store *store = NULL;
    ln_status status = ln_format_parse(options->format, &format, err);
    if (status == LN_OK && is_data(options->operands.at[0]))
        return (int)ln_show_data(
            options->operands.at[0], format,
            options->limit >= 0 && options->limit <= INT32_MAX ? (int)options->limit : 5, err);
    if (status == LN_OK && format != LN_FORMAT_TABLE && format != LN_FORMAT_MD) {
        ln_usage(options, err, "--format: 'lunette show' prints table or md");
        ln_error_hint(err, "'lunette query' gives each section as csv or json");
        status = LN_EINVALID;
    }
    if (status == LN_OK && ends_in(options->operands.at[0], ".onnx"))
        return (int)ln_show_model(options->operands.at[0], format, err);
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK)
        status = show(store, options, format, err);
    ln_store_close(store);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"format", "FORMAT", "table (default) or md"},
    {"limit", "N",
     "the N top columns and rules of each explanation, or values of a column (default: 5)"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_show = {
    .name = "show",
    .operands = "RUN | MODEL.onnx | DATA.csv",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db format limit",
    .notes = notes,
    .summary = "show a run's parameters, metrics, explanations and hashes, a model's graph, or a "
               "table's columns",
    .details =
        "RUN is a run's number, a unique prefix of its uuid, an experiment's name (its newest\n"
        "run), last or last~1. --limit N: the N top columns of each explanation (5).\n"
        "Of a model: its layers, by number and name.\n"
        "Of a table (.csv, .tsv, .gz too), in any format: each column's kind, how many values are\n"
        "missing and different, its range, its N most frequent values (--limit N: 5), and how "
        "many\n"
        "classes it would make as a target (2 to 20 values, none missing).",
    .run = run,
};
