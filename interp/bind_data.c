/* Tensors and data sets for the stdlib. A row list is a tensor of i64; everything is 0-based as
 * users count. Tables of options come checked from schema.lua; what only the content can tell is
 * checked by the engine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include "interp.h"
#include "tensor/npy.h"

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
    case LN_F32: ln_f32(tensor)[at] = (float)real; break;
    case LN_F64: ln_f64(tensor)[at] = real; break;
    case LN_I64: ln_i64(tensor)[at] = whole; break;
    case LN_I32: ((int32_t *)tensor->data)[at] = (int32_t)whole; break;
    case LN_U8:
    case LN_BOOL: ((uint8_t *)tensor->data)[at] = (uint8_t)whole; break;
    }
}

/* tensor(dtype, shape, numbers): from a Lua list. */
static int tensor_from(lua_State *L)
{
    const ln_dtype dtype = check_dtype(L, 1);
    const ln_shape shape = check_shape(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(dtype, &shape, slot, &err)) {
        return ln_raise(L, &err);
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
    switch (tensor->dtype) {
    case LN_F32: lua_pushnumber(L, ln_f32(tensor)[at]); break;
    case LN_F64: lua_pushnumber(L, ln_f64(tensor)[at]); break;
    case LN_I64: lua_pushinteger(L, ln_i64(tensor)[at]); break;
    case LN_I32: lua_pushinteger(L, ((const int32_t *)tensor->data)[at]); break;
    case LN_U8:
    case LN_BOOL: lua_pushinteger(L, ((const uint8_t *)tensor->data)[at]); break;
    }
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
    return rows % 2 ? scratch[rows / 2]
                    : (float)(((double)scratch[rows / 2 - 1] + scratch[rows / 2]) / 2.0);
}

/* statistic(x (N, width), "mean" | "median" | "min" | "max") -> (1, width) */
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

/* ---------------------------------------------------------------------------------- data sets */

/* A field that is a list of texts, as a NULL-terminated array in `room` (its texts stay on Lua's
 * side, kept alive by the options table); NULL when the field is absent. */
static const char *const *text_list(lua_State *L, int options, const char *field,
                                    const char **room, int most)
{
    if (lua_getfield(L, options, field) != LUA_TTABLE) {
        lua_pop(L, 1);
        return NULL;
    }
    const int count = (int)lua_rawlen(L, -1);
    if (count >= most) {
        luaL_error(L, "too many entries in '%s'", field);
    }
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        room[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    room[count] = NULL;
    lua_pop(L, 1);
    return room;
}

enum { LIST_MOST = 4096 };

/* csv(path, options) -> data set */
static int dataset_csv(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const char **room = lua_newuserdatauv(L, 5 * LIST_MOST * sizeof *room, 0);
    const char *separator = ln_text_field(L, 2, "separator");
    const char *task = ln_text_field(L, 2, "task");
    const ln_csv_options options = {
        .target = ln_text_field(L, 2, "target"),
        .positive = ln_text_field(L, 2, "positive"),
        .classes = text_list(L, 2, "classes", room, LIST_MOST),
        .numeric = text_list(L, 2, "numeric", room + LIST_MOST, LIST_MOST),
        .categorical = text_list(L, 2, "categorical", room + 2 * LIST_MOST, LIST_MOST),
        .ignore = text_list(L, 2, "ignore", room + 3 * LIST_MOST, LIST_MOST),
        .missing = text_list(L, 2, "missing", room + 4 * LIST_MOST, LIST_MOST),
        .task = task == NULL ? -1 : strcmp(task, "regression") == 0,
        .separator = separator ? separator[0] : '\0',
    };
    ln_error err = {0};
    ln_dataset **slot = ln_new_dataset(L);
    if (ln_csv_read(path, &options, slot, &err)) {
        ln_error_field(&err, "path"); /* unless the engine named another option */
        return ln_raise(L, &err);
    }
    return 1;
}

/* dataset_split(data, { train, test, validation, stratify, seed }) */
static int dataset_split(lua_State *L)
{
    ln_dataset *data = ln_check_dataset(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    ln_split_options options = {
        .train = ln_number_field(L, 2, "train", NAN), /* NAN: what the others leave */
        .test = ln_number_field(L, 2, "test", NAN),
        .validation = ln_number_field(L, 2, "validation", 0.0),
        .stratify = data->classification,
        .seed = (uint64_t)ln_integer_field(L, 2, "seed", 0),
    };
    if (lua_getfield(L, 2, "stratify") == LUA_TBOOLEAN) {
        options.stratify = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    ln_error err = {0};
    if (ln_dataset_split(data, &options, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* dataset_rows(data, { split, take, sample, class, seed, optional }) -> row ids, or nil when
 * `optional` and there is none */
static int dataset_rows(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const char *split = ln_text_field(L, 2, "split");
    ln_rows_options options = {
        .split = split ? ln_choice_index(LN_SPLIT_CHOICES, split, strlen(split)) : LN_SPLIT_NONE,
        .take = ln_integer_field(L, 2, "take", -1),
        .sample = ln_integer_field(L, 2, "sample", -1),
        .class_id = (int)ln_integer_field(L, 2, "class", -1),
        .seed = (uint64_t)ln_integer_field(L, 2, "seed", 0),
    };
    lua_getfield(L, 2, "optional");
    const bool optional = lua_toboolean(L, -1);
    ln_error err = {0};
    int64_t *rows = NULL, count = 0;
    ln_tensor **slot = ln_new_tensor(L);
    const ln_status status = ln_dataset_rows(data, &options, &rows, &count, &err);
    if (status == LN_EINVALID && optional) {
        return 0;
    }
    const ln_shape shape = {.rank = 1, .dims = {count}};
    if (status || ln_tensor_copy_of(LN_I64, &shape, rows, slot, &err)) {
        ln_free(rows);
        return ln_raise(L, &err);
    }
    ln_free(rows);
    return 1;
}

/* dataset_labels(data, rows) -> (N) i32 class ids, or f64 numbers */
static int dataset_labels(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    const ln_tensor *rows = ln_check_tensor(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(data->classification ? LN_I32 : LN_F64, &rows->shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < rows->shape.dims[0]; i++) {
        const int64_t row = ln_i64(rows)[i];
        if (data->classification) {
            ((int32_t *)(*slot)->data)[i] = data->labels[row];
        } else {
            ln_f64(*slot)[i] = data->numbers[row];
        }
    }
    return 1;
}

static int dataset_class(lua_State *L)
{
    lua_pushinteger(L, ln_dataset_find_class(ln_check_dataset(L, 1), luaL_checkstring(L, 2)));
    return 1;
}

/* The data set's identity in the store: the file and how it was read (columns, kinds, classes). */
static ln_status identity_hex(const ln_dataset *data, char hex[LN_SHA256_HEX], ln_error *err)
{
    ln_hash *hash = ln_hash_new();
    if (hash == NULL) {
        return ln_fail_memory(err, 128);
    }
    ln_hash_update(hash, data->sha256, sizeof data->sha256);
    for (int c = 0; c < data->column_count; c++) {
        ln_hash_text(hash, data->columns[c].name);
        ln_hash_i64(hash, data->columns[c].kind);
    }
    ln_hash_text(hash, data->target_name);
    for (int c = 0; c < data->class_count; c++) {
        ln_hash_text(hash, data->classes[c]);
    }
    uint8_t digest[LN_SHA256_BYTES];
    ln_hash_finish(hash, digest);
    ln_hash_free(hash);
    ln_sha256_hex(digest, hex);
    return LN_OK;
}

static void push_texts(lua_State *L, char **texts, int count)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, texts[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static int dataset_info(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    char hex[LN_SHA256_HEX];
    ln_error err = {0};
    lua_createtable(L, 0, 10);
    lua_pushstring(L, data->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, data->path);
    lua_setfield(L, -2, "path");
    ln_sha256_hex(data->sha256, hex);
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "sha256");
    if (identity_hex(data, hex, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "identity");
    lua_pushinteger(L, data->rows);
    lua_setfield(L, -2, "rows");
    lua_pushboolean(L, data->classification);
    lua_setfield(L, -2, "classification");
    lua_pushstring(L, data->target_name);
    lua_setfield(L, -2, "target");
    push_texts(L, data->classes, data->class_count);
    lua_setfield(L, -2, "classes");
    return 1;
}

/* ------------------------------------------------------------------------------------- groups */

static int by_i64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* group_ids(i64 tensor) -> i32 tensor of the ranks 0 .. G - 1 of its distinct numbers, G */
static int group_ids(lua_State *L)
{
    const ln_tensor *raw = ln_check_tensor(L, 1);
    const int64_t count = ln_shape_count(&raw->shape);
    const ln_shape shape = {.rank = 1, .dims = {count}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I32, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    int64_t *distinct = ln_alloc((size_t)count * sizeof *distinct);
    if (distinct == NULL) {
        ln_fail_memory(&err, (size_t)count * sizeof *distinct);
        return ln_raise(L, &err);
    }
    memcpy(distinct, raw->data, (size_t)count * sizeof *distinct);
    qsort(distinct, (size_t)count, sizeof *distinct, by_i64);
    int64_t groups = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || distinct[i] != distinct[groups - 1]) {
            distinct[groups++] = distinct[i];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t *found = bsearch(&ln_i64(raw)[i], distinct, (size_t)groups,
                                       sizeof *distinct, by_i64);
        ((int32_t *)(*slot)->data)[i] = (int32_t)(found - distinct);
    }
    ln_free(distinct);
    lua_pushinteger(L, groups);
    return 2;
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

void ln_bind_data(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"tensor", tensor_from},
        {"fill", tensor_fill},
        {"range", tensor_range},
        {"npy", tensor_npy},
        {"tensor_info", tensor_info},
        {"tensor_convert", tensor_convert},
        {"tensor_reshape", tensor_reshape},
        {"tensor_rows", tensor_rows},
        {"tensor_take", tensor_take},
        {"tensor_at", tensor_at},
        {"statistic", tensor_statistic},
        {"csv", dataset_csv},
        {"dataset_split", dataset_split},
        {"dataset_rows", dataset_rows},
        {"dataset_labels", dataset_labels},
        {"dataset_class", dataset_class},
        {"dataset_info", dataset_info},
        {"group_ids", group_ids},
        {"compose_groups", compose_groups},
        {"without", rows_without},
        {"as_probabilities", as_probabilities},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
