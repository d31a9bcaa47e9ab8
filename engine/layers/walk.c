/* Broadcasting: shapes, and the walk of walk.h. */
#include "layers/walk.h"

#include <string.h>

/* Joins axes with the one before them wherever all operands step evenly through both. */
static void join_axes(ln_walk *walk)
{
    int kept = 0;
    for (int axis = 1; axis < walk->rank; axis++) {
        bool joins = true;
        for (int k = 0; k < walk->operands; k++)
            joins = joins && walk->step[k][kept] == walk->step[k][axis] * walk->dims[axis];
        if (joins) {
            walk->dims[kept] *= walk->dims[axis];
        } else {
            kept++;
            walk->dims[kept] = walk->dims[axis];
        }
        for (int k = 0; k < walk->operands; k++)
            walk->step[k][kept] = walk->step[k][axis];
    }
    walk->rank = kept + 1;
}

void ln_walk_start(ln_walk *walk, int64_t rows, const ln_operand *operands, int count)
{
    const ln_shape *result = &operands[0].row;
    *walk = (ln_walk){.operands = count, .rank = 1, .dims = {rows}, .more = rows > 0};
    for (int k = 0; k < count; k++)
        walk->step[k][0] = operands[k].step;
    for (int axis = 0; axis < result->rank; axis++) {
        if (result->dims[axis] == 1)
            continue;
        walk->dims[walk->rank] = result->dims[axis];
        for (int k = 0; k < count; k++) {
            const ln_shape *row = &operands[k].row;
            const int own = axis - (result->rank - row->rank);
            int64_t step = 1;
            for (int i = own + 1; i < row->rank && own >= 0; i++)
                step *= row->dims[i];
            walk->step[k][walk->rank] = own < 0 || row->dims[own] == 1 ? 0 : step;
        }
        walk->rank++;
    }
    join_axes(walk);
    walk->rank--;
    walk->run = walk->dims[walk->rank];
    for (int k = 0; k < count; k++)
        walk->by[k] = walk->step[k][walk->rank];
}

void ln_walk_next(ln_walk *walk)
{
    for (int axis = walk->rank - 1; axis >= 0; axis--) {
        for (int k = 0; k < walk->operands; k++)
            walk->at[k] += walk->step[k][axis];
        if (++walk->index[axis] < walk->dims[axis])
            return;
        for (int k = 0; k < walk->operands; k++)
            walk->at[k] -= walk->step[k][axis] * walk->dims[axis];
        walk->index[axis] = 0;
    }
    walk->more = false;
}

/* A constant's shape without an axis of size 1 where the rows are. */
static ln_shape unframed(const ln_shape *shape, int rank)
{
    ln_shape out = *shape;
    if (shape->rank != rank + 1 || shape->dims[0] != 1)
        return out;
    out.rank--;
    memmove(out.dims, out.dims + 1, (size_t)out.rank * sizeof *out.dims);
    return out;
}

/* Axes of a row: as many as the live inputs have. */
static int row_rank(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in)
{
    int rank = 0;
    const bool fixed = ln_node_all_fixed(graph, node);
    for (int k = 0; k < node->input_count; k++) {
        const int own = in[k].rank - (fixed ? 0 : 1);
        if ((fixed || !ln_input_fixed(graph, node, k)) && own > rank)
            rank = own;
    }
    return rank;
}

static ln_status join_shapes(const ln_shape *in, ln_shape *joined)
{
    ln_shape out = {.rank = in->rank > joined->rank ? in->rank : joined->rank};
    for (int i = 1; i <= out.rank; i++) {
        const int64_t a = i <= joined->rank ? joined->dims[joined->rank - i] : 1;
        const int64_t b = i <= in->rank ? in->dims[in->rank - i] : 1;
        if (a != b && a != 1 && b != 1)
            return LN_EINVALID;
        out.dims[out.rank - i] = a == 1 ? b : a;
    }
    *joined = out;
    return LN_OK;
}

ln_status ln_broadcast_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, const char *verb, ln_shape *out, ln_error *err)
{
    const int rank = row_rank(graph, node, in);
    const bool fixed = ln_node_all_fixed(graph, node);
    char text[64], other[64];
    ln_shape row = {0};
    int first = 0;
    while (!fixed && ln_input_fixed(graph, node, first))
        first++;
    for (int k = 0; k < node->input_count; k++) {
        const bool live = !ln_input_fixed(graph, node, k);
        ln_shape own = ln_input_row(graph, node, in, k);
        if (!live && !fixed)
            own = unframed(&own, rank);
        if (live ? own.rank != rank : own.rank > rank && !fixed)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "shape %s is %s to %s: rows must be the first dimension of both",
                           ln_shape_text(&in[k], text, sizeof text), verb,
                           ln_shape_text(&in[first], other, sizeof other));
        if (join_shapes(&own, &row) == LN_OK)
            continue;
        ln_status status = ln_result_shape(graph, node, &row, out, err);
        if (!status)
            status = ln_fail(err, LN_EINVALID, "shapes %s and %s cannot be %s",
                             ln_shape_text(out, text, sizeof text),
                             ln_shape_text(&in[k], other, sizeof other), verb);
        return status;
    }
    return ln_result_shape(graph, node, &row, out, err);
}

ln_operand ln_broadcast_in(const ln_step *step, int input)
{
    ln_operand operand = ln_operand_in(step, input);
    const ln_operand result = ln_operand_out(step, 0);
    if (operand.step == 0)
        operand.row = unframed(&operand.row, result.row.rank);
    /* A declared prelu's slopes are the channels'. */
    if (input == 1 && step->node->layer == &ln_layer_prelu) {
        const ln_prelu_attributes *own = step->node->attributes;
        for (; own->num_parameters > 1 && operand.row.rank < result.row.rank; operand.row.rank++)
            operand.row.dims[operand.row.rank] = 1;
    }
    return operand;
}

bool ln_broadcast_exact(const ln_operand *operand, const ln_operand *result)
{
    return operand->count == result->count && operand->step == result->step;
}
