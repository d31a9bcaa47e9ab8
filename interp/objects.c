/* The engine's objects as boxes, one type each, and fields of argument tables. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "explainers/common/manifold.h"
#include "host.h"
#include "interp.h"

static void close_tensor(void *object)
{
    ln_tensor_release(object);
}
static void close_dataset(void *object)
{
    ln_dataset_release(object);
}
static void close_model(void *object)
{
    ln_model_release(object);
}
static void close_encoding(void *object)
{
    ln_encoding_free(object);
}
static void close_pool(void *object)
{
    ln_pool_free(object);
}
static void close_store(void *object)
{
    ln_store_close(object);
}
static void close_text(void *object)
{
    ln_free(object);
}

static void close_declaration(void *object)
{
    ln_declare_abandon(object);
    ln_free(object);
}

static void close_job(void *object)
{
    ln_bound_job *bound = object;
    ln_job_free(bound->job);
    ln_manifold_free(bound->watch);
    ln_free(bound);
}

static void close_piece(void *object)
{
    ln_piece *piece = object;
    ln_explanation_free(&piece->explained);
    ln_tensor_release(piece->values);
    ln_tensor_release(piece->errors);
    ln_free(piece->summary);
    ln_free(piece);
}

static void close_metric_result(void *object)
{
    ln_metric_result_free(object);
    ln_free(object);
}

ln_tensor **ln_new_tensor(lua_State *L)
{
    return (ln_tensor **)ln_box_new(L, "tensor", close_tensor);
}

ln_tensor *ln_check_tensor(lua_State *L, int index)
{
    return ln_box_check(L, index, "tensor");
}

ln_tensor *ln_opt_tensor(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? NULL : ln_check_tensor(L, index);
}

ln_dataset **ln_new_dataset(lua_State *L)
{
    return (ln_dataset **)ln_box_new(L, "data set", close_dataset);
}

ln_dataset *ln_check_dataset(lua_State *L, int index)
{
    return ln_box_check(L, index, "data set");
}

ln_model **ln_new_model(lua_State *L)
{
    return (ln_model **)ln_box_new(L, "model", close_model);
}

ln_model *ln_check_model(lua_State *L, int index)
{
    ln_model *model = ln_box_check(L, index, "model");
    model->profile = ln_host_profile(L);
    model->keep_bytes = ln_model_keep_bytes();
    return model;
}

ln_encoding **ln_new_encoding(lua_State *L)
{
    return (ln_encoding **)ln_box_new(L, "encoding", close_encoding);
}

ln_pool **ln_new_pool(lua_State *L)
{
    return (ln_pool **)ln_box_new(L, "pool", close_pool);
}

ln_pool *ln_opt_pool(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? NULL : ln_box_check(L, index, "pool");
}

ln_store **ln_new_store(lua_State *L)
{
    return (ln_store **)ln_box_new(L, "store", close_store);
}

ln_store *ln_check_store(lua_State *L, int index)
{
    return ln_box_check(L, index, "store");
}

/* A box that owns `size` zeroed bytes of ours. */
static void *new_structure(lua_State *L, const char *type, ln_box_close_fn close, size_t size)
{
    void **slot = ln_box_new(L, type, close);
    *slot = ln_calloc(1, size);
    if (*slot == NULL) {
        ln_error err = {0};
        ln_fail_memory(&err, size);
        ln_raise(L, &err);
    }
    return *slot;
}

ln_declaration *ln_new_declaration(lua_State *L)
{
    return new_structure(L, "declaration", close_declaration, sizeof(ln_declaration));
}

ln_bound_job *ln_new_job(lua_State *L)
{
    return new_structure(L, "job", close_job, sizeof(ln_bound_job));
}

ln_bound_job *ln_check_job(lua_State *L, int index)
{
    return ln_box_check(L, index, "job");
}

ln_piece *ln_new_piece(lua_State *L)
{
    return new_structure(L, "piece", close_piece, sizeof(ln_piece));
}

ln_piece *ln_check_piece(lua_State *L, int index)
{
    return ln_box_check(L, index, "piece");
}

ln_metric_result *ln_new_metric_result(lua_State *L)
{
    return new_structure(L, "metric result", close_metric_result, sizeof(ln_metric_result));
}

static int box_text(lua_State *L)
{
    char *text = lua_touserdata(L, 1);
    *ln_box_new(L, "text", close_text) = text;
    return 1;
}

char *ln_guard(lua_State *L, char *text)
{
    lua_pushcfunction(L, box_text);
    lua_pushlightuserdata(L, text);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        ln_free(text);
        lua_error(L);
    }
    return text;
}

ln_tensor *ln_tensor_field(lua_State *L, int table, const char *field)
{
    lua_getfield(L, table, field);
    ln_tensor *tensor = ln_opt_tensor(L, -1);
    lua_pop(L, 1);
    return tensor;
}

int64_t ln_integer_field(lua_State *L, int table, const char *field, int64_t fallback)
{
    lua_getfield(L, table, field);
    const int64_t number = luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return number;
}

double ln_number_field(lua_State *L, int table, const char *field, double fallback)
{
    lua_getfield(L, table, field);
    const double number = luaL_optnumber(L, -1, fallback);
    lua_pop(L, 1);
    return number;
}

const char *ln_text_field(lua_State *L, int table, const char *field)
{
    lua_getfield(L, table, field);
    const char *text = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1);
    return text;
}

int ln_choice_field(lua_State *L, int table, const char *field, const char *choices)
{
    const char *text = ln_text_field(L, table, field);
    const int index = text ? ln_choice_index(choices, text, strlen(text)) : 0;
    return index < 0 ? 0 : index;
}

ln_shape ln_shape_field(lua_State *L, int table, const char *field)
{
    ln_shape shape = {0};
    lua_getfield(L, table, field);
    const int list = lua_gettop(L);
    const lua_Unsigned axes = lua_istable(L, list) ? lua_rawlen(L, list) : 0;
    luaL_argcheck(L, axes <= LN_MAX_RANK, table, "too many axes");
    if (lua_istable(L, list) && axes == 0) {
        shape = (ln_shape){.rank = 1, .dims = {1}};
    }
    for (; shape.rank < (int)axes; shape.rank++) {
        lua_rawgeti(L, list, shape.rank + 1);
        shape.dims[shape.rank] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return shape;
}

void ln_push_number(lua_State *L, const ln_tensor *tensor, int64_t at)
{
    switch (tensor->dtype) {
    case LN_F32:
        lua_pushnumber(L, (lua_Number)ln_f32(tensor)[at]);
        break;
    case LN_F64:
        lua_pushnumber(L, ln_f64(tensor)[at]);
        break;
    case LN_I64:
        lua_pushinteger(L, ln_i64(tensor)[at]);
        break;
    case LN_I32:
        lua_pushinteger(L, ((const int32_t *)tensor->data)[at]);
        break;
    case LN_U8:
    case LN_BOOL:
        lua_pushinteger(L, ((const uint8_t *)tensor->data)[at]);
        break;
    }
}
