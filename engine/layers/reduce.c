/* reduce: sums, means, greatest numbers ... over axes of a row.
 *
 * A walk goes through the input in the order of its elements, the result broadcast beside it; each
 * result has an accumulator in float64 (in int64 for whole numbers). Shapes: the axes become 1, or go
 * where keepdims is false; no axes at all: all of them, which leaves one number a row.
 *
 * Gradients: of max and min, elements that tie share it (PyTorch's amax); of prod, the product of the
 * others, zeros included; of l2 at 0 it is 0.
 *
 * Source: ONNX's Reduce operators. */
#include "layers/reduce.h"

#include <math.h>
#include <stddef.h>

#include "layers/walk.h"

static const ln_param reduce_params[] = {
    {.name = "operation",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_reduce_attributes, operation),
     .fallback = LN_REQUIRED,
     .choices = LN_REDUCE_OPERATIONS,
     .help = "what becomes of the numbers"},
    {.name = "axes",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_reduce_attributes, axes),
     .fallback = "nil",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "axes that go, 0 would be the rows; without them all axes of a row"},
    {.name = "keepdims",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_reduce_attributes, keepdims),
     .fallback = "false",
     .help = "the axes stay, of size 1"},
    LN_PARAM_END,
};

ln_status ln_reduce_kept(const ln_reduce_attributes *own, const ln_shape *row, ln_shape *kept,
                         bool *gone, ln_error *err)
{
    *kept = *row;
    for (int i = 0; i < row->rank && own->axes.count == 0; i++) {
        kept->dims[i] = 1;
        gone[i] = true;
    }
    for (int i = 0; i < own->axes.count; i++) {
        int axis;
        ln_status status = ln_row_axis(own->axes.at[i], row->rank, &axis, err);
        if (status)
            return status;
        kept->dims[axis] = 1;
        gone[axis] = true;
    }
    return LN_OK;
}

static ln_status reduce_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_reduce_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape kept, result = {0};
    bool gone[LN_MAX_RANK] = {false};
    ln_status status = ln_reduce_kept(own, &row, &kept, gone, err);
    if (status)
        return status;
    for (int i = 0; i < row.rank; i++)
        if (own->keepdims || !gone[i])
            result.dims[result.rank++] = kept.dims[i];
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status reduce_types(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    const ln_reduce_attributes *own = node->attributes;
    (void)graph;
    out[0] = in[0];
    if (in[0] != LN_F32 && (own->operation == LN_REDUCE_l2 || own->operation == LN_REDUCE_log_sum ||
                            own->operation == LN_REDUCE_log_sum_exp))
        return ln_fail(err, LN_EUNSUPPORTED, "its input holds %s numbers: it is computed of f32",
                       ln_dtype_name(in[0]));
    return LN_OK;
}

/* Input and result side by side: operand 0 the input, 1 the result. */
static void start(const ln_pass *pass, ln_walk *walk)
{
    ln_operand operands[2] = {ln_operand_in(pass->step, 0), ln_operand_out(pass->step, 0)};
    bool gone[LN_MAX_RANK] = {false};
    if (operands[0].step == 0)
        operands[0].step = operands[0].count; /* of one row: never used */
    ln_reduce_kept(pass->step->node->attributes, &operands[0].row, &operands[1].row, gone, NULL);
    ln_walk_start(walk, ln_pass_rows(pass), operands, 2);
}

/* Numbers that one result is made of. */
static int64_t numbers_each(const ln_step *step)
{
    return ln_operand_in(step, 0).count / ln_operand_out(step, 0).count;
}

static ln_status reduce_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    (void)constant;
    (void)err;
    step->scratch_bytes = 2 * sizeof(double) * (size_t)ln_shape_count(&step->out_shape[0]);
    return LN_OK;
}

static double first_of(int operation)
{
    return operation == LN_REDUCE_prod  ? 1
           : operation == LN_REDUCE_max ? -INFINITY
           : operation == LN_REDUCE_min ? INFINITY
                                        : 0;
}

static double combined(int operation, double sofar, double x)
{
    switch (operation) {
    case LN_REDUCE_max:
    case LN_REDUCE_log_sum_exp:
        return x > sofar || isnan(x) ? x : sofar;
    case LN_REDUCE_min:
        return x < sofar || isnan(x) ? x : sofar;
    case LN_REDUCE_prod:
        return sofar * x;
    case LN_REDUCE_l1:
        return sofar + fabs(x);
    case LN_REDUCE_l2:
    case LN_REDUCE_sum_square:
        return sofar + x * x;
    default:
        return sofar + x;
    }
}

static double finished(int operation, double sofar, int64_t count)
{
    switch (operation) {
    case LN_REDUCE_mean:
        return sofar / (double)count;
    case LN_REDUCE_l2:
        return sqrt(sofar);
    case LN_REDUCE_log_sum:
        return log(sofar);
    default:
        return sofar;
    }
}

/* sum[result] += exp(x - greatest[result]); a greatest number that is infinite is taken as 0. */
static void sum_exponentials(const ln_pass *pass, const double *greatest, double *sum)
{
    const float *x = pass->in[0];
    ln_walk walk;
    for (start(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t to = walk.at[1] + i * walk.by[1];
            const double shift = isfinite(greatest[to]) ? greatest[to] : 0;
            sum[to] += exp((double)x[walk.at[0] + i] - shift);
        }
}

static bool is_sum(int operation)
{
    return operation == LN_REDUCE_sum || operation == LN_REDUCE_mean;
}

/* One run of a sum, in its order. */
static void add_run(const ln_walk *walk, const float *x, double *sum)
{
    const float *from = x + walk->at[0];
    double *to = sum + walk->at[1];
    if (walk->by[1] == 1)
        for (int64_t i = 0; i < walk->run; i++)
            to[i] += (double)from[i];
    else
        for (int64_t i = 0; i < walk->run; i++)
            to[i * walk->by[1]] += (double)from[i];
}

static void reduce_real(const ln_pass *pass, int operation)
{
    const int64_t count = ln_pass_rows(pass) * ln_operand_out(pass->step, 0).count;
    const int64_t each = numbers_each(pass->step);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    double *sofar = pass->scratch, *sum = sofar + count;
    ln_walk walk;
    for (int64_t i = 0; i < count; i++) {
        sofar[i] = operation == LN_REDUCE_log_sum_exp ? -INFINITY : first_of(operation);
        sum[i] = 0;
    }
    for (start(pass, &walk); walk.more; ln_walk_next(&walk)) {
        if (is_sum(operation)) {
            add_run(&walk, x, sofar);
            continue;
        }
        for (int64_t i = 0; i < walk.run; i++) {
            double *to = &sofar[walk.at[1] + i * walk.by[1]];
            *to = combined(operation, *to, (double)x[walk.at[0] + i]);
        }
    }
    if (operation == LN_REDUCE_log_sum_exp)
        sum_exponentials(pass, sofar, sum);
    for (int64_t i = 0; i < count; i++)
        y[i] = (float)(operation == LN_REDUCE_log_sum_exp
                           ? log(sum[i]) + (isfinite(sofar[i]) ? sofar[i] : 0)
                           : finished(operation, sofar[i], each));
}

static int64_t combined_whole(int operation, int64_t sofar, int64_t x)
{
    switch (operation) {
    case LN_REDUCE_max:
        return x > sofar ? x : sofar;
    case LN_REDUCE_min:
        return x < sofar ? x : sofar;
    case LN_REDUCE_prod:
        return (int64_t)((uint64_t)sofar * (uint64_t)x);
    case LN_REDUCE_l1:
        return (int64_t)((uint64_t)sofar + (x < 0 ? 0 - (uint64_t)x : (uint64_t)x));
    case LN_REDUCE_sum_square:
        return (int64_t)((uint64_t)sofar + (uint64_t)x * (uint64_t)x);
    default:
        return (int64_t)((uint64_t)sofar + (uint64_t)x);
    }
}

static void reduce_whole(const ln_pass *pass, int operation)
{
    const ln_operand result = ln_operand_out(pass->step, 0);
    const int64_t count = ln_pass_rows(pass) * result.count, each = numbers_each(pass->step);
    int64_t *sofar = pass->scratch;
    ln_walk walk;
    for (int64_t i = 0; i < count; i++)
        sofar[i] = operation == LN_REDUCE_prod  ? 1
                   : operation == LN_REDUCE_max ? INT64_MIN
                   : operation == LN_REDUCE_min ? INT64_MAX
                                                : 0;
    for (start(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            int64_t *to = &sofar[walk.at[1] + i * walk.by[1]];
            *to = combined_whole(operation, *to,
                                 ln_load_whole(pass->in[0], result.dtype, walk.at[0] + i));
        }
    for (int64_t i = 0; i < count; i++)
        ln_store_whole(pass->out[0], result.dtype, i,
                       operation == LN_REDUCE_mean ? sofar[i] / each : sofar[i]);
}

static ln_status reduce_forward(const ln_pass *pass, ln_error *err)
{
    const ln_reduce_attributes *own = pass->step->node->attributes;
    (void)err;
    if (ln_operand_in(pass->step, 0).dtype == LN_F32)
        reduce_real(pass, own->operation);
    else
        reduce_whole(pass, own->operation);
    return LN_OK;
}

/* What the gradient needs to know of each result: how many elements are the greatest (max, min), or
 * how many are 0 and the product of the others (prod). */
static void look_again(const ln_pass *pass, int operation, double *ties, double *product)
{
    const float *x = pass->in[0], *y = pass->out[0];
    const int64_t count = pass->rows * ln_operand_out(pass->step, 0).count;
    ln_walk walk;
    for (int64_t i = 0; i < count; i++) {
        ties[i] = 0;
        product[i] = 1;
    }
    for (start(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t to = walk.at[1] + i * walk.by[1];
            const float number = x[walk.at[0] + i];
            ties[to] += operation == LN_REDUCE_prod ? number == 0 : number == y[to];
            product[to] *= number == 0 ? 1 : (double)number;
        }
}

static double slope(int operation, double x, double y, double ties, double product, double each)
{
    switch (operation) {
    case LN_REDUCE_mean:
        return 1 / each;
    case LN_REDUCE_max:
    case LN_REDUCE_min:
        return x == y ? 1 / ties : 0;
    case LN_REDUCE_prod:
        if (ties == 0)
            return product / x;
        return ties == 1 && x == 0 ? product : 0;
    case LN_REDUCE_l1:
        return (x > 0) - (x < 0);
    case LN_REDUCE_l2:
        return y == 0 ? 0 : x / y;
    case LN_REDUCE_log_sum:
        return exp(-y);
    case LN_REDUCE_log_sum_exp:
        return exp(x - y);
    case LN_REDUCE_sum_square:
        return 2 * x;
    default:
        return 1;
    }
}

/* Of a sum, whose slope is the same everywhere. */
static void backward_sum(const ln_pass *pass, double slope)
{
    const float *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    ln_walk walk;
    for (start(pass, &walk); walk.more; ln_walk_next(&walk)) {
        const float *from = dy + walk.at[1];
        float *to = dx + walk.at[0];
        if (walk.by[1] == 1)
            for (int64_t i = 0; i < walk.run; i++)
                to[i] = (float)((double)from[i] * slope);
        else
            for (int64_t i = 0; i < walk.run; i++)
                to[i] = (float)((double)from[i * walk.by[1]] * slope);
    }
}

static ln_status reduce_backward(const ln_pass *pass, ln_error *err)
{
    const ln_reduce_attributes *own = pass->step->node->attributes;
    const int64_t count = pass->rows * ln_operand_out(pass->step, 0).count;
    const double each = (double)numbers_each(pass->step);
    const float *x = pass->in[0], *y = pass->out[0], *dy = pass->out_grad[0];
    double *ties = pass->scratch, *product = ties + count;
    float *dx = pass->in_grad[0];
    ln_walk walk;
    (void)err;
    if (!dx)
        return LN_OK;
    if (is_sum(own->operation)) {
        backward_sum(pass, own->operation == LN_REDUCE_mean ? 1 / each : 1);
        return LN_OK;
    }
    look_again(pass, own->operation, ties, product);
    for (start(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t at = walk.at[0] + i, to = walk.at[1] + i * walk.by[1];
            dx[at] = (float)((double)dy[to] * slope(own->operation, (double)x[at], (double)y[to],
                                                    ties[to], product[to], each));
        }
    return LN_OK;
}

const ln_layer ln_layer_reduce = {
    .word = {.name = "reduce",
             .summary = "makes one number of those along some axes",
             .formula = "y = sum x, or another operation",
             .source = "ONNX: ReduceSum and its kin",
             .params = reduce_params,
             .params_size = sizeof(ln_reduce_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = reduce_types,
    .infer = reduce_infer,
    .prepare = reduce_prepare,
    .forward = reduce_forward,
    .backward = reduce_backward,
};
