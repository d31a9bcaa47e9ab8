/* What a script's own metrics, judges and explainers are given: tensors and pieces as plain Lua lists,
 * a model that may be asked for rows, and random numbers. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/param.h"
#include "base/rng.h"
#include "interp.h"

/* ------------------------------------------------------------------------------------------ lists */

/* Numbers first .. first + count - 1 as a list. */
static void push_list(lua_State *L, const ln_tensor *tensor, int64_t first, int64_t count)
{
    lua_createtable(L, (int)count, 0);
    for (int64_t i = 0; i < count; i++) {
        ln_push_number(L, tensor, first + i);
        lua_rawseti(L, -2, i + 1);
    }
}

/* lists(tensor) -> (N) or (N, 1): a list of numbers; else a list of rows, each a list */
static int own_lists(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t rows = tensor->shape.rank ? tensor->shape.dims[0] : 1;
    const int64_t width = rows ? ln_shape_count(&tensor->shape) / rows : 1;
    if (width == 1) {
        push_list(L, tensor, 0, rows);
        return 1;
    }
    lua_createtable(L, (int)rows, 0);
    for (int64_t r = 0; r < rows; r++) {
        push_list(L, tensor, r * width, width);
        lua_rawseti(L, -2, r + 1);
    }
    return 1;
}

/* row_list(tensor, row) -> its numbers */
static int own_row_list(lua_State *L)
{
    const ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t row = luaL_checkinteger(L, 2);
    luaL_argcheck(L, tensor->shape.rank > 0 && row >= 0 && row < tensor->shape.dims[0], 2,
                  "out of range");
    const int64_t width = ln_shape_count(&tensor->shape) / tensor->shape.dims[0];
    push_list(L, tensor, row * width, width);
    return 1;
}

/* set_row(tensor f32, row, list | nil): a row's numbers; without a list not one is defined (NaN) */
static int own_set_row(lua_State *L)
{
    ln_tensor *tensor = ln_check_tensor(L, 1);
    const int64_t row = luaL_checkinteger(L, 2);
    luaL_argcheck(L, tensor->dtype == LN_F32 && row >= 0 && row < tensor->shape.dims[0], 2,
                  "out of range");
    const int64_t width = ln_shape_row(&tensor->shape);
    float *to = ln_f32(tensor) + row * width;
    for (int64_t j = 0; j < width; j++) {
        to[j] = NAN;
        if (lua_istable(L, 3)) {
            lua_rawgeti(L, 3, j + 1);
            to[j] = (float)lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
    }
    return 0;
}

static int own_piece_count(lua_State *L)
{
    lua_pushinteger(L, ln_check_piece(L, 1)->explained.count);
    return 1;
}

/* piece_item(piece, i) -> { row, target, output, baseline_output, attribution, unit_of } of item i from
 * 1; a number that is not defined is absent, and unit_of (from 1) where rows have no groups of their own */
static int own_piece_item(lua_State *L)
{
    const ln_piece *piece = ln_check_piece(L, 1);
    const int64_t i = luaL_checkinteger(L, 2) - 1, width = piece->explained.width;
    luaL_argcheck(L, i >= 0 && i < piece->explained.count, 2, "out of range");
    const int64_t units = piece->explained.units ? piece->explained.units[i] : width;
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, piece->items[i].row);
    lua_setfield(L, -2, "row");
    lua_pushinteger(L, piece->items[i].target);
    lua_setfield(L, -2, "target");
    const double output = piece->explained.output[i];
    const double baseline_output = piece->explained.baseline_output[i];
    if (!isnan(output)) {
        lua_pushnumber(L, output);
        lua_setfield(L, -2, "output");
    }
    if (!isnan(baseline_output)) {
        lua_pushnumber(L, baseline_output);
        lua_setfield(L, -2, "baseline_output");
    }
    lua_createtable(L, (int)units, 0);
    for (int64_t j = 0; j < units; j++) {
        lua_pushnumber(L, (lua_Number)piece->explained.values[i * width + j]);
        lua_rawseti(L, -2, j + 1);
    }
    lua_setfield(L, -2, "attribution");
    const int64_t inputs = piece->inputs;
    if (piece->explained.groups) {
        lua_createtable(L, (int)inputs, 0);
        for (int64_t j = 0; j < inputs; j++) {
            lua_pushinteger(L, piece->explained.groups[i * inputs + j] + 1);
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -2, "unit_of");
    }
    return 1;
}

/* -------------------------------------------------------------------------------- asking a model */

/* A model on a link that answers for rows given as Lua lists, on the calling thread. */
typedef struct asker {
    ln_function *function; /* owned; retains the model */
    ln_runner *runner;     /* owned */
    ln_model *model;       /* retained */
    ln_link link;          /* on which targets are resolved */
    int64_t evaluations;   /* rows passed forward, plus rows passed backward */
} asker;

static void close_asker(void *object)
{
    asker *ask = object;
    ln_runner_free(ask->runner);
    ln_function_free(ask->function);
    ln_model_release(ask->model);
    ln_free(ask);
}

/* asker(model, link, gradient) -> asker; raises where the link or gradients are not defined */
static int own_asker(lua_State *L)
{
    ln_model *model = ln_check_model(L, 1);
    const char *link = luaL_checkstring(L, 2);
    ln_error err = {0};
    asker **slot = (asker **)ln_box_new(L, "asker", close_asker);
    asker *ask = *slot = ln_calloc(1, sizeof *ask);
    if (ask == NULL) {
        ln_fail_memory(&err, sizeof *ask);
        return ln_raise(L, &err);
    }
    ask->model = ln_model_retain(model);
    ask->link = (ln_link)ln_choice_index(LN_LINK_CHOICES, link, strlen(link));
    const ln_function_options options = {.link = ask->link,
                                         .rows = ln_model_chunk_rows(ask->model),
                                         .gradient = lua_toboolean(L, 3)};
    ln_status status = ln_function_new(model, &options, &ask->function, &err);
    if (status == LN_OK) {
        status = ln_runner_new(ask->function, &ask->runner, &err);
    }
    return status ? ln_raise(L, &err) : 1;
}

/* Why the value at `index` is no list of rows of `width` numbers, as a pushed text; false where it is
 * one: then the numbers stand in a pushed userdata. */
static bool read_rows(lua_State *L, int index, int64_t width, int64_t *count, float **out)
{
    if (!lua_istable(L, index)) {
        lua_pushfstring(L, "expected a list of rows, found a %s", luaL_typename(L, index));
        return false;
    }
    *count = (int64_t)lua_rawlen(L, index);
    *out = lua_newuserdatauv(L, (size_t)(*count * width) * sizeof **out + 1, 0);
    for (int64_t r = 0; r < *count; r++) {
        const int kind = lua_rawgeti(L, index, r + 1);
        if (kind != LUA_TTABLE || (int64_t)lua_rawlen(L, -1) != width) {
            if (kind == LUA_TTABLE) {
                lua_pushfstring(L, "row %d has %d numbers: the model takes %d a row", (int)r + 1,
                                (int)lua_rawlen(L, -1), (int)width);
            } else {
                lua_pushfstring(L,
                                "expected a list of rows, each a list of %d numbers: entry %d is "
                                "a %s",
                                (int)width, (int)r + 1, luaL_typename(L, -1));
            }
            return false;
        }
        for (int64_t j = 0; j < width; j++) {
            if (lua_rawgeti(L, -1, j + 1) != LUA_TNUMBER) {
                lua_pushfstring(L, "entry %d of row %d is a %s, expected a number", (int)j + 1,
                                (int)r + 1, luaL_typename(L, -1));
                return false;
            }
            (*out)[r * width + j] = (float)lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return true;
}

static int refuse(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static void push_rows(lua_State *L, const float *numbers, int64_t count, int64_t width)
{
    lua_createtable(L, (int)count, 0);
    for (int64_t r = 0; r < count; r++) {
        lua_createtable(L, (int)width, 0);
        for (int64_t j = 0; j < width; j++) {
            lua_pushnumber(L, (lua_Number)numbers[r * width + j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_rawseti(L, -2, r + 1);
    }
}

/* ask_outputs(asker, rows) -> list of rows of outputs | nil, what is wrong with the rows */
static int own_ask_outputs(lua_State *L)
{
    asker *ask = ln_box_check(L, 1, "asker");
    const int64_t outputs = ln_function_outputs(ask->function);
    int64_t count = 0;
    float *x = NULL;
    lua_settop(L, 2);
    if (!read_rows(L, 2, ask->model->width, &count, &x)) {
        return refuse(L);
    }
    float *out = lua_newuserdatauv(L, (size_t)(count * outputs) * sizeof *out + 1, 0);
    ln_error err = {0};
    lua_State *before = ln_blackbox_enter(ask->model, L);
    const ln_status status = ln_runner_forward(ask->runner, x, count, out, &err);
    ln_blackbox_enter(ask->model, before);
    if (status) {
        return ln_raise(L, &err);
    }
    ask->evaluations += count;
    push_rows(L, out, count, outputs);
    return 1;
}

/* One target a row from a number, or from a list of them; on false a text of what is wrong. */
static bool read_targets(lua_State *L, int index, const asker *ask, int64_t count,
                         ln_target *targets)
{
    for (int64_t r = 0; r < count; r++) {
        int whole = 0;
        if (lua_istable(L, index)) {
            lua_rawgeti(L, index, r + 1);
        } else {
            lua_pushvalue(L, index);
        }
        const int64_t target = lua_tointegerx(L, -1, &whole);
        lua_pop(L, 1);
        ln_error err = {0};
        if (!whole) {
            lua_pushliteral(L, "expected a target: a class or output from 0, or a list with one "
                               "for each row");
            return false;
        }
        if (ln_model_target(ask->model, ask->link, target, &targets[r], &err)) {
            lua_pushstring(L, err.message);
            return false;
        }
    }
    return true;
}

/* ask_explained(asker, rows, target | targets, gradient) -> the explained number of each row, or its
 * gradient (a list; the asker was made for it) | nil, what is wrong with the arguments */
static int own_ask_explained(lua_State *L)
{
    asker *ask = ln_box_check(L, 1, "asker");
    const int64_t width = ask->model->width, outputs = ln_function_outputs(ask->function);
    const bool gradient = lua_toboolean(L, 4);
    int64_t count = 0;
    float *x = NULL;
    lua_settop(L, 3);
    if (!read_rows(L, 2, width, &count, &x)) {
        return refuse(L);
    }
    ln_target *targets = lua_newuserdatauv(L, (size_t)count * sizeof *targets + 1, 0);
    if (!read_targets(L, 3, ask, count, targets)) {
        return refuse(L);
    }
    const int64_t numbers = count * (gradient ? width : outputs);
    float *out = lua_newuserdatauv(L, (size_t)numbers * sizeof *out + 1, 0);
    ln_error err = {0};
    lua_State *before = ln_blackbox_enter(ask->model, L);
    const ln_status status =
        gradient ? ln_runner_gradient(ask->runner, x, targets, count, NULL, out, &err)
                 : ln_runner_forward(ask->runner, x, count, out, &err);
    ln_blackbox_enter(ask->model, before);
    if (status) {
        return ln_raise(L, &err);
    }
    ask->evaluations += gradient ? 2 * count : count;
    if (gradient) {
        push_rows(L, out, count, width);
        return 1;
    }
    lua_createtable(L, (int)count, 0);
    for (int64_t r = 0; r < count; r++) {
        const double output = (double)out[r * outputs + targets[r].index];
        lua_pushnumber(L, targets[r].offset + targets[r].scale * output);
        lua_rawseti(L, -2, r + 1);
    }
    return 1;
}

/* ask_evaluations(asker) -> rows passed forward and backward since the last call */
static int own_ask_evaluations(lua_State *L)
{
    asker *ask = ln_box_check(L, 1, "asker");
    lua_pushinteger(L, ask->evaluations);
    ask->evaluations = 0;
    return 1;
}

/* ----------------------------------------------------------------------------------------- draws */

static int draw_uniform(lua_State *L)
{
    lua_pushnumber(L, ln_rng_uniform(lua_touserdata(L, lua_upvalueindex(1))));
    return 1;
}

static int draw_normal(lua_State *L)
{
    lua_pushnumber(L, ln_rng_normal(lua_touserdata(L, lua_upvalueindex(1))));
    return 1;
}

/* draws(seed, name, stream, row) -> uniform, normal: functions that share one sequence */
static int own_draws(lua_State *L)
{
    const uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    const char *name = luaL_checkstring(L, 2);
    const uint64_t stream = (uint64_t)luaL_checkinteger(L, 3);
    const uint64_t row = (uint64_t)luaL_checkinteger(L, 4);
    ln_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);
    *rng = ln_rng_make(seed, name, stream, row);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, draw_uniform, 1);
    lua_insert(L, -2);
    lua_pushcclosure(L, draw_normal, 1);
    return 2;
}

void ln_bind_own(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"lists", own_lists},
        {"row_list", own_row_list},
        {"set_row", own_set_row},
        {"piece_count", own_piece_count},
        {"piece_item", own_piece_item},
        {"asker", own_asker},
        {"ask_outputs", own_ask_outputs},
        {"ask_explained", own_ask_explained},
        {"ask_evaluations", own_ask_evaluations},
        {"draws", own_draws},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
