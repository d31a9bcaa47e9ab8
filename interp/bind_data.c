/* Data sets for the stdlib. Tables of options come checked from schema.lua; what only the content can
 * tell is checked by the engine. Everything is 0-based as users count. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include "interp.h"

const char *const *ln_text_list(lua_State *L, int options, const char *field, const char **room,
                                int most)
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

bool ln_flag_field(lua_State *L, int options, const char *field)
{
    lua_getfield(L, options, field);
    const bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

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
        .classes = ln_text_list(L, 2, "classes", room, LIST_MOST),
        .numeric = ln_text_list(L, 2, "numeric", room + LIST_MOST, LIST_MOST),
        .categorical = ln_text_list(L, 2, "categorical", room + 2 * LIST_MOST, LIST_MOST),
        .ignore = ln_text_list(L, 2, "ignore", room + 3 * LIST_MOST, LIST_MOST),
        .weight = ln_text_field(L, 2, "weight"),
        .by = ln_text_field(L, 2, "by"),
        .set = ln_text_field(L, 2, "set"),
        .drop_missing = ln_flag_field(L, 2, "drop_missing"),
        .missing = ln_text_list(L, 2, "missing", room + 4 * LIST_MOST, LIST_MOST),
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

/* dataset_split(data, { train, test, validation, stratify, seed, folds, fold, repeat }) -> a view of
 * the data set, divided so */
static int dataset_split(lua_State *L)
{
    ln_dataset *data = ln_check_dataset(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    ln_split_options options = {
        .train = ln_number_field(L, 2, "train", NAN), /* NAN: what the others leave */
        .test = ln_number_field(L, 2, "test", NAN),
        .validation = ln_number_field(L, 2, "validation", 0.0),
        .stratify = data->classification && !data->groups,
        .seed = (uint64_t)ln_integer_field(L, 2, "seed", 0),
        .folds = (int)ln_integer_field(L, 2, "folds", 0),
        .fold = (int)ln_integer_field(L, 2, "fold", 0),
        .repeat = (int)ln_integer_field(L, 2, "repeat", 0),
    };
    if (lua_getfield(L, 2, "stratify") == LUA_TBOOLEAN) {
        options.stratify = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    ln_error err = {0};
    ln_dataset **slot = ln_new_dataset(L);
    if (ln_dataset_view(data, slot, &err) || ln_dataset_split(*slot, &options, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
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

/* dataset_weights(data, rows) -> (N) f64, or nil where rows have no weights */
static int dataset_weights(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    const ln_tensor *rows = ln_check_tensor(L, 2);
    ln_error err = {0};
    if (data->weights == NULL) {
        return 0;
    }
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_F64, &rows->shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < rows->shape.dims[0]; i++) {
        ln_f64(*slot)[i] = data->weights[ln_i64(rows)[i]];
    }
    return 1;
}

static void push_texts(lua_State *L, char **texts, int count)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, texts[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* dataset_categories(data, column, rows) -> (N) i64 places among its categories (-1: missing), the
 * categories; nothing where the column is not there or holds numbers */
static int dataset_categories(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    const int found = ln_dataset_find_column(data, luaL_checkstring(L, 2));
    if (found < 0 || data->columns[found].kind != LN_COLUMN_CATEGORICAL) {
        return 0;
    }
    const ln_tensor *rows = ln_check_tensor(L, 3);
    const ln_column *column = &data->columns[found];
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &rows->shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < rows->shape.dims[0]; i++) {
        ln_i64(*slot)[i] = column->codes[ln_i64(rows)[i]];
    }
    push_texts(L, column->categories, column->category_count);
    return 2;
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
        ln_hash_i64(hash, data->columns[c].missing);
    }
    if (data->array) {
        for (int axis = 0; axis < data->array->shape.rank; axis++) {
            ln_hash_i64(hash, data->array->shape.dims[axis]);
        }
        ln_hash_update(hash, data->levels, sizeof(float) * 256 * (size_t)data->channels);
    }
    ln_hash_i64(hash, data->rows);
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
    lua_pushinteger(L, data->dropped);
    lua_setfield(L, -2, "dropped");
    lua_pushboolean(L, data->classification);
    lua_setfield(L, -2, "classification");
    lua_pushstring(L, data->target_name);
    lua_setfield(L, -2, "target");
    push_texts(L, data->classes, data->class_count);
    lua_setfield(L, -2, "classes");
    lua_createtable(L, data->column_count, 0);
    for (int c = 0; c < data->column_count; c++) {
        lua_pushstring(L, data->columns[c].name);
        lua_rawseti(L, -2, c + 1);
    }
    lua_setfield(L, -2, "columns");
    if (data->array) { /* the shape of a row */
        lua_createtable(L, data->array->shape.rank, 0);
        for (int axis = 1; axis < data->array->shape.rank; axis++) {
            lua_pushinteger(L, data->array->shape.dims[axis]);
            lua_rawseti(L, -2, axis);
        }
        lua_setfield(L, -2, "shape");
    }
    return 1;
}

/* dataset_text_column(data) -> number of columns, the name of the first that holds no numbers or nil */
static int dataset_text_column(lua_State *L)
{
    const ln_dataset *data = ln_check_dataset(L, 1);
    lua_pushinteger(L, data->column_count);
    for (int c = 0; c < data->column_count; c++) {
        if (data->columns[c].kind != LN_COLUMN_NUMERIC) {
            lua_pushstring(L, data->columns[c].name);
            return 2;
        }
    }
    return 1;
}

void ln_bind_data(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"csv", dataset_csv},
        {"dataset_split", dataset_split},
        {"dataset_rows", dataset_rows},
        {"dataset_labels", dataset_labels},
        {"dataset_weights", dataset_weights},
        {"dataset_categories", dataset_categories},
        {"dataset_class", dataset_class},
        {"dataset_info", dataset_info},
        {"dataset_text_column", dataset_text_column},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
