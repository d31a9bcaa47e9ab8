/* Queries: one statement, its parameters by name, its rows one after another, within a time limit.
 *
 * Unless `write` is set, the authorizer (authorizer.c) watches preparing and stepping, and a
 * statement that SQLite does not know to be read-only is refused as well. SQLite calls `watch`
 * every few thousand instructions of its machine: it looks at the clock and at Ctrl-C. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/parallel.h"
#include "store/internal.h"

#define WATCH_INSTRUCTIONS 4000

struct ln_query {
    ln_store *store;         /* borrowed */
    sqlite3_stmt *statement; /* the prepared statement */
    const char *rest;        /* in the caller's SQL: what follows */
    bool write;              /* not watched by the authorizer */
    double timeout;          /* seconds; 0: none */
    double deadline;         /* monotonic seconds; 0: none, or not begun */
    bool late;               /* the deadline has passed */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int watch(void *context)
{
    ln_query *query = context;
    query->late = query->deadline > 0 && now() > query->deadline;
    return query->late || ln_interrupted();
}

static void enter(ln_query *query)
{
    if (query->timeout > 0 && query->deadline == 0)
        query->deadline = now() + query->timeout;
    query->store->guarded = !query->write;
    sqlite3_progress_handler(query->store->db, WATCH_INSTRUCTIONS, watch, query);
}

static void leave(ln_query *query)
{
    sqlite3_progress_handler(query->store->db, 0, NULL, NULL);
    query->store->guarded = false;
}

/* Blanks, comments and stray semicolons. */
static const char *skip_blanks(const char *sql)
{
    for (;;) {
        sql += strspn(sql, " \t\r\n\f;");
        if (sql[0] == '-' && sql[1] == '-') {
            sql += strcspn(sql, "\n");
        } else if (sql[0] == '/' && sql[1] == '*') {
            const char *end = strstr(sql + 2, "*/");
            sql = end ? end + 2 : sql + strlen(sql);
        } else {
            return sql;
        }
    }
}

/* "MESSAGE", and below it the line of the statement with a mark under the place, where known. */
static ln_status sql_error(ln_store *store, const char *sql, const char *message, ln_error *err)
{
    int offset = sqlite3_error_offset(store->db);
    if (offset < 0 || (size_t)offset > strlen(sql))
        return ln_fail(err, LN_ESTORE, "%s", message);
    const char *at = sql + offset, *first = at;
    while (first > sql && first[-1] != '\n' && at - first < 40)
        first--;
    while (first < at && ((unsigned char)*first & 0xc0) == 0x80)
        first++; /* not into the middle of a character */
    int length = (int)strcspn(first, "\r\n"), before = 0;
    if (length > 78) {
        for (length = 78; length > 0 && ((unsigned char)first[length] & 0xc0) == 0x80;)
            length--;
    }
    for (const char *c = first; c < at; c++)
        before += ((unsigned char)*c & 0xc0) != 0x80;
    return ln_fail(err, LN_ESTORE, "%s\n  %.*s\n  %*s", message, length, first, before + 1, "^");
}

static ln_status query_error(ln_query *query, int code, const char *sql, ln_error *err)
{
    ln_store *store = query->store;
    if (query->late)
        return ln_fail(err, LN_ESTORE,
                       "the statement was stopped after %g seconds (the time limit)",
                       query->timeout);
    switch (code & 0xff) {
    case SQLITE_AUTH:
        ln_fail(err, LN_ESTORE, "%s: this would do more than read the store",
                sqlite3_errmsg(store->db));
        ln_error_hint(err, "`lunette query --write` lifts that");
        return LN_ESTORE;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
    case SQLITE_CORRUPT:
        if (code == SQLITE_CORRUPT)
            break;
        return sql_error(store, sql, sqlite3_errmsg(store->db), err);
    case SQLITE_READONLY:
        if (!query->write || store->mode == LN_STORE_READ)
            return ln_fail(err, LN_ESTORE, "the statement would change the store");
        if (sqlite3_db_readonly(store->db, "main") == 0)
            return ln_fail(err, LN_ESTORE,
                           "the statement would change an attached file, which is only read");
        break;
    default:
        break;
    }
    return ln_store_error(store, code, err);
}

static ln_status bind_all(ln_query *query, const ln_query_options *options, ln_error *err)
{
    int wanted = sqlite3_bind_parameter_count(query->statement);
    for (int place = 1; place <= wanted; place++) {
        const char *name = sqlite3_bind_parameter_name(query->statement, place);
        const ln_cell *cell = NULL;
        if (!name || name[0] == '?')
            return ln_fail(err, LN_ESTORE,
                           "the statement has a parameter without a name (?); write :name");
        for (int i = 0; i < options->param_count; i++)
            if (strcmp(options->params[i].column, name + 1) == 0)
                cell = &options->params[i];
        if (!cell) {
            ln_fail(err, LN_ESTORE, "the parameter %s of the statement has no value", name);
            ln_error_hint(err, "--param %s=VALUE gives it one", name + 1);
            return LN_ESTORE;
        }
        int code = ln_store_bind_cell(query->statement, place, cell, SQLITE_TRANSIENT);
        if (code != SQLITE_OK)
            return ln_store_error(query->store, code, err);
    }
    return LN_OK;
}

static ln_status prepare(ln_query *query, const char *sql, ln_error *err)
{
    const char *tail = NULL;
    enter(query);
    int code = sqlite3_prepare_v2(query->store->db, sql, -1, &query->statement, &tail);
    leave(query);
    if (code != SQLITE_OK)
        return query_error(query, code, sql, err);
    if (!query->statement)
        return ln_fail(err, LN_ESTORE, "there is no SQL statement");
    query->rest = skip_blanks(tail);
    /* SQLite takes `PRAGMA journal_mode` for a writer even where it only tells; the authorizer has
     * looked at pragmas already. */
    bool pragma = sqlite3_strnicmp(sql, "pragma", 6) == 0;
    if (!query->write && !pragma && !sqlite3_stmt_readonly(query->statement)) {
        ln_fail(err, LN_ESTORE, "not authorized: this would do more than read the store");
        ln_error_hint(err, "`lunette query --write` lifts that");
        return LN_ESTORE;
    }
    return LN_OK;
}

ln_status ln_query_new(ln_store *store, const char *sql, const ln_query_options *options,
                       ln_query **out, ln_error *err)
{
    static const ln_query_options plain;
    *out = NULL;
    options = options ? options : &plain;
    ln_query *query = ln_calloc(1, sizeof *query);
    if (!query)
        return ln_fail_memory(err, sizeof *query);
    query->store = store;
    query->write = options->write;
    query->timeout = options->timeout;
    ln_status status = LN_OK;
    if (sqlite3_get_autocommit(store->db)) /* in a transaction it would wait for itself */
        status = ln_store_settle(store, err);
    if (status == LN_OK)
        status = prepare(query, skip_blanks(sql), err);
    if (status == LN_OK)
        status = bind_all(query, options, err);
    if (status != LN_OK) {
        ln_query_free(query);
        return status;
    }
    *out = query;
    return LN_OK;
}

ln_status ln_query_check(ln_store *store, const char *sql, bool write, ln_error *err)
{
    ln_query query = {.store = store, .write = write, .rest = skip_blanks(sql)};
    do {
        ln_status status = prepare(&query, query.rest, err);
        sqlite3_finalize(query.statement);
        query.statement = NULL;
        if (status != LN_OK)
            return status;
    } while (*query.rest);
    return LN_OK;
}

void ln_query_free(ln_query *query)
{
    if (!query)
        return;
    sqlite3_finalize(query->statement);
    ln_free(query);
}

const char *ln_query_rest(const ln_query *query)
{
    return query->rest;
}

int ln_query_columns(const ln_query *query)
{
    return sqlite3_column_count(query->statement);
}

const char *ln_query_name(const ln_query *query, int column)
{
    const char *name = sqlite3_column_name(query->statement, column);
    return name ? name : "";
}

const char *ln_query_origin(const ln_query *query, int column)
{
    return sqlite3_column_origin_name(query->statement, column);
}

bool ln_query_uses(const ln_query *query, const char *parameter)
{
    for (int i = sqlite3_bind_parameter_count(query->statement); i > 0; i--) {
        const char *name = sqlite3_bind_parameter_name(query->statement, i);
        if (name && strcmp(name + 1, parameter) == 0)
            return true;
    }
    return false;
}

ln_status ln_query_next(ln_query *query, bool *more, ln_error *err)
{
    enter(query);
    int code = sqlite3_step(query->statement);
    leave(query);
    *more = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return LN_OK;
    ln_status status = query_error(query, code, sqlite3_sql(query->statement), err);
    sqlite3_reset(query->statement);
    return status;
}

ln_cell ln_query_cell(const ln_query *query, int column)
{
    sqlite3_stmt *s = query->statement;
    ln_cell cell = {.column = ln_query_name(query, column)};
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
        cell.type = LN_CELL_INT;
        cell.integer = sqlite3_column_int64(s, column);
        break;
    case SQLITE_FLOAT:
        cell.type = LN_CELL_REAL;
        cell.real = sqlite3_column_double(s, column);
        break;
    case SQLITE_TEXT:
        cell.type = LN_CELL_TEXT;
        cell.data = sqlite3_column_text(s, column);
        cell.bytes = (size_t)sqlite3_column_bytes(s, column);
        break;
    case SQLITE_BLOB:
        cell.type = LN_CELL_BLOB;
        cell.data = sqlite3_column_blob(s, column);
        cell.bytes = (size_t)sqlite3_column_bytes(s, column);
        break;
    default:
        cell.type = LN_CELL_NULL;
        break;
    }
    return cell;
}
