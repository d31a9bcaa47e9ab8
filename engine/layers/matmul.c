/* matmul: products of matrices that both come from the data (attention), or of which one is a constant
 * of more than two axes. By the rules of numpy within a row: the last two axes are multiplied, those
 * before them are broadcast, an operand of one axis is a vector.
 *
 *     y = scale a b,   da = scale dy b^T,   db = scale a^T dy
 *
 * Each product is one call of kernels/, whose elements have the same bits whatever stands around them.
 * A gradient that several products share is added up in their order.
 *
 * (Products with one constant matrix are `dense`, which packs it once.)  Source: ONNX's MatMul. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/kernels.h"
#include "layers/walk.h"

static const ln_param matmul_params[] = {
    {.name = "scale",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_matmul_attributes, scale),
     .fallback = "1",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "what the product is multiplied with"},
    {.name = "transpose_a",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_matmul_attributes, transpose_a),
     .fallback = "false",
     .help = "the last two axes of a change places"},
    {.name = "transpose_b",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_matmul_attributes, transpose_b),
     .fallback = "false",
     .help = "the last two axes of b change places"},
    LN_PARAM_END,
};

/* Products (m, k) (k, n), and the operands as lists of matrices. */
typedef struct shapes {
    int64_t m, k, n;
    ln_shape batch[3]; /* of the result, a and b: their axes before the last two */
} shapes;

/* A row as matrices: a vector is one row (a) or one column (b). */
static void split(const ln_shape *row, bool left, bool transposed, ln_shape *batch, int64_t *rows,
                  int64_t *columns)
{
    const int rank = row->rank;
    *batch = (ln_shape){.rank = rank > 2 ? rank - 2 : 0};
    memcpy(batch->dims, row->dims, (size_t)batch->rank * sizeof *batch->dims);
    *rows = rank > 1 ? row->dims[rank - 2] : left ? 1 : row->dims[0];
    *columns = rank > 1 || left ? row->dims[rank - 1] : 1;
    if (transposed && rank > 1) {
        const int64_t kept = *rows;
        *rows = *columns;
        *columns = kept;
    }
}

static bool shapes_of(const ln_matmul_attributes *own, const ln_shape *a, const ln_shape *b,
                      shapes *out)
{
    int64_t k;
    if (a->rank < 1 || b->rank < 1)
        return false;
    split(a, true, own->transpose_a, &out->batch[1], &out->m, &out->k);
    split(b, false, own->transpose_b, &out->batch[2], &k, &out->n);
    ln_shape *batch = &out->batch[0];
    *batch = (ln_shape){0};
    batch->rank = out->batch[1].rank > out->batch[2].rank ? out->batch[1].rank : out->batch[2].rank;
    for (int i = 1; i <= batch->rank; i++) {
        const int64_t of_a =
            i <= out->batch[1].rank ? out->batch[1].dims[out->batch[1].rank - i] : 1;
        const int64_t of_b =
            i <= out->batch[2].rank ? out->batch[2].dims[out->batch[2].rank - i] : 1;
        if (of_a != of_b && of_a != 1 && of_b != 1)
            return false;
        batch->dims[batch->rank - i] = of_a == 1 ? of_b : of_a;
    }
    return k == out->k;
}

static ln_status matmul_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_shape a = ln_input_row(graph, node, in, 0), b = ln_input_row(graph, node, in, 1);
    char text[64], other[64];
    shapes s;
    if (!shapes_of(node->attributes, &a, &b, &s))
        return ln_fail(err, LN_EINVALID, "shapes %s and %s cannot be multiplied",
                       ln_shape_text(&in[0], text, sizeof text),
                       ln_shape_text(&in[1], other, sizeof other));
    ln_shape row = s.batch[0];
    if (a.rank > 1)
        row.dims[row.rank++] = s.m;
    if (b.rank > 1)
        row.dims[row.rank++] = s.n;
    return ln_result_shape(graph, node, &row, out, err);
}

/* ---------------------------------------------------------------- walking */

typedef struct products {
    shapes s;
    ln_walk walk;    /* in matrices: 0 the result, 1 a, 2 b */
    int64_t size[3]; /* elements of a matrix of each */
    bool shared[3];  /* matrices of a or b are used by several products */
} products;

static ln_operand matrices(const ln_operand *operand, const ln_shape *batch, int64_t size)
{
    return (ln_operand){
        .row = *batch, .count = ln_shape_count(batch), .step = operand->step / size};
}

static void start(const ln_pass *pass, products *p)
{
    const ln_operand y = ln_operand_out(pass->step, 0);
    const ln_operand a = ln_operand_in(pass->step, 0), b = ln_operand_in(pass->step, 1);
    shapes_of(pass->step->node->attributes, &a.row, &b.row, &p->s);
    p->size[0] = p->s.m * p->s.n;
    p->size[1] = p->s.m * p->s.k;
    p->size[2] = p->s.k * p->s.n;
    const ln_operand operands[3] = {matrices(&y, &p->s.batch[0], p->size[0]),
                                    matrices(&a, &p->s.batch[1], p->size[1]),
                                    matrices(&b, &p->s.batch[2], p->size[2])};
    for (int i = 1; i < 3; i++)
        p->shared[i] = operands[i].count != operands[0].count || operands[i].step == 0;
    ln_walk_start(&p->walk, ln_pass_rows(pass), operands, 3);
}

/* One matrix as an operand of a product: element (i, j) at data[i * row + j * column]. */
typedef struct matrix {
    const float *data;
    int64_t row, column;
} matrix;

static matrix matrix_at(const float *data, int64_t rows, int64_t columns, bool transposed)
{
    return transposed ? (matrix){data, 1, rows} : (matrix){data, columns, 1};
}

/* to (rows, columns) = scale a (rows, depth) b (depth, columns) */
static void multiply(ln_block_fn run, int64_t rows, int64_t depth, int64_t columns, matrix a,
                     matrix b, float scale, float *to, void *scratch)
{
    const ln_product product = {.inputs = depth, .outputs = columns, .rows = rows};
    ln_kernels_multiply_once(run, &product, rows, a.data, a.row, a.column, b.data, b.row, b.column,
                             NULL, to, scratch);
    for (int64_t i = 0; i < rows * columns && scale != 1; i++)
        to[i] *= scale;
}

/* ---------------------------------------------------------------- passes */

typedef struct prepared {
    ln_block_fn run;
    size_t product_at; /* in scratch, behind what the kernel needs */
} prepared;

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static ln_status matmul_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_operand a = ln_operand_in(step, 0), b = ln_operand_in(step, 1);
    prepared *own = step->prepared;
    shapes s;
    (void)constant;
    if (!own) {
        step->prepared = own = ln_calloc(1, sizeof *own);
        if (!own)
            return ln_fail_memory(err, sizeof *own);
        own->run = ln_kernels_block();
    }
    shapes_of(step->node->attributes, &a.row, &b.row, &s);
    const int64_t largest = most(s.m * s.k, most(s.k * s.n, s.m * s.n));
    const size_t room = ((size_t)largest * sizeof(float) + 63) / 64 * 64;
    own->product_at = (ln_kernels_multiply_once_scratch(most(s.k, most(s.m, s.n))) + 63) / 64 * 64;
    step->scratch_bytes = own->product_at + room;
    return LN_OK;
}

static void matmul_release(ln_step *step)
{
    ln_free(step->prepared);
    step->prepared = NULL;
}

static ln_status matmul_forward(const ln_pass *pass, ln_error *err)
{
    const ln_matmul_attributes *own = pass->step->node->attributes;
    const prepared *made = pass->step->prepared;
    products p;
    (void)err;
    for (start(pass, &p); p.walk.more; ln_walk_next(&p.walk))
        for (int64_t i = 0; i < p.walk.run; i++) {
            const float *a =
                (const float *)pass->in[0] + (p.walk.at[1] + i * p.walk.by[1]) * p.size[1];
            const float *b =
                (const float *)pass->in[1] + (p.walk.at[2] + i * p.walk.by[2]) * p.size[2];
            float *y = (float *)pass->out[0] + (p.walk.at[0] + i * p.walk.by[0]) * p.size[0];
            multiply(made->run, p.s.m, p.s.k, p.s.n, matrix_at(a, p.s.m, p.s.k, own->transpose_a),
                     matrix_at(b, p.s.k, p.s.n, own->transpose_b), (float)own->scale, y,
                     pass->scratch);
        }
    return LN_OK;
}

/* The gradient of matrix a (which 1) or b (2) of one product, into `to`, stored as the matrix is. */
static void one_gradient(const ln_pass *pass, const products *p, int which, const float *a,
                         const float *b, const float *dy, float *to)
{
    const ln_matmul_attributes *own = pass->step->node->attributes;
    const prepared *made = pass->step->prepared;
    const int64_t m = p->s.m, k = p->s.k, n = p->s.n;
    const matrix of_a = matrix_at(a, m, k, own->transpose_a);
    const matrix of_b = matrix_at(b, k, n, own->transpose_b);
    const matrix of_dy = {dy, n, 1}, dy_turned = {dy, 1, n};
    const matrix a_turned = {of_a.data, of_a.column, of_a.row};
    const matrix b_turned = {of_b.data, of_b.column, of_b.row};
    const float scale = (float)own->scale;
    if (which == 1 && !own->transpose_a)
        multiply(made->run, m, n, k, of_dy, b_turned, scale, to, pass->scratch);
    else if (which == 1)
        multiply(made->run, k, n, m, of_b, dy_turned, scale, to, pass->scratch);
    else if (!own->transpose_b)
        multiply(made->run, k, m, n, a_turned, of_dy, scale, to, pass->scratch);
    else
        multiply(made->run, n, m, k, dy_turned, of_a, scale, to, pass->scratch);
}

/* The gradient of input `which` - 1, written or added. */
static void send(const ln_pass *pass, int which, float *to, bool add)
{
    const prepared *made = pass->step->prepared;
    const ln_operand own = ln_operand_in(pass->step, which - 1);
    float *product = (float *)(void *)((char *)pass->scratch + made->product_at);
    products p;
    start(pass, &p);
    const bool direct = !p.shared[which] && !add;
    if (!direct && !add)
        memset(to, 0, (size_t)(own.step ? pass->rows * own.count : own.count) * sizeof *to);
    for (; p.walk.more; ln_walk_next(&p.walk))
        for (int64_t i = 0; i < p.walk.run; i++) {
            const float *a =
                (const float *)pass->in[0] + (p.walk.at[1] + i * p.walk.by[1]) * p.size[1];
            const float *b =
                (const float *)pass->in[1] + (p.walk.at[2] + i * p.walk.by[2]) * p.size[2];
            const float *dy = pass->out_grad[0] + (p.walk.at[0] + i * p.walk.by[0]) * p.size[0];
            float *place = to + (p.walk.at[which] + i * p.walk.by[which]) * p.size[which];
            one_gradient(pass, &p, which, a, b, dy, direct ? place : product);
            for (int64_t j = 0; j < p.size[which] && !direct; j++)
                place[j] += product[j];
        }
}

static ln_status matmul_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int which = 1; which < 3; which++)
        if (pass->in_grad[which - 1])
            send(pass, which, pass->in_grad[which - 1], false);
    return LN_OK;
}

static ln_status matmul_backward_parameters(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int which = 1; which < 3; which++)
        if (pass->in_grad[which - 1])
            send(pass, which, pass->in_grad[which - 1], true);
    return LN_OK;
}

const ln_layer ln_layer_matmul = {
    .word = {.name = "matmul",
             .summary = "products of matrices",
             .formula = "y = a b",
             .source = "ONNX: MatMul; PyTorch: torch.matmul",
             .params = matmul_params,
             .params_size = sizeof(ln_matmul_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = matmul_infer,
    .prepare = matmul_prepare,
    .release = matmul_release,
    .forward = matmul_forward,
    .backward = matmul_backward,
    .backward_parameters = matmul_backward_parameters,
};
