/* Everything that this room adds to SQL, and the functions that read the store by id:
 *
 *   attribution_values(id)  BLOB of float32: the attribution's own numbers (a group's once)
 *   tensor_values(id)       BLOB of float32: a whole tensor; other dtypes are rounded to float32
 *
 * The same files are part of lunette and of lunette_sqlite.so, which the sqlite3 shell, Python and
 * Datasette load: `.load ./lunette_sqlite`, `SELECT load_extension(...)`. */
#include "store/sqlite.h"

#include <string.h>

#include "store/element.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT1
#endif

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS)

/* Codes other than damage keep SQLite's own words (out of memory, interrupted, no such table). */
static void give_code(sqlite3_context *context, const ln_reader *reader, int code)
{
    if (code == SQLITE_CORRUPT_VTAB)
        ln_sql_error(context, "%s", ln_reader_message(reader));
    else if (code == SQLITE_ERROR)
        ln_sql_error(context, "%s", sqlite3_errmsg(sqlite3_context_db_handle(context)));
    else
        sqlite3_result_error_code(context, code);
}

/* The id in the first argument. False: no row can have it, the result is NULL. */
static bool id_argument(sqlite3_value **argv, int64_t *id)
{
    *id = sqlite3_value_int64(argv[0]);
    return sqlite3_value_numeric_type(argv[0]) == SQLITE_INTEGER;
}

static void call_attribution_values(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    int64_t id;
    if (!id_argument(argv, &id))
        return;
    ln_reader *reader = NULL;
    ln_attribution row = {0};
    ln_slice slice = {0};
    bool found = false;
    int code = ln_hub_reader(sqlite3_user_data(context), &reader);
    if (code == SQLITE_OK)
        code = ln_reader_attribution(reader, id, &row, &found);
    if (code == SQLITE_OK && found)
        code = ln_reader_slice(reader, row.tensor, row.tensor_row, &slice);
    if (code != SQLITE_OK)
        give_code(context, reader, code);
    else if (slice.block)
        sqlite3_result_blob64(context, slice.at, (sqlite3_uint64)slice.count * sizeof(float),
                              SQLITE_TRANSIENT);
    ln_slice_release(&slice);
}

static void call_tensor_values(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    int64_t id;
    if (!id_argument(argv, &id))
        return;
    ln_reader *reader = NULL;
    ln_block *block = NULL;
    int code = ln_hub_reader(sqlite3_user_data(context), &reader);
    if (code == SQLITE_OK)
        code = ln_reader_block(reader, id, &block);
    if (code != SQLITE_OK)
        give_code(context, reader, code);
    else if (block)
        sqlite3_result_blob64(context, block->at, (sqlite3_uint64)block->count * sizeof(float),
                              SQLITE_TRANSIENT);
    ln_block_release(block);
}

static int register_values(sqlite3 *db, ln_hub *hub)
{
    hub->references++;
    int code = sqlite3_create_function_v2(db, "attribution_values", 1, FLAGS, hub,
                                          call_attribution_values, NULL, NULL, ln_hub_release);
    if (code != SQLITE_OK)
        return code;
    hub->references++;
    return sqlite3_create_function_v2(db, "tensor_values", 1, FLAGS, hub, call_tensor_values, NULL,
                                      NULL, ln_hub_release);
}

int ln_sql_register(sqlite3 *db)
{
    ln_hub *hub = sqlite3_malloc64(sizeof *hub);
    if (!hub)
        return SQLITE_NOMEM;
    *hub = (ln_hub){.references = 1, .db = db};
    int code = ln_sql_register_scalars(db);
    if (code == SQLITE_OK)
        code = ln_sql_register_pairs(db);
    if (code == SQLITE_OK)
        code = ln_sql_register_aggregates(db);
    if (code == SQLITE_OK)
        code = ln_sql_register_each(db);
    if (code == SQLITE_OK)
        code = ln_sql_register_element(db, hub);
    if (code == SQLITE_OK)
        code = ln_sql_register_importance(db, hub);
    if (code == SQLITE_OK)
        code = register_values(db, hub);
    ln_hub_release(hub);
    return code;
}

#ifndef SQLITE_CORE
/* The name that SQLite derives from the file's, lunette_sqlite. */
int sqlite3_lunettesqlite_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

int sqlite3_lunettesqlite_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    if (sqlite3_libversion_number() < 3038000) {
        *message = sqlite3_mprintf("lunette_sqlite needs SQLite 3.38 or newer, this is %s",
                                   sqlite3_libversion());
        return SQLITE_ERROR;
    }
    return ln_sql_register(db);
}
#endif
