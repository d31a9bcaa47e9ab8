/* Where zeros are many is seen in the graph: relu makes them, and cuts gradients, as max pooling does. */
#include "kernels/convolution.h"
#include "layers/common.h"
#include "layers/convolution.h"
#include "layers/last.h"
#include "layers/weight.h"

static bool is_max_pool(const ln_layer *layer)
{
    return layer == &ln_layer_max_pool2d_last || layer == &ln_layer_max_pool2d;
}

/* Whether much of what the node makes is 0: relu is the last thing that it does, and not to the greatest of several
 * numbers. Behind a sum, one part of which may never be below 0, it is less (`half`: less does not count). */
static bool makes_zeros(const struct ln_graph *graph, const struct ln_node *node, bool half)
{
    const ln_layer *layer = node->layer;
    if (layer == &ln_layer_conv2d_last) {
        const ln_finish *finish = &((const ln_conv2d_last_attributes *)node->attributes)->finish;
        return (finish->kind == LN_FINISH_RELU ||
                (finish->kind == LN_FINISH_CLAMP && finish->low == 0)) &&
               !(half && ln_weight_given(node, LN_CONV2D_LAST_ADD));
    }
    if (layer != &ln_layer_relu && layer != &ln_layer_relu6)
        return false;
    const int producer = graph->values[node->inputs[0]].producer;
    const ln_layer *before = producer < 0 ? NULL : graph->nodes[producer].layer;
    return !is_max_pool(before) && !(half && before == &ln_layer_add);
}

/* Whether much of the gradient of the node's input is 0: relu has cut it, or one number of several has it all. */
static bool cuts_gradients(const struct ln_graph *graph, const struct ln_node *node, bool half)
{
    if (!is_max_pool(node->layer))
        return makes_zeros(graph, node, half) && node->layer != &ln_layer_conv2d_last;
    return 2 * ln_shape_row(&graph->values[node->outputs[0]].shape) <=
           ln_shape_row(&graph->values[node->inputs[0]].shape);
}

unsigned ln_convolution_sparse(const struct ln_graph *graph, const struct ln_node *node, bool half)
{
    const int producer = graph->values[node->inputs[0]].producer;
    const ln_node *reader = ln_graph_only_reader(graph, node->outputs[0]);
    unsigned sparse = 0;
    if (producer >= 0 && makes_zeros(graph, &graph->nodes[producer], half))
        sparse |= LN_CONVOLVE_FORWARD;
    if (makes_zeros(graph, node, half) || (reader && cuts_gradients(graph, reader, half)))
        sparse |= LN_CONVOLVE_BACKWARD_DATA;
    return sparse;
}
