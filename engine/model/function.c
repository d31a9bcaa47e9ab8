/* A model on a link, planned.
 *
 *     raw          the output as it is
 *     logit        without the final softmax or sigmoid, where there is one
 *     probability  with it; where there is none, softmax for two or more outputs, else sigmoid
 *     loss         the cross entropy of every class, from the logits
 *
 * What is left off is simply not asked for; what is added goes into a copy of the graph that shares
 * the weights. One execution a runner; a call copies rows in and results out and allocates nothing. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layers/attributes.h"
#include "model/head.h"
#include "model/model.h"

struct ln_function {
    ln_model *model; /* retained */
    ln_graph *graph; /* the model's, or a copy with what the link adds */
    ln_plan *plan;
    int output;      /* the value that is explained */
    int64_t outputs; /* its numbers a row */
    bool gradient;
};

struct ln_runner {
    const ln_function *function; /* borrowed */
    ln_exec *exec;
};

ln_head ln_head_find(const ln_graph *graph, int value)
{
    ln_head head = {.node = -1, .before = value};
    for (int at = value; graph->values[at].producer >= 0;) {
        const int producer = graph->values[at].producer;
        const ln_node *node = &graph->nodes[producer];
        const char *word = node->layer->word.name;
        const ln_shape *shape = &graph->values[at].shape;
        at = node->inputs[0];
        if (strcmp(word, "identity") == 0 || strcmp(word, "dropout") == 0)
            continue;
        if (strcmp(word, "softmax") == 0) {
            const ln_axis_attributes *own = node->attributes;
            head.softmax = shape->rank == 2 && (own->axis == 1 || own->axis == -1);
        }
        if (head.softmax || strcmp(word, "sigmoid") == 0) {
            head.node = producer;
            head.before = at;
        }
        break;
    }
    return head;
}

/* Adds one layer on the function's output, under a name that is free. */
static ln_status add_layer(ln_function *function, const char *word, const void *attributes,
                           ln_error *err)
{
    char name[64];
    const char *names[1] = {name};
    int node, number = 0;
    do
        snprintf(name, sizeof name, "link.%s.%d", word, number++);
    while (ln_graph_find_value(function->graph, name) >= 0 ||
           ln_graph_find_node(function->graph, name) >= 0);
    ln_status status = ln_graph_add_node(function->graph, ln_layer_find(word), word, name,
                                         attributes, &function->output, 1, names, 1, &node, err);
    if (!status)
        function->output = function->graph->nodes[node].outputs[0];
    return status;
}

/* A copy of the graph to add to; where a row is not a list of classes, it is made one first. */
static ln_status begin_adding(ln_function *function, ln_error *err)
{
    const ln_flatten_attributes flatten = {.start = 1};
    ln_status status = ln_graph_copy(function->model->graph, &function->graph, err);
    if (!status && function->graph->values[function->output].shape.rank != 2)
        status = add_layer(function, "flatten", &flatten, err);
    return status;
}

static ln_status add_probability(ln_function *function, ln_error *err)
{
    const ln_axis_attributes softmax = {.axis = -1};
    ln_status status = begin_adding(function, err);
    if (status)
        return status;
    return function->model->output_count == 1 ? add_layer(function, "sigmoid", NULL, err)
                                              : add_layer(function, "softmax", &softmax, err);
}

static ln_status apply_link(ln_function *function, ln_link link, ln_error *err)
{
    const ln_model *model = function->model;
    const ln_head head = ln_head_find(model->graph, model->output_value);
    const bool needs_classes = link == LN_LINK_PROBABILITY || link == LN_LINK_LOSS;
    function->output = model->output_value;
    if (needs_classes && model->task == LN_TASK_REGRESSION)
        return ln_fail(err, LN_EINVALID,
                       "link = \"%s\" needs a classifier, but the model's task is regression: "
                       "use \"raw\"",
                       link == LN_LINK_LOSS ? "loss" : "probability");
    if (link == LN_LINK_PROBABILITY && head.node < 0)
        return add_probability(function, err);
    if (link == LN_LINK_LOGIT || link == LN_LINK_LOSS)
        function->output = head.before;
    if (link != LN_LINK_LOSS)
        return LN_OK;
    if (head.node >= 0 && !head.softmax && model->output_count > 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "link = \"loss\" is not defined here: the model ends in a sigmoid of %lld "
                       "outputs, so a row may have several labels",
                       (long long)model->output_count);
    ln_status status = begin_adding(function, err);
    return status ? status : add_layer(function, "class_loss", NULL, err);
}

ln_status ln_function_new(ln_model *model, const ln_function_options *options, ln_function **out,
                          ln_error *err)
{
    ln_function *function = ln_calloc(1, sizeof *function);
    if (!function)
        return ln_fail_memory(err, sizeof *function);
    function->model = ln_model_retain(model);
    function->gradient = options->gradient;
    ln_status status = apply_link(function, options->link, err);
    if (!status) {
        if (!function->graph)
            function->graph = ln_graph_retain(model->graph);
        function->outputs = ln_shape_row(&function->graph->values[function->output].shape);
        const ln_plan_options plan = {.rows = options->rows,
                                      .values = &function->output,
                                      .value_count = 1,
                                      .gradients = function->graph->inputs,
                                      .gradient_count =
                                          options->gradient ? function->graph->input_count : 0,
                                      .composite = options->composite};
        status = ln_plan_new(function->graph, &plan, &function->plan, err);
    }
    if (status)
        ln_function_free(function);
    else
        *out = function;
    return status;
}

void ln_function_free(ln_function *function)
{
    if (!function)
        return;
    ln_plan_free(function->plan);
    ln_graph_release(function->graph);
    ln_model_release(function->model);
    ln_free(function);
}

int64_t ln_function_outputs(const ln_function *function)
{
    return function->outputs;
}

ln_status ln_runner_new(const ln_function *function, ln_runner **out, ln_error *err)
{
    ln_runner *runner = ln_calloc(1, sizeof *runner);
    if (!runner)
        return ln_fail_memory(err, sizeof *runner);
    runner->function = function;
    ln_status status = ln_exec_new(function->plan, &runner->exec, err);
    if (status)
        ln_free(runner);
    else
        *out = runner;
    return status;
}

void ln_runner_free(ln_runner *runner)
{
    if (!runner)
        return;
    ln_exec_free(runner->exec);
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

static ln_status pass_forward(ln_runner *runner, const float *x, int64_t rows, ln_error *err)
{
    const ln_model *model = runner->function->model;
    assert(rows >= 1 && rows <= ln_plan_rows(runner->function->plan));
    for (int i = 0; i < model->input_count; i++) {
        const int64_t width = model->input_offset[i + 1] - model->input_offset[i];
        copy_columns(ln_exec_input(runner->exec, i), width, x + model->input_offset[i],
                     model->width, width, rows);
    }
    return ln_exec_forward(runner->exec, rows, err);
}

ln_status ln_runner_forward(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err)
{
    const ln_function *function = runner->function;
    ln_status status = pass_forward(runner, x, rows, err);
    if (!status)
        memcpy(out, ln_exec_value(runner->exec, function->output),
               (size_t)(rows * function->outputs) * sizeof *out);
    return status;
}

ln_status ln_runner_gradient(ln_runner *runner, const float *x, const ln_target *targets,
                             int64_t rows, double *value, float *gradient, ln_error *err)
{
    const ln_function *function = runner->function;
    const ln_model *model = function->model;
    assert(function->gradient);
    ln_status status = pass_forward(runner, x, rows, err);
    if (status)
        return status;
    const float *y = ln_exec_value(runner->exec, function->output);
    float *seed = ln_exec_seed(runner->exec, function->output);
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = r * function->outputs + targets[r].index;
        assert(targets[r].index >= 0 && targets[r].index < function->outputs);
        seed[at] = (float)targets[r].scale;
        if (value)
            value[r] = targets[r].offset + targets[r].scale * (double)y[at];
    }
    status = ln_exec_backward(runner->exec, err);
    for (int i = 0; i < model->input_count && !status; i++) {
        const int64_t width = model->input_offset[i + 1] - model->input_offset[i];
        copy_columns(gradient + model->input_offset[i], model->width,
                     ln_exec_gradient(runner->exec, function->graph->inputs[i]), width, width,
                     rows);
    }
    return status;
}
