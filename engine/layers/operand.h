/* Inside layers/: operands as rows. An input is live, its rows first, and row r of a result reads row
 * r of it; or it is fixed: a constant, or made of constants alone. A fixed operand of a live node has
 * no axis of rows: it is one row that all rows share. A node all of whose inputs are fixed computes
 * one row, whose result has no axis of rows either.
 *
 * So a layer is written for rows: ln_pass_rows of them, each of the operand's own dims, `step`
 * elements apart. An axis attribute counts axes with the rows (1 is the first of a row). */
#ifndef LN_LAYERS_OPERAND_H
#define LN_LAYERS_OPERAND_H

#include "layers/common.h"

typedef struct ln_operand {
    ln_shape row;  /* without the rows */
    int64_t count; /* elements of a row */
    int64_t step;  /* from row to row: count, or 0 where all rows share one */
    ln_dtype dtype;
} ln_operand;

static inline bool ln_input_fixed(const struct ln_graph *graph, const struct ln_node *node,
                                  int input)
{
    return graph->values[node->inputs[input]].fixed;
}

static inline bool ln_has_input(const struct ln_node *node, int input)
{
    return input < node->input_count && node->inputs[input] >= 0;
}

/* Whether every input is fixed, and with them the result. */
bool ln_node_all_fixed(const struct ln_graph *graph, const struct ln_node *node);
/* The shape of a row of an input that has this shape. */
ln_shape ln_input_row(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                      int input);
/* The shape of a result of such rows; LN_EUNSUPPORTED where it has too many axes. */
ln_status ln_result_shape(const struct ln_graph *graph, const struct ln_node *node,
                          const ln_shape *row, ln_shape *out, ln_error *err);
/* An axis attribute as an axis of a row (0 the first), for rows of `rank` axes. */
ln_status ln_row_axis(int64_t axis, int rank, int *out, ln_error *err);

ln_operand ln_operand_in(const ln_step *step, int input);
ln_operand ln_operand_out(const ln_step *step, int output);
int64_t ln_pass_rows(const ln_pass *pass);

/* Types for layers that pass on what they get: the result has the first input's type (all inputs
 * must have it), whichever it is. */
ln_status ln_types_same(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_dtype *in, ln_dtype *out, ln_error *err);

/* A gradient that sums: to (count) gets the sums, added where `add`. */
void ln_write_sums(const double *sum, int64_t count, float *to, bool add);

/* One element as a whole number, wrapped to what its type holds; for the types but f32. */
int64_t ln_load_whole(const void *data, ln_dtype dtype, int64_t index);
void ln_store_whole(void *data, ln_dtype dtype, int64_t index, int64_t value);
/* One element of any type as a real number. */
double ln_load_real(const void *data, ln_dtype dtype, int64_t index);

#endif
