/* Status codes get names here, so that Lua code asks `err.kind == "interrupted"` and never compares
 * numbers. */
#include "raise.h"

#include "command.h"

static const char *kind_name(ln_status status)
{
    switch (status) {
    case LN_OK:
    case LN_EINVALID:
        return "invalid";
    case LN_EFILE:
        return "file";
    case LN_EUNSUPPORTED:
        return "unsupported";
    case LN_ENOMEM:
        return "memory";
    case LN_ESTORE:
        return "store";
    case LN_EIO:
        return "io";
    case LN_EINTERRUPTED:
        return "interrupted";
    case LN_ECALLBACK:
        return "callback";
    case LN_EFAILED:
        return "failed";
    }
    return "failed";
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    if (text[0]) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, key);
    }
}

static const char callback_key = 'c'; /* its address: the error of a callback, in the registry */

void ln_keep_callback_error(lua_State *L)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &callback_key);
}

static void push_error(lua_State *L, const ln_error *err)
{
    if (err->status == LN_ECALLBACK) {
        if (lua_rawgetp(L, LUA_REGISTRYINDEX, &callback_key) != LUA_TNIL) {
            return;
        }
        lua_pop(L, 1);
    }
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, ln_exit_status(err->status));
    lua_setfield(L, -2, "status");
    lua_pushstring(L, kind_name(err->status));
    lua_setfield(L, -2, "kind");
    set_text(L, "field", err->field);
    set_text(L, "message", err->message);
    set_text(L, "hint", err->hint);
}

int ln_raise(lua_State *L, const ln_error *err)
{
    push_error(L, err);
    return lua_error(L);
}
