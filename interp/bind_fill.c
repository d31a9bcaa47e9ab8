/* Baselines that are made from the rows themselves, for the stdlib. */
#include "explainers/common/fill.h"
#include "interp.h"

/* The axis of channels of rows of that shape; rank 0 (a table): none. */
static int channel_axis(lua_State *L, const ln_shape *shape)
{
    lua_getfield(L, 1, "model");
    const int axis = ln_model_channel_axis(ln_check_model(L, -1), shape);
    lua_pop(L, 1);
    return axis;
}

/* fill_blur { x, model, shape, sigma, pool } -> (N, width) */
static int fill_blur(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const ln_shape shape = ln_shape_field(L, 1, "shape");
    lua_getfield(L, 1, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_fill_blur(ln_tensor_field(L, 1, "x"), &shape, channel_axis(L, &shape),
                     ln_number_field(L, 1, "sigma", 0), pool, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* fill_noise { x, model, row_ids, shape, training, stdev, seed, stream } -> (N, width) */
static int fill_noise(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const ln_shape shape = ln_shape_field(L, 1, "shape");
    const ln_fill_noise_options options = {
        .shape = &shape,
        .channel_axis = channel_axis(L, &shape),
        .training = ln_tensor_field(L, 1, "training"),
        .stdev = ln_number_field(L, 1, "stdev", 0),
        .seed = (uint64_t)ln_integer_field(L, 1, "seed", 0),
        .stream = (uint64_t)ln_integer_field(L, 1, "stream", 0),
    };
    const ln_tensor *row_ids = ln_tensor_field(L, 1, "row_ids");
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_fill_noise(ln_tensor_field(L, 1, "x"), ln_i64(row_ids), &options, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* channel_axis { model, shape } -> the axis of a row of that shape that holds channels, from 0; -1: none */
static int model_channel_axis(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const ln_shape shape = ln_shape_field(L, 1, "shape");
    lua_pushinteger(L, channel_axis(L, &shape));
    return 1;
}

void ln_bind_fill(lua_State *L)
{
    static const luaL_Reg functions[] = {{"channel_axis", model_channel_axis},
                                         {"fill_blur", fill_blur},
                                         {"fill_noise", fill_noise},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
