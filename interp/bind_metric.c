/* Metrics and intervals for the stdlib. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "interp.h"
#include "metrics/bootstrap.h"
#include "metrics/delong.h"
#include "metrics/mcnemar.h"
#include "metrics/metric.h"
#include "metrics/ranking.h"

/* Scores (N, C) f64 and labels (N), i32 class ids or f64 numbers. */
static ln_metric_input read_input(lua_State *L, int table)
{
    const ln_tensor *scores = ln_tensor_field(L, table, "scores");
    const ln_tensor *labels = ln_tensor_field(L, table, "labels");
    const ln_tensor *weights = ln_tensor_field(L, table, "weights");
    const ln_tensor *order = ln_tensor_field(L, table, "order");
    luaL_argcheck(L, scores && labels, table, "scores and labels are needed");
    const bool regression = labels->dtype == LN_F64;
    ln_metric_input input = {
        .n = labels->shape.dims[0],
        .scores = ln_f64(scores),
        .weights = weights ? ln_f64(weights) : NULL,
        .order = order ? order->data : NULL,
    };
    const int64_t columns = input.n ? ln_shape_count(&scores->shape) / input.n : 1;
    if (regression) {
        input.outputs = columns;
        input.numbers = ln_f64(labels);
    } else {
        input.class_count = columns;
        input.labels = labels->data;
    }
    return input;
}

/* label_outside(labels i32, classes) -> the first row whose label is none of 0 .. classes - 1, and the
 * label; nil where there is none */
static int label_outside(lua_State *L)
{
    const ln_tensor *labels = ln_check_tensor(L, 1);
    const lua_Integer classes = luaL_checkinteger(L, 2);
    const int32_t *ids = labels->data;
    luaL_argcheck(L, labels->dtype == LN_I32, 1, "i32 is needed");
    for (int64_t row = 0; row < ln_shape_count(&labels->shape); row++) {
        if (ids[row] < 0 || ids[row] >= classes) {
            lua_pushinteger(L, row);
            lua_pushinteger(L, ids[row]);
            return 2;
        }
    }
    return 0;
}

enum { ORDER_MOST = 1 << 30 }; /* bytes: where rows are so many, every metric sorts for itself */

/* metric_order(input) -> the order of the scores as field `order` of inputs for several metrics, or nil
 * where it would take too much memory: pairs of 16 bytes, in a tensor that counts them */
static int metric_order(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const ln_metric_input input = read_input(L, 1);
    const ln_shape shape = {.rank = 3, .dims = {input.class_count, input.n, 2}};
    if (input.n == 0 || input.class_count < 2 ||
        input.n > ORDER_MOST / (int64_t)sizeof(ln_pair) / input.class_count) {
        return 0;
    }
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_I64, &shape, slot, &err) ||
        ln_ranking_orders(&input, (*slot)->data, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

static const ln_metric *read_metric(lua_State *L, void **params)
{
    const ln_metric *metric = ln_metric_find(luaL_checkstring(L, 1));
    luaL_argcheck(L, metric != NULL, 1, "no such metric");
    luaL_checktype(L, 2, LUA_TTABLE);
    *params = lua_newuserdatauv(L, metric->word.params_size + 1, 0);
    memset(*params, 0, metric->word.params_size + 1);
    ln_error err = {0};
    if (ln_args_read(L, 2, &metric->word, *params, &err)) {
        ln_raise(L, &err);
    }
    return metric;
}

/* metric_check(word, options, class_count): raises when it is not defined for that many classes
 * (0: regression). */
static int metric_check(lua_State *L)
{
    void *params = NULL;
    const ln_metric *metric = read_metric(L, &params);
    ln_error err = {0};
    if (ln_metric_check(metric, luaL_checkinteger(L, 3), params, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static void set_number(lua_State *L, const char *field, double number)
{
    if (!isnan(number)) {
        lua_pushnumber(L, number);
        lua_setfield(L, -2, field);
    }
}

/* The interval that options.ci asks for, none where it is absent. */
static void add_interval(lua_State *L, const ln_metric *metric, const ln_metric_input *input,
                         const void *params, ln_metric_result *result)
{
    const double level = ln_number_field(L, 2, "ci", 0);
    if (level == 0) {
        return;
    }
    const ln_interval_options options = {
        .level = level,
        .resamples = ln_integer_field(L, 2, "resamples", 1000),
        .seed = (uint64_t)ln_integer_field(L, 3, "seed", 0),
    };
    lua_getfield(L, 3, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    ln_error err = {0};
    if (ln_metric_interval(metric, input, params, &options, pool, result, &err)) {
        ln_raise(L, &err);
    }
    lua_pop(L, 1);
}

/* Of a curve: field `series` of the table on top. */
static void set_series(lua_State *L, const ln_metric_result *result)
{
    ln_error err = {0};
    lua_createtable(L, result->series_count, 0);
    for (int i = 0; i < result->series_count; i++) {
        const ln_metric_series *series = &result->series[i];
        const ln_shape shape = {.rank = 2, .dims = {3, series->count}};
        const double *const rows[] = {series->x, series->y, series->threshold};
        lua_createtable(L, 0, 2);
        lua_pushstring(L, series->name);
        lua_setfield(L, -2, "name");
        ln_tensor **points = ln_new_tensor(L);
        if (ln_tensor_new(LN_F64, &shape, points, &err)) {
            ln_raise(L, &err);
        }
        for (int row = 0; row < 3 && series->count > 0; row++) {
            memcpy(ln_f64(*points) + row * series->count, rows[row],
                   (size_t)series->count * sizeof **rows);
        }
        lua_setfield(L, -2, "points");
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "series");
}

/* metric(word, options, { scores, labels, weights, seed, pool }) -> { value, lower, upper, n, status,
 * reason, matrix, series = { { name, points } } }, points a tensor (3, count) of x, y and threshold; options.ci and options.resamples
 * ask for an interval. */
static int metric_compute(lua_State *L)
{
    void *params = NULL;
    const ln_metric *metric = read_metric(L, &params);
    luaL_checktype(L, 3, LUA_TTABLE);
    const ln_metric_input input = read_input(L, 3);
    ln_error err = {0};
    ln_metric_result *result = ln_new_metric_result(L);
    if (ln_metric_compute(metric, &input, params, result, &err)) {
        return ln_raise(L, &err);
    }
    add_interval(L, metric, &input, params, result);
    lua_createtable(L, 0, 8);
    set_number(L, "value", result->value);
    set_number(L, "lower", result->lower);
    set_number(L, "upper", result->upper);
    lua_pushinteger(L, result->n);
    lua_setfield(L, -2, "n");
    lua_pushstring(L, ln_metric_status(result));
    lua_setfield(L, -2, "status");
    if (result->reason[0]) {
        lua_pushstring(L, result->reason);
        lua_setfield(L, -2, "reason");
    }
    if (result->matrix) {
        ln_tensor **slot = ln_new_tensor(L);
        *slot = ln_tensor_retain(result->matrix);
        lua_setfield(L, -2, "matrix");
    }
    if (result->series) {
        set_series(L, result);
    }
    return 1;
}

/* metric_difference(word, options, first, second, { ci, resamples, seed, number, pool }) -> { value,
 * lower, upper, n, reason }: of two models' scores of the same rows; first and second as in metric. */
static int metric_difference(lua_State *L)
{
    void *params = NULL;
    const ln_metric *metric = read_metric(L, &params);
    for (int i = 3; i <= 5; i++) {
        luaL_checktype(L, i, LUA_TTABLE);
    }
    const ln_metric_input first = read_input(L, 3), second = read_input(L, 4);
    const ln_interval_options options = {
        .level = ln_number_field(L, 5, "ci", 0.95),
        .resamples = ln_integer_field(L, 5, "resamples", 1000),
        .seed = (uint64_t)ln_integer_field(L, 5, "seed", 0),
        .number = (uint64_t)ln_integer_field(L, 5, "number", 0),
    };
    lua_getfield(L, 5, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    ln_error err = {0};
    ln_metric_result *result = ln_new_metric_result(L);
    if (ln_metric_difference(metric, &first, &second, params, &options, pool, result, &err)) {
        return ln_raise(L, &err);
    }
    lua_createtable(L, 0, 5);
    set_number(L, "value", result->value);
    set_number(L, "lower", result->lower);
    set_number(L, "upper", result->upper);
    lua_pushinteger(L, result->n);
    lua_setfield(L, -2, "n");
    if (result->reason[0]) {
        lua_pushstring(L, result->reason);
        lua_setfield(L, -2, "reason");
    }
    return 1;
}

/* delong(first, second) -> p of equal areas under the ROC curve, or nil where it is not defined */
static int delong(lua_State *L)
{
    const ln_metric_input first = read_input(L, 1), second = read_input(L, 2);
    double p = 0;
    ln_error err = {0};
    if (ln_delong_test(&first, &second, &p, &err)) {
        return ln_raise(L, &err);
    }
    if (isnan(p)) {
        return 0;
    }
    lua_pushnumber(L, p);
    return 1;
}

/* mcnemar(only first is right, only second is right) -> p of equal accuracy */
static int mcnemar(lua_State *L)
{
    lua_pushnumber(L, ln_mcnemar(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2)));
    return 1;
}

/* bootstrap(a, b, { ci, seed, number }) -> { mean, lower, upper, n }: of the mean of a[i] - b[i] */
static int bootstrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    const int64_t n = (int64_t)lua_rawlen(L, 1);
    double *series = lua_newuserdatauv(L, (size_t)(2 * n) * sizeof *series + 1, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        series[i] = lua_tonumber(L, -1);
        lua_rawgeti(L, 2, i + 1);
        series[n + i] = lua_tonumber(L, -1);
        lua_pop(L, 2);
    }
    lua_getfield(L, 3, "ci");
    lua_getfield(L, 3, "seed");
    lua_getfield(L, 3, "number");
    const ln_bootstrap_options options = {
        .level = luaL_optnumber(L, -3, 0.0),
        .seed = (uint64_t)luaL_optinteger(L, -2, 0),
        .number = (uint64_t)luaL_optinteger(L, -1, 0),
    };
    ln_error err = {0};
    ln_interval interval;
    if (ln_bootstrap_paired(series, series + n, n, &options, &interval, &err)) {
        return ln_raise(L, &err);
    }
    lua_createtable(L, 0, 4);
    set_number(L, "mean", interval.mean);
    set_number(L, "lower", interval.lower);
    set_number(L, "upper", interval.upper);
    lua_pushinteger(L, interval.n);
    lua_setfield(L, -2, "n");
    return 1;
}

void ln_bind_metric(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"metric", metric_compute},
        {"metric_check", metric_check},
        {"metric_order", metric_order},
        {"label_outside", label_outside},
        {"metric_difference", metric_difference},
        {"delong", delong},
        {"mcnemar", mcnemar},
        {"bootstrap", bootstrap},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
