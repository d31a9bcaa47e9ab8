/* relu before a maximum over windows comes behind it:
 *
 *     max over w of relu(x_w) = relu(max over w of x_w)
 *
 * and its gradient is the same as well: where the greatest is positive it is the first of the greatest x_w as of
 * the greatest relu(x_w), else nothing passes. So relu goes over a number a window. A rule for relu that looks
 * at what comes back (guided backpropagation) finds sums there where windows overlap, and passes
 * something where nothing is positive (deconvnet): those say which of these passes are theirs. */
#include <stdio.h>
#include <string.h>

#include "graph/simplify_internal.h"
#include "layers/common.h"
#include "layers/window.h"

static int64_t entry(const ln_ints *list, int axis, int64_t fallback)
{
    return list->count == 0 ? fallback : list->at[list->count == 1 ? 0 : axis];
}

/* Whether no element is in two windows. */
static bool is_apart(const ln_node *pool)
{
    const ln_pool_attributes *own = pool->attributes;
    for (int axis = 0; axis < ln_window_axes(pool->layer); axis++) {
        const int64_t size = entry(&own->kernel_size, axis, 1);
        if (entry(&own->dilation, axis, 1) != 1 || entry(&own->stride, axis, size) < size)
            return false;
    }
    return true;
}

void ln_simplify_find_pools(ln_simplifying *s)
{
    const ln_graph *graph = s->from;
    const bool any = (s->passes & LN_SIMPLIFY_POOL) == LN_SIMPLIFY_POOL;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        s->relu[i] = -1;
        if (!(s->passes & LN_SIMPLIFY_POOL) || node->output_count != 1 ||
            strncmp(node->layer->word.name, "max_pool", strlen("max_pool")) != 0 ||
            s->pad[i] >= 0 || node->inputs[0] < 0)
            continue;
        const int before = ln_simplify_sole_producer(s, node->inputs[0]);
        if (before < 0 || graph->nodes[before].layer != &ln_layer_relu || s->absorbed[before] ||
            !(any || is_apart(node)))
            continue;
        s->relu[i] = before;
        s->absorbed[before] = true;
    }
}

ln_status ln_simplify_exchange(ln_simplifying *s, int index, ln_error *err)
{
    const ln_node *pool = &s->from->nodes[index], *relu = &s->from->nodes[s->relu[index]];
    const char *result = s->from->values[pool->outputs[0]].name;
    char name[512];
    const char *const between = name;
    int made;
    for (int number = 0;; number++) {
        snprintf(name, sizeof name, "%.480s/greatest.%d", result, number);
        if (ln_graph_find_value(s->to, name) < 0 && ln_graph_find_value(s->from, name) < 0)
            break;
    }
    ln_status status =
        ln_graph_add_node(s->to, pool->layer, pool->operator_name, pool->name, pool->attributes,
                          &s->map[relu->inputs[0]], 1, &between, 1, &made, err);
    if (!status)
        status =
            ln_graph_add_node(s->to, relu->layer, relu->operator_name, relu->name, relu->attributes,
                              &s->to->nodes[made].outputs[0], 1, &result, 1, &made, err);
    if (!status)
        s->map[pool->outputs[0]] = s->to->nodes[made].outputs[0];
    return status;
}
