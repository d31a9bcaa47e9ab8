/* einsum: sums of products by labels, y_ik = sum_j a_ij b_jk. Every axis of an operand's row has a
 * label, a whole number; one label twice in an operand is its diagonal; labels that the result lacks
 * are summed over. An axis of size 1 is broadcast where its label has another size.
 *
 * All labels together span one space, through which every operand steps; each result is summed in
 * float64 in the order of that space, and so is each gradient. Cost: one multiplication an operand and
 * point of the space.
 *
 * Source: numpy.einsum, ONNX's Einsum. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/operand.h"

enum { LABELS = 32, OPERANDS = 3 };

#define LIST(field, given, literal, text)                                                          \
    {                                                                                              \
        .name = given, .type = LN_PARAM_INTS, .offset = offsetof(ln_einsum_attributes, field),     \
        .fallback = literal, .min = 0, .max = LABELS - 1, .help = text                             \
    }
static const ln_param einsum_params[] = {
    LIST(of[0], "a", LN_REQUIRED, "labels of the axes of a row of the first operand"),
    LIST(of[1], "b", "nil", "of the second"),
    LIST(of[2], "c", "nil", "of the third"),
    LIST(result, "result", "nil", "of the result"),
    LN_PARAM_END,
};

/* The labels in the order of the space, the result's first: their sizes, and the step of each
 * operand (the last is the result). */
typedef struct space {
    int rank, result_rank;
    int64_t size[LABELS];
    int64_t step[OPERANDS + 1][LABELS];
} space;

/* Adds the steps of an operand; false where a label is out of range or sizes do not fit. */
static bool add_operand(const ln_ints *labels, const ln_shape *row, const int *place,
                        const int64_t *size, int64_t *step)
{
    int64_t next = 1;
    for (int axis = row->rank - 1; axis >= 0; axis--) {
        const int64_t dim = row->dims[axis];
        const int at = place[labels->at[axis]];
        if (dim != 1 && dim != size[at])
            return false;
        step[at] += dim == 1 && size[at] != 1 ? 0 : next;
        next *= dim;
    }
    return true;
}

static bool usable(const ln_ints *labels)
{
    for (int i = 0; i < labels->count; i++)
        if (labels->at[i] < 0 || labels->at[i] >= LABELS)
            return false;
    return true;
}

/* The space of these rows; false where they do not fit the labels. */
static bool make_space(const ln_einsum_attributes *own, const ln_shape *rows, int operands,
                       space *out)
{
    int place[LABELS];
    int64_t largest[LABELS] = {0};
    *out = (space){0};
    for (int i = 0; i < LABELS; i++)
        place[i] = -1;
    for (int k = 0; k < operands; k++) {
        if (own->of[k].count != rows[k].rank || !usable(&own->of[k]))
            return false;
        for (int i = 0; i < rows[k].rank; i++)
            if (rows[k].dims[i] > largest[own->of[k].at[i]])
                largest[own->of[k].at[i]] = rows[k].dims[i];
    }
    if (!usable(&own->result))
        return false;
    for (int i = 0; i < own->result.count; i++) {
        const int64_t label = own->result.at[i];
        if (place[label] >= 0 || largest[label] == 0)
            return false;
        place[label] = out->rank;
        out->size[out->rank++] = largest[label];
    }
    out->result_rank = out->rank;
    for (int label = 0; label < LABELS; label++)
        if (largest[label] > 0 && place[label] < 0) {
            place[label] = out->rank;
            out->size[out->rank++] = largest[label];
        }
    for (int k = 0; k < operands; k++)
        if (!add_operand(&own->of[k], &rows[k], place, out->size, out->step[k]))
            return false;
    int64_t next = 1;
    for (int i = out->result_rank - 1; i >= 0; i--) {
        out->step[OPERANDS][i] = next;
        next *= out->size[i];
    }
    return true;
}

static ln_status einsum_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    ln_shape rows[OPERANDS];
    char text[64];
    space s;
    for (int k = 0; k < node->input_count; k++)
        rows[k] = ln_input_row(graph, node, in, k);
    if (!make_space(node->attributes, rows, node->input_count, &s))
        return ln_fail(err, LN_EINVALID,
                       "its labels do not fit its inputs, the first of which has shape %s",
                       ln_shape_text(&in[0], text, sizeof text));
    ln_shape row = {.rank = s.result_rank};
    memcpy(row.dims, s.size, (size_t)row.rank * sizeof *row.dims);
    return ln_result_shape(graph, node, &row, out, err);
}

static ln_status einsum_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    size_t most = (size_t)ln_operand_out(step, 0).count;
    (void)constant;
    (void)err;
    for (int k = 0; k < step->node->input_count && (step->gradient || step->training); k++) {
        const ln_operand x = ln_operand_in(step, k);
        most = (size_t)x.count > most ? (size_t)x.count : most;
    }
    step->scratch_bytes = most * sizeof(double);
    return LN_OK;
}

static void space_of(const ln_pass *pass, space *s)
{
    ln_shape rows[OPERANDS];
    for (int k = 0; k < pass->step->node->input_count; k++)
        rows[k] = ln_operand_in(pass->step, k).row;
    make_space(pass->step->node->attributes, rows, pass->step->node->input_count, s);
}

/* The next point of the space; `at` are the places in all operands and the result. */
static bool next_point(const space *s, int64_t *index, int64_t *at)
{
    for (int i = s->rank - 1; i >= 0; i--) {
        for (int k = 0; k <= OPERANDS; k++)
            at[k] += s->step[k][i];
        if (++index[i] < s->size[i])
            return true;
        for (int k = 0; k <= OPERANDS; k++)
            at[k] -= s->step[k][i] * s->size[i];
        index[i] = 0;
    }
    return false;
}

/* sum[place in `target`] += product of all others, over the space of one row. */
static void sum_products(const space *s, const float *const *data, int operands, int target,
                         const float *dy, double *sum)
{
    int64_t index[LABELS] = {0}, at[OPERANDS + 1] = {0};
    do {
        double product = dy ? (double)dy[at[OPERANDS]] : 1;
        for (int k = 0; k < operands; k++)
            if (k != target)
                product *= (double)data[k][at[k]];
        sum[at[target]] += product;
    } while (next_point(s, index, at));
}

static void rows_at(const ln_pass *pass, int64_t r, const float **data)
{
    for (int k = 0; k < pass->step->node->input_count; k++)
        data[k] = (const float *)pass->in[k] + r * ln_operand_in(pass->step, k).step;
}

static ln_status einsum_forward(const ln_pass *pass, ln_error *err)
{
    const ln_operand y = ln_operand_out(pass->step, 0);
    const float *data[OPERANDS];
    double *sum = pass->scratch;
    space s;
    (void)err;
    space_of(pass, &s);
    for (int64_t r = 0; r < ln_pass_rows(pass); r++) {
        rows_at(pass, r, data);
        memset(sum, 0, (size_t)y.count * sizeof *sum);
        sum_products(&s, data, pass->step->node->input_count, OPERANDS, NULL, sum);
        ln_write_sums(sum, y.count, (float *)pass->out[0] + r * y.count, false);
    }
    return LN_OK;
}

static ln_status einsum_backward(const ln_pass *pass, ln_error *err)
{
    const ln_operand y = ln_operand_out(pass->step, 0);
    const float *data[OPERANDS];
    double *sum = pass->scratch;
    space s;
    (void)err;
    space_of(pass, &s);
    for (int k = 0; k < pass->step->node->input_count; k++) {
        const ln_operand x = ln_operand_in(pass->step, k);
        for (int64_t r = 0; r < pass->rows && pass->in_grad[k]; r++) {
            rows_at(pass, r, data);
            memset(sum, 0, (size_t)x.count * sizeof *sum);
            sum_products(&s, data, pass->step->node->input_count, k,
                         pass->out_grad[0] + r * y.count, sum);
            ln_write_sums(sum, x.count, pass->in_grad[k] + r * x.step, x.step == 0);
        }
    }
    return LN_OK;
}

const ln_layer ln_layer_einsum = {
    .word = {.name = "einsum",
             .summary = "sums of products by labels",
             .formula = "y_ik = sum_j a_ij b_jk",
             .source = "ONNX: Einsum; numpy.einsum",
             .params = einsum_params,
             .params_size = sizeof(ln_einsum_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = OPERANDS,
    .infer = einsum_infer,
    .prepare = einsum_prepare,
    .forward = einsum_forward,
    .backward = einsum_backward,
    .backward_parameters = einsum_backward,
};
