/* What scripts get of Lua that stock Lua gives differently, since three things must hold however a
 * script is written:
 *
 * - A stop (Ctrl-C, --timeout) ends it. While script code runs a count hook looks at the interrupt
 *   flag and raises the stop sentinel; a thread inherits the hook of the one that makes it. pcall,
 *   xpcall and the coroutine functions raise it again in place of handing it to the script. Being
 *   out of memory is passed on in the same way.
 * - The string metatable is locked, and with it what stdlib's own code sees of strings.
 * - There are no finalizers (hooks do not run in them): a metatable with __gc is refused.
 *
 * String patterns and sorts are C: there the watchdog of main.c has the last word.
 *
 *   guarded(f, ...) -> true, results | false, error, trace      runs script code under the hook
 *   calling(f)      -> a C function that calls f(line, source, ...) with the place of its caller
 *   sandbox         -> { pcall, xpcall, setmetatable, coroutine = {...} } */
#include <lauxlib.h>
#include <string.h>

#include "base/error.h"
#include "base/parallel.h"
#include "core.h"
#include "host.h"
#include "raise.h"

#define HOOK_COUNT 1000 /* instructions between two looks at the flag */

static const char memory_key = 'm'; /* its address stands for "out of memory" in script code */
static const char stop_key = 's';   /* its address is the stop sentinel */

static void push_key(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)key);
}

static void stop_hook(lua_State *L, lua_Debug *activation)
{
    (void)activation;
    if (ln_interrupted()) {
        push_key(L, &stop_key);
        lua_error(L);
    }
}

/* Raises again what no script may catch; the error is on top of the stack. */
static void pass_on(lua_State *L, int status)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (ln_interrupted() || lua_touserdata(L, -1) == &stop_key) {
        push_key(L, &stop_key);
        lua_error(L);
    }
    if (status == LUA_ERRMEM || lua_touserdata(L, -1) == &memory_key ||
        strcmp(text, "not enough memory") == 0) {
        push_key(L, &memory_key);
        lua_error(L);
    }
}

/* As luaB_pcall, with continuations so that a protected function may yield. */
static int finish_pcall(lua_State *L, int status, lua_KContext extra)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        pass_on(L, status);
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)extra;
}

static int sandbox_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

static int sandbox_xpcall(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

/* Around coroutine.resume and coroutine.close, which answer `false, error`. */
static int sandbox_resuming(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (lua_isboolean(L, 1) && !lua_toboolean(L, 1)) {
        lua_settop(L, 2);
        pass_on(L, LUA_OK);
    }
    return lua_gettop(L);
}

static int sandbox_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "this metatable is locked");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "__gc is not available in scripts");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* ------------------------------------------------------------------------------------- guarded */

/* Keeps the traceback of a script's error, where --trace asks for it. */
static int keep_trace(lua_State *L)
{
    if (ln_host_traces(L) && lua_type(L, 1) != LUA_TLIGHTUSERDATA) {
        luaL_traceback(L, L, NULL, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "lunette.trace");
    }
    return 1;
}

static int core_guarded(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "lunette.trace");
    lua_pushcfunction(L, keep_trace);
    lua_insert(L, 1);
    const bool outermost = lua_gethook(L) != stop_hook; /* a model in Lua may be asked from Lua */
    lua_sethook(L, stop_hook, LUA_MASKCOUNT, HOOK_COUNT);
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
    if (outermost)
        lua_sethook(L, NULL, 0, 0);
    ln_error err = {.status = LN_OK};
    if (ln_check_interrupt(&err))
        return ln_raise(L, &err);
    if (status == LUA_OK) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    if (status == LUA_ERRMEM || lua_touserdata(L, -1) == &memory_key) {
        ln_fail_memory(&err, ln_host_wanted(L));
        return ln_raise(L, &err);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    lua_getfield(L, LUA_REGISTRYINDEX, "lunette.trace");
    return 3;
}

/* The caller's place: the nearest function on the stack that is a script's. The call is made by C so that
 * a tail call (`return experiment "x" { ... }`) has not yet taken its caller off the stack. */
static int call_with_place(lua_State *L)
{
    lua_Debug place;
    int level = 1, count = lua_gettop(L);
    bool found = false;
    while (!found && lua_getstack(L, level++, &place)) {
        lua_getinfo(L, "Sl", &place);
        found = place.currentline > 0 && place.source[0] == '@';
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushinteger(L, found ? place.currentline : 0);
    lua_pushstring(L, found ? place.source : "");
    lua_rotate(L, 1, 3);
    lua_call(L, count + 2, LUA_MULTRET);
    return lua_gettop(L);
}

static int core_calling(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushcclosure(L, call_with_place, 1);
    return 1;
}

/* The coroutine library's functions, two of them wrapped. */
static void push_coroutines(lua_State *L)
{
    static const char *const plain[] = {"create", "wrap",        "yield",
                                        "status", "isyieldable", "running"};
    static const char *const wrapped[] = {"resume", "close"};
    lua_newtable(L);
    lua_getglobal(L, "coroutine");
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        lua_getfield(L, -1, plain[i]);
        lua_setfield(L, -3, plain[i]);
    }
    for (size_t i = 0; i < sizeof wrapped / sizeof wrapped[0]; i++) {
        lua_getfield(L, -1, wrapped[i]);
        lua_pushcclosure(L, sandbox_resuming, 1);
        lua_setfield(L, -3, wrapped[i]);
    }
    lua_pop(L, 1);
}

static void lock_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1)) {
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void ln_bind_sandbox(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"guarded", core_guarded}, {"calling", core_calling}, {NULL, NULL}};
    static const luaL_Reg given[] = {{"pcall", sandbox_pcall},
                                     {"xpcall", sandbox_xpcall},
                                     {"setmetatable", sandbox_setmetatable},
                                     {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    luaL_newlib(L, given);
    push_coroutines(L);
    lua_setfield(L, -2, "coroutine");
    lua_setfield(L, -2, "sandbox");
    lock_strings(L);
}
