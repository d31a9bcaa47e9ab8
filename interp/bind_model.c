/* Models for the stdlib: ONNX files, what a model is, forward passes. */
#include <string.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "explainers/common/cam.h"
#include "graph/graph.h"
#include "interp.h"
#include "model/export.h"
#include "model/head.h"
#include "model/model.h"
#include "model/restore.h"
#include "model/weights.h"
#include "model_inputs.h"
#include "onnx/onnx.h"

/* Where external data are, each place once, a line each. */
static void note_external(void *context, const char *location)
{
    ln_text *lines = context;
    const size_t length = strlen(location);
    for (const char *at = lines->data; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, location, length) == 0 && at[length] == '\n') {
            return;
        }
    }
    ln_text_format(lines, "%s\n", location);
}

/* model_onnx(path, { head, task, shape, shapes }) -> model, { path, sha256, producer, opset, external }: places of
 * external data, a line each */
static int model_onnx(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const int task = ln_choice_field(L, 2, "task", "classification|regression");
    lua_getfield(L, 2, "head");
    const char *head = lua_tostring(L, -1);
    int bound;
    const ln_onnx_binding *bindings = ln_row_shapes(L, 2, &bound);
    ln_error err = {0};
    ln_onnx_info info = {0};
    ln_model **slot = ln_new_model(L);
    const int model = lua_gettop(L);
    ln_graph *graph = NULL;
    ln_text external = {0};
    const ln_onnx_options options = {.bindings = bindings,
                                     .binding_count = bound,
                                     .external = note_external,
                                     .context = &external};
    ln_status status = ln_onnx_read(path, &options, &graph, &info, &err);
    if (status == LN_OK && external.failed) {
        status = ln_fail_memory(&err, external.length);
    }
    if (status == LN_OK) {
        status = ln_model_new("onnx", graph, head, NULL, (ln_task)task, slot, &err);
    }
    ln_graph_release(graph);
    if (status) {
        ln_text_free(&external);
        return ln_raise(L, &err);
    }
    char hex[LN_SHA256_HEX];
    const char *places = external.data ? ln_guard(L, external.data) : "";
    ln_sha256_hex(info.sha256, hex);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, places);
    lua_setfield(L, -2, "external");
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "sha256");
    lua_pushstring(L, info.producer);
    lua_setfield(L, -2, "producer");
    lua_pushinteger(L, info.opset);
    lua_setfield(L, -2, "opset");
    lua_pushvalue(L, model);
    lua_insert(L, -2);
    return 2;
}

/* ------------------------------------------------------------------------------------ describing */

/* Pushes the list of encoded inputs { column, name, meta } and sets columns and column_of. */
static void push_encoding(lua_State *L, const ln_encoding *encoding)
{
    ln_error err = {0};
    const int info = lua_gettop(L);
    char name[512];
    lua_createtable(L, encoding->column_count, 0);
    for (int c = 0; c < encoding->column_count; c++) {
        lua_pushstring(L, encoding->columns[c].name);
        lua_rawseti(L, -2, c + 1);
    }
    lua_setfield(L, info, "columns");
    const ln_shape shape = {.rank = 1, .dims = {encoding->width}};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_copy_of(LN_I32, &shape, encoding->column_of, slot, &err)) {
        ln_raise(L, &err);
    }
    lua_setfield(L, info, "column_of");
    lua_createtable(L, encoding->width, 0);
    for (int j = 0; j < encoding->width; j++) {
        char *meta = NULL;
        if (ln_encoding_input_json(encoding, j, &meta, &err)) {
            ln_raise(L, &err);
        }
        char *guard = ln_guard(L, meta);
        lua_createtable(L, 0, 3);
        lua_pushinteger(L, encoding->column_of[j]);
        lua_setfield(L, -2, "column");
        lua_pushstring(L, ln_encoding_input_name(encoding, j, name, sizeof name));
        lua_setfield(L, -2, "name");
        lua_pushstring(L, guard);
        lua_setfield(L, -2, "meta");
        lua_rawseti(L, -3, j + 1);
        lua_pop(L, 1); /* the guard */
    }
    lua_setfield(L, info, "encoding");
}

/* model_info(model) -> table; `graph_json` is the store's text */
static int model_info(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    ln_error err = {0};
    char hex[LN_SHA256_HEX];
    lua_createtable(L, 0, 12);
    const int info = lua_gettop(L);
    lua_pushstring(L, model->format);
    lua_setfield(L, info, "format");
    lua_pushstring(L, model->task == LN_TASK_REGRESSION ? "regression" : "classification");
    lua_setfield(L, info, "task");
    lua_pushinteger(L, model->width);
    lua_setfield(L, info, "width");
    lua_pushinteger(L, model->output_count);
    lua_setfield(L, info, "outputs");
    lua_pushinteger(L, model->class_count);
    lua_setfield(L, info, "classes");
    ln_sha256_hex(model->sha256, hex);
    lua_pushstring(L, hex);
    lua_setfield(L, info, "sha256");
    ln_push_inputs(L, model);
    lua_setfield(L, info, "inputs");
    lua_pushboolean(L, model->callback.run != NULL);
    lua_setfield(L, info, "no_gradients");
    char *json = NULL;
    if (model->callback.run) { /* its graph is only what follows the function */
        lua_pushfstring(L,
                        "{\"inputs\":[{\"name\":\"input\",\"shape\":[null,%I]}],"
                        "\"nodes\":[],\"outputs\":[\"output\"],\"parameters\":0}",
                        (lua_Integer)model->width);
    } else if (ln_graph_json(model->graph, &json, &err)) {
        return ln_raise(L, &err);
    } else {
        lua_pushstring(L, ln_guard(L, json));
    }
    lua_setfield(L, info, "graph_json");
    lua_settop(L, info);
    if (model->encoding) {
        push_encoding(L, model->encoding);
    }
    lua_settop(L, info);
    return 1;
}

/* model_weights(model) -> (n) f32: all weights side by side, in the graph's order */
static int model_weights(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    ln_error err = {0};
    if (ln_graph_weights(model->graph, ln_new_tensor(L), &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* model_load_weights(model, path) -> { path, sha256 }: every constant of a declared network from a
 * safetensors file */
static int model_load_weights(lua_State *L)
{
    ln_model *model = ln_check_model(L, 1);
    const char *path = luaL_checkstring(L, 2);
    ln_error err = {0};
    ln_safetensors *file = NULL;
    uint8_t sha256[LN_SHA256_BYTES];
    ln_status status = ln_safetensors_read(path, &file, sha256, &err);
    if (status == LN_OK)
        status = ln_model_load_weights(model, file, path, &err);
    ln_safetensors_free(file);
    if (status) {
        return ln_raise(L, &err);
    }
    char hex[LN_SHA256_HEX];
    ln_sha256_hex(sha256, hex);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "sha256");
    return 1;
}

/* model_save_weights(model, path): every constant by its name, as safetensors */
static int model_save_weights(lua_State *L)
{
    ln_error err = {0};
    if (ln_model_save_weights(ln_check_model(L, 1), luaL_checkstring(L, 2), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* model_save_onnx(model, path): the model with its encoding */
static int model_save_onnx(lua_State *L)
{
    ln_error err = {0};
    if (ln_model_save_onnx(ln_check_model(L, 1), luaL_checkstring(L, 2), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

/* model_layer(model, name or number, nil: the last convolution) -> id, name of the value that it makes, its
 * shape without the rows */
static int model_layer(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    int value;
    ln_error err = {0};
    if (lua_isnoneornil(L, 2) ? ln_cam_last_convolution(model, &value, &err)
                              : ln_model_layer(model, luaL_tolstring(L, 2, NULL), &value, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, value);
    const ln_value *found = &model->graph->values[value];
    lua_pushstring(L, found->name);
    lua_createtable(L, found->shape.rank, 0);
    for (int axis = 1; axis < found->shape.rank; axis++) {
        lua_pushinteger(L, found->shape.dims[axis]);
        lua_rawseti(L, -2, axis);
    }
    return 3;
}

/* model_encode(model, data, rows) -> (N, width) f32 */
static int model_encode(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    const ln_dataset *data = ln_check_dataset(L, 2);
    const ln_tensor *rows = ln_check_tensor(L, 3);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    const int64_t count = rows->shape.dims[0];
    if (data->array != NULL && ln_shape_row(&data->array->shape) != model->width) {
        char text[256];
        const ln_shape row = ln_shape_of(data->array->shape.rank - 1, data->array->shape.dims + 1);
        ln_fail(&err, LN_EINVALID, "the model reads %d numbers a row, and the data have rows of %s",
                (int)model->width, ln_shape_text(&row, text, sizeof text));
        return ln_raise(L, &err);
    }
    if (data->array ? ln_dataset_gather(data, ln_i64(rows), count, slot, &err)
                    : ln_encoding_apply(model->encoding, data, ln_i64(rows), count, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* --------------------------------------------------------------------------------------- running */

static int pool_new(lua_State *L)
{
    const int threads = (int)luaL_checkinteger(L, 1);
    ln_error err = {0};
    ln_pool **slot = ln_new_pool(L);
    if (ln_pool_new(threads, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* forward(model, link, x, pool) -> (N, outputs) f32 */
static int model_forward(lua_State *L)
{
    ln_model *model = ln_check_model(L, 1);
    const char *link = luaL_checkstring(L, 2);
    const ln_tensor *x = ln_check_tensor(L, 3);
    ln_pool *pool = ln_opt_pool(L, 4);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_model_forward(model, (ln_link)ln_choice_index(LN_LINK_CHOICES, link, strlen(link)), x,
                         pool, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* scores(model, x, pool) -> (N, classes) f64 */
static int model_scores(lua_State *L)
{
    ln_model *model = ln_check_model(L, 1);
    const ln_tensor *x = ln_check_tensor(L, 2);
    ln_pool *pool = ln_opt_pool(L, 3);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_model_scores(model, x, pool, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* predicted(model, raw (N, outputs)) -> (N) i64 targets: the greatest output (ties: the lowest
 * class); with one output that output, unsigned (class 1 of a classifier). */
static int model_predicted(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    const ln_tensor *raw = ln_check_tensor(L, 2);
    const int64_t rows = raw->shape.dims[0], outputs = model->output_count;
    const ln_shape shape = {.rank = 1, .dims = {rows}};
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *row = ln_f32(raw) + r * outputs;
        int64_t best = outputs == 1 && model->task == LN_TASK_CLASSIFICATION ? 1 : 0;
        for (int64_t c = 1; c < outputs; c++) {
            best = row[c] > row[best] ? c : best;
        }
        ln_i64(*slot)[r] = best;
    }
    return 1;
}

/* Whether class a comes before class b in a row of outputs: the greater one, among equals the lower
 * class. One output is class 1's, `even` where both are as likely. */
static bool ranks_before(const float *row, int64_t outputs, float even, int64_t a, int64_t b)
{
    if (outputs == 1) {
        return row[0] == even ? a < b : (row[0] > even) == (a == 1);
    }
    const float first = row[a], second = row[b];
    return first > second || (first == second && a < b);
}

/* top_targets(model, raw (N, outputs), k) -> (N k) i64: of each row the k classes with the greatest
 * outputs, the greatest first */
static int model_top_targets(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    const ln_tensor *raw = ln_check_tensor(L, 2);
    const int64_t k = luaL_checkinteger(L, 3), outputs = model->output_count;
    const int64_t classes = model->class_count ? model->class_count : outputs;
    luaL_argcheck(L, k >= 1 && k <= classes, 3, "out of range");
    const ln_shape shape = {.rank = 1, .dims = {raw->shape.dims[0] * k}};
    const float even = ln_model_head(model).kind == LN_HEAD_NONE ? 0.0F : 0.5F;
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t r = 0; r < raw->shape.dims[0]; r++) {
        int64_t *chosen = ln_i64(*slot) + r * k, count = 0;
        for (int64_t c = 0; c < classes; c++) { /* sorted in, the last one drops out */
            int64_t at = count;
            while (at > 0 &&
                   ranks_before(ln_f32(raw) + r * outputs, outputs, even, c, chosen[at - 1])) {
                at--;
            }
            count += count < k;
            for (int64_t i = count - 1; i > at; i--) {
                chosen[i] = chosen[i - 1];
            }
            if (at < k) {
                chosen[at] = c;
            }
        }
    }
    return 1;
}

/* stored_targets(model, targets) -> targets, -1 (NULL in the store) for a regression's one output */
static int stored_targets(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    ln_check_tensor(L, 2);
    if (model->output_count > 1 || model->task == LN_TASK_CLASSIFICATION) {
        lua_settop(L, 2);
        return 1;
    }
    const ln_tensor *targets = ln_check_tensor(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &targets->shape, slot, &err)) {
        return ln_raise(L, &err);
    }
    for (int64_t i = 0; i < targets->shape.dims[0]; i++) {
        ln_i64(*slot)[i] = -1;
    }
    return 1;
}

/* model_numerics(model, "strict" | "fast"): of the passes that follow */
static int model_numerics(lua_State *L)
{
    static const char *const modes[] = {"strict", "fast", NULL};
    ln_model *model = ln_check_model(L, 1);
    model->fast = luaL_checkoption(L, 2, NULL, modes) == 1;
    return 0;
}

/* model_forget(model): what was kept of it for the next explainer goes */
static int model_forget(lua_State *L)
{
    ln_model_forget(ln_check_model(L, 1));
    return 0;
}

/* model_randomise(model, value or nil: all, order, seed) -> model with the weights of layers drawn anew */
static int model_randomise(lua_State *L)
{
    const ln_model *model = ln_check_model(L, 1);
    const int layer = (int)luaL_optinteger(L, 2, -1);
    size_t length;
    const char *order = luaL_checklstring(L, 3, &length);
    const int choice = ln_choice_index(LN_RANDOMISE_ORDERS, order, length);
    luaL_argcheck(L, choice >= 0, 3, "no such order");
    ln_model **slot = ln_new_model(L);
    ln_error err = {0};
    if (ln_model_randomise(model, layer, (ln_randomise)choice, (uint64_t)luaL_checkinteger(L, 4),
                           slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

void ln_bind_model(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"model_onnx", model_onnx},
        {"model_info", model_info},
        {"model_numerics", model_numerics},
        {"model_forget", model_forget},
        {"model_weights", model_weights},
        {"model_load_weights", model_load_weights},
        {"model_save_weights", model_save_weights},
        {"model_save_onnx", model_save_onnx},
        {"model_layer", model_layer},
        {"model_randomise", model_randomise},
        {"model_encode", model_encode},
        {"pool", pool_new},
        {"forward", model_forward},
        {"scores", model_scores},
        {"predicted", model_predicted},
        {"top_targets", model_top_targets},
        {"stored_targets", stored_targets},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
