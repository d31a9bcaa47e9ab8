/* What bind.lua and pictures compute with numbers: groups of inputs, differences of row lists, scores as
 * probabilities of classes. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"

static int by_i64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The ranks 0 .. G - 1 of the distinct ones of `count` numbers, to rank; returns G. */
static int64_t rank_ids(const int64_t *raw, int64_t count, int64_t *distinct, int32_t *rank)
{
    memcpy(distinct, raw, (size_t)count * sizeof *distinct);
    qsort(distinct, (size_t)count, sizeof *distinct, by_i64);
    int64_t groups = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || distinct[i] != distinct[groups - 1]) {
            distinct[groups++] = distinct[i];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t *found = bsearch(&raw[i], distinct, (size_t)groups, sizeof *distinct, by_i64);
        rank[i] = (int32_t)(found - distinct);
    }
    return groups;
}

/* group_ids(i64 tensor, rows, channels) -> i32 tensor (rows, channels times its numbers a row) of the ranks
 * 0 .. G - 1 of a row's distinct numbers, the same for every channel; of one row without the first axis. G of
 * the last row */
static int group_ids(lua_State *L)
{
    const ln_tensor *raw = ln_check_tensor(L, 1);
    const int64_t rows = luaL_checkinteger(L, 2), channels = luaL_checkinteger(L, 3);
    const int64_t count = ln_shape_count(&raw->shape) / rows, width = count * channels;
    const ln_shape shape = rows > 1 ? (ln_shape){.rank = 2, .dims = {rows, width}}
                                    : (ln_shape){.rank = 1, .dims = {width}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I32, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    int64_t *distinct = ln_alloc((size_t)count * sizeof *distinct + 1), groups = 0;
    if (distinct == NULL) {
        ln_fail_memory(&err, (size_t)count * sizeof *distinct);
        return ln_raise(L, &err);
    }
    for (int64_t r = 0; r < rows; r++) {
        int32_t *to = (int32_t *)(*slot)->data + r * width;
        groups = rank_ids(ln_i64(raw) + r * count, count, distinct, to);
        for (int64_t c = 1; c < channels; c++) {
            memcpy(to + c * count, to, (size_t)count * sizeof *to);
        }
    }
    ln_free(distinct);
    lua_pushinteger(L, groups);
    return 2;
}

/* Appends a line from x, y along one axis, and a break, to the list on top of the stack. */
static void add_line(lua_State *L, int64_t x, int64_t y, int64_t to_x, int64_t to_y)
{
    const lua_Number numbers[] = {(lua_Number)x,    (lua_Number)y, (lua_Number)to_x,
                                  (lua_Number)to_y, NAN,           NAN};
    const lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (int i = 0; i < 6; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, count + 1 + i);
    }
}

/* group_outlines(groups (..., H, W), of any type) -> { x, y, x, y, NaN, NaN ... }: the lines between pixels
 * of different groups, each as long as it goes straight on, in pixels from the upper left corner; of several
 * channels the first */
static int group_outlines(lua_State *L)
{
    ln_tensor *given = ln_check_tensor(L, 1);
    const int rank = given->shape.rank;
    luaL_argcheck(L, rank >= 2, 1, "an image's groups are needed");
    const int64_t height = given->shape.dims[rank - 2], width = given->shape.dims[rank - 1];
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_convert(given, LN_I64, slot, &err)) {
        return ln_raise(L, &err);
    }
    const int64_t *group = ln_i64(*slot);
    lua_createtable(L, 0, 0);
    for (int64_t y = 1; y < height; y++) {
        for (int64_t x = 0, from = 0; x <= width; x++) {
            if (x == width || group[y * width + x] == group[(y - 1) * width + x]) {
                if (from < x) {
                    add_line(L, from, y, x, y);
                }
                from = x + 1;
            }
        }
    }
    for (int64_t x = 1; x < width; x++) {
        for (int64_t y = 0, from = 0; y <= height; y++) {
            if (y == height || group[y * width + x] == group[y * width + x - 1]) {
                if (from < y) {
                    add_line(L, x, from, x, y);
                }
                from = y + 1;
            }
        }
    }
    return 1;
}

/* compose_groups(column of each input (i32), list: group of each column) -> group of each input */
static int compose_groups(lua_State *L)
{
    const ln_tensor *columns = ln_check_tensor(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I32, &columns->shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < columns->shape.dims[0]; i++) {
        lua_rawgeti(L, 2, ((const int32_t *)columns->data)[i] + 1);
        ((int32_t *)(*slot)->data)[i] = (int32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    return 1;
}

/* tree_nodes(linkage matrix (N, 2 or more), f64) -> i64 (N, 2): the two nodes that each row joins */
static int tree_nodes(lua_State *L)
{
    const ln_tensor *linkage = ln_check_tensor(L, 1);
    const int64_t rows = linkage->shape.dims[0], columns = linkage->shape.dims[1];
    const ln_shape shape = {.rank = 2, .dims = {rows, 2}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < 2 * rows; i++) {
        const double node = ln_f64(linkage)[i / 2 * columns + i % 2];
        if (!(node >= 0 && node < 0x1p53 && node == floor(node))) {
            ln_fail(&err, LN_EINVALID,
                    "row %" PRId64 " joins node %g: expected a whole number from 0", i / 2, node);
            return ln_raise(L, &err);
        }
        ln_i64(*slot)[i] = (int64_t)node;
    }
    return 1;
}

/* without(rows, taken): the rows that are not in `taken`, in order; nil when none is left. */
static int rows_without(lua_State *L)
{
    const ln_tensor *rows = ln_check_tensor(L, 1);
    const ln_tensor *taken = ln_check_tensor(L, 2);
    const int64_t taken_count = taken->shape.dims[0];
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    const size_t bytes = (size_t)(taken_count + rows->shape.dims[0]) * sizeof(int64_t);
    int64_t *sorted = ln_alloc(bytes);
    if (sorted == NULL) {
        ln_fail_memory(&err, bytes);
        return ln_raise(L, &err);
    }
    memcpy(sorted, taken->data, (size_t)taken_count * sizeof *sorted);
    qsort(sorted, (size_t)taken_count, sizeof *sorted, by_i64);
    int64_t *left = sorted + taken_count, count = 0;
    for (int64_t i = 0; i < rows->shape.dims[0]; i++) {
        const int64_t row = ln_i64(rows)[i];
        if (bsearch(&row, sorted, (size_t)taken_count, sizeof row, by_i64) == NULL) {
            left[count++] = row;
        }
    }
    const ln_shape shape = {.rank = 1, .dims = {count}};
    const ln_status status = count ? ln_tensor_copy_of(LN_I64, &shape, left, slot, &err) : LN_OK;
    ln_free(sorted);
    if (status) {
        return ln_raise(L, &err);
    }
    return count ? 1 : 0;
}

/* as_probabilities(scores f64 (N) or (N, C)) -> (N, C): a single column is the probability of class
 * 1. Files of scores are probabilities as they are. */
static int as_probabilities(lua_State *L)
{
    ln_tensor *scores = ln_check_tensor(L, 1);
    const int64_t rows = scores->shape.dims[0];
    const int64_t columns = rows ? ln_shape_count(&scores->shape) / rows : 1;
    const ln_shape shape = {.rank = 2, .dims = {rows, columns == 1 ? 2 : columns}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    const ln_status status = columns == 1 ? ln_tensor_new(LN_F64, &shape, slot, &err)
                                          : ln_tensor_reshape(scores, &shape, slot, &err);
    if (status) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; columns == 1 && i < rows; i++) {
        ln_f64(*slot)[2 * i] = 1.0 - ln_f64(scores)[i];
        ln_f64(*slot)[2 * i + 1] = ln_f64(scores)[i];
    }
    return 1;
}

void ln_bind_groups(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"group_ids", group_ids},
        {"group_outlines", group_outlines},
        {"compose_groups", compose_groups},
        {"tree_nodes", tree_nodes},
        {"without", rows_without},
        {"as_probabilities", as_probabilities},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
