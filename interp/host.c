/* One lua_State, one protected main. Everything that can fail happens inside `protected_main`; its
 * error value is turned into lines on standard error and an exit status here and nowhere else:
 *
 *     credit.lua:14: explain[2].steps: expected a whole number from 1, found "fifty"
 *         hint
 *
 * The state's allocator is ln_realloc: Lua's memory counts against --memory. The order of a Lua
 * table's keys changes from one process to the next: stdlib sorts wherever order reaches an output,
 * and scripts get a `pairs` that is sorted (stdlib/strict.lua). */
#include "host.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/embedded.h"
#include "base/error.h"
#include "base/file.h"
#include "box.h"
#include "core.h"
#include "profile.h"
#include "raise.h"

typedef struct host {
    const ln_options *options; /* borrowed */
    const char *module;        /* what to call */
    const char *function;
    size_t wanted; /* size of the last allocation that failed */
    ln_progress_line progress;
    ln_profile *profile; /* with --profile: what the models' passes took; else NULL */
    int result;          /* what the function returned */
} host;

static host *host_of(lua_State *L)
{
    return *(host **)lua_getextraspace(L);
}

ln_progress_line *ln_host_progress(lua_State *L)
{
    return &host_of(L)->progress;
}

struct ln_profile *ln_host_profile(lua_State *L)
{
    return host_of(L)->profile;
}

bool ln_host_traces(lua_State *L)
{
    return host_of(L)->options->trace;
}

size_t ln_host_wanted(lua_State *L)
{
    return host_of(L)->wanted;
}

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    host *self = context;
    (void)old_size;
    if (size == 0) {
        ln_free(block);
        return NULL;
    }
    void *result = block ? ln_realloc(block, size) : ln_alloc(size);
    if (!result)
        self->wanted = size;
    return result;
}

/* ------------------------------------------------------------------------------------- modules */

static void close_module(void *object)
{
    ln_file_free(object);
    ln_free(object);
}

static int load_from_disk(lua_State *L, const char *folder, const char *name)
{
    ln_error err = {.status = LN_OK};
    const char *path = lua_pushfstring(L, "%s/%s.lua", folder, name);
    const char *chunk = lua_pushfstring(L, "=stdlib/%s.lua", name);
    void **slot = ln_box_new(L, "file", close_module);
    ln_file *file = ln_calloc(1, sizeof *file);
    *slot = file;
    if (!file)
        ln_fail_memory(&err, sizeof *file);
    if (!file || ln_file_read(path, file, &err))
        return ln_raise(L, &err);
    if (luaL_loadbufferx(L, file->data, file->bytes, chunk, "t") != LUA_OK)
        return lua_error(L);
    return 1;
}

/* The library's own name and release; it is in no header. */
extern const char lua_ident[];

/* Pushes what was compiled already, which saves a third of what a short run takes; false, with nothing pushed: another
 * release of Lua runs than the one that compiled it, or one that has other numbers, and the text must do. */
static bool load_compiled(lua_State *L, const struct ln_embedded *file, const char *chunk)
{
    if (!file->compiled || strcmp(lua_ident, ln_embedded_lua) != 0)
        return false;
    const int status =
        luaL_loadbufferx(L, (const char *)file->compiled, file->compiled_bytes, chunk, "b");
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != LUA_OK)
        lua_pop(L, 1);
    return status == LUA_OK;
}

/* Chunks of stdlib are named "=...", those of scripts "@...": sandbox.c tells them apart. */
static int load_embedded(lua_State *L, const char *name)
{
    const char *path = lua_pushfstring(L, "stdlib/%s.lua", name);
    const struct ln_embedded *file = ln_embedded_find(path);
    if (!file)
        return luaL_error(L, "there is no module '%s' in the stdlib", name);
    const char *chunk = lua_pushfstring(L, "=%s", path);
    if (!load_compiled(L, file, chunk) &&
        luaL_loadbufferx(L, (const char *)file->data, file->bytes, chunk, "t") != LUA_OK)
        return lua_error(L);
    return 1;
}

/* require(name) for stdlib: each module once. A module that is being loaded is `false`. */
static int host_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *folder = getenv("LUNETTE_STDLIB");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    int kind = lua_getfield(L, 2, name);
    if (kind == LUA_TBOOLEAN)
        return luaL_error(L, "module '%s' requires itself", name);
    if (kind != LUA_TNIL)
        return 1;
    lua_pushboolean(L, 0);
    lua_setfield(L, 2, name);
    if (folder && *folder)
        load_from_disk(L, folder, name);
    else
        load_embedded(L, name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
    return 1;
}

static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},       {LUA_COLIBNAME, luaopen_coroutine},
        {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8},
        {LUA_DBLIBNAME, luaopen_debug},
    };
    static const char *const removed[] = {"dofile", "loadfile"};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        lua_pushnil(L);
        lua_setglobal(L, removed[i]);
    }
    lua_getglobal(L, LUA_STRLIBNAME); /* scripts reach it through any string's methods */
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 1);
    lua_pushcfunction(L, host_require);
    lua_setglobal(L, "require");
    luaL_requiref(L, "core", ln_core_open, 1);
    lua_pop(L, 1);
}

/* ------------------------------------------------------------------------------------- options */

static void set_texts(lua_State *L, const char *key, const ln_texts *texts)
{
    lua_createtable(L, texts->count, 0);
    for (int i = 0; i < texts->count; i++) {
        lua_pushstring(L, texts->at[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text); /* nil for NULL */
    lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, key);
}

static void push_options(lua_State *L, const ln_options *options)
{
    lua_createtable(L, 0, 20);
    set_text(L, "command", options->command);
    set_texts(L, "operands", &options->operands);
    set_texts(L, "arguments", &options->arguments);
    set_texts(L, "argv", &options->argv);
    set_texts(L, "set", &options->set);
    set_texts(L, "allow", &options->allow);
    set_texts(L, "fail_above", &options->fail_above);
    set_text(L, "db", options->db);
    set_text(L, "numerics", options->numerics);
    set_text(L, "format", options->format);
    set_text(L, "output", options->output);
    set_text(L, "resume", options->resume);
    set_text(L, "from", options->from);
    set_flag(L, "with_data", options->with_data);
    set_flag(L, "quiet", options->quiet);
    set_flag(L, "trace", options->trace);
    set_flag(L, "dry_run", options->dry_run);
    set_flag(L, "needed", options->needed);
    set_flag(L, "confine", options->confine);
    set_flag(L, "all", options->all);
    lua_pushinteger(L, options->threads);
    lua_setfield(L, -2, "threads");
    lua_pushinteger(L, options->limit);
    lua_setfield(L, -2, "limit");
    if (options->seed_given) {
        lua_pushinteger(L, options->seed);
        lua_setfield(L, -2, "seed");
    }
}

/* -------------------------------------------------------------------------------------- running */

static int protected_main(lua_State *L)
{
    host *self = lua_touserdata(L, 1);
    open_libraries(L);
    lua_pushcfunction(L, host_require);
    lua_pushstring(L, self->module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, self->function);
    push_options(L, self->options);
    lua_call(L, 1, 1);
    self->result = (int)luaL_optinteger(L, -1, 0);
    return 0;
}

/* Only --trace needs more than the error itself. Tables may have got theirs where they arose. */
static int add_trace(lua_State *L)
{
    host *self = host_of(L);
    if (!self->options->trace)
        return 1;
    if (lua_istable(L, 1)) {
        if (lua_getfield(L, 1, "traceback") == LUA_TNIL) {
            luaL_traceback(L, L, NULL, 1);
            lua_setfield(L, 1, "traceback");
        }
        lua_settop(L, 1);
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    }
    return 1;
}

/* A text field of the error on top of the stack, or "". Borrowed from the error's table. */
static const char *error_text(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    lua_pop(L, 1);
    return text;
}

static int print_table(lua_State *L)
{
    const char *script = error_text(L, "script"), *field = error_text(L, "field");
    const char *message = error_text(L, "message"), *hint = error_text(L, "hint");
    const char *trace = error_text(L, "traceback");
    lua_getfield(L, -1, "line");
    lua_Integer line = lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, -1, "status");
    int whole, status = (int)lua_tointegerx(L, -1, &whole);
    lua_pop(L, 1);
    if (!*script)
        fputs("lunette: ", stderr);
    else if (line > 0)
        fprintf(stderr, "%s:%lld: ", script, (long long)line);
    else
        fprintf(stderr, "%s: ", script);
    if (*field)
        fprintf(stderr, "%s: ", field);
    fprintf(stderr, "%s\n", message);
    if (*hint)
        fprintf(stderr, "    %s\n", hint);
    if (*trace)
        fprintf(stderr, "%s\n", trace);
    return whole ? status : 1;
}

/* Prints the error on top of the stack; returns the exit status. */
static int print_failure(lua_State *L, host *self, int status)
{
    ln_error err = {.status = LN_OK};
    fflush(stdout);
    if (self->progress.drawn)
        fputs("\r\033[K", stderr);
    /* Caught and raised again by Lua code, the error of being out of memory is a plain text. */
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no message";
    if (status == LUA_ERRMEM || strcmp(text, "not enough memory") == 0) {
        ln_fail_memory(&err, self->wanted);
        ln_print_error(&err);
        return ln_exit_status(LN_ENOMEM);
    }
    if (lua_istable(L, -1))
        return print_table(L);
    fprintf(stderr, "lunette: internal error: %s\n", text);
    return 1;
}

/* The error's fields are read by raw-like gets of plain tables, but pushing may still lack memory:
 * a second protected call keeps that from ending in a panic. */
typedef struct failure {
    host *self;
    int status; /* of the call that failed */
    int exit;   /* what to exit with */
} failure;

static int protected_print(lua_State *L)
{
    failure *what = lua_touserdata(L, 2);
    lua_settop(L, 1);
    what->exit = print_failure(L, what->self, what->status);
    return 0;
}

static int run_state(lua_State *L, host *self)
{
    lua_pushcfunction(L, add_trace);
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, self);
    int status = lua_pcall(L, 1, 0, 1);
    if (status == LUA_OK)
        return self->result;
    failure what = {.self = self, .status = status, .exit = 1};
    lua_pushcfunction(L, protected_print);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &what);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        fputs("lunette: out of memory\n", stderr);
    return what.exit;
}

int ln_host_main(const ln_options *options, const char *module, const char *function, ln_error *err)
{
    host self = {.options = options, .module = module, .function = function};
    self.progress.shown_at_all = !options->quiet && isatty(STDERR_FILENO);
    if (options->profile && ln_profile_new(&self.profile, err))
        return LN_ENOMEM;
    lua_State *L = lua_newstate(allocate, &self);
    if (!L) {
        ln_profile_free(self.profile);
        return ln_fail_memory(err, self.wanted);
    }
    *(host **)lua_getextraspace(L) = &self;
    int result = run_state(L, &self);
    lua_close(L); /* frees what ran passes, and so completes the profile */
    if (self.profile) {
        const ln_status status = ln_profile_print(self.profile, stdout, err);
        ln_profile_free(self.profile);
        if (status)
            return status;
    }
    return result;
}
