/* Declaring a network. Every word of a script becomes one node; its layer says which parameters it
 * has on its input's shape, and they are drawn here, uniform or normal around a start, by (seed,
 * "initialise", number of the parameter), so that they depend on nothing but the seed and their
 * place. */
#include "model/declare.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "layers/attributes.h"

#define LONGEST_NAME 120 /* bytes of a layer's name */

ln_status ln_declare_begin(const ln_shape *input, uint64_t seed, ln_declaration *out, ln_error *err)
{
    ln_shape shape = {.rank = input->rank + 1, .dims = {-1}};
    char text[64];
    *out = (ln_declaration){.value = -1, .seed = seed};
    if (input->rank < 1 || shape.rank > LN_MAX_RANK)
        return ln_fail(err, LN_EINVALID, "the network's input has shape %s: 1 to %d axes a row",
                       ln_shape_text(input, text, sizeof text), LN_MAX_RANK - 1);
    memcpy(shape.dims + 1, input->dims, (size_t)input->rank * sizeof *input->dims);
    ln_status status = ln_graph_new(&out->graph, err);
    if (!status)
        status = ln_graph_add_input(out->graph, "input", LN_F32, &shape, &out->value, err);
    if (status)
        ln_declare_abandon(out);
    return status;
}

void ln_declare_abandon(ln_declaration *declaration)
{
    ln_graph_release(declaration->graph);
    *declaration = (ln_declaration){.value = -1};
}

/* The name of the layer being declared: the script's, or word and number. */
static const char *layer_name(const ln_declaration *declaration, const ln_layer *layer,
                              char *buffer, size_t size)
{
    if (declaration->name)
        return declaration->name;
    snprintf(buffer, size, "%s_%d", layer->word.name, declaration->layer_number);
    return buffer;
}

static ln_status declare_parameter(ln_declaration *declaration, const char *layer,
                                   const ln_layer_parameter *parameter, int *out, ln_error *err)
{
    char name[256];
    ln_tensor *tensor = NULL;
    if (parameter->absent) {
        *out = -1;
        return LN_OK;
    }
    ln_status status = ln_tensor_new(LN_F32, &parameter->shape, &tensor, err);
    if (status)
        return status;
    ln_rng rng = ln_rng_make(declaration->seed, "initialise", (uint64_t)declaration->parameters, 0);
    const int64_t count = ln_shape_count(&parameter->shape);
    for (int64_t i = 0; i < count; i++) {
        const double drawn = parameter->normal ? ln_rng_normal(&rng) : 2 * ln_rng_uniform(&rng) - 1;
        ln_f32(tensor)[i] = (float)(parameter->start + drawn * parameter->bound);
    }
    snprintf(name, sizeof name, "%s.%s", layer, parameter->name);
    status =
        ln_graph_add_constant(declaration->graph, name, tensor, !parameter->constant, out, err);
    ln_tensor_release(tensor);
    if (!status) {
        declaration->graph->values[*out].parameter = true;
        declaration->parameters++;
    }
    return status;
}

/* Takes "<operator> '<name>': " off the front of a message that will name the layer otherwise. */
static void remove_prefix(ln_error *err, const char *operator_name, const char *name)
{
    char prefix[256];
    if (!err)
        return;
    const int length = snprintf(prefix, sizeof prefix, "%s '%s': ", operator_name, name);
    if (length < (int)sizeof prefix && strncmp(err->message, prefix, (size_t)length) == 0)
        memmove(err->message, err->message + length, strlen(err->message + length) + 1);
}

static ln_status declare_node(ln_declaration *declaration, const ln_layer *layer,
                              const void *attributes, const int *inputs, int input_count,
                              ln_error *err)
{
    char buffer[128];
    int node;
    const char *name = layer_name(declaration, layer, buffer, sizeof buffer);
    ln_status status = ln_graph_add_node(declaration->graph, layer, layer->word.name, name,
                                         attributes, inputs, input_count, &name, 1, &node, err);
    if (status) {
        remove_prefix(err, layer->word.name, name);
        return status;
    }
    declaration->value = declaration->graph->nodes[node].outputs[0];
    return LN_OK;
}

static ln_status declare_layer(ln_declaration *declaration, const ln_layer *layer,
                               const void *attributes, ln_error *err)
{
    ln_layer_parameter parameters[LN_MOST_PARAMETERS] = {{0}};
    int inputs[1 + LN_MOST_PARAMETERS] = {declaration->value}, count = 0;
    char buffer[128];
    const char *own = layer_name(declaration, layer, buffer, sizeof buffer);
    if (strlen(own) > LONGEST_NAME)
        return ln_fail(err, LN_EINVALID, "its name has %zu bytes: at most %d are possible",
                       strlen(own), LONGEST_NAME);
    if (layer->flags & LN_LAYER_INTERNAL)
        return ln_fail(err, LN_EINVALID, "it cannot stand alone in a network");
    if (ln_graph_find_node(declaration->graph, own) >= 0)
        return ln_fail(err, LN_EINVALID, "another layer is named '%s' already", own);
    ln_status status = LN_OK;
    if (layer->parameters)
        status =
            layer->parameters(attributes, &declaration->graph->values[declaration->value].shape,
                              parameters, &count, err);
    for (int i = 0; i < count && !status; i++)
        status = declare_parameter(declaration, own, &parameters[i], &inputs[1 + i], err);
    return status ? status : declare_node(declaration, layer, attributes, inputs, 1 + count, err);
}

ln_status ln_declare_layer(ln_declaration *declaration, const ln_layer *layer,
                           const void *attributes, const char *name, ln_error *err)
{
    declaration->layer_number = declaration->graph->node_count;
    declaration->name = name;
    ln_status status = declare_layer(declaration, layer, attributes, err);
    if (status)
        ln_error_prefix(err, "layer %d (%s)", declaration->layer_number, layer->word.name);
    declaration->name = NULL;
    return status;
}

/* Branches that are added have one shape; concatenated ones may differ along axis 1. (The layers
 * themselves would also broadcast.) */
static ln_status check_branches(const ln_graph *graph, bool add, const int *values, int count,
                                ln_error *err)
{
    char text[64], other[64];
    if (count < 1)
        return ln_fail(err, LN_EINVALID, "there are no branches to join");
    const ln_shape *first = &graph->values[values[0]].shape;
    for (int i = 1; i < count; i++) {
        const ln_shape *shape = &graph->values[values[i]].shape;
        bool fits = first->rank == shape->rank && (add || first->rank > 1);
        for (int axis = 1; axis < first->rank && fits; axis++)
            fits = (!add && axis == 1) || first->dims[axis] == shape->dims[axis];
        if (!fits)
            return ln_fail(err, LN_EINVALID, "the branches make %s and %s: %s",
                           ln_shape_text(first, text, sizeof text),
                           ln_shape_text(shape, other, sizeof other),
                           add ? "to be added, their shapes must be equal"
                               : "to be concatenated, they may differ along axis 1 only");
    }
    return LN_OK;
}

ln_status ln_declare_join(ln_declaration *declaration, const char *join, const int *values,
                          int count, ln_error *err)
{
    const ln_axis_attributes concat = {.axis = 1};
    const bool add = strcmp(join, "add") == 0;
    if (!add && strcmp(join, "concat") != 0) {
        ln_fail(err, LN_EINVALID, "join is '%s': it must be \"add\" or \"concat\"", join);
        const char *nearest = ln_nearest_word(join, (const char *const[]){"add", "concat", NULL});
        if (nearest)
            ln_error_hint(err, "did you mean '%s'?", nearest);
        return LN_EINVALID;
    }
    declaration->layer_number = declaration->graph->node_count;
    declaration->name = NULL;
    ln_status status = check_branches(declaration->graph, add, values, count, err);
    if (!status && count == 1)
        declaration->value = values[0]; /* one branch: there is nothing to join */
    else if (!status)
        status = declare_node(declaration, ln_layer_find(join), add ? NULL : &concat, values, count,
                              err);
    if (status)
        ln_error_prefix(err, "layer %d (%s)", declaration->layer_number, join);
    return status;
}

ln_status ln_declare_finish(ln_declaration *declaration, ln_graph **out, ln_error *err)
{
    ln_status status = LN_OK;
    if (declaration->graph->node_count == 0)
        status = ln_fail(err, LN_EINVALID, "the network has no layers");
    if (!status)
        status = ln_graph_add_output(declaration->graph, declaration->value, err);
    if (!status)
        *out = ln_graph_retain(declaration->graph);
    ln_declare_abandon(declaration);
    return status;
}
