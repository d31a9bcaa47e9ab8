/* A runner has an execution of each plan of its function (function.c); a call copies rows in and results out and
 * allocates nothing. Calls with more rows than planned run pass after pass. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "model/kept.h"

ln_status ln_runner_new(const ln_function *function, ln_runner **out, ln_error *err)
{
    ln_runner *runner = ln_kept_take_runner(function);
    if (runner) {
        *out = runner;
        return LN_OK;
    }
    runner = ln_calloc(1, sizeof *runner);
    if (!runner)
        return ln_fail_memory(err, sizeof *runner);
    runner->function = function;
    ln_status status = ln_exec_new(function->plan, &runner->exec, err);
    if (!status && function->single)
        status = ln_exec_new(function->single, &runner->single, err);
    if (status)
        ln_runner_destroy(runner);
    else
        *out = runner;
    return status;
}

static void end_sharing(ln_runner *runner)
{
    for (int i = 0; runner->pool && i < runner->sharers - 1; i++)
        ln_runner_free(runner->others[i]);
    ln_free(runner->others);
    runner->others = NULL;
    runner->pool = NULL;
}

/* How many of so many runners there is memory for: others take half of what --memory leaves, at most. */
static int affordable(const ln_runner *runner, int runners)
{
    const size_t limit = ln_memory_limit_get(), used = ln_memory_used();
    const size_t others = (limit > used ? limit - used : 0) / 2 / ln_kept_runner_bytes(runner);
    return limit == 0 || others >= (size_t)runners ? runners : 1 + (int)others;
}

ln_status ln_runner_share(ln_runner *runner, ln_pool *pool, ln_error *err)
{
    assert(!pool || runner->function->key.behind < 0);
    end_sharing(runner);
    const int sharers = affordable(runner, ln_pool_threads(pool));
    const size_t others = (size_t)sharers - 1;
    if (others == 0)
        return LN_OK;
    runner->others = ln_calloc(others, sizeof *runner->others);
    if (!runner->others)
        return ln_fail_memory(err, others * sizeof *runner->others);
    runner->pool = pool;
    runner->sharers = sharers;
    return LN_OK;
}

void ln_runner_free(ln_runner *runner)
{
    if (!runner)
        return;
    end_sharing(runner);
    ln_kept_return_runner(runner);
}

int64_t ln_runner_nanoseconds(const ln_runner *runner)
{
    return ln_exec_nanoseconds(runner->exec) +
           (runner->single ? ln_exec_nanoseconds(runner->single) : 0);
}

void ln_runner_destroy(ln_runner *runner)
{
    if (!runner)
        return;
    ln_exec_free(runner->exec);
    ln_exec_free(runner->single);
    ln_free(runner);
}

/* Copies columns [from, from + width) of rows `whole` wide to or from an input's own rows. */
static void copy_columns(float *to, int64_t to_step, const float *from, int64_t from_step,
                         int64_t width, int64_t rows)
{
    if (to_step == width && from_step == width) {
        memcpy(to, from, (size_t)(rows * width) * sizeof *to);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + r * to_step, from + r * from_step, (size_t)width * sizeof *to);
}

static ln_status refuse_number(const ln_value *input, int64_t row, float number, ln_error *err)
{
    return ln_fail(
        err, LN_EINVALID,
        "the model's input '%s' takes whole numbers (%s), but row %lld of this pass holds "
        "%g",
        input->name, ln_dtype_name(input->dtype), (long long)row, (double)number);
}

/* The same columns for an input of whole numbers, rounded to the nearest. */
static ln_status round_columns(const ln_value *input, void *to, const float *from,
                               int64_t from_step, int64_t width, int64_t rows, ln_error *err)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) {
            const float number = rintf(from[r * from_step + i]);
            const int64_t at = r * width + i;
            if (!(fabsf(number) < 0x1p31f))
                return refuse_number(input, r, number, err);
            if (input->dtype == LN_I64)
                ((int64_t *)to)[at] = (int64_t)number;
            else if (input->dtype == LN_I32)
                ((int32_t *)to)[at] = (int32_t)number;
            else
                ((uint8_t *)to)[at] = number != 0;
        }
    return LN_OK;
}

/* One pass forward; the execution that ran it goes to *exec. An item may ask for any number of passes: here
 * each of them can be stopped. */
static ln_status pass_forward(ln_runner *runner, const float *x, int64_t rows, ln_exec **exec,
                              ln_error *err)
{
    const ln_model *model = runner->function->model;
    if (ln_interrupted())
        return ln_check_interrupt(err);
    *exec = rows == 1 && runner->single ? runner->single : runner->exec;
    if (runner->function->key.behind >= 0) {
        float *to = ln_exec_input(*exec, 0);
        if (to != x)
            memcpy(to, x, (size_t)(rows * runner->function->width) * sizeof *to);
        return ln_exec_forward(*exec, rows, err);
    }
    if (model->callback.run) {
        ln_status status =
            model->callback.run(model->callback.context, x, rows, ln_exec_input(*exec, 0), err);
        return status ? status : ln_exec_forward(*exec, rows, err);
    }
    for (int i = 0; i < model->input_count; i++) {
        const int64_t width = model->input_offset[i + 1] - model->input_offset[i];
        const ln_value *input = &model->graph->values[model->graph->inputs[i]];
        const float *from = x + model->input_offset[i];
        ln_status status = LN_OK;
        if (input->dtype == LN_F32)
            copy_columns(ln_exec_input(*exec, i), width, from, model->width, width, rows);
        else
            status =
                round_columns(input, ln_exec_input(*exec, i), from, model->width, width, rows, err);
        if (status)
            return status;
    }
    return ln_exec_forward(*exec, rows, err);
}

/* Rows of the next pass where `left` are left. */
static int64_t pass_rows(const ln_runner *runner, int64_t left)
{
    return left < runner->function->key.rows ? left : runner->function->key.rows;
}

float *ln_runner_place(ln_runner *runner, int64_t rows)
{
    assert(runner->function->key.behind >= 0 && rows <= runner->function->key.rows);
    return ln_exec_input(rows == 1 && runner->single ? runner->single : runner->exec, 0);
}

/* One pass forward and back; the execution that ran it goes to *exec. */
static ln_status pass_backward(ln_runner *runner, const float *x, const ln_target *targets,
                               int64_t rows, double *value, ln_exec **exec, ln_error *err)
{
    const ln_function *function = runner->function;
    ln_status status = pass_forward(runner, x, rows, exec, err);
    if (status)
        return status;
    const float *y = ln_exec_value(*exec, function->output);
    float *seed = ln_exec_seed(*exec, function->output);
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = r * function->outputs + targets[r].index;
        assert(targets[r].index >= 0 && targets[r].index < function->outputs);
        seed[at] = (float)targets[r].scale * (function->relevance ? y[at] : 1);
        if (value)
            value[r] = targets[r].offset + targets[r].scale * (double)y[at];
    }
    return ln_exec_backward(*exec, err);
}

/* Whether something goes back as far as this input. */
static bool goes_back_to(const ln_function *function, int input)
{
    for (int i = 0; i < function->gradient_count; i++)
        if (function->gradients[i] == input)
            return true;
    return false;
}

/* The same for the gradients of the inputs. `absorbed` is NULL but for relevance. */
static ln_status pass_gradient(ln_runner *runner, const float *x, const ln_target *targets,
                               int64_t rows, double *value, float *gradient, double *absorbed,
                               ln_error *err)
{
    const ln_function *function = runner->function;
    const ln_model *model = function->model;
    ln_exec *exec;
    ln_status status = pass_backward(runner, x, targets, rows, value, &exec, err);
    for (int i = 0; i < model->input_count && !status; i++) {
        const int64_t width = model->input_offset[i + 1] - model->input_offset[i];
        const int input = function->graph->inputs[i];
        float *to = gradient + model->input_offset[i];
        const bool back = goes_back_to(function, input);
        if (back)
            copy_columns(to, model->width, ln_exec_gradient(exec, input), width, width, rows);
        for (int64_t r = 0; r < rows && !back; r++)
            memset(to + r * model->width, 0, (size_t)width * sizeof *to);
    }
    if (absorbed && !status)
        memcpy(absorbed, ln_exec_absorbed(exec), (size_t)rows * sizeof *absorbed);
    return status;
}

/* What a call asks for; each row has its own places in what it writes. */
typedef struct call {
    ln_runner *runner;
    const float *x;
    const ln_target *targets;
    double *value, *absorbed;
    float *out, *gradient, *layer;
    int64_t rows, part; /* in all, and of one worker's turn */
} call;

static ln_status forward_pass(ln_runner *runner, const call *c, int64_t first, int64_t rows,
                              ln_error *err)
{
    const ln_function *function = runner->function;
    ln_exec *exec;
    ln_status status = pass_forward(runner, c->x + first * function->width, rows, &exec, err);
    if (!status)
        memcpy(c->out + first * function->outputs, ln_exec_value(exec, function->output),
               (size_t)(rows * function->outputs) * sizeof *c->out);
    return status;
}

static ln_status layer_pass(ln_runner *runner, const call *c, int64_t first, int64_t rows,
                            ln_error *err)
{
    const ln_function *function = runner->function;
    const int64_t width = ln_shape_row(&function->graph->values[function->layer].shape);
    const float *x = c->x + first * function->model->width;
    ln_exec *exec;
    ln_status status = c->targets ? pass_backward(runner, x, c->targets + first, rows,
                                                  c->value ? c->value + first : NULL, &exec, err)
                                  : pass_forward(runner, x, rows, &exec, err);
    if (status)
        return status;
    const size_t bytes = (size_t)(rows * width) * sizeof *c->layer;
    memcpy(c->layer + first * width, ln_exec_value(exec, function->layer), bytes);
    if (c->targets)
        memcpy(c->gradient + first * width, ln_exec_gradient(exec, function->layer), bytes);
    return LN_OK;
}

/* `count` rows from number `first` on, pass after pass. */
static ln_status run_rows(ln_runner *runner, const call *c, int64_t first, int64_t count,
                          ln_error *err)
{
    const int64_t width = runner->function->model->width;
    ln_status status = LN_OK;
    for (int64_t end = first + count, rows; first < end && !status; first += rows) {
        rows = pass_rows(runner, end - first);
        if (c->layer)
            status = layer_pass(runner, c, first, rows, err);
        else if (c->out)
            status = forward_pass(runner, c, first, rows, err);
        else
            status = pass_gradient(runner, c->x + first * width, c->targets + first, rows,
                                   c->value ? c->value + first : NULL, c->gradient + first * width,
                                   c->absorbed ? c->absorbed + first : NULL, err);
    }
    return status;
}

/* A part has a runner of its own, whichever worker takes it: there may be fewer of them than workers. */
static ln_status run_part(void *context, int64_t part, int worker, ln_error *err)
{
    const call *c = context;
    const int64_t first = part * c->part, left = c->rows - first;
    ln_runner **other = part > 0 ? &c->runner->others[part - 1] : NULL;
    ln_status status = LN_OK;
    (void)worker;
    if (other && !*other)
        status = ln_runner_new(c->runner->function, other, err);
    return status ? status
                  : run_rows(other ? *other : c->runner, c, first, left < c->part ? left : c->part,
                             err);
}

static ln_status run_call(call *c, ln_error *err)
{
    const int sharers = c->runner->pool ? c->runner->sharers : 1;
    if (sharers == 1 || c->rows < 2 ||
        ln_model_chunk(c->runner->function->model, c->rows, 1, sharers) == c->rows)
        return run_rows(c->runner, c, 0, c->rows, err);
    c->part = (c->rows + sharers - 1) / sharers;
    return ln_parallel(c->runner->pool, (c->rows + c->part - 1) / c->part, run_part, c, NULL, NULL,
                       err);
}

ln_status ln_runner_forward(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err)
{
    return run_call(&(call){.runner = runner, .x = x, .rows = rows, .out = out}, err);
}

ln_status ln_runner_gradient(ln_runner *runner, const float *x, const ln_target *targets,
                             int64_t rows, double *value, float *gradient, ln_error *err)
{
    return ln_runner_relevance(runner, x, targets, rows, value, gradient, NULL, err);
}

ln_status ln_runner_relevance(ln_runner *runner, const float *x, const ln_target *targets,
                              int64_t rows, double *value, float *relevance, double *absorbed,
                              ln_error *err)
{
    assert(runner->function->key.gradient);
    return run_call(&(call){.runner = runner,
                            .x = x,
                            .targets = targets,
                            .rows = rows,
                            .value = value,
                            .gradient = relevance,
                            .absorbed = absorbed},
                    err);
}

ln_status ln_runner_layer(ln_runner *runner, const float *x, const ln_target *targets, int64_t rows,
                          double *value, float *layer, float *gradient, ln_error *err)
{
    return run_call(&(call){.runner = runner,
                            .x = x,
                            .targets = targets,
                            .rows = rows,
                            .value = value,
                            .layer = layer,
                            .gradient = gradient},
                    err);
}
