/* A box is a userdata of one pointer and one closing function, with one user value for what it must
 * keep alive. Types are told apart by their metatables, as luaL_checkudata does; the names shown
 * to a user are without the prefix. */
#include "box.h"

#include <lauxlib.h>
#include <stdio.h>

typedef struct box {
    void *object;          /* NULL: empty or closed */
    ln_box_close_fn close; /* releases the object */
} box;

static const char *registry_name(char *buffer, size_t size, const char *type)
{
    snprintf(buffer, size, "lunette.%s", type);
    return buffer;
}

static void close_box(box *b)
{
    void *object = b->object;
    b->object = NULL;
    if (object)
        b->close(object);
}

static int box_gc(lua_State *L)
{
    box *b = lua_touserdata(L, 1);
    if (b)
        close_box(b);
    return 0;
}

static int box_tostring(lua_State *L)
{
    box *b = lua_touserdata(L, 1);
    luaL_getmetafield(L, 1, "__name");
    lua_pushfstring(L, b && b->object ? "%s" : "%s (closed)", lua_tostring(L, -1));
    return 1;
}

void **ln_box_new(lua_State *L, const char *type, ln_box_close_fn close)
{
    char name[64];
    box *b = lua_newuserdatauv(L, sizeof *b, 1);
    b->object = NULL;
    b->close = close;
    if (luaL_newmetatable(L, registry_name(name, sizeof name, type))) {
        lua_pushstring(L, type);
        lua_setfield(L, -2, "__name");
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, box_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return &b->object;
}

void *ln_box_check(lua_State *L, int index, const char *type)
{
    char name[64];
    box *b = luaL_testudata(L, index, registry_name(name, sizeof name, type));
    if (!b)
        luaL_typeerror(L, index, type);
    else if (!b->object)
        luaL_argerror(L, index, lua_pushfstring(L, "this %s is closed", type));
    return b ? b->object : NULL;
}

void ln_box_close(lua_State *L, int index, const char *type)
{
    char name[64];
    box *b = luaL_checkudata(L, index, registry_name(name, sizeof name, type));
    close_box(b);
}

void ln_box_keep(lua_State *L, int index, int parent)
{
    index = lua_absindex(L, index);
    lua_pushvalue(L, parent);
    lua_setiuservalue(L, index, 1);
}
