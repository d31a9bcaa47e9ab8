/* RUN of the command line: `last`, `last~1`, a run's number, a prefix of its uuid (4 digits or
 * more), or an experiment's name (its newest run), tried in this order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define MOST_NAMES 64

/* Whether text is "last" or "last~N"; *back is N. */
static bool is_last(const char *text, int64_t *back)
{
    *back = 0;
    if (strncmp(text, "last", 4) != 0)
        return false;
    if (text[4] == '\0')
        return true;
    if (text[4] != '~' || strspn(text + 5, "0123456789") != strlen(text + 5) || !text[5])
        return false;
    *back = strtoll(text + 5, NULL, 10);
    return true;
}

/* A query with a text parameter; *found is its first column, 0 without rows. */
static ln_status by_text(ln_store *store, const char *sql, const char *text, int64_t *found,
                         int64_t *matches, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    *matches = 0;
    ln_status status = ln_store_prepare(store, sql, &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    for (;;) {
        status = ln_store_step(store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        if (++*matches == 1)
            *found = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status;
}

/* The experiments' names for the message and the nearest of them as a hint. */
static ln_status not_found(ln_store *store, const char *text, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    const char *names[MOST_NAMES + 1] = {NULL};
    int count = 0;
    int64_t runs = 0, newest = 0;
    ln_text list = {0};
    ln_status status = ln_store_number(store, "SELECT count(*) FROM main.run", 0, 0, &runs, err);
    if (status == LN_OK)
        status = ln_store_number(store, "SELECT max(id) FROM main.run", 0, 0, &newest, err);
    if (status == LN_OK)
        status = ln_store_prepare(store,
                                  "SELECT name FROM main.experiment WHERE id IN "
                                  "(SELECT experiment FROM main.run) ORDER BY id DESC",
                                  &statement, err);
    if (status != LN_OK)
        return status;
    while (count < MOST_NAMES && sqlite3_step(statement) == SQLITE_ROW) {
        names[count] = ln_strdup((const char *)sqlite3_column_text(statement, 0));
        if (!names[count])
            break;
        if (count < 5)
            ln_text_format(&list, "%s'%s'", count ? ", " : "", names[count]);
        count++;
    }
    row = count > 5;
    sqlite3_finalize(statement);
    if (runs == 0)
        ln_fail(err, LN_EINVALID, "there is no run '%s': the store '%s' has no runs yet", text,
                store->path);
    else
        ln_fail(err, LN_EINVALID,
                "there is no run '%s': the store '%s' has %lld run%s, the newest is %lld; "
                "experiments: %s%s",
                text, store->path, (long long)runs, runs == 1 ? "" : "s", (long long)newest,
                list.data ? list.data : "", row ? ", ..." : "");
    const char *near = ln_nearest_word(text, names);
    if (near)
        ln_error_hint(err, "did you mean '%s'?", near);
    for (int i = 0; i < count; i++)
        ln_free((void *)names[i]);
    ln_text_free(&list);
    return LN_EINVALID;
}

static ln_status find_last(ln_store *store, const char *text, int64_t back, int64_t *run,
                           ln_error *err)
{
    ln_status status = ln_store_number(
        store, "SELECT id FROM main.run ORDER BY id DESC LIMIT 1 OFFSET ?1", back, 0, run, err);
    return status != LN_OK || *run > 0 ? status : not_found(store, text, err);
}

ln_status ln_store_find_run(ln_store *store, const char *text, int64_t *run, ln_error *err)
{
    int64_t back, matches = 0;
    ln_status status = LN_OK;
    *run = 0;
    if (is_last(text, &back))
        return find_last(store, text, back, run, err);
    size_t length = strlen(text);
    if (length > 0 && length < 19 && strspn(text, "0123456789") == length)
        status = ln_store_number(store, "SELECT id FROM main.run WHERE id = ?1",
                                 strtoll(text, NULL, 10), 0, run, err);
    if (status != LN_OK || *run > 0)
        return status;
    if (length >= 4 && strspn(text, "0123456789abcdefABCDEF-") == length) {
        status = by_text(store,
                         "SELECT id FROM main.run WHERE substr(uuid, 1, length(?1)) = lower(?1) "
                         "ORDER BY id DESC",
                         text, run, &matches, err);
        if (status == LN_OK && matches > 1)
            return ln_fail(err, LN_EINVALID,
                           "'%s' is the beginning of the uuids of %lld runs; write more of it, or "
                           "a run's number",
                           text, (long long)matches);
        if (status != LN_OK || matches == 1)
            return status;
    }
    status = by_text(store,
                     "SELECT r.id FROM main.run r JOIN main.experiment x ON x.id = r.experiment "
                     "WHERE x.name = ?1 ORDER BY r.id DESC LIMIT 1",
                     text, run, &matches, err);
    return status != LN_OK || *run > 0 ? status : not_found(store, text, err);
}
