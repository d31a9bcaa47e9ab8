/* The inputs of lstm, gru and rnn: parameters of a declared layer, types, and shapes of what goes in and comes
 * out. */
#include "layers/recurrent_inputs.h"

#include <math.h>
#include <string.h>

ln_status ln_recurrent_parameters(const void *attributes, const ln_cell *cell, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err)
{
    static const char *const names[2][4] = {
        {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"},
        {"weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse",
         "bias_hh_l0_reverse"}};
    const ln_recurrent_attributes *own = attributes;
    const int64_t gates = cell->gates * own->hidden_size;
    const double bound = 1 / sqrt((double)own->hidden_size);
    char text[64];
    if (in->rank != 3)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, steps, numbers)",
                       ln_shape_text(in, text, sizeof text));
    const ln_shape shapes[4] = {
        {2, {gates, in->dims[2]}}, {2, {gates, own->hidden_size}}, {1, {gates}}, {1, {gates}}};
    *count = 0;
    for (int d = 0; d < ln_recurrent_directions(own); d++)
        for (int i = 0; i < ln_recurrent_each_direction(own); i++)
            out[(*count)++] =
                (ln_layer_parameter){.name = names[d][i], .shape = shapes[i], .bound = bound};
    return LN_OK;
}

ln_status ln_recurrent_types(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    const int lengths = ln_recurrent_extra_input(node->attributes, LN_LENGTHS);
    (void)graph;
    (void)out;
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && in[i] != (i == lengths ? LN_I64 : LN_F32))
            return ln_fail(err, LN_EUNSUPPORTED, "its input %d holds %s numbers", i,
                           ln_dtype_name(in[i]));
    return LN_OK;
}

bool ln_recurrent_row_sizes(const ln_recurrent_attributes *own, const ln_shape *row, int64_t *steps,
                            int64_t *batch, int64_t *inputs)
{
    const bool batched = own->layout != LN_RECURRENT_ROWS;
    if (row->rank != (batched ? 3 : 2))
        return false;
    const bool batch_first = own->layout == LN_RECURRENT_BATCH_FIRST;
    *steps = row->dims[batched && batch_first ? 1 : 0];
    *batch = batched ? row->dims[batch_first ? 0 : 1] : 1;
    *inputs = row->dims[row->rank - 1];
    return true;
}

static ln_status check_shape(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, int input, const ln_shape *wanted, ln_error *err)
{
    char text[64], other[64];
    if (!ln_has_input(node, input))
        return LN_OK;
    const ln_shape row = ln_input_row(graph, node, in, input);
    if (!ln_shape_equal(&row, wanted))
        return ln_fail(err, LN_EINVALID, "its input %d is of shape %s: a row of it must be %s",
                       input, ln_shape_text(&in[input], text, sizeof text),
                       ln_shape_text(wanted, other, sizeof other));
    return LN_OK;
}

/* A row of the states: (ln_recurrent_directions, [batch,] H), or (batch, ln_recurrent_directions, H). */
static ln_shape state_row(const ln_recurrent_attributes *own, int64_t batch)
{
    const int64_t d = ln_recurrent_directions(own);
    if (own->layout == LN_RECURRENT_ROWS)
        return (ln_shape){2, {d, own->hidden_size}};
    if (own->layout == LN_RECURRENT_BATCH_FIRST)
        return (ln_shape){3, {batch, d, own->hidden_size}};
    return (ln_shape){3, {d, batch, own->hidden_size}};
}

static ln_status check_inputs(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_cell *cell, const ln_shape *in, int64_t batch,
                              int64_t inputs, ln_error *err)
{
    const ln_recurrent_attributes *own = node->attributes;
    const int64_t hidden = own->hidden_size, gates = cell->gates * hidden;
    const ln_shape shapes[4] = {
        {2, {gates, inputs}}, {2, {gates, hidden}}, {1, {gates}}, {1, {gates}}};
    const ln_shape state = state_row(own, batch), lengths = {1, {batch}};
    const ln_shape peephole = {1, {3 * hidden}};
    ln_status status = LN_OK;
    for (int d = 0; d < ln_recurrent_directions(own) && !status; d++) {
        for (int i = 0; i < ln_recurrent_each_direction(own) && !status; i++) {
            const int input = ln_recurrent_parameter_input(own, d, i);
            if (!ln_has_input(node, input) || !ln_input_fixed(graph, node, input))
                return ln_fail(err, LN_EUNSUPPORTED, "its weights must be constants");
            status = check_shape(graph, node, in, input, &shapes[i], err);
        }
        if (!status)
            status = check_shape(graph, node, in, ln_recurrent_extra_input(own, LN_PEEPHOLE + d),
                                 &peephole, err);
    }
    for (int i = LN_FIRST_HIDDEN; i <= LN_FIRST_MEMORY && !status; i++)
        status = check_shape(graph, node, in, ln_recurrent_extra_input(own, i), &state, err);
    if (!status && ln_has_input(node, ln_recurrent_extra_input(own, LN_LENGTHS)) &&
        !ln_input_fixed(graph, node, ln_recurrent_extra_input(own, LN_LENGTHS)))
        return ln_fail(err, LN_EUNSUPPORTED, "its lengths must be a constant");
    return status ? status
                  : check_shape(graph, node, in, ln_recurrent_extra_input(own, LN_LENGTHS),
                                &lengths, err);
}

ln_status ln_recurrent_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_cell *cell, const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_recurrent_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    const int64_t hidden = own->hidden_size, both = ln_recurrent_directions(own);
    int64_t steps, batch, inputs;
    char text[64];
    if (hidden < 1)
        return ln_fail(err, LN_EINVALID, "its hidden_size is %lld", (long long)hidden);
    if (!ln_recurrent_row_sizes(own, &row, &steps, &batch, &inputs))
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, steps, numbers)",
                       ln_shape_text(&in[0], text, sizeof text));
    ln_status status = check_inputs(graph, node, cell, in, batch, inputs, err);
    ln_shape result = own->layout == LN_RECURRENT_ROWS ? (ln_shape){3, {steps, both, hidden}}
                      : own->layout == LN_RECURRENT_BATCH_FIRST
                          ? (ln_shape){4, {batch, steps, both, hidden}}
                          : (ln_shape){4, {steps, both, batch, hidden}};
    ln_shape state = state_row(own, batch);
    if (!own->apart) {
        result = (ln_shape){2, {steps, both * hidden}};
        state = (ln_shape){1, {both * hidden}};
    }
    if (!status)
        status = ln_result_shape(graph, node, own->last ? &state : &result, &out[0], err);
    for (int i = 1; i < node->output_count && !status; i++)
        status = ln_result_shape(graph, node, &state, &out[i], err);
    return status;
}
