/* Copying runs from one store into another: what a bundle is made of, and what import does.
 *
 * Which column refers to which table is read from the schema's foreign keys, so a column that a
 * later version adds comes along; tables are listed below. Rows that runs share are known by
 * content, never by id: an equal one is found in the other store, else written, once. Each row
 * that refers to one pulls it, so of a data set only the samples come that some copied run used.
 * A run is known by its uuid and never copied twice.
 *
 * Both stores are open; all is one transaction of the one that is written. Cost: a statement a row,
 * a tensor's numbers pass through once. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/copy.h"
#include "store/idmap.h"

#define MOST_COLUMNS 40

/* What is copied: first what is shared, found by `key` (a column, or two), with its `part`s; then
 * what belongs to a row of `owner`, in an order in which nothing refers to what comes later. */
static const ln_copy_rule rules[] = {
    {"experiment", {"name"}, NULL, NULL},
    {"environment", {"sha256"}, NULL, NULL},
    {"source", {"sha256"}, NULL, NULL},
    {"tensor", {"sha256"}, NULL, NULL},
    {"dataset", {"sha256"}, "feature", NULL},
    {"feature", {"dataset", "idx"}, NULL, NULL},
    {"sample", {"dataset", "idx"}, NULL, NULL},
    {"model", {"sha256"}, "encoding", NULL},
    {"encoding", {"model", "idx"}, NULL, NULL},
    {"run", {"uuid"}, NULL, NULL},
    {"run_settings", {NULL}, NULL, "run"},
    {"run_source", {NULL}, NULL, "run"},
    {"run_file", {NULL}, NULL, "run"},
    {"param", {NULL}, NULL, "run"},
    {"tag", {NULL}, NULL, "run"},
    {"run_model", {NULL}, NULL, "run"},
    {"run_sample", {NULL}, NULL, "run"},
    {"prediction", {NULL}, NULL, "run"},
    {"explanation", {NULL}, NULL, "run"},
    {"attribution", {NULL}, NULL, "explanation"},
    {"metric", {NULL}, NULL, "run"},
    {"curve", {NULL}, NULL, "metric"},
    {"expectation", {"invocation", "experiment", "seq"}, NULL, "run"},
    {"event", {NULL}, NULL, "run"},
    {"training_layer", {NULL}, NULL, "run"},
};
#define RULES (sizeof rules / sizeof *rules)

/* What is not: kept for this store, or handled apart. */
static const char *const others[] = {"schema_version", "saved_query", "artifact",
                                     "file",           "checkpoint",  NULL};

const ln_copy_rule *ln_copy_rules(size_t *count)
{
    *count = RULES;
    return rules;
}

const char *const *ln_copy_others(void)
{
    return others;
}

/* --- tables --------------------------------------------------------------------------------- */

typedef struct table {
    const ln_copy_rule *rule;
    int columns;                /* without id */
    int refers[MOST_COLUMNS];   /* the table whose id a column holds, by place in rules; -1: none */
    bool by_text[MOST_COLUMNS]; /* ... or rather its text key, which stays as it is */
    int key[3];                 /* places of the key's columns; -1: none */
    bool has_id;                /* rows have ids, which get new ones */
    sqlite3_stmt *one;          /* from: id and columns of the row with an id or text key */
    sqlite3_stmt *owned;        /* from: the same of all rows of an owner */
    sqlite3_stmt *find;         /* to: the id of the row with a key */
    sqlite3_stmt *insert;       /* to: columns */
    ln_idmap ids;
} table;

typedef struct copier {
    ln_store *from, *to;
    table tables[RULES];
} copier;

static int rule_of(const char *name)
{
    for (size_t i = 0; name && i < RULES; i++)
        if (strcmp(rules[i].table, name) == 0)
            return (int)i;
    return -1;
}

static void copier_free(copier *c)
{
    for (size_t i = 0; i < RULES; i++) {
        sqlite3_finalize(c->tables[i].one);
        sqlite3_finalize(c->tables[i].owned);
        sqlite3_finalize(c->tables[i].find);
        sqlite3_finalize(c->tables[i].insert);
        ln_free(c->tables[i].ids.at);
    }
}

#define COLUMNS                                                                                    \
    "SELECT c.name, f.\"table\", f.\"to\" FROM pragma_table_info(?1) c LEFT JOIN "                 \
    "pragma_foreign_key_list(?1) f ON f.\"from\" = c.name WHERE c.name <> 'id' ORDER BY c.cid"

/* The table's columns; `names` is "a, b", `marks` "?1, ?2". */
static ln_status read_columns(copier *c, table *t, ln_text *names, ln_text *marks, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(c->to, COLUMNS, &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, t->rule->table, -1, SQLITE_STATIC);
    while ((status = ln_store_step(c->to, statement, &row, err)) == LN_OK && row) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        const char *to = (const char *)sqlite3_column_text(statement, 2);
        if (t->columns == MOST_COLUMNS) {
            status = ln_fail(err, LN_ESTORE, "'%s' has too many columns", t->rule->table);
            break;
        }
        int at = t->columns++;
        t->refers[at] = rule_of((const char *)sqlite3_column_text(statement, 1));
        t->by_text[at] = t->refers[at] >= 0 && to && strcmp(to, "id") != 0;
        for (int k = 0; k < 3 && t->rule->key[k]; k++)
            if (strcmp(t->rule->key[k], name) == 0)
                t->key[k] = at;
        ln_text_format(names, at ? ", \"%s\"" : "\"%s\"", name);
        ln_text_format(marks, at ? ", ?%d" : "?%d", at + 1);
    }
    sqlite3_finalize(statement);
    return status;
}

static ln_status prepare_text(ln_store *store, ln_text *sql, sqlite3_stmt **out, ln_error *err)
{
    ln_status status =
        sql->failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql->data, out, err);
    ln_text_free(sql);
    return status;
}

static ln_status prepare_from(copier *c, table *t, const char *names, ln_error *err)
{
    const ln_copy_rule *rule = t->rule;
    ln_text sql = {0};
    const char *id = t->has_id ? "id" : "0";
    /* `run` without a schema: readers show a dead run as interrupted by a view of that name. */
    const char *schema = strcmp(rule->table, "run") == 0 ? "" : "main.";
    ln_status status = LN_OK;
    if (!rule->owner) {
        ln_text_format(&sql, "SELECT %s, %s FROM %s\"%s\" WHERE \"%s\" = ?1", id, names, schema,
                       rule->table, t->has_id ? "id" : rule->key[0]);
        status = prepare_text(c->from, &sql, &t->one, err);
    }
    const char *owner = rule->owner ? rule->owner : rule->key[1] ? rule->key[0] : NULL;
    if (status != LN_OK || !owner)
        return status;
    ln_text_format(&sql, "SELECT %s, %s FROM main.\"%s\" WHERE \"%s\" = ?1", id, names, rule->table,
                   owner);
    if (strcmp(rule->table, "expectation") == 0) /* of several runs: belongs to their invocation */
        ln_text_add(&sql, " OR (run IS NULL AND (invocation, experiment) = (SELECT invocation, "
                          "experiment FROM main.run WHERE id = ?1))");
    ln_text_add(&sql, t->has_id ? " ORDER BY id" : "");
    return prepare_text(c->from, &sql, &t->owned, err);
}

static ln_status prepare_to(copier *c, table *t, const char *names, const char *marks,
                            ln_error *err)
{
    const ln_copy_rule *rule = t->rule;
    ln_text sql = {0};
    ln_text_format(&sql, "INSERT INTO main.\"%s\" (%s) VALUES (%s)", rule->table, names, marks);
    ln_status status = prepare_text(c->to, &sql, &t->insert, err);
    if (status != LN_OK || !rule->key[0])
        return status;
    ln_text_format(&sql, "SELECT %s FROM main.\"%s\" WHERE \"%s\" IS ?1", t->has_id ? "id" : "1",
                   rule->table, rule->key[0]);
    for (int k = 1; k < 3 && rule->key[k]; k++)
        ln_text_format(&sql, " AND \"%s\" IS ?%d", rule->key[k], k + 1);
    return prepare_text(c->to, &sql, &t->find, err);
}

static bool has_column(ln_store *store, const char *name, const char *column)
{
    return sqlite3_table_column_metadata(store->db, "main", name, column, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

static ln_status set_up(copier *c, ln_error *err)
{
    ln_status status = LN_OK;
    for (size_t i = 0; i < RULES && status == LN_OK; i++) {
        table *t = &c->tables[i];
        ln_text names = {0}, marks = {0};
        t->rule = &rules[i];
        t->key[0] = t->key[1] = t->key[2] = -1;
        t->has_id = has_column(c->to, t->rule->table, "id");
        status = read_columns(c, t, &names, &marks, err);
        if (status == LN_OK && (names.failed || marks.failed))
            status = ln_fail_memory(err, names.length);
        if (status == LN_OK)
            status = prepare_from(c, t, names.data, err);
        if (status == LN_OK)
            status = prepare_to(c, t, names.data, marks.data, err);
        ln_text_free(&names);
        ln_text_free(&marks);
    }
    return status;
}

/* --- rows ----------------------------------------------------------------------------------- */

static ln_status pull(copier *c, int which, int64_t old, int64_t *new, ln_error *err);
static ln_status pull_text(copier *c, int which, sqlite3_value *key, ln_error *err);
static ln_status copy_owned(copier *c, int which, int64_t owner, ln_error *err);

static ln_status bind_failed(copier *c, int code, ln_error *err)
{
    return code == SQLITE_OK ? LN_OK : ln_store_error(c->to, code, err);
}

/* Whether a column refers to a run: which may stay behind. */
static bool is_run(int which)
{
    return strcmp(rules[which].table, "run") == 0;
}

/* What stands in the new row: ids become those of the other store. Into place `to` of `statement`. */
static ln_status bind_column(copier *c, const table *t, sqlite3_stmt *row, int column,
                             sqlite3_stmt *statement, int to, ln_error *err)
{
    sqlite3_value *value = sqlite3_column_value(row, column + 1);
    int which = t->refers[column];
    if (which < 0 || sqlite3_value_type(value) == SQLITE_NULL)
        return bind_failed(c, sqlite3_bind_value(statement, to, value), err);
    if (t->by_text[column]) {
        ln_status status = pull_text(c, which, value, err);
        return status != LN_OK
                   ? status
                   : bind_failed(
                         c,
                         sqlite3_bind_value(statement, to, sqlite3_column_value(row, column + 1)),
                         err);
    }
    int64_t old = sqlite3_value_int64(value), new = 0;
    ln_status status = pull(c, which, old, &new, err);
    if (status != LN_OK)
        return status;
    return bind_failed(
        c, new ? sqlite3_bind_int64(statement, to, new) : sqlite3_bind_null(statement, to), err);
}

/* Writes the row that `row` stands on, or finds it by its key. *new is its id there. */
static ln_status copy_row(copier *c, int which, sqlite3_stmt *row, int64_t *new, bool *added,
                          ln_error *err)
{
    table *t = &c->tables[which];
    ln_status status = LN_OK;
    bool found = false;
    int64_t old = sqlite3_column_int64(row, 0);
    *new = 0;
    *added = false;
    for (int k = 0; t->find && k < 3 && t->key[k] >= 0 && status == LN_OK; k++)
        status = bind_column(c, t, row, t->key[k], t->find, k + 1, err);
    if (t->find && status == LN_OK) {
        status = ln_store_step(c->to, t->find, &found, err);
        *new = status == LN_OK &&found ? sqlite3_column_int64(t->find, 0) : 0;
        sqlite3_reset(t->find);
    }
    if (status == LN_OK && !found) {
        for (int i = 0; i < t->columns && status == LN_OK; i++)
            status = bind_column(c, t, row, i, t->insert, i + 1, err);
        if (status == LN_OK)
            status = ln_store_step(c->to, t->insert, &found, err);
        sqlite3_reset(t->insert);
        sqlite3_clear_bindings(t->insert);
        *new = sqlite3_last_insert_rowid(c->to->db);
        *added = status == LN_OK;
    }
    if (status == LN_OK && t->has_id)
        status = ln_idmap_put(&t->ids, old, *new, err);
    if (status == LN_OK && *added && t->rule->part)
        status = copy_owned(c, rule_of(t->rule->part), old, err);
    return status;
}

static ln_status missing(const copier *c, int which, ln_error *err)
{
    return ln_fail(err, LN_ESTORE,
                   "the store '%s' is damaged: a row of '%s' that another refers to is not there",
                   c->from->path, rules[which].table);
}

/* The id in the other store of the row `old`; 0 for a run that is not there. */
static ln_status pull(copier *c, int which, int64_t old, int64_t *new, ln_error *err)
{
    table *t = &c->tables[which];
    bool found, added;
    *new = ln_idmap_get(&t->ids, old);
    if (*new || is_run(which))
        return LN_OK;
    if (!t->one) /* owned rows are copied before those that refer to them */
        return missing(c, which, err);
    sqlite3_bind_int64(t->one, 1, old);
    ln_status status = ln_store_step(c->from, t->one, &found, err);
    if (status == LN_OK && !found)
        status = missing(c, which, err);
    if (status == LN_OK)
        status = copy_row(c, which, t->one, new, &added, err);
    sqlite3_reset(t->one);
    return status;
}

/* The same of a table that is known by a text. */
static ln_status pull_text(copier *c, int which, sqlite3_value *key, ln_error *err)
{
    table *t = &c->tables[which];
    bool found, added;
    int64_t new;
    sqlite3_bind_value(t->one, 1, key);
    ln_status status = ln_store_step(c->from, t->one, &found, err);
    if (status == LN_OK && !found)
        status = missing(c, which, err);
    if (status == LN_OK)
        status = copy_row(c, which, t->one, &new, &added, err);
    sqlite3_reset(t->one);
    return status;
}

/* All rows of `which` that belong to an owner. */
static ln_status copy_owned(copier *c, int which, int64_t owner, ln_error *err)
{
    table *t = &c->tables[which];
    bool found = true, added;
    int64_t new;
    if (!t->owned)
        return LN_OK;
    sqlite3_bind_int64(t->owned, 1, owner);
    ln_status status;
    while ((status = ln_store_step(c->from, t->owned, &found, err)) == LN_OK && found) {
        int64_t old = sqlite3_column_int64(t->owned, 0);
        status = copy_row(c, which, t->owned, &new, &added, err);
        if (status != LN_OK)
            break;
        /* What belongs to this row: attributions to an explanation, points to a metric. */
        for (size_t i = 0; i < RULES && status == LN_OK; i++)
            if (added && rules[i].owner && !is_run(which) &&
                strcmp(rules[i].owner, rules[which].table) == 0)
                status = copy_owned(c, (int)i, old, err);
        if (status != LN_OK)
            break;
    }
    sqlite3_reset(t->owned);
    return status;
}

/* --- runs ----------------------------------------------------------------------------------- */

static ln_status copy_run(copier *c, int64_t run, ln_copied *result, ln_error *err)
{
    static const char open_parts[] =
        "UPDATE main.explanation SET status = 'interrupted' WHERE status = 'running' AND run = ?1";
    int which = rule_of("run");
    sqlite3_stmt *row = c->tables[which].one;
    bool found;
    int64_t none;
    *result = (ln_copied){.from = run};
    sqlite3_bind_int64(row, 1, run);
    ln_status status = ln_store_step(c->from, row, &found, err);
    if (status == LN_OK && !found)
        status = ln_fail(err, LN_ESTORE, "the store '%s' has no run %lld", c->from->path,
                         (long long)run);
    if (status == LN_OK) {
        int column = 0; /* of status, by name: a view may have another order */
        while (strcmp(sqlite3_column_name(row, column), "status") != 0)
            column++;
        const char *text = (const char *)sqlite3_column_text(row, column);
        result->running = text && strcmp(text, "running") == 0;
    }
    if (status == LN_OK && !result->running)
        status = copy_row(c, which, row, &result->to, &result->added, err);
    sqlite3_reset(row);
    for (size_t i = 0; i < RULES && result->added && status == LN_OK; i++)
        if (rules[i].owner && strcmp(rules[i].owner, "run") == 0)
            status = copy_owned(c, (int)i, run, err);
    if (status == LN_OK && result->added)
        status = ln_store_number(c->to, open_parts, result->to, 0, &none, err);
    return status;
}

static ln_status copy_all(copier *c, const int64_t *runs, int count, ln_copied_fn each,
                          void *context, ln_error *err)
{
    ln_copied result;
    ln_status status = LN_OK;
    for (int i = 0; i < count && status == LN_OK; i++) {
        status = copy_run(c, runs[i], &result, err);
        if (status == LN_OK && each)
            each(context, &result);
    }
    for (int64_t run = 0; !runs && status == LN_OK;) {
        status = ln_store_number(c->from, "SELECT min(id) FROM main.run WHERE id > ?1", run, 0,
                                 &run, err);
        if (status != LN_OK || run == 0)
            break;
        status = copy_run(c, run, &result, err);
        if (status == LN_OK && each)
            each(context, &result);
    }
    return status;
}

ln_status ln_store_seal(ln_store *store, ln_error *err)
{
    return ln_store_exec(store, "PRAGMA journal_mode = DELETE", err);
}

ln_status ln_store_copy(ln_store *from, ln_store *to, const int64_t *runs, int count,
                        ln_copied_fn each, void *context, ln_error *err)
{
    bool own;
    ln_store *current;
    copier *c = ln_calloc(1, sizeof *c);
    if (!c)
        return ln_fail_memory(err, sizeof *c);
    ln_status status = ln_store_current(from, &current, err);
    c->from = current ? current : from;
    c->to = to;
    if (status == LN_OK)
        status = ln_store_enter(to, &own, err);
    if (status == LN_OK) {
        status = set_up(c, err);
        if (status == LN_OK)
            status = copy_all(c, runs, count, each, context, err);
        copier_free(c);
        status = ln_store_leave(to, own, status, err);
    }
    ln_store_close(current);
    ln_free(c);
    return status;
}
