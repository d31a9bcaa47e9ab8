/* The parts of a run that have many rows, written in one call each: columns and samples of a data set,
 * which part each sample has in the run, predictions, curves. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cells.h"

/* store_features(store, data set's id, data) : its columns */
static int store_features(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t dataset = luaL_checkinteger(L, 2);
    const ln_dataset *data = ln_check_dataset(L, 3);
    ln_error err = {0};
    for (int c = 0; c < data->column_count; c++) {
        const ln_cell cells[] = {
            ln_integer_cell("dataset", dataset),
            ln_integer_cell("idx", c),
            ln_text_cell("name", data->columns[c].name),
            ln_text_cell("kind",
                         data->columns[c].kind == LN_COLUMN_NUMERIC ? "numeric" : "categorical"),
        };
        if (ln_store_insert(store, "feature", cells, 4, NULL, &err)) {
            return ln_raise(L, &err);
        }
    }
    return 0;
}

/* The label of row `row` in a tensor of class ids (i32) or numbers (f64); NULL: not known. */
static ln_cell label_cell(const ln_tensor *labels, int64_t row)
{
    if (labels == NULL) {
        return (ln_cell){.column = "label", .type = LN_CELL_NULL};
    }
    return labels->dtype == LN_F64 ? ln_real_cell("label", ln_f64(labels)[row])
                                   : ln_integer_cell("label", ((const int32_t *)labels->data)[row]);
}

/* The rows of a data set that are samples from now on. */
typedef struct new_samples {
    const ln_tensor *labels; /* or NULL */
    const ln_dataset *data;  /* a table, or NULL */
    char *raw;               /* the last row's values as JSON, owned */
} new_samples;

static ln_status fill_sample(void *context, int64_t row, ln_cell *cells, ln_error *err)
{
    new_samples *all = context;
    ln_free(all->raw);
    all->raw = NULL;
    const ln_status status =
        all->data ? ln_dataset_row_json(all->data, row, &all->raw, err) : LN_OK;
    cells[0] = ln_integer_cell("idx", row);
    cells[1] = label_cell(all->labels, row);
    cells[2] = ln_text_cell("raw", all->raw);
    return status;
}

/* store_new_samples(store, data set's id, count, labels or nil, data or nil): one sample a row, with
 * its original values where there is a table. */
static int store_new_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_cell dataset = ln_integer_cell("dataset", luaL_checkinteger(L, 2));
    static const char *const columns[] = {"idx", "label", "raw"};
    new_samples all = {.labels = ln_opt_tensor(L, 4),
                       .data = lua_isnoneornil(L, 5) ? NULL : ln_check_dataset(L, 5)};
    const ln_many_rows many = {.table = "sample",
                               .common = &dataset,
                               .common_count = 1,
                               .columns = columns,
                               .column_count = 3,
                               .count = luaL_checkinteger(L, 3),
                               .owner = "dataset",
                               .context = &all,
                               .fill = fill_sample};
    ln_error err = {0};
    const ln_status status = ln_store_insert_many(store, &many, &err);
    ln_free(all.raw);
    return status ? ln_raise(L, &err) : 0;
}

/* store_samples(store, data set's id, rows) -> (rows) i64: the sample's id of each row */
static int store_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_cell param = ln_integer_cell("dataset", luaL_checkinteger(L, 2));
    const ln_shape shape = {.rank = 1, .dims = {luaL_checkinteger(L, 3)}};
    const ln_query_options options = {.params = &param, .param_count = 1};
    ln_error err = {0};
    ln_query *query = NULL;
    ln_tensor **slot = ln_new_tensor(L);
    ln_status status = ln_tensor_new(LN_I64, &shape, slot, &err);
    if (status == LN_OK) {
        status = ln_query_new(store, "SELECT idx, id FROM sample WHERE dataset = :dataset",
                              &options, &query, &err);
    }
    bool more = status == LN_OK;
    while (more && (status = ln_query_next(query, &more, &err)) == LN_OK && more) {
        const int64_t row = ln_query_cell(query, 0).integer;
        if (row >= 0 && row < shape.dims[0]) {
            ln_i64(*slot)[row] = ln_query_cell(query, 1).integer;
        }
    }
    ln_query_free(query);
    return status ? ln_raise(L, &err) : 1;
}

/* Which part each sample has in a run. */
typedef struct run_samples {
    const ln_tensor *samples; /* ids */
    const ln_dataset *data;   /* a table, or NULL */
    const int64_t *place;     /* of each row among the inputs; -1: it is none */
    int64_t input;            /* the id of their tensor; -1: there is none */
} run_samples;

static ln_status fill_run_sample(void *context, int64_t row, ln_cell *cells, ln_error *err)
{
    (void)err;
    static const char *const splits[] = {"train", "test", "validation"};
    const run_samples *all = context;
    const ln_dataset *data = all->data;
    const int split = data && data->split ? data->split[row] : LN_SPLIT_NONE;
    const bool is_input = all->input >= 0 && all->place[row] >= 0;
    const ln_cell none = {.type = LN_CELL_NULL};
    cells[0] = ln_integer_cell("sample", ln_i64(all->samples)[row]);
    cells[1] = ln_text_cell("split", split < 0 ? NULL : splits[split]);
    cells[2] = data && data->fold_of ? ln_integer_cell("fold", data->fold_of[row]) : none;
    cells[3] = data && data->weights ? ln_real_cell("weight", data->weights[row]) : none;
    cells[4] = is_input ? ln_integer_cell("input", all->input) : none;
    cells[5] = is_input ? ln_integer_cell("input_row", all->place[row]) : none;
    return LN_OK;
}

/* store_run_samples(store, run, { samples, data, row_ids, input }): which part each sample has in
 * the run; the rows of row_ids are the inputs, row i of tensor `input`. */
static int store_run_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_cell run = ln_integer_cell("run", luaL_checkinteger(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    const ln_tensor *samples = ln_tensor_field(L, 3, "samples");
    const ln_tensor *row_ids = ln_tensor_field(L, 3, "row_ids");
    luaL_argcheck(L, samples && row_ids, 3, "samples and row_ids are needed");
    lua_getfield(L, 3, "data");
    const int64_t rows = samples->shape.dims[0];
    int64_t *place = lua_newuserdatauv(L, (size_t)rows * sizeof *place + 1, 0);
    for (int64_t row = 0; row < rows; row++) {
        place[row] = -1;
    }
    for (int64_t i = 0; i < row_ids->shape.dims[0]; i++) {
        place[ln_i64(row_ids)[i]] = i;
    }
    static const char *const columns[] = {"sample", "split", "fold",
                                          "weight", "input", "input_row"};
    run_samples all = {.samples = samples,
                       .data = lua_isnil(L, -2) ? NULL : ln_check_dataset(L, -2),
                       .place = place,
                       .input = ln_integer_field(L, 3, "input", -1)};
    const ln_many_rows many = {.table = "run_sample",
                               .common = &run,
                               .common_count = 1,
                               .columns = columns,
                               .column_count = 6,
                               .count = rows,
                               .owner = "run",
                               .context = &all,
                               .fill = fill_run_sample};
    ln_error err = {0};
    return ln_store_insert_many(store, &many, &err) ? ln_raise(L, &err) : 0;
}

/* What the model says of rows. */
typedef struct predictions {
    const ln_tensor *samples, *rows; /* ids of the samples; the rows among them */
    const ln_tensor *scores;         /* (N, columns) f64 */
    const ln_tensor *labels;         /* or NULL */
    int64_t columns;                 /* of the scores */
    bool regression;                 /* numbers, no classes */
    bool output;                     /* there is a tensor of all outputs */
} predictions;

static ln_status fill_prediction(void *context, int64_t i, ln_cell *cells, ln_error *err)
{
    (void)err;
    const predictions *all = context;
    const double *score = ln_f64(all->scores) + i * all->columns;
    const ln_metric_input row = {.n = 1, .class_count = all->columns, .scores = score};
    const int32_t class = all->regression ? 0 : ln_metric_predicted(&row, 0);
    const ln_cell none = {.type = LN_CELL_NULL};
    cells[0] = ln_integer_cell("sample", ln_i64(all->samples)[ln_i64(all->rows)[i]]);
    cells[1] = label_cell(all->labels, i);
    cells[2] =
        ln_real_cell("score", score[class]); /* not a number: NULL, and no class is made up */
    cells[3] = all->regression || isnan(score[class]) ? none : ln_integer_cell("class", class);
    cells[4] = all->output ? ln_integer_cell("output_row", i) : none;
    return LN_OK;
}

/* store_predictions(store, run, { samples, rows, scores, labels, output, regression }): scores
 * (N, classes) f64; `output` is the id of a tensor (N, outputs) or nil. */
static int store_predictions(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t run = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    const int64_t output = ln_integer_field(L, 3, "output", -1);
    lua_getfield(L, 3, "regression");
    predictions all = {.samples = ln_tensor_field(L, 3, "samples"),
                       .rows = ln_tensor_field(L, 3, "rows"),
                       .scores = ln_tensor_field(L, 3, "scores"),
                       .labels = ln_tensor_field(L, 3, "labels"),
                       .regression = lua_toboolean(L, -1),
                       .output = output >= 0};
    luaL_argcheck(L, all.samples && all.rows && all.scores, 3,
                  "samples, rows and scores are needed");
    const int64_t n = all.rows->shape.dims[0];
    all.columns = n ? ln_shape_count(&all.scores->shape) / n : 1;
    static const char *const columns[] = {"sample", "label", "score", "class", "output_row"};
    const ln_cell common[] = {ln_integer_cell("run", run),
                              output >= 0 ? ln_integer_cell("output", output)
                                          : (ln_cell){.column = "output", .type = LN_CELL_NULL}};
    const ln_many_rows many = {.table = "prediction",
                               .common = common,
                               .common_count = 2,
                               .columns = columns,
                               .column_count = 5,
                               .count = n,
                               .owner = "run",
                               .context = &all,
                               .fill = fill_prediction};
    ln_error err = {0};
    return ln_store_insert_many(store, &many, &err) ? ln_raise(L, &err) : 0;
}

/* store_tensor_bytes(bytes) -> bytes that a tensor of so many takes in the store */
static int store_tensor_bytes(lua_State *L)
{
    lua_pushnumber(L, ln_store_tensor_bytes(luaL_checkinteger(L, 1)));
    return 1;
}

/* store_put_curve(store, metric's id, series, points): points is f64, its rows are x, y and, where there
 * are thresholds, those */
static int store_put_curve(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_tensor *points = ln_check_tensor(L, 4);
    const int64_t rows = points->shape.dims[0], count = points->shape.dims[1];
    luaL_argcheck(L, points->dtype == LN_F64 && points->shape.rank == 2 && rows >= 2, 4,
                  "f64 of two or three rows is needed");
    const ln_curve_rows curve = {
        .metric = luaL_checkinteger(L, 2),
        .series = luaL_checkstring(L, 3),
        .count = count,
        .x = ln_f64(points),
        .y = ln_f64(points) + count,
        .threshold = rows > 2 ? ln_f64(points) + 2 * count : NULL,
    };
    ln_error err = {0};
    return ln_store_put_curve(store, &curve, &err) ? ln_raise(L, &err) : 0;
}

void ln_bind_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"store_features", store_features},         {"store_new_samples", store_new_samples},
        {"store_samples", store_samples},           {"store_run_samples", store_run_samples},
        {"store_predictions", store_predictions},   {"store_put_curve", store_put_curve},
        {"store_tensor_bytes", store_tensor_bytes}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
