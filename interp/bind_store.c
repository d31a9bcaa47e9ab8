/* The store for the stdlib: transactions, rows as tables, tensors, queries. What has many rows is in
 * bind_log.c. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cells.h"

static int store_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const bool write = strcmp(luaL_optstring(L, 2, "read"), "write") == 0;
    ln_error err = {0};
    ln_store **slot = ln_new_store(L);
    if (ln_store_open(path, write ? LN_STORE_WRITE : LN_STORE_READ, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

static int store_close(lua_State *L)
{
    ln_box_close(L, 1, "store");
    return 0;
}

static int store_path(lua_State *L)
{
    lua_pushstring(L, ln_store_path(ln_check_store(L, 1)));
    return 1;
}

static int store_begin(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_begin(ln_check_store(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_commit(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_commit(ln_check_store(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_rollback(lua_State *L)
{
    ln_store_rollback(ln_check_store(L, 1));
    return 0;
}

/* store_insert(store, table, { column = value }) -> id */
static int store_insert(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    ln_cell cells[LN_CELLS_MOST];
    const int count = ln_read_cells(L, 3, cells);
    ln_error err = {0};
    int64_t id = 0;
    if (ln_store_insert(store, table, cells, count, &id, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    return 1;
}

/* store_intern(store, table, key column, { column = value }) -> id, whether it is new */
static int store_intern(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    const char *key = luaL_checkstring(L, 3);
    ln_cell cells[LN_CELLS_MOST];
    const int count = ln_read_cells(L, 4, cells);
    ln_error err = {0};
    int64_t id = 0;
    bool added = false;
    if (ln_store_intern(store, table, key, cells, count, &id, &added, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    lua_pushboolean(L, added);
    return 2;
}

/* store_submit_row(store, table, id or nil, { column = value }): an update or insert, written while the
 * run goes on */
static int store_submit_row(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    const int64_t id = luaL_optinteger(L, 3, 0);
    ln_cell cells[LN_CELLS_MOST];
    const int count = ln_read_cells(L, 4, cells);
    ln_error err = {0};
    if (ln_store_submit_row(store, table, id, cells, count, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* store_settle(store): waits for what was submitted */
static int store_settle(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_settle(ln_check_store(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* store_written(store) -> how many of the attributions submitted are in the store */
static int store_written(lua_State *L)
{
    lua_pushinteger(L, ln_store_written(ln_check_store(L, 1)));
    return 1;
}

/* store_update(store, table, id, { column = value }) */
static int store_update(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    const int64_t id = luaL_checkinteger(L, 3);
    ln_cell cells[LN_CELLS_MOST];
    const int count = ln_read_cells(L, 4, cells);
    ln_error err = {0};
    if (ln_store_update(store, table, id, cells, count, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_run_begin(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_run_begin(ln_check_store(L, 1), luaL_checkinteger(L, 2), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* store_drop_checkpoint(store, run) */
static int store_drop_checkpoint(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_drop_checkpoint(ln_check_store(L, 1), luaL_checkinteger(L, 2), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_put_tensor(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_tensor *tensor = ln_check_tensor(L, 2);
    ln_error err = {0};
    int64_t id = 0;
    if (ln_store_put_tensor(store, tensor, &id, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    return 1;
}

static int store_get_tensor(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t id = luaL_checkinteger(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_store_get_tensor(store, id, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* ------------------------------------------------------------------------------------ reading */

static void push_cell(lua_State *L, const ln_cell *cell)
{
    switch (cell->type) {
    case LN_CELL_INT:
        lua_pushinteger(L, cell->integer);
        break;
    case LN_CELL_REAL:
        lua_pushnumber(L, cell->real);
        break;
    case LN_CELL_TEXT:
    case LN_CELL_BLOB:
        lua_pushlstring(L, cell->data, cell->bytes);
        break;
    case LN_CELL_NULL:
        lua_pushnil(L);
        break;
    }
}

/* Runs in a protected call, so that the query is freed whatever happens. */
static int collect_rows(lua_State *L)
{
    ln_query *query = lua_touserdata(L, 1);
    ln_error err = {0};
    bool more = true;
    lua_newtable(L);
    for (lua_Integer row = 1;; row++) {
        if (ln_query_next(query, &more, &err)) {
            return ln_raise(L, &err);
        }
        if (!more) {
            return 1;
        }
        lua_createtable(L, 0, ln_query_columns(query));
        for (int c = 0; c < ln_query_columns(query); c++) {
            const ln_cell cell = ln_query_cell(query, c);
            push_cell(L, &cell);
            lua_setfield(L, -2, ln_query_name(query, c));
        }
        lua_rawseti(L, -2, row);
    }
}

/* store_rows(store, sql, { name = value }) -> list of { column = value }; NULLs are absent */
static int store_rows(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *sql = luaL_checkstring(L, 2);
    ln_cell params[LN_CELLS_MOST];
    const int count = lua_isnoneornil(L, 3) ? 0 : ln_read_cells(L, 3, params);
    const ln_query_options options = {.params = params, .param_count = count};
    ln_error err = {0};
    ln_query *query = NULL;
    if (ln_query_new(store, sql, &options, &query, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushcfunction(L, collect_rows);
    lua_pushlightuserdata(L, query);
    const int failed = lua_pcall(L, 1, 1, 0);
    ln_query_free(query);
    return failed ? lua_error(L) : 1;
}

void ln_bind_store(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"store", store_open},
        {"store_close", store_close},
        {"store_path", store_path},
        {"store_begin", store_begin},
        {"store_commit", store_commit},
        {"store_rollback", store_rollback},
        {"store_insert", store_insert},
        {"store_intern", store_intern},
        {"store_submit_row", store_submit_row},
        {"store_settle", store_settle},
        {"store_written", store_written},
        {"store_update", store_update},
        {"store_run_begin", store_run_begin},
        {"store_drop_checkpoint", store_drop_checkpoint},
        {"store_put_tensor", store_put_tensor},
        {"store_get_tensor", store_get_tensor},
        {"store_rows", store_rows},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
