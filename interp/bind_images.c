/* Data sets that are no tables, for the stdlib: folders of images, arrays from files. Options come
 * checked from schema.lua; what only the content can tell is checked by the engine. */
#include <string.h>

#include "base/error.h"
#include "data/images.h"
#include "interp.h"

/* A field that is a number for all channels or a list with one a channel, into `to`. */
static void channel_numbers(lua_State *L, int options, const char *field, int channels, double *to)
{
    const int kind = lua_getfield(L, options, field);
    for (int c = 0; c < channels; c++) {
        if (kind == LUA_TTABLE) {
            lua_rawgeti(L, -1, c + 1);
            to[c] = luaL_checknumber(L, -1);
            lua_pop(L, 1);
        } else if (kind == LUA_TNUMBER) {
            to[c] = lua_tonumber(L, -1);
        }
    }
    lua_pop(L, 1);
}

/* images(path, { test, classes, positive, height, width, grey, mean, std }, pool) -> data set */
static int dataset_images(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    ln_pool *pool = ln_opt_pool(L, 3);
    const char **room = lua_newuserdatauv(L, LIST_MOST * sizeof *room, 0);
    ln_images_options options = {
        .path = luaL_checkstring(L, 1),
        .test = ln_text_field(L, 2, "test"),
        .classes = ln_text_list(L, 2, "classes", room, LIST_MOST),
        .positive = ln_text_field(L, 2, "positive"),
        .height = ln_integer_field(L, 2, "height", 0),
        .width = ln_integer_field(L, 2, "width", 0),
        .grey = ln_flag_field(L, 2, "grey"),
        .mean = {0, 0, 0},
        .deviation = {1, 1, 1},
    };
    channel_numbers(L, 2, "mean", options.grey ? 1 : 3, options.mean);
    channel_numbers(L, 2, "std", options.grey ? 1 : 3, options.deviation);
    ln_error err = {0};
    ln_dataset **slot = ln_new_dataset(L);
    if (ln_images_read(&options, pool, slot, &err)) {
        ln_error_field(&err, "path"); /* unless the engine named another option */
        return ln_raise(L, &err);
    }
    return 1;
}

/* Part `p` of the two: { inputs =, labels =, scale = } in field `field`. */
static void array_part(lua_State *L, const char *field, int p, ln_arrays_options *out)
{
    if (lua_getfield(L, 1, field) == LUA_TTABLE) {
        out->inputs[p] = ln_tensor_field(L, lua_gettop(L), "inputs");
        out->labels[p] = ln_tensor_field(L, lua_gettop(L), "labels");
        out->scale[p] = ln_number_field(L, lua_gettop(L), "scale", 1);
        luaL_argcheck(L, out->inputs[p] && out->labels[p], 1, "inputs and labels are needed");
    }
    lua_pop(L, 1);
}

/* arrays { train =, test = or nil, name, path, identity, shape, classes, task } -> data set */
static int dataset_arrays(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char **room = lua_newuserdatauv(L, LIST_MOST * sizeof *room, 0);
    const char *identity = ln_text_field(L, 1, "identity"), *task = ln_text_field(L, 1, "task");
    ln_arrays_options options = {
        .name = ln_text_field(L, 1, "name"),
        .path = ln_text_field(L, 1, "path"),
        .classes = ln_text_list(L, 1, "classes", room, LIST_MOST),
        .task = task == NULL ? -1 : strcmp(task, "regression") == 0,
    };
    luaL_argcheck(L, options.name && options.path && identity, 1, "name, path and identity");
    array_part(L, "train", 0, &options);
    array_part(L, "test", 1, &options);
    luaL_argcheck(L, options.inputs[0] != NULL, 1, "train is needed");
    ln_sha256(identity, strlen(identity), options.sha256);
    if (lua_getfield(L, 1, "shape") == LUA_TTABLE) {
        options.row.rank = (int)lua_rawlen(L, -1);
        luaL_argcheck(L, options.row.rank < LN_MAX_RANK, 1, "too many axes");
        for (int axis = 0; axis < options.row.rank; axis++) {
            lua_rawgeti(L, -1, axis + 1);
            options.row.dims[axis] = luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
    }
    ln_error err = {0};
    ln_dataset **slot = ln_new_dataset(L);
    if (ln_arrays_dataset(&options, slot, &err)) {
        ln_error_field(&err, "inputs");
        return ln_raise(L, &err);
    }
    return 1;
}

/* dataset_files(data, path, test or nil) -> of images { path =, sha256 = } of each row's file, in the
 * folder `path` or, of test rows that have one of their own, `test` */
static int dataset_files(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    const char *path = luaL_checkstring(L, 2), *test = luaL_optstring(L, 3, path);
    char hex[LN_SHA256_HEX];
    lua_createtable(L, (int)data->rows, 0);
    for (int64_t row = 0; row < data->rows; row++) {
        const bool apart = data->given && data->given[row] == LN_SPLIT_TEST;
        lua_createtable(L, 0, 2);
        lua_pushfstring(L, "%s/%s", apart ? test : path, data->files[row]);
        lua_setfield(L, -2, "path");
        ln_sha256_hex(data->file_hashes + row * LN_SHA256_BYTES, hex);
        lua_pushstring(L, hex);
        lua_setfield(L, -2, "sha256");
        lua_rawseti(L, -2, row + 1);
    }
    return 1;
}

void ln_bind_images(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"images", dataset_images},
        {"dataset_arrays", dataset_arrays},
        {"dataset_files", dataset_files},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
