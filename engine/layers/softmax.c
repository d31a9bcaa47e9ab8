/* softmax and the losses that the link "loss" explains.
 *
 * softmax       y_i = exp(x_i - max x) / sum_j exp(x_j - max x) along one axis,
 *               dx_i = y_i (dy_i - sum_j dy_j y_j)
 * class_loss    what the cross entropy would be if class c were the label, for every c:
 *               (N, C > 1): y_c = log sum_j exp(x_j) - x_c
 *               (N, 1):     y_0 = log(1 + exp(x)), y_1 = log(1 + exp(-x))
 *
 * Sums run in float64, in a fixed order; the maximum is taken off first, so that nothing
 * overflows. A NaN among the inputs makes its whole row of the axis NaN, as in PyTorch.
 *
 * Source: torch.nn.Softmax, torch.nn.CrossEntropyLoss, torch.nn.BCEWithLogitsLoss. */
#include <math.h>
#include <stddef.h>

#include "kernels/elementary.h"
#include "layers/common.h"

static const ln_param softmax_params[] = {
    {.name = "axis",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_axis_attributes, axis),
     .fallback = "-1",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "axis whose elements then sum to 1; 0 would be the rows"},
    LN_PARAM_END,
};

/* Lines along an axis: `lines` of them a row of the value, `count` elements `step` apart. */
typedef struct axis_lines {
    int64_t outer; /* groups of lines in the pass */
    int64_t count; /* elements along the axis */
    int64_t step;  /* from element to element; lines of a group start side by side */
} axis_lines;

static axis_lines lines_of(const ln_pass *pass)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_shape *shape = &pass->step->out_shape[0];
    const int axis = (int)(own->axis < 0 ? own->axis + shape->rank : own->axis);
    axis_lines lines = {.outer = pass->rows, .count = shape->dims[axis], .step = 1};
    for (int i = 1; i < axis; i++)
        lines.outer *= shape->dims[i];
    for (int i = axis + 1; i < shape->rank; i++)
        lines.step *= shape->dims[i];
    return lines;
}

static ln_status softmax_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    int axis;
    (void)graph;
    out[0] = in[0];
    return ln_axis_resolve(own->axis, in[0].rank, &axis, err);
}

/* A line whose numbers do not lie together. */
static void softmax_line(const float *x, float *y, int64_t count, int64_t step)
{
    float greatest = x[0];
    double sum = 0;
    for (int64_t i = 1; i < count; i++)
        greatest = x[i * step] > greatest ? x[i * step] : greatest;
    for (int64_t i = 0; i < count; i++)
        y[i * step] = expf(x[i * step] - greatest);
    for (int64_t i = 0; i < count; i++)
        sum += (double)y[i * step];
    for (int64_t i = 0; i < count; i++)
        y[i * step] = (float)((double)y[i * step] / sum);
}

static ln_status softmax_forward(const ln_pass *pass, ln_error *err)
{
    const axis_lines lines = lines_of(pass);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    (void)err;
    if (lines.step == 1)
        ln_elementary_choose()->softmax(lines.outer, lines.count, x, y);
    for (int64_t i = 0; i < lines.outer && lines.step > 1; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = i * lines.count * lines.step + j;
            softmax_line(x + at, y + at, lines.count, lines.step);
        }
    return LN_OK;
}

static void softmax_line_backward(const float *y, const float *dy, float *dx, int64_t count,
                                  int64_t step)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)dy[i * step] * (double)y[i * step];
    for (int64_t i = 0; i < count; i++)
        dx[i * step] = (float)((double)y[i * step] * ((double)dy[i * step] - sum));
}

static ln_status softmax_backward(const ln_pass *pass, ln_error *err)
{
    const axis_lines lines = lines_of(pass);
    (void)err;
    if (!pass->in_grad[0])
        return LN_OK;
    if (lines.step == 1)
        ln_elementary_choose()->softmax_back(lines.outer, lines.count, pass->out[0],
                                             pass->out_grad[0], pass->in_grad[0]);
    for (int64_t i = 0; i < lines.outer && lines.step > 1; i++)
        for (int64_t j = 0; j < lines.step; j++) {
            const int64_t at = i * lines.count * lines.step + j;
            softmax_line_backward((const float *)pass->out[0] + at, pass->out_grad[0] + at,
                                  pass->in_grad[0] + at, lines.count, lines.step);
        }
    return LN_OK;
}

const ln_layer ln_layer_softmax = {
    .word = {.name = "softmax",
             .summary = "turns numbers into probabilities that sum to 1",
             .formula = "y_i = exp(x_i) / sum_j exp(x_j)",
             .source = "PyTorch: torch.nn.Softmax",
             .params = softmax_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = softmax_infer,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

/* ---------------------------------------------------------------- class_loss */

static ln_status class_loss_infer(const struct ln_graph *graph, const struct ln_node *node,
                                  const ln_shape *in, ln_shape *out, ln_error *err)
{
    char text[64];
    (void)graph;
    (void)node;
    if (in[0].rank != 2)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, classes)",
                       ln_shape_text(&in[0], text, sizeof text));
    out[0] = in[0];
    if (out[0].dims[1] == 1)
        out[0].dims[1] = 2;
    return LN_OK;
}

/* log(1 + exp(x)) without overflow. */
static double log_one_plus_exp(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* log sum_j exp(x_j) is *greatest + what it returns: apart, since beside a large one that would be rounded
 * away. */
static double log_sum_exp(const float *x, int64_t count, double *greatest)
{
    float most = x[0];
    for (int64_t i = 1; i < count; i++)
        most = x[i] > most ? x[i] : most;
    double sum = exp((double)x[0] - (double)most);
    for (int64_t i = 1; i < count; i++)
        sum += exp((double)x[i] - (double)most);
    *greatest = (double)most;
    return log(sum);
}

static ln_status class_loss_forward(const ln_pass *pass, ln_error *err)
{
    const int64_t inputs = pass->step->in_shape[0].dims[1];
    const float *x = pass->in[0];
    float *y = pass->out[0];
    (void)err;
    for (int64_t r = 0; r < pass->rows; r++) {
        if (inputs == 1) {
            y[2 * r] = (float)log_one_plus_exp((double)x[r]);
            y[2 * r + 1] = (float)log_one_plus_exp(-(double)x[r]);
            continue;
        }
        double greatest;
        const double rest = log_sum_exp(x + r * inputs, inputs, &greatest);
        for (int64_t c = 0; c < inputs; c++)
            y[r * inputs + c] = (float)(greatest - (double)x[r * inputs + c] + rest);
    }
    return LN_OK;
}

static ln_status class_loss_backward(const ln_pass *pass, ln_error *err)
{
    const int64_t inputs = pass->step->in_shape[0].dims[1];
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    (void)err;
    for (int64_t r = 0; r < pass->rows && dx; r++) {
        if (inputs == 1) {
            const double p = 1 / (1 + exp(-(double)x[r]));
            dx[r] = (float)(p * (double)dy[2 * r] - (1 - p) * (double)dy[2 * r + 1]);
            continue;
        }
        double greatest, sum = 0;
        const double rest = log_sum_exp(x + r * inputs, inputs, &greatest);
        for (int64_t c = 0; c < inputs; c++)
            sum += (double)dy[r * inputs + c];
        for (int64_t c = r * inputs; c < (r + 1) * inputs; c++)
            dx[c] = (float)(exp((double)x[c] - greatest - rest) * sum - (double)dy[c]);
    }
    return LN_OK;
}

const ln_layer ln_layer_class_loss = {
    .word = {.name = "class_loss",
             .summary = "the cross entropy of every class, as if it were the label",
             .formula = "y_c = log sum_j exp(x_j) - x_c",
             .source = "PyTorch: torch.nn.CrossEntropyLoss, torch.nn.BCEWithLogitsLoss"},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = class_loss_infer,
    .forward = class_loss_forward,
    .backward = class_loss_backward,
};
