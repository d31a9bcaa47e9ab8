#include "model_inputs.h"

/* The list on top of the stack as the shape of an array, its number of rows open. */
static ln_shape rows_shape(lua_State *L)
{
    ln_shape shape = {.rank = 1, .dims = {-1}};
    const int list = lua_gettop(L);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, list) && i < LN_MAX_RANK; i++) {
        lua_rawgeti(L, list, i);
        shape.dims[shape.rank++] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    return shape;
}

const ln_onnx_binding *ln_row_shapes(lua_State *L, int table, int *count)
{
    lua_getfield(L, table, "shapes");
    const int shapes = lua_gettop(L);
    size_t named = 0;
    for (lua_pushnil(L); lua_istable(L, shapes) && lua_next(L, shapes); lua_pop(L, 1)) {
        named++;
    }
    lua_settop(L, shapes);
    ln_onnx_binding *list = lua_newuserdatauv(L, (named + 1) * sizeof *list, 0);
    list[0] = (ln_onnx_binding){.name = NULL};
    *count = named > 0 ? 0 : 1;
    for (lua_pushnil(L); lua_istable(L, shapes) && lua_next(L, shapes); lua_pop(L, 1)) {
        list[(*count)++] = (ln_onnx_binding){.name = lua_tostring(L, -2), .shape = rows_shape(L)};
    }
    lua_settop(L, shapes + 1);
    if (named == 0 && lua_getfield(L, table, "shape") == LUA_TTABLE) {
        list[0].shape = rows_shape(L);
    }
    lua_settop(L, shapes + 1);
    return list;
}

void ln_push_inputs(lua_State *L, const ln_model *model)
{
    lua_createtable(L, model->input_count, 0);
    for (int i = 0; i < model->input_count; i++) {
        const ln_value *value = &model->graph->values[model->graph->inputs[i]];
        lua_createtable(L, 0, 6);
        lua_pushstring(L, value->name);
        lua_setfield(L, -2, "name");
        lua_createtable(L, value->shape.rank, 0);
        for (int axis = 1; axis < value->shape.rank; axis++) {
            lua_pushinteger(L, value->shape.dims[axis]);
            lua_rawseti(L, -2, axis);
        }
        lua_setfield(L, -2, "shape");
        lua_pushinteger(L, model->input_offset[i]);
        lua_setfield(L, -2, "first");
        lua_pushinteger(L, model->input_offset[i + 1] - model->input_offset[i]);
        lua_setfield(L, -2, "width");
        lua_pushstring(L, ln_dtype_name(value->dtype));
        lua_setfield(L, -2, "dtype");
        lua_pushboolean(L, model->held[i]);
        lua_setfield(L, -2, "held");
        lua_rawseti(L, -2, i + 1);
    }
}
