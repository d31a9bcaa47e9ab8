/* One case: the model imported as a whole (its inputs are one row), run on each data set and compared
 * with the outputs that stand there.
 *
 * Some inputs of the cases are constants of real models: shapes, axes, indices, limits. So where the
 * import refuses a model whose inputs are all live, it is tried with those of whole numbers bound as
 * constants, then with all but the first, then with all (which are then folded).
 *
 * Fast, the graph is what explanations run in numerics "fast": simplified and fused, and with rows where the
 * case's results have them first, too. Results may differ by ten times as much. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "graph/fuse.h"
#include "graph/plan.h"
#include "graph/simplify.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"
#include "suite.h"

enum { MOST_TENSORS = 64 };

/* A data set's arrays. */
typedef struct data_set {
    ln_tensor *inputs[MOST_TENSORS], *outputs[MOST_TENSORS];
    int64_t output_types[MOST_TENSORS]; /* in the file */
    int input_count, output_count;
} data_set;

/* The model file and what it says of itself. */
typedef struct model_file {
    ln_file file;
    ln_arena arena;
    ln_onnx_graph graph;
    char *names[MOST_TENSORS];   /* of inputs, in the file's order */
    int64_t types[MOST_TENSORS]; /* theirs */
    int input_count;
    int64_t output_types[MOST_TENSORS];
} model_file;

static void say(suite_result *result, suite_verdict verdict, const char *reason)
{
    result->verdict = verdict;
    snprintf(result->reason, sizeof result->reason, "%s", reason);
}

/* ---------------------------------------------------------------- reading */

static bool is_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

static ln_status read_tensor(const char *path, ln_tensor **out, int64_t *type, ln_error *err)
{
    ln_file file;
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    const ln_bytes message = {(const uint8_t *)file.data, file.bytes};
    ln_onnx_source source = {.origin = message.data};
    status = ln_onnx_decode_tensor(message, &source, out, err);
    *type = source.type;
    ln_file_free(&file);
    return status;
}

static ln_status read_tensors(const char *folder, int set, const char *kind, ln_tensor **out,
                              int64_t *types, int *count, ln_error *err)
{
    char path[1024];
    ln_status status = LN_OK;
    for (*count = 0; *count < MOST_TENSORS && !status; *count += 1) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/%s_%d.pb", folder, set, kind, *count);
        if (!is_file(path))
            break;
        status = read_tensor(path, &out[*count], &types[*count], err);
    }
    return status;
}

static void free_data(data_set *data)
{
    for (int i = 0; i < MOST_TENSORS; i++) {
        ln_tensor_release(data->inputs[i]);
        ln_tensor_release(data->outputs[i]);
    }
}

/* NumPy has no bfloat16: the cases store its bits as uint16. */
static ln_status widen_bfloat16(ln_tensor **tensor, ln_error *err)
{
    ln_tensor *wide;
    ln_status status = ln_tensor_new(LN_F32, &(*tensor)->shape, &wide, err);
    for (int64_t i = 0; !status && i < ln_shape_count(&wide->shape); i++) {
        const uint32_t bits = (uint32_t)((const int32_t *)(*tensor)->data)[i] << 16;
        memcpy(ln_f32(wide) + i, &bits, sizeof bits);
    }
    if (status)
        return status;
    ln_tensor_release(*tensor);
    *tensor = wide;
    return LN_OK;
}

static ln_status read_data(const char *folder, int set, const model_file *model, data_set *data,
                           ln_error *err)
{
    int64_t types[MOST_TENSORS];
    *data = (data_set){.input_count = 0};
    ln_status status =
        read_tensors(folder, set, "input", data->inputs, types, &data->input_count, err);
    if (!status)
        status = read_tensors(folder, set, "output", data->outputs, data->output_types,
                              &data->output_count, err);
    for (int i = 0; i < data->input_count && !status; i++)
        if (model->types[i] == LN_ONNX_BFLOAT16 && data->inputs[i]->dtype == LN_I32)
            status = widen_bfloat16(&data->inputs[i], err);
    for (int i = 0; i < data->output_count && !status; i++)
        if (model->output_types[i] == LN_ONNX_BFLOAT16 && data->outputs[i]->dtype == LN_I32) {
            data->output_types[i] = LN_ONNX_BFLOAT16;
            status = widen_bfloat16(&data->outputs[i], err);
        }
    return status;
}

static bool has_set(const char *folder, int set)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/test_data_set_%d/output_0.pb", folder, set);
    return is_file(path);
}

/* Initializers are no inputs, though old files list them there. */
static bool is_initializer(const model_file *model, ln_bytes name)
{
    for (size_t i = 0; i < model->graph.initializers.count; i++) {
        ln_bytes label;
        if (ln_onnx_tensor_label(model->graph.initializers.at[i], (const uint8_t *)model->file.data,
                                 &label, NULL) == LN_OK &&
            label.size == name.size && memcmp(label.data, name.data, name.size) == 0)
            return true;
    }
    return false;
}

static ln_status read_model(const char *folder, model_file *model, suite_result *result,
                            ln_error *err)
{
    char path[1024];
    ln_onnx_model head;
    *model = (model_file){.input_count = 0};
    ln_arena_init(&model->arena, 4096);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    ln_status status = ln_file_read(path, &model->file, err);
    const ln_bytes bytes = {(const uint8_t *)model->file.data, model->file.bytes};
    if (!status)
        status = ln_onnx_decode_model(bytes, &head, err);
    if (!status)
        status = ln_onnx_decode_graph(head.graph, bytes.data, &model->arena, &model->graph, err);
    for (size_t i = 0; !status && i < model->graph.inputs.count && i < MOST_TENSORS; i++) {
        ln_onnx_value input;
        status = ln_onnx_decode_value(model->graph.inputs.at[i], bytes.data, &input, err);
        if (status || is_initializer(model, input.name))
            continue;
        if (!input.is_tensor)
            say(result, SUITE_SKIPPED,
                "its input is no tensor but a sequence or an optional value");
        model->types[model->input_count] = input.type;
        model->names[model->input_count++] =
            ln_arena_strdup(&model->arena, ln_bytes_text(input.name).at);
    }
    for (size_t i = 0; !status && i < model->graph.outputs.count && i < MOST_TENSORS; i++) {
        ln_onnx_value output;
        status = ln_onnx_decode_value(model->graph.outputs.at[i], bytes.data, &output, err);
        model->output_types[i] = output.type;
        if (!status && !output.is_tensor)
            say(result, SUITE_SKIPPED,
                "its output is no tensor but a sequence or an optional value");
    }
    if (!status && model->graph.nodes.count > 0) {
        ln_onnx_node node;
        status =
            ln_onnx_decode_node(model->graph.nodes.at[0], bytes.data, &model->arena, &node, err);
        if (!status)
            snprintf(result->operator_name, sizeof result->operator_name, "%s",
                     ln_bytes_text(node.op_type).at);
    }
    return status;
}

/* ---------------------------------------------------------------- running, comparing */

/* Inputs that attempt number `attempt` binds as constants. */
static bool is_bound(int attempt, int input, const ln_tensor *tensor)
{
    const bool whole = tensor->dtype != LN_F32;
    return attempt == 3 || (attempt == 2 && input > 0) || (attempt == 1 && input > 0 && whole);
}

/* In place of the graph, what is made of it for fast passes. */
static ln_status make_fast(ln_graph **graph, ln_error *err)
{
    ln_graph *simple = NULL, *fused = NULL;
    ln_status status = ln_graph_simplify(*graph, LN_SIMPLIFY_ALL, NULL, 0, &simple, err);
    if (!status)
        status = ln_graph_fuse(simple, LN_FUSE_CHAINS, NULL, 0, &fused, err);
    ln_graph_release(simple);
    ln_graph_release(*graph);
    *graph = fused;
    return status;
}

static ln_status import_case(const char *folder, const model_file *model, const data_set *data,
                             int attempt, bool whole, ln_graph **out, ln_error *err)
{
    ln_onnx_binding bindings[MOST_TENSORS];
    char path[1024];
    ln_onnx_options options = {.whole = whole, .bindings = bindings, .fold_bytes = (size_t)1 << 30};
    for (int i = 0; i < data->input_count && i < model->input_count; i++)
        bindings[options.binding_count++] = (ln_onnx_binding){
            .name = model->names[i],
            .constant = is_bound(attempt, i, data->inputs[i]) ? data->inputs[i] : NULL,
            .shape = data->inputs[i]->shape};
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    return ln_onnx_read(path, &options, out, NULL, err);
}

static double element(const void *data, ln_dtype dtype, int64_t i)
{
    return dtype == LN_F32   ? (double)((const float *)data)[i]
           : dtype == LN_I64 ? (double)((const int64_t *)data)[i]
           : dtype == LN_I32 ? (double)((const int32_t *)data)[i]
                             : (double)((const uint8_t *)data)[i];
}

/* How a case is run. */
typedef struct manner {
    bool fast;
    int64_t rows; /* 0: the inputs are one */
} manner;

static ln_shape shape_of(const ln_value *value, int64_t rows)
{
    ln_shape shape = value->shape;
    if (!value->fixed && rows > 0)
        shape.dims[0] = rows;
    else if (!value->fixed) {
        shape.rank--;
        memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof *shape.dims);
    }
    return shape;
}

/* Compares one output; false and the reason where it differs. */
static bool compare(const ln_graph *graph, const ln_exec *exec, const manner *how, int output,
                    const ln_tensor *wanted, int64_t type, char *reason, size_t size)
{
    const ln_value *value = &graph->values[graph->outputs[output]];
    const void *data = ln_exec_value(exec, graph->outputs[output]);
    /* Of half precision two units of its last place: it is computed in float32 here, and the case rounded in
     * between. ONNX's own runner has 2^-6 for bfloat16 as well, but 1e-3 for float16. */
    const double relative = type == LN_ONNX_BFLOAT16  ? 0x1p-6
                            : type == LN_ONNX_FLOAT16 ? 0x1p-9
                                                      : 1e-3;
    const double times = how->fast ? 10 : 1;
    const ln_shape shape = shape_of(value, how->rows);
    char a[128], b[128];
    if (!ln_shape_equal(&shape, &wanted->shape) || value->dtype != wanted->dtype) {
        snprintf(reason, size, "output %d is %s %s, not %s %s", output, ln_dtype_name(value->dtype),
                 ln_shape_text(&shape, a, sizeof a), ln_dtype_name(wanted->dtype),
                 ln_shape_text(&wanted->shape, b, sizeof b));
        return false;
    }
    for (int64_t i = 0; i < ln_shape_count(&shape); i++) {
        const double got = element(data, value->dtype, i);
        const double want = element(wanted->data, wanted->dtype, i);
        if (got == want || (isnan(got) && isnan(want)))
            continue;
        if (value->dtype == LN_F32 && fabs(got - want) <= times * (1e-5 + relative * fabs(want)))
            continue;
        snprintf(reason, size, "output %d: element %lld is %.9g, not %.9g", output, (long long)i,
                 got, want);
        return false;
    }
    return true;
}

static ln_status run(ln_graph *graph, const manner *how, const model_file *model,
                     const data_set *data, ln_plan **plan, ln_exec **exec, ln_error *err)
{
    const ln_plan_options options = {.rows = how->rows > 0 ? how->rows : 1, .fast = how->fast};
    ln_status status = ln_plan_new(graph, &options, plan, err);
    if (!status)
        status = ln_exec_new(*plan, exec, err);
    for (int i = 0; i < graph->input_count && !status; i++)
        for (int j = 0; j < model->input_count; j++)
            if (strcmp(graph->values[graph->inputs[i]].name, model->names[j]) == 0)
                memcpy(ln_exec_input(*exec, i), data->inputs[j]->data, data->inputs[j]->bytes);
    return status ? status : ln_exec_forward(*exec, options.rows, err);
}

/* Rows of the first live input of the graph. */
static int64_t rows_of(const ln_graph *graph, const model_file *model, const data_set *data)
{
    for (int j = 0; j < model->input_count && graph->input_count > 0; j++)
        if (strcmp(graph->values[graph->inputs[0]].name, model->names[j]) == 0 &&
            data->inputs[j]->shape.rank > 0)
            return data->inputs[j]->shape.dims[0];
    return 1;
}

/* Reads the model with rows, where its results then are the case's in number and shape. */
static bool import_rows(const char *folder, const model_file *model, const data_set *data,
                        ln_graph **out, int64_t *rows)
{
    ln_error err;
    if (import_case(folder, model, data, 0, false, out, &err))
        return false;
    *rows = rows_of(*out, model, data);
    bool fits = (*out)->input_count > 0 && (*out)->output_count >= data->output_count;
    for (int i = 0; i < data->output_count && fits; i++) {
        const ln_shape shape = shape_of(&(*out)->values[(*out)->outputs[i]], *rows);
        fits = ln_shape_equal(&shape, &data->outputs[i]->shape);
    }
    if (!fits)
        ln_graph_release(*out);
    return fits;
}

static ln_status import_whole(const char *folder, const model_file *model, const data_set *data,
                              ln_graph **out, suite_result *result)
{
    ln_error err = {0}, first = {0};
    ln_status status = LN_OK;
    for (int attempt = 0; attempt < 4; attempt++) {
        status = import_case(folder, model, data, attempt, true, out, &err);
        if (attempt == 0)
            first = err;
        if (status != LN_EUNSUPPORTED)
            break;
    }
    if (status)
        say(result, status == LN_EUNSUPPORTED ? SUITE_SKIPPED : SUITE_FAILED,
            status == LN_EUNSUPPORTED && !strstr(first.message, "as a constant") ? first.message
                                                                                 : err.message);
    return status;
}

static void run_set(const char *folder, const model_file *model, const data_set *data, bool fast,
                    suite_result *result)
{
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err = {0};
    manner how = {.fast = fast};
    if (!(fast && import_rows(folder, model, data, &graph, &how.rows))) {
        how.rows = 0;
        if (import_whole(folder, model, data, &graph, result))
            return;
    }
    ln_status status = fast ? make_fast(&graph, &err) : LN_OK;
    if (!status)
        status = run(graph, &how, model, data, &plan, &exec, &err);
    if (status)
        say(result, status == LN_EUNSUPPORTED ? SUITE_SKIPPED : SUITE_FAILED, err.message);
    else if (graph->output_count < data->output_count)
        say(result, SUITE_FAILED, "it has fewer outputs than the data");
    for (int i = 0; i < data->output_count && result->verdict == SUITE_PASSED; i++)
        if (!compare(graph, exec, &how, i, data->outputs[i], data->output_types[i], result->reason,
                     sizeof result->reason))
            result->verdict = SUITE_FAILED;
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
}

void suite_run_case(const char *folder, bool fast, suite_result *result)
{
    model_file model;
    ln_error err;
    *result = (suite_result){.verdict = SUITE_PASSED, .operator_name = "(none)"};
    ln_status status = read_model(folder, &model, result, &err);
    if (status)
        say(result, SUITE_FAILED, err.message);
    for (int set = 0; result->verdict == SUITE_PASSED && has_set(folder, set); set++) {
        data_set data;
        status = read_data(folder, set, &model, &data, &err);
        if (status)
            say(result, SUITE_SKIPPED, err.message);
        else
            run_set(folder, &model, &data, fast, result);
        free_data(&data);
    }
    if (result->verdict == SUITE_PASSED && !has_set(folder, 0))
        say(result, SUITE_SKIPPED, "it has no test_data_set_0/output_0.pb");
    ln_arena_free(&model.arena);
    ln_file_free(&model.file);
}
