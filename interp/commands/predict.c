/* lunette predict MODEL.onnx X.npy -o Y.npy: a model's outputs for an array of inputs, without a script
 * and without a store. Rows of a model's inputs stand side by side in the engine (model/model.h), so
 * that is how they are laid out here.
 *
 * A model that does not compute each row on its own (it normalises over the batch, attends between rows) is read as
 * a whole: then the engine's one row is a whole batch, the file's own where that has a size. */
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

/* The array as rows of the engine: its own, or batches of as many as the model takes at once. */
static ln_status split_rows(const ln_value *value, bool whole, const ln_shape *shape,
                            const char *path, int64_t *rows, ln_error *err)
{
    ln_shape one = value->shape;
    char text[64], other[64];
    if (!whole) {
        *rows = shape->rank < 1 ? 0 : shape->dims[0];
        if (shape->rank >= 1 && ln_shape_row(shape) == ln_shape_row(&one))
            return LN_OK;
        return ln_fail(err, LN_EINVALID, "%s has shape %s, and the model's input '%s' is %s", path,
                       ln_shape_text(shape, text, sizeof text), value->name,
                       ln_shape_text(&one, other, sizeof other));
    }
    one = ln_shape_of(one.rank - 1, one.dims + 1);
    bool fits = shape->rank == one.rank && (one.rank == 0 || shape->dims[0] % one.dims[0] == 0);
    for (int i = 1; i < one.rank && fits; i++)
        fits = shape->dims[i] == one.dims[i];
    *rows = one.rank > 0 && fits ? shape->dims[0] / one.dims[0] : 1;
    return fits ? LN_OK
                : ln_fail(err, LN_EINVALID,
                          "%s has shape %s, and the model takes '%s' in batches of shape %s, whose "
                          "rows it mixes",
                          path, ln_shape_text(shape, text, sizeof text), value->name,
                          ln_shape_text(&one, other, sizeof other));
}

/* Copies an array into the columns of its input; the first one makes *x and says how many rows. */
static ln_status place_rows(const ln_model *model, bool whole, int input, const char *path,
                            ln_tensor **x, ln_error *err)
{
    const ln_value *value = &model->graph->values[model->graph->inputs[input]];
    const int64_t at = model->input_offset[input], width = model->input_offset[input + 1] - at;
    ln_tensor *read = NULL, *given = NULL;
    int64_t rows = 0;
    ln_status status = ln_npy_read(path, &read, NULL, err);
    if (!status)
        status = ln_tensor_convert(read, LN_F32, &given, err);
    if (!status)
        status = split_rows(value, whole, &given->shape, path, &rows, err);
    if (!status && !*x)
        status = ln_tensor_new(LN_F32, &(ln_shape){2, {rows, model->width}}, x, err);
    if (!status && (*x)->shape.dims[0] != rows)
        status =
            ln_fail(err, LN_EINVALID, "%s has %lld %s, the inputs before it have %lld", path,
                    (long long)rows, whole ? "batches" : "rows", (long long)(*x)->shape.dims[0]);
    for (int64_t r = 0; !status && r < rows; r++)
        memcpy(ln_f32(*x) + r * model->width + at, ln_f32(given) + r * width,
               (size_t)width * sizeof(float));
    ln_tensor_release(given);
    ln_tensor_release(read);
    return status;
}

static ln_status read_inputs(const ln_model *model, bool whole, const ln_texts *operands,
                             ln_tensor **x, ln_error *err)
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
        status = place_rows(model, whole, input, path, x, err);
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

/* The shape of all outputs: (rows, ...), or the batches one after the other. */
static ln_shape outputs_shape(const ln_model *model, bool whole, int64_t rows)
{
    ln_shape shape = model->graph->values[model->output_value].shape;
    shape.dims[0] = rows;
    if (!whole || shape.rank < 2)
        return shape;
    shape = ln_shape_of(shape.rank - 1, shape.dims + 1);
    shape.dims[0] *= rows;
    return shape;
}

static ln_status predict(ln_model *model, bool whole, const ln_options *options, ln_error *err)
{
    ln_tensor *x = NULL, *y = NULL, *shaped = NULL;
    ln_pool *pool = NULL;
    ln_shape shape = {0};
    char text[64];
    ln_status status = read_inputs(model, whole, &options->operands, &x, err);
    if (!status)
        status = ln_pool_new(options->threads, &pool, err);
    if (!status)
        status = ln_model_forward(model, LN_LINK_RAW, x, pool, &y, err);
    if (!status) {
        shape = outputs_shape(model, whole, y->shape.dims[0]);
        status = ln_tensor_reshape(y, &shape, &shaped, err);
    }
    if (!status)
        status = ln_npy_write(options->output, shaped, err);
    if (!status && !options->quiet)
        printf("%s  %s\n", options->output, ln_shape_text(&shape, text, sizeof text));
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_tensor_release(shaped);
    ln_pool_free(pool);
    return status;
}

/* The arrays' shapes give open axes of the model their sizes. Names and files are looked at again once
 * the model is there; what cannot be read is said then. */
static ln_status read_graph(const ln_options *options, bool whole, ln_graph **graph, ln_error *err)
{
    const int count = options->operands.count - 1;
    ln_onnx_binding *bindings = ln_calloc((size_t)count, sizeof *bindings);
    char **names = ln_calloc((size_t)count, sizeof *names);
    const ln_onnx_options with = {.bindings = bindings, .binding_count = count, .whole = whole};
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

static ln_status read_model(const ln_options *options, bool whole, ln_model **model, ln_error *err)
{
    ln_graph *graph = NULL;
    ln_status status = read_graph(options, whole, &graph, err);
    if (!status)
        status = ln_model_new("onnx", graph, options->head, NULL, LN_TASK_REGRESSION, model, err);
    ln_graph_release(graph);
    return status;
}

/* What the rows of a batch have to do with each other is said, and they are computed together. */
static void tell_whole(const ln_error *why)
{
    const char *reason = strstr(why->message, "cannot be imported: ");
    fprintf(stderr, "lunette: the rows of a batch are computed together: %s\n",
            reason ? reason + strlen("cannot be imported: ") : why->message);
}

static int run(const ln_options *options, ln_error *err)
{
    ln_model *model = NULL;
    ln_error why = {0};
    if (!options->output || !options->output[0])
        return ln_usage(options, err, "'lunette predict' needs -o Y.npy, where the outputs go");
    ln_status status = read_model(options, false, &model, &why);
    const bool whole =
        status == LN_EUNSUPPORTED && read_model(options, true, &model, NULL) == LN_OK;
    if (whole && !options->quiet)
        tell_whole(&why);
    if (whole)
        status = LN_OK;
    else if (status)
        *err = why;
    if (!status)
        status = predict(model, whole, options, err);
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
        "where there are several. A model that mixes the rows of a batch is given whole batches, "
        "as\n"
        "large as its file says, else all rows at once. Nothing is stored.",
    .run = run,
};
