/* tensor_each(t): a table-valued function, one row a number: idx (from 0) and value (NaN is NULL).
 *
 *   SELECT idx, value FROM tensor_each(attribution_values(7));
 *
 * The list is the hidden third column `t`. A BLOB whose size is no multiple of 4 is an error, NULL
 * gives no rows. */
#include "store/sqlite.h"

#include <string.h>

enum { COLUMN_IDX, COLUMN_VALUE, COLUMN_LIST };

/* An open walk. */
typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part */
    unsigned char *data;      /* the list, copied: an argument does not outlive xFilter */
    ln_floats floats;         /* the same */
    int64_t idx;              /* the row it stands on */
} cursor;

static int each_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message)
{
    (void)context, (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(db, "CREATE TABLE x(idx INTEGER, value REAL, t BLOB HIDDEN)");
    if (code != SQLITE_OK)
        return code;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    *out = sqlite3_malloc64(sizeof **out);
    if (!*out)
        return SQLITE_NOMEM;
    memset(*out, 0, sizeof **out);
    return SQLITE_OK;
}

static int each_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int each_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != COLUMN_LIST ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->aConstraintUsage[i].omit = 1;
        info->idxNum = 1;
        info->estimatedCost = 1000;
        info->estimatedRows = 1000;
        return SQLITE_OK;
    }
    info->estimatedCost = 1;
    info->estimatedRows = 0;
    return SQLITE_OK;
}

static int each_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    cursor *c = sqlite3_malloc64(sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    *out = &c->base;
    return SQLITE_OK;
}

static int each_close(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    sqlite3_free(c->data);
    sqlite3_free(c);
    return SQLITE_OK;
}

static int each_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                       sqlite3_value **argv)
{
    (void)text, (void)argc;
    cursor *c = (cursor *)base;
    sqlite3_free(c->data);
    c->data = NULL;
    c->floats = (ln_floats){0};
    c->idx = 0;
    if (number != 1 || sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return SQLITE_OK;
    int bytes = sqlite3_value_type(argv[0]) == SQLITE_BLOB ? sqlite3_value_bytes(argv[0]) : -1;
    if (bytes < 0 || bytes % 4 != 0) {
        sqlite3_free(base->pVtab->zErrMsg);
        base->pVtab->zErrMsg =
            sqlite3_mprintf("tensor_each expects a BLOB of float32 numbers (4 bytes each), such as "
                            "attribution_values(id) or tensor_values(id)");
        return SQLITE_ERROR;
    }
    c->data = sqlite3_malloc64((sqlite3_uint64)bytes + 1);
    const void *data = sqlite3_value_blob(argv[0]);
    if (!c->data || (bytes > 0 && !data))
        return SQLITE_NOMEM;
    if (bytes > 0)
        memcpy(c->data, data, (size_t)bytes);
    c->floats = (ln_floats){c->data, bytes / 4};
    return SQLITE_OK;
}

static int each_next(sqlite3_vtab_cursor *base)
{
    ((cursor *)base)->idx++;
    return SQLITE_OK;
}

static int each_eof(sqlite3_vtab_cursor *base)
{
    const cursor *c = (const cursor *)base;
    return c->idx >= c->floats.count;
}

static int each_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const cursor *c = (const cursor *)base;
    if (column == COLUMN_IDX)
        sqlite3_result_int64(context, c->idx);
    else if (column == COLUMN_VALUE)
        sqlite3_result_double(context, ln_float_at(&c->floats, c->idx));
    else
        sqlite3_result_blob64(context, c->data, (sqlite3_uint64)c->floats.count * 4,
                              SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int each_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = ((cursor *)base)->idx;
    return SQLITE_OK;
}

int ln_sql_register_each(sqlite3 *db)
{
    /* xCreate NULL: eponymous only, nobody can make a table of it. */
    static const sqlite3_module module = {
        .xConnect = each_connect,
        .xBestIndex = each_best_index,
        .xDisconnect = each_disconnect,
        .xOpen = each_open,
        .xClose = each_close,
        .xFilter = each_filter,
        .xNext = each_next,
        .xEof = each_eof,
        .xColumn = each_column,
        .xRowid = each_rowid,
    };
    return sqlite3_create_module(db, "tensor_each", &module, NULL);
}
