/* The table `core`, and its functions about the machine: time, hashes, files, output.
 *
 *   clock() -> nanoseconds (monotonic)        now() -> "2024-05-01T12:00:00.000Z"
 *   uuid() -> random, version 4               sha256(text) -> 64 hexadecimal digits
 *   read_file(path) -> text, sha256           file_exists(path), realpath(path) -> path or nil
 *   absolute(path) -> from the root, without "." and ".."; "~/" is the user's home
 *   print(text ...) to standard output        err(text ...) to standard error; nothing is added
 *   progress(done, total, text)               a bar, on a terminal only; progress() wipes it
 *   interrupted() -> nil, or a number         version */
#include "core.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "box.h"
#include "host.h"
#include "raise.h"

static int core_clock(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000000000 + now.tv_nsec);
    return 1;
}

static int core_now(lua_State *L)
{
    struct timespec now;
    struct tm parts;
    char text[40], whole[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(whole, sizeof whole, "%s.%03ldZ", text, now.tv_nsec / 1000000);
    lua_pushstring(L, whole);
    return 1;
}

static int core_uuid(lua_State *L)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        ln_error err;
        ln_fail(&err, LN_EFAILED, "no random numbers for a uuid: %s", strerror(errno));
        return ln_raise(L, &err);
    }
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    char text[37], *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", bytes[i]);
    }
    lua_pushlstring(L, text, 36);
    return 1;
}

static int core_sha256(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    uint8_t digest[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_sha256(text, length, digest);
    ln_sha256_hex(digest, hex);
    lua_pushstring(L, hex);
    return 1;
}

static void close_file(void *object)
{
    ln_file_free(object);
    ln_free(object);
}

static int core_read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char hex[LN_SHA256_HEX];
    ln_error err = {.status = LN_OK};
    /* The box frees the text also where pushing it runs out of memory. */
    void **slot = ln_box_new(L, "file", close_file);
    ln_file *file = ln_calloc(1, sizeof *file);
    *slot = file;
    if (!file)
        ln_fail_memory(&err, sizeof *file);
    if (!file || ln_file_read(path, file, &err))
        return ln_raise(L, &err);
    lua_pushlstring(L, file->data, file->bytes);
    ln_sha256_hex(file->sha256, hex);
    ln_box_close(L, -2, "file");
    lua_pushstring(L, hex);
    return 2;
}

static int core_file_exists(lua_State *L)
{
    struct stat info;
    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &info) == 0);
    return 1;
}

static int core_realpath(lua_State *L)
{
    char resolved[PATH_MAX];
    if (realpath(luaL_checkstring(L, 1), resolved))
        lua_pushstring(L, resolved);
    else
        lua_pushnil(L);
    return 1;
}

static int core_absolute(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char folder[PATH_MAX];
    luaL_Buffer buffer;
    const char *home = path[0] == '~' && path[1] == '/' ? getenv("HOME") : NULL;
    if (home) {
        path = lua_pushfstring(L, "%s/%s", home, path + 2);
    }
    if (path[0] != '/') {
        if (!getcwd(folder, sizeof folder))
            return luaL_error(L, "this folder is gone");
        path = lua_pushfstring(L, "%s/%s", folder, path);
    }
    /* Parts go onto a stack of the buffer's own length: ".." takes the last one off. */
    luaL_buffinit(L, &buffer);
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (length == 2 && at[0] == '.' && at[1] == '.') {
            size_t keep = luaL_bufflen(&buffer);
            const char *text = luaL_buffaddr(&buffer);
            while (keep > 0 && text[keep - 1] != '/')
                keep--;
            luaL_buffsub(&buffer, luaL_bufflen(&buffer) - (keep > 0 ? keep - 1 : 0));
        } else if (length > 0 && !(length == 1 && at[0] == '.')) {
            luaL_addchar(&buffer, '/');
            luaL_addlstring(&buffer, at, length);
        }
        at += length;
        at += strspn(at, "/");
    }
    if (luaL_bufflen(&buffer) == 0)
        luaL_addchar(&buffer, '/');
    luaL_pushresult(&buffer);
    return 1;
}

static int write_texts(lua_State *L, FILE *file)
{
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        size_t length;
        const char *text = luaL_checklstring(L, i, &length);
        fwrite(text, 1, length, file);
    }
    return 0;
}

static int core_print(lua_State *L)
{
    return write_texts(L, stdout);
}

/* flush(): what was printed so far reaches its reader, also through a pipe. */
static int core_flush(lua_State *L)
{
    (void)L;
    fflush(stdout);
    return 0;
}

static int core_err(lua_State *L)
{
    fflush(stdout);
    return write_texts(L, stderr);
}

/* ------------------------------------------------------------------------------------ progress */

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

static void draw(double done, double total, const char *text)
{
    int width = terminal_width();
    int bar = width > 60 ? 24 : 10;
    double share = total > 0 ? done / total : 0;
    if (!(share > 0))
        share = 0;
    int filled = share >= 1 ? bar : (int)(share * bar);
    char line[64];
    for (int i = 0; i < bar; i++)
        line[i] = i < filled ? '#' : '.';
    line[bar] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3d%% %.*s", line, (int)(share * 100), width - bar - 10, text);
    fflush(stderr);
}

void ln_progress_show(ln_progress_line *line, double done, double total, const char *text)
{
    if (!line->shown_at_all)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    if (line->drawn && done < total && seconds - line->last < 0.05)
        return;
    line->last = seconds;
    line->drawn = true;
    draw(done, total, text);
}

/* The line is wiped when there is nothing to show. */
static int core_progress(lua_State *L)
{
    ln_progress_line *line = ln_host_progress(L);
    if (!lua_isnoneornil(L, 1)) {
        ln_progress_show(line, luaL_checknumber(L, 1), luaL_checknumber(L, 2),
                         luaL_optstring(L, 3, ""));
        return 0;
    }
    if (line->shown_at_all && line->drawn)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    line->drawn = false;
    return 0;
}

static int core_interrupted(lua_State *L)
{
    int why = ln_interrupted();
    if (why)
        lua_pushinteger(L, why);
    else
        lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"clock", core_clock},
    {"now", core_now},
    {"uuid", core_uuid},
    {"sha256", core_sha256},
    {"read_file", core_read_file},
    {"file_exists", core_file_exists},
    {"realpath", core_realpath},
    {"absolute", core_absolute},
    {"print", core_print},
    {"flush", core_flush},
    {"err", core_err},
    {"progress", core_progress},
    {"interrupted", core_interrupted},
    {NULL, NULL},
};

static void bind_system(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    lua_pushliteral(L, LN_VERSION);
    lua_setfield(L, -2, "version");
}

int ln_core_open(lua_State *L)
{
    lua_newtable(L);
    bind_system(L);
    ln_bind_json(L);
    ln_bind_words(L);
    ln_bind_sandbox(L);
    ln_bind_tensor(L);
    ln_bind_data(L);
    ln_bind_images(L);
    ln_bind_repl(L);
    ln_bind_groups(L);
    ln_bind_network(L);
    ln_bind_saved(L);
    ln_bind_model(L);
    ln_bind_train(L);
    ln_bind_explain(L);
    ln_bind_fill(L);
    ln_bind_precomputed(L);
    ln_bind_metric(L);
    ln_bind_own(L);
    ln_bind_blackbox(L);
    ln_bind_store(L);
    ln_bind_log(L);
    ln_bind_pieces(L);
    ln_bind_draw(L);
    ln_bind_export(L);
    ln_bind_again(L);
    ln_bind_bundle(L);
    ln_bind_environment(L);
    return 1;
}
