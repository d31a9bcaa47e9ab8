/* Elements put where indices say, into a copy of the input.
 *
 * scatter_elements  y[index[i][j]][j] = update[i][j], for axis 0 of a row
 * scatter_nd        the last axis of the indices points into the first axes of a row
 * one_hot           `on` at the index along a new axis, `off` elsewhere
 *
 * With a reduction the update is added to, multiplied with, or compared with what stands there, in
 * the order of the indices. Gradients: of the update dy where it was put, of the input dy where it
 * still stands; none for mul, max and min.
 *
 * Source: ONNX's ScatterElements, ScatterND, OneHot. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/indices.h"

#define REDUCTION(owner)                                                                           \
    {                                                                                              \
        .name = "reduction", .type = LN_PARAM_CHOICE, .offset = offsetof(owner, reduction),        \
        .fallback = "\"none\"", .choices = LN_SCATTER_REDUCTIONS,                                  \
        .help = "what becomes of the number that stands there"                                     \
    }

typedef ln_status (*place_fn)(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                              ln_error *err);

/* Updates in `count` blocks of `length` elements. */
typedef struct puts {
    int64_t count, length;
    int reduction;
    place_fn place;
} puts;

static float combined(int reduction, float there, float update)
{
    switch (reduction) {
    case LN_SCATTER_ADD:
        return there + update;
    case LN_SCATTER_MUL:
        return there * update;
    case LN_SCATTER_MAX:
        return there > update || isnan(there) ? there : update;
    case LN_SCATTER_MIN:
        return there < update || isnan(there) ? there : update;
    default:
        return update;
    }
}

static int64_t combined_whole(int reduction, int64_t there, int64_t update)
{
    switch (reduction) {
    case LN_SCATTER_ADD:
        return (int64_t)((uint64_t)there + (uint64_t)update);
    case LN_SCATTER_MUL:
        return (int64_t)((uint64_t)there * (uint64_t)update);
    case LN_SCATTER_MAX:
        return there > update ? there : update;
    case LN_SCATTER_MIN:
        return there < update ? there : update;
    default:
        return update;
    }
}

static void put(const puts *p, ln_dtype dtype, void *to, int64_t place, const void *from,
                int64_t at)
{
    for (int64_t j = 0; j < p->length; j++)
        if (dtype == LN_F32) {
            float *there = (float *)to + place + j;
            *there = combined(p->reduction, *there, ((const float *)from)[at + j]);
        } else {
            ln_store_whole(to, dtype, place + j,
                           combined_whole(p->reduction, ln_load_whole(to, dtype, place + j),
                                          ln_load_whole(from, dtype, at + j)));
        }
}

static ln_status puts_forward(const ln_pass *pass, const puts *p, ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const ln_operand update = ln_operand_in(pass->step, 2);
    const size_t size = ln_dtype_size(x.dtype), index_size = ln_dtype_size(index.dtype);
    for (int64_t r = 0; r < ln_pass_rows(pass); r++) {
        char *to = (char *)pass->out[0] + (size_t)(r * x.count) * size;
        const char *indices = (const char *)pass->in[1] + (size_t)(r * index.step) * index_size;
        memcpy(to, (const char *)pass->in[0] + (size_t)(r * x.step) * size, (size_t)x.count * size);
        for (int64_t i = 0; i < p->count; i++) {
            int64_t place = 0;
            ln_status status = p->place(pass, indices, i, &place, err);
            if (status)
                return status;
            put(p, x.dtype, to, place, pass->in[2], r * update.step + i * p->length);
        }
    }
    return LN_OK;
}

/* The gradients of one row: dx (may be NULL) is written, du (may be NULL) written. */
static ln_status send_row(const ln_pass *pass, const puts *p, const void *indices, const float *dy,
                          float *dx, float *du, int64_t count, ln_error *err)
{
    if (dx)
        memcpy(dx, dy, (size_t)count * sizeof *dx);
    for (int64_t i = 0; i < p->count; i++) {
        int64_t place = 0;
        ln_status status = p->place(pass, indices, i, &place, err);
        if (status)
            return status;
        for (int64_t j = 0; j < p->length; j++) {
            if (dx && p->reduction == LN_SCATTER_NONE)
                dx[place + j] = 0;
            if (du)
                du[i * p->length + j] = dy[place + j];
        }
    }
    return LN_OK;
}

static ln_status puts_backward(const ln_pass *pass, const puts *p, ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const ln_operand update = ln_operand_in(pass->step, 2);
    const size_t index_size = ln_dtype_size(index.dtype);
    if (p->reduction > LN_SCATTER_ADD)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "it has no gradient: with its reduction the updates are multiplied or "
                       "compared");
    for (int64_t r = 0; r < pass->rows; r++) {
        const char *indices = (const char *)pass->in[1] + (size_t)(r * index.step) * index_size;
        ln_status status =
            send_row(pass, p, indices, pass->out_grad[0] + r * x.count,
                     pass->in_grad[0] ? pass->in_grad[0] + r * x.count : NULL,
                     pass->in_grad[2] ? pass->in_grad[2] + r * update.count : NULL, x.count, err);
        if (status)
            return status;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- scatter_elements */

static const ln_param scatter_elements_params[] = {
    {.name = "axis",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_scatter_attributes, axis),
     .fallback = "1",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "axis along which the indices point; 0 would be the rows"},
    REDUCTION(ln_scatter_attributes),
    LN_PARAM_END,
};

static ln_status scatter_elements_infer(const struct ln_graph *graph, const struct ln_node *node,
                                        const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_scatter_attributes *own = node->attributes;
    const ln_shape x = ln_input_row(graph, node, in, 0), index = ln_input_row(graph, node, in, 1);
    const ln_shape update = ln_input_row(graph, node, in, 2);
    char text[64], other[64], third[64];
    int axis;
    ln_status status = ln_row_axis(own->axis, x.rank, &axis, err);
    bool fits = x.rank == index.rank && ln_shape_equal(&index, &update);
    for (int i = 0; i < x.rank && fits && !status; i++)
        fits = i == axis || index.dims[i] <= x.dims[i];
    if (!status && !fits)
        status = ln_fail(err, LN_EINVALID,
                         "updates of shape %s cannot be put into shape %s by indices of shape %s",
                         ln_shape_text(&in[2], text, sizeof text),
                         ln_shape_text(&in[0], other, sizeof other),
                         ln_shape_text(&in[1], third, sizeof third));
    return status ? status : ln_result_shape(graph, node, &x, out, err);
}

static ln_status element_place(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                               ln_error *err)
{
    const ln_scatter_attributes *own = pass->step->node->attributes;
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const int axis = (int)(own->axis < 0 ? own->axis + x.row.rank : own->axis - 1);
    int64_t chosen = 0;
    ln_status status = ln_index_at(indices, index.dtype, i, x.row.dims[axis], &chosen, err);
    *place = ln_place_along(&index.row, &x.row, axis, i, chosen);
    return status;
}

static puts element_puts(const ln_pass *pass)
{
    const ln_scatter_attributes *own = pass->step->node->attributes;
    return (puts){ln_operand_in(pass->step, 1).count, 1, own->reduction, element_place};
}

static ln_status scatter_elements_forward(const ln_pass *pass, ln_error *err)
{
    const puts p = element_puts(pass);
    return puts_forward(pass, &p, err);
}

static ln_status scatter_elements_backward(const ln_pass *pass, ln_error *err)
{
    const puts p = element_puts(pass);
    return puts_backward(pass, &p, err);
}

const ln_layer ln_layer_scatter_elements = {
    .word = {.name = "scatter_elements",
             .summary = "puts elements along an axis, an index each",
             .formula = "y[index[i][j]][j] = update[i][j]",
             .source = "ONNX: ScatterElements; PyTorch: torch.scatter",
             .params = scatter_elements_params,
             .params_size = sizeof(ln_scatter_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 3,
    .max_inputs = 3,
    .types = ln_types_indexed,
    .infer = scatter_elements_infer,
    .forward = scatter_elements_forward,
    .backward = scatter_elements_backward,
};

/* ---------------------------------------------------------------- scatter_nd */

static const ln_param scatter_nd_params[] = {
    REDUCTION(ln_scatter_attributes),
    LN_PARAM_END,
};

static ln_status scatter_nd_infer(const struct ln_graph *graph, const struct ln_node *node,
                                  const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_shape x = ln_input_row(graph, node, in, 0), index = ln_input_row(graph, node, in, 1);
    const ln_shape update = ln_input_row(graph, node, in, 2);
    const int64_t depth = index.rank > 0 ? index.dims[index.rank - 1] : 0;
    char text[64], other[64], third[64];
    bool fits = depth >= 1 && depth <= x.rank && update.rank == index.rank - 1 + x.rank - depth;
    for (int i = 0; i < update.rank && fits; i++)
        fits = update.dims[i] ==
               (i < index.rank - 1 ? index.dims[i] : x.dims[i - (index.rank - 1) + depth]);
    if (!fits)
        return ln_fail(err, LN_EINVALID,
                       "updates of shape %s cannot be put into shape %s by indices of shape %s",
                       ln_shape_text(&in[2], text, sizeof text),
                       ln_shape_text(&in[0], other, sizeof other),
                       ln_shape_text(&in[1], third, sizeof third));
    return ln_result_shape(graph, node, &x, out, err);
}

static ln_status nd_place(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                          ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const int64_t depth = index.row.dims[index.row.rank - 1];
    *place = 0;
    for (int k = 0; k < x.row.rank; k++) {
        int64_t chosen = 0;
        if (k < depth) {
            ln_status status =
                ln_index_at(indices, index.dtype, i * depth + k, x.row.dims[k], &chosen, err);
            if (status)
                return status;
        }
        *place = *place * x.row.dims[k] + chosen;
    }
    return LN_OK;
}

static puts nd_puts(const ln_pass *pass)
{
    const ln_scatter_attributes *own = pass->step->node->attributes;
    const ln_operand index = ln_operand_in(pass->step, 1), update = ln_operand_in(pass->step, 2);
    const int64_t tuples = index.count / index.row.dims[index.row.rank - 1];
    return (puts){tuples, update.count / tuples, own->reduction, nd_place};
}

static ln_status scatter_nd_forward(const ln_pass *pass, ln_error *err)
{
    const puts p = nd_puts(pass);
    return puts_forward(pass, &p, err);
}

static ln_status scatter_nd_backward(const ln_pass *pass, ln_error *err)
{
    const puts p = nd_puts(pass);
    return puts_backward(pass, &p, err);
}

const ln_layer ln_layer_scatter_nd = {
    .word = {.name = "scatter_nd",
             .summary = "puts elements or slices, a tuple of indices each",
             .formula = "",
             .source = "ONNX: ScatterND",
             .params = scatter_nd_params,
             .params_size = sizeof(ln_scatter_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 3,
    .max_inputs = 3,
    .types = ln_types_indexed,
    .infer = scatter_nd_infer,
    .forward = scatter_nd_forward,
    .backward = scatter_nd_backward,
};

/* ---------------------------------------------------------------- one_hot */

static const ln_param one_hot_params[] = {
    {.name = "depth",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_one_hot_attributes, depth),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 30,
     .help = "size of the new axis"},
    {.name = "axis",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_one_hot_attributes, axis),
     .fallback = "-1",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "place of the new axis; 0 would be the rows"},
    {.name = "off",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_one_hot_attributes, off),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "what stands elsewhere"},
    {.name = "on",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_one_hot_attributes, on),
     .fallback = "1",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "what stands at the index"},
    {.name = "type",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_one_hot_attributes, type),
     .fallback = "\"f32\"",
     .choices = "f32|i64|i32",
     .help = "what numbers the result holds"},
    LN_PARAM_END,
};

static ln_status one_hot_types(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    const ln_one_hot_attributes *own = node->attributes;
    (void)graph;
    (void)in;
    (void)err;
    out[0] = own->type == 1 ? LN_I64 : own->type == 2 ? LN_I32 : LN_F32;
    return LN_OK;
}

static ln_status one_hot_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_one_hot_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = {.rank = row.rank + 1};
    int axis;
    if (result.rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "its result has more than %d axes", LN_MAX_RANK);
    if (own->depth < 1)
        return ln_fail(err, LN_EINVALID, "its depth is %lld: it must be 1 or more",
                       (long long)own->depth);
    ln_status status = ln_row_axis(own->axis, result.rank, &axis, err);
    for (int i = 0; i < result.rank && !status; i++)
        result.dims[i] = i == axis ? own->depth : row.dims[i - (i > axis)];
    return status ? status : ln_result_shape(graph, node, &result, out, err);
}

/* An index outside of the axis leaves `off` everywhere. */
static ln_status one_hot_forward(const ln_pass *pass, ln_error *err)
{
    const ln_one_hot_attributes *own = pass->step->node->attributes;
    const ln_operand x = ln_operand_in(pass->step, 0), y = ln_operand_out(pass->step, 0);
    const int axis = (int)(own->axis < 0 ? own->axis + y.row.rank : own->axis - 1);
    int64_t behind = 1;
    (void)err;
    for (int i = axis + 1; i < y.row.rank; i++)
        behind *= y.row.dims[i];
    for (int64_t i = 0; i < ln_pass_rows(pass) * y.count; i++) {
        const int64_t place = i / behind % own->depth;
        const int64_t from = i / (behind * own->depth) * behind + i % behind;
        const double index = ln_load_real(pass->in[0], x.dtype, from);
        const bool here = index == (double)place || index + (double)own->depth == (double)place;
        if (y.dtype == LN_F32)
            ((float *)pass->out[0])[i] = (float)(here ? own->on : own->off);
        else
            ln_store_whole(pass->out[0], y.dtype, i, (int64_t)(here ? own->on : own->off));
    }
    return LN_OK;
}

static ln_status one_hot_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    if (pass->in_grad[0])
        memset(pass->in_grad[0], 0,
               (size_t)(pass->rows * ln_operand_in(pass->step, 0).count) * sizeof(float));
    return LN_OK;
}

const ln_layer ln_layer_one_hot = {
    .word = {.name = "one_hot",
             .summary = "a new axis with one number at the index, another elsewhere",
             .formula = "y[i] = on where i = x, else off",
             .source = "ONNX: OneHot",
             .params = one_hot_params,
             .params_size = sizeof(ln_one_hot_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = one_hot_types,
    .infer = one_hot_infer,
    .forward = one_hot_forward,
    .backward = one_hot_backward,
};
