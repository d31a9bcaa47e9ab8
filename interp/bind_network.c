/* Declared networks for the stdlib: from the resolved list of layers to a model with its encoding. */
#include <string.h>

#include "base/error.h"
#include "interp.h"
#include "layers/layer.h"
#include "model/declare.h"
#include "model/model.h"

static ln_status declare_list(lua_State *L, int list, ln_declaration *declaration, ln_error *err);

/* residual { ... }: its layers, then their input is added. */
static ln_status declare_residual(lua_State *L, int options, ln_declaration *declaration,
                                  ln_error *err)
{
    int values[2] = {declaration->value, -1};
    lua_getfield(L, options, "layers");
    const ln_status status = declare_list(L, lua_gettop(L), declaration, err);
    lua_pop(L, 1);
    if (status) {
        return status;
    }
    values[1] = declaration->value;
    return ln_declare_join(declaration, "add", values, 2, err);
}

enum { BRANCHES_MOST = 64 };

/* parallel { {...}, {...}, join = "concat" }: each branch from the same input. */
static ln_status declare_parallel(lua_State *L, int options, ln_declaration *declaration,
                                  ln_error *err)
{
    const int input = declaration->value;
    int values[BRANCHES_MOST];
    lua_getfield(L, options, "branches");
    const int branches = lua_gettop(L);
    const int count = (int)lua_rawlen(L, branches);
    if (count > BRANCHES_MOST) {
        return ln_fail(err, LN_EINVALID, "expected at most %d branches, found %d", BRANCHES_MOST,
                       count);
    }
    for (int i = 0; i < count; i++) {
        declaration->value = input;
        lua_rawgeti(L, branches, i + 1);
        const ln_status status = declare_list(L, lua_gettop(L), declaration, err);
        lua_pop(L, 1);
        if (status) {
            return status;
        }
        values[i] = declaration->value;
    }
    lua_getfield(L, options, "join");
    const ln_status status =
        ln_declare_join(declaration, luaL_optstring(L, -1, "concat"), values, count, err);
    lua_pop(L, 2);
    return status;
}

static ln_status declare_node(lua_State *L, int node, ln_declaration *declaration, ln_error *err)
{
    lua_getfield(L, node, "options");
    const int options = lua_gettop(L);
    lua_getfield(L, node, "name");
    const char *name = lua_tostring(L, -1);
    lua_getfield(L, node, "word");
    const char *word = lua_tostring(L, -1);
    ln_status status;
    if (strcmp(word, "residual") == 0) {
        status = declare_residual(L, options, declaration, err);
    } else if (strcmp(word, "parallel") == 0) {
        status = declare_parallel(L, options, declaration, err);
    } else {
        const ln_layer *layer = ln_layer_find(word);
        if (layer == NULL) {
            return ln_fail(err, LN_EINVALID, "'%s' is no layer", word);
        }
        void *params = lua_newuserdatauv(L, layer->word.params_size + 1, 0);
        memset(params, 0, layer->word.params_size + 1);
        status = ln_args_read(L, options, &layer->word, params, err);
        if (status == LN_OK) {
            status = ln_declare_layer(declaration, layer, params, name, err);
        }
    }
    lua_settop(L, options - 1);
    return status;
}

static ln_status declare_list(lua_State *L, int list, ln_declaration *declaration, ln_error *err)
{
    const int count = (int)lua_rawlen(L, list);
    luaL_checkstack(L, 12, "layers nested too deeply");
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        const ln_status status = declare_node(L, lua_gettop(L), declaration, err);
        if (status) {
            return status;
        }
        lua_pop(L, 1);
    }
    return LN_OK;
}

/* The shape of one row: the script's `input`, or the data's shape where columns are pixels; else the
 * encoding's width. */
static ln_shape row_shape(lua_State *L, int spec, const ln_encoding *encoding)
{
    ln_shape shape = {0};
    const int kind = lua_getfield(L, spec, "input");
    if (kind == LUA_TNIL && encoding != NULL) {
        lua_pop(L, 1);
        return (ln_shape){.rank = 1, .dims = {encoding->width}};
    }
    if (kind == LUA_TNUMBER) {
        shape.rank = 1;
        shape.dims[0] = lua_tointeger(L, -1);
    } else {
        luaL_checktype(L, -1, LUA_TTABLE);
        shape.rank = (int)lua_rawlen(L, -1);
        luaL_argcheck(L, shape.rank < LN_MAX_RANK, spec, "too many axes");
        for (int axis = 0; axis < shape.rank; axis++) {
            lua_rawgeti(L, -1, axis + 1);
            shape.dims[axis] = luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    return shape;
}

/* Fits the encoding of fields data, rows and encode; without data there is none. */
void ln_fit_encoding(lua_State *L, int spec, ln_encoding **out)
{
    if (lua_getfield(L, spec, "data") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const int top = lua_gettop(L) - 1;
    const ln_dataset *data = ln_check_dataset(L, -1);
    const ln_tensor *rows = ln_tensor_field(L, spec, "rows");
    luaL_argcheck(L, rows != NULL, spec, "rows are needed");
    lua_getfield(L, spec, "encode");
    const int encode = lua_gettop(L);
    ln_encoding_options options = {0};
    if (lua_istable(L, encode)) {
        options.numeric =
            (ln_numeric_encoding)ln_choice_field(L, encode, "numeric", LN_NUMERIC_CHOICES);
        options.categorical = (ln_categorical_encoding)ln_choice_field(L, encode, "categorical",
                                                                       LN_CATEGORICAL_CHOICES);
        options.missing =
            (ln_missing_encoding)ln_choice_field(L, encode, "missing", LN_MISSING_CHOICES);
    }
    ln_error err = {0};
    if (ln_encoding_fit(data, ln_i64(rows), rows->shape.dims[0], &options, out, &err)) {
        ln_raise(L, &err);
    }
    lua_settop(L, top);
}

/* model_network { layers, seed, task, data, rows, encode, input } -> model */
static int model_network(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    ln_error err = {0};
    ln_model **slot = ln_new_model(L);
    ln_encoding **encoding = ln_new_encoding(L);
    ln_declaration *declaration = ln_new_declaration(L);
    ln_fit_encoding(L, 1, encoding);
    const ln_shape shape = row_shape(L, 1, *encoding);
    lua_getfield(L, 1, "seed");
    const uint64_t seed = (uint64_t)lua_tointeger(L, -1);
    if (ln_declare_begin(&shape, seed, declaration, &err)) {
        return ln_raise(L, &err);
    }
    lua_getfield(L, 1, "layers");
    if (declare_list(L, lua_gettop(L), declaration, &err)) {
        return ln_raise(L, &err);
    }
    ln_graph *graph = NULL;
    if (ln_declare_finish(declaration, &graph, &err)) {
        return ln_raise(L, &err);
    }
    ln_encoding *taken = *encoding;
    *encoding = NULL; /* ln_model_new takes it over, also when it fails */
    const ln_status status = ln_model_new(
        "network", graph, NULL, taken,
        (ln_task)ln_choice_field(L, 1, "task", "classification|regression"), slot, &err);
    ln_graph_release(graph);
    if (status) {
        return ln_raise(L, &err);
    }
    lua_settop(L, 2);
    return 1;
}

void ln_bind_network(lua_State *L)
{
    static const luaL_Reg functions[] = {{"model_network", model_network}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
