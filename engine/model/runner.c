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

void ln_runner_free(ln_runner *runner)
{
    if (runner)
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

ln_status ln_runner_forward(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err)
{
    const ln_function *function = runner->function;
    for (int64_t first = 0, count; first < rows; first += count) {
        ln_exec *exec;
        count = pass_rows(runner, rows - first);
        ln_status status = pass_forward(runner, x + first * function->width, count, &exec, err);
        if (status)
            return status;
        memcpy(out + first * function->outputs, ln_exec_value(exec, function->output),
               (size_t)(count * function->outputs) * sizeof *out);
    }
    return LN_OK;
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

ln_status ln_runner_gradient(ln_runner *runner, const float *x, const ln_target *targets,
                             int64_t rows, double *value, float *gradient, ln_error *err)
{
    return ln_runner_relevance(runner, x, targets, rows, value, gradient, NULL, err);
}

ln_status ln_runner_relevance(ln_runner *runner, const float *x, const ln_target *targets,
                              int64_t rows, double *value, float *relevance, double *absorbed,
                              ln_error *err)
{
    const int64_t width = runner->function->model->width;
    assert(runner->function->key.gradient);
    for (int64_t first = 0, count; first < rows; first += count) {
        count = pass_rows(runner, rows - first);
        ln_status status = pass_gradient(runner, x + first * width, targets + first, count,
                                         value ? value + first : NULL, relevance + first * width,
                                         absorbed ? absorbed + first : NULL, err);
        if (status)
            return status;
    }
    return LN_OK;
}

ln_status ln_runner_layer(ln_runner *runner, const float *x, const ln_target *targets, int64_t rows,
                          double *value, float *layer, float *gradient, ln_error *err)
{
    const ln_function *function = runner->function;
    const int64_t width = ln_shape_row(&function->graph->values[function->layer].shape);
    for (int64_t first = 0, count; first < rows; first += count) {
        ln_exec *exec;
        count = pass_rows(runner, rows - first);
        const float *from = x + first * function->model->width;
        ln_status status = targets ? pass_backward(runner, from, targets + first, count,
                                                   value ? value + first : NULL, &exec, err)
                                   : pass_forward(runner, from, count, &exec, err);
        if (status)
            return status;
        const size_t bytes = (size_t)(count * width) * sizeof *layer;
        memcpy(layer + first * width, ln_exec_value(exec, function->layer), bytes);
        if (targets)
            memcpy(gradient + first * width, ln_exec_gradient(exec, function->layer), bytes);
    }
    return LN_OK;
}
