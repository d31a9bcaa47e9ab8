/* What a link makes of a model's graph.
 *
 *     raw          the output as it is
 *     logit        without the final softmax, log_softmax or sigmoid, where there is one
 *     probability  with it; where there is none, softmax for two or more outputs, else sigmoid
 *     loss         the cross entropy of every class, from the logits
 *
 * What is left off is simply not asked for; what is added goes into a copy of the graph that shares
 * the weights. The loss is taken from the logits even where the model ends in probabilities, since a
 * logarithm of rounded probabilities loses what is small. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "layers/attributes.h"
#include "model/head.h"
#include "model/model.h"

/* Layers behind which a softmax is still the last that changes a number: dropout does nothing outside
 * of training, and the order within a row stays the same in all of them. */
static bool changes_no_number(const char *word)
{
    static const char *const words[] = {"identity", "dropout", "flatten", "reshape"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool is_whole(const ln_node *softmax, const ln_shape *shape)
{
    const ln_axis_attributes *own = softmax->attributes;
    const int64_t axis = own->axis < 0 ? own->axis + shape->rank : own->axis;
    return axis > 0 && axis < shape->rank && shape->dims[axis] == ln_shape_row(shape);
}

ln_head ln_head_find(const ln_graph *graph, int value)
{
    for (int at = value; graph->values[at].producer >= 0;) {
        const ln_node *node = &graph->nodes[graph->values[at].producer];
        const char *word = node->layer->word.name;
        if (strcmp(word, "softmax") == 0)
            return (ln_head){LN_HEAD_SOFTMAX, is_whole(node, &graph->values[at].shape),
                             node->inputs[0]};
        if (strcmp(word, "sigmoid") == 0)
            return (ln_head){LN_HEAD_SIGMOID, false, node->inputs[0]};
        if (strcmp(word, "log_softmax") == 0) /* as good as logits, which stand before it */
            return (ln_head){LN_HEAD_NONE, false, node->inputs[0]};
        if (!changes_no_number(word))
            break;
        at = node->inputs[0];
    }
    return (ln_head){LN_HEAD_NONE, false, value};
}

/* The graph that is explained, while the link is applied. */
typedef struct linked {
    const ln_model *model;
    ln_graph *graph; /* the model's, or a copy with what the link adds; NULL: not copied yet */
    int output;      /* the value that is explained */
} linked;

/* Adds one layer on the output, under a name that is free. */
static ln_status add_layer(linked *to, const char *word, const void *attributes, ln_error *err)
{
    char name[64];
    const char *names[1] = {name};
    int node, number = 0;
    do
        snprintf(name, sizeof name, "link.%s.%d", word, number++);
    while (ln_graph_find_value(to->graph, name) >= 0 || ln_graph_find_node(to->graph, name) >= 0);
    ln_status status = ln_graph_add_node(to->graph, ln_layer_find(word), word, name, attributes,
                                         &to->output, 1, names, 1, &node, err);
    if (!status)
        to->output = to->graph->nodes[node].outputs[0];
    return status;
}

/* A copy of the graph to add to; where a row is not a list of classes, it is made one first. */
static ln_status begin_adding(linked *to, ln_error *err)
{
    const ln_reshape_attributes list = {.shape = {1, {to->model->output_count}}};
    ln_status status = ln_graph_copy(to->model->graph, &to->graph, err);
    if (!status && to->graph->values[to->output].shape.rank != 2)
        status = add_layer(to, "reshape", &list, err);
    return status;
}

static ln_status add_probability(linked *to, ln_error *err)
{
    const ln_axis_attributes softmax = {.axis = -1};
    ln_status status = begin_adding(to, err);
    if (status)
        return status;
    return to->model->output_count == 1 ? add_layer(to, "sigmoid", NULL, err)
                                        : add_layer(to, "softmax", &softmax, err);
}

/* The loss needs one distribution over the classes of a row. */
static ln_status check_loss(const ln_model *model, ln_head head, ln_error *err)
{
    const long long outputs = (long long)model->output_count;
    if (head.kind == LN_HEAD_SIGMOID && outputs > 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "link = \"loss\" is not defined here: the model ends in a sigmoid of %lld "
                       "outputs, so a row may have several labels",
                       outputs);
    if (head.kind == LN_HEAD_SOFTMAX && outputs == 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "link = \"loss\" is not defined here: the model ends in a softmax of one "
                       "output, which is always 1");
    if (head.kind == LN_HEAD_SOFTMAX && !head.whole)
        return ln_fail(
            err, LN_EUNSUPPORTED,
            "link = \"loss\" is not defined here: the model ends in a softmax over parts "
            "of its %lld outputs",
            outputs);
    return LN_OK;
}

static ln_status apply(linked *to, ln_link link, ln_error *err)
{
    static const char *const names[] = {"raw", "logit", "probability", "loss"};
    const ln_model *model = to->model;
    const ln_head head = ln_model_head(model);
    to->output = model->output_value;
    if (link != LN_LINK_RAW && model->task == LN_TASK_REGRESSION)
        return ln_fail(err, LN_EINVALID,
                       "link = \"%s\" needs a classifier, but the model's task is regression: use "
                       "\"raw\"",
                       names[link]);
    if (link == LN_LINK_PROBABILITY && head.kind == LN_HEAD_NONE)
        return add_probability(to, err);
    if (link == LN_LINK_LOGIT || link == LN_LINK_LOSS) {
        if (head.before < 0)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "link = \"%s\" needs logits, and this blackbox returns probabilities",
                           names[link]);
        to->output = head.before;
    }
    if (link != LN_LINK_LOSS)
        return LN_OK;
    ln_status status = check_loss(model, head, err);
    if (!status)
        status = begin_adding(to, err);
    return status ? status : add_layer(to, "class_loss", NULL, err);
}

ln_status ln_link_apply(const ln_model *model, ln_link link, ln_graph **graph, int *output,
                        ln_error *err)
{
    linked to = {.model = model};
    ln_status status = apply(&to, link, err);
    *graph = to.graph ? to.graph : ln_graph_retain(model->graph);
    *output = to.output;
    return status;
}
