/* What people add to runs, also to finished ones: tags (a value a key) and notes (events of level
 * "note", each with its time, so that a later one does not overwrite an earlier one). */
#include <string.h>

#include "store/internal.h"

#define KEY_MOST 100

/* Letters, digits, _ - and . : such a key can be written after "tag." in a condition. */
static ln_status check_key(const char *key, ln_error *err)
{
    size_t length = strlen(key);
    bool fine = length > 0 && length <= KEY_MOST;
    for (const char *c = key; *c && fine; c++)
        fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
               strchr("_-.", *c);
    if (fine)
        return LN_OK;
    return ln_fail(err, LN_EINVALID,
                   "a tag's name has letters, digits, _, - and . (at most %d), found '%.100s'",
                   KEY_MOST, key);
}

/* Control characters would break lines of tables and JSON of views. */
static ln_status check_value(const char *key, const char *value, ln_error *err)
{
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ln_fail(err, LN_EINVALID,
                           "the value of the tag '%s' has a control character (line end, tab ...); "
                           "a note may have them",
                           key);
    return LN_OK;
}

static ln_status run_two(ln_store *store, const char *sql, int64_t run, const char *one,
                         const char *two, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    ln_status status = ln_store_prepare(store, sql, &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_int64(statement, 1, run);
    sqlite3_bind_text(statement, 2, one, -1, SQLITE_STATIC);
    if (two)
        sqlite3_bind_text(statement, 3, two, -1, SQLITE_STATIC);
    status = ln_store_step(store, statement, &row, err);
    sqlite3_finalize(statement);
    return status;
}

ln_status ln_store_tag(ln_store *store, int64_t run, const char *key, const char *value,
                       ln_error *err)
{
    ln_status status = check_key(key, err);
    if (status == LN_OK)
        status = check_value(key, value, err);
    return status != LN_OK ? status
                           : run_two(store,
                                     "INSERT INTO tag (run, key, value) VALUES (?1, ?2, ?3) "
                                     "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
                                     run, key, value, err);
}

ln_status ln_store_untag(ln_store *store, int64_t run, const char *key, ln_error *err)
{
    ln_status status =
        run_two(store, "DELETE FROM tag WHERE run = ?1 AND key = ?2", run, key, NULL, err);
    if (status == LN_OK && sqlite3_changes(store->db) == 0)
        status = ln_fail(err, LN_EINVALID, "run %lld has no tag '%.100s'", (long long)run, key);
    return status;
}

ln_status ln_store_note(ln_store *store, int64_t run, const char *text, ln_error *err)
{
    if (text[strspn(text, " \t\r\n")] == '\0')
        return ln_fail(err, LN_EINVALID, "the note is empty");
    return run_two(store,
                   "INSERT INTO event (run, at, level, message) VALUES (?1, "
                   "strftime('%Y-%m-%dT%H:%M:%fZ'), 'note', ?2)",
                   run, text, NULL, err);
}
