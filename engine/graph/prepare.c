/* What a plan computes once: packed weights, and the results that are made from constants alone (a
 * scaled weight, a folded bias ...), which executions read as if they were constants. Both are made
 * again after training. Cost: one forward pass of the nodes that have no other inputs. */
#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"

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

/* The weights of a node that has them packed, where the graph alone holds them for this node alone: those
 * that folding made are not needed any more. */
static void drop_weights(const ln_plan *plan, const ln_planned *planned)
{
    const ln_graph *graph = plan->graph;
    const int id = planned->step.packed ? planned->step.node->inputs[1] : -1;
    int readers = 0;
    if (id < 0 || !graph->values[id].constant)
        return;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            readers += graph->nodes[i].inputs[j] == id;
    for (int i = 0; i < graph->output_count; i++)
        readers += graph->outputs[i] == id;
    if (readers == 1)
        ln_tensor_drop_data(graph->values[id].constant);
}

/* Prepares every node that runs; fixed ones are computed on the way, since later ones read them. */
ln_status ln_plan_prepare(ln_plan *plan, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    for (int i = 0; i < graph->node_count; i++) {
        ln_planned *planned = &plan->nodes[i];
        const bool fixed = ln_node_is_fixed(graph, &graph->nodes[i]);
        if (!planned->run)
            continue;
        planned->step.gradient = planned->back && !(planned->rule && planned->rule->apart);
        planned->step.fast = plan->fast;
        planned->step.ruled = planned->rule != NULL;
        planned->step.training = plan->training && !fixed;
        if (fixed)
            planned->step.rows =
                planned->step.out_shape[0].rank > 0 ? planned->step.out_shape[0].dims[0] : 1;
        ln_status status = prepare_node(plan, planned, err);
        if (!status)
            status = ln_plan_make_variants(plan, planned, err);
        if (!status && fixed)
            status = compute_fixed(plan, planned, err);
        if (!status && plan->last)
            drop_weights(plan, planned);
        if (status) {
            ln_error_prefix(err, "%s '%s'", graph->nodes[i].operator_name, graph->nodes[i].name);
            return status;
        }
    }
    return LN_OK;
}

ln_status ln_plan_refresh(ln_plan *plan, ln_error *err)
{
    return ln_plan_prepare(plan, err);
}
