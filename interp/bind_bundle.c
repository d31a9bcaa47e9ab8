/* Stores that travel: copying runs from one store into another, files that a store carries. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cells.h"

/* --- copying -------------------------------------------------------------------------------- */

/* What became of each run; `room` are as many as there were when it began. */
typedef struct copying {
    ln_copied *at;
    int64_t count, room;
} copying;

static void copied(void *context, const ln_copied *result)
{
    copying *c = context;
    if (c->count < c->room)
        c->at[c->count++] = *result;
}

static ln_status count_runs(ln_store *store, int64_t *count, ln_error *err)
{
    ln_query *query = NULL;
    bool more;
    ln_status status = ln_query_new(store, "SELECT count(*) FROM run", NULL, &query, err);
    if (status == LN_OK)
        status = ln_query_next(query, &more, err);
    *count = status == LN_OK ? ln_query_cell(query, 0).integer : 0;
    ln_query_free(query);
    return status;
}

static void push_copied(lua_State *L, const ln_copied *result)
{
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, result->from);
    lua_setfield(L, -2, "from");
    lua_pushinteger(L, result->to);
    lua_setfield(L, -2, "to");
    lua_pushboolean(L, result->added);
    lua_setfield(L, -2, "added");
    lua_pushboolean(L, result->running);
    lua_setfield(L, -2, "running");
}

/* store_copy(from, to, list of run ids or nil: all) -> list of { from, to, added, running } */
static int store_copy(lua_State *L)
{
    ln_store *from = ln_check_store(L, 1), *to = ln_check_store(L, 2);
    const bool all = lua_isnoneornil(L, 3);
    ln_error err = {0};
    copying c = {.room = all ? 0 : (int64_t)lua_rawlen(L, 3)};
    const int count = (int)c.room;
    if (all && count_runs(from, &c.room, &err))
        return ln_raise(L, &err);
    int64_t *runs = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *runs, 0);
    c.at = lua_newuserdatauv(L, (size_t)(c.room + 1) * sizeof *c.at, 0);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 3, i + 1);
        runs[i] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    if (ln_store_copy(from, to, all ? NULL : runs, count, copied, &c, &err))
        return ln_raise(L, &err);
    lua_createtable(L, (int)c.count, 0);
    for (int64_t i = 0; i < c.count; i++) {
        push_copied(L, &c.at[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* --- files ---------------------------------------------------------------------------------- */

static ln_status find_file(ln_store *store, const char *sha256, ln_query **query, bool *found,
                           ln_error *err)
{
    static const char sql[] = "SELECT data FROM file WHERE sha256 = :sha256";
    const ln_cell param = ln_text_cell("sha256", sha256);
    const ln_query_options options = {.params = &param, .param_count = 1};
    *found = false;
    ln_status status = ln_query_new(store, sql, &options, query, err);
    return status != LN_OK ? status : ln_query_next(*query, found, err);
}

/* Content is what its hash says, or the store is damaged. */
static ln_status check_content(const void *data, size_t bytes, const char *sha256, ln_error *err)
{
    uint8_t digest[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_sha256(data, bytes, digest);
    ln_sha256_hex(digest, hex);
    return strcmp(hex, sha256) == 0
               ? LN_OK
               : ln_fail(err, LN_ESTORE,
                         "the store is damaged: the file of hash %s that it carries has another "
                         "content",
                         sha256);
}

static ln_status put_file(ln_store *store, const char *sha256, const void *data, size_t bytes,
                          ln_error *err)
{
    const ln_cell cells[] = {
        ln_text_cell("sha256", sha256),
        {.column = "data", .type = LN_CELL_BLOB, .data = data, .bytes = bytes}};
    return ln_store_intern(store, "file", "sha256", cells, 2, NULL, NULL, err);
}

/* store_write_file(store, sha256, path): the content of a file that the store carries, checked */
static int store_write_file(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *sha256 = luaL_checkstring(L, 2), *path = luaL_checkstring(L, 3);
    ln_error err = {0};
    ln_query *query = NULL;
    bool found;
    ln_status status = find_file(store, sha256, &query, &found, &err);
    if (status == LN_OK) {
        const ln_cell data = found ? ln_query_cell(query, 0) : (ln_cell){0};
        status = check_content(data.data, data.bytes, sha256, &err);
        if (status == LN_OK)
            status = ln_file_write(path, data.data, data.bytes, &err);
    }
    ln_query_free(query);
    return status ? ln_raise(L, &err) : 0;
}

/* store_copy_file(from, to, sha256) -> whether `from` carries it */
static int store_copy_file(lua_State *L)
{
    ln_store *from = ln_check_store(L, 1), *to = ln_check_store(L, 2);
    const char *sha256 = luaL_checkstring(L, 3);
    ln_error err = {0};
    ln_query *query = NULL;
    bool found;
    ln_status status = find_file(from, sha256, &query, &found, &err);
    if (status == LN_OK && found) {
        const ln_cell data = ln_query_cell(query, 0);
        status = check_content(data.data, data.bytes, sha256, &err);
        if (status == LN_OK)
            status = put_file(to, sha256, data.data, data.bytes, &err);
    }
    ln_query_free(query);
    if (status)
        return ln_raise(L, &err);
    lua_pushboolean(L, found);
    return 1;
}

/* store_take_file(store, sha256, path) -> whether the file at `path` has this hash, and the store now
 * carries it */
static int store_take_file(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *sha256 = luaL_checkstring(L, 2), *path = luaL_checkstring(L, 3);
    char hex[LN_SHA256_HEX];
    ln_error err = {0};
    ln_file file = {0};
    ln_status status = ln_file_read(path, &file, &err);
    bool same = false;
    if (status == LN_OK) {
        ln_sha256_hex(file.sha256, hex);
        same = strcmp(hex, sha256) == 0;
        if (same)
            status = put_file(store, sha256, file.data, file.bytes, &err);
    } else if (status == LN_EFILE) {
        status = LN_OK; /* the caller says what is missing */
    }
    ln_file_free(&file);
    if (status)
        return ln_raise(L, &err);
    lua_pushboolean(L, same);
    return 1;
}

/* --- the bundle's own file ------------------------------------------------------------------- */

/* store_seal(store): leaves the store as one file, without a log beside it, and closes it */
static int store_seal(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_seal(ln_check_store(L, 1), &err))
        return ln_raise(L, &err);
    ln_box_close(L, 1, "store");
    return 0;
}

/* file_write(path, text) */
static int file_write(lua_State *L)
{
    size_t bytes;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &bytes);
    ln_error err = {0};
    return ln_file_write(path, text, bytes, &err) ? ln_raise(L, &err) : 0;
}

/* file_rename(from, to) */
static int file_rename(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    if (rename(from, to) != 0) {
        ln_error err;
        ln_fail(&err, LN_EIO, "the file '%s' cannot be written: %s", to, strerror(errno));
        return ln_raise(L, &err);
    }
    return 0;
}

/* file_remove(path): nothing where there is none */
static int file_remove(lua_State *L)
{
    unlink(luaL_checkstring(L, 1));
    return 0;
}

/* Lines of what is broken. */
static void broken(void *context, const char *severity, const char *text)
{
    ln_text *lines = context;
    if (strcmp(severity, "broken") == 0)
        ln_text_format(lines, "%s\n", text);
}

/* store_broken(store) -> what verify finds broken, a line each; "" where the store is whole */
static int store_broken(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    ln_error err = {0};
    ln_text lines = {0};
    ln_text_add(&lines, "");
    ln_status status = ln_store_verify(store, 0, broken, &lines, NULL, &err);
    if (status == LN_OK && lines.failed)
        status = ln_fail_memory(&err, lines.length);
    if (status != LN_OK) {
        ln_text_free(&lines);
        return ln_raise(L, &err);
    }
    lua_pushstring(L, lines.data ? ln_guard(L, lines.data) : "");
    return 1;
}

void ln_bind_bundle(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"store_copy", store_copy},           {"store_write_file", store_write_file},
        {"store_copy_file", store_copy_file}, {"store_take_file", store_take_file},
        {"store_seal", store_seal},           {"store_broken", store_broken},
        {"file_write", file_write},           {"file_rename", file_rename},
        {"file_remove", file_remove},         {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
