/* The variants of a node that its rule computes with: constants of the rule's making, and what the
 * layer prepares of them (packed weights). Made once a plan and shared by all executions, like the
 * node's own. Constants that are no floats (there are none in linear layers) stay what they are. */
#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"

/* One constant of a variant, by the rule. */
static ln_status vary_constant(const ln_plan *plan, const ln_planned *planned, int variant,
                               int input, const void *own, const void **out, ln_error *err)
{
    const int id = planned->step.node->inputs[input];
    const int64_t count = ln_shape_count(&plan->shapes[id]);
    *out = own;
    if (plan->graph->values[id].dtype != LN_F32)
        return LN_OK;
    float *made = ln_alloc_aligned((size_t)count * sizeof *made);
    *out = made;
    if (!made)
        return ln_fail_memory(err, (size_t)count * sizeof *made);
    planned->rule->vary(planned->rule, variant, input, own, count, made);
    return LN_OK;
}

/* The same variant in the plan that this one is like, which owns the constants of both. */
static const ln_variant *variant_like(const ln_plan *plan, const ln_planned *planned, int number)
{
    return plan->like ? &plan->like->nodes[planned->step.index].variants[number] : NULL;
}

static ln_status make_variant(const ln_plan *plan, ln_planned *planned, int number, ln_error *err)
{
    const ln_node *node = planned->step.node;
    ln_variant *variant = &planned->variants[number];
    const ln_variant *like = variant_like(plan, planned, number);
    const void **in = variant->in;
    ln_status status = LN_OK;
    ln_plan_constants(plan, node, in);
    for (int i = 1; i < node->input_count && like; i++)
        in[i] = like->in[i];
    for (int i = 1; i < node->input_count && !like; i++) {
        const void *own = in[i];
        in[i] = NULL;
        if (own && !status)
            status = vary_constant(plan, planned, number, i, own, &in[i], err);
    }
    variant->step = planned->step;
    variant->step.gradient = planned->back;
    variant->step.like = like ? &like->step : NULL;
    variant->step.prepared = NULL;
    variant->step.scratch_bytes = 0;
    if (!status && node->layer->prepare)
        status = node->layer->prepare(&variant->step, in, err);
    if (!status && !like && variant->step.packed) { /* nobody reads the weight again */
        ln_free_aligned((void *)in[1]);
        in[1] = NULL;
    }
    return status;
}

ln_status ln_plan_make_variants(ln_plan *plan, ln_planned *planned, ln_error *err)
{
    const ln_rule *rule = planned->rule;
    if (!rule || rule->variants == 0 || planned->variants)
        return LN_OK;
    const size_t inputs = (size_t)planned->step.node->input_count;
    planned->variants = ln_calloc((size_t)rule->variants, sizeof *planned->variants);
    if (!planned->variants)
        return ln_fail_memory(err, (size_t)rule->variants * sizeof *planned->variants);
    for (int v = 0; v < rule->variants; v++) {
        planned->variants[v].in = ln_calloc(inputs, sizeof *planned->variants[v].in);
        if (!planned->variants[v].in)
            return ln_fail_memory(err, inputs * sizeof *planned->variants[v].in);
    }
    ln_status status = LN_OK;
    for (int v = 0; v < rule->variants && !status; v++)
        status = make_variant(plan, planned, v, err);
    return status;
}

void ln_plan_free_variants(const ln_plan *plan, ln_planned *planned)
{
    const ln_node *node = planned->step.node;
    for (int v = 0; planned->variants && v < planned->rule->variants; v++) {
        ln_variant *variant = &planned->variants[v];
        if (variant->step.node && node->layer->release)
            node->layer->release(&variant->step);
        for (int i = 1; variant->in && i < node->input_count && !plan->like; i++)
            if (node->inputs[i] >= 0 && plan->graph->values[node->inputs[i]].dtype == LN_F32)
                ln_free_aligned((void *)variant->in[i]);
        ln_free(variant->in);
    }
    ln_free(planned->variants);
}

size_t ln_plan_layer_scratch(const ln_planned *planned)
{
    size_t most = planned->step.scratch_bytes;
    for (int v = 0; planned->variants && v < planned->rule->variants; v++)
        if (planned->variants[v].step.scratch_bytes > most)
            most = planned->variants[v].step.scratch_bytes;
    return (most + 63) / 64 * 64;
}
