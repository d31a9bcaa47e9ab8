/* The driver of functions of two numbers. The gradient of an operand that was broadcast is the sum
 * over what shared it, in float64 and in the order of the result's elements. */
#include "layers/binary.h"

enum { CHUNK = 256 }; /* elements of a gradient at a time */

/* y = f(a, b) for whole numbers, or for numbers of two types. */
static void convert_run(const ln_binary *binary, const ln_operand *operands, const ln_walk *walk,
                        const void *a, const void *b, void *y)
{
    const ln_dtype result = operands[0].dtype;
    const bool mixed = operands[1].dtype != operands[2].dtype || result == LN_F32;
    for (int64_t i = 0; i < walk->run; i++) {
        const int64_t at_a = walk->at[1] + i * walk->by[1], at_b = walk->at[2] + i * walk->by[2];
        const int64_t at_y = walk->at[0] + i * walk->by[0];
        if (mixed && binary->real) {
            const double value = binary->real(ln_load_real(a, operands[1].dtype, at_a),
                                              ln_load_real(b, operands[2].dtype, at_b));
            if (result == LN_F32)
                ((float *)y)[at_y] = (float)value;
            else
                ln_store_whole(y, result, at_y, (int64_t)value);
            continue;
        }
        ln_store_whole(y, result, at_y,
                       binary->whole(ln_load_whole(a, operands[1].dtype, at_a),
                                     ln_load_whole(b, operands[2].dtype, at_b)));
    }
}

static void combine(const ln_binary *binary, const ln_operand *operands, int64_t rows,
                    const void *a, const void *b, void *y)
{
    const bool plain =
        operands[0].dtype == LN_F32 && operands[1].dtype == LN_F32 && operands[2].dtype == LN_F32;
    ln_walk walk;
    for (ln_walk_start(&walk, rows, operands, 3); walk.more; ln_walk_next(&walk)) {
        if (!plain) {
            convert_run(binary, operands, &walk, a, b, y);
            continue;
        }
        const ln_run run = {.a = (const float *)a + walk.at[1],
                            .b = (const float *)b + walk.at[2],
                            .a_by = walk.by[1],
                            .b_by = walk.by[2],
                            .count = walk.run,
                            .y = (float *)y + walk.at[0]};
        binary->value(&run);
    }
}

ln_status ln_binary_forward(const ln_pass *pass, const ln_binary *binary)
{
    const int64_t rows = ln_pass_rows(pass);
    const ln_operand result = ln_operand_out(pass->step, 0);
    ln_operand operands[3] = {result, ln_broadcast_in(pass->step, 0)};
    const void *sofar = pass->in[0];
    for (int k = 1; k < pass->step->node->input_count; k++) {
        operands[2] = ln_broadcast_in(pass->step, k);
        combine(binary, operands, rows, sofar, pass->in[k], pass->out[0]);
        operands[1] = result;
        sofar = pass->out[0];
    }
    return LN_OK;
}

ln_status ln_binary_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_operand result = ln_operand_out(step, 0);
    size_t most = 0;
    (void)constant;
    (void)err;
    if (!step->gradient && !step->training)
        return LN_OK;
    for (int k = 0; k < step->node->input_count; k++) {
        const ln_operand own = ln_broadcast_in(step, k);
        const size_t count = (size_t)(own.step ? step->rows * own.count : own.count);
        if (!ln_broadcast_exact(&own, &result) && count > most)
            most = count;
    }
    step->scratch_bytes = most * sizeof(double);
    return LN_OK;
}

/* Part of a run, from its element `first` on. */
static ln_run part_of(const ln_pass *pass, const ln_walk *walk, int a, int b, int64_t first)
{
    const int64_t left = walk->run - first;
    return (ln_run){.a = (const float *)pass->in[a] + walk->at[1] + first * walk->by[1],
                    .b = (const float *)pass->in[b] + walk->at[2] + first * walk->by[2],
                    .a_by = walk->by[1],
                    .b_by = walk->by[2],
                    .count = left < CHUNK ? left : CHUNK,
                    .y = (float *)pass->out[0] + walk->at[0] + first,
                    .dy = pass->out_grad[0] + walk->at[0] + first};
}

/* The gradient of input k, written or (of a constant) added. */
static void send(const ln_pass *pass, const ln_binary *binary, int k, float *to, bool add)
{
    const int other = k == 0 ? 1 : k, which = k == 0 ? 0 : 1;
    const ln_operand operands[3] = {ln_operand_out(pass->step, 0), ln_broadcast_in(pass->step, 0),
                                    ln_broadcast_in(pass->step, other)};
    const ln_operand *own = &operands[1 + which];
    const int64_t rows = ln_pass_rows(pass), count = own->step ? rows * own->count : own->count;
    const bool direct = ln_broadcast_exact(own, &operands[0]) && !add;
    double *sum = pass->scratch;
    float gradient[CHUNK] = {0};
    ln_walk walk;
    for (int64_t i = 0; i < count && !direct; i++)
        sum[i] = 0;
    for (ln_walk_start(&walk, rows, operands, 3); walk.more; ln_walk_next(&walk))
        for (int64_t first = 0; first < walk.run; first += CHUNK) {
            const ln_run run = part_of(pass, &walk, 0, other, first);
            const int64_t by = walk.by[1 + which], at = walk.at[1 + which] + first * by;
            binary->slope(&run, which, direct ? to + at : gradient);
            for (int64_t i = 0; i < run.count && !direct; i++)
                sum[at + i * by] += (double)gradient[i];
        }
    if (!direct)
        ln_write_sums(sum, count, to, add);
}

ln_status ln_binary_backward(const ln_pass *pass, const ln_binary *binary, bool parameters)
{
    for (int k = 0; k < pass->step->node->input_count; k++)
        if (pass->in_grad[k])
            send(pass, binary, k, pass->in_grad[k], parameters);
    return LN_OK;
}
