/* A finished piece of an explanation on its way to the store: its attributions, a row of `attribution` each
 * (where the model has several inputs one an input), and what the judges say of each. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cells.h"

/* Fills the reasons of attributions that are not defined, from field `reasons` (texts by place from 1,
 * which the table keeps), and their statuses; the arrays are left on the stack. */
static void read_reasons(lua_State *L, int64_t count, ln_attribution_rows *rows)
{
    lua_getfield(L, 2, "reasons");
    if (!lua_istable(L, -1)) {
        return;
    }
    const int list = lua_gettop(L);
    const char **reason = lua_newuserdatauv(L, (size_t)count * sizeof *reason + 1, 0);
    const char **status = lua_newuserdatauv(L, (size_t)count * sizeof *status + 1, 0);
    for (int64_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        reason[i] = lua_tostring(L, -1);
        status[i] = reason[i] ? "undefined" : "ok";
        lua_pop(L, 1);
    }
    rows->reason = reason;
    rows->status = status;
}

/* Field `field`: a list by place from 1, which the table keeps. `take` puts the value on top of the stack into its
 * element of `size` bytes. The array is left on the stack; NULL without the field. */
static const void *list_field(lua_State *L, int table, const char *field, int64_t count,
                              size_t size, void (*take)(lua_State *L, void *element))
{
    char *elements = lua_newuserdatauv(L, (size_t)count * size + 1, 0);
    lua_getfield(L, table, field);
    const bool given = lua_istable(L, -1);
    for (int64_t i = 0; i < count && given; i++) {
        lua_rawgeti(L, -1, i + 1);
        take(L, elements + (size_t)i * size);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return given ? elements : NULL;
}

static void take_text(lua_State *L, void *element)
{
    *(const char **)element = lua_tostring(L, -1);
}

/* What is none is NaN. */
static void take_number(lua_State *L, void *element)
{
    *(double *)element = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : NAN;
}

/* None is -1. */
static void take_count(lua_State *L, void *element)
{
    *(int64_t *)element = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
}

#define VERDICT_SLOTS 7 /* that read_verdict leaves on the stack, its table with them */

/* Fills what one judge says from the table on top of the stack, which keeps its texts; the arrays are
 * left on the stack above it. */
static void read_verdict(lua_State *L, int64_t run, int64_t count, ln_verdict_rows *out)
{
    const int table = lua_gettop(L);
    *out = (ln_verdict_rows){
        .run = run,
        .name = ln_text_field(L, table, "name"),
        .label = ln_text_field(L, table, "label"),
        .params = ln_text_field(L, table, "params"),
        .higher_is_better = (int)ln_integer_field(L, table, "higher_is_better", -1),
        .values = list_field(L, table, "values", count, sizeof(double), take_number),
        .reasons = list_field(L, table, "reasons", count, sizeof(const char *), take_text),
        .own_params = list_field(L, table, "own_params", count, sizeof(const char *), take_text),
        .lower = list_field(L, table, "lower", count, sizeof(double), take_number),
        .upper = list_field(L, table, "upper", count, sizeof(double), take_number),
        .n = list_field(L, table, "n", count, sizeof(int64_t), take_count),
    };
}

/* Field `verdicts` of the table at 2: what each judge says; NULL for none. Left on the stack. */
static ln_verdict_rows *read_verdicts(lua_State *L, int64_t count, int *verdict_count)
{
    lua_getfield(L, 2, "verdicts");
    const int list = lua_gettop(L);
    *verdict_count = (int)lua_rawlen(L, list);
    luaL_checkstack(L, VERDICT_SLOTS * *verdict_count + 8, NULL);
    ln_verdict_rows *verdicts =
        lua_newuserdatauv(L, (size_t)*verdict_count * sizeof *verdicts + 1, 0);
    const int64_t run = ln_integer_field(L, 2, "run", 0);
    for (int i = 0; i < *verdict_count; i++) {
        lua_rawgeti(L, list, i + 1);
        read_verdict(L, run, count, &verdicts[i]);
    }
    return verdicts;
}

/* What is stored of a piece for one input of the model, columns [first, first + width) of its values; with
 * one input all of them. */
typedef struct part {
    const char *input; /* its name, or NULL */
    int64_t first, width;
    ln_shape shape; /* (count, *shape of the input) */
} part;

/* Those columns of a tensor (count, all), as one of the part's shape; left on the stack. */
static ln_tensor *cut(lua_State *L, const ln_tensor *whole, int64_t all, const part *of)
{
    ln_error err = {0};
    if (whole == NULL) {
        return NULL;
    }
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(LN_F32, &of->shape, slot, &err)) {
        ln_raise(L, &err);
    }
    for (int64_t i = 0; i < of->shape.dims[0]; i++) {
        memcpy(ln_f32(*slot) + i * of->width, ln_f32(whole) + i * all + of->first,
               (size_t)of->width * sizeof(float));
    }
    return *slot;
}

/* Entry `at` (from 1) of the list of parts: { name, first, width, shape }. */
static part read_part(lua_State *L, int list, int at, int64_t count)
{
    part read = {.shape = {.rank = 1, .dims = {count}}};
    lua_rawgeti(L, list, at);
    const int table = lua_gettop(L);
    read.input = ln_text_field(L, table, "name");
    read.first = ln_integer_field(L, table, "first", 0);
    read.width = ln_integer_field(L, table, "width", 0);
    lua_getfield(L, table, "shape");
    for (lua_Unsigned axis = 1; axis <= lua_rawlen(L, -1) && axis < LN_MAX_RANK; axis++) {
        lua_rawgeti(L, -1, (lua_Integer)axis);
        read.shape.dims[read.shape.rank++] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return read;
}

/* Arrays of one number an attribution, on Lua's side. */
typedef struct columns {
    double *total, *residual, *min, *max, *l1;
    int64_t *nan_count;
    const char **status, **reason;
} columns;

static columns new_columns(lua_State *L, int64_t count)
{
    double *numbers = lua_newuserdatauv(L, (size_t)(5 * count) * sizeof *numbers + 1, 0);
    const char **texts = lua_newuserdatauv(L, (size_t)(2 * count) * sizeof *texts + 1, 0);
    return (columns){
        .total = numbers,
        .residual = numbers + count,
        .min = numbers + 2 * count,
        .max = numbers + 3 * count,
        .l1 = numbers + 4 * count,
        .nan_count = lua_newuserdatauv(L, (size_t)count * sizeof(int64_t) + 1, 0),
        .status = texts,
        .reason = texts + count,
    };
}

/* The residual is that of all inputs together: the output's difference is shared out among them. */
static columns summarise(lua_State *L, const ln_piece *piece, const part *of)
{
    const int64_t count = piece->explained.count, all = piece->explained.width;
    const columns made = new_columns(L, count);
    luaL_checkstack(L, (int)count + 8, NULL); /* the reasons' texts stay there */
    for (int64_t i = 0; i < count; i++) {
        ln_summary summary = piece->summary[i];
        made.residual[i] = summary.residual;
        const int64_t width = piece->explained.units ? piece->explained.units[i] : of->width;
        if (of->input) {
            summary = ln_summarise(piece->explained.values + i * all + of->first, of->width, 0, 0);
        }
        made.nan_count[i] = summary.nan_count;
        made.status[i] = summary.nan_count ? "undefined" : NULL;
        made.reason[i] = summary.nan_count ? lua_pushfstring(L, "%d of %d values are not numbers",
                                                             (int)summary.nan_count, (int)width)
                                           : NULL;
        const bool none = summary.nan_count == width; /* of no number: NULL */
        made.total[i] = summary.total;
        made.min[i] = none ? NAN : summary.min;
        made.max[i] = none ? NAN : summary.max;
        made.l1[i] = none ? NAN : summary.l1;
    }
    return made;
}

/* The rows of one part; `whole`: what all parts share. */
static ln_attribution_rows rows_of(lua_State *L, const ln_piece *piece, const part *of,
                                   const ln_attribution_rows *whole)
{
    ln_attribution_rows rows = *whole;
    const int64_t all = piece->explained.width;
    const columns sums = summarise(L, piece, of);
    rows.input = of->input;
    rows.values = of->input ? cut(L, piece->values, all, of) : piece->values;
    rows.errors = of->input ? cut(L, piece->errors, all, of) : piece->errors;
    rows.total = sums.total;
    rows.residual = sums.residual;
    rows.min = sums.min;
    rows.max = sums.max;
    rows.l1 = sums.l1;
    rows.nan_count = sums.nan_count;
    rows.status = sums.status;
    rows.reason = sums.reason;
    read_reasons(L, piece->explained.count, &rows);
    return rows;
}

/* One set of rows a part, each pointing to the next; they live on Lua's side. Field `parts` of the table at
 * 2 is the list of them, nil where the model has one input. */
static ln_attribution_rows *all_rows(lua_State *L, const ln_piece *piece,
                                     const ln_attribution_rows *whole)
{
    lua_getfield(L, 2, "parts");
    const int list = lua_gettop(L);
    const int count = lua_istable(L, list) ? (int)lua_rawlen(L, list) : 0;
    ln_attribution_rows *rows = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *rows, 0);
    luaL_checkstack(L, 16 * (count + 1), NULL);
    if (count == 0) {
        const part one = {.width = piece->explained.width};
        rows[0] = rows_of(L, piece, &one, whole);
    }
    for (int i = 0; i < count; i++) {
        const part one = read_part(L, list, i + 1, piece->explained.count);
        rows[i] = rows_of(L, piece, &one, whole);
        rows[i].next = i + 1 < count ? &rows[i + 1] : NULL;
    }
    return rows;
}

/* The values of item i, or its errors, as a tensor (1, units); left on the stack. */
static ln_tensor *item_tensor(lua_State *L, const float *all, int64_t width, int64_t i,
                              int64_t units)
{
    ln_error err = {0};
    if (all == NULL) {
        return NULL;
    }
    const ln_shape shape = {.rank = 2, .dims = {1, units}};
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_copy_of(LN_F32, &shape, all + i * width, slot, &err)) {
        ln_raise(L, &err);
    }
    return *slot;
}

/* The group of each input of item i, of the input's shape, bytes where they suffice; left on the stack. */
static ln_tensor *item_groups(lua_State *L, const ln_piece *piece, const ln_shape *shape, int64_t i)
{
    ln_error err = {0};
    const int32_t *group = piece->explained.groups + i * piece->inputs;
    const bool bytes = piece->explained.units[i] <= UINT8_MAX + 1;
    ln_tensor **slot = ln_new_tensor(L);
    if (ln_tensor_new(bytes ? LN_U8 : LN_I32, shape, slot, &err)) {
        ln_raise(L, &err);
    }
    for (int64_t k = 0; k < piece->inputs && bytes; k++) {
        ((uint8_t *)(*slot)->data)[k] = (uint8_t)group[k];
    }
    if (!bytes) {
        memcpy((*slot)->data, group, (size_t)piece->inputs * sizeof *group);
    }
    return *slot;
}

/* One set of rows an item, each pointing to the next: each has as many numbers as it has groups. */
static ln_attribution_rows *rows_by_item(lua_State *L, const ln_piece *piece,
                                         const ln_attribution_rows *whole)
{
    const ln_explanation *explained = &piece->explained;
    const int64_t count = explained->count;
    part one = {.shape = {.rank = 0}, .width = explained->width};
    lua_getfield(L, 2, "shape");
    for (lua_Unsigned axis = 1; axis <= lua_rawlen(L, -1) && axis < LN_MAX_RANK; axis++) {
        lua_rawgeti(L, -1, (lua_Integer)axis);
        one.shape.dims[one.shape.rank++] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    ln_attribution_rows *rows = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *rows, 0);
    luaL_checkstack(L, 4 * (int)count + 16, NULL);
    const columns sums = summarise(L, piece, &one);
    for (int64_t i = 0; i < count; i++) {
        if (explained->reasons[i] != NULL) {
            sums.reason[i] = explained->reasons[i];
        }
        rows[i] = *whole;
        rows[i].count = 1;
        rows[i].judged = i == 0 ? count : 0;
        rows[i].first_seq += i;
        rows[i].sample += i;
        rows[i].target += i;
        rows[i].output += i;
        rows[i].baseline_output += i;
        rows[i].values =
            item_tensor(L, explained->values, explained->width, i, explained->units[i]);
        rows[i].errors =
            item_tensor(L, explained->errors, explained->width, i, explained->units[i]);
        rows[i].grouping = item_groups(L, piece, &one.shape, i);
        rows[i].total = sums.total + i;
        rows[i].residual = sums.residual + i;
        rows[i].min = sums.min + i;
        rows[i].max = sums.max + i;
        rows[i].l1 = sums.l1 + i;
        rows[i].nan_count = sums.nan_count + i;
        rows[i].status = sums.status + i;
        rows[i].reason = sums.reason + i;
        rows[i].next = i + 1 < count ? &rows[i + 1] : NULL;
    }
    return rows;
}

/* store_submit_piece(store, { run, explanation, first_seq, samples, targets, kind, space, layer, unit,
 * groups, shape (of the input, where rows have groups of their own), reasons, parts, verdicts, evaluations, elapsed_ns }, piece) */
static int store_submit_piece(lua_State *L)
{
    ln_store *store = ln_check_store(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    ln_piece *piece = ln_check_piece(L, 3);
    const ln_tensor *samples = ln_tensor_field(L, 2, "samples");
    const ln_tensor *targets = ln_tensor_field(L, 2, "targets");
    luaL_argcheck(L, samples && targets, 2, "samples and targets are needed");
    const ln_attribution_rows whole = {
        .explanation = ln_integer_field(L, 2, "explanation", 0),
        .count = piece->explained.count,
        .first_seq = ln_integer_field(L, 2, "first_seq", 0),
        .sample = ln_i64(samples),
        .target = ln_i64(targets),
        .kind = ln_text_field(L, 2, "kind"),
        .space = ln_text_field(L, 2, "space"),
        .layer = ln_text_field(L, 2, "layer"),
        .unit = ln_integer_field(L, 2, "unit", -1),
        .groups = ln_integer_field(L, 2, "groups", -1),
        .output = piece->explained.output,
        .baseline_output = piece->explained.baseline_output,
        .absorbed = piece->explained.absorbed,
        .evaluations = ln_integer_field(L, 2, "evaluations", 0),
        .elapsed_ns = ln_integer_field(L, 2, "elapsed_ns", 0),
    };
    const ln_attribution_rows *rows =
        piece->explained.units ? rows_by_item(L, piece, &whole) : all_rows(L, piece, &whole);
    int verdict_count;
    const ln_verdict_rows *verdicts = read_verdicts(L, whole.count, &verdict_count);
    ln_error err = {0};
    if (ln_store_submit_piece(store, rows, verdicts, verdict_count, &err)) {
        return ln_raise(L, &err);
    }
    return 0;
}

void ln_bind_pieces(lua_State *L)
{
    static const luaL_Reg functions[] = {{"store_submit_piece", store_submit_piece}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
