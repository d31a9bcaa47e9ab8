/* The schema's versions. Version 1 is schema.sql; a later one is a file of SQL that leads from the
 * one before it (0002-....sql) and a line below. Everything happens in one transaction that begins
 * with the write lock, so of several processes that open an old store one migrates and the others
 * find it done, and a process killed in the middle leaves the old version.
 *
 * Views are not part of a version: they are dropped first and made again from views.sql at the end,
 * since ALTER TABLE would check them against functions of ours. */
#include <stdio.h>
#include <string.h>

#include "base/embedded.h"
#include "store/internal.h"

const ln_migration ln_migrations[] = {
    {1, "store/schema.sql", NULL},
    {2, "store/0002-artifact-path.sql", NULL},
    {3, NULL, "ALTER TABLE model ADD COLUMN meta TEXT"}, /* JSON: task, head */
    {4, "store/0004-run-files.sql", NULL},
    {5, "store/0005-checkpoint.sql", NULL},
    {6, NULL, ""}, /* feature_importance by input */
    {7, "store/0007-attribution-form.sql", NULL},
    {8, "store/0008-training-layer.sql", NULL},
    {0, NULL, NULL},
};

static const char *const our_tables[] = {"schema_version", "run", "explanation", "attribution",
                                         "tensor"};

ln_status ln_store_version(ln_store *store, int *version, ln_error *err)
{
    int64_t tables = 0, number = 0;
    *version = 0;
    ln_status status =
        ln_store_number(store, "SELECT count(*) FROM sqlite_schema", 0, 0, &tables, err);
    if (status != LN_OK || tables == 0)
        return status;
    for (size_t i = 0; i < sizeof our_tables / sizeof *our_tables; i++)
        if (sqlite3_table_column_metadata(store->db, "main", our_tables[i], NULL, NULL, NULL, NULL,
                                          NULL, NULL) != SQLITE_OK)
            return ln_fail(err, LN_ESTORE,
                           "'%s' is an SQLite file, but no store of Lunette (it has no table %s)",
                           store->path, our_tables[i]);
    status = ln_store_number(store, "SELECT max(version) FROM schema_version", 0, 0, &number, err);
    if (status == LN_OK && (number < 1 || number > INT32_MAX))
        status = ln_fail(err, LN_ESTORE, "the store '%s' does not say which schema version it has",
                         store->path);
    *version = (int)number;
    return status;
}

/* One view of views.sql (embedded), its SQL from "CREATE" to before ";". */
typedef ln_status (*view_fn)(void *context, const char *name, const char *sql, size_t length,
                             ln_error *err);
static ln_status each_view(view_fn each, void *context, ln_error *err)
{
    const struct ln_embedded *file = ln_embedded_find("store/views.sql");
    const char *at = file ? (const char *)file->data : "";
    while ((at = strstr(at, "CREATE VIEW "))) {
        char name[64];
        const char *end = strchr(at, ';');
        if (sscanf(at, "CREATE VIEW %63[a-z_]", name) != 1 || !end)
            break;
        ln_status status = each(context, name, at, (size_t)(end - at), err);
        if (status != LN_OK)
            return status;
        at = end;
    }
    return LN_OK;
}

static ln_status drop_views(ln_store *store, ln_error *err)
{
    for (;;) {
        sqlite3_stmt *statement;
        bool row;
        char sql[512] = "";
        ln_status status =
            ln_store_prepare(store,
                             "SELECT 'DROP VIEW \"' || replace(name, '\"', '\"\"') || '\"' "
                             "FROM sqlite_schema WHERE type = 'view' LIMIT 1",
                             &statement, err);
        if (status != LN_OK)
            return status;
        status = ln_store_step(store, statement, &row, err);
        if (status == LN_OK && row)
            snprintf(sql, sizeof sql, "%s", (const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        if (status != LN_OK || !row)
            return status;
        status = ln_store_exec(store, sql, err);
        if (status != LN_OK)
            return status;
    }
}

static ln_status make_view(void *context, const char *name, const char *sql, size_t length,
                           ln_error *err)
{
    (void)name;
    ln_store *store = context;
    sqlite3_stmt *statement;
    bool row;
    int code = sqlite3_prepare_v2(store->db, sql, (int)length, &statement, NULL);
    if (code != SQLITE_OK)
        return ln_store_error(store, code, err);
    ln_status status = ln_store_step(store, statement, &row, err);
    sqlite3_finalize(statement);
    return status;
}

static ln_status make_temporary(void *context, const char *name, const char *sql, size_t length,
                                ln_error *err)
{
    (void)name;
    ln_text text = {0};
    ln_text_add(&text, "CREATE TEMP VIEW ");
    ln_text_addn(&text, sql + strlen("CREATE VIEW "), length - strlen("CREATE VIEW "));
    ln_status status =
        text.failed ? ln_fail_memory(err, length) : ln_store_exec(context, text.data, err);
    ln_text_free(&text);
    return status;
}

static ln_status make_summary(void *context, const char *name, const char *sql, size_t length,
                              ln_error *err)
{
    return strcmp(name, "run_summary") == 0 ? make_temporary(context, name, sql, length, err)
                                            : LN_OK;
}

ln_status ln_store_temporary_views(ln_store *store, bool all, ln_error *err)
{
    return each_view(all ? make_temporary : make_summary, store, err);
}

static ln_status apply(ln_store *store, const ln_migration *step, ln_error *err)
{
    const struct ln_embedded *file = step->file ? ln_embedded_find(step->file) : NULL;
    char sql[160];
    if (!file && !step->sql)
        return ln_fail(err, LN_ESTORE, "the schema's version %d is not part of this build",
                       step->version);
    ln_status status = ln_store_exec(store, file ? (const char *)file->data : step->sql, err);
    if (status != LN_OK)
        return status;
    snprintf(sql, sizeof sql,
             "INSERT INTO schema_version VALUES (%d, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ'))",
             step->version);
    return ln_store_exec(store, sql, err);
}

static ln_status migrate(ln_store *store, const ln_migration *list, ln_error *err)
{
    int version;
    char sql[64];
    /* Once more under the lock: another process may have been faster. */
    ln_status status = ln_store_version(store, &version, err);
    if (status == LN_OK && version == 0) {
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d", LN_APPLICATION_ID);
        status = ln_store_exec(store, sql, err);
    }
    int first = version;
    for (; list->version && status == LN_OK; list++) {
        if (list->version <= first)
            continue;
        if (version == first)
            status = drop_views(store, err);
        if (status == LN_OK)
            status = apply(store, list, err);
        version = list->version;
    }
    if (status == LN_OK && version != first)
        status = each_view(make_view, store, err);
    return status;
}

ln_status ln_store_migrate(ln_store *store, const ln_migration *list, ln_error *err)
{
    ln_status status = ln_store_begin(store, err);
    if (status != LN_OK)
        return status;
    return ln_store_leave(store, true, migrate(store, list, err), err);
}
