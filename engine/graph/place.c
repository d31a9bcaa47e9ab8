/* Where values and gradients lie in an execution's arena.
 *
 * Time is counted in nodes: n of them forward, then back. A value lives from its node to the last that
 * reads it; with a backward pass also until the last of these, and its own, went back, since they may
 * read it again. A gradient lives from the first node that sends it, the last reader, until its value's
 * node went back; what a node writes aside, while it goes back. Two that do not live at the same time may share
 * memory: the largest is placed first, each at the lowest place where nothing lies in its time. So a forward
 * pass alone runs in little more than its largest layers, and gradients take little beside the values.
 *
 * Inputs, what was asked for and gradients that nobody sends (they stay zero) keep places of their own; so
 * do numbers that are not float32, which others' leftovers could turn into wild indices, and all of a
 * training, whose parts wait for each other. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan_internal.h"

enum { MOST_SHARING = 4096 }; /* buffers: the search is quadratic */

/* A value, a gradient or one that is written aside, which may share memory. */
typedef struct buffer {
    size_t *at; /* its entry in value_at, grad_at or a node's aside */
    size_t bytes;
    int birth, death; /* both included */
} buffer;

typedef struct placing {
    ln_plan *plan;
    buffer *buffers;
    int count;
} placing;

size_t ln_plan_take(size_t *used, size_t bytes)
{
    const size_t at = *used;
    if (__builtin_add_overflow(at, (bytes + 63) / 64 * 64, used))
        *used = SIZE_MAX;
    return at;
}

static void add(placing *p, size_t *at, size_t bytes, int birth, int death, bool own)
{
    if (own || p->plan->training || p->count == MOST_SHARING)
        *at = ln_plan_take(&p->plan->bytes, bytes);
    else
        p->buffers[p->count++] = (buffer){at, bytes, birth, death};
}

static int back_at(const ln_plan *plan, int node)
{
    return 2 * plan->graph->node_count - 1 - node;
}

/* When values are read for the last time, and when their gradients begin. */
static void find_times(const ln_plan *plan, int *death, int *birth)
{
    const ln_graph *graph = plan->graph;
    for (int i = 0; i < graph->value_count; i++)
        birth[i] = death[i] = -1;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        const int last = plan->nodes[i].back ? back_at(plan, i) : i;
        for (int j = 0; j < node->input_count && plan->nodes[i].run; j++) {
            const int id = node->inputs[j];
            if (id < 0)
                continue;
            death[id] = last > death[id] ? last : death[id];
            if (plan->nodes[i].send[j] != LN_SEND_NOTHING)
                birth[id] = back_at(plan, i); /* the last reader's is the first */
        }
        for (int j = 0; j < node->output_count && plan->nodes[i].run; j++)
            death[node->outputs[j]] = last;
    }
}

static int by_size(const void *a, const void *b)
{
    const buffer *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return left->birth != right->birth ? left->birth - right->birth : left->death - right->death;
}

/* Places all buffers behind `base`; placed ones are kept in the order of their places. */
static void share(placing *p, size_t base)
{
    int *order = (int *)(p->buffers + p->count); /* there is room behind them */
    size_t end = base;
    qsort(p->buffers, (size_t)p->count, sizeof *p->buffers, by_size);
    for (int i = 0; i < p->count; i++) {
        const buffer *own = &p->buffers[i];
        size_t at = base;
        int k = 0;
        for (; k < i; k++) {
            const buffer *other = &p->buffers[order[k]];
            const bool together = own->birth <= other->death && other->birth <= own->death;
            size_t behind = at;
            ln_plan_take(&behind, own->bytes);
            if (together && behind <= *other->at)
                break;
            if (together) {
                size_t after = *other->at;
                ln_plan_take(&after, other->bytes);
                at = after > at ? after : at;
            }
        }
        *own->at = at;
        ln_plan_take(&at, own->bytes);
        end = at > end ? at : end;
        for (k = i; k > 0 && *p->buffers[order[k - 1]].at > *own->at; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    p->plan->bytes = end;
}

static void add_value(placing *p, int value, int death)
{
    const ln_plan *plan = p->plan;
    const ln_value *own = &plan->graph->values[value];
    const size_t bytes = (size_t)ln_shape_count(&plan->shapes[value]) * ln_dtype_size(own->dtype);
    add(p, &plan->value_at[value], bytes, own->producer, death,
        own->kind == LN_VALUE_INPUT || own->dtype != LN_F32 || plan->wanted[value]);
}

static size_t gradient_bytes(const ln_plan *plan, int value)
{
    return (size_t)ln_shape_count(&plan->shapes[value]) * sizeof(float);
}

static void add_gradient(placing *p, int value, int birth, bool asked)
{
    const ln_plan *plan = p->plan;
    const int producer = plan->graph->values[value].producer;
    add(p, &plan->grad_at[value], gradient_bytes(plan, value), birth,
        producer < 0 ? 0 : back_at(plan, producer),
        asked || producer < 0 || birth < 0 || plan->wanted[value]);
}

/* What nodes write aside lives while they go back; in training, too, one node's lies where others' did. */
static void add_asides(placing *p)
{
    ln_plan *plan = p->plan;
    size_t most = plan->bytes;
    for (int i = 0; i < plan->graph->node_count; i++) {
        const ln_node *node = &plan->graph->nodes[i];
        size_t end = plan->bytes;
        for (int j = 0; j < node->input_count && plan->nodes[i].back; j++) {
            if (node->inputs[j] < 0 || plan->nodes[i].send[j] < LN_SEND_ADD)
                continue;
            const size_t bytes = gradient_bytes(plan, node->inputs[j]);
            if (plan->training)
                plan->nodes[i].aside[j] = ln_plan_take(&end, bytes);
            else
                add(p, &plan->nodes[i].aside[j], bytes, back_at(plan, i), back_at(plan, i), false);
        }
        most = end > most ? end : most;
    }
    if (plan->training)
        plan->bytes = most;
}

ln_status ln_plan_place(ln_plan *plan, const bool *placed, const int *gradients, int gradient_count,
                        ln_error *err)
{
    const size_t values = (size_t)plan->graph->value_count;
    size_t most = 2 * values;
    for (int i = 0; i < plan->graph->node_count; i++)
        most += (size_t)plan->graph->nodes[i].input_count;
    most = most < MOST_SHARING ? most : MOST_SHARING;
    placing p = {.plan = plan};
    p.buffers = ln_calloc(most + 1, sizeof *p.buffers + sizeof(int));
    int *death = ln_calloc(values, 2 * sizeof *death), *birth = death + values;
    bool *asked = ln_calloc(values, sizeof *asked);
    ln_status status = p.buffers && death && asked
                           ? LN_OK
                           : ln_fail_memory(err, most * (sizeof *p.buffers + sizeof(int)));
    if (!status) {
        find_times(plan, death, birth);
        for (int i = 0; i < gradient_count; i++)
            asked[gradients[i]] = true;
        for (size_t i = 0; i < values; i++) {
            plan->value_at[i] = plan->grad_at[i] = LN_NOWHERE;
            if (placed[i])
                add_value(&p, (int)i, death[i]);
            if (plan->backward && (plan->carries[i] || plan->wanted[i]))
                add_gradient(&p, (int)i, birth[i], asked[i]);
        }
        if (plan->backward)
            add_asides(&p);
        share(&p, plan->bytes);
    }
    ln_free(p.buffers);
    ln_free(death);
    ln_free(asked);
    return status;
}
