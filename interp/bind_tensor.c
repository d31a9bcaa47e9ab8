/* Tensors for the stdlib: made from numbers or files, looked at, cut, converted. A row list is a
 * tensor of i64. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"
#include "tensor/idx.h"
#include "tensor/npy.h"
#include "tensor/npz.h"

static ln_dtype check_dtype(lua_State *L, int index)
{
    ln_dtype dtype = LN_F32;
    if (!ln_dtype_parse(luaL_checkstring(L, index), &dtype)) {
        luaL_argerror(L, index, "no such dtype");
    }
    return dtype;
}

static ln_shape check_shape(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    ln_shape shape = {0};
    shape.rank = (int)lua_rawlen(L, index);
    luaL_argcheck(L, shape.rank <= LN_MAX_RANK, index, "too many axes");
    for (int axis = 0; axis < shape.rank; axis++) {
        lua_rawgeti(L, index, axis + 1);
        shape.dims[axis] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    return shape;
}

static void push_shape(lua_State *L, const ln_shape *shape)
{
    lua_createtable(L, shape->rank, 0);
    for (int axis = 0; axis < shape->rank; axis++) {
        lua_pushinteger(L, shape->dims[axis]);
        lua_rawseti(L, -2, axis + 1);
    }
}

static void store_number(ln_tensor *tensor, int64_t at, double real, int64_t whole)
{
    switch (tensor->dtype) {
    case LN_F32:
        ln_f32(tensor)[at] = (float)real;
        break;
    case LN_F64:
        ln_f64(tensor)[at] = real;
        break;
    case LN_I64:
        ln_i64(tensor)[at] = whole;
        break;
    case LN_I32:
        ((int32_t *)tensor->data)[at] = (int32_t)whole;
        break;
    case LN_U8:
    case LN_BOOL:
        ((uint8_t *)tensor->data)[at] = (uint8_t)whole;
        break;
    }
}

/* tensor(dtype, shape, numbers): from a Lua list, or from a string of its bytes. */
static int tensor_from(lua_State *L)
{
    const ln_dtype dtype = check_dtype(L, 1);
    const ln_shape shape = check_shape(L, 2);
    const bool bytes = lua_type(L, 3) == LUA_TSTRING;
    if (!bytes) {
        luaL_checktype(L, 3, LUA_TTABLE);
    }
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(dtype, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    if (bytes) {
        luaL_argcheck(L, lua_rawlen(L, 3) == (*slot)->bytes, 3, "as many bytes as the shape says");
        memcpy((*slot)->data, lua_tostring(L, 3), (*slot)->bytes);
        return 1;
    }
    const int64_t count = ln_shape_count(&shape);
    for (int64_t i = 0; i < count; i++) {
        lua_rawgeti(L, 3, i + 1);
        store_number(*slot, i, lua_tonumber(L, -1), lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    return 1;
}

/* fill(dtype, shape, number) */
static int tensor_fill(lua_State *L)
{
    const ln_dtype dtype = check_dtype(L, 1);
    const ln_shape shape = check_shape(L, 2);
    const double number = luaL_checknumber(L, 3);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(dtype, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    const int64_t count = ln_shape_count(&shape);
    for (int64_t i = 0; i < count; i++) {
        store_number(*slot, i, number, (int64_t)number);
    }
    return 1;
}

/* range(n): the row ids 0 .. n - 1. */
static int tensor_range(lua_State *L)
{
    const ln_shape shape = {.rank = 1, .dims = {luaL_checkinteger(L, 1)}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < shape.dims[0]; i++) {
        ln_i64(*slot)[i] = i;
    }
    return 1;
}

/* npy(path) -> tensor, sha256 of the file */
static int tensor_npy(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    uint8_t sha256[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_npy_read(path, slot, sha256, &err)) {
        return ln_raise(L, &err);
    }
    ln_sha256_hex(sha256, hex);
    lua_pushstring(L, hex);
    return 2;
}

/* npz(path, key or nil) -> tensor, sha256 of the file */
static int tensor_npz(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *key = luaL_optstring(L, 2, NULL);
    uint8_t sha256[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_npz_read(path, key, slot, sha256, &err)) {
        ln_error_field(&err, "path"); /* unless the engine named the key */
        return ln_raise(L, &err);
    }
    ln_sha256_hex(sha256, hex);
    lua_pushstring(L, hex);
    return 2;
}

/* idx(path, scale or nil) -> tensor, f32 where it is scaled; sha256 of the file */
static int tensor_idx(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const bool scaled = !lua_isnoneornil(L, 2);
    const double scale = luaL_optnumber(L, 2, 1.0);
    uint8_t sha256[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_error err = {0};
    ln_tensor **raw = ln_new_tensor(L), **slot = ln_new_tensor(L), *numbers = NULL;
    if (ln_idx_read(path, raw, sha256, &err)) {
        ln_error_field(&err, "path");
        return ln_raise(L, &err);
    }
    if (!scaled) {
        *slot = ln_tensor_retain(*raw);
    } else if (ln_tensor_convert(*raw, LN_F64, &numbers, &err) ||
               ln_tensor_new(LN_F32, &numbers->shape, slot, &err)) {
        ln_tensor_release(numbers);
        return ln_raise(L, &err);
    }
    const int64_t count = scaled ? ln_shape_count(&numbers->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        ln_f32(*slot)[i] = (float)(ln_f64(numbers)[i] * scale);
    }
    ln_tensor_release(numbers);
    ln_sha256_hex(sha256, hex);
    lua_pushstring(L, hex);
    return 2;
}

static int tensor_info(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, ln_dtype_name(tensor->dtype));
    lua_setfield(L, -2, "dtype");
    push_shape(L, &tensor->shape);
    lua_setfield(L, -2, "shape");
    lua_pushinteger(L, ln_shape_count(&tensor->shape));
    lua_setfield(L, -2, "count");
    return 1;
}

static int tensor_convert(lua_State *L)
{
    ln_tensor *tensor = ln_check_tensor(L, 1);
    const ln_dtype dtype = check_dtype(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_convert(tensor, dtype, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

static int tensor_reshape(lua_State *L)
{
    ln_tensor *tensor = ln_check_tensor(L, 1);
    const ln_shape shape = check_shape(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_reshape(tensor, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* tensor_rows(tensor, first, count): a view. */
static int tensor_rows(lua_State *L)
{
    ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t first = luaL_checkinteger(L, 2);
    const int64_t count = luaL_checkinteger(L, 3);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_rows(tensor, first, count, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* tensor_spread(tensor (N) i64, each, times) -> (N each times) i64: every number `each` times side by
 * side, and all of that `times` times. */
static int tensor_spread(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t each = luaL_checkinteger(L, 2), times = luaL_checkinteger(L, 3);
    luaL_argcheck(L, tensor->dtype == LN_I64 && each > 0 && times >= 0, 1,
                  "whole numbers expected");
    const int64_t one = tensor->shape.dims[0] * each;
    const ln_shape shape = {.rank = 1, .dims = {one * times}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < one * times; i++) {
        ln_i64(*slot)[i] = ln_i64(tensor)[i % one / each];
    }
    return 1;
}

/* tensor_beside(list of f32 tensors (N, ...)) -> (N, sum of their numbers a row): side by side */
static int tensor_beside(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const int count = (int)lua_rawlen(L, 1);
    ln_shape shape = {.rank = 2};
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        const ln_tensor *one = ln_check_tensor(L, -1);
        luaL_argcheck(L, one->dtype == LN_F32 && one->shape.rank > 0, 1, "rows of f32 expected");
        luaL_argcheck(L, i == 0 || one->shape.dims[0] == shape.dims[0], 1, "as many rows each");
        shape.dims[0] = one->shape.dims[0];
        shape.dims[1] += ln_shape_row(&one->shape);
        lua_pop(L, 1);
    }
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_F32, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    int64_t first = 0;
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        const ln_tensor *one = ln_check_tensor(L, -1);
        const int64_t width = ln_shape_row(&one->shape);
        for (int64_t row = 0; row < shape.dims[0]; row++) {
            memcpy(ln_f32(*slot) + row * shape.dims[1] + first, ln_f32(one) + row * width,
                   (size_t)width * sizeof(float));
        }
        first += width;
        lua_pop(L, 1);
    }
    return 1;
}

/* tensor_take(tensor, rows): those rows, copied. */
static int tensor_take(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1), *rows = ln_check_tensor(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_take(tensor, ln_i64(rows), rows->shape.dims[0], slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* tensor_at(tensor, i): one number, by its place in row-major order. */
static int tensor_at(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 0 && at < ln_shape_count(&tensor->shape), 2, "out of range");
    ln_push_number(L, tensor, at);
    return 1;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float column_statistic(const float *x, int64_t rows, int64_t width, int64_t column,
                              const char *what, float *scratch)
{
    double sum = 0.0;
    for (int64_t r = 0; r < rows; r++) {
        scratch[r] = x[r * width + column];
        sum += scratch[r];
    }
    if (strcmp(what, "mean") == 0) {
        return (float)(sum / (double)rows);
    }
    qsort(scratch, (size_t)rows, sizeof *scratch, by_value);
    if (strcmp(what, "min") == 0) {
        return scratch[0];
    }
    if (strcmp(what, "max") == 0) {
        return scratch[rows - 1];
    }
    if (strcmp(what, "range") == 0) {
        return scratch[rows - 1] - scratch[0];
    }
    return rows % 2 ? scratch[rows / 2]
                    : (float)(((double)scratch[rows / 2 - 1] + scratch[rows / 2]) / 2.0);
}

/* statistic(x (N, width), "mean" | "median" | "min" | "max" | "range") -> (1, width) */
static int tensor_statistic(lua_State *L)
{
    const ln_tensor *x = ln_check_tensor(L, 1);
    const char *what = luaL_checkstring(L, 2);
    const int64_t rows = x->shape.dims[0], width = x->shape.dims[1];
    const ln_shape shape = {.rank = 2, .dims = {1, width}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_F32, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    float *scratch = ln_alloc((size_t)rows * sizeof *scratch);
    if (scratch == NULL) {
        ln_fail_memory(&err, (size_t)rows * sizeof *scratch);
        return ln_raise(L, &err);
    }
    for (int64_t column = 0; column < width; column++) {
        ln_f32(*slot)[column] = column_statistic(ln_f32(x), rows, width, column, what, scratch);
    }
    ln_free(scratch);
    return 1;
}

void ln_bind_tensor(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"tensor", tensor_from},
        {"fill", tensor_fill},
        {"range", tensor_range},
        {"npy", tensor_npy},
        {"npz", tensor_npz},
        {"idx", tensor_idx},
        {"tensor_info", tensor_info},
        {"tensor_convert", tensor_convert},
        {"tensor_reshape", tensor_reshape},
        {"tensor_rows", tensor_rows},
        {"tensor_spread", tensor_spread},
        {"tensor_beside", tensor_beside},
        {"tensor_take", tensor_take},
        {"tensor_at", tensor_at},
        {"statistic", tensor_statistic},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
