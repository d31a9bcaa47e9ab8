/* Writing rows. Every transaction begins with the write lock (BEGIN IMMEDIATE): one that starts by
 * reading and then upgrades fails at once when another process wrote in between, busy timeout or
 * not.
 *
 * Statements are prepared when first used and kept, found by a hash over table and columns. A call
 * outside a transaction that needs several statements opens one of its own. */
#include <string.h>

#include "base/background.h"
#include "store/internal.h"

/* Lets the writing thread go on after a transaction of the owner's. */
static void resume(ln_store *store)
{
    if (store->background)
        ln_background_resume(store->background);
}

ln_status ln_store_begin(ln_store *store, ln_error *err)
{
    if (!sqlite3_get_autocommit(store->db))
        return ln_fail(err, LN_ESTORE, "a transaction is open already");
    ln_status status = store->background ? ln_background_pause(store->background, err) : LN_OK;
    if (status != LN_OK)
        return status;
    status = ln_store_exec(store, "BEGIN IMMEDIATE", err);
    if (status != LN_OK)
        resume(store);
    return status;
}

ln_status ln_store_commit(ln_store *store, ln_error *err)
{
    ln_status status = ln_store_exec(store, "COMMIT", err);
    if (status != LN_OK)
        ln_store_rollback(store);
    resume(store);
    return status;
}

void ln_store_rollback(ln_store *store)
{
    /* Some failures (a full disk) have rolled back already. */
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    resume(store);
}

/* --- kept statements ---------------------------------------------------------------------------
 * */

/* Adds a word and a line end to a FNV-1a hash. */
static uint64_t hash_word(uint64_t hash, const char *word)
{
    for (; *word; word++)
        hash = (hash ^ (unsigned char)*word) * 1099511628211u;
    return (hash ^ '\n') * 1099511628211u;
}

/* Goes over one word and line end of a key; NULL where the key has another one there. */
static const char *same_word(const char *key, const char *word)
{
    size_t length = strlen(word);
    return key && strncmp(key, word, length) == 0 && key[length] == '\n' ? key + length + 1 : NULL;
}

static sqlite3_stmt *find_kept(const ln_store *store, uint64_t hash, const char *kind,
                               const char *table, const ln_cell *cells, int count)
{
    for (int i = 0; i < store->kept_count; i++) {
        if (store->kept[i].hash != hash)
            continue;
        const char *rest = same_word(same_word(store->kept[i].key, kind), table);
        for (int c = 0; c < count; c++)
            rest = same_word(rest, cells[c].column);
        if (rest && *rest == '\0')
            return store->kept[i].statement;
    }
    return NULL;
}

static bool is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && name[length] == '\0';
}

ln_status ln_store_check_names(const ln_store *store, const char *table, const ln_cell *cells,
                               int count, ln_error *err)
{
    if (!is_name(table) || strncmp(table, "sqlite_", 7) == 0 ||
        sqlite3_table_column_metadata(store->db, "main", table, NULL, NULL, NULL, NULL, NULL,
                                      NULL) != SQLITE_OK)
        return ln_fail(err, LN_ESTORE, "the store has no table '%s'", table);
    for (int i = 0; i < count; i++)
        if (!is_name(cells[i].column) ||
            sqlite3_table_column_metadata(store->db, "main", table, cells[i].column, NULL, NULL,
                                          NULL, NULL, NULL) != SQLITE_OK)
            return ln_fail(err, LN_ESTORE, "the store's table '%s' has no column '%s'", table,
                           cells[i].column);
    return LN_OK;
}

/* The SQL of a statement of one of the kinds: insert, update, or find (by the first cell). */
static void write_sql(ln_text *sql, const char *kind, const char *table, const ln_cell *cells,
                      int count)
{
    if (strcmp(kind, "find") == 0) {
        ln_text_format(sql, "SELECT rowid FROM main.\"%s\" WHERE \"%s\" = ?1", table,
                       cells[0].column);
        return;
    }
    bool insert = strcmp(kind, "insert") == 0;
    ln_text_format(sql, insert ? "INSERT INTO main.\"%s\" (" : "UPDATE main.\"%s\" SET ", table);
    for (int i = 0; i < count; i++)
        ln_text_format(sql, insert ? "%s\"%s\"" : "%s\"%s\" = ?", i ? ", " : "", cells[i].column);
    ln_text_add(sql, insert ? ") VALUES (" : " WHERE id = ?");
    for (int i = 0; i < count && insert; i++)
        ln_text_add(sql, i ? ", ?" : "?");
    ln_text_add(sql, insert ? ")" : "");
}

static ln_status keep(ln_store *store, const ln_kept *kept, ln_error *err)
{
    if (store->kept_count == store->kept_room) {
        int room = store->kept_room ? 2 * store->kept_room : 32;
        ln_kept *more = ln_realloc(store->kept, (size_t)room * sizeof *more);
        if (!more)
            return ln_fail_memory(err, (size_t)room * sizeof *more);
        store->kept = more;
        store->kept_room = room;
    }
    store->kept[store->kept_count++] = *kept;
    return LN_OK;
}

static ln_status statement_for(ln_store *store, const char *kind, const char *table,
                               const ln_cell *cells, int count, sqlite3_stmt **out, ln_error *err)
{
    uint64_t hash = hash_word(hash_word(14695981039346656037u, kind), table);
    for (int i = 0; i < count; i++)
        hash = hash_word(hash, cells[i].column);
    *out = find_kept(store, hash, kind, table, cells, count);
    if (*out)
        return LN_OK;
    ln_status status = ln_store_check_names(store, table, cells, count, err);
    if (status != LN_OK)
        return status;
    ln_text key = {0}, sql = {0};
    ln_text_format(&key, "%s\n%s\n", kind, table);
    for (int i = 0; i < count; i++)
        ln_text_format(&key, "%s\n", cells[i].column);
    write_sql(&sql, kind, table, cells, count);
    ln_kept kept = {.hash = hash, .key = key.data};
    if (key.failed || sql.failed)
        status = ln_fail_memory(err, 0);
    else
        status = ln_store_prepare(store, sql.data, &kept.statement, err);
    if (status == LN_OK)
        status = keep(store, &kept, err);
    if (status != LN_OK) {
        sqlite3_finalize(kept.statement);
        ln_text_free(&key);
    }
    ln_text_free(&sql);
    *out = status == LN_OK ? kept.statement : NULL;
    return status;
}

/* --- rows ---------------------------------------------------------------------------------- */

int ln_store_bind_cell(sqlite3_stmt *statement, int place, const ln_cell *cell,
                       sqlite3_destructor_type lifetime)
{
    switch (cell->type) {
    case LN_CELL_INT:
        return sqlite3_bind_int64(statement, place, cell->integer);
    case LN_CELL_REAL:
        return sqlite3_bind_double(statement, place, cell->real);
    case LN_CELL_TEXT:
        return sqlite3_bind_text64(statement, place, cell->data ? cell->data : "", cell->bytes,
                                   lifetime, SQLITE_UTF8);
    case LN_CELL_BLOB:
        return sqlite3_bind_blob64(statement, place, cell->data ? cell->data : "", cell->bytes,
                                   lifetime);
    case LN_CELL_NULL:
        break;
    }
    return sqlite3_bind_null(statement, place);
}

/* Binds the cells (and `id` after them, unless 0), steps once, resets. */
static ln_status run_once(ln_store *store, sqlite3_stmt *statement, const ln_cell *cells, int count,
                          int64_t id, bool *row, int64_t *found, ln_error *err)
{
    int code = SQLITE_OK;
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = ln_store_bind_cell(statement, i + 1, &cells[i], SQLITE_STATIC);
    if (id && code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, count + 1, id);
    ln_status status = code == SQLITE_OK ? ln_store_step(store, statement, row, err)
                                         : ln_store_error(store, code, err);
    if (status == LN_OK && *row && found)
        *found = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

ln_status ln_store_insert(ln_store *store, const char *table, const ln_cell *cells, int count,
                          int64_t *id, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row, own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = statement_for(store, "insert", table, cells, count, &statement, err);
    if (status == LN_OK)
        status = run_once(store, statement, cells, count, 0, &row, NULL, err);
    const int64_t rowid = sqlite3_last_insert_rowid(store->db);
    status = ln_store_leave(store, own, status, err);
    if (status == LN_OK && id)
        *id = rowid;
    return status;
}

ln_status ln_store_intern(ln_store *store, const char *table, const char *key_column,
                          const ln_cell *cells, int count, int64_t *id, bool *added, ln_error *err)
{
    const ln_cell *key = NULL;
    for (int i = 0; i < count && !key; i++)
        if (strcmp(cells[i].column, key_column) == 0)
            key = &cells[i];
    if (!key || key->type == LN_CELL_NULL)
        return ln_fail(err, LN_ESTORE, "a row of '%s' needs a value for its key '%s'", table,
                       key_column);
    sqlite3_stmt *find;
    int64_t found = 0;
    bool row = false, own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = statement_for(store, "find", table, key, 1, &find, err);
    if (status == LN_OK)
        status = run_once(store, find, key, 1, 0, &row, &found, err);
    if (status == LN_OK && !row)
        status = ln_store_insert(store, table, cells, count, &found, err);
    status = ln_store_leave(store, own, status, err);
    if (status == LN_OK && id)
        *id = found;
    if (status == LN_OK && added)
        *added = !row;
    return status;
}

/* How a row leads to its run; tables that are not here never change. */
static const struct {
    const char *table; /* in main */
    const char *run;   /* SQL: the run's status by the row's id */
} changing[] = {
    {"run", "SELECT status FROM main.run WHERE id = ?1"},
    {"explanation", "SELECT r.status FROM main.explanation x JOIN main.run r ON r.id = x.run "
                    "WHERE x.id = ?1"},
    {"attribution", "SELECT r.status FROM main.attribution x JOIN main.explanation e "
                    "ON e.id = x.explanation JOIN main.run r ON r.id = e.run WHERE x.id = ?1"},
    {"metric",
     "SELECT r.status FROM main.metric x JOIN main.run r ON r.id = x.run WHERE x.id = ?1"},
    {"expectation", "SELECT r.status FROM main.expectation x JOIN main.run r ON r.id = x.run "
                    "WHERE x.id = ?1"},
    {"artifact", "SELECT r.status FROM main.artifact x JOIN main.run r ON r.id = x.run "
                 "WHERE x.id = ?1"},
};

static ln_status check_changing(ln_store *store, const char *table, int64_t id, ln_error *err)
{
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++) {
        if (strcmp(changing[i].table, table) != 0)
            continue;
        sqlite3_stmt *statement;
        bool row, running = false;
        ln_status status = ln_store_prepare(store, changing[i].run, &statement, err);
        if (status != LN_OK)
            return status;
        sqlite3_bind_int64(statement, 1, id);
        status = ln_store_step(store, statement, &row, err);
        if (status == LN_OK && row) {
            const char *text = (const char *)sqlite3_column_text(statement, 0);
            running = text && strcmp(text, "running") == 0;
        }
        sqlite3_finalize(statement);
        if (status == LN_OK && !running)
            status = ln_fail(err, LN_ESTORE,
                             row ? "row %lld of '%s' belongs to a finished run and cannot change"
                                 : "there is no row %lld in '%s'",
                             (long long)id, table);
        return status;
    }
    return ln_fail(err, LN_ESTORE, "rows of '%s' never change", table);
}

ln_status ln_store_update(ln_store *store, const char *table, int64_t id, const ln_cell *cells,
                          int count, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row, own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = check_changing(store, table, id, err);
    if (status == LN_OK)
        status = statement_for(store, "update", table, cells, count, &statement, err);
    if (status == LN_OK)
        status = run_once(store, statement, cells, count, id, &row, NULL, err);
    return ln_store_leave(store, own, status, err);
}
