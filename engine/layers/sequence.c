/* reverse_sequence: the first `length` elements of the time axis in reverse, the others as they are; one
 * length for all, or one for each element of the batch axis, which stands beside the time axis. A table
 * of offsets (move.h): where there is a batch axis, both axes are one.
 *
 * Source: ONNX's ReverseSequence. */
#include <stddef.h>

#include "layers/move.h"

#define AXIS(field, literal, text)                                                                 \
    {                                                                                              \
        .name = #field, .type = LN_PARAM_INT, .offset = offsetof(ln_reverse_attributes, field),    \
        .fallback = literal, .min = 0, .max = LN_MAX_RANK - 1, .help = text                        \
    }
static const ln_param reverse_params[] = {
    AXIS(time, LN_REQUIRED, "axis that is reversed"),
    AXIS(batch, "0", "axis whose elements have a length each; 0: one length for all"),
    LN_PARAM_END,
};

static ln_status reverse_types(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    out[0] = in[0];
    if (in[1] != LN_I64)
        return ln_fail(err, LN_EINVALID, "its lengths hold %s numbers: they must be i64",
                       ln_dtype_name(in[1]));
    return LN_OK;
}

static ln_status reverse_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_reverse_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    const int64_t apart = own->time - own->batch;
    int time, batch = -1;
    ln_status status = ln_row_axis(own->time, row.rank, &time, err);
    if (!status && own->batch != 0)
        status = ln_row_axis(own->batch, row.rank, &batch, err);
    if (status)
        return status;
    if (!ln_input_fixed(graph, node, 1))
        return ln_fail(
            err, LN_EUNSUPPORTED,
            "its lengths are computed from the network's input: they must be a constant");
    if (batch >= 0 && apart != 1 && apart != -1)
        return ln_fail(err, LN_EUNSUPPORTED, "its axes %lld and %lld do not lie side by side",
                       (long long)own->time, (long long)own->batch);
    const int64_t lengths = batch < 0 ? 1 : row.dims[batch];
    if (in[1].rank != 1 || in[1].dims[0] != lengths)
        return ln_fail(err, LN_EINVALID, "there must be %lld lengths", (long long)lengths);
    out[0] = in[0];
    return LN_OK;
}

static ln_status reverse_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_reverse_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0);
    const int64_t *lengths = constant[1];
    const int time = (int)own->time - 1, batch = (int)own->batch - 1;
    ln_shape merged = {0}; /* the row, time and batch as one axis where there is a batch */
    int64_t stride[LN_MAX_RANK];
    int first = -1;
    ln_move *move;
    for (int i = x.row.rank - 1, step_of = 0; i >= 0; i--, step_of++)
        stride[i] = i == x.row.rank - 1 ? 1 : stride[i + 1] * x.row.dims[i + 1];
    for (int i = 0; i < x.row.rank; i++) {
        const bool second = batch >= 0 && (i == time || i == batch) && first >= 0;
        if (i == time || i == batch)
            first = first < 0 ? merged.rank : first;
        if (second)
            merged.dims[first] *= x.row.dims[i];
        else
            merged.dims[merged.rank++] = x.row.dims[i];
    }
    ln_status status = ln_move_start(step, &merged, &move, err);
    if (status)
        return status;
    for (int axis = 0; axis < merged.rank; axis++) {
        const int from = batch >= 0 && axis > first ? axis + 1 : axis;
        const int64_t inner = batch >= 0 ? x.row.dims[first + 1] : 1;
        for (int64_t i = 0; i < merged.dims[axis]; i++) {
            if (axis != first) {
                move->axes[axis].offset[i] = i * stride[from];
                continue;
            }
            const int64_t outer_index = batch >= 0 ? i / inner : 0;
            const int64_t inner_index = batch >= 0 ? i % inner : 0;
            int64_t t = batch < 0 ? i : time < batch ? outer_index : inner_index;
            const int64_t b = batch < 0 ? 0 : time < batch ? inner_index : outer_index;
            const int64_t length = lengths[b];
            if (length < 0 || length > x.row.dims[time])
                return ln_fail(err, LN_EINVALID, "the length %lld is not within 0 to %lld",
                               (long long)length, (long long)x.row.dims[time]);
            t = t < length ? length - 1 - t : t;
            move->axes[axis].offset[i] = t * stride[time] + (batch < 0 ? 0 : b * stride[batch]);
        }
    }
    ln_move_finish(step, move);
    return LN_OK;
}

const ln_layer ln_layer_reverse_sequence = {
    .word = {.name = "reverse_sequence",
             .summary = "turns the beginning of sequences round",
             .formula = "y_t = x_(length - 1 - t) where t < length, else x_t",
             .source = "ONNX: ReverseSequence",
             .params = reverse_params,
             .params_size = sizeof(ln_reverse_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 2,
    .max_inputs = 2,
    .types = reverse_types,
    .infer = reverse_infer,
    .prepare = reverse_prepare,
    .release = ln_move_release,
    .forward = ln_move_forward,
    .backward = ln_move_backward,
};
