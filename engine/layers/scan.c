/* cumsum: running sums along an axis, in float64; log_softmax: the logarithm of softmax, without its
 * underflow; trilu: a triangle of the last two axes.
 *
 * cumsum       y_i = sum of x_j, j <= i (exclusive: j < i; reverse: from the other end); the gradient
 *              is the same sum from the other end
 * log_softmax  y_i = x_i - log sum_j exp(x_j), dx_i = dy_i - exp(y_i) sum_j dy_j
 * trilu        y_ij = x_ij where j - i >= k (upper) or j - i <= k (lower), else 0
 *
 * Source: ONNX's CumSum and Trilu, torch.nn.LogSoftmax. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/lines.h"

#define AXIS_PARAM(owner, text)                                                                    \
    {                                                                                              \
        .name = "axis", .type = LN_PARAM_INT, .offset = offsetof(owner, axis), .fallback = "-1",   \
        .min = -LN_MAX_RANK, .max = LN_MAX_RANK - 1, .help = text                                  \
    }

/* ---------------------------------------------------------------- cumsum */

static const ln_param cumsum_params[] = {
    AXIS_PARAM(ln_cumsum_attributes, "axis along which is summed; 0 would be the rows"),
    {.name = "exclusive",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_cumsum_attributes, exclusive),
     .fallback = "false",
     .help = "without the number itself"},
    {.name = "reverse",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_cumsum_attributes, reverse),
     .fallback = "false",
     .help = "from the end"},
    LN_PARAM_END,
};

static ln_status cumsum_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_cumsum_attributes *own = node->attributes;
    int axis;
    out[0] = in[0];
    return ln_row_axis(own->axis, ln_input_row(graph, node, in, 0).rank, &axis, err);
}

static void sum_line(const float *x, float *y, const ln_lines *lines, bool exclusive, bool reverse)
{
    double sum = 0;
    for (int64_t k = 0; k < lines->count; k++) {
        const int64_t at = (reverse ? lines->count - 1 - k : k) * lines->step;
        const double next = sum + (double)x[at];
        y[at] = (float)(exclusive ? sum : next);
        sum = next;
    }
}

static void sum_whole_line(const ln_pass *pass, ln_dtype dtype, int64_t start,
                           const ln_lines *lines, bool exclusive, bool reverse)
{
    uint64_t sum = 0;
    for (int64_t k = 0; k < lines->count; k++) {
        const int64_t at = start + (reverse ? lines->count - 1 - k : k) * lines->step;
        const uint64_t next = sum + (uint64_t)ln_load_whole(pass->in[0], dtype, at);
        ln_store_whole(pass->out[0], dtype, at, (int64_t)(exclusive ? sum : next));
        sum = next;
    }
}

static ln_status cumsum_forward(const ln_pass *pass, ln_error *err)
{
    const ln_cumsum_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    const ln_dtype dtype = ln_operand_in(pass->step, 0).dtype;
    (void)err;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j);
            if (dtype == LN_F32)
                sum_line((const float *)pass->in[0] + at, (float *)pass->out[0] + at, &lines,
                         own->exclusive, own->reverse);
            else
                sum_whole_line(pass, dtype, at, &lines, own->exclusive, own->reverse);
        }
    return LN_OK;
}

static ln_status cumsum_backward(const ln_pass *pass, ln_error *err)
{
    const ln_cumsum_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    (void)err;
    for (int64_t i = 0; i < lines.outer && pass->in_grad[0]; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j);
            sum_line(pass->out_grad[0] + at, pass->in_grad[0] + at, &lines, own->exclusive,
                     !own->reverse);
        }
    return LN_OK;
}

const ln_layer ln_layer_cumsum = {
    .word = {.name = "cumsum",
             .summary = "running sums along an axis",
             .formula = "y_i = sum of x_j, j <= i",
             .source = "ONNX: CumSum",
             .params = cumsum_params,
             .params_size = sizeof(ln_cumsum_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = ln_types_same,
    .infer = cumsum_infer,
    .forward = cumsum_forward,
    .backward = cumsum_backward,
};

/* ---------------------------------------------------------------- log_softmax */

static const ln_param log_softmax_params[] = {
    AXIS_PARAM(ln_axis_attributes, "axis whose exponentials then sum to 1; 0 would be the rows"),
    LN_PARAM_END,
};

static ln_status log_softmax_infer(const struct ln_graph *graph, const struct ln_node *node,
                                   const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    int axis;
    out[0] = in[0];
    return ln_row_axis(own->axis, ln_input_row(graph, node, in, 0).rank, &axis, err);
}

static void log_softmax_line(const float *x, float *y, const ln_lines *lines)
{
    float greatest = x[0];
    for (int64_t k = 1; k < lines->count; k++)
        greatest = x[k * lines->step] > greatest ? x[k * lines->step] : greatest;
    double sum = exp((double)x[0] - (double)greatest);
    for (int64_t k = 1; k < lines->count; k++)
        sum += exp((double)x[k * lines->step] - (double)greatest);
    const double rest = log(sum); /* apart: beside a large maximum it would be rounded away */
    for (int64_t k = 0; k < lines->count; k++)
        y[k * lines->step] = (float)((double)x[k * lines->step] - (double)greatest - rest);
}

static ln_status log_softmax_forward(const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    (void)err;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j);
            log_softmax_line((const float *)pass->in[0] + at, (float *)pass->out[0] + at, &lines);
        }
    return LN_OK;
}

static void log_softmax_line_backward(const float *y, const float *dy, float *dx,
                                      const ln_lines *lines)
{
    double sum = 0;
    for (int64_t k = 0; k < lines->count; k++)
        sum += (double)dy[k * lines->step];
    for (int64_t k = 0; k < lines->count; k++) {
        const int64_t at = k * lines->step;
        dx[at] = (float)((double)dy[at] - exp((double)y[at]) * sum);
    }
}

static ln_status log_softmax_backward(const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_lines lines = ln_lines_of(pass, own->axis);
    (void)err;
    for (int64_t i = 0; i < lines.outer && pass->in_grad[0]; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = ln_line_at(&lines, i, j);
            log_softmax_line_backward((const float *)pass->out[0] + at, pass->out_grad[0] + at,
                                      pass->in_grad[0] + at, &lines);
        }
    return LN_OK;
}

const ln_layer ln_layer_log_softmax = {
    .word = {.name = "log_softmax",
             .summary = "logarithms of probabilities that sum to 1",
             .formula = "y_i = x_i - log sum_j exp(x_j)",
             .source = "PyTorch: torch.nn.LogSoftmax",
             .params = log_softmax_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = log_softmax_infer,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
};

/* ---------------------------------------------------------------- trilu */

static const ln_param trilu_params[] = {
    {.name = "upper",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_trilu_attributes, upper),
     .fallback = "true",
     .help = "the triangle above stays, else the one below"},
    {.name = "k",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_trilu_attributes, k),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "how far above the main diagonal the triangle's edge is"},
    LN_PARAM_END,
};

static ln_status trilu_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, ln_shape *out, ln_error *err)
{
    char text[64];
    out[0] = in[0];
    if (ln_input_row(graph, node, in, 0).rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: a row must have two axes",
                       ln_shape_text(&in[0], text, sizeof text));
    return LN_OK;
}

static void copy_triangle(const ln_pass *pass, const void *from, void *to, size_t size)
{
    const ln_trilu_attributes *own = pass->step->node->attributes;
    const ln_operand x = ln_operand_in(pass->step, 0);
    const int64_t columns = x.row.dims[x.row.rank - 1], rows = x.row.dims[x.row.rank - 2];
    const int64_t lines = ln_pass_rows(pass) * x.count / columns;
    for (int64_t line = 0; line < lines; line++)
        for (int64_t j = 0; j < columns; j++) {
            const int64_t above = j - line % rows;
            const size_t at = (size_t)(line * columns + j) * size;
            if (own->upper ? above >= own->k : above <= own->k)
                memcpy((char *)to + at, (const char *)from + at, size);
            else
                memset((char *)to + at, 0, size);
        }
}

static ln_status trilu_forward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    copy_triangle(pass, pass->in[0], pass->out[0],
                  ln_dtype_size(ln_operand_in(pass->step, 0).dtype));
    return LN_OK;
}

static ln_status trilu_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    if (pass->in_grad[0])
        copy_triangle(pass, pass->out_grad[0], pass->in_grad[0], sizeof(float));
    return LN_OK;
}

const ln_layer ln_layer_trilu = {
    .word = {.name = "trilu",
             .summary = "keeps a triangle of the last two axes, 0 elsewhere",
             .formula = "y_ij = x_ij where j - i >= k, else 0",
             .source = "ONNX: Trilu",
             .params = trilu_params,
             .params_size = sizeof(ln_trilu_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = ln_types_same,
    .infer = trilu_infer,
    .forward = trilu_forward,
    .backward = trilu_backward,
};
