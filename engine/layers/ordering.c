/* What is greatest along an axis, and in which order.
 *
 * argument   the place of the greatest or least number (the first, or the last of equal ones)
 * topk       the k greatest or least numbers in order and their places; equal ones by place
 * hardmax    1 at the first greatest number, 0 elsewhere
 *
 * A NaN is the greatest of all, as in PyTorch. The gradient of topk goes back to where the numbers
 * were; places and hardmax have none. Cost: topk sorts each line.
 *
 * Source: ONNX's ArgMax, ArgMin, TopK, Hardmax. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "layers/lines.h"

#define AXIS_PARAM(owner, text)                                                                    \
    {                                                                                              \
        .name = "axis", .type = LN_PARAM_INT, .offset = offsetof(owner, axis), .fallback = "-1",   \
        .min = -LN_MAX_RANK, .max = LN_MAX_RANK - 1, .help = text                                  \
    }

static ln_status nothing_back(const ln_pass *pass, ln_error *err)
{
    (void)err;
    const int64_t count = pass->rows * ln_operand_in(pass->step, 0).count;
    for (int64_t i = 0; i < count && pass->in_grad[0]; i++)
        pass->in_grad[0][i] = 0;
    return LN_OK;
}

/* ---------------------------------------------------------------- argument */

static const ln_param argument_params[] = {
    AXIS_PARAM(ln_argument_attributes,
               "axis along which places are looked for; 0 would be the rows"),
    {.name = "least",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_argument_attributes, least),
     .fallback = "false",
     .help = "of the least number"},
    {.name = "last",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_argument_attributes, last),
     .fallback = "false",
     .help = "the last place of equal numbers"},
    {.name = "keepdims",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_argument_attributes, keepdims),
     .fallback = "false",
     .help = "the axis stays, of size 1"},
    LN_PARAM_END,
};

static ln_status argument_types(const struct ln_graph *graph, const struct ln_node *node,
                                const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    (void)in;
    (void)err;
    out[0] = LN_I64;
    return LN_OK;
}

static ln_status argument_infer(const struct ln_graph *graph, const struct ln_node *node,
                                const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_argument_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = {0};
    int axis;
    ln_status status = ln_row_axis(own->axis, row.rank, &axis, err);
    for (int i = 0; i < row.rank && !status; i++)
        if (i != axis)
            result.dims[result.rank++] = row.dims[i];
        else if (own->keepdims)
            result.dims[result.rank++] = 1;
    return status ? status : ln_result_shape(graph, node, &result, out, err);
}

/* Whether a comes before b among the greatest (least: among the least). */
static bool before(double a, double b, bool least)
{
    if (isnan(a) || isnan(b))
        return least ? !isnan(a) && isnan(b) : isnan(a) && !isnan(b);
    return least ? a < b : a > b;
}

static int64_t place_of(const void *x, ln_dtype dtype, const ln_lines *lines, int64_t at,
                        bool least, bool last)
{
    int64_t found = 0;
    double best = ln_load_real(x, dtype, at);
    for (int64_t k = 1; k < lines->count; k++) {
        const double number = ln_load_real(x, dtype, at + k * lines->step);
        if (before(number, best, least) || (last && !before(best, number, least))) {
            found = k;
            best = number;
        }
    }
    return found;
}

static ln_status argument_forward(const ln_pass *pass, ln_error *err)
{
    const ln_argument_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    const ln_dtype dtype = ln_operand_in(pass->step, 0).dtype;
    int64_t *y = pass->out[0];
    (void)err;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t j = 0; j < lines.step; j++)
            y[i * lines.step + j] = place_of(pass->in[0], dtype, &lines, ln_line_at(&lines, i, j),
                                             own->least, own->last);
    return LN_OK;
}

const ln_layer ln_layer_argument = {
    .word = {.name = "argument",
             .summary = "the place of the greatest or least number along an axis",
             .formula = "y = argmax x or argmin x",
             .source = "ONNX: ArgMax, ArgMin",
             .params = argument_params,
             .params_size = sizeof(ln_argument_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = argument_types,
    .infer = argument_infer,
    .forward = argument_forward,
    .backward = nothing_back,
};

/* ---------------------------------------------------------------- hardmax */

static const ln_param hardmax_params[] = {
    AXIS_PARAM(ln_axis_attributes, "axis along which one number becomes 1; 0 would be the rows"),
    LN_PARAM_END,
};

static ln_status axis_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    int axis;
    out[0] = in[0];
    return ln_row_axis(own->axis, ln_input_row(graph, node, in, 0).rank, &axis, err);
}

static ln_status hardmax_forward(const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    float *y = pass->out[0];
    (void)err;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j);
            const int64_t place = place_of(pass->in[0], LN_F32, &lines, at, false, false);
            for (int64_t k = 0; k < lines.count; k++)
                y[at + k * lines.step] = k == place;
        }
    return LN_OK;
}

const ln_layer ln_layer_hardmax = {
    .word = {.name = "hardmax",
             .summary = "1 at the greatest number along an axis, 0 elsewhere",
             .formula = "y_i = 1 where i = argmax x, else 0",
             .source = "ONNX: Hardmax",
             .params = hardmax_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = axis_infer,
    .forward = hardmax_forward,
    .backward = nothing_back,
};

/* ---------------------------------------------------------------- topk */

static const ln_param topk_params[] = {
    {.name = "k",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_topk_attributes, k),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = HUGE_VAL,
     .help = "how many"},
    AXIS_PARAM(ln_topk_attributes, "axis along which they are looked for; 0 would be the rows"),
    {.name = "least",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_topk_attributes, least),
     .fallback = "false",
     .help = "the least ones"},
    LN_PARAM_END,
};

static ln_status topk_types(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)err;
    out[0] = in[0];
    if (node->output_count > 1)
        out[1] = LN_I64;
    return LN_OK;
}

static ln_status topk_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_topk_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    int axis;
    ln_status status = ln_row_axis(own->axis, row.rank, &axis, err);
    if (status)
        return status;
    if (own->k < 1 || own->k > row.dims[axis])
        return ln_fail(err, LN_EINVALID, "k is %lld: along its axis there are 1 to %lld numbers",
                       (long long)own->k, (long long)row.dims[axis]);
    result.dims[axis] = own->k;
    for (int i = 0; i < node->output_count && !status; i++)
        status = ln_result_shape(graph, node, &result, &out[i], err);
    return status;
}

typedef struct placed {
    double number;
    int64_t place;
    bool least;
} placed;

static int by_number(const void *left, const void *right)
{
    const placed *a = left, *b = right;
    if (before(a->number, b->number, a->least))
        return -1;
    if (before(b->number, a->number, a->least))
        return 1;
    return a->place < b->place ? -1 : 1;
}

static ln_status topk_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_topk_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0);
    const int axis = (int)(own->axis < 0 ? own->axis + x.row.rank : own->axis - 1);
    (void)constant;
    (void)err;
    step->scratch_bytes = (size_t)x.row.dims[axis] * sizeof(placed);
    return LN_OK;
}

/* The line at `at` in order. */
static const placed *sort_line(const ln_pass *pass, const ln_lines *lines, int64_t at)
{
    const ln_topk_attributes *own = pass->step->node->attributes;
    const ln_dtype dtype = ln_operand_in(pass->step, 0).dtype;
    placed *line = pass->scratch;
    for (int64_t k = 0; k < lines->count; k++)
        line[k] = (placed){ln_load_real(pass->in[0], dtype, at + k * lines->step), k, own->least};
    qsort(line, (size_t)lines->count, sizeof *line, by_number);
    return line;
}

static ln_status topk_forward(const ln_pass *pass, ln_error *err)
{
    const ln_topk_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    const ln_dtype dtype = ln_operand_in(pass->step, 0).dtype;
    (void)err;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j), to = i * own->k * lines.step + j;
            const placed *line = sort_line(pass, &lines, at);
            for (int64_t k = 0; k < own->k; k++) {
                const int64_t from = at + line[k].place * lines.step;
                if (dtype == LN_F32)
                    ((float *)pass->out[0])[to + k * lines.step] =
                        ((const float *)pass->in[0])[from];
                else
                    ln_store_whole(pass->out[0], dtype, to + k * lines.step,
                                   ln_load_whole(pass->in[0], dtype, from));
                if (pass->step->node->output_count > 1)
                    ((int64_t *)pass->out[1])[to + k * lines.step] = line[k].place;
            }
        }
    return LN_OK;
}

static ln_status topk_backward(const ln_pass *pass, ln_error *err)
{
    const ln_topk_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    const float *dy = pass->out_grad[0];
    nothing_back(pass, err);
    for (int64_t i = 0; i < lines.outer && pass->in_grad[0]; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j), to = i * own->k * lines.step + j;
            const placed *line = sort_line(pass, &lines, at);
            for (int64_t k = 0; k < own->k; k++)
                pass->in_grad[0][at + line[k].place * lines.step] = dy[to + k * lines.step];
        }
    return LN_OK;
}

const ln_layer ln_layer_topk = {
    .word = {.name = "topk",
             .summary = "the greatest or least numbers along an axis, in order, and their places",
             .formula = "",
             .source = "ONNX: TopK",
             .params = topk_params,
             .params_size = sizeof(ln_topk_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = topk_types,
    .infer = topk_infer,
    .prepare = topk_prepare,
    .forward = topk_forward,
    .backward = topk_backward,
};
