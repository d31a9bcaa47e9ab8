/* Keeping a finished piece of an interrupted run for the run that resumes it: its attributions and
 * what the judges said of each are written again as rows of the new explanation, pointing to the
 * same tensors. Columns are asked of the file, so that one that is added later comes along. */
#include <string.h>

#include "store/internal.h"

/* The columns of a table but for those that change, as text for SQL, each with `prefix`. */
static ln_status column_list(ln_store *store, const char *table, const char *prefix, ln_text *out,
                             ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(store,
                                        "SELECT name FROM pragma_table_info(?1) WHERE name NOT IN "
                                        "('id', 'run', 'explanation', 'attribution') ORDER BY cid",
                                        &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    while ((status = ln_store_step(store, statement, &row, err)) == LN_OK && row)
        ln_text_format(out, ", %s\"%s\"", prefix, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return status == LN_OK && out->failed ? ln_fail_memory(err, 0) : status;
}

/* INSERT ... SELECT with these numbers as ?1 ...; *rows is how many were inserted. */
static ln_status insert(ln_store *store, const ln_text *sql, const int64_t *numbers, int count,
                        int64_t *rows, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    if (sql->failed)
        return ln_fail_memory(err, 0);
    ln_status status = ln_store_prepare(store, sql->data, &statement, err);
    if (status != LN_OK)
        return status;
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    status = ln_store_step(store, statement, &row, err);
    sqlite3_finalize(statement);
    *rows = sqlite3_changes64(store->db);
    return status;
}

static ln_status keep(ln_store *store, const ln_kept_piece *piece, int64_t *first_id, ln_error *err)
{
    ln_text sql = {0}, columns = {0}, prefixed = {0};
    int64_t rows = 0, next;
    ln_status status = ln_store_number(
        store, "SELECT coalesce(max(id), 0) + 1 FROM main.attribution", 0, 1, &next, err);
    if (status == LN_OK)
        status = column_list(store, "attribution", "", &columns, err);
    ln_text_format(&sql,
                   "INSERT INTO main.attribution (id, explanation%s) SELECT id - ?1 + ?2, ?3%s "
                   "FROM main.attribution WHERE id >= ?1 AND id < ?1 + ?4 AND explanation = ?5 "
                   "ORDER BY id",
                   columns.data, columns.data);
    const int64_t numbers[] = {piece->first_id, next,        piece->to,
                               piece->count,    piece->from, piece->run};
    if (status == LN_OK)
        status = insert(store, &sql, numbers, 5, &rows, err);
    if (status == LN_OK && rows != piece->count)
        status = ln_fail(err, LN_ESTORE,
                         "the piece that was to be kept has %lld attributions, "
                         "not %lld",
                         (long long)rows, (long long)piece->count);
    ln_text_free(&sql);
    ln_text_free(&columns);
    if (status == LN_OK)
        status = column_list(store, "metric", "", &columns, err);
    if (status == LN_OK)
        status = column_list(store, "metric", "m.", &prefixed, err);
    ln_text_format(&sql,
                   "INSERT INTO main.metric (run, explanation, attribution%s) "
                   "SELECT ?6, ?3, m.attribution - ?1 + ?2%s FROM main.metric m "
                   "WHERE m.attribution >= ?1 AND m.attribution < ?1 + ?4 AND m.explanation = ?5 "
                   "ORDER BY m.id",
                   columns.data, prefixed.data);
    if (status == LN_OK)
        status = insert(store, &sql, numbers, 6, &rows, err);
    ln_text_free(&sql);
    ln_text_free(&columns);
    ln_text_free(&prefixed);
    *first_id = next;
    return status;
}

ln_status ln_store_keep_piece(ln_store *store, const ln_kept_piece *piece, int64_t *first_id,
                              ln_error *err)
{
    bool own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    return ln_store_leave(store, own, keep(store, piece, first_id, err), err);
}
