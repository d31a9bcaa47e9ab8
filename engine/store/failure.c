/* SQLite's codes in words of ours, and the small calls that every file of this room makes. */
#include "store/internal.h"

#include <errno.h>
#include <string.h>

#include "base/parallel.h"

static ln_status disk_full(const char *path, ln_error *err)
{
    return ln_fail(
        err, LN_ESTORE,
        "the disk is full: the store '%s' cannot be written; what was finished before is "
        "kept",
        path);
}

/* SQLite tells a full disk apart, but not a quota or a limit on the size of files. */
static ln_status io_error(sqlite3 *db, const char *path, int code, ln_error *err)
{
    int why = sqlite3_system_errno(db);
    bool writing = code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_FSYNC ||
                   code == SQLITE_IOERR_TRUNCATE || code == SQLITE_IOERR_SHMSIZE;
    if (why == ENOSPC || why == EDQUOT)
        return disk_full(path, err);
    if (writing)
        return ln_fail(err, LN_ESTORE,
                       "the store '%s' cannot be written: %s; what was finished before is kept",
                       path, why ? strerror(why) : "its file system allows no more, or fails");
    return ln_fail(err, LN_ESTORE, "the store '%s' cannot be read: %s", path,
                   why ? strerror(why) : sqlite3_errmsg(db));
}

ln_status ln_sqlite_error(sqlite3 *db, const char *path, int code, ln_error *err)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ln_fail_memory(err, 0);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ln_fail(err, LN_ESTORE,
                       "the store '%s' is locked by another process, for more than %d seconds now",
                       path, LN_BUSY_MILLISECONDS / 1000);
    case SQLITE_FULL:
        return disk_full(path, err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ln_fail(err, LN_ESTORE,
                       "the store '%s' cannot be written: the file or its folder is read-only",
                       path);
    case SQLITE_CANTOPEN:
        return ln_fail(err, LN_ESTORE, "the store '%s' cannot be opened: %s", path,
                       sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db))
                                                : "its folder is missing or not writable");
    case SQLITE_NOTADB:
        return ln_fail(err, LN_ESTORE, "'%s' is no store: it is not an SQLite file", path);
    case SQLITE_CORRUPT:
        return ln_fail(err, LN_ESTORE,
                       "the store '%s' is damaged (%s); it was left as it is, go back to a copy",
                       path, sqlite3_errmsg(db));
    case SQLITE_IOERR:
        return io_error(db, path, code, err);
    case SQLITE_INTERRUPT:
        if (ln_interrupted())
            return ln_check_interrupt(err);
        return ln_fail(err, LN_EINTERRUPTED, "the statement was stopped");
    default:
        return ln_fail(err, LN_ESTORE, "the store '%s': %s", path, sqlite3_errmsg(db));
    }
}

ln_status ln_store_error(ln_store *store, int code, ln_error *err)
{
    return ln_sqlite_error(store->db, store->path, code, err);
}

ln_status ln_store_exec(ln_store *store, const char *sql, ln_error *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? LN_OK : ln_store_error(store, code, err);
}

ln_status ln_store_prepare(ln_store *store, const char *sql, sqlite3_stmt **out, ln_error *err)
{
    int code = sqlite3_prepare_v3(store->db, sql, -1, 0, out, NULL);
    return code == SQLITE_OK ? LN_OK : ln_store_error(store, code, err);
}

ln_status ln_store_step(ln_store *store, sqlite3_stmt *statement, bool *row, ln_error *err)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return LN_OK;
    ln_status status = ln_store_error(store, code, err);
    sqlite3_reset(statement);
    return status;
}

ln_status ln_store_number(ln_store *store, const char *sql, int64_t argument, int64_t fallback,
                          int64_t *out, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *out = fallback;
    ln_status status = ln_store_prepare(store, sql, &statement, err);
    if (status != LN_OK)
        return status;
    if (sqlite3_bind_parameter_count(statement) > 0)
        sqlite3_bind_int64(statement, 1, argument);
    status = ln_store_step(store, statement, &row, err);
    if (row && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

ln_status ln_store_enter(ln_store *store, bool *own, ln_error *err)
{
    *own = sqlite3_get_autocommit(store->db) != 0;
    return *own ? ln_store_begin(store, err) : LN_OK;
}

ln_status ln_store_leave(ln_store *store, bool own, ln_status status, ln_error *err)
{
    if (!own)
        return status;
    if (status == LN_OK)
        status = ln_store_commit(store, err);
    else
        ln_store_rollback(store);
    return status;
}
