/* Models from the store (stdlib/saved.lua): what the rows of model and encoding say, as tables, back
 * to a graph and an encoding. What a stranger's store may hold is checked here and by the layers. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"
#include "layers/attributes.h"
#include "model/restore.h"

/* ------------------------------------------------------------------------------------- encoding */

static char *copied(lua_State *L, const char *text)
{
    ln_error err = {0};
    char *copy = ln_strdup(text);
    if (copy == NULL) {
        ln_fail_memory(&err, strlen(text) + 1);
        ln_raise(L, &err);
    }
    return copy;
}

/* The list on top of the stack as a column's categories. */
static void read_categories(lua_State *L, ln_encoded_column *column)
{
    const int count = (int)lua_rawlen(L, -1);
    ln_error err = {0};
    column->categories = ln_calloc((size_t)count + 1, sizeof *column->categories);
    if (column->categories == NULL) {
        ln_fail_memory(&err, ((size_t)count + 1) * sizeof *column->categories);
        ln_raise(L, &err);
    }
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        column->categories[i] = copied(L, luaL_checkstring(L, -1));
        column->category_count = i + 1;
        lua_pop(L, 1);
    }
}

static bool flag_field(lua_State *L, int table, const char *field)
{
    lua_getfield(L, table, field);
    const bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static void read_column(lua_State *L, int table, ln_encoded_column *column)
{
    column->kind = flag_field(L, table, "numeric") ? LN_COLUMN_NUMERIC : LN_COLUMN_CATEGORICAL;
    column->center = ln_number_field(L, table, "center", 0);
    column->scale = ln_number_field(L, table, "scale", 1);
    column->fill = ln_number_field(L, table, "fill", NAN);
    column->required = flag_field(L, table, "required");
    column->ordinal = flag_field(L, table, "ordinal");
    column->count = (int)ln_integer_field(L, table, "count", 1);
    column->missing_input = (int)ln_integer_field(L, table, "missing_input", -1);
    column->missing_place = (int)ln_integer_field(L, table, "missing_place", -1);
    luaL_argcheck(L, column->count > 0 && column->missing_input < column->count, table,
                  "a column's encoded inputs do not fit together");
    column->name = copied(L, ln_text_field(L, table, "name"));
    if (column->kind == LN_COLUMN_CATEGORICAL) {
        lua_getfield(L, table, "categories");
        read_categories(L, column);
        lua_pop(L, 1);
        const int places = column->count - (column->missing_input >= 0);
        luaL_argcheck(L, column->ordinal || column->category_count == places, table,
                      "a column's categories do not fit its encoded inputs");
    }
}

/* Field `encoding` of the table, a list of columns; without it *out stays empty. */
static void read_encoding(lua_State *L, int spec, ln_encoding **out)
{
    if (lua_getfield(L, spec, "encoding") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const int list = lua_gettop(L), count = (int)lua_rawlen(L, list);
    ln_error err = {0};
    *out = ln_calloc(1, sizeof **out);
    if (*out != NULL) {
        (*out)->columns = ln_calloc((size_t)count, sizeof *(*out)->columns);
    }
    if (*out == NULL || (*out)->columns == NULL) {
        ln_fail_memory(&err, (size_t)count * sizeof(ln_encoded_column));
        ln_raise(L, &err);
    }
    (*out)->options.numeric =
        (ln_numeric_encoding)ln_choice_field(L, spec, "numeric", LN_NUMERIC_CHOICES);
    (*out)->column_count = count;
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        read_column(L, lua_gettop(L), &(*out)->columns[i]);
        lua_pop(L, 1);
    }
    if (ln_encoding_arrange(*out, &err)) {
        ln_raise(L, &err);
    }
    lua_settop(L, list - 1);
}

/* ---------------------------------------------------------------------------------------- graph */

/* The list in field `field` of the table as names; an entry that is no text is an absent one. The
 * array lives in a userdata that stays on the stack, the texts in the table. */
static const char **read_names(lua_State *L, int table, const char *field, int *count)
{
    lua_getfield(L, table, field);
    const int list = lua_gettop(L);
    luaL_checktype(L, list, LUA_TTABLE);
    *count = (int)lua_rawlen(L, list);
    const char **names = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *names, 0);
    for (int i = 0; i < *count; i++) {
        names[i] = lua_rawgeti(L, list, i + 1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        lua_pop(L, 1);
    }
    return names;
}

/* Both descriptions of a layer's attributes read one struct: what a script sets, and the rest. */
static ln_status read_attributes(lua_State *L, int table, const ln_layer *layer, void *out,
                                 ln_error *err)
{
    lua_getfield(L, table, "attributes");
    const int attributes = lua_gettop(L);
    ln_status status = ln_args_read(L, attributes, &layer->word, out, err);
    if (!status && layer->stored) {
        const ln_word rest = {.name = layer->word.name, .params = layer->stored};
        status = ln_args_read(L, attributes, &rest, out, err);
    }
    lua_pop(L, 1);
    return status;
}

static ln_status restore_node(lua_State *L, int table, ln_restoring *restoring, ln_error *err)
{
    const int top = lua_gettop(L);
    const char *word = ln_text_field(L, table, "layer");
    ln_restored_node node = {.layer = word ? ln_layer_find(word) : NULL,
                             .operator_name = ln_text_field(L, table, "operator"),
                             .name = ln_text_field(L, table, "name")};
    if (node.layer == NULL || node.name == NULL || node.operator_name == NULL) {
        return ln_fail(err, LN_EINVALID, "'%s' is no layer of this version", word ? word : "");
    }
    void *attributes = lua_newuserdatauv(L, node.layer->word.params_size + 1, 0);
    memset(attributes, 0, node.layer->word.params_size + 1);
    ln_status status = read_attributes(L, table, node.layer, attributes, err);
    if (status) {
        return status;
    }
    node.attributes = attributes;
    node.inputs = read_names(L, table, "inputs", &node.input_count);
    node.outputs = read_names(L, table, "outputs", &node.output_count);
    status = ln_restore_node(restoring, &node, err);
    lua_settop(L, top);
    return status;
}

static ln_status restore_nodes(lua_State *L, int spec, ln_restoring *restoring, ln_error *err)
{
    lua_getfield(L, spec, "nodes");
    const int list = lua_gettop(L), count = (int)lua_rawlen(L, list);
    ln_status status = LN_OK;
    for (int i = 0; i < count && !status; i++) {
        lua_rawgeti(L, list, i + 1);
        status = restore_node(L, lua_gettop(L), restoring, err);
        lua_settop(L, list);
    }
    lua_settop(L, list - 1);
    return status ? status : ln_restore_finish(restoring, err);
}

/* The list in field `input` as the shape of one row. */
static ln_shape read_shape(lua_State *L, int spec)
{
    ln_shape shape = {0};
    lua_getfield(L, spec, "input");
    shape.rank = (int)lua_rawlen(L, -1);
    luaL_argcheck(L, shape.rank > 0 && shape.rank < LN_MAX_RANK, spec, "no shape of a row");
    for (int axis = 0; axis < shape.rank; axis++) {
        lua_rawgeti(L, -1, axis + 1);
        shape.dims[axis] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return shape;
}

/* model_restore { input, nodes, output, weights, task, encoding, numeric } -> model. input: shape of
 * one row; nodes, output: as in the graph's JSON; encoding: columns { name, numeric, count, ... }. */
static int model_restore(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    ln_error err = {0};
    ln_model **slot = ln_new_model(L);
    ln_encoding **encoding = ln_new_encoding(L);
    ln_declaration *declaration = ln_new_declaration(L);
    read_encoding(L, 1, encoding);
    const ln_shape shape = read_shape(L, 1);
    ln_restoring restoring = {.weights = ln_tensor_field(L, 1, "weights")};
    luaL_argcheck(L, restoring.weights && restoring.weights->dtype == LN_F32, 1,
                  "weights are needed");
    ln_status status = ln_declare_begin(&shape, 0, declaration, &err);
    restoring.graph = declaration->graph;
    if (!status) {
        status = restore_nodes(L, 1, &restoring, &err);
    }
    if (!status) {
        const char *name = ln_text_field(L, 1, "output");
        const int output = name ? ln_graph_find_value(restoring.graph, name) : -1;
        status = output < 0 ? ln_fail(&err, LN_EINVALID, "nothing makes its output")
                            : ln_graph_add_output(restoring.graph, output, &err);
    }
    if (!status) {
        ln_encoding *taken = *encoding;
        *encoding = NULL; /* ln_model_new takes it over, also when it fails */
        status = ln_model_new("network", restoring.graph, NULL, taken,
                              (ln_task)ln_choice_field(L, 1, "task", "classification|regression"),
                              slot, &err);
    }
    if (status) {
        return ln_raise(L, &err);
    }
    lua_settop(L, 2);
    return 1;
}

void ln_bind_saved(lua_State *L)
{
    static const luaL_Reg functions[] = {{"model_restore", model_restore}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
