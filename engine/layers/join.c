/* Joins of branches.
 *
 * add      y = a + b + ..., shapes broadcast from the right as numpy does; what is not of the result's
 *          shape may only be broadcast within a row or be a constant (a bias). The gradient of an
 *          operand is dy, summed over what was broadcast, in float64 and in index order.
 * concat   operands side by side along an axis; the gradient is cut apart again.
 *
 * Source: ONNX's Add and Concat, torch.cat. */
#include <stddef.h>
#include <string.h>

#include "layers/common.h"

/* ---------------------------------------------------------------- add */

static ln_status add_infer(const struct ln_graph *graph, const struct ln_node *node,
                           const ln_shape *in, ln_shape *out, ln_error *err)
{
    char text[64], other[64];
    out[0] = in[0];
    for (int k = 1; k < node->input_count; k++) {
        ln_shape joined = {.rank = in[k].rank > out[0].rank ? in[k].rank : out[0].rank};
        for (int i = 1; i <= joined.rank; i++) {
            const int64_t a = i <= out[0].rank ? out[0].dims[out[0].rank - i] : 1;
            const int64_t b = i <= in[k].rank ? in[k].dims[in[k].rank - i] : 1;
            if (a != b && a != 1 && b != 1)
                return ln_fail(err, LN_EINVALID, "shapes %s and %s cannot be added",
                               ln_shape_text(&out[0], text, sizeof text),
                               ln_shape_text(&in[k], other, sizeof other));
            joined.dims[joined.rank - i] = a == 1 ? b : a;
        }
        out[0] = joined;
    }
    /* Rows meet rows: an operand that has them has them in the same place. */
    for (int k = 0; k < node->input_count; k++)
        if (!graph->values[node->inputs[k]].fixed && in[k].rank != out[0].rank)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "shape %s is added to %s: rows must be the first dimension of both",
                           ln_shape_text(&in[k], text, sizeof text),
                           ln_shape_text(&out[0], other, sizeof other));
    return LN_OK;
}

/* How the result's elements find those of an operand. */
typedef struct broadcast {
    int64_t count;             /* the result's elements in this pass */
    int rank;                  /* of the result */
    int64_t dims[LN_MAX_RANK]; /* of the result in this pass */
    int64_t step[LN_MAX_RANK]; /* of the operand an axis; 0 where it is broadcast */
    int64_t period;            /* > 0: element i of the result is i % period of the operand */
} broadcast;

static broadcast broadcast_of(const ln_pass *pass, int operand)
{
    const ln_shape *in = &pass->step->in_shape[operand], *out = &pass->step->out_shape[0];
    broadcast b = {.count = ln_pass_count(pass, out), .rank = out->rank};
    int64_t step = 1;
    bool broadcasts = false, suffix = true;
    for (int i = out->rank - 1; i >= 0; i--) {
        const int own = i - (out->rank - in->rank);
        b.dims[i] = i == 0 ? pass->rows : out->dims[i];
        if (own < 0 || (in->dims[own] == 1 && out->dims[i] != 1)) {
            broadcasts = true;
        } else {
            suffix = suffix && (!broadcasts || in->dims[own] == 1);
            b.step[i] = step;
            step *= in->dims[own];
        }
    }
    if (suffix)
        b.period = broadcasts ? step : b.count;
    return b;
}

/* The operand's element for each element of the result, axis by axis. */
static int64_t operand_index(const broadcast *b, int64_t index)
{
    int64_t at = 0;
    for (int i = b->rank - 1; i >= 0; i--) {
        at += index % b->dims[i] * b->step[i];
        index /= b->dims[i];
    }
    return at;
}

static void add_operand(const broadcast *b, const float *from, float *sum, bool first)
{
    if (b->period > 0) {
        for (int64_t i = 0; i < b->count; i += b->period)
            for (int64_t j = 0; j < b->period && i + j < b->count; j++)
                sum[i + j] = first ? from[j] : sum[i + j] + from[j];
        return;
    }
    for (int64_t i = 0; i < b->count; i++) {
        const float x = from[operand_index(b, i)];
        sum[i] = first ? x : sum[i] + x;
    }
}

static ln_status add_forward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int k = 0; k < pass->step->node->input_count; k++) {
        const broadcast b = broadcast_of(pass, k);
        add_operand(&b, pass->in[k], pass->out[0], k == 0);
    }
    return LN_OK;
}

/* Elements of the operand that the pass has. */
static int64_t operand_count(const ln_pass *pass, int operand)
{
    const ln_step *step = pass->step;
    const ln_shape *shape = &step->in_shape[operand];
    return step->graph->values[step->node->inputs[operand]].fixed ? ln_shape_count(shape)
                                                                  : ln_pass_count(pass, shape);
}

static ln_status add_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    int64_t most = 0;
    (void)constant;
    (void)err;
    for (int k = 0; k < step->node->input_count; k++)
        if (!ln_shape_equal(&step->in_shape[k], &step->out_shape[0]) &&
            ln_shape_count(&step->in_shape[k]) > most)
            most = ln_shape_count(&step->in_shape[k]);
    if (step->gradient || step->training)
        step->scratch_bytes = (size_t)most * sizeof(double);
    return LN_OK;
}

/* to = (added ? to : 0) + dy, summed over what was broadcast. */
static void add_gradient(const ln_pass *pass, int operand, float *to, bool added)
{
    const ln_step *step = pass->step;
    const broadcast b = broadcast_of(pass, operand);
    const int64_t count = operand_count(pass, operand);
    const float *dy = pass->out_grad[0];
    if (ln_shape_equal(&step->in_shape[operand], &step->out_shape[0])) {
        for (int64_t i = 0; i < count; i++)
            to[i] = added ? to[i] + dy[i] : dy[i];
        return;
    }
    double *sum = pass->scratch;
    for (int64_t i = 0; i < count; i++)
        sum[i] = 0;
    for (int64_t i = 0; i < b.count; i++)
        sum[b.period > 0 ? i % b.period : operand_index(&b, i)] += (double)dy[i];
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(added ? (double)to[i] + sum[i] : sum[i]);
}

static ln_status add_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int k = 0; k < pass->step->node->input_count; k++)
        if (pass->in_grad[k])
            add_gradient(pass, k, pass->in_grad[k], false);
    return LN_OK;
}

static ln_status add_backward_parameters(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int k = 0; k < pass->step->node->input_count; k++)
        if (pass->in_grad[k])
            add_gradient(pass, k, pass->in_grad[k], true);
    return LN_OK;
}

const ln_layer ln_layer_add = {
    .word = {.name = "add",
             .summary = "adds branches, or a constant to a branch",
             .formula = "y = a + b + ...",
             .source = "ONNX: Add"},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 2,
    .max_inputs = -1,
    .infer = add_infer,
    .prepare = add_prepare,
    .forward = add_forward,
    .backward = add_backward,
    .backward_parameters = add_backward_parameters,
};

/* ---------------------------------------------------------------- concat */

static const ln_param concat_params[] = {
    {.name = "axis",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_axis_attributes, axis),
     .fallback = "1",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "axis along which the branches lie side by side; 0 would be the rows"},
    LN_PARAM_END,
};

static ln_status concat_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    char text[64], other[64];
    int axis;
    ln_status status = ln_axis_resolve(own->axis, in[0].rank, &axis, err);
    if (status)
        return status;
    out[0] = in[0];
    for (int k = 1; k < node->input_count; k++) {
        ln_shape same = in[k];
        if (graph->values[node->inputs[k]].fixed != graph->values[node->inputs[0]].fixed)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "a constant lies beside rows: constants have no rows of their own");
        if (same.rank == in[0].rank)
            same.dims[axis] = in[0].dims[axis];
        if (!ln_shape_equal(&same, &in[0]))
            return ln_fail(err, LN_EINVALID,
                           "shapes %s and %s differ in more than axis %d: they cannot be joined",
                           ln_shape_text(&in[0], text, sizeof text),
                           ln_shape_text(&in[k], other, sizeof other), axis);
        out[0].dims[axis] += in[k].dims[axis];
    }
    return LN_OK;
}

/* Elements of an operand that lie together: from the axis on. */
static int64_t run_length(const ln_shape *shape, int axis)
{
    int64_t length = 1;
    for (int i = axis; i < shape->rank; i++)
        length *= shape->dims[i];
    return length;
}

static int concat_axis(const ln_pass *pass)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    return (int)(own->axis < 0 ? own->axis + pass->step->out_shape[0].rank : own->axis);
}

static ln_status concat_forward(const ln_pass *pass, ln_error *err)
{
    const ln_step *step = pass->step;
    const int axis = concat_axis(pass);
    const int64_t whole = run_length(&step->out_shape[0], axis);
    const int64_t runs = ln_pass_count(pass, &step->out_shape[0]) / whole;
    float *to = pass->out[0];
    (void)err;
    for (int k = 0; k < step->node->input_count; k++) {
        const int64_t length = run_length(&step->in_shape[k], axis);
        for (int64_t i = 0; i < runs; i++)
            memcpy(to + i * whole, (const float *)pass->in[k] + i * length,
                   (size_t)length * sizeof(float));
        to += length;
    }
    return LN_OK;
}

static ln_status concat_backward(const ln_pass *pass, ln_error *err)
{
    const ln_step *step = pass->step;
    const int axis = concat_axis(pass);
    const int64_t whole = run_length(&step->out_shape[0], axis);
    const int64_t runs = ln_pass_count(pass, &step->out_shape[0]) / whole;
    const float *from = pass->out_grad[0];
    (void)err;
    for (int k = 0; k < step->node->input_count; k++) {
        const int64_t length = run_length(&step->in_shape[k], axis);
        for (int64_t i = 0; i < runs && pass->in_grad[k]; i++)
            memcpy(pass->in_grad[k] + i * length, from + i * whole, (size_t)length * sizeof(float));
        from += length;
    }
    return LN_OK;
}

const ln_layer ln_layer_concat = {
    .word = {.name = "concat",
             .summary = "puts branches side by side along an axis",
             .formula = "",
             .source = "PyTorch: torch.cat; ONNX: Concat",
             .params = concat_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = -1,
    .infer = concat_infer,
    .forward = concat_forward,
    .backward = concat_backward,
};
