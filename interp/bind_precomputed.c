/* Attributions made elsewhere, as pieces: they are stored, judged and compared like our own. Of the
 * explained number only the model's output is known, so there is no residual. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "interp.h"
#include "pieces.h"

/* Arrays of a piece of `count` rows of `width` numbers. */
static ln_status allocate(ln_explanation *out, int64_t count, int64_t width, ln_error *err)
{
    out->count = count;
    out->width = width;
    out->values = ln_calloc((size_t)(count * width) + 1, sizeof *out->values);
    out->output = ln_calloc((size_t)count + 1, sizeof *out->output);
    out->baseline_output = ln_calloc((size_t)count + 1, sizeof *out->baseline_output);
    if (!out->values || !out->output || !out->baseline_output) {
        return ln_fail_memory(err, (size_t)(count * width) * sizeof *out->values);
    }
    return LN_OK;
}

/* precomputed { model, link, values (N x per_row, width), outputs (N, outputs), targets (N x per_row),
 * per_row, first, count, shape } -> piece */
static int precomputed(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "model");
    const ln_model *model = ln_check_model(L, -1);
    const ln_link link = (ln_link)ln_choice_field(L, 1, "link", LN_LINK_CHOICES);
    const ln_tensor *values = ln_tensor_field(L, 1, "values");
    const ln_tensor *outputs = ln_tensor_field(L, 1, "outputs");
    const ln_tensor *targets = ln_tensor_field(L, 1, "targets");
    luaL_argcheck(L, values && outputs && targets, 1, "values, outputs and targets are needed");
    const int64_t first = ln_integer_field(L, 1, "first", 0);
    const int64_t count = ln_integer_field(L, 1, "count", 0);
    const int64_t per_row = ln_integer_field(L, 1, "per_row", 1);
    lua_getfield(L, 1, "shape");
    const int shape_at = lua_gettop(L);
    const int64_t width = values->shape.dims[1], columns = outputs->shape.dims[1];
    ln_item *items = lua_newuserdatauv(L, (size_t)count * sizeof *items + 1, 0);
    const int items_at = lua_gettop(L);
    ln_piece *piece = ln_new_piece(L);
    ln_box_keep(L, -1, items_at);
    piece->items = items;
    ln_error err = {0};
    ln_status status = allocate(&piece->explained, count, width, &err);
    for (int64_t i = 0; i < count && status == LN_OK; i++) {
        ln_target target;
        items[i] = (ln_item){.row = (first + i) / per_row, .target = ln_i64(targets)[first + i]};
        status = ln_model_target(model, link, items[i].target, &target, &err);
        if (status == LN_OK) {
            const float output = ln_f32(outputs)[items[i].row * columns + target.index];
            piece->explained.output[i] = target.offset + target.scale * (double)output;
            piece->explained.baseline_output[i] = NAN;
        }
    }
    if (status == LN_OK) {
        memcpy(piece->explained.values, ln_f32(values) + first * width,
               (size_t)(count * width) * sizeof(float));
        status = ln_piece_finish(L, shape_at, piece, &err);
    }
    return status ? ln_raise(L, &err) : 1;
}

void ln_bind_precomputed(lua_State *L)
{
    static const luaL_Reg functions[] = {{"precomputed", precomputed}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
