/* The session at a terminal for the stdlib (repl.lua):
 *
 *   repl_terminal() -> whether both ends are a terminal
 *   repl_completer(f): f(text before the cursor) -> text to insert or nil, lines to print or nil
 *   repl_line(prompt) -> a line | false: Ctrl-C at the prompt | nil: the end
 *   repl_resume() -> true: the interruption by Ctrl-C is over | false: something else stops the program
 *   repl_query(db, sql, format or nil) prints rows */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "interp.h"
#include "line.h"
#include "rows.h"

static const char editor_key = 'e'; /* its address: the editor in the registry */
static const char completer_key = 'c';

static int repl_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
    return 1;
}

static int repl_completer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &completer_key);
    return 0;
}

static char *text_at(lua_State *L, int index)
{
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
    return text ? ln_strdup(text) : NULL;
}

/* Tab never fails: without an answer nothing happens. */
static void complete(void *context, const char *text, char **insert, char **listing)
{
    lua_State *L = context;
    const int top = lua_gettop(L);
    if (!lua_checkstack(L, 8))
        return;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &completer_key) == LUA_TFUNCTION) {
        lua_pushstring(L, text);
        if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
            *insert = text_at(L, -2);
            *listing = text_at(L, -1);
        }
    }
    lua_settop(L, top);
}

static void close_editor(void *object)
{
    ln_line_editor_free(object);
}

static int repl_line(lua_State *L)
{
    const char *prompt = luaL_checkstring(L, 1);
    ln_error err = {0};
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &editor_key) == LUA_TNIL) {
        lua_pop(L, 1);
        void **slot = ln_box_new(L, "editor", close_editor);
        if (ln_line_editor_new(complete, L, (ln_line_editor **)(void *)slot, &err)) {
            return ln_raise(L, &err);
        }
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &editor_key);
    }
    ln_line_editor *editor = ln_box_check(L, lua_gettop(L), "editor");
    char *line = NULL;
    bool stopped = false;
    if (ln_line_read(editor, prompt, &line, &stopped, &err)) {
        return ln_raise(L, &err);
    }
    if (stopped && ln_interrupted() == SIGINT) {
        ln_interrupt(0);
        lua_pushboolean(L, 0);
        return 1;
    }
    if (ln_check_interrupt(&err)) {
        ln_free(line);
        return ln_raise(L, &err);
    }
    if (line == NULL) {
        return 0;
    }
    lua_pushstring(L, ln_guard(L, line));
    return 1;
}

static int repl_resume(lua_State *L)
{
    const bool stopped = ln_interrupted() == SIGINT;
    if (stopped) {
        ln_interrupt(0);
    }
    lua_pushboolean(L, stopped);
    return 1;
}

static ln_status print_all(ln_store *store, const char *sql, ln_format format, ln_error *err)
{
    const ln_query_options options = {0};
    do {
        ln_query *query;
        ln_status status = ln_query_new(store, sql, &options, &query, err);
        if (status) {
            return status;
        }
        status = ln_rows_print_query(query, format, false, stdout, NULL, err);
        sql = ln_query_rest(query);
        ln_query_free(query);
        if (status) {
            return status;
        }
    } while (*sql);
    return LN_OK;
}

static int repl_query(lua_State *L)
{
    const char *db = luaL_checkstring(L, 1), *sql = luaL_checkstring(L, 2);
    ln_error err = {0};
    ln_format format;
    ln_store **slot = ln_new_store(L);
    if (ln_format_parse(luaL_optstring(L, 3, NULL), &format, &err) ||
        ln_store_open(db, LN_STORE_READ, slot, &err) || print_all(*slot, sql, format, &err)) {
        return ln_raise(L, &err);
    }
    ln_store_close(*slot);
    *slot = NULL;
    return 0;
}

void ln_bind_repl(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"repl_terminal", repl_terminal}, {"repl_completer", repl_completer},
        {"repl_line", repl_line},         {"repl_resume", repl_resume},
        {"repl_query", repl_query},       {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
