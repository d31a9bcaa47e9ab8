/* What running a stored run again needs of the engine: how tensors differ, pieces that are kept,
 * a folder for temporary files. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "interp.h"
#include "tensor/difference.h"

/* tensor_sha256(tensor) -> what the store calls its sha256, in hexadecimal */
static int tensor_sha256(lua_State *L)
{
    uint8_t digest[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_tensor_sha256(ln_check_tensor(L, 1), digest);
    ln_sha256_hex(digest, hex);
    lua_pushstring(L, hex);
    return 1;
}

static void set_number(lua_State *L, const char *field, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, field);
}

/* tensor_difference(a, b, row of a, row of b) -> nil where all bits are equal, else { first, a, b, count,
 * greatest, scale }, or {} where they differ in dtype or size. Rows -1: all. */
static int tensor_difference(lua_State *L)
{
    const ln_tensor *a = ln_check_tensor(L, 1), *b = ln_check_tensor(L, 2);
    ln_error err = {0};
    ln_difference found;
    if (ln_tensor_difference(a, luaL_optinteger(L, 3, -1), b, luaL_optinteger(L, 4, -1), &found,
                             &err))
        return ln_raise(L, &err);
    if (found.comparable && found.count == 0)
        return 0;
    lua_createtable(L, 0, 6);
    if (!found.comparable)
        return 1;
    lua_pushinteger(L, found.first);
    lua_setfield(L, -2, "first");
    lua_pushinteger(L, found.count);
    lua_setfield(L, -2, "count");
    set_number(L, "a", found.a);
    set_number(L, "b", found.b);
    set_number(L, "greatest", found.greatest);
    set_number(L, "scale", found.scale);
    return 1;
}

/* store_keep_piece(store, { from, first_id, count, run, to }) -> id of the first of its attributions */
static int store_keep_piece(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const ln_kept_piece piece = {
        .from = ln_integer_field(L, 2, "from", 0),
        .first_id = ln_integer_field(L, 2, "first_id", 0),
        .count = ln_integer_field(L, 2, "count", 0),
        .run = ln_integer_field(L, 2, "run", 0),
        .to = ln_integer_field(L, 2, "to", 0),
    };
    ln_error err = {0};
    int64_t first = 0;
    if (ln_store_keep_piece(store, &piece, &first, &err))
        return ln_raise(L, &err);
    lua_pushinteger(L, first);
    return 1;
}

/* folder_scratch() -> the path of a new, empty folder of ours */
static int folder_scratch(lua_State *L)
{
    char path[PATH_MAX];
    const char *root = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/lunette-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(path)) {
        ln_error err;
        ln_fail(&err, LN_EIO, "a folder for temporary files cannot be made as %s: %s", path,
                strerror(errno));
        return ln_raise(L, &err);
    }
    lua_pushstring(L, path);
    return 1;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

/* folder_remove(path): a folder that folder_scratch made, with all in it */
static int folder_remove(lua_State *L)
{
    nftw(luaL_checkstring(L, 1), remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

void ln_bind_again(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"tensor_sha256", tensor_sha256},       {"tensor_difference", tensor_difference},
        {"store_keep_piece", store_keep_piece}, {"folder_scratch", folder_scratch},
        {"folder_remove", folder_remove},       {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
