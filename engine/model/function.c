/* A model on a link (link.c), planned.
 *
 * There are two plans, one for passes of several rows and one for a single row, which would otherwise
 * cost as much as all that the first was planned for (where those are many); by the layers' promise a
 * row has the same bits in both. A runner has an execution of each; a call copies rows in and results out and allocates
 * nothing. Calls with more rows than planned run pass after pass. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "graph/behind.h"
#include "graph/fuse.h"
#include "graph/merge.h"
#include "graph/simplify.h"
#include "model/head.h"
#include "model/kept.h"

enum { FEW_ROWS = 8 };

/* A layer behind the explained output, or beside it, has nothing to say of it. */
static ln_status check_layer(const ln_function *function, ln_error *err)
{
    bool depends;
    ln_status status =
        ln_graph_depends(function->graph, function->output, function->layer, -1, &depends, err);
    if (status || depends)
        return status;
    ln_fail(err, LN_EINVALID,
            "the explained output does not depend on '%s': name a layer before it",
            function->graph->values[function->layer].name);
    if (err)
        snprintf(err->field, sizeof err->field, "layer");
    return LN_EINVALID;
}

/* The layer, or the inputs that have gradients: whole numbers (token ids ...) have none. */
static ln_status list_gradients(ln_function *function, ln_error *err)
{
    const ln_graph *graph = function->graph;
    function->gradients = ln_calloc((size_t)graph->input_count + 1, sizeof *function->gradients);
    if (!function->gradients)
        return ln_fail_memory(err, ((size_t)graph->input_count + 1) * sizeof *function->gradients);
    if (function->layer >= 0) {
        if (function->key.gradient)
            function->gradients[function->gradient_count++] = function->layer;
        return function->key.gradient ? check_layer(function, err) : LN_OK;
    }
    for (int i = 0; i < graph->input_count && function->key.gradient; i++)
        if (graph->values[graph->inputs[i]].dtype == LN_F32)
            function->gradients[function->gradient_count++] = graph->inputs[i];
    if (function->key.gradient && function->gradient_count == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the model's input '%s' takes whole numbers, which have no gradient: use an "
                       "explainer that needs none",
                       graph->values[graph->inputs[0]].name);
    return LN_OK;
}

/* The function's graph gives way to one made of it, in which output and layer have other ids. */
static void take_graph(ln_function *function, ln_graph *made)
{
    const ln_value *values = function->graph->values;
    function->output = ln_graph_find_value(made, values[function->output].name);
    assert(function->output >= 0);
    if (function->layer >= 0) {
        function->layer = ln_graph_find_value(made, values[function->layer].name);
        assert(function->layer >= 0);
    }
    ln_graph_release(function->graph);
    function->graph = made;
}

/* A composite may want the graph simpler; without one it is simplified as far as that goes, and what files
 * spell out becomes one node. Then it is made of what runs fastest. */
static ln_status simplify(ln_function *function, const ln_composite *composite, ln_error *err)
{
    const unsigned passes =
        composite ? composite->simplify : LN_SIMPLIFY_ALL | LN_SIMPLIFY_UNCHECKED;
    const ln_fuse fuse = composite && !composite->chains ? LN_FUSE_LAYERS : LN_FUSE_CHAINS;
    const int count = function->layer >= 0 ? 2 : 1;
    ln_graph *made;
    if (function->model->callback.run)
        return LN_OK;
    ln_status status = LN_OK;
    if (passes) {
        status =
            ln_graph_simplify(function->graph, passes,
                              (const int[]){function->output, function->layer}, count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if ((!composite || composite->merges) && !status) {
        status = ln_graph_merge(function->graph, (const int[]){function->output, function->layer},
                                count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if (!composite && !function->key.gradient && !status) {
        status =
            ln_graph_simplify(function->graph, LN_SIMPLIFY_CUTS,
                              (const int[]){function->output, function->layer}, count, &made, err);
        if (!status)
            take_graph(function, made);
    }
    if (!status)
        status = ln_graph_fuse(function->graph, fuse,
                               (const int[]){function->output, function->layer}, count, &made, err);
    if (!status)
        take_graph(function, made);
    return status;
}

/* The part of the graph behind a value, where rows are that value's numbers. */
static ln_status take_behind(ln_function *function, int value, ln_error *err)
{
    ln_graph *behind;
    ln_status status =
        ln_graph_behind(function->graph, value, function->output, &behind, &function->output, err);
    if (status)
        return status;
    assert(behind); /* the value is of ln_model_first_dense */
    ln_graph_release(function->graph);
    function->graph = behind;
    function->width = ln_shape_row(&behind->values[behind->inputs[0]].shape);
    return LN_OK;
}

static ln_status make_plan(const ln_function *function, int64_t rows, const ln_composite *composite,
                           const ln_plan *like, ln_plan **out, ln_error *err)
{
    const int both[] = {function->layer, function->output};
    const bool no_output = function->layer >= 0 && !function->key.gradient;
    const ln_plan_options options = {.rows = rows,
                                     .values = function->layer >= 0 ? both : &function->output,
                                     .value_count = function->layer >= 0 && !no_output ? 2 : 1,
                                     .gradients = function->gradients,
                                     .gradient_count = function->gradient_count,
                                     .composite = composite,
                                     .last = !like,
                                     .like = like,
                                     .fast = function->model->fast,
                                     .profile = function->model->profile};
    return ln_plan_new(function->graph, &options, out, err);
}

static ln_function_key key_of(const ln_model *model, const ln_function_options *options)
{
    return (ln_function_key){.rows = options->rows,
                             .link = options->link,
                             .layer = options->layer ? *options->layer : -1,
                             .behind = options->behind ? *options->behind : -1,
                             .explained = options->explained ? *options->explained : -1,
                             .gradient = options->gradient,
                             .fast = model->fast};
}

static ln_status make_graph(ln_function *function, const ln_composite *composite, ln_error *err)
{
    ln_model *model = function->model;
    const ln_function_key *key = &function->key;
    ln_status status = LN_OK;
    function->width = model->width;
    function->layer = key->layer;
    if (key->explained >= 0) {
        function->graph = ln_graph_retain(model->graph);
        function->output = key->explained;
    } else
        status = ln_link_apply(model, key->link, &function->graph, &function->output, err);
    if (!status && key->behind >= 0)
        status = take_behind(function, key->behind, err);
    if (!status)
        status = simplify(function, composite, err);
    return status;
}

static void share_graph(ln_function *function)
{
    const ln_function *base = function->base;
    function->graph = ln_graph_retain(base->graph);
    function->output = base->output;
    function->layer = base->layer;
    function->width = base->width;
}

static ln_status make(ln_function *function, const ln_composite *composite, ln_error *err)
{
    const ln_function *base = function->base;
    const int64_t rows = function->key.rows;
    ln_status status = LN_OK;
    if (base)
        share_graph(function);
    else
        status = make_graph(function, composite, err);
    if (!status) {
        function->outputs = ln_shape_row(&function->graph->values[function->output].shape);
        status = list_gradients(function, err);
    }
    if (!status)
        status =
            make_plan(function, rows, composite, base ? base->plan : NULL, &function->plan, err);
    if (!status && rows > FEW_ROWS)
        status = make_plan(function, 1, composite, base ? base->plan : function->plan,
                           &function->single, err);
    return status;
}

ln_status ln_function_new(ln_model *model, const ln_function_options *options, ln_function **out,
                          ln_error *err)
{
    const ln_function_key key = key_of(model, options);
    if (options->gradient && model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "a blackbox has no gradients");
    const bool keeps = model->keep_bytes > 0 && !model->profile; /* executions report when freed */
    ln_function *function = keeps ? ln_kept_find(model, &key, options->composite, false) : NULL;
    if (function) {
        ln_model_retain(model);
        *out = function;
        return LN_OK;
    }
    function = ln_calloc(1, sizeof *function);
    if (!function)
        return ln_fail_memory(err, sizeof *function);
    const size_t before = ln_memory_used();
    function->key = key;
    function->model = ln_model_retain(model);
    function->relevance = options->composite && options->composite->relevance;
    function->base = keeps ? ln_kept_find(model, &key, options->composite, true) : NULL;
    function->users = 1;
    ln_status status = make(function, options->composite, err);
    if (status) {
        ln_function_free(function);
        return status;
    }
    const size_t after = ln_memory_used();
    function->bytes = after > before ? after - before : 0;
    if (keeps)
        ln_kept_add(model, function);
    *out = function;
    return LN_OK;
}

void ln_function_destroy(ln_function *function)
{
    if (!function)
        return;
    ln_plan_free(function->plan);
    ln_plan_free(function->single);
    ln_free(function->gradients);
    ln_graph_release(function->graph);
    if (function->base)
        ln_kept_return(function->base);
    ln_free(function);
}

void ln_function_free(ln_function *function)
{
    if (!function)
        return;
    ln_model *model = function->model;
    ln_kept_return(function);
    ln_model_release(model);
}

int64_t ln_function_outputs(const ln_function *function)
{
    return function->outputs;
}

ln_status ln_function_layer_cuts(const ln_function *function, bool *out, ln_error *err)
{
    const ln_graph *graph = function->graph;
    bool around = false;
    ln_status status = LN_OK;
    for (int i = 0; i < graph->input_count && !status && !around; i++)
        status = ln_graph_depends(graph, function->output, graph->inputs[i], function->layer,
                                  &around, err);
    *out = !around;
    return status;
}

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
        if (function->graph->values[input].dtype == LN_F32)
            copy_columns(to, model->width, ln_exec_gradient(exec, input), width, width, rows);
        for (int64_t r = 0; r < rows && function->graph->values[input].dtype != LN_F32; r++)
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
