/* What operand.h says of inputs and results: the rows are taken off and put on again here only. */
#include "layers/operand.h"

#include <string.h>

bool ln_node_all_fixed(const struct ln_graph *graph, const struct ln_node *node)
{
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !ln_input_fixed(graph, node, i))
            return false;
    return true;
}

static ln_shape without_rows(const ln_shape *shape)
{
    ln_shape row = {.rank = shape->rank > 0 ? shape->rank - 1 : 0};
    memcpy(row.dims, shape->dims + 1, (size_t)row.rank * sizeof *row.dims);
    return row;
}

ln_shape ln_input_row(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                      int input)
{
    return ln_input_fixed(graph, node, input) ? in[input] : without_rows(&in[input]);
}

ln_status ln_result_shape(const struct ln_graph *graph, const struct ln_node *node,
                          const ln_shape *row, ln_shape *out, ln_error *err)
{
    if (ln_node_all_fixed(graph, node)) {
        *out = *row;
        return LN_OK;
    }
    if (row->rank + 1 > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "its result has %d axes: %d are possible",
                       row->rank + 1, LN_MAX_RANK);
    *out = (ln_shape){.rank = row->rank + 1, .dims = {-1}};
    memcpy(out->dims + 1, row->dims, (size_t)row->rank * sizeof *row->dims);
    return LN_OK;
}

ln_status ln_row_axis(int64_t axis, int rank, int *out, ln_error *err)
{
    ln_status status = ln_axis_resolve(axis, rank + 1, out, err);
    *out -= 1;
    return status;
}

static ln_operand operand_of(const ln_shape *shape, bool fixed, bool shared, ln_dtype dtype)
{
    ln_operand operand = {.row = fixed ? *shape : without_rows(shape), .dtype = dtype};
    operand.count = ln_shape_count(&operand.row);
    operand.step = shared ? 0 : operand.count;
    return operand;
}

ln_operand ln_operand_in(const ln_step *step, int input)
{
    const struct ln_value *value = &step->graph->values[step->node->inputs[input]];
    return operand_of(&step->in_shape[input], value->fixed, value->fixed, value->dtype);
}

ln_operand ln_operand_out(const ln_step *step, int output)
{
    const struct ln_value *value = &step->graph->values[step->node->outputs[output]];
    return operand_of(&step->out_shape[output], value->fixed, false, value->dtype);
}

int64_t ln_pass_rows(const ln_pass *pass)
{
    return pass->step->graph->values[pass->step->node->outputs[0]].fixed ? 1 : pass->rows;
}

ln_status ln_types_same(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    int first = -1;
    (void)graph;
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] < 0)
            continue;
        if (first < 0)
            first = i;
        if (in[i] != in[first])
            return ln_fail(err, LN_EINVALID,
                           "its inputs hold %s and %s numbers: they must be of one type",
                           ln_dtype_name(in[first]), ln_dtype_name(in[i]));
    }
    for (int i = 0; i < node->output_count && first >= 0; i++)
        out[i] = in[first];
    return LN_OK;
}

void ln_write_sums(const double *sum, int64_t count, float *to, bool add)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(add ? (double)to[i] + sum[i] : sum[i]);
}

int64_t ln_load_whole(const void *data, ln_dtype dtype, int64_t index)
{
    switch (dtype) {
    case LN_I64:
        return ((const int64_t *)data)[index];
    case LN_I32:
        return ((const int32_t *)data)[index];
    case LN_U8:
    case LN_BOOL:
        return ((const uint8_t *)data)[index];
    default:
        return (int64_t)ln_load_real(data, dtype, index);
    }
}

void ln_store_whole(void *data, ln_dtype dtype, int64_t index, int64_t value)
{
    switch (dtype) {
    case LN_I64:
        ((int64_t *)data)[index] = value;
        break;
    case LN_I32:
        ((int32_t *)data)[index] = (int32_t)(uint32_t)value;
        break;
    case LN_U8:
        ((uint8_t *)data)[index] = (uint8_t)value;
        break;
    case LN_BOOL:
        ((uint8_t *)data)[index] = value != 0;
        break;
    default:
        ((float *)data)[index] = (float)value;
    }
}

double ln_load_real(const void *data, ln_dtype dtype, int64_t index)
{
    if (dtype == LN_F32)
        return (double)((const float *)data)[index];
    if (dtype == LN_F64)
        return ((const double *)data)[index];
    return (double)ln_load_whole(data, dtype, index);
}
