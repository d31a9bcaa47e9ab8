/* What a finished run left, for the stdlib's pictures: a run by the name a user gives it, and the
 * attributions of an explanation as one array. */
#include "base/error.h"
#include "exported.h"
#include "interp.h"

/* store_find_run(store, "last" or a number or a name) -> id */
static int store_find_run(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    int64_t id = 0;
    ln_error err = {0};
    if (ln_store_find_run(store, luaL_checkstring(L, 2), &id, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    return 1;
}

static void push_numbers(lua_State *L, const int64_t *numbers, int64_t count)
{
    lua_createtable(L, (int)count, 0);
    for (int64_t i = 0; i < count; i++) {
        lua_pushinteger(L, numbers[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Runs in a protected call: the array is freed whatever happens. */
static int push_exported(lua_State *L)
{
    ln_exported *array = lua_touserdata(L, 1);
    ln_tensor **slot = ln_new_tensor(L);
    *slot = array->values;
    array->values = NULL;
    push_numbers(L, array->rows, array->count);
    push_numbers(L, array->targets, array->count);
    return 3;
}

/* store_explanation(store, explanation's id, input's name or nil) -> values (count, *shape) f32 with groups
 * expanded, or (samples, targets, *shape) where there are several targets a sample; list of data set rows, list of
 * targets, one an attribution; nothing where it has no numbers */
static int store_explanation(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    ln_exported array = {0};
    ln_error err = {0};
    if (ln_export_explanation(store, luaL_checkinteger(L, 2), luaL_optstring(L, 3, NULL), &array,
                              &err)) {
        return ln_raise(L, &err);
    }
    if (array.values == NULL) {
        ln_exported_free(&array);
        return 0;
    }
    lua_settop(L, 0);
    lua_pushcfunction(L, push_exported);
    lua_pushlightuserdata(L, &array);
    const int failed = lua_pcall(L, 1, 3, 0);
    ln_exported_free(&array);
    return failed ? lua_error(L) : 3;
}

void ln_bind_export(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"store_find_run", store_find_run},
        {"store_explanation", store_explanation},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
