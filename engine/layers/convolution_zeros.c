/* How many zeros there are is seen in the graph: relu makes them, and cuts gradients, as max pooling does. */
#include "kernels/convolution.h"
#include "layers/common.h"
#include "layers/convolution.h"
#include "layers/last.h"
#include "layers/weight.h"

static bool is_max_pool(const ln_layer *layer)
{
    return layer == &ln_layer_max_pool2d_last || layer == &ln_layer_max_pool2d;
}

/* Of what the node makes: relu must be the last thing that it does. */
static ln_zeros made_by(const struct ln_graph *graph, const struct ln_node *node)
{
    const ln_layer *layer = node->layer;
    if (layer == &ln_layer_conv2d_last) {
        const ln_finish *finish = &((const ln_conv2d_last_attributes *)node->attributes)->finish;
        if (finish->kind != LN_FINISH_RELU &&
            !(finish->kind == LN_FINISH_CLAMP && finish->low == 0))
            return LN_ZEROS_FEW;
        return ln_weight_given(node, LN_CONV2D_LAST_ADD) ? LN_ZEROS_MANY : LN_ZEROS_HALF;
    }
    if (layer != &ln_layer_relu && layer != &ln_layer_relu6)
        return LN_ZEROS_FEW;
    const int producer = graph->values[node->inputs[0]].producer;
    const ln_layer *before = producer < 0 ? NULL : graph->nodes[producer].layer;
    if (is_max_pool(before))
        return LN_ZEROS_SOME;
    return before == &ln_layer_add ? LN_ZEROS_MANY : LN_ZEROS_HALF;
}

/* Of what `value` holds. Relu may stand ahead of max pooling, too. */
static ln_zeros held_in(const struct ln_graph *graph, int value)
{
    const int producer = graph->values[value].producer;
    if (producer < 0)
        return LN_ZEROS_FEW;
    const struct ln_node *node = &graph->nodes[producer];
    if (!is_max_pool(node->layer))
        return made_by(graph, node);
    return held_in(graph, node->inputs[0]) == LN_ZEROS_FEW ? LN_ZEROS_FEW : LN_ZEROS_SOME;
}

/* Of what goes back to `value` from its only reader: relu has cut it, or one number of several has it all. */
static ln_zeros gone_back(const struct ln_graph *graph, const struct ln_node *reader, int value)
{
    if (reader->layer == &ln_layer_conv2d_last)
        return ln_weight_given(reader, LN_CONV2D_LAST_ADD) &&
                       reader->inputs[LN_CONV2D_LAST_ADD] == value && reader->inputs[0] != value
                   ? made_by(graph, reader)
                   : LN_ZEROS_FEW;
    if (!is_max_pool(reader->layer))
        return made_by(graph, reader);
    return 2 * ln_shape_row(&graph->values[reader->outputs[0]].shape) <=
                   ln_shape_row(&graph->values[reader->inputs[0]].shape)
               ? LN_ZEROS_HALF
               : LN_ZEROS_FEW;
}

void ln_convolution_zeros(const struct ln_graph *graph, const struct ln_node *node,
                          ln_zeros zeros[2])
{
    const ln_node *reader = ln_graph_only_reader(graph, node->outputs[0]);
    zeros[0] = held_in(graph, node->inputs[0]);
    zeros[1] = made_by(graph, node);
    if (zeros[1] == LN_ZEROS_FEW && reader)
        zeros[1] = gone_back(graph, reader, node->outputs[0]);
}
