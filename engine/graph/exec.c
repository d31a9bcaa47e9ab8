/* An execution: one arena with a place for every value and gradient, and two passes a node
 * (backward, parameters) whose pointers are set once. The loops below allocate nothing. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"

/* The passes of one node. */
typedef struct node_passes {
    ln_pass pass;           /* forward and backward */
    ln_pass parameters;     /* backward_parameters: gradients of trainable constants only */
    int64_t nanoseconds[2]; /* with a profile: spent in the node, each way */
    int64_t rows[2];        /* the same: rows passed */
} node_passes;

struct ln_exec {
    const ln_plan *plan;   /* borrowed */
    int64_t rows;          /* of the last forward */
    uint64_t seed, number; /* for the passes, as ln_exec_training was told */
    int64_t first_row;     /* the same */
    char *arena;           /* plan->bytes, 64-aligned */
    node_passes *nodes;    /* one a node of the graph; of those that do not run, zeroed */
    void **pointers;       /* what the passes' arrays point into */
};

static void *at(const ln_exec *exec, size_t offset)
{
    return offset == LN_NOWHERE ? NULL : exec->arena + offset;
}

/* Sets the arrays of one node's passes; returns what is left of the pointers. */
static void **bind_passes(ln_exec *exec, int index, void **pointers)
{
    const ln_plan *plan = exec->plan;
    const ln_node *node = &plan->graph->nodes[index];
    const ln_planned *planned = &plan->nodes[index];
    ln_pass pass = {.step = &planned->step,
                    .scratch = at(exec, plan->scratch_at),
                    .statistics = at(exec, planned->statistics_at),
                    .back_statistics = at(exec, planned->back_statistics_at),
                    .variants = planned->variants,
                    .absorbed = at(exec, plan->absorbed_at)};
    pass.rule_scratch = (char *)pass.scratch + ln_plan_layer_scratch(planned);
    const int inputs = node->input_count, outputs = node->output_count;
    void **in = pointers, **in_grad = in + inputs, **parameter_grad = in_grad + inputs;
    void **out = parameter_grad + inputs, **out_grad = out + outputs;

    ln_plan_constants(plan, node, (const void **)in);
    for (int i = 0; i < inputs; i++) {
        const int id = node->inputs[i];
        if (id < 0)
            continue;
        if (!in[i])
            in[i] = at(exec, plan->value_at[id]);
        if (planned->send[i] == LN_SEND_WRITE)
            in_grad[i] = at(exec, plan->grad_at[id]);
        else if (planned->send[i] >= LN_SEND_ADD)
            in_grad[i] = at(exec, planned->aside[i]);
        if (plan->training && plan->graph->values[id].trainable)
            parameter_grad[i] = at(exec, plan->grad_at[id]);
    }
    for (int i = 0; i < outputs; i++) {
        out[i] = at(exec, plan->value_at[node->outputs[i]]);
        out_grad[i] = at(exec, plan->grad_at[node->outputs[i]]);
    }
    pass.in = (const void *const *)in;
    pass.out = out;
    pass.out_grad = (const float *const *)out_grad;
    pass.in_grad = (float *const *)in_grad;
    exec->nodes[index].pass = pass;
    pass.in_grad = (float *const *)parameter_grad;
    exec->nodes[index].parameters = pass;
    return out_grad + outputs;
}

ln_status ln_exec_new(const ln_plan *plan, ln_exec **out, ln_error *err)
{
    const ln_graph *graph = plan->graph;
    size_t count = 0;
    for (int i = 0; i < graph->node_count; i++)
        count += 3 * (size_t)graph->nodes[i].input_count + 2 * (size_t)graph->nodes[i].output_count;
    ln_exec *exec = ln_calloc(1, sizeof *exec);
    if (!exec)
        return ln_fail_memory(err, sizeof *exec);
    exec->plan = plan;
    exec->arena = ln_alloc_aligned(plan->bytes);
    exec->nodes = ln_calloc((size_t)graph->node_count, sizeof *exec->nodes);
    exec->pointers = ln_calloc(count, sizeof *exec->pointers);
    if (!exec->arena || !exec->nodes || !exec->pointers) {
        ln_exec_free(exec);
        return ln_fail_memory(err, plan->bytes);
    }
    /* Rows that a pass does not fill may be computed with, so they must hold numbers; gradients
     * that no node writes are zero because of this. */
    memset(exec->arena, 0, plan->bytes);
    void **pointers = exec->pointers;
    for (int i = 0; i < graph->node_count; i++)
        if (plan->nodes[i].run)
            pointers = bind_passes(exec, i, pointers);
    *out = exec;
    return LN_OK;
}

/* What was measured, to the plan's profile. */
static void report(const ln_exec *exec)
{
    const ln_plan *plan = exec->plan;
    for (int i = 0; i < plan->graph->node_count && plan->profile && exec->nodes; i++)
        for (int way = 0; way < LN_PROFILE_WAYS; way++)
            ln_profile_add(plan->profile, &plan->nodes[i].step, way, exec->nodes[i].rows[way],
                           exec->nodes[i].nanoseconds[way]);
}

int64_t ln_exec_nanoseconds(const ln_exec *exec)
{
    int64_t sum = 0;
    for (int i = 0; i < exec->plan->graph->node_count && exec->plan->profile; i++)
        for (int way = 0; way < LN_PROFILE_WAYS; way++)
            sum += exec->nodes[i].nanoseconds[way];
    return sum;
}

void ln_exec_free(ln_exec *exec)
{
    if (!exec)
        return;
    report(exec);
    ln_free_aligned(exec->arena);
    ln_free(exec->nodes);
    ln_free(exec->pointers);
    ln_free(exec);
}

void *ln_exec_input(ln_exec *exec, int input)
{
    return at(exec, exec->plan->value_at[exec->plan->graph->inputs[input]]);
}

void ln_exec_training(ln_exec *exec, uint64_t seed, uint64_t number, int64_t first_row)
{
    exec->seed = seed;
    exec->number = number;
    exec->first_row = first_row;
}

static void set_pass(const ln_exec *exec, ln_pass *pass)
{
    pass->rows = exec->rows;
    pass->seed = exec->seed;
    pass->number = exec->number;
    pass->first_row = exec->first_row;
}

/* Rows in which something goes backward. */
static int64_t rows_back(const ln_exec *exec)
{
    return exec->plan->composite.pairs ? exec->rows / 2 : exec->rows;
}

static void note_time(ln_exec *exec, int index, int way, int64_t start)
{
    node_passes *node = &exec->nodes[index];
    if (!exec->plan->profile)
        return;
    node->nanoseconds[way] += ln_profile_clock(exec->plan->profile) - start;
    node->rows[way] += way == LN_PROFILE_BACKWARD ? rows_back(exec) : exec->rows;
}

static ln_status name_node(const ln_node *node, ln_status status, ln_error *err)
{
    ln_error_prefix(err, "%s '%s'", node->operator_name, node->name);
    return status;
}

/* ---------------------------------------------------------------- forward */

void ln_exec_begin(ln_exec *exec, int64_t rows)
{
    const ln_plan *plan = exec->plan;
    assert(rows >= 0 && rows <= plan->rows);
    exec->rows = rows;
    for (int i = 0; i < plan->graph->value_count && plan->backward; i++)
        if (plan->wanted[i])
            memset(at(exec, plan->grad_at[i]), 0,
                   (size_t)ln_shape_count(&plan->shapes[i]) * sizeof(float));
    if (plan->absorbed_at != LN_NOWHERE)
        memset(at(exec, plan->absorbed_at), 0, (size_t)plan->rows * sizeof(double));
    if (plan->parameters_bytes)
        memset(exec->arena + plan->parameters_at, 0, plan->parameters_bytes);
}

static ln_status forward_node(const ln_exec *exec, int index, ln_error *err)
{
    const ln_rule *rule = exec->plan->nodes[index].rule;
    const ln_pass *pass = &exec->nodes[index].pass;
    return rule && rule->forward ? rule->forward(rule, pass, err)
                                 : pass->step->node->layer->forward(pass, err);
}

ln_status ln_exec_forward_part(ln_exec *exec, int from, int *stop, ln_error *err)
{
    const ln_plan *plan = exec->plan;
    const ln_graph *graph = plan->graph;
    for (int i = from < 0 ? 0 : from; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        if (!plan->nodes[i].run || ln_node_is_fixed(graph, node))
            continue;
        set_pass(exec, &exec->nodes[i].pass);
        const bool collects = plan->nodes[i].statistics_at != LN_NOWHERE && i != from;
        const int64_t start = ln_profile_clock(exec->plan->profile);
        ln_status status =
            collects ? node->layer->collect(&exec->nodes[i].pass, err) : forward_node(exec, i, err);
        note_time(exec, i, LN_PROFILE_FORWARD, start);
        if (status)
            return name_node(node, status, err);
        *stop = i;
        if (collects)
            return LN_OK;
    }
    *stop = graph->node_count;
    return LN_OK;
}

ln_status ln_exec_forward(ln_exec *exec, int64_t rows, ln_error *err)
{
    ln_status status = LN_OK;
    ln_exec_begin(exec, rows);
    for (int stop = -1; stop < exec->plan->graph->node_count && !status;)
        status = ln_exec_forward_part(exec, stop, &stop, err);
    return status;
}

/* ---------------------------------------------------------------- backward */

/* sum += aside, and to `rest` what rounding takes from it (Knuth's sum of two numbers): written first, then added, and
 * last all of it is added to the sum. */
static void add_with_rest(ln_send send, int64_t count, const float *aside, float *rest, float *sum)
{
    const bool first = send == LN_SEND_ADD_FIRST;
    for (int64_t j = 0; j < count; j++) {
        const float before = sum[j], after = before + aside[j], added = after - before;
        const float lost = (before - (after - added)) + (aside[j] - added);
        /* What stood there before a first one is not read, and beside infinite numbers there is no rest. */
        const float all = (first ? 0 : rest[j]) + (isfinite(lost) ? lost : 0);
        rest[j] = all;
        sum[j] = send == LN_SEND_ADD_LAST ? after + all : after;
    }
}

/* Adds what a node wrote aside to the gradients of its inputs. */
static void add_asides(const ln_exec *exec, int index)
{
    const ln_plan *plan = exec->plan;
    const ln_planned *planned = &plan->nodes[index];
    for (int i = 0; i < planned->step.node->input_count; i++) {
        if (planned->send[i] < LN_SEND_ADD)
            continue;
        const int id = planned->step.node->inputs[i];
        const int64_t count = rows_back(exec) * ln_shape_row(&plan->shapes[id]);
        const float *aside = at(exec, planned->aside[i]);
        float *sum = at(exec, plan->grad_at[id]);
        if (planned->send[i] != LN_SEND_ADD)
            add_with_rest(planned->send[i], count, aside, at(exec, plan->rest_at[id]), sum);
        for (int64_t j = 0; j < count && planned->send[i] == LN_SEND_ADD; j++)
            sum[j] += aside[j];
    }
}

static ln_status backward_node(ln_exec *exec, int index, ln_error *err)
{
    const ln_planned *planned = &exec->plan->nodes[index];
    const ln_layer *layer = planned->step.node->layer;
    ln_status status = LN_OK;
    if (planned->train) {
        set_pass(exec, &exec->nodes[index].parameters);
        status = layer->backward_parameters(&exec->nodes[index].parameters, err);
    }
    if (planned->back && !status) {
        ln_pass pass = exec->nodes[index].pass;
        if (!planned->rule)
            pass.rows = rows_back(exec);
        status = planned->rule ? planned->rule->backward(planned->rule, &pass, err)
                               : layer->backward(&pass, err);
        if (!status)
            add_asides(exec, index);
    }
    return status;
}

ln_status ln_exec_backward_part(ln_exec *exec, int from, int *stop, ln_error *err)
{
    const ln_plan *plan = exec->plan;
    const ln_graph *graph = plan->graph;
    for (int i = from < graph->node_count ? from : graph->node_count - 1; i >= 0; i--) {
        const ln_planned *planned = &plan->nodes[i];
        const ln_node *node = &graph->nodes[i];
        const bool collects =
            planned->statistics_at != LN_NOWHERE && i != from && (planned->train || planned->back);
        const int64_t start = ln_profile_clock(exec->plan->profile);
        ln_status status = collects ? node->layer->collect_backward(&exec->nodes[i].pass, err)
                                    : backward_node(exec, i, err);
        if (planned->train || planned->back)
            note_time(exec, i, LN_PROFILE_BACKWARD, start);
        if (status)
            return name_node(node, status, err);
        *stop = i;
        if (collects)
            return LN_OK;
    }
    *stop = -1;
    return LN_OK;
}

/* The relevance of a result that depends on the inputs through whole numbers or truth values alone goes nowhere. */
static void absorb_seeds(const ln_exec *exec)
{
    const ln_plan *plan = exec->plan;
    double *absorbed = at(exec, plan->absorbed_at);
    for (int v = 0; v < plan->graph->value_count && plan->absorbed_at != LN_NOWHERE; v++) {
        const int64_t row = ln_shape_row(&plan->shapes[v]);
        const float *seed = at(exec, plan->grad_at[v]);
        for (int64_t i = 0; i < exec->rows * row && plan->wanted[v] && !plan->carries[v]; i++)
            absorbed[i / row] += (double)seed[i];
    }
}

ln_status ln_exec_backward(ln_exec *exec, ln_error *err)
{
    ln_status status = LN_OK;
    absorb_seeds(exec);
    for (int stop = exec->plan->graph->node_count; stop >= 0 && !status;)
        status = ln_exec_backward_part(exec, stop, &stop, err);
    return status;
}

double *ln_exec_statistics(ln_exec *exec, int node, bool backward, int64_t *count)
{
    const ln_planned *planned = &exec->plan->nodes[node];
    *count = planned->step.statistics;
    return at(exec, backward ? planned->back_statistics_at : planned->statistics_at);
}

/* ---------------------------------------------------------------- results */

const void *ln_exec_value(const ln_exec *exec, int value)
{
    const ln_plan *plan = exec->plan;
    if (plan->value_at[value] != LN_NOWHERE)
        return at(exec, plan->value_at[value]);
    const ln_tensor *fixed =
        plan->fixed[value] ? plan->fixed[value] : plan->graph->values[value].constant;
    return fixed ? fixed->data : NULL;
}

float *ln_exec_seed(ln_exec *exec, int value)
{
    return at(exec, exec->plan->grad_at[value]);
}

const float *ln_exec_gradient(const ln_exec *exec, int value)
{
    return at(exec, exec->plan->grad_at[value]);
}

const double *ln_exec_absorbed(const ln_exec *exec)
{
    return at(exec, exec->plan->absorbed_at);
}

float *ln_exec_parameter_gradient(ln_exec *exec, int value)
{
    return at(exec, exec->plan->grad_at[value]);
}
