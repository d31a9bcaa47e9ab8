/* The graph is built anew, node after node. A value may stand in the new one with its channels first,
 * last, or both; a turn between them is added when a node first wants the other. Convolutions make
 * values with the channels last (but those of few channels, kernels/planes.h), and layers that can stay there do; all others, and what has to be kept,
 * get the channels first. So a network of convolutions is turned once at its begin and once at its end.
 *
 * A chain is a convolution, then perhaps a sum with another value of its shape, then perhaps relu, relu6
 * or hardtanh, where nobody else reads what is in between. It becomes one node in the place of its
 * last, when all that it reads is there. */
#include "graph/fuse.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layers/common.h"
#include "layers/convolution.h"
#include "layers/last.h"

/* What becomes of a node. */
typedef struct fused_node {
    bool absorbed;   /* it is part of a chain, and not its last */
    int convolution; /* the chain's first where this is its last, else -1 */
    int add;         /* of such a chain: the sum, or -1 */
    bool stays;      /* the same: its convolution runs fastest with channels first */
} fused_node;

typedef struct fusing {
    const ln_graph *from;
    ln_graph *to;
    ln_fuse what;
    int *first;        /* one a value of `from`: its id in `to`, channels first or no image; -1 */
    int *last;         /* the same, channels last */
    int *reader;       /* one a value: its only reader, -1 where it has none or several */
    bool *kept;        /* one a value */
    fused_node *nodes; /* one a node */
} fusing;

/* ---------------------------------------------------------------- finding chains */

static bool is_image(const ln_graph *graph, int value)
{
    const ln_value *v = &graph->values[value];
    return !v->fixed && v->dtype == LN_F32 && v->shape.rank == 4;
}

static bool is_constant(const ln_graph *graph, const ln_node *node, int input)
{
    return input >= node->input_count || node->inputs[input] < 0 ||
           graph->values[node->inputs[input]].constant;
}

static bool is_convolution(const ln_graph *graph, const ln_node *node)
{
    const ln_convolution_attributes *own = node->attributes;
    return node->layer == &ln_layer_conv2d && own->outer == 0 && node->inputs[0] >= 0 &&
           is_image(graph, node->inputs[0]) && is_constant(graph, node, 1) &&
           is_constant(graph, node, 2);
}

/* What a layer cuts, if it does nothing else. */
static bool cuts(const ln_node *node, ln_finish *out)
{
    const ln_scalar_attributes *own = node->attributes;
    if (node->layer == &ln_layer_relu)
        *out = (ln_finish){LN_FINISH_RELU, 0, 0};
    else if (node->layer == &ln_layer_relu6)
        *out = (ln_finish){LN_FINISH_CLAMP, 0, 6};
    else if (node->layer == &ln_layer_hardtanh && own->a < own->b)
        *out = (ln_finish){LN_FINISH_CLAMP, (float)own->a, (float)own->b};
    else
        return false;
    return true;
}

/* Whether the node is a sum of two images, each with its own number everywhere. */
static bool is_sum(const ln_graph *graph, const ln_node *node)
{
    return node->layer == &ln_layer_add && node->input_count == 2 && node->inputs[0] >= 0 &&
           node->inputs[1] >= 0 && node->inputs[0] != node->inputs[1] &&
           is_image(graph, node->inputs[0]) && is_image(graph, node->inputs[1]) &&
           ln_shape_equal(&graph->values[node->inputs[0]].shape,
                          &graph->values[node->inputs[1]].shape);
}

/* The node that reads the result of node `index`, alone and not yet as part of another chain; or -1. */
static int only_reader(const fusing *f, int index)
{
    const int value = f->from->nodes[index].outputs[0];
    const int reader = f->kept[value] ? -1 : f->reader[value];
    return reader >= 0 && f->nodes[reader].convolution < 0 && !f->nodes[reader].absorbed ? reader
                                                                                         : -1;
}

static void find_chain(fusing *f, int index)
{
    const ln_graph *graph = f->from;
    ln_finish finish;
    int end = index, add = -1;
    int next = f->what == LN_FUSE_CHAINS ? only_reader(f, end) : -1;
    if (next >= 0 && is_sum(graph, &graph->nodes[next])) {
        add = end = next;
        next = only_reader(f, end);
    }
    if (next >= 0 && cuts(&graph->nodes[next], &finish))
        end = next;
    f->nodes[index].absorbed = true;
    if (add >= 0)
        f->nodes[add].absorbed = true;
    f->nodes[end] = (fused_node){.absorbed = false,
                                 .convolution = index,
                                 .add = add,
                                 .stays = ln_convolution_stays(graph, &graph->nodes[index])};
}

static bool find_chains(fusing *f, const int *keep, int keep_count)
{
    const ln_graph *graph = f->from;
    enum { NOBODY = -1, SEVERAL = -2 };
    bool found = false;
    for (int i = 0; i < graph->value_count; i++)
        f->first[i] = f->last[i] = f->reader[i] = NOBODY;
    for (int i = 0; i < graph->output_count; i++)
        f->kept[graph->outputs[i]] = true;
    for (int i = 0; i < keep_count; i++)
        f->kept[keep[i]] = true;
    for (int i = 0; i < graph->node_count; i++) {
        f->nodes[i] = (fused_node){.convolution = -1, .add = -1};
        for (int j = 0; j < graph->nodes[i].input_count; j++) {
            const int id = graph->nodes[i].inputs[j];
            if (id >= 0)
                f->reader[id] = f->reader[id] == NOBODY ? i : SEVERAL;
        }
    }
    for (int i = 0; i < graph->node_count; i++)
        if (is_convolution(graph, &graph->nodes[i])) {
            find_chain(f, i);
            found = true;
        }
    return found;
}

/* ---------------------------------------------------------------- building */

/* A name of a value that neither graph has: `name` itself where it is free in the new one and asked for. */
static void free_name(const fusing *f, const char *name, const char *what, char *out, size_t size)
{
    for (int number = 0;; number++) {
        snprintf(out, size, "%.480s/%s.%d", name, what, number);
        if (ln_graph_find_value(f->to, out) < 0 && ln_graph_find_value(f->from, out) < 0 &&
            ln_graph_find_node(f->to, out) < 0 && ln_graph_find_node(f->from, out) < 0)
            return;
    }
}

static ln_status turn(fusing *f, int value, bool first, int from, int *out, ln_error *err)
{
    const ln_turn_attributes attributes = {.first = first};
    const char *name = f->from->values[value].name;
    char node_name[512], value_name[512];
    const char *results[1] = {value_name};
    int node;
    free_name(f, name, "turn", node_name, sizeof node_name);
    free_name(f, name, "last", value_name, sizeof value_name);
    if (first)
        results[0] = name;
    ln_status status = ln_graph_add_node(f->to, &ln_layer_turn, "turn", node_name, &attributes,
                                         &from, 1, results, 1, &node, err);
    if (!status)
        *out = f->to->nodes[node].outputs[0];
    return status;
}

static ln_status want_last(fusing *f, int value, int *out, ln_error *err)
{
    ln_status status = LN_OK;
    if (f->last[value] < 0)
        status = turn(f, value, false, f->first[value], &f->last[value], err);
    *out = f->last[value];
    return status;
}

static ln_status want_first(fusing *f, int value, int *out, ln_error *err)
{
    ln_status status = LN_OK;
    if (f->first[value] < 0)
        status = turn(f, value, true, f->last[value], &f->first[value], err);
    *out = f->first[value];
    return status;
}

/* Notes where the result of a node stands. A value that is kept goes on from its kept form, so that all
 * of its gradient comes through there. */
static ln_status note_last(fusing *f, int value, int made, ln_error *err)
{
    int first;
    f->last[value] = made;
    if (!f->kept[value])
        return LN_OK;
    ln_status status = want_first(f, value, &first, err);
    f->last[value] = -1;
    return status;
}

/* Adds a node with its channels last that stands for `node`. */
static ln_status add_last(fusing *f, const ln_node *node, const ln_layer *layer,
                          const void *attributes, const int *inputs, int count, int result,
                          ln_error *err)
{
    char name[512];
    const char *results[1] = {name};
    int made;
    free_name(f, f->from->values[result].name, "last", name, sizeof name);
    ln_status status = ln_graph_add_node(f->to, layer, node->operator_name, node->name, attributes,
                                         inputs, count, results, 1, &made, err);
    return status ? status : note_last(f, result, f->to->nodes[made].outputs[0], err);
}

/* The same with its channels first. */
static ln_status add_first(fusing *f, const ln_node *node, const ln_layer *layer,
                           const void *attributes, const int *inputs, int count, int result,
                           ln_error *err)
{
    int made;
    const char *const name = f->from->values[result].name;
    ln_status status = ln_graph_add_node(f->to, layer, node->operator_name, node->name, attributes,
                                         inputs, count, &name, 1, &made, err);
    if (!status)
        f->first[result] = f->to->nodes[made].outputs[0];
    return status;
}

static ln_status add_chain(fusing *f, int end, ln_error *err)
{
    const ln_graph *graph = f->from;
    const fused_node *chain = &f->nodes[end];
    const ln_node *node = &graph->nodes[chain->convolution];
    ln_status (*want)(fusing *, int, int *, ln_error *) = chain->stays ? want_first : want_last;
    ln_conv2d_last_attributes attributes = {0};
    int inputs[4] = {-1, -1, -1, -1};
    memcpy(&attributes.convolution, node->attributes, sizeof attributes.convolution);
    cuts(&graph->nodes[end], &attributes.finish);
    ln_status status = want(f, node->inputs[0], &inputs[0], err);
    for (int i = 1; i < node->input_count; i++)
        inputs[i] = node->inputs[i] < 0 ? -1 : f->first[node->inputs[i]];
    if (chain->add >= 0 && !status) {
        const int *terms = graph->nodes[chain->add].inputs;
        /* The other term: not what the convolution makes. */
        const int other = terms[0] == node->outputs[0] ? terms[1] : terms[0];
        status = want(f, other, &inputs[3], err);
    }
    if (status)
        return status;
    const int count = chain->add >= 0 ? 4 : node->input_count;
    const int result = graph->nodes[end].outputs[0];
    if (chain->stays)
        return add_first(f, node, end == chain->convolution ? node->layer : &ln_layer_conv2d_first,
                         &attributes, inputs, count, result, err);
    return add_last(f, node, &ln_layer_conv2d_last, &attributes, inputs, count, result, err);
}

/* The layer that computes the same with channels last, given inputs that have them there; NULL: none.
 * `axis`: its attributes with another axis, where they have one. */
static const ln_layer *layer_last(const ln_graph *graph, const ln_node *node,
                                  ln_axis_attributes *axis)
{
    static const struct {
        const ln_layer *first, *last;
    } pools[] = {{&ln_layer_max_pool2d, &ln_layer_max_pool2d_last},
                 {&ln_layer_avg_pool2d, &ln_layer_avg_pool2d_last},
                 {&ln_layer_adaptive_max_pool2d, &ln_layer_adaptive_max_pool2d_last},
                 {&ln_layer_adaptive_avg_pool2d, &ln_layer_adaptive_avg_pool2d_last}};
    if (node->output_count != 1)
        return NULL;
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
        if (node->layer == pools[i].first)
            return pools[i].last;
    if ((node->layer->flags & LN_LAYER_ACTIVATION) && node->input_count == 1)
        return node->layer;
    if (node->layer == &ln_layer_concat) {
        *axis = *(const ln_axis_attributes *)node->attributes;
        const bool channels = axis->axis == 1 || axis->axis == -3;
        axis->axis = 3;
        return channels ? node->layer : NULL;
    }
    const bool binary = node->layer == &ln_layer_add || node->layer == &ln_layer_mul ||
                        node->layer == &ln_layer_sub;
    for (int i = 1; i < node->input_count && binary; i++)
        if (!ln_shape_equal(&graph->values[node->inputs[i]].shape,
                            &graph->values[node->inputs[0]].shape))
            return NULL;
    return binary ? node->layer : NULL;
}

/* A node all of whose inputs are images with channels last; *done where it stays there. */
static ln_status stay_last(fusing *f, const ln_node *node, bool *done, ln_error *err)
{
    ln_axis_attributes axis = {0};
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] < 0 || f->last[node->inputs[i]] < 0)
            return LN_OK;
    const ln_layer *layer = node->input_count ? layer_last(f->from, node, &axis) : NULL;
    int *inputs = layer ? ln_calloc((size_t)node->input_count, sizeof *inputs) : NULL;
    if (!layer)
        return LN_OK;
    if (!inputs)
        return ln_fail_memory(err, (size_t)node->input_count * sizeof *inputs);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = f->last[node->inputs[i]];
    *done = true;
    ln_status status =
        add_last(f, node, layer, layer == &ln_layer_concat ? &axis : node->attributes, inputs,
                 node->input_count, node->outputs[0], err);
    ln_free(inputs);
    return status;
}

/* What the node reads of a value whose channels may be anywhere: flattened images of one place are the
 * same either way. */
static ln_status input_of(fusing *f, const ln_node *node, int value, int *out, ln_error *err)
{
    const ln_shape *shape = &f->from->values[value].shape;
    if ((node->layer == &ln_layer_flatten || node->layer == &ln_layer_reshape) &&
        f->first[value] < 0 && shape->dims[2] == 1 && shape->dims[3] == 1) {
        *out = f->last[value];
        return LN_OK;
    }
    return want_first(f, value, out, err);
}

static ln_status copy_node(fusing *f, const ln_node *node, ln_error *err)
{
    int *inputs = ln_calloc((size_t)node->input_count + 1, sizeof *inputs), made;
    const char *names[LN_MOST_OUTPUTS];
    ln_status status =
        inputs ? LN_OK : ln_fail_memory(err, ((size_t)node->input_count + 1) * sizeof *inputs);
    for (int i = 0; i < node->input_count && !status; i++) {
        inputs[i] = -1;
        if (node->inputs[i] >= 0)
            status = input_of(f, node, node->inputs[i], &inputs[i], err);
    }
    for (int i = 0; i < node->output_count; i++)
        names[i] = f->from->values[node->outputs[i]].name;
    if (!status)
        status =
            ln_graph_add_node(f->to, node->layer, node->operator_name, node->name, node->attributes,
                              inputs, node->input_count, names, node->output_count, &made, err);
    for (int i = 0; i < node->output_count && !status; i++)
        f->first[node->outputs[i]] = f->to->nodes[made].outputs[i];
    ln_free(inputs);
    return status;
}

static ln_status build(fusing *f, ln_error *err)
{
    const ln_graph *graph = f->from;
    ln_status status = LN_OK;
    for (int i = 0; i < graph->value_count && !status; i++) {
        const ln_value *value = &graph->values[i];
        if (value->kind == LN_VALUE_INPUT)
            status = ln_graph_add_input(f->to, value->name, value->dtype, &value->shape,
                                        &f->first[i], err);
        else if (value->constant)
            status = ln_graph_add_constant(f->to, value->name, value->constant, value->trainable,
                                           &f->first[i], err);
    }
    for (int i = 0; i < graph->node_count && !status; i++) {
        bool done = f->nodes[i].absorbed;
        if (f->nodes[i].convolution >= 0) {
            status = add_chain(f, i, err);
            done = true;
        } else if (!done) {
            status = stay_last(f, &graph->nodes[i], &done, err);
        }
        if (!done && !status)
            status = copy_node(f, &graph->nodes[i], err);
    }
    for (int i = 0; i < graph->output_count && !status; i++)
        status = ln_graph_add_output(f->to, f->first[graph->outputs[i]], err);
    return status;
}

ln_status ln_graph_fuse(ln_graph *graph, ln_fuse what, const int *keep, int keep_count,
                        ln_graph **out, ln_error *err)
{
    const size_t values = (size_t)graph->value_count, nodes = (size_t)graph->node_count;
    fusing f = {.from = graph, .what = what};
    f.first = ln_calloc(values, sizeof *f.first);
    f.last = ln_calloc(values, sizeof *f.last);
    f.reader = ln_calloc(values, sizeof *f.reader);
    f.kept = ln_calloc(values, sizeof *f.kept);
    f.nodes = ln_calloc(nodes + 1, sizeof *f.nodes);
    ln_status status = f.first && f.last && f.reader && f.kept && f.nodes
                           ? LN_OK
                           : ln_fail_memory(err, values * sizeof *f.first);
    if (!status && ln_last_is_fast() && find_chains(&f, keep, keep_count))
        status = ln_graph_new(&f.to, err);
    else if (!status)
        *out = ln_graph_retain(graph);
    if (f.to) {
        status = build(&f, err);
        if (status)
            ln_graph_release(f.to);
        else
            *out = f.to;
    }
    ln_free(f.first);
    ln_free(f.last);
    ln_free(f.reader);
    ln_free(f.kept);
    ln_free(f.nodes);
    return status;
}
