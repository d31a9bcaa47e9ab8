/* A graph is built anew, node after node, from the old one: values are mapped, nodes left out, merged
 * (absorb.c) or copied. What is not exact by its construction is then compared on rows of random
 * numbers. */
#include "graph/simplify.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "graph/plan_internal.h"
#include "graph/simplify_internal.h"
#include "layers/common.h"

enum { CHECKED_ROWS = 3 };

/* ---------------------------------------------------------------- walking */

void ln_simplify_count_readers(ln_simplifying *s, const int *keep, int keep_count)
{
    const ln_graph *graph = s->from;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            if (graph->nodes[i].inputs[j] >= 0)
                s->readers[graph->nodes[i].inputs[j]]++;
    for (int i = 0; i < graph->output_count; i++)
        s->readers[graph->outputs[i]] += 2;
    for (int i = 0; i < keep_count; i++)
        s->readers[keep[i]] += 2;
}

static bool is_kept(const ln_simplifying *s, int value, const int *keep, int keep_count)
{
    for (int i = 0; i < s->from->output_count; i++)
        if (s->from->outputs[i] == value)
            return true;
    for (int i = 0; i < keep_count; i++)
        if (keep[i] == value)
            return true;
    return false;
}

static bool changes_nothing(const ln_graph *graph, const ln_node *node)
{
    const char *word = node->layer->word.name;
    return strcmp(word, "identity") == 0 || strcmp(word, "dropout") == 0 ||
           (strcmp(word, "cast") == 0 &&
            ((const ln_cast_attributes *)node->attributes)->to == LN_CAST_F32 &&
            graph->values[node->inputs[0]].dtype == LN_F32);
}

ln_status ln_simplify_copy(ln_simplifying *s, int index, ln_error *err)
{
    const ln_node *node = &s->from->nodes[index];
    int *inputs = ln_calloc((size_t)node->input_count + 1, sizeof *inputs), made;
    const char *names[LN_MOST_OUTPUTS];
    if (!inputs)
        return ln_fail_memory(err, (size_t)node->input_count * sizeof *inputs);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = node->inputs[i] < 0 ? -1 : s->map[node->inputs[i]];
    for (int i = 0; i < node->output_count; i++)
        names[i] = s->from->values[node->outputs[i]].name;
    ln_status status =
        ln_graph_add_node(s->to, node->layer, node->operator_name, node->name, node->attributes,
                          inputs, node->input_count, names, node->output_count, &made, err);
    for (int i = 0; i < node->output_count && !status; i++)
        s->map[node->outputs[i]] = s->to->nodes[made].outputs[i];
    ln_free(inputs);
    return status;
}

/* relu of a dense layer's results that nobody else reads: the layer cuts them itself. */
static bool let_dense_cut(ln_simplifying *s, const ln_node *node)
{
    if (node->layer != &ln_layer_relu || s->readers[node->inputs[0]] != 1)
        return false;
    const int made = s->map[node->inputs[0]];
    for (int i = s->to->node_count - 1; i >= 0; i--) {
        const ln_node *maker = &s->to->nodes[i];
        if (maker->outputs[0] != made || maker->layer != &ln_layer_dense)
            continue;
        ((ln_dense_attributes *)maker->attributes)->cut = true;
        s->map[node->outputs[0]] = made;
        return true;
    }
    return false;
}

/* Inputs and constants first, in their order; `fixed` is an execution that knows what nodes of constants
 * make. */
ln_status ln_simplify_values(ln_simplifying *s, const ln_exec *fixed, ln_error *err)
{
    const ln_graph *graph = s->from;
    ln_status status = LN_OK;
    for (int i = 0; i < graph->value_count && !status; i++) {
        const ln_value *value = &graph->values[i];
        ln_tensor *made = NULL;
        if (value->kind == LN_VALUE_INPUT)
            status = ln_graph_add_input(s->to, value->name, value->dtype, &value->shape, &s->map[i],
                                        err);
        else if (value->constant)
            status = ln_graph_add_constant(s->to, value->name, value->constant, value->trainable,
                                           &s->map[i], err);
        else if (fixed && value->fixed) {
            status =
                ln_tensor_copy_of(value->dtype, &value->shape, ln_exec_value(fixed, i), &made, err);
            if (!status)
                status = ln_graph_add_constant(s->to, value->name, made, false, &s->map[i], err);
            ln_tensor_release(made);
        }
    }
    return status;
}

static ln_status add_node(ln_simplifying *s, int index, const int *keep, int keep_count,
                          ln_error *err)
{
    const ln_node *node = &s->from->nodes[index];
    bool done = false;
    if (s->absorbed[index] || s->map[node->outputs[0]] >= 0)
        return LN_OK;
    if ((s->passes & LN_SIMPLIFY_IDENTITY) && changes_nothing(s->from, node) &&
        !is_kept(s, node->outputs[0], keep, keep_count)) {
        s->map[node->outputs[0]] = s->map[node->inputs[0]];
        return LN_OK;
    }
    if ((s->passes & LN_SIMPLIFY_CUTS) && !is_kept(s, node->outputs[0], keep, keep_count) &&
        let_dense_cut(s, node))
        return LN_OK;
    if (s->relu[index] >= 0)
        return ln_simplify_exchange(s, index, err);
    const int ahead = s->ahead[index] >= 0 ? s->ahead[index] : s->pad[index];
    if (s->norm[index] < 0 && ahead < 0)
        return ln_simplify_copy(s, index, err);
    ln_status status = ln_simplify_absorb(s, index, &done, err);
    if (!status && !done && ahead >= 0)
        status = ln_simplify_copy(s, ahead, err);
    if (!status && !done)
        status = ln_simplify_copy(s, index, err);
    if (!status && !done && s->norm[index] >= 0)
        status = ln_simplify_copy(s, s->norm[index], err);
    return status;
}

/* ---------------------------------------------------------------- what nodes of constants make */

static ln_status run_fixed(ln_graph *graph, ln_plan **plan, ln_exec **exec, ln_error *err)
{
    int *values = ln_calloc((size_t)graph->value_count, sizeof *values), count = 0;
    if (!values)
        return ln_fail_memory(err, (size_t)graph->value_count * sizeof *values);
    for (int i = 0; i < graph->value_count; i++)
        if (graph->values[i].fixed && !graph->values[i].constant)
            values[count++] = i;
    const ln_plan_options options = {.rows = 1, .values = values, .value_count = count};
    ln_status status = count > 0 ? ln_plan_new(graph, &options, plan, err) : LN_OK;
    if (!status && count > 0)
        status = ln_exec_new(*plan, exec, err);
    ln_free(values);
    return status;
}

/* ---------------------------------------------------------------- the check */

static ln_status run_rows(ln_graph *graph, ln_plan **plan, ln_exec **exec, ln_error *err)
{
    const ln_plan_options options = {.rows = CHECKED_ROWS};
    ln_status status = ln_plan_new(graph, &options, plan, err);
    if (!status)
        status = ln_exec_new(*plan, exec, err);
    for (int i = 0; i < graph->input_count && !status; i++) {
        const int64_t count = CHECKED_ROWS * ln_shape_row(&graph->values[graph->inputs[i]].shape);
        float *x = ln_exec_input(*exec, i);
        for (int64_t j = 0; j < count; j++) {
            ln_rng rng = ln_rng_make(0, "simplify", (uint64_t)i, (uint64_t)j);
            x[j] = (float)ln_rng_normal(&rng);
        }
    }
    return status ? status : ln_exec_forward(*exec, CHECKED_ROWS, err);
}

static ln_status compare_output(const ln_graph *graph, int output, const float *a, const float *b,
                                ln_error *err)
{
    const ln_value *value = &graph->values[graph->outputs[output]];
    const int64_t count = CHECKED_ROWS * ln_shape_row(&value->shape);
    double greatest = 0, difference = 0;
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(a[i]) && isfinite(b[i])) {
            greatest = fmax(greatest, fabs((double)a[i]));
            difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
        } else if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) {
            difference = INFINITY;
        }
    }
    if (difference > 1e-4 * greatest + 1e-6)
        return ln_fail(
            err, LN_EFAILED,
            "simplifying the network changed its output '%s' by %g (numbers of up to %g)",
            value->name, difference, greatest);
    return LN_OK;
}

/* Both graphs on the same rows; networks on whole numbers are left alone, since random ones mean
 * nothing to them. */
static ln_status check_outputs(ln_graph *from, ln_graph *to, ln_error *err)
{
    ln_plan *plans[2] = {NULL, NULL};
    ln_exec *execs[2] = {NULL, NULL};
    for (int i = 0; i < from->input_count; i++)
        if (from->values[from->inputs[i]].dtype != LN_F32)
            return LN_OK;
    ln_status status = run_rows(from, &plans[0], &execs[0], err);
    if (!status)
        status = run_rows(to, &plans[1], &execs[1], err);
    for (int i = 0; i < from->output_count && !status; i++) {
        const ln_value *value = &from->values[from->outputs[i]];
        if (value->dtype == LN_F32 && !value->fixed)
            status = compare_output(from, i, ln_exec_value(execs[0], from->outputs[i]),
                                    ln_exec_value(execs[1], to->outputs[i]), err);
    }
    for (int i = 0; i < 2; i++) {
        ln_exec_free(execs[i]);
        ln_plan_free(plans[i]);
    }
    return status;
}

/* ---------------------------------------------------------------- all of it */

/* Whether a pass finds something to do. */
static bool has_work(const ln_simplifying *s, const int *keep, int keep_count)
{
    const ln_graph *graph = s->from;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        if (s->norm[i] >= 0 || s->ahead[i] >= 0 || s->pad[i] >= 0 || s->relu[i] >= 0)
            return true;
        if ((s->passes & LN_SIMPLIFY_CONSTANTS) && ln_node_is_fixed(graph, node))
            return true;
        if ((s->passes & LN_SIMPLIFY_CUTS) && node->layer == &ln_layer_relu)
            return true; /* perhaps */
        if ((s->passes & LN_SIMPLIFY_IDENTITY) && changes_nothing(graph, node) &&
            !is_kept(s, node->outputs[0], keep, keep_count))
            return true;
    }
    return false;
}

/* s->to is made where there is something to do. */
static ln_status build(ln_simplifying *s, ln_graph *graph, const int *keep, int keep_count,
                       ln_error *err)
{
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_simplify_count_readers(s, keep, keep_count);
    ln_simplify_find(s);
    ln_simplify_find_pools(s);
    if (!has_work(s, keep, keep_count))
        return LN_OK;
    ln_status status = ln_graph_new(&s->to, err);
    if (!status && (s->passes & LN_SIMPLIFY_CONSTANTS))
        status = run_fixed(graph, &plan, &exec, err);
    if (!status)
        status = ln_simplify_values(s, exec, err);
    for (int i = 0; i < graph->node_count && !status; i++)
        status = add_node(s, i, keep, keep_count, err);
    for (int i = 0; i < graph->output_count && !status; i++)
        status = ln_graph_add_output(s->to, s->map[graph->outputs[i]], err);
    ln_exec_free(exec);
    ln_plan_free(plan);
    return status;
}

ln_status ln_graph_simplify(ln_graph *graph, unsigned passes, const int *keep, int keep_count,
                            ln_graph **out, ln_error *err)
{
    const size_t values = (size_t)graph->value_count, nodes = (size_t)graph->node_count;
    ln_simplifying s = {.from = graph, .passes = passes};
    s.map = ln_calloc(values, sizeof *s.map);
    s.readers = ln_calloc(values, sizeof *s.readers);
    s.norm = ln_calloc(nodes, sizeof *s.norm);
    s.ahead = ln_calloc(nodes, sizeof *s.ahead);
    s.pad = ln_calloc(nodes, sizeof *s.pad);
    s.relu = ln_calloc(nodes, sizeof *s.relu);
    s.absorbed = ln_calloc(nodes, sizeof *s.absorbed);
    ln_status status = s.map && s.readers && s.norm && s.ahead && s.pad && s.relu && s.absorbed
                           ? LN_OK
                           : ln_fail_memory(err, values * sizeof *s.map);
    for (size_t i = 0; i < values && !status; i++)
        s.map[i] = -1;
    if (!status)
        status = build(&s, graph, keep, keep_count, err);
    if (!status && s.to && (passes & (LN_SIMPLIFY_BATCH_NORM | LN_SIMPLIFY_PAD)) &&
        !(passes & LN_SIMPLIFY_UNCHECKED))
        status = check_outputs(graph, s.to, err);
    ln_free(s.map);
    ln_free(s.readers);
    ln_free(s.norm);
    ln_free(s.ahead);
    ln_free(s.pad);
    ln_free(s.relu);
    ln_free(s.absorbed);
    if (status)
        ln_graph_release(s.to);
    else
        *out = s.to ? s.to : ln_graph_retain(graph);
    return status;
}
