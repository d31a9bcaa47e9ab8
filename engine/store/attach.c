/* Other SQLite files beside the store, for reading only. A reader's connection cannot write at all
 * (query_only, the authorizer); a writer's opens the file read-only. Only the name in SQL and the
 * file are given from outside: users' statements may not ATTACH. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

static ln_status check_name(const char *name, ln_error *err)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (name[0] && !name[length] && !(name[0] >= '0' && name[0] <= '9') &&
        sqlite3_stricmp(name, "main") != 0 && sqlite3_stricmp(name, "temp") != 0)
        return LN_OK;
    return ln_fail(err, LN_EINVALID,
                   "a file is attached under a name of letters, digits and _ that is neither main "
                   "nor temp, not under '%.100s'",
                   name);
}

ln_status ln_store_attach(ln_store *store, const char *path, const char *name, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    char sql[200];
    ln_status status = check_name(name, err);
    if (status != LN_OK)
        return status;
    if (access(path, R_OK) != 0)
        return ln_fail(err, LN_EFILE, "the file '%s' cannot be attached: %s", path,
                       strerror(errno));
    char *uri = ln_store_uri(path, store->mode == LN_STORE_READ);
    if (!uri)
        return ln_fail_memory(err, strlen(path));
    status = ln_store_prepare(store, "ATTACH ?1 AS ?2", &statement, err);
    if (status == LN_OK) {
        sqlite3_bind_text(statement, 1, uri, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
        int code = sqlite3_step(statement);
        if (code != SQLITE_DONE)
            status = (code & 0xff) == SQLITE_ERROR
                         ? ln_fail(err, LN_EINVALID, "the file '%s' cannot be attached: %s", path,
                                   sqlite3_errmsg(store->db))
                         : ln_sqlite_error(store->db, path, code, err);
    }
    sqlite3_finalize(statement);
    ln_free(uri);
    if (status != LN_OK)
        return status;
    /* SQLite looks into the file only now. */
    snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%.100s\".sqlite_schema", name);
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        status = ln_store_step(store, statement, &row, err);
    else
        status = ln_sqlite_error(store->db, path, code, err);
    sqlite3_finalize(statement);
    return status;
}
