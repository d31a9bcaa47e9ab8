/* Loading is done in two walks over the graph's constants: the first looks each up and notes what does
 * not fit, the second, only where everything fits, copies. Cost: the size of the file. */
#include "model/weights.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"

#define LISTED 4 /* names of each kind in a message */

/* What does not fit, one list a kind: " 0.weight (8, 64)," ... */
typedef struct complaints {
    ln_text text;
    int count;
} complaints;

static void complain(complaints *list, const char *name, const ln_shape *shape, const char *more)
{
    char text[64];
    if (list->count++ < LISTED)
        ln_text_format(&list->text, "%s%.100s %s%s", list->count > 1 ? ", " : "", name,
                       ln_shape_text(shape, text, sizeof text), more);
    else if (list->count == LISTED + 1)
        ln_text_add(&list->text, ", ...");
}

/* "2.weight" for "dense_2.weight" of a layer `dense`; NULL where the layer has a name of its own. */
static const char *numbered(const ln_graph *graph, const char *name)
{
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        const char *word = node->layer->word.name;
        const size_t own = strlen(node->name), length = strlen(word);
        if (strncmp(name, node->name, own) != 0 || name[own] != '.')
            continue;
        char made[160];
        snprintf(made, sizeof made, "%s_%d", word, i);
        return strcmp(made, node->name) == 0 ? name + length + 1 : NULL;
    }
    return NULL;
}

static int find_array(const ln_graph *graph, const ln_safetensors *file, const char *name)
{
    const int index = ln_safetensors_find(file, name);
    const char *number = index < 0 ? numbered(graph, name) : NULL;
    return number ? ln_safetensors_find(file, number) : index;
}

/* arrays[value]: the file's array for each constant, -1 for other values. */
static void match(const ln_graph *graph, const ln_safetensors *file, int *arrays, bool *used,
                  complaints *missing, complaints *misshapen)
{
    char text[64], more[96];
    for (int i = 0; i < graph->value_count; i++) {
        const ln_value *value = &graph->values[i];
        arrays[i] = -1;
        if (value->kind != LN_VALUE_CONSTANT)
            continue;
        arrays[i] = find_array(graph, file, value->name);
        if (arrays[i] < 0) {
            complain(missing, value->name, &value->shape, "");
            continue;
        }
        const ln_shape shape = ln_safetensors_shape(file, arrays[i]);
        used[arrays[i]] = true;
        if (!ln_shape_equal(&shape, &value->shape)) {
            snprintf(more, sizeof more, " in the network, %s in the file",
                     ln_shape_text(&shape, text, sizeof text));
            complain(misshapen, value->name, &value->shape, more);
        }
    }
}

static void find_unused(const ln_safetensors *file, const bool *used, complaints *unexpected)
{
    for (int i = 0; i < ln_safetensors_count(file); i++) {
        const char *name = ln_safetensors_name(file, i), *last = strrchr(name, '.');
        const ln_shape shape = ln_safetensors_shape(file, i);
        if (!used[i] && strcmp(last ? last + 1 : name, "num_batches_tracked") != 0)
            complain(unexpected, name, &shape, "");
    }
}

static ln_status report(const char *path, const complaints *missing, const complaints *misshapen,
                        const complaints *unexpected, ln_error *err)
{
    const complaints *lists[] = {missing, misshapen, unexpected};
    static const char *const heads[] = {"missing in the file", "of another shape",
                                        "that no layer has"};
    ln_text text = {0};
    bool failed = false;
    for (int i = 0; i < 3; i++) {
        failed = failed || lists[i]->text.failed;
        if (lists[i]->count)
            ln_text_format(&text, "%s %d %s: %s", text.length ? ";" : "", lists[i]->count, heads[i],
                           lists[i]->text.data);
    }
    ln_status status = LN_OK;
    if (failed || text.failed)
        status = ln_fail_memory(err, text.length);
    else if (text.length) {
        status = ln_fail(err, LN_EINVALID, "%s does not fit the network:%s", path, text.data);
        if (missing->count && unexpected->count)
            ln_error_hint(err,
                          "arrays are found by the layer's name (dense { 8, name = \"fc1\" } reads "
                          "fc1.weight) or its number (0.weight)");
    }
    ln_text_free(&text);
    return status;
}

static ln_status copy_arrays(ln_model *model, const ln_safetensors *file, const int *arrays,
                             ln_error *err)
{
    ln_status status = LN_OK;
    for (int i = 0; i < model->graph->value_count && !status; i++) {
        ln_tensor *array;
        if (arrays[i] < 0)
            continue;
        status = ln_safetensors_floats(file, arrays[i], &array, err);
        if (!status) {
            memcpy(model->graph->values[i].constant->data, array->data, array->bytes);
            ln_tensor_release(array);
        }
    }
    return status ? status : ln_model_rehash(model, err);
}

ln_status ln_model_load_weights(ln_model *model, const ln_safetensors *file, const char *path,
                                ln_error *err)
{
    complaints missing = {0}, misshapen = {0}, unexpected = {0};
    int *arrays = ln_calloc((size_t)model->graph->value_count, sizeof *arrays);
    bool *used = ln_calloc((size_t)ln_safetensors_count(file) + 1, sizeof *used);
    ln_status status = LN_OK;
    if (!arrays || !used)
        status = ln_fail_memory(err, (size_t)model->graph->value_count * sizeof *arrays);
    if (!status) {
        match(model->graph, file, arrays, used, &missing, &misshapen);
        find_unused(file, used, &unexpected);
        status = report(path, &missing, &misshapen, &unexpected, err);
    }
    if (!status)
        status = ln_graph_wake(model->graph, err);
    if (!status)
        status = copy_arrays(model, file, arrays, err);
    ln_text_free(&missing.text);
    ln_text_free(&misshapen.text);
    ln_text_free(&unexpected.text);
    ln_free(arrays);
    ln_free(used);
    return status;
}

ln_status ln_model_save_weights(const ln_model *model, const char *path, ln_error *err)
{
    const ln_graph *graph = model->graph;
    const char **names = ln_calloc((size_t)graph->value_count, sizeof *names);
    const ln_tensor **arrays = ln_calloc((size_t)graph->value_count, sizeof *arrays);
    int count = 0;
    ln_status status = LN_OK;
    if (!names || !arrays)
        status = ln_fail_memory(err, (size_t)graph->value_count * sizeof *names);
    if (!status)
        status = ln_graph_wake(graph, err);
    for (int i = 0; i < graph->value_count && !status; i++)
        if (graph->values[i].kind == LN_VALUE_CONSTANT) {
            names[count] = graph->values[i].name;
            arrays[count++] = graph->values[i].constant;
        }
    if (!status)
        status = ln_safetensors_write(path, names, arrays, count, err);
    ln_free(names);
    ln_free(arrays);
    return status;
}
