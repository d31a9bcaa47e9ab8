/* Many rows of one table. SQLite spends as much on beginning and ending a statement as on a row of it,
 * so that a statement has several. It would also copy each page that such a statement changes, to
 * undo its first rows where a later one fails, and beyond 64 KB into a temporary file: OR FAIL
 * leaves the undoing to the transaction. */
#include "store/bulk.h"

#define TOGETHER 16 /* rows of one statement */

/* A statement of `rows` rows: values that are common have the first places, those of row r come then. */
static ln_status prepare(ln_store *store, const char *table, const char *columns, int common,
                         int own, int rows, sqlite3_stmt **out, ln_error *err)
{
    ln_text sql = {0};
    ln_text_format(&sql, "INSERT OR FAIL INTO main.%s (%s) VALUES ", table, columns);
    for (int row = 0; row < rows; row++) {
        for (int i = 0; i < common + own; i++)
            ln_text_format(&sql, "%s?%d",
                           i     ? ", "
                           : row ? ", ("
                                 : "(",
                           1 + i + (i < common ? 0 : row * own));
        ln_text_add(&sql, ")");
    }
    ln_status status =
        sql.failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql.data, out, err);
    ln_text_free(&sql);
    return status;
}

static ln_status bulk_statement(ln_store *store, const ln_bulk *into, int rows, sqlite3_stmt **out,
                                ln_error *err)
{
    sqlite3_stmt **kept = &store->put[into->place + (rows == 1)];
    ln_status status = *kept ? LN_OK
                             : prepare(store, into->table, into->columns, into->common, into->own,
                                       rows, kept, err);
    *out = *kept;
    return status;
}

ln_status ln_store_put_bulk(ln_store *store, const ln_bulk *into, ln_bind_common_fn bind_common,
                            ln_bind_row_fn bind_row, const void *context, int64_t count,
                            ln_error *err)
{
    ln_status status = LN_OK;
    bool row;
    for (int64_t i = 0; i < count && status == LN_OK;) {
        int rows = count - i >= TOGETHER ? TOGETHER : 1;
        sqlite3_stmt *statement;
        status = bulk_statement(store, into, rows, &statement, err);
        if (status != LN_OK)
            break;
        bind_common(statement, context);
        do {
            for (int k = 0; k < rows; k++)
                bind_row(statement, 1 + into->common + k * into->own, context, i + k);
            status = ln_store_step(store, statement, &row, err);
            sqlite3_reset(statement);
            i += rows;
        } while (status == LN_OK && count - i >= rows);
        sqlite3_clear_bindings(statement);
    }
    return status;
}

/* --- rows of any table ------------------------------------------------------------------------ */

/* Binds cells from a place on. Texts are copied: the next row may stand where this one did. */
static ln_status bind_cells(ln_store *store, sqlite3_stmt *statement, int place,
                            const ln_cell *cells, int count, ln_error *err)
{
    int code = SQLITE_OK;
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = ln_store_bind_cell(statement, place + i, &cells[i], SQLITE_TRANSIENT);
    return code == SQLITE_OK ? LN_OK : ln_store_error(store, code, err);
}

/* Inserts rows [first, first + rows). `cells` has the names of the columns, the common ones first. */
static ln_status insert_some(ln_store *store, const ln_many_rows *many, sqlite3_stmt *statement,
                             ln_cell *cells, int64_t first, int rows, ln_error *err)
{
    ln_cell *own = cells + many->common_count;
    ln_status status = LN_OK;
    bool row;
    for (int r = 0; r < rows && status == LN_OK; r++) {
        status = many->fill(many->context, first + r, own, err);
        if (status == LN_OK)
            status = bind_cells(store, statement, 1 + many->common_count + r * many->column_count,
                                own, many->column_count, err);
    }
    if (status == LN_OK)
        status = ln_store_step(store, statement, &row, err);
    sqlite3_reset(statement);
    return status;
}

static ln_status insert_all(ln_store *store, const ln_many_rows *many, const char *columns,
                            ln_cell *cells, ln_error *err)
{
    ln_status status = LN_OK;
    for (int64_t i = 0; i < many->count && status == LN_OK;) {
        const int rows = many->count - i >= TOGETHER ? TOGETHER : 1;
        sqlite3_stmt *statement = NULL;
        status = prepare(store, many->table, columns, many->common_count, many->column_count, rows,
                         &statement, err);
        if (status == LN_OK)
            status = bind_cells(store, statement, 1, cells, many->common_count, err);
        for (; status == LN_OK && many->count - i >= rows; i += rows)
            status = insert_some(store, many, statement, cells, i, rows, err);
        sqlite3_finalize(statement);
    }
    return status;
}

/* Fails where the row is gone that the first common cell names. */
static ln_status check_owner(ln_store *store, const ln_many_rows *many, ln_error *err)
{
    const int64_t id = many->common[0].integer;
    int64_t found = 0;
    ln_text sql = {0};
    ln_text_format(&sql, "SELECT count(*) FROM main.\"%s\" WHERE id = ?1", many->owner);
    ln_status status =
        sql.failed ? ln_fail_memory(err, 0) : ln_store_number(store, sql.data, id, 0, &found, err);
    ln_text_free(&sql);
    if (status == LN_OK && found == 0)
        status =
            ln_fail(err, LN_ESTORE, "the store '%s' has lost %s %lld while it was being written",
                    store->path, many->owner, (long long)id);
    return status;
}

/* Inside a transaction. What was prepared before is prepared again where foreign keys change. */
static ln_status insert_checked(ln_store *store, const ln_many_rows *many, const char *columns,
                                ln_cell *cells, ln_error *err)
{
    if (!many->owner)
        return insert_all(store, many, columns, cells, err);
    int enforced = 0;
    ln_status status = check_owner(store, many, err);
    if (status != LN_OK)
        return status;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &enforced);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    status = insert_all(store, many, columns, cells, err);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_FKEY, enforced, NULL);
    return status;
}

ln_status ln_store_insert_many(ln_store *store, const ln_many_rows *many, ln_error *err)
{
    ln_cell cells[LN_MANY_COLUMNS] = {{0}};
    const int common = many->common_count, count = common + many->column_count;
    if (count > LN_MANY_COLUMNS)
        return ln_fail(err, LN_ESTORE, "rows of '%s' have %d columns, of at most %d", many->table,
                       count, LN_MANY_COLUMNS);
    ln_text columns = {0};
    for (int i = 0; i < count; i++) {
        if (i < common)
            cells[i] = many->common[i];
        else
            cells[i].column = many->columns[i - common];
        ln_text_format(&columns, i ? ", \"%s\"" : "\"%s\"", cells[i].column);
    }
    bool own;
    ln_status status = columns.failed ? ln_fail_memory(err, 0)
                                      : ln_store_check_names(store, many->table, cells, count, err);
    if (status == LN_OK && (status = ln_store_enter(store, &own, err)) == LN_OK)
        status =
            ln_store_leave(store, own, insert_checked(store, many, columns.data, cells, err), err);
    ln_text_free(&columns);
    return status;
}
