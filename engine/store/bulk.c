/* Many rows of one table. SQLite spends as much on beginning and ending a statement as on a row of it,
 * so that a statement has several. It would also copy each page that such a statement changes, to
 * undo its first rows where a later one fails, and beyond 64 KB into a temporary file: OR FAIL
 * leaves the undoing to the transaction. */
#include "store/bulk.h"

#define TOGETHER 16 /* rows of one statement */

/* The statement of `rows` rows, prepared once. */
static ln_status bulk_statement(ln_store *store, const ln_bulk *into, int rows, sqlite3_stmt **out,
                                ln_error *err)
{
    sqlite3_stmt **kept = &store->put[into->place + (rows == 1)];
    ln_status status = LN_OK;
    ln_text sql = {0};
    if (!*kept) {
        ln_text_format(&sql, "INSERT OR FAIL INTO main.%s (%s) VALUES ", into->table,
                       into->columns);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < into->common + into->own; i++)
                ln_text_format(&sql, "%s?%d",
                               i     ? ", "
                               : row ? ", ("
                                     : "(",
                               1 + i + (i < into->common ? 0 : row * into->own));
            ln_text_add(&sql, ")");
        }
        status = sql.failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql.data, kept, err);
        ln_text_free(&sql);
    }
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
