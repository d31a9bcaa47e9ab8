/* Taking runs out of the store: the row of `run` and, by the foreign keys, all that belongs to it
 * alone (docs/store.md); what other runs may share stays until `collect` (collect.c). The number of
 * a run is never used again: `run` is AUTOINCREMENT.
 *
 * Files of the runs are removed after the commit, and only where they lie below the store's folder,
 * belong to no other run and still are what was stored: a file that somebody changed is theirs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

/* Files to remove, copied before their rows go. */
typedef struct files {
    char **at;   /* 2 * count texts: path, sha256 */
    int count;   /* files */
    size_t room; /* in texts */
} files;

static void free_files(files *list)
{
    for (int i = 0; i < 2 * list->count; i++)
        ln_free(list->at[i]);
    ln_free(list->at);
}

static ln_status add_file(files *list, const char *path, const char *sha256, ln_error *err)
{
    size_t used = 2 * (size_t)list->count;
    if (used + 2 > list->room) {
        size_t room = used ? 2 * used : 32;
        char **more = ln_realloc(list->at, room * sizeof *more);
        if (!more)
            return ln_fail_memory(err, room * sizeof *more);
        list->at = more;
        list->room = room;
    }
    list->at[used] = ln_strdup(path);
    list->at[used + 1] = ln_strdup(sha256);
    list->count++;
    return list->at[used] && list->at[used + 1] ? LN_OK : ln_fail_memory(err, strlen(path));
}

/* "3, 5, 8": numbers only, so it may stand in SQL. */
static char *number_list(const int64_t *runs, int count)
{
    ln_text text = {0};
    for (int i = 0; i < count; i++)
        ln_text_format(&text, "%s%lld", i ? ", " : "", (long long)runs[i]);
    if (text.failed)
        ln_text_free(&text);
    return text.data;
}

/* A statement in which `gone` are the runs of the list. */
static ln_status prepare_list(ln_store *store, const char *list, const char *select,
                              sqlite3_stmt **out, ln_error *err)
{
    ln_text sql = {0};
    *out = NULL;
    ln_text_format(&sql, "WITH gone AS (SELECT id FROM main.run WHERE id IN (%s)) ", list);
    ln_text_add(&sql, select);
    ln_status status =
        sql.failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql.data, out, err);
    ln_text_free(&sql);
    return status;
}

static ln_status check_removable(ln_store *store, const char *list, ln_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    ln_status status =
        prepare_list(store, list,
                     "SELECT id, 0, '' FROM main.run WHERE id IN gone AND status = 'running' "
                     "UNION ALL SELECT reproduces_run, id, 'reproduces' FROM main.run "
                     "WHERE reproduces_run IN gone AND id NOT IN gone "
                     "UNION ALL SELECT parent_run, id, 'resumes' FROM main.run "
                     "WHERE parent_run IN gone AND id NOT IN gone LIMIT 1",
                     &statement, err);
    if (status == LN_OK)
        status = ln_store_step(store, statement, &row, err);
    if (status == LN_OK && row) {
        long long run = sqlite3_column_int64(statement, 0),
                  other = sqlite3_column_int64(statement, 1);
        if (other == 0) {
            status = ln_fail(err, LN_EFAILED, "run %lld is running; it cannot be removed", run);
        } else {
            status = ln_fail(err, LN_EFAILED, "run %lld cannot be removed alone: run %lld %s it",
                             run, other, (const char *)sqlite3_column_text(statement, 2));
            ln_error_hint(err, "`lunette rm %lld %lld` removes both", run, other);
        }
    }
    sqlite3_finalize(statement);
    return status;
}

static ln_status list_files(ln_store *store, const char *list, files *found, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = prepare_list(
        store, list,
        "SELECT path, sha256 FROM main.artifact WHERE run IN gone AND path IS NOT NULL AND sha256 "
        "IS NOT NULL AND path NOT LIKE '/%' AND '/' || path || '/' NOT LIKE '%/../%' "
        "EXCEPT SELECT path, sha256 FROM main.artifact WHERE run NOT IN gone",
        &statement, err);
    while (status == LN_OK) {
        status = ln_store_step(store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        status = add_file(found, (const char *)sqlite3_column_text(statement, 0),
                          (const char *)sqlite3_column_text(statement, 1), err);
    }
    sqlite3_finalize(statement);
    return status;
}

/* Verdicts over several runs of an invocation go with the last of them. */
static ln_status delete_rows(ln_store *store, const char *list, ln_error *err)
{
    ln_text sql = {0};
    ln_text_format(&sql,
                   "DELETE FROM expectation WHERE run IS NULL AND invocation IN (SELECT invocation "
                   "FROM run WHERE id IN (%s)) AND NOT EXISTS (SELECT 1 FROM run r WHERE "
                   "r.invocation = expectation.invocation AND r.id NOT IN (%s)); "
                   "DELETE FROM run WHERE id IN (%s)",
                   list, list, list);
    ln_status status = sql.failed ? ln_fail_memory(err, 0) : ln_store_exec(store, sql.data, err);
    ln_text_free(&sql);
    return status;
}

/* Removes what still is as stored, and folders that this leaves empty. */
static void remove_files(ln_store *store, const files *list, ln_removed *removed)
{
    for (int i = 0; i < list->count; i++) {
        ln_artifact_state state;
        char *path;
        if (ln_store_artifact_state(store, list->at[2 * i], list->at[2 * i + 1], &state, NULL) !=
                LN_OK ||
            ln_store_artifact_path(store, list->at[2 * i], &path, NULL) != LN_OK)
            continue;
        removed->changed += state == LN_ARTIFACT_CHANGED;
        if (state == LN_ARTIFACT_SAME && unlink(path) == 0)
            removed->files++;
        size_t least = strlen(path) - strlen(list->at[2 * i]);
        for (char *slash = strrchr(path, '/'); slash && slash > path + least;
             slash = strrchr(path, '/')) {
            *slash = '\0';
            if (rmdir(path) != 0)
                break;
        }
        ln_free(path);
    }
}

ln_status ln_store_remove_runs(ln_store *store, const int64_t *runs, int count, ln_removed *removed,
                               ln_error *err)
{
    files found = {0};
    bool own;
    *removed = (ln_removed){0};
    char *list = number_list(runs, count);
    if (!list)
        return ln_fail_memory(err, 0);
    ln_status status = ln_store_enter(store, &own, err);
    if (status == LN_OK) {
        status = check_removable(store, list, err);
        if (status == LN_OK)
            status = list_files(store, list, &found, err);
        if (status == LN_OK)
            status = delete_rows(store, list, err);
        status = ln_store_leave(store, own, status, err);
    }
    if (status == LN_OK)
        remove_files(store, &found, removed);
    free_files(&found);
    ln_free(list);
    return status;
}
