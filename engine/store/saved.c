/* Queries that are kept in the store under a name: `lunette query @worst_residual`. */
#include <string.h>

#include "store/internal.h"

#define MOST_NAMES 256

static ln_status check_name(const char *name, ln_error *err)
{
    size_t length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (name[0] && !name[length] && length <= 100 && name[0] != '-')
        return LN_OK;
    return ln_fail(err, LN_EINVALID,
                   "the name of a query has letters, digits, _ and - (at most 100), found '%.100s'",
                   name);
}

static ln_status run_with(ln_store *store, const char *sql, const char *name, const char *text,
                          ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    ln_status status = ln_store_prepare(store, sql, &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (text)
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
    status = ln_store_step(store, statement, &row, err);
    sqlite3_finalize(statement);
    return status;
}

ln_status ln_store_save_query(ln_store *store, const char *name, const char *sql, ln_error *err)
{
    ln_status status = check_name(name, err);
    return status != LN_OK ? status
                           : run_with(store,
                                      "INSERT INTO saved_query (name, sql) VALUES (?1, ?2) "
                                      "ON CONFLICT (name) DO UPDATE SET sql = excluded.sql",
                                      name, sql, err);
}

static ln_status not_saved(ln_store *store, const char *name, ln_error *err)
{
    sqlite3_stmt *statement;
    const char *names[MOST_NAMES + 1] = {NULL};
    int count = 0;
    ln_status status =
        ln_store_prepare(store, "SELECT name FROM main.saved_query ORDER BY name", &statement, err);
    if (status != LN_OK)
        return status;
    while (count < MOST_NAMES && sqlite3_step(statement) == SQLITE_ROW) {
        names[count] = ln_strdup((const char *)sqlite3_column_text(statement, 0));
        if (!names[count])
            break;
        count++;
    }
    sqlite3_finalize(statement);
    ln_fail(err, LN_EINVALID, "the store '%s' keeps no query '%.100s'", store->path, name);
    const char *near = ln_nearest_word(name, names);
    if (near)
        ln_error_hint(err, "did you mean '@%s'?", near);
    else
        ln_error_hint(err, count ? "`lunette query --saved` lists those it keeps"
                                 : "`lunette query --save NAME SQL` keeps one");
    for (int i = 0; i < count; i++)
        ln_free((void *)names[i]);
    return LN_EINVALID;
}

ln_status ln_store_saved_query(ln_store *store, const char *name, char **sql, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *sql = NULL;
    ln_status status = ln_store_prepare(store, "SELECT sql FROM main.saved_query WHERE name = ?1",
                                        &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    status = ln_store_step(store, statement, &row, err);
    if (status == LN_OK && row) {
        *sql = ln_strdup((const char *)sqlite3_column_text(statement, 0));
        status = *sql ? LN_OK : ln_fail_memory(err, 0);
    }
    sqlite3_finalize(statement);
    return status == LN_OK && !row ? not_saved(store, name, err) : status;
}

ln_status ln_store_remove_query(ln_store *store, const char *name, ln_error *err)
{
    ln_status status = run_with(store, "DELETE FROM saved_query WHERE name = ?1", name, NULL, err);
    return status == LN_OK && sqlite3_changes(store->db) == 0 ? not_saved(store, name, err)
                                                              : status;
}
