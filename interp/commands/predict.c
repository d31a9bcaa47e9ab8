/* lunette predict MODEL.onnx X.npy -o Y.npy: a model's outputs for an array of inputs, without a script
 * and without a store. Rows of a model's inputs stand side by side in the engine (model/model.h), so
 * that is how they are laid out here. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "model/model.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

/* The model's input that an operand is for: "name=X.npy" by name, else the next in order. *path is what
 * follows the name. */
static ln_status input_of(const ln_model *model, const char *operand, int next, int *input,
                          const char **path, ln_error *err)
{
    const char *equals = strchr(operand, '=');
    const size_t length = equals ? (size_t)(equals - operand) : 0;
    *path = operand;
    *input = next;
    for (int i = 0; equals && i < model->input_count; i++) {
        const char *name = model->graph->values[model->graph->inputs[i]].name;
        if (strlen(name) == length && strncmp(name, operand, length) == 0) {
            *input = i;
            *path = equals + 1;
            return LN_OK;
        }
    }
    if (next < model->input_count)
        return LN_OK;
    ln_fail(err, LN_EINVALID, "the model has %d input%s, and %s is one too many",
            model->input_count, model->input_count == 1 ? "" : "s", operand);
    ln_error_hint(err, "`lunette show MODEL.onnx` lists its inputs");
    return LN_EINVALID;
}

/* Copies an array into the columns of its input; the first one makes *x and says how many rows. */
static ln_status place_rows(const ln_model *model, int input, const char *path, ln_tensor **x,
                            ln_error *err)
{
    const ln_value *value = &model->graph->values[model->graph->inputs[input]];
    const int64_t at = model->input_offset[input], width = model->input_offset[input + 1] - at;
    ln_tensor *read = NULL, *rows = NULL;
    char text[64], other[64];
    ln_status status = ln_npy_read(path, &read, NULL, err);
    if (!status)
        status = ln_tensor_convert(read, LN_F32, &rows, err);
    if (!status && (rows->shape.rank < 1 || ln_shape_row(&rows->shape) != width))
        status = ln_fail(err, LN_EINVALID, "%s has shape %s, and the model's input '%s' is %s",
                         path, ln_shape_text(&rows->shape, text, sizeof text), value->name,
                         ln_shape_text(&value->shape, other, sizeof other));
    if (!status && !*x)
        status = ln_tensor_new(LN_F32, &(ln_shape){2, {rows->shape.dims[0], model->width}}, x, err);
    if (!status && (*x)->shape.dims[0] != rows->shape.dims[0])
        status = ln_fail(err, LN_EINVALID, "%s has %lld rows, the inputs before it have %lld", path,
                         (long long)rows->shape.dims[0], (long long)(*x)->shape.dims[0]);
    for (int64_t r = 0; !status && r < rows->shape.dims[0]; r++)
        memcpy(ln_f32(*x) + r * model->width + at, ln_f32(rows) + r * width,
               (size_t)width * sizeof(float));
    ln_tensor_release(rows);
    ln_tensor_release(read);
    return status;
}

static ln_status read_inputs(const ln_model *model, const ln_texts *operands, ln_tensor **x,
                             ln_error *err)
{
    bool *given = ln_calloc((size_t)model->input_count, sizeof *given);
    ln_status status = given ? LN_OK : ln_fail_memory(err, (size_t)model->input_count);
    for (int i = 1, next = 0; i < operands->count && !status; i++) {
        const char *path;
        int input;
        while (next < model->input_count && given[next])
            next++;
        status = input_of(model, operands->at[i], next, &input, &path, err);
        if (!status && given[input])
            status = ln_fail(err, LN_EINVALID, "the input '%s' is given twice",
                             model->graph->values[model->graph->inputs[input]].name);
        if (status)
            break;
        given[input] = true;
        status = place_rows(model, input, path, x, err);
    }
    for (int i = 0; i < model->input_count && !status; i++)
        if (!given[i]) {
            const char *name = model->graph->values[model->graph->inputs[i]].name;
            status = ln_fail(err, LN_EINVALID, "the model's input '%s' is missing", name);
            ln_error_hint(err, "give it as another operand: %s=X.npy", name);
        }
    ln_free(given);
    return status;
}

/* Rows of outputs in the shape that the model gives them. */
static ln_status write_outputs(const ln_model *model, ln_tensor *y, const char *path, ln_error *err)
{
    ln_shape shape = model->graph->values[model->output_value].shape;
    ln_tensor *shaped;
    shape.dims[0] = y->shape.dims[0];
    ln_status status = ln_tensor_reshape(y, &shape, &shaped, err);
    if (!status)
        status = ln_npy_write(path, shaped, err);
    ln_tensor_release(status ? NULL : shaped);
    return status;
}

static ln_status predict(ln_model *model, const ln_options *options, ln_error *err)
{
    ln_tensor *x = NULL, *y = NULL;
    ln_pool *pool = NULL;
    char text[64];
    ln_status status = read_inputs(model, &options->operands, &x, err);
    if (!status)
        status = ln_pool_new(options->threads, &pool, err);
    if (!status)
        status = ln_model_forward(model, LN_LINK_RAW, x, pool, &y, err);
    if (!status)
        status = write_outputs(model, y, options->output, err);
    if (!status && !options->quiet) {
        ln_shape shape = model->graph->values[model->output_value].shape;
        shape.dims[0] = y->shape.dims[0];
        printf("%s  %s\n", options->output, ln_shape_text(&shape, text, sizeof text));
    }
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_pool_free(pool);
    return status;
}

/* The arrays' shapes give open axes of the model their sizes. Names and files are looked at again once
 * the model is there; what cannot be read is said then. */
static ln_status read_model(const ln_options *options, ln_graph **graph, ln_error *err)
{
    const int count = options->operands.count - 1;
    ln_onnx_binding *bindings = ln_calloc((size_t)count, sizeof *bindings);
    char **names = ln_calloc((size_t)count, sizeof *names);
    const ln_onnx_options with = {.bindings = bindings, .binding_count = count};
    ln_status status =
        bindings && names ? LN_OK : ln_fail_memory(err, (size_t)count * sizeof *bindings);
    for (int i = 0; i < count && !status; i++) {
        const char *operand = options->operands.at[i + 1], *equals = strchr(operand, '=');
        ln_tensor *array = NULL;
        if (ln_npy_read(operand, &array, NULL, NULL) != LN_OK && equals &&
            ln_npy_read(equals + 1, &array, NULL, NULL) == LN_OK)
            bindings[i].name = names[i] = ln_strndup(operand, (size_t)(equals - operand));
        if (array)
            bindings[i].shape = array->shape;
        ln_tensor_release(array);
    }
    if (!status)
        status = ln_onnx_read(options->operands.at[0], &with, graph, NULL, err);
    for (int i = 0; i < count && names; i++)
        ln_free(names[i]);
    ln_free(names);
    ln_free(bindings);
    return status;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    if (!options->output || !options->output[0])
        return ln_usage(options, err, "'lunette predict' needs -o Y.npy, where the outputs go");
    ln_status status = read_model(options, &graph, err);
    if (!status)
        status = ln_model_new("onnx", graph, options->head, NULL, LN_TASK_REGRESSION, &model, err);
    ln_graph_release(graph);
    if (!status)
        status = predict(model, options, err);
    ln_model_release(model);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"output", "Y.npy", "the file to write: float32, (N, ...)"},
    {"quiet", "", "the file is not named"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_predict = {
    .name = "predict",
    .operands = "MODEL.onnx X.npy [NAME=X.npy ...]",
    .min_operands = 2,
    .max_operands = -1,
    .options = "output head threads",
    .notes = notes,
    .summary = "a model's outputs for an array of inputs",
    .details =
        "X.npy holds the inputs, rows first, of any number type (they become float32). A model "
        "with\n"
        "several inputs takes them in the order of `lunette show MODEL.onnx`, or by name:\n"
        "  lunette predict model.onnx ids=ids.npy mask=mask.npy -o y.npy\n"
        "The outputs are the model's own, whatever ends it: --head names the one that is written\n"
        "where there are several. Nothing is stored.",
    .run = run,
};
