/* Planning, once a (graph, rows, what is wanted).
 *
 * A node runs when a wanted value depends on it. A value carries a gradient when a wanted value depends on it
 * and it depends on a value whose gradient is asked for, or, in training, on a trainable constant; a node
 * passes gradients back when one of its results carries.
 *
 * The walker goes through the nodes in reverse. Of the nodes that read a value, the first it meets
 * writes the value's gradient and the others write aside and are added, in that fixed order; a value
 * with a seed is added to by all. All of this is decided here, an execution only follows it.
 *
 * What lives at the same time has places of its own in the arena (place.c). */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"

static ln_shape bind_shape(ln_shape shape, int64_t rows)
{
    if (shape.rank > 0 && shape.dims[0] < 0)
        shape.dims[0] = rows;
    return shape;
}

static ln_status allocate(ln_plan *plan, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    const size_t values = (size_t)graph->value_count;
    size_t inputs = 0, operands = 0;
    for (int i = 0; i < graph->node_count; i++) {
        inputs += (size_t)graph->nodes[i].input_count;
        operands += (size_t)(graph->nodes[i].input_count + graph->nodes[i].output_count);
    }
    plan->shapes = ln_calloc(values, sizeof *plan->shapes);
    plan->operands = ln_calloc(operands, sizeof *plan->operands);
    plan->sends = ln_calloc(inputs, sizeof *plan->sends);
    plan->asides = ln_calloc(inputs, sizeof *plan->asides);
    plan->nodes = ln_calloc((size_t)graph->node_count, sizeof *plan->nodes);
    plan->fixed = ln_calloc(values, sizeof *plan->fixed);
    plan->wanted = ln_calloc(values, sizeof *plan->wanted);
    plan->passed = ln_calloc((size_t)graph->node_count, sizeof *plan->passed);
    plan->carries = ln_calloc(values, sizeof *plan->carries);
    plan->value_at = ln_calloc(values, sizeof *plan->value_at);
    plan->grad_at = ln_calloc(values, sizeof *plan->grad_at);
    plan->rest_at = ln_calloc(values, sizeof *plan->rest_at);
    if (!plan->shapes || !plan->operands || !plan->sends || !plan->asides || !plan->nodes ||
        !plan->fixed || !plan->wanted || !plan->passed || !plan->carries || !plan->value_at ||
        !plan->grad_at || !plan->rest_at)
        return ln_fail_memory(err, values * sizeof *plan->shapes);
    return LN_OK;
}

/* Concrete shapes, and each node's part of the shared arrays. */
static void bind_steps(ln_plan *plan)
{
    const ln_graph *graph = plan->graph;
    ln_shape *operand = plan->operands;
    ln_send *send = plan->sends;
    size_t *aside = plan->asides;
    for (int i = 0; i < graph->value_count; i++)
        plan->shapes[i] = bind_shape(graph->values[i].shape, plan->rows);
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        ln_planned *planned = &plan->nodes[i];
        planned->step = (ln_step){.graph = graph, .node = node, .index = i, .rows = plan->rows};
        planned->step.in_shape = operand;
        for (int j = 0; j < node->input_count; j++, operand++)
            if (node->inputs[j] >= 0)
                *operand = plan->shapes[node->inputs[j]];
        planned->step.out_shape = operand;
        for (int j = 0; j < node->output_count; j++)
            *operand++ = plan->shapes[node->outputs[j]];
        planned->send = send;
        planned->aside = aside;
        send += node->input_count;
        aside += node->input_count;
    }
}

/* Which values and nodes wanted values depend on. */
static void mark_needed(ln_plan *plan, const ln_plan_options *options, bool *needed)
{
    const ln_graph *graph = plan->graph;
    const int *values = options->values ? options->values : graph->outputs;
    const int count = options->values ? options->value_count : graph->output_count;
    for (int i = 0; i < count; i++)
        plan->wanted[values[i]] = needed[values[i]] = true;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const ln_node *node = &graph->nodes[i];
        for (int j = 0; j < node->output_count; j++)
            plan->nodes[i].run = plan->nodes[i].run || needed[node->outputs[j]];
        for (int j = 0; j < node->input_count && plan->nodes[i].run; j++)
            if (node->inputs[j] >= 0)
                needed[node->inputs[j]] = true;
    }
}

static ln_status refuse_training(const ln_graph *graph, const ln_node *node, int weights,
                                 ln_error *err)
{
    return ln_fail(err, LN_EUNSUPPORTED, "%s '%s' %s '%s': such a network cannot be trained",
                   node->operator_name, node->name,
                   ln_node_is_fixed(graph, node) ? "makes a new constant of the weights"
                                                 : "has no gradient for the weights",
                   graph->values[weights].name);
}

/* Ids that nothing reads which hands something back would seem to have no part in the result. */
static ln_status check_ids(const ln_plan *plan, const ln_plan_options *options, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count && plan->nodes[i].back; j++)
            for (int k = 0; k < options->gradient_count; k++)
                if (graph->nodes[i].inputs[j] == options->gradients[k])
                    return LN_OK;
    return ln_fail(
        err, LN_EUNSUPPORTED,
        "%s explains whole numbers by the rows that they look up, and nothing looks rows up by "
        "'%s' as it is",
        options->composite->name, graph->values[options->gradients[0]].name);
}

/* Which values carry gradients (whole numbers and truth values only where rules know them), which nodes pass them
 * on and which have parameters to train. */
static ln_status mark_backward(ln_plan *plan, const ln_plan_options *options, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    const bool truths = options->composite && options->composite->truths;
    const bool ids = options->composite && options->composite->ids && options->gradient_count > 0;
    for (int i = 0; i < options->gradient_count; i++)
        plan->carries[options->gradients[i]] =
            ids || graph->values[options->gradients[i]].dtype == LN_F32;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        ln_planned *planned = &plan->nodes[i];
        if (!planned->run)
            continue;
        for (int j = 0; j < node->input_count; j++) {
            const int id = node->inputs[j];
            if (id < 0)
                continue;
            planned->back = planned->back || plan->carries[id];
            if (options->training && graph->values[id].trainable) {
                if (ln_node_is_fixed(graph, node) || !node->layer->backward_parameters)
                    return refuse_training(graph, node, id, err);
                planned->train = true;
            }
        }
        bool carried = false;
        for (int j = 0; j < node->output_count && (planned->back || planned->train); j++)
            if (truths || graph->values[node->outputs[j]].dtype == LN_F32)
                carried = plan->carries[node->outputs[j]] = true;
        planned->back = planned->back && carried;
        planned->train = planned->train && carried;
    }
    return ids && graph->values[options->gradients[0]].dtype != LN_F32
               ? check_ids(plan, options, err)
               : LN_OK;
}

static ln_status assign_rules(ln_plan *plan, const ln_composite *composite, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    if (!composite)
        return LN_OK;
    for (int i = 0; i < graph->node_count; i++)
        plan->passed[i] = plan->nodes[i].back;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        ln_planned *planned = &plan->nodes[i];
        const ln_rule *rule = NULL;
        if (!plan->passed[i])
            continue;
        ln_status status = composite->assign(composite, graph, node, plan->passed, &rule, err);
        if (status) {
            ln_error_prefix(err, "%s '%s'", node->operator_name, node->name);
            return status;
        }
        planned->own_rule = rule ? *rule : (ln_rule){0};
        planned->rule = rule ? &planned->own_rule : NULL;
    }
    return LN_OK;
}

static bool same_rule(const ln_rule *a, const ln_rule *b)
{
    if (!a || !b)
        return a == b;
    for (size_t i = 0; i < sizeof a->parameters / sizeof *a->parameters; i++)
        if (memcmp(&a->parameters[i], &b->parameters[i], sizeof a->parameters[i]) != 0)
            return false;
    return strcmp(a->name, b->name) == 0 && a->variants == b->variants && a->apart == b->apart &&
           a->vary == b->vary && a->scratch == b->scratch && a->forward == b->forward &&
           a->backward == b->backward;
}

bool ln_plan_follows(const ln_plan *plan, const ln_composite *composite)
{
    const ln_composite *own = &plan->composite;
    if (!composite || !plan->ruled)
        return !composite && !plan->ruled;
    if (own->assign != composite->assign || own->relevance != composite->relevance ||
        own->simplify != composite->simplify || own->pairs != composite->pairs ||
        own->chains != composite->chains || own->merges != composite->merges ||
        own->truths != composite->truths || own->ids != composite->ids ||
        own->rests != composite->rests)
        return false;
    for (int i = 0; i < plan->graph->node_count; i++) {
        const ln_rule *rule = NULL;
        if (plan->passed[i] && (composite->assign(composite, plan->graph, &plan->graph->nodes[i],
                                                  plan->passed, &rule, NULL) ||
                                !same_rule(plan->nodes[i].rule, rule)))
            return false;
    }
    return true;
}

static size_t gradient_bytes(const ln_plan *plan, int value)
{
    return (size_t)ln_shape_count(&plan->shapes[value]) * ln_dtype_size(LN_F32);
}

/* Of the readers of a value the last in the graph writes, the others add. */
static void decide_sends(ln_plan *plan, bool *started)
{
    const ln_graph *graph = plan->graph;
    for (int i = 0; i < graph->value_count; i++)
        started[i] = plan->wanted[i];
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const ln_node *node = &graph->nodes[i];
        for (int j = 0; j < node->input_count && plan->nodes[i].back; j++) {
            const int id = node->inputs[j];
            if (id < 0 || !plan->carries[id])
                continue;
            plan->nodes[i].send[j] = started[id] ? LN_SEND_ADD : LN_SEND_WRITE;
            started[id] = true;
        }
    }
}

/* Sums to which several are added get a rest, if the composite wants one. */
static ln_status decide_rests(ln_plan *plan, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    const size_t values = (size_t)graph->value_count;
    ln_send **last = ln_calloc(values, sizeof *last); /* of what is added to a value, so far */
    if (!last)
        return ln_fail_memory(err, values * sizeof *last);
    for (size_t i = 0; i < values; i++)
        plan->rest_at[i] = LN_NOWHERE;
    for (int i = graph->node_count - 1; i >= 0 && plan->composite.rests; i--)
        for (int j = 0; j < graph->nodes[i].input_count; j++) {
            const int id = graph->nodes[i].inputs[j];
            ln_send *send = &plan->nodes[i].send[j];
            if (id < 0 || *send != LN_SEND_ADD)
                continue;
            if (last[id] && plan->rest_at[id] == LN_NOWHERE)
                plan->rest_at[id] = ln_plan_take(&plan->bytes, gradient_bytes(plan, id));
            if (last[id]) {
                *last[id] = *last[id] == LN_SEND_ADD ? LN_SEND_ADD_FIRST : LN_SEND_ADD_MORE;
                *send = LN_SEND_ADD_LAST;
            }
            last[id] = send;
        }
    ln_free(last);
    return LN_OK;
}

/* Values that are read or that are inputs, and all results of nodes that run, those that nobody reads
 * too. */
static void find_values(const ln_plan *plan, const bool *needed, bool *placed)
{
    const ln_graph *graph = plan->graph;
    for (int i = 0; i < graph->value_count; i++)
        placed[i] =
            !graph->values[i].fixed && (needed[i] || graph->values[i].kind == LN_VALUE_INPUT);
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].output_count && plan->nodes[i].run; j++)
            placed[graph->nodes[i].outputs[j]] = !graph->values[graph->nodes[i].outputs[j]].fixed;
}

static void place_parameters(ln_plan *plan)
{
    const ln_graph *graph = plan->graph;
    plan->parameters_at = plan->bytes;
    for (int i = 0; i < graph->value_count && plan->training; i++)
        if (graph->values[i].trainable)
            plan->grad_at[i] = ln_plan_take(&plan->bytes, gradient_bytes(plan, i));
    plan->parameters_bytes = plan->bytes - plan->parameters_at;
}

/* Where layers keep the statistics of a batch. */
static void place_statistics(ln_plan *plan)
{
    for (int i = 0; i < plan->graph->node_count; i++) {
        ln_planned *planned = &plan->nodes[i];
        const bool own = planned->run && planned->step.statistics > 0;
        const size_t bytes = (size_t)planned->step.statistics * sizeof(double);
        planned->statistics_at = own ? ln_plan_take(&plan->bytes, bytes) : LN_NOWHERE;
        planned->back_statistics_at = own ? ln_plan_take(&plan->bytes, bytes) : LN_NOWHERE;
    }
}

static ln_status fill_plan(ln_plan *plan, const ln_plan_options *options, bool *marks,
                           ln_error *err)
{
    size_t scratch = 0;
    bind_steps(plan);
    mark_needed(plan, options, marks);
    plan->backward = options->gradient_count > 0 || options->training;
    ln_status status = plan->backward ? mark_backward(plan, options, err) : LN_OK;
    if (!status && plan->backward)
        status = assign_rules(plan, options->composite, err);
    if (status)
        return status;
    bool *placed = ln_calloc((size_t)plan->graph->value_count, sizeof *placed);
    if (!placed)
        return ln_fail_memory(err, (size_t)plan->graph->value_count);
    find_values(plan, marks, placed);
    if (plan->backward)
        decide_sends(plan, marks);
    status = ln_plan_place(plan, placed, options->gradients, options->gradient_count, err);
    ln_free(placed);
    if (status)
        return status;
    if (plan->backward) {
        status = decide_rests(plan, err);
        if (status)
            return status;
        place_parameters(plan);
        /* Whoever asks for the gradient of whole numbers reads zeros. */
        for (int i = 0; i < options->gradient_count; i++)
            if (plan->grad_at[options->gradients[i]] == LN_NOWHERE)
                plan->grad_at[options->gradients[i]] =
                    ln_plan_take(&plan->bytes, gradient_bytes(plan, options->gradients[i]));
    }
    status = ln_plan_prepare(plan, err);
    for (int i = 0; i < plan->graph->node_count && !status; i++) {
        const ln_planned *planned = &plan->nodes[i];
        const ln_rule *rule = planned->rule;
        const size_t own = rule && rule->scratch ? rule->scratch(rule, &planned->step) : 0;
        const size_t bytes = planned->run ? ln_plan_layer_scratch(planned) + own : 0;
        scratch = bytes > scratch ? bytes : scratch;
    }
    plan->absorbed_at = options->composite && options->composite->relevance
                            ? ln_plan_take(&plan->bytes, (size_t)plan->rows * sizeof(double))
                            : LN_NOWHERE;
    plan->scratch_at = ln_plan_take(&plan->bytes, scratch);
    place_statistics(plan);
    return status;
}

ln_status ln_plan_new(ln_graph *graph, const ln_plan_options *options, ln_plan **out, ln_error *err)
{
    assert(options->rows >= 1);
    ln_plan *plan = ln_calloc(1, sizeof *plan);
    bool *marks = ln_calloc((size_t)graph->value_count, sizeof *marks);
    ln_status status = plan && marks ? LN_OK : ln_fail_memory(err, sizeof *plan);
    if (!status) {
        plan->graph = ln_graph_retain(graph);
        plan->rows = options->rows;
        plan->profile = options->profile;
        plan->last = options->last;
        plan->sleeps = options->last && options->sleeps;
        plan->like = options->like;
        plan->ruled = options->composite != NULL;
        plan->composite = plan->ruled ? *options->composite : (ln_composite){0};
        plan->composite.context = NULL;
        plan->training = options->training;
        plan->fast = options->fast;
        status = allocate(plan, err);
    }
    if (!status)
        status = fill_plan(plan, options, marks, err);
    ln_free(marks);
    if (status)
        ln_plan_free(plan);
    else
        *out = plan;
    return status;
}

void ln_plan_free(ln_plan *plan)
{
    if (!plan)
        return;
    const ln_graph *graph = plan->graph;
    for (int i = 0; graph && plan->nodes && i < graph->node_count; i++)
        if (plan->nodes[i].step.node) {
            ln_plan_free_variants(plan, &plan->nodes[i]);
            if (graph->nodes[i].layer->release)
                graph->nodes[i].layer->release(&plan->nodes[i].step);
        }
    for (int i = 0; graph && plan->fixed && i < graph->value_count; i++)
        ln_tensor_release(plan->fixed[i]);
    ln_free(plan->shapes);
    ln_free(plan->operands);
    ln_free(plan->sends);
    ln_free(plan->asides);
    ln_free(plan->nodes);
    ln_free(plan->fixed);
    ln_free(plan->wanted);
    ln_free(plan->passed);
    ln_free(plan->carries);
    ln_free(plan->value_at);
    ln_free(plan->grad_at);
    ln_free(plan->rest_at);
    ln_graph_release(plan->graph);
    ln_free(plan);
}

bool ln_plan_couples_rows(const ln_plan *plan)
{
    for (int i = 0; i < plan->graph->node_count; i++)
        if (plan->nodes[i].statistics_at != LN_NOWHERE)
            return true;
    return false;
}

size_t ln_plan_exec_bytes(const ln_plan *plan)
{
    return plan->bytes;
}
