/* Explainers and judges for the stdlib. A job keeps what it borrows (tensors, model, pool,
 * parameters) alive as user values; its results, a piece, hold their numbers as a tensor. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/manifold.h"
#include "explainers/explainer.h"
#include "host.h"
#include "interp.h"
#include "judges/by_row.h"
#include "judges/judge.h"
#include "judges/mask.h"
#include "pieces.h"

/* The parameter struct of a word from the resolved options in field `params`; it is left on the
 * stack, so that it lives as long as the call (or the job, as its user value). */
static void *params_field(lua_State *L, int table, const ln_word *word)
{
    ln_error err = {0};
    lua_getfield(L, table, "params");
    const int options = lua_gettop(L);
    const size_t bytes = ln_args_bytes(L, options, word) + 1;
    void *params = lua_newuserdatauv(L, bytes, 1);
    memset(params, 0, bytes);
    if (ln_args_read(L, options, word, params, &err)) {
        ln_raise(L, &err);
    }
    lua_pushvalue(L, options); /* they keep the texts that params points to */
    lua_setiuservalue(L, -2, 1);
    lua_remove(L, options);
    return params;
}

/* The other explainer in field `of`, with its parameters left on the stack; NULL and nil without one. */
static const ln_explainer *of_field(lua_State *L, int table, void **params)
{
    lua_getfield(L, table, "of");
    const int of = lua_gettop(L);
    if (lua_isnil(L, of))
        return NULL;
    lua_getfield(L, of, "explainer");
    const ln_explainer *explainer = ln_explainer_find(luaL_checkstring(L, -1));
    luaL_argcheck(L, explainer != NULL, table, "no such explainer");
    *params = params_field(L, of, &explainer->word);
    return explainer;
}

/* The hidden unit in field `neuron` = { value, unit }, or NULL. */
static const ln_neuron *neuron_field(lua_State *L, int table, ln_neuron *room)
{
    lua_getfield(L, table, "neuron");
    const bool given = lua_istable(L, -1);
    if (given)
        *room = (ln_neuron){.value = (int)ln_integer_field(L, lua_gettop(L), "value", 0),
                            .unit = ln_integer_field(L, lua_gettop(L), "unit", 0)};
    lua_pop(L, 1);
    return given ? room : NULL;
}

/* A field that is a list of numbers, one a channel, into `to`. */
static void channels_field(lua_State *L, int table, const char *field, double to[3])
{
    lua_getfield(L, table, field);
    for (int c = 0; c < 3; c++) {
        lua_rawgeti(L, -1, c + 1);
        to[c] = luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Groups that each row has of its own in field `row_groups`: { given = i32 (N, width) }, or { method, ...,
 * channels, height, width, mean, deviation }, lists of three numbers; NULL without it. */
static const ln_row_groups *row_groups_field(lua_State *L, int table, ln_row_groups *room)
{
    lua_getfield(L, table, "row_groups");
    const int own = lua_gettop(L);
    const bool has = lua_istable(L, own);
    const ln_tensor *given = has ? ln_tensor_field(L, own, "given") : NULL;
    if (given) {
        room->given = given->data;
    } else if (has) {
        room->superpixels = (ln_superpixels){
            .method =
                (ln_superpixel_method)ln_choice_field(L, own, "method", LN_SUPERPIXEL_CHOICES),
            .kernel_size = ln_number_field(L, own, "kernel_size", 0),
            .max_dist = ln_number_field(L, own, "max_dist", 0),
            .ratio = ln_number_field(L, own, "ratio", 0),
            .segments = ln_integer_field(L, own, "segments", 0),
            .compactness = ln_number_field(L, own, "compactness", 0),
            .channels = ln_integer_field(L, own, "channels", 0),
            .height = ln_integer_field(L, own, "height", 0),
            .width = ln_integer_field(L, own, "width", 0),
        };
        channels_field(L, own, "mean", room->superpixels.mean);
        channels_field(L, own, "deviation", room->superpixels.deviation);
    }
    lua_settop(L, own - 1);
    return has ? room : NULL;
}

/* What rows are compared with, from field `watch` = { training, quantile, samples }, to bound->watch. */
static void watch_field(lua_State *L, int table, ln_pool *pool, ln_bound_job *bound)
{
    ln_error err = {0};
    lua_getfield(L, table, "watch");
    const int watch = lua_gettop(L);
    if (lua_istable(L, watch) &&
        ln_manifold_new(ln_tensor_field(L, watch, "training"),
                        ln_number_field(L, watch, "quantile", 0),
                        ln_integer_field(L, watch, "samples", 1), pool, &bound->watch, &err)) {
        ln_raise(L, &err);
    }
    lua_pop(L, 1);
}

/* One item a target, `per_row` of them for each row of x. */
static ln_item *new_items(lua_State *L, const ln_tensor *targets, int64_t per_row)
{
    const int64_t count = targets->shape.dims[0];
    ln_item *items = lua_newuserdatauv(L, (size_t)count * sizeof *items + 1, 0);
    for (int64_t i = 0; i < count; i++) {
        items[i] = (ln_item){.row = i / per_row, .target = ln_i64(targets)[i]};
    }
    return items;
}

/* job { explainer, model, link, x, row_ids, targets (N x per_row), per_row, baseline, background,
 * background_labels (i64), groups, group_count, row_groups, tree (i64), shape, layer, params, allows_idle, seed,
 * stream, pool, of = { explainer, params }, range, watch } -> job */
static int job_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "explainer");
    const ln_explainer *explainer = ln_explainer_find(luaL_checkstring(L, -1));
    luaL_argcheck(L, explainer != NULL, 1, "no such explainer");
    lua_getfield(L, 1, "model");
    ln_model *model = ln_check_model(L, -1);
    const ln_tensor *x = ln_tensor_field(L, 1, "x"), *targets = ln_tensor_field(L, 1, "targets");
    const ln_tensor *row_ids = ln_tensor_field(L, 1, "row_ids");
    const ln_tensor *groups = ln_tensor_field(L, 1, "groups");
    const ln_tensor *labels = ln_tensor_field(L, 1, "background_labels");
    luaL_argcheck(L, x && targets && row_ids, 1, "x, targets and row_ids are needed");
    lua_getfield(L, 1, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    void *params = params_field(L, 1, &explainer->word);
    const int params_at = lua_gettop(L);
    void *of_params = NULL;
    const ln_explainer *of = of_field(L, 1, &of_params);
    const int of_at = lua_gettop(L);
    ln_item *items = new_items(L, targets, ln_integer_field(L, 1, "per_row", 1));
    const int items_at = lua_gettop(L);
    ln_bound_job *bound = ln_new_job(L);
    const int box = lua_gettop(L);
    lua_createtable(L, 4, 0); /* what the job borrows: arguments, parameters, items */
    for (int i = 0; i < 4; i++) {
        lua_pushvalue(L, (const int[]){1, params_at, items_at, of_at}[i]);
        lua_rawseti(L, -2, i + 1);
    }
    ln_box_keep(L, box, -1);
    lua_settop(L, box);
    watch_field(L, 1, pool, bound);
    bound->request = (ln_request){
        .model = model,
        .link = (ln_link)ln_choice_field(L, 1, "link", LN_LINK_CHOICES),
        .x = x,
        .row_ids = ln_i64(row_ids),
        .items = items,
        .item_count = targets->shape.dims[0],
        .baseline = ln_tensor_field(L, 1, "baseline"),
        .own_baselines = ln_integer_field(L, 1, "own_baselines", 0) != 0,
        .background = ln_tensor_field(L, 1, "background"),
        .background_labels = labels ? ln_i64(labels) : NULL,
        .groups = groups ? groups->data : NULL,
        .group_count = groups ? ln_integer_field(L, 1, "group_count", 0) : model->width,
        .row_groups = row_groups_field(L, 1, &bound->own),
        .tree = ln_tensor_field(L, 1, "tree"),
        .input_shape = ln_shape_field(L, 1, "shape"),
        .layer = (int)ln_integer_field(L, 1, "layer", 0),
        .neuron = neuron_field(L, 1, &bound->neuron),
        .of = of,
        .of_params = of_params,
        .range = ln_tensor_field(L, 1, "range"),
        .watch = bound->watch,
        .params = params,
        .allows_idle = ln_integer_field(L, 1, "allows_idle", 0) != 0,
        .seed = (uint64_t)ln_integer_field(L, 1, "seed", 0),
        .stream = (uint64_t)ln_integer_field(L, 1, "stream", 0),
    };
    ln_error err = {0};
    if (ln_job_new(explainer, &bound->request, pool, &bound->job, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* job_shape(job) -> width, shape, whether a pixel: of one item's values at a layer */
static int job_shape(lua_State *L)
{
    const ln_job *job = ln_check_job(L, 1)->job;
    lua_pushinteger(L, job->width);
    lua_createtable(L, job->shape.rank, 0);
    for (int axis = 0; axis < job->shape.rank; axis++) {
        lua_pushinteger(L, job->shape.dims[axis]);
        lua_rawseti(L, -2, axis + 1);
    }
    lua_pushboolean(L, job->of_pixels);
    return 3;
}

/* Of a job that runs: the line, where it begins and ends, and what `items` more add to it. */
typedef struct telling {
    ln_progress_line *line;
    const ln_job *job;
    double done, total, items;
    const char *text; /* borrowed */
} telling;

/* Estimates say how sure they are so far. */
static void tell(void *context, int64_t done, int64_t parts)
{
    const telling *it = context;
    const double worst = ln_job_worst_error(it->job);
    char text[256];
    const int room = snprintf(text, sizeof text, "%s", it->text);
    if (worst > 0 && room > 0 && (size_t)room < sizeof text) {
        snprintf(text + room, sizeof text - (size_t)room, ", errors up to %.2g", worst);
    }
    ln_progress_show(it->line, it->done + it->items * (double)done / (double)parts, it->total,
                     text);
}

/* job_progress(job, done, total, text): the line, with how sure the job's results are so far */
static int job_progress(lua_State *L)
{
    telling it = {.line = ln_host_progress(L),
                  .job = ln_check_job(L, 1)->job,
                  .done = luaL_checknumber(L, 2),
                  .total = luaL_checknumber(L, 3),
                  .text = luaL_checkstring(L, 4)};
    tell(&it, 1, 1);
    return 0;
}

/* What the field `progress` = { done, total, text } of table 4 says, to be told while the job runs. */
static telling telling_field(lua_State *L, ln_job *job, int64_t items)
{
    telling it = {.line = ln_host_progress(L), .job = job, .items = (double)items};
    lua_getfield(L, 4, "progress");
    const int progress = lua_gettop(L);
    if (lua_istable(L, progress)) {
        it.done = ln_number_field(L, progress, "done", 0);
        it.total = ln_number_field(L, progress, "total", 0);
        lua_getfield(L, progress, "text"); /* the table keeps it */
        it.text = luaL_checkstring(L, -1);
    }
    lua_settop(L, progress - 1);
    return it;
}

/* job_run(job, first, count, { sum_over, columns, shape, progress = { done, total, text } }) -> piece */
static int job_run(lua_State *L)
{
    ln_bound_job *bound = ln_check_job(L, 1);
    const int64_t first = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    lua_getfield(L, 4, "shape");
    const ln_tensor *sum_over = ln_tensor_field(L, 4, "sum_over");
    ln_error err = {0};
    ln_piece *piece = ln_new_piece(L);
    ln_box_keep(L, -1, 1); /* the piece reads the job's items */
    piece->items = bound->request.items + first;
    piece->inputs = bound->request.model->width;
    telling told = telling_field(L, bound->job, count);
    bound->job->tell = told.text && told.line->shown_at_all ? tell : NULL;
    bound->job->tell_context = &told;
    ln_status status = ln_job_run(bound->job, first, count, &piece->explained, &err);
    bound->job->tell = NULL;
    if (status == LN_OK && sum_over != NULL) {
        status = ln_explanation_by_column(&piece->explained, sum_over->data,
                                          ln_integer_field(L, 4, "columns", 0), &err);
    }
    if (status == LN_OK) {
        status = ln_piece_finish(L, 5, piece, &err);
    }
    if (status) {
        return ln_raise(L, &err);
    }
    return 1;
}

static int piece_evaluations(lua_State *L)
{
    lua_pushinteger(L, ln_check_piece(L, 1)->explained.evaluations);
    return 1;
}

/* explained_reasons(piece) -> why items have no values, by place from 1; empty where all have */
static int piece_reasons(lua_State *L)
{
    const ln_explanation *explained = &ln_check_piece(L, 1)->explained;
    lua_newtable(L);
    for (int64_t i = 0; explained->reasons && i < explained->count; i++) {
        if (explained->reasons[i]) {
            lua_pushstring(L, explained->reasons[i]);
            lua_rawseti(L, -2, i + 1);
        }
    }
    return 1;
}

/* explained_rows(piece) -> its values as rows (items, width), f32 */
static int piece_rows(lua_State *L)
{
    const ln_explanation *explained = &ln_check_piece(L, 1)->explained;
    const ln_shape shape = {.rank = 2, .dims = {explained->count, explained->width}};
    ln_error err = {0};
    if (ln_tensor_copy_of(LN_F32, &shape, explained->values, ln_new_tensor(L), &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* explained_fit(piece) -> how well each attribution's own model fits (NaN: undefined), or nil where the
 * explainer fits none */
static int piece_fit(lua_State *L)
{
    const ln_explanation *explained = &ln_check_piece(L, 1)->explained;
    if (explained->fit == NULL) {
        return 0;
    }
    lua_createtable(L, (int)explained->count, 0);
    for (int64_t i = 0; i < explained->count; i++) {
        lua_pushnumber(L, explained->fit[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* explained_rules(piece) -> of each attribution { text (nil: there is no rule), lower, upper, coverage, draws, note },
 * or nil where the explainer finds none */
static int piece_rules(lua_State *L)
{
    const ln_explanation *explained = &ln_check_piece(L, 1)->explained;
    if (explained->rules == NULL) {
        return 0;
    }
    lua_createtable(L, (int)explained->count, 0);
    for (int64_t i = 0; i < explained->count; i++) {
        const ln_found_rule *rule = &explained->rules[i];
        lua_createtable(L, 0, 6);
        lua_pushstring(L, rule->text);
        lua_setfield(L, -2, "text");
        lua_pushnumber(L, rule->lower);
        lua_setfield(L, -2, "lower");
        lua_pushnumber(L, rule->upper);
        lua_setfield(L, -2, "upper");
        lua_pushnumber(L, rule->coverage);
        lua_setfield(L, -2, "coverage");
        lua_pushinteger(L, rule->draws);
        lua_setfield(L, -2, "draws");
        lua_pushstring(L, rule->note);
        lua_setfield(L, -2, "note");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* mask { given (1 or N, elements), element_of, width, unit_of, units } -> u8 (1 or N, units) */
static int mask_make(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    ln_tensor *given = ln_tensor_field(L, 1, "given");
    luaL_argcheck(L, given && given->shape.rank == 2, 1, "a mask (1 or N, elements) is needed");
    const ln_tensor *element_of = ln_tensor_field(L, 1, "element_of");
    const ln_tensor *unit_of = ln_tensor_field(L, 1, "unit_of");
    ln_tensor **made = ln_new_tensor(L);
    ln_error err = {0};
    if (ln_mask_make(given, element_of ? element_of->data : NULL,
                     ln_integer_field(L, 1, "width", 0), unit_of ? unit_of->data : NULL,
                     ln_integer_field(L, 1, "units", 0), made, &err)) {
        return ln_raise(L, &err);
    }
    return 1;
}

/* judge { judge, params, model, link, x, items = piece, other = piece, shape, baseline, mask, unit_of, seed,
 * pool }; where rows have groups of their own, mask is u8 (1 or N, the model's width)
 * -> list of values (NaN: undefined), table of reasons by place */
static int judge_run(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "judge");
    const ln_judge *judge = ln_judge_find(luaL_checkstring(L, -1));
    luaL_argcheck(L, judge != NULL, 1, "no such judge");
    lua_getfield(L, 1, "items");
    const ln_piece *piece = ln_check_piece(L, -1);
    lua_getfield(L, 1, "other");
    const ln_piece *other = lua_isnil(L, -1) ? NULL : ln_check_piece(L, -1);
    lua_getfield(L, 1, "pool");
    ln_pool *pool = ln_opt_pool(L, -1);
    lua_getfield(L, 1, "model");
    ln_model *model = ln_check_model(L, -1);
    luaL_argcheck(L, !(judge->flags & LN_JUDGE_EXPLAINS_AGAIN) || other, 1, "other is needed");
    luaL_argcheck(L,
                  !other || (other->explained.count == piece->explained.count &&
                             other->explained.width == piece->explained.width),
                  1, "other has other items");
    const ln_tensor *unit_of = ln_tensor_field(L, 1, "unit_of");
    const ln_tensor *mask = ln_tensor_field(L, 1, "mask");
    const int64_t count = piece->explained.count;
    const ln_judged judged = {
        .model = model,
        .link = (ln_link)ln_choice_field(L, 1, "link", LN_LINK_CHOICES),
        .x = ln_tensor_field(L, 1, "x"),
        .items = piece->items,
        .item_count = count,
        .attribution = piece->explained.values,
        .other = other ? other->explained.values : NULL,
        .shape = ln_shape_field(L, 1, "shape"),
        .units = piece->explained.width,
        .unit_of = unit_of ? unit_of->data : NULL,
        .output = piece->explained.output,
        .baseline_output = piece->explained.baseline_output,
        .outside = piece->explained.outside,
        .baseline = ln_tensor_field(L, 1, "baseline"),
        .mask = mask ? mask->data : NULL,
        .mask_stride = mask && mask->shape.dims[0] > 1 ? piece->explained.width : 0,
        .params = params_field(L, 1, &judge->word),
        .seed = (uint64_t)ln_integer_field(L, 1, "seed", 0),
    };
    double *values = lua_newuserdatauv(L, (size_t)count * sizeof *values + 1, 0);
    const char **reasons = lua_newuserdatauv(L, (size_t)count * sizeof *reasons + 1, 0);
    memset(reasons, 0, (size_t)count * sizeof *reasons);
    ln_error err = {0};
    const ln_status status =
        piece->explained.units
            ? ln_judge_by_row(judge, &judged, &piece->explained, mask, pool, values, reasons, &err)
            : judge->run(&judged, pool, values, reasons, &err);
    if (status) {
        return ln_raise(L, &err);
    }
    lua_createtable(L, (int)count, 0);
    lua_createtable(L, 0, 0);
    for (int64_t i = 0; i < count; i++) {
        lua_pushnumber(L, values[i]);
        lua_rawseti(L, -3, i + 1);
        if (isnan(values[i])) {
            lua_pushstring(L, reasons[i] ? reasons[i] : "not a number");
            lua_rawseti(L, -2, i + 1);
        }
    }
    return 2;
}

void ln_bind_explain(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"job", job_new},
        {"job_progress", job_progress},
        {"job_run", job_run},
        {"job_shape", job_shape},
        {"explained_evaluations", piece_evaluations},
        {"explained_fit", piece_fit},
        {"explained_rules", piece_rules},
        {"explained_reasons", piece_reasons},
        {"explained_rows", piece_rows},
        {"judge", judge_run},
        {"mask", mask_make},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
