#include "cells.h"

#include <math.h>
#include <string.h>

ln_cell ln_text_cell(const char *column, const char *text)
{
    return (ln_cell){.column = column,
                     .type = text ? LN_CELL_TEXT : LN_CELL_NULL,
                     .data = text,
                     .bytes = text ? strlen(text) : 0};
}

ln_cell ln_integer_cell(const char *column, int64_t integer)
{
    return (ln_cell){.column = column, .type = LN_CELL_INT, .integer = integer};
}

ln_cell ln_real_cell(const char *column, double real)
{
    return (ln_cell){
        .column = column, .type = isnan(real) ? LN_CELL_NULL : LN_CELL_REAL, .real = real};
}

/* The cell of the value on the stack's top, which stays there or in its table. */
static ln_cell cell_of(lua_State *L, const char *column)
{
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
        return lua_isinteger(L, -1) ? ln_integer_cell(column, lua_tointeger(L, -1))
                                    : ln_real_cell(column, lua_tonumber(L, -1));
    case LUA_TBOOLEAN:
        return ln_integer_cell(column, lua_toboolean(L, -1));
    case LUA_TSTRING: {
        size_t bytes = 0;
        const char *text = lua_tolstring(L, -1, &bytes);
        return (ln_cell){.column = column, .type = LN_CELL_TEXT, .data = text, .bytes = bytes};
    }
    case LUA_TUSERDATA: {
        const ln_tensor *tensor = ln_check_tensor(L, -1);
        return (ln_cell){
            .column = column, .type = LN_CELL_BLOB, .data = tensor->data, .bytes = tensor->bytes};
    }
    default:
        return (ln_cell){.column = column, .type = LN_CELL_NULL};
    }
}

/* The cells of a table { column = value }; their texts are borrowed from it. A tensor is
 * its bytes. */
int ln_read_cells(lua_State *L, int table, ln_cell cells[LN_CELLS_MOST])
{
    luaL_checktype(L, table, LUA_TTABLE);
    int count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        luaL_argcheck(L, count < LN_CELLS_MOST, table, "too many columns");
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, table, "columns are named");
        cells[count++] = cell_of(L, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    return count;
}
