/* Running a recurrent cell over time.
 *
 * Inputs of the node: x, then for each direction weight_ih (G, F), weight_hh (G, H) and, with a bias,
 * bias_ih (G), bias_hh (G): PyTorch's parameters in PyTorch's order of gates. Behind them may stand: the
 * first hidden state, the first memory, the lengths, and a peephole for each direction.
 *
 * x W^T is one product for all steps; each step then multiplies the states of all sequences. Backward
 * runs the steps again (what a step keeps would be larger than all other values of a network), then
 * goes back through them. Cost: forward 2 M G (F + H) operations, backward three times that.
 *
 * A row's bits depend on the row alone, since every product's do. */
#include "layers/recurrent_inputs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* ---------------------------------------------------------------- prepare */

typedef struct prepared {
    ln_block_fn block;
    ln_packed *input[2], *input_back[2]; /* a direction */
    ln_packed *part[2][LN_RECURRENT_PARTS], *part_back[2][LN_RECURRENT_PARTS];
    size_t at[14]; /* places of ln_steps' arrays in scratch */
} prepared;

static void release_packed(ln_packed *packed)
{
    if (packed)
        packed->kernels->release(packed);
}

void ln_recurrent_release(ln_step *step)
{
    prepared *own = step->prepared;
    for (int d = 0; own && d < 2; d++) {
        release_packed(own->input[d]);
        release_packed(own->input_back[d]);
        for (int i = 0; i < LN_RECURRENT_PARTS; i++) {
            release_packed(own->part[d][i]);
            release_packed(own->part_back[d][i]);
        }
    }
    ln_free(own);
    step->prepared = NULL;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static ln_status pack(ln_packed **packed, ln_product product, const float *weight,
                      int64_t input_step, int64_t output_step, size_t *scratch, ln_error *err)
{
    const ln_kernels *kernels = ln_kernels_choose(product.inputs, product.outputs);
    ln_status status = kernels->pack(&product, weight, input_step, output_step, packed, err);
    if (!status && (*packed)->scratch_bytes > *scratch)
        *scratch = (*packed)->scratch_bytes;
    return status;
}

/* Sizes of a step's arrays; w->sequences is that of the rows given. */
static void set_sizes(ln_steps *w, const ln_step *step, const ln_cell *cell, int64_t rows)
{
    const ln_recurrent_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0);
    ln_recurrent_row_sizes(own, &x.row, &w->steps, &w->batch, &w->inputs);
    w->cell = cell;
    w->sequences = rows * w->batch;
    w->hidden_size = own->hidden_size;
    w->gates = cell->gates * own->hidden_size;
    w->batch_first = own->layout == LN_RECURRENT_BATCH_FIRST;
}

static ln_status pack_direction(ln_step *step, const ln_cell *cell, const ln_steps *w, int d,
                                const void *const *constant, size_t *scratch, ln_error *err)
{
    const ln_recurrent_attributes *own = step->node->attributes;
    const float *ih = constant[ln_recurrent_parameter_input(own, d, 0)];
    const float *hh = constant[ln_recurrent_parameter_input(own, d, 1)];
    const int64_t all = w->sequences * w->steps;
    const bool back = step->gradient || step->training;
    prepared *made = step->prepared;
    ln_status status =
        pack(&made->input[d], (ln_product){.inputs = w->inputs, .outputs = w->gates, .rows = all},
             ih, 1, w->inputs, scratch, err);
    if (!status && back)
        status = pack(&made->input_back[d],
                      (ln_product){.inputs = w->gates, .outputs = w->inputs, .rows = all}, ih,
                      w->inputs, 1, scratch, err);
    for (int i = 0; i < cell->parts && !status; i++) {
        const int64_t h = w->hidden_size, count = cell->part[i].count * h;
        const float *weight = hh + cell->part[i].first * h * h;
        status = pack(&made->part[d][i],
                      (ln_product){.inputs = h, .outputs = count, .rows = w->sequences}, weight, 1,
                      h, scratch, err);
        if (!status && back)
            status = pack(&made->part_back[d][i],
                          (ln_product){.inputs = count, .outputs = h, .rows = w->sequences}, weight,
                          h, 1, scratch, err);
    }
    return status;
}

ln_status ln_recurrent_prepare(ln_step *step, const ln_cell *cell, const void *const *constant,
                               ln_error *err)
{
    ln_steps w = {0};
    size_t scratch = 0, used;
    prepared *made = step->prepared;
    if (!made) {
        step->prepared = made = ln_calloc(1, sizeof *made);
        if (!made)
            return ln_fail_memory(err, sizeof *made);
        made->block = ln_kernels_block();
    }
    const bool fixed = step->graph->values[step->node->outputs[0]].fixed;
    set_sizes(&w, step, cell, fixed ? 1 : step->rows);
    ln_status status = LN_OK;
    for (int d = 0; d < ln_recurrent_directions(step->node->attributes) && !status; d++)
        status = pack_direction(step, cell, &w, d, constant, &scratch, err);
    const int64_t all = w.sequences * w.steps;
    const size_t sums =
        ln_kernels_accumulate_scratch(all, w.inputs > w.hidden_size ? w.inputs : w.hidden_size);
    const bool back = step->gradient || step->training;
    used = rounded(step->training && sums > scratch ? sums : scratch);
    const int64_t sizes[] = {all * w.gates,
                             all * w.hidden_size,
                             all * w.hidden_size,
                             all * w.hidden_size,
                             w.sequences * w.hidden_size,
                             w.sequences * w.hidden_size,
                             w.sequences * w.gates,
                             back ? w.sequences * w.hidden_size : 0,
                             back ? w.sequences * w.hidden_size : 0,
                             back ? all * w.gates : 0,
                             back ? all * w.gates : 0,
                             (back ? all * w.inputs : 0) + w.sequences * w.hidden_size,
                             back ? all * w.hidden_size : 0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        made->at[i] = used;
        used += rounded((size_t)sizes[i] * sizeof(float));
    }
    step->scratch_bytes = used;
    return status;
}

/* ---------------------------------------------------------------- steps */

static float *array(const ln_pass *pass, int which)
{
    const prepared *made = pass->step->prepared;
    return (float *)(void *)((char *)pass->scratch + made->at[which]);
}

static const void *extra(const ln_pass *pass, int which)
{
    const ln_recurrent_attributes *own = pass->step->node->attributes;
    const int input = ln_recurrent_extra_input(own, which);
    return ln_has_input(pass->step->node, input) ? pass->in[input] : NULL;
}

static void start_direction(const ln_pass *pass, const ln_cell *cell, int d, ln_steps *w,
                            ln_error *err)
{
    const ln_recurrent_attributes *own = pass->step->node->attributes;
    *w = (ln_steps){.pass = pass, .direction = d, .err = err, .scratch = pass->scratch};
    set_sizes(w, pass->step, cell, ln_pass_rows(pass));
    w->backwards = d == 1 || own->backwards;
    w->lengths = extra(pass, LN_LENGTHS);
    w->peephole = extra(pass, LN_PEEPHOLE + d);
    float **const arrays[] = {&w->gate,   &w->before,  &w->cell_before, &w->extra,    &w->hidden,
                              &w->memory, &w->part,    &w->d_hidden,    &w->d_memory, &w->d_gate,
                              &w->d_back, &w->product, &w->copy};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = array(pass, (int)i);
}

void ln_steps_multiply(ln_steps *w, int part, const float *h, float *out)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const prepared *made = w->pass->step->prepared;
    const ln_packed *packed = made->part[w->direction][part];
    const float *bias = NULL;
    if (own->bias)
        bias = (const float *)w->pass->in[ln_recurrent_parameter_input(own, w->direction, 3)] +
               w->cell->part[part].first * w->hidden_size;
    ln_status status =
        packed->kernels->multiply(packed, w->sequences, h, bias, out, w->scratch, w->err);
    w->status = w->status ? w->status : status;
}

void ln_steps_multiply_back(ln_steps *w, int part, const float *d, float *out)
{
    const prepared *made = w->pass->step->prepared;
    const ln_packed *packed = made->part_back[w->direction][part];
    ln_status status =
        packed->kernels->multiply(packed, w->sequences, d, NULL, out, w->scratch, w->err);
    w->status = w->status ? w->status : status;
}

/* Element of a state of sequence s in its input or output. */
static int64_t state_at(const ln_steps *w, int64_t s, int64_t row_step)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const int64_t row = s / w->batch, b = s % w->batch, both = ln_recurrent_directions(own);
    return row * row_step +
           (w->batch_first ? b * both + w->direction : w->direction * w->batch + b) *
               w->hidden_size;
}

/* Element of the result of step t of sequence s. */
static int64_t result_at(const ln_steps *w, int64_t s, int64_t t)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const int64_t row = s / w->batch, b = s % w->batch, both = ln_recurrent_directions(own);
    const int64_t place = w->batch_first
                              ? ((row * w->batch + b) * w->steps + t) * both + w->direction
                              : ((row * w->steps + t) * both + w->direction) * w->batch + b;
    return place * w->hidden_size;
}

/* A state before the first step: the node's input, or 0. */
static void load_state(ln_steps *w, int which, float *state)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const size_t bytes = (size_t)w->hidden_size * sizeof *state;
    const float *from = extra(w->pass, which);
    for (int64_t s = 0; s < w->sequences; s++) {
        float *to = state + s * w->hidden_size;
        if (!from) {
            memset(to, 0, bytes);
            continue;
        }
        const ln_operand given = ln_operand_in(w->pass->step, ln_recurrent_extra_input(own, which));
        memcpy(to, from + state_at(w, s, given.step), bytes);
    }
}

/* All steps of a direction; results go to the node's outputs where `out`. */
static void run_steps(ln_steps *w, bool out)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const prepared *made = w->pass->step->prepared;
    const ln_packed *input = made->input[w->direction];
    const float *bias =
        own->bias ? w->pass->in[ln_recurrent_parameter_input(own, w->direction, 2)] : NULL;
    const int64_t h = w->hidden_size;
    const size_t bytes = (size_t)h * sizeof(float);
    w->status = input->kernels->multiply(input, w->sequences * w->steps, w->pass->in[0], bias,
                                         w->gate, w->scratch, w->err);
    load_state(w, LN_FIRST_HIDDEN, w->hidden);
    load_state(w, LN_FIRST_MEMORY, w->memory);
    for (int64_t k = 0; k < w->steps && !w->status; k++) {
        const int64_t t = w->backwards ? w->steps - 1 - k : k;
        for (int64_t s = 0; s < w->sequences; s++) {
            memcpy(w->before + ln_step_at(w, s, t) * h, w->hidden + s * h, bytes);
            memcpy(w->cell_before + ln_step_at(w, s, t) * h, w->memory + s * h, bytes);
        }
        w->cell->forward(w, t);
        for (int64_t s = 0; s < w->sequences && out && !own->last; s++) {
            float *to = (float *)w->pass->out[0] + result_at(w, s, t);
            if (ln_step_active(w, s, t))
                memcpy(to, w->hidden + s * h, bytes);
            else
                memset(to, 0, bytes);
        }
    }
}

ln_status ln_recurrent_forward(const ln_pass *pass, const ln_cell *cell, ln_error *err)
{
    const ln_recurrent_attributes *own = pass->step->node->attributes;
    const int outputs = pass->step->node->output_count;
    for (int d = 0; d < ln_recurrent_directions(own); d++) {
        ln_steps w;
        start_direction(pass, cell, d, &w, err);
        run_steps(&w, true);
        if (w.status)
            return w.status;
        for (int o = own->last ? 0 : 1; o < outputs; o++) {
            const float *state = o == 2 ? w.memory : w.hidden;
            const int64_t step = ln_operand_out(pass->step, o).count;
            for (int64_t s = 0; s < w.sequences; s++)
                memcpy((float *)pass->out[o] + state_at(&w, s, step), state + s * w.hidden_size,
                       (size_t)w.hidden_size * sizeof *state);
        }
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- backward */

/* Gradients of the states after the last step. */
static void load_gradients(ln_steps *w)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const int outputs = w->pass->step->node->output_count;
    const int64_t h = w->hidden_size;
    memset(w->d_hidden, 0, (size_t)(w->sequences * h) * sizeof(float));
    memset(w->d_memory, 0, (size_t)(w->sequences * h) * sizeof(float));
    for (int o = own->last ? 0 : 1; o < outputs; o++) {
        float *to = o == 2 ? w->d_memory : w->d_hidden;
        const int64_t step = ln_operand_out(w->pass->step, o).count;
        for (int64_t s = 0; s < w->sequences; s++)
            memcpy(to + s * h, w->pass->out_grad[o] + state_at(w, s, step), (size_t)h * sizeof *to);
    }
}

static void run_back(ln_steps *w)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const int64_t h = w->hidden_size, g = w->gates;
    load_gradients(w);
    for (int64_t k = w->steps - 1; k >= 0 && !w->status; k--) {
        const int64_t t = w->backwards ? w->steps - 1 - k : k;
        for (int64_t s = 0; s < w->sequences; s++) {
            const int64_t m = ln_step_at(w, s, t);
            if (!ln_step_active(w, s, t)) {
                memset(w->d_gate + m * g, 0, (size_t)g * sizeof(float));
                memset(w->d_back + m * g, 0, (size_t)g * sizeof(float));
                continue;
            }
            const float *dy = w->pass->out_grad[0] + result_at(w, s, t);
            for (int64_t i = 0; i < h && !own->last; i++)
                w->d_hidden[s * h + i] += dy[i];
        }
        if (!w->rule)
            w->cell->backward(w, t);
        else if (w->rule->pairs)
            w->cell->contrast(w, t);
        else
            w->cell->relevance(w, t);
    }
}

/* The gradient of x; a second direction's is added. */
static void send_input(ln_steps *w, float *dx)
{
    const prepared *made = w->pass->step->prepared;
    const ln_packed *back = made->input_back[w->direction];
    const int64_t all = w->sequences * w->steps, count = all * w->inputs;
    float *to = w->direction == 0 ? dx : w->product;
    w->status = back->kernels->multiply(back, all, w->d_gate, NULL, to, w->scratch, w->err);
    for (int64_t i = 0; i < count && to != dx; i++)
        dx[i] += to[i];
}

static void send_state(ln_steps *w, int which, const float *state)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const int input = ln_recurrent_extra_input(own, which);
    if (!ln_has_input(w->pass->step->node, input) || !w->pass->in_grad[input])
        return;
    const ln_operand given = ln_operand_in(w->pass->step, input);
    for (int64_t s = 0; s < w->sequences; s++) {
        float *to = w->pass->in_grad[input] + state_at(w, s, given.step);
        for (int64_t i = 0; i < w->hidden_size; i++)
            to[i] = (given.step ? 0 : to[i]) + state[s * w->hidden_size + i];
    }
}

/* The recurrent weight's gradient, gate by gate: each may multiply something else. */
static void send_recurrent(ln_steps *w, ln_block_fn block, float *to)
{
    const int64_t all = w->sequences * w->steps, h = w->hidden_size;
    for (int gate = 0; gate < w->cell->gates; gate++) {
        const float *operand = w->cell->operand ? w->cell->operand(w, gate) : w->before;
        for (int64_t m = 0; m < all; m++)
            memcpy(w->copy + m * h, w->d_back + m * w->gates + gate * h, (size_t)h * sizeof *to);
        ln_kernels_accumulate(block, all, h, h, w->copy, operand, to + gate * h * h, w->scratch);
    }
}

static void send_parameters(ln_steps *w)
{
    const ln_recurrent_attributes *own = w->pass->step->node->attributes;
    const prepared *made = w->pass->step->prepared;
    const int64_t all = w->sequences * w->steps, g = w->gates;
    const int peephole = ln_recurrent_extra_input(own, LN_PEEPHOLE + w->direction);
    float *to[4] = {NULL};
    for (int i = 0; i < ln_recurrent_each_direction(own); i++)
        to[i] = w->pass->in_grad[ln_recurrent_parameter_input(own, w->direction, i)];
    if (to[0])
        ln_kernels_accumulate(made->block, all, g, w->inputs, w->d_gate, w->pass->in[0], to[0],
                              w->scratch);
    if (to[1])
        send_recurrent(w, made->block, to[1]);
    if (to[2])
        ln_kernels_add_rows(all, g, w->d_gate, to[2]);
    if (to[3])
        ln_kernels_add_rows(all, g, w->d_back, to[3]);
    if (w->peephole && w->pass->in_grad[peephole])
        w->cell->peephole(w, w->pass->in_grad[peephole]);
}

int64_t ln_steps_kept(const ln_step *step)
{
    ln_steps w = {0};
    set_sizes(&w, step, ln_recurrent_cell(step->node), step->rows);
    return w.sequences * w.steps * w.gates;
}

/* Readies the steps that were run for a rule's way back. */
static void begin_rule(ln_steps *w, const ln_steps_rule *rule)
{
    w->rule = rule;
    if (rule && rule->pairs) {
        w->sequences /= 2;
        w->partner = w->sequences * w->steps;
    }
}

ln_status ln_recurrent_back(const ln_pass *pass, const ln_cell *cell, const ln_steps_rule *rule,
                            ln_error *err)
{
    const ln_recurrent_attributes *own = pass->step->node->attributes;
    float *dx = pass->in_grad[0];
    for (int d = 0; d < ln_recurrent_directions(own); d++) {
        ln_steps w;
        start_direction(pass, cell, d, &w, err);
        w.kept = rule ? rule->kept : NULL;
        run_steps(&w, false);
        begin_rule(&w, rule);
        if (!w.status)
            run_back(&w);
        if (!w.status && dx)
            send_input(&w, dx);
        if (w.status)
            return w.status;
        send_state(&w, LN_FIRST_HIDDEN, w.d_hidden);
        send_state(&w, LN_FIRST_MEMORY, w.d_memory);
        if (!rule)
            send_parameters(&w);
    }
    const float *x = pass->in[0];
    const int64_t count = pass->rows * ln_operand_in(pass->step, 0).count;
    for (int64_t i = 0; rule && !rule->pairs && dx && i < count; i++)
        dx[i] *= x[i];
    return LN_OK;
}
