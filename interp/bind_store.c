/* Writing and reading the store for the stdlib: rows as tables, and the parts of a run that have
 * many rows (samples, predictions, attributions) in one call each. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"

enum { CELLS_MOST = 32 };

static ln_cell text_cell(const char *column, const char *text)
{
    return (ln_cell){.column = column,
                     .type = text ? LN_CELL_TEXT : LN_CELL_NULL,
                     .data = text,
                     .bytes = text ? strlen(text) : 0};
}

static ln_cell integer_cell(const char *column, int64_t integer)
{
    return (ln_cell){.column = column, .type = LN_CELL_INT, .integer = integer};
}

static ln_cell real_cell(const char *column, double real)
{
    return (ln_cell){.column = column, .type = isnan(real) ? LN_CELL_NULL : LN_CELL_REAL,
                     .real = real};
}

/* The cell of the value on the stack's top, which stays there or in its table. */
static ln_cell cell_of(lua_State *L, const char *column)
{
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
        return lua_isinteger(L, -1) ? integer_cell(column, lua_tointeger(L, -1))
                                    : real_cell(column, lua_tonumber(L, -1));
    case LUA_TBOOLEAN:
        return integer_cell(column, lua_toboolean(L, -1));
    case LUA_TSTRING: {
        size_t bytes = 0;
        const char *text = lua_tolstring(L, -1, &bytes);
        return (ln_cell){.column = column, .type = LN_CELL_TEXT, .data = text, .bytes = bytes};
    }
    default:
        return (ln_cell){.column = column, .type = LN_CELL_NULL};
    }
}

/* The cells of a table { column = value }; their texts are borrowed from it. */
static int read_cells(lua_State *L, int table, ln_cell cells[CELLS_MOST])
{
    luaL_checktype(L, table, LUA_TTABLE);
    int count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        luaL_argcheck(L, count < CELLS_MOST, table, "too many columns");
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, table, "columns are named");
        cells[count++] = cell_of(L, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    return count;
}

static int store_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const bool write = strcmp(luaL_optstring(L, 2, "read"), "write") == 0;
    ln_error err = {0};
    ln_store **slot = ln_new_store(L);
    if (ln_store_open(path, write ? LN_STORE_WRITE : LN_STORE_READ, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

static int store_close(lua_State *L)
{
    ln_box_close(L, 1, "store");
    return 0;
}

static int store_path(lua_State *L)
{
    lua_pushstring(L, ln_store_path(ln_check_store(L, 1)));
    return 1;
}

static int store_begin(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_begin(ln_check_store(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_commit(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_commit(ln_check_store(L, 1), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_rollback(lua_State *L)
{
    ln_store_rollback(ln_check_store(L, 1));
    return 0;
}

/* store_insert(store, table, { column = value }) -> id */
static int store_insert(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    ln_cell cells[CELLS_MOST];
    const int count = read_cells(L, 3, cells);
    ln_error err = {0};
    int64_t id = 0;
    if (ln_store_insert(store, table, cells, count, &id, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    return 1;
}

/* store_intern(store, table, key column, { column = value }) -> id, whether it is new */
static int store_intern(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    const char *key = luaL_checkstring(L, 3);
    ln_cell cells[CELLS_MOST];
    const int count = read_cells(L, 4, cells);
    ln_error err = {0};
    int64_t id = 0;
    bool added = false;
    if (ln_store_intern(store, table, key, cells, count, &id, &added, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    lua_pushboolean(L, added);
    return 2;
}

/* store_update(store, table, id, { column = value }) */
static int store_update(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *table = luaL_checkstring(L, 2);
    const int64_t id = luaL_checkinteger(L, 3);
    ln_cell cells[CELLS_MOST];
    const int count = read_cells(L, 4, cells);
    ln_error err = {0};
    if (ln_store_update(store, table, id, cells, count, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_run_begin(lua_State *L)
{
    ln_error err = {0};
    if (ln_store_run_begin(ln_check_store(L, 1), luaL_checkinteger(L, 2), &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

static int store_put_tensor(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_tensor *tensor = ln_check_tensor(L, 2);
    ln_error err = {0};
    int64_t id = 0;
    if (ln_store_put_tensor(store, tensor, &id, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, id);
    return 1;
}

static int store_get_tensor(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t id = luaL_checkinteger(L, 2);
    ln_error err = {0};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_store_get_tensor(store, id, slot, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* ---------------------------------------------------------------------------------- many rows */

/* store_features(store, data set's id, data) : its columns */
static int store_features(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t dataset = luaL_checkinteger(L, 2);
    const ln_dataset *data = ln_check_dataset(L, 3);
    ln_error err = {0};
    for (int c = 0; c < data->column_count; c++) {
        const ln_cell cells[] = {
            integer_cell("dataset", dataset),
            integer_cell("idx", c),
            text_cell("name", data->columns[c].name),
            text_cell("kind", data->columns[c].kind == LN_COLUMN_NUMERIC ? "numeric"
                                                                         : "categorical"),
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
    return labels->dtype == LN_F64 ? real_cell("label", ln_f64(labels)[row])
                                   : integer_cell("label", ((const int32_t *)labels->data)[row]);
}

/* store_new_samples(store, data set's id, count, labels or nil, data or nil): one sample a row, with
 * its original values where there is a table. */
static int store_new_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t dataset = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);
    const ln_tensor *labels = ln_opt_tensor(L, 4);
    const ln_dataset *data = lua_isnoneornil(L, 5) ? NULL : ln_check_dataset(L, 5);
    ln_error err = {0};
    ln_status status = LN_OK;
    for (int64_t row = 0; row < count && status == LN_OK; row++) {
        char *raw = NULL;
        if (data != NULL) {
            status = ln_dataset_row_json(data, row, &raw, &err);
        }
        const ln_cell cells[] = {integer_cell("dataset", dataset), integer_cell("idx", row),
                                 label_cell(labels, row), text_cell("raw", raw)};
        if (status == LN_OK) {
            status = ln_store_insert(store, "sample", cells, 4, NULL, &err);
        }
        ln_free(raw);
    }
    return status ? ln_raise(L, &err) : 0;
}

/* store_samples(store, data set's id, rows) -> (rows) i64: the sample's id of each row */
static int store_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const ln_cell param = integer_cell("dataset", luaL_checkinteger(L, 2));
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

/* store_run_samples(store, run, { samples, data, row_ids, input }): which part each sample has in
 * the run; the rows of row_ids are the inputs, row i of tensor `input`. */
static int store_run_samples(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t run = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    const ln_tensor *samples = ln_tensor_field(L, 3, "samples");
    const ln_tensor *row_ids = ln_tensor_field(L, 3, "row_ids");
    luaL_argcheck(L, samples && row_ids, 3, "samples and row_ids are needed");
    lua_getfield(L, 3, "data");
    const ln_dataset *data = lua_isnil(L, -1) ? NULL : ln_check_dataset(L, -1);
    const int64_t input = ln_integer_field(L, 3, "input", -1);
    const int64_t rows = samples->shape.dims[0];
    static const char *const splits[] = {"train", "test", "validation"};
    int64_t *place = lua_newuserdatauv(L, (size_t)rows * sizeof *place + 1, 0);
    for (int64_t row = 0; row < rows; row++) {
        place[row] = -1;
    }
    for (int64_t i = 0; i < row_ids->shape.dims[0]; i++) {
        place[ln_i64(row_ids)[i]] = i;
    }
    ln_error err = {0};
    for (int64_t row = 0; row < rows; row++) {
        const int split = data && data->split ? data->split[row] : LN_SPLIT_NONE;
        ln_cell cells[5] = {integer_cell("run", run), integer_cell("sample", ln_i64(samples)[row]),
                            text_cell("split", split < 0 ? NULL : splits[split])};
        int count = 3;
        if (input >= 0 && place[row] >= 0) {
            cells[count++] = integer_cell("input", input);
            cells[count++] = integer_cell("input_row", place[row]);
        }
        if (ln_store_insert(store, "run_sample", cells, count, NULL, &err)) {
            return ln_raise(L, &err);
        }
    }
    return 0;
}

/* store_predictions(store, run, { samples, rows, scores, labels, output, regression }): scores
 * (N, classes) f64; `output` is the id of a tensor (N, outputs) or nil. */
static int store_predictions(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const int64_t run = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    const ln_tensor *samples = ln_tensor_field(L, 3, "samples");
    const ln_tensor *rows = ln_tensor_field(L, 3, "rows");
    const ln_tensor *scores = ln_tensor_field(L, 3, "scores");
    const ln_tensor *labels = ln_tensor_field(L, 3, "labels");
    luaL_argcheck(L, samples && rows && scores, 3, "samples, rows and scores are needed");
    const int64_t output = ln_integer_field(L, 3, "output", -1);
    lua_getfield(L, 3, "regression");
    const bool regression = lua_toboolean(L, -1);
    const int64_t n = rows->shape.dims[0];
    const int64_t columns = n ? ln_shape_count(&scores->shape) / n : 1;
    ln_error err = {0};
    for (int64_t i = 0; i < n; i++) {
        const double *score = ln_f64(scores) + i * columns;
        const ln_metric_input row = {.n = 1, .class_count = columns, .scores = score};
        const int32_t class = regression ? 0 : ln_metric_predicted(&row, 0);
        ln_cell cells[7] = {
            integer_cell("run", run),
            integer_cell("sample", ln_i64(samples)[ln_i64(rows)[i]]),
            label_cell(labels, i),
            real_cell("score", score[class]),
        };
        int count = 4;
        if (!regression) {
            cells[count++] = integer_cell("class", class);
        }
        if (output >= 0) {
            cells[count++] = integer_cell("output", output);
            cells[count++] = integer_cell("output_row", i);
        }
        if (ln_store_insert(store, "prediction", cells, count, NULL, &err)) {
            return ln_raise(L, &err);
        }
    }
    return 0;
}

/* One array of doubles a field of the summaries, on Lua's side. */
static double *column(lua_State *L, const ln_piece *piece, size_t offset)
{
    const int64_t count = piece->explained.count;
    double *out = lua_newuserdatauv(L, (size_t)count * sizeof *out + 1, 0);
    for (int64_t i = 0; i < count; i++) {
        memcpy(&out[i], (const char *)&piece->summary[i] + offset, sizeof out[i]);
    }
    return out;
}

/* store_put_attributions(store, { explanation, first_seq, samples, targets, kind, space, groups },
 * piece) -> id of the first */
static int store_put_attributions(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const ln_piece *piece = ln_check_piece(L, 3);
    const int64_t count = piece->explained.count;
    const ln_tensor *samples = ln_tensor_field(L, 2, "samples");
    const ln_tensor *targets = ln_tensor_field(L, 2, "targets");
    luaL_argcheck(L, samples && targets, 2, "samples and targets are needed");
    int64_t *nan_count = lua_newuserdatauv(L, (size_t)count * sizeof *nan_count + 1, 0);
    for (int64_t i = 0; i < count; i++) {
        nan_count[i] = piece->summary[i].nan_count;
    }
    const ln_attribution_rows rows = {
        .explanation = ln_integer_field(L, 2, "explanation", 0),
        .count = count,
        .first_seq = ln_integer_field(L, 2, "first_seq", 0),
        .sample = ln_i64(samples),
        .target = ln_i64(targets),
        .kind = ln_text_field(L, 2, "kind"),
        .space = ln_text_field(L, 2, "space"),
        .values = piece->values,
        .errors = piece->errors,
        .groups = ln_integer_field(L, 2, "groups", -1),
        .output = piece->explained.output,
        .baseline_output = piece->explained.baseline_output,
        .total = column(L, piece, offsetof(ln_summary, total)),
        .residual = column(L, piece, offsetof(ln_summary, residual)),
        .min = column(L, piece, offsetof(ln_summary, min)),
        .max = column(L, piece, offsetof(ln_summary, max)),
        .l1 = column(L, piece, offsetof(ln_summary, l1)),
        .nan_count = nan_count,
    };
    ln_error err = {0};
    int64_t first = 0;
    if (ln_store_put_attributions(store, &rows, &first, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushinteger(L, first);
    return 1;
}

/* ------------------------------------------------------------------------------------ reading */

static void push_cell(lua_State *L, const ln_cell *cell)
{
    switch (cell->type) {
    case LN_CELL_INT: lua_pushinteger(L, cell->integer); break;
    case LN_CELL_REAL: lua_pushnumber(L, cell->real); break;
    case LN_CELL_TEXT:
    case LN_CELL_BLOB: lua_pushlstring(L, cell->data, cell->bytes); break;
    case LN_CELL_NULL: lua_pushnil(L); break;
    }
}

/* Runs in a protected call, so that the query is freed whatever happens. */
static int collect_rows(lua_State *L)
{
    ln_query *query = lua_touserdata(L, 1);
    ln_error err = {0};
    bool more = true;
    lua_newtable(L);
    for (lua_Integer row = 1;; row++) {
        if (ln_query_next(query, &more, &err)) {
            return ln_raise(L, &err);
        }
        if (!more) {
            return 1;
        }
        lua_createtable(L, 0, ln_query_columns(query));
        for (int c = 0; c < ln_query_columns(query); c++) {
            const ln_cell cell = ln_query_cell(query, c);
            push_cell(L, &cell);
            lua_setfield(L, -2, ln_query_name(query, c));
        }
        lua_rawseti(L, -2, row);
    }
}

/* store_rows(store, sql, { name = value }) -> list of { column = value }; NULLs are absent */
static int store_rows(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    const char *sql = luaL_checkstring(L, 2);
    ln_cell params[CELLS_MOST];
    const int count = lua_isnoneornil(L, 3) ? 0 : read_cells(L, 3, params);
    const ln_query_options options = {.params = params, .param_count = count};
    ln_error err = {0};
    ln_query *query = NULL;
    if (ln_query_new(store, sql, &options, &query, &err)) {
        return ln_raise(L, &err);
    }
    lua_pushcfunction(L, collect_rows);
    lua_pushlightuserdata(L, query);
    const int failed = lua_pcall(L, 1, 1, 0);
    ln_query_free(query);
    return failed ? lua_error(L) : 1;
}

void ln_bind_store(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"store", store_open},
        {"store_close", store_close},
        {"store_path", store_path},
        {"store_begin", store_begin},
        {"store_commit", store_commit},
        {"store_rollback", store_rollback},
        {"store_insert", store_insert},
        {"store_intern", store_intern},
        {"store_update", store_update},
        {"store_run_begin", store_run_begin},
        {"store_put_tensor", store_put_tensor},
        {"store_get_tensor", store_get_tensor},
        {"store_features", store_features},
        {"store_new_samples", store_new_samples},
        {"store_samples", store_samples},
        {"store_run_samples", store_run_samples},
        {"store_predictions", store_predictions},
        {"store_put_attributions", store_put_attributions},
        {"store_rows", store_rows},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
