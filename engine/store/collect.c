/* Collecting what no run refers to any more: models, data sets with their samples and columns,
 * tensors, scripts, files that bundles carry, environments, experiments.
 *
 * What counts as a reference is read from the schema: every foreign key to the table, save those of
 * parts, which are deleted with their whole (ON DELETE CASCADE: the columns and samples of a data
 * set, the inputs of a model); a whole is used where one of its parts is. So a table that a later
 * version adds is respected without a line here. Samples go with their data set only: the next run
 * on it counts on them.
 *
 * Foreign keys are off meanwhile, since SQLite would look through all of `attribution` for each
 * sample, and are checked as a whole before the commit. Nothing is collected while a run is alive:
 * its process knows ids that no row refers to yet. */
#include <string.h>

#include "store/internal.h"

/* A kind of row that is shared between runs; a whole before the tensors that it refers to. */
static const struct target {
    const char *table; /* its table */
    const char *key;   /* the column that others refer to */
    const char *bytes; /* SQL: the size of a row's content */
    const char *part;  /* a table whose rows go with it ... */
    const char *whole; /* ... by this column of it; or NULL */
    const char *size;  /* SQL: the content of a part's row */
    const char *parts; /* what its rows are called, or NULL: they are not told apart */
    const char *name;  /* what the rows are called */
    const char *also;  /* SQL: keys in use by what is no foreign key; or NULL */
} targets[] = {
    {"model", "id", "length(graph)", "encoding", "model", "length(meta)", NULL, "models", NULL},
    {"dataset", "id", "length(meta)", "sample", "dataset", "length(CAST(raw AS BLOB))", "samples",
     "data sets", NULL},
    {"tensor", "id", "length(data)", NULL, NULL, NULL, NULL, "tensors", NULL},
    {"source", "sha256", "length(CAST(text AS BLOB))", NULL, NULL, NULL, NULL, "scripts", NULL},
    {"file", "sha256", "length(data)", NULL, NULL, NULL, NULL, "files",
     "SELECT sha256 FROM main.run_file"},
    {"environment", "id", "length(libraries)", NULL, NULL, NULL, NULL, "environments", NULL},
    {"experiment", "id", "length(name)", NULL, NULL, NULL, NULL, "experiments", NULL},
};

/* The foreign keys to `table`: their table, column and whether it is a part. */
#define REFERENCES                                                                                 \
    "SELECT s.name, f.\"from\", f.on_delete = 'CASCADE' FROM main.sqlite_schema s, "               \
    "pragma_foreign_key_list(s.name) f WHERE s.type = 'table' AND f.\"table\" = ?1 COLLATE "       \
    "NOCASE ORDER BY s.name, f.id"

/* Appends "SELECT ... UNION ALL SELECT ...": keys of `table` that are in use. */
static ln_status write_used(ln_store *store, const char *table, int depth, ln_text *sql,
                            ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_text_add(sql, "SELECT NULL AS used");
    ln_status status = ln_store_prepare(store, REFERENCES, &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    while (status == LN_OK) {
        status = ln_store_step(store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        const char *from = (const char *)sqlite3_column_text(statement, 0);
        const char *column = (const char *)sqlite3_column_text(statement, 1);
        bool part = sqlite3_column_int(statement, 2) && depth < 3;
        ln_text_format(sql, " UNION ALL SELECT \"%s\" FROM main.\"%s\"", column, from);
        if (part) {
            bool keyed = sqlite3_table_column_metadata(store->db, "main", from, "id", NULL, NULL,
                                                       NULL, NULL, NULL) == SQLITE_OK;
            ln_text_add(sql, keyed ? " WHERE id IN (" : " WHERE 0");
            if (keyed)
                status = write_used(store, from, depth + 1, sql, err);
            ln_text_add(sql, keyed ? ")" : "");
        }
    }
    sqlite3_finalize(statement);
    return status;
}

/* Fills temp.unused with the keys of the target's rows that nothing refers to. */
static ln_status find_unused(ln_store *store, const struct target *t, ln_error *err)
{
    ln_text sql = {0};
    ln_text_format(
        &sql,
        "DELETE FROM temp.unused; INSERT INTO temp.unused SELECT \"%s\" FROM main.\"%s\" "
        "WHERE \"%s\" NOT IN (SELECT used FROM (",
        t->key, t->table, t->key);
    ln_status status = write_used(store, t->table, 0, &sql, err);
    if (t->also)
        ln_text_format(&sql, " UNION ALL %s", t->also);
    ln_text_add(&sql, ") WHERE used IS NOT NULL)"); /* NOT IN a list with NULL is never true */
    if (status == LN_OK && sql.failed)
        status = ln_fail_memory(err, sql.length);
    if (status == LN_OK)
        status = ln_store_exec(store, sql.data, err);
    ln_text_free(&sql);
    return status;
}

/* Counts, tells and deletes the rows of `table` whose column `by` is in temp.unused. */
static ln_status take(ln_store *store, const char *table, const char *by, const char *bytes,
                      const char *name, ln_collected_fn each, void *context, ln_error *err)
{
    ln_text sql = {0};
    sqlite3_stmt *statement = NULL;
    bool row;
    ln_text_format(&sql,
                   "SELECT count(*), coalesce(sum(coalesce(%s, 0)), 0) FROM main.\"%s\" WHERE "
                   "\"%s\" IN (SELECT key FROM temp.unused)",
                   bytes, table, by);
    ln_status status =
        sql.failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql.data, &statement, err);
    if (status == LN_OK)
        status = ln_store_step(store, statement, &row, err);
    if (status == LN_OK && name)
        each(context, name, sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1));
    sqlite3_finalize(statement);
    ln_text_free(&sql);
    ln_text_format(&sql, "DELETE FROM main.\"%s\" WHERE \"%s\" IN (SELECT key FROM temp.unused)",
                   table, by);
    if (status == LN_OK)
        status = sql.failed ? ln_fail_memory(err, 0) : ln_store_exec(store, sql.data, err);
    ln_text_free(&sql);
    return status;
}

static ln_status collect_one(ln_store *store, const struct target *t, ln_collected_fn each,
                             void *context, ln_error *err)
{
    ln_status status = find_unused(store, t, err);
    if (status == LN_OK && t->part)
        status = take(store, t->part, t->whole, t->size, t->parts, each, context, err);
    if (status == LN_OK && strcmp(t->table, "dataset") == 0)
        status = take(store, "feature", "dataset", "0", NULL, each, context, err);
    return status != LN_OK ? status
                           : take(store, t->table, t->key, t->bytes, t->name, each, context, err);
}

static ln_status collect_all(ln_store *store, ln_collected_fn each, void *context, ln_error *err)
{
    static const char broken[] = "SELECT count(*) FROM pragma_foreign_key_check";
    int64_t before = 0, after = 0;
    bool alive;
    ln_status status = ln_store_any_alive(store, &alive, err);
    if (status == LN_OK && alive)
        status = ln_fail(err, LN_EFAILED,
                         "a run is writing to the store '%s'; nothing is collected meanwhile",
                         store->path);
    if (status == LN_OK)
        status = ln_store_number(store, broken, 0, 0, &before, err);
    for (size_t i = 0; i < sizeof targets / sizeof *targets && status == LN_OK; i++)
        status = collect_one(store, &targets[i], each, context, err);
    if (status == LN_OK)
        status = ln_store_number(store, broken, 0, 0, &after, err);
    if (status == LN_OK && after > before)
        status =
            ln_fail(err, LN_ESTORE, "nothing was collected: rows still in use would have gone");
    return status;
}

ln_status ln_store_collect(ln_store *store, bool dry_run, ln_collected_fn each, void *context,
                           ln_error *err)
{
    ln_status status = ln_store_exec(store,
                                     "PRAGMA foreign_keys = OFF; "
                                     "CREATE TEMP TABLE IF NOT EXISTS unused (key PRIMARY KEY)",
                                     err);
    if (status == LN_OK)
        status = ln_store_begin(store, err);
    if (status == LN_OK) {
        status = collect_all(store, each, context, err);
        if (!dry_run)
            status = ln_store_leave(store, true, status, err);
        else if (ln_store_rollback(store), !sqlite3_get_autocommit(store->db) && status == LN_OK)
            status = ln_fail_memory(err, 0);
    }
    ln_status after = ln_store_exec(store,
                                    "DROP TABLE IF EXISTS temp.unused; "
                                    "PRAGMA foreign_keys = ON",
                                    status == LN_OK ? err : NULL);
    return status != LN_OK ? status : after;
}

ln_status ln_store_shrink(ln_store *store, int64_t *bytes, ln_error *err)
{
    int64_t before = 0, after = 0, page = 0;
    ln_status status = ln_store_number(store, "PRAGMA page_size", 0, 0, &page, err);
    if (status == LN_OK)
        status = ln_store_number(store, "PRAGMA page_count", 0, 0, &before, err);
    if (status == LN_OK)
        status = ln_store_exec(store, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", err);
    if (status == LN_OK)
        status = ln_store_number(store, "PRAGMA page_count", 0, 0, &after, err);
    *bytes = status == LN_OK ? (before - after) * page : 0;
    return status;
}
