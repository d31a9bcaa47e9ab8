#include "explainers/common/kinds.h"

#include <string.h>

#include "base/error.h"
#include "layers/attributes.h"
#include "layers/common.h"

/* Words that begin so are of one kind whatever their number of axes: "avg_pool" of avg_pool2d. */
static const struct {
    const char *word;
    ln_kind kind;
} sorted[] = {
    {"batch_norm", LN_KIND_AFFINE},
    {"avg_pool", LN_KIND_SUM},
    {"adaptive_avg_pool", LN_KIND_SUM},
    {"add", LN_KIND_SUM},
    {"sub", LN_KIND_SUM},
    {"cumsum", LN_KIND_SUM},
    {"upsample", LN_KIND_SUM},
    {"max_pool", LN_KIND_CHOICE},
    {"adaptive_max_pool", LN_KIND_CHOICE},
    {"maximum", LN_KIND_CHOICE},
    {"minimum", LN_KIND_CHOICE},
    {"where", LN_KIND_BRANCH},
    {"topk", LN_KIND_BRANCH},
    {"dropout", LN_KIND_ROUTE},
    {"expand", LN_KIND_ROUTE},
    {"repeat", LN_KIND_ROUTE},
    {"tile", LN_KIND_ROUTE},
    {"gather", LN_KIND_ROUTE},
    {"gather_elements", LN_KIND_ROUTE},
    {"gather_nd", LN_KIND_ROUTE},
    {"trilu", LN_KIND_ROUTE},
    {"embedding", LN_KIND_LOOKUP},
    {"pad", LN_KIND_ROUTE},
    {"softmax", LN_KIND_SOFTMAX},
    {"log_softmax", LN_KIND_LOG_SOFTMAX},
    {"class_loss", LN_KIND_CLASS_LOSS},
    {"layer_norm", LN_KIND_NORM},
    {"rms_norm", LN_KIND_NORM},
    {"group_norm", LN_KIND_NORM},
    {"instance_norm", LN_KIND_NORM},
    {"lstm", LN_KIND_RECURRENT},
    {"gru", LN_KIND_RECURRENT},
    {"rnn", LN_KIND_RECURRENT},
};

/* "max_pool2d" is "max_pool" with a number of axes. */
static bool is_word(const char *name, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(name, word, length) != 0)
        return false;
    const char *rest = name + length;
    return !*rest || (rest[0] >= '1' && rest[0] <= '3' && rest[1] == 'd' && !rest[2]);
}

/* Inputs that depend on the network's own. */
static int live_inputs(const ln_graph *graph, const ln_node *node)
{
    int count = 0;
    for (int i = 0; i < node->input_count; i++)
        count += node->inputs[i] >= 0 && !graph->values[node->inputs[i]].fixed;
    return count;
}

static bool same_elements(const ln_graph *graph, const ln_node *node, int input)
{
    return ln_shape_equal(&graph->values[node->inputs[input]].shape,
                          &graph->values[node->outputs[0]].shape);
}

static ln_kind kind_of_reduction(const ln_node *node)
{
    const ln_reduce_attributes *own = node->attributes;
    if (own->operation == LN_REDUCE_sum || own->operation == LN_REDUCE_mean)
        return LN_KIND_SUM;
    if (own->operation == LN_REDUCE_max || own->operation == LN_REDUCE_min)
        return LN_KIND_CHOICE;
    return own->operation == LN_REDUCE_prod ? LN_KIND_FACTORS : LN_KIND_MEASURE;
}

/* Arithmetic of two values, by how many of them are live and where. */
static ln_kind kind_of_arithmetic(const ln_graph *graph, const ln_node *node, const char *word)
{
    const int live = live_inputs(graph, node);
    const bool first = node->inputs[0] >= 0 && !graph->values[node->inputs[0]].fixed;
    if (strcmp(word, "mul") == 0 || strcmp(word, "matmul") == 0 || strcmp(word, "einsum") == 0)
        return live == 1 ? LN_KIND_SCALE : LN_KIND_PRODUCT;
    if (strcmp(word, "div") == 0)
        return live == 2                       ? LN_KIND_QUOTIENT
               : first                         ? LN_KIND_SCALE
               : same_elements(graph, node, 1) ? LN_KIND_FUNCTION
                                               : LN_KIND_OTHER;
    const bool function = strcmp(word, "pow") == 0 || strcmp(word, "prelu") == 0;
    if (function && live == 1 && first && same_elements(graph, node, 0))
        return LN_KIND_FUNCTION;
    return LN_KIND_OTHER;
}

/* Further on than a divisor is made of; ways that part and join would be gone over and over. */
enum { FURTHEST = 8 };

static bool only_divides(const ln_graph *graph, const bool *passed, const ln_node *node, int steps);

/* Readers that hand nothing back (behind an explained hidden unit they do not even run) say nothing of the value, and
 * what nobody else reads is the explained number itself. */
static bool value_only_divides(const ln_graph *graph, const bool *passed, int value, int steps)
{
    bool divides = false;
    for (int n = graph->values[value].producer + 1; n < graph->node_count; n++) {
        const ln_node *node = &graph->nodes[n];
        for (int i = 0; i < node->input_count && passed[n]; i++) {
            if (node->inputs[i] != value)
                continue;
            divides = (i == 1 && strcmp(node->layer->word.name, "div") == 0) ||
                      only_divides(graph, passed, node, steps + 1);
            if (!divides)
                return false;
        }
    }
    return divides;
}

static bool only_divides(const ln_graph *graph, const bool *passed, const ln_node *node, int steps)
{
    bool only = steps < FURTHEST;
    for (int i = 0; i < node->output_count && only; i++)
        only = value_only_divides(graph, passed, node->outputs[i], steps);
    return only;
}

bool ln_kind_only_divides(const ln_graph *graph, const bool *passed, const ln_node *node)
{
    return only_divides(graph, passed, node, 0);
}

bool ln_kind_scales_elements(const ln_graph *graph, const ln_node *node)
{
    const char *word = node->layer->word.name;
    const int live = graph->values[node->inputs[0]].fixed ? 1 : 0;
    return (strcmp(word, "mul") == 0 || strcmp(word, "div") == 0) &&
           same_elements(graph, node, live);
}

void ln_kind_hint_end(ln_kind kind, ln_error *err)
{
    if (kind == LN_KIND_SOFTMAX || kind == LN_KIND_LOG_SOFTMAX)
        ln_error_hint(err, "link = \"logit\" explains what stands before the last softmax");
    if (kind == LN_KIND_CLASS_LOSS)
        ln_error_hint(err, "link = \"logit\" explains what the loss is made of");
}

int ln_kind_looks_up(const ln_graph *graph, const ln_node *node)
{
    if (node->layer == &ln_layer_embedding)
        return 0;
    if (node->layer != &ln_layer_gather || !graph->values[node->inputs[0]].fixed)
        return -1;
    const int rank = graph->values[node->inputs[0]].shape.rank;
    const int64_t axis = ((const ln_axis_attributes *)node->attributes)->axis;
    return axis == 1 || axis == -rank ? 1 : -1; /* a constant has no rows */
}

bool ln_kind_is_convolution(const ln_node *node)
{
    return strncmp(node->layer->word.name, "conv", 4) == 0;
}

ln_kind ln_kind_of(const ln_graph *graph, const ln_node *node)
{
    const char *word = node->layer->word.name;
    const unsigned flags = node->layer->flags;
    if (flags & LN_LAYER_LINEAR)
        return LN_KIND_LINEAR;
    if (flags & LN_LAYER_ACTIVATION)
        return LN_KIND_FUNCTION;
    if (flags & LN_LAYER_SHAPE)
        return LN_KIND_ROUTE;
    if (strcmp(word, "reduce") == 0)
        return kind_of_reduction(node);
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
        if (is_word(word, sorted[i].word))
            return sorted[i].kind == LN_KIND_NORM &&
                           (live_inputs(graph, node) > 1 || node->output_count > 1)
                       ? LN_KIND_OTHER
                       : sorted[i].kind;
    return kind_of_arithmetic(graph, node, word);
}
