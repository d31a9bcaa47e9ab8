/* What a plan computes once: packed weights, and the results that are made from constants alone (a
 * scaled weight, a folded bias ...), which executions read as if they were constants. Both are made
 * again after training. Cost: one forward pass of the nodes that have no other inputs. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"
#include "layers/attributes.h"
#include "layers/convolution.h"
#include "layers/last.h"

void ln_plan_constants(const ln_plan *plan, const ln_node *node, const void **out)
{
    for (int i = 0; i < node->input_count; i++) {
        const int id = node->inputs[i];
        out[i] = NULL;
        if (id >= 0 && plan->graph->values[id].fixed)
            out[i] =
                plan->fixed[id] ? plan->fixed[id]->data : plan->graph->values[id].constant->data;
    }
}

static ln_status prepare_node(const ln_plan *plan, ln_planned *planned, ln_error *err)
{
    const ln_node *node = planned->step.node;
    if (!node->layer->prepare)
        return LN_OK;
    const void **constants = ln_calloc((size_t)node->input_count, sizeof *constants);
    if (!constants)
        return ln_fail_memory(err, (size_t)node->input_count * sizeof *constants);
    ln_plan_constants(plan, node, constants);
    ln_status status = node->layer->prepare(&planned->step, constants, err);
    ln_free(constants);
    return status;
}

/* Runs a node whose inputs are constants; its results become plan->fixed. After training they are
 * written where they were, since executions point there. */
static ln_status compute_fixed(ln_plan *plan, ln_planned *planned, ln_error *err)
{
    const ln_node *node = planned->step.node;
    void *out[LN_MOST_OUTPUTS];
    void *scratch = ln_alloc_aligned(planned->step.scratch_bytes + 1);
    const void **in = ln_calloc((size_t)node->input_count, sizeof *in);
    ln_status status = LN_OK;
    if (!scratch || !in)
        status = ln_fail_memory(err, planned->step.scratch_bytes);
    for (int i = 0; i < node->output_count && !status; i++) {
        ln_tensor **result = &plan->fixed[node->outputs[i]];
        if (!*result)
            status = ln_tensor_new(plan->graph->values[node->outputs[i]].dtype,
                                   &planned->step.out_shape[i], result, err);
        if (!status)
            out[i] = (*result)->data;
    }
    if (!status) {
        ln_plan_constants(plan, node, in);
        const ln_pass pass = {.step = &planned->step,
                              .rows = planned->step.rows,
                              .in = in,
                              .out = out,
                              .scratch = scratch};
        status = node->layer->forward(&pass, err);
    }
    ln_free(in);
    ln_free_aligned(scratch);
    return status;
}

/* Whether the node's weights are a constant that it alone reads. */
static bool has_own_weights(const ln_graph *graph, const ln_node *node)
{
    const int id = node->input_count > 1 ? node->inputs[1] : -1;
    int readers = 0;
    if (id < 0 || !graph->values[id].constant)
        return false;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            readers += graph->nodes[i].inputs[j] == id;
    for (int i = 0; i < graph->output_count; i++)
        readers += graph->outputs[i] == id;
    return readers == 1;
}

/* Constants asleep wake, but for weights whose packed form may do. */
static ln_status wake_constants(const ln_plan *plan, ln_planned *planned, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    const ln_node *node = planned->step.node;
    ln_status status = LN_OK;
    planned->step.shares = plan->sleeps && !planned->rule && node->layer == &ln_layer_conv2d_last &&
                           has_own_weights(graph, node);
    for (int i = 0; i < node->input_count && !status; i++) {
        ln_tensor *constant = node->inputs[i] < 0 ? NULL : graph->values[node->inputs[i]].constant;
        if (constant && !(i == 1 && planned->step.shares))
            status = ln_tensor_wake(constant, err);
    }
    return status;
}

/* The weights of a node that has them packed: those that folding made, which only the graph holds for this node, are
 * not needed any more; others sleep, and the graph lets them go, so that no pass has seen them. */
static ln_status drop_weights(const ln_plan *plan, const ln_planned *planned, ln_error *err)
{
    const ln_node *node = planned->step.node;
    if (!planned->step.packed || !has_own_weights(plan->graph, node))
        return LN_OK;
    ln_tensor **at = &plan->graph->values[node->inputs[1]].constant, *weight = *at;
    if (!planned->step.shares || __atomic_load_n(&weight->references, __ATOMIC_ACQUIRE) == 1) {
        ln_tensor_drop_data(weight);
        return LN_OK;
    }
    ln_status status = ln_tensor_shell(weight, at, err);
    if (status) {
        *at = weight;
        return status;
    }
    ln_tensor_release(weight); /* others hold it */
    ln_convolution_sleep(&planned->step, weight);
    return LN_OK;
}

/* Whether a node chooses the greatest or the least of its inputs' elements. */
static bool chooses(const ln_node *node)
{
    static const char *const words[] = {"max_pool", "adaptive_max_pool", "maximum", "minimum",
                                        "topk"};
    const char *word = node->layer->word.name;
    if (strcmp(word, "reduce") == 0) {
        const ln_reduce_attributes *own = node->attributes;
        return own->operation == LN_REDUCE_max || own->operation == LN_REDUCE_min;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(word, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* Marks the values among whose elements something chooses, as they are or behind layers that are not
 * linear: equal ones must have equal bits, or rounding says which of them gets the whole gradient. */
static void mark_compared(const ln_graph *graph, bool *compared)
{
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const ln_node *node = &graph->nodes[i];
        bool marks = chooses(node);
        for (int k = 0; k < node->output_count; k++)
            marks |= compared[node->outputs[k]];
        /* A linear layer makes new numbers of its first input; others are a branch that it adds. */
        const bool linear = node->layer->flags & LN_LAYER_LINEAR;
        for (int k = linear ? 1 : 0; k < node->input_count && marks; k++)
            if (node->inputs[k] >= 0)
                compared[node->inputs[k]] = true;
    }
}

/* Which nodes may be computed with fewer, less exact products. Not those with a rule, which may divide
 * by a result that is 0 but for rounding. */
static ln_status choose_numerics(ln_plan *plan, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    if (!plan->fast)
        return LN_OK;
    bool *compared = ln_calloc((size_t)graph->value_count, sizeof *compared);
    if (!compared)
        return ln_fail_memory(err, (size_t)graph->value_count);
    mark_compared(graph, compared);
    for (int i = 0; i < graph->node_count; i++)
        plan->nodes[i].step.fast = !plan->nodes[i].rule && !compared[graph->nodes[i].outputs[0]];
    ln_free(compared);
    return LN_OK;
}

/* The results of a fixed node in the plan that this one is like. */
static void share_fixed(ln_plan *plan, const ln_node *node)
{
    for (int i = 0; i < node->output_count; i++)
        if (plan->like->fixed[node->outputs[i]])
            plan->fixed[node->outputs[i]] = ln_tensor_retain(plan->like->fixed[node->outputs[i]]);
}

/* Prepares every node that runs; fixed ones are computed on the way, since later ones read them. */
ln_status ln_plan_prepare(ln_plan *plan, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    ln_status status = choose_numerics(plan, err);
    for (int i = 0; i < graph->node_count && !status; i++) {
        ln_planned *planned = &plan->nodes[i];
        const bool fixed = ln_node_is_fixed(graph, &graph->nodes[i]);
        if (!planned->run)
            continue;
        if (fixed && plan->like) {
            share_fixed(plan, &graph->nodes[i]);
            continue;
        }
        planned->step.like = plan->like ? &plan->like->nodes[i].step : NULL;
        planned->step.gradient = planned->back && !(planned->rule && planned->rule->apart);
        planned->step.ruled = planned->rule != NULL;
        planned->step.training = plan->training && !fixed;
        if (fixed)
            planned->step.rows =
                planned->step.out_shape[0].rank > 0 ? planned->step.out_shape[0].dims[0] : 1;
        status = wake_constants(plan, planned, err);
        if (!status)
            status = prepare_node(plan, planned, err);
        if (!status)
            status = ln_plan_make_variants(plan, planned, err);
        if (!status && fixed)
            status = compute_fixed(plan, planned, err);
        if (!status && plan->last)
            status = drop_weights(plan, planned, err);
        if (status)
            ln_error_prefix(err, "%s '%s'", graph->nodes[i].operator_name, graph->nodes[i].name);
    }
    return status;
}

ln_status ln_plan_refresh(ln_plan *plan, ln_error *err)
{
    return ln_plan_prepare(plan, err);
}
