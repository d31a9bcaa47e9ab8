#include "explainers/common/bends.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/kinds.h"
#include "layers/attributes.h"
#include "layers/pooling.h"
#include "layers/reduce.h"

/* A crossing nearer than this to an end of its stretch (of length 1) is that end: rounding, mostly. */
#define NEAR 1e-9

/* ---------------------------------------------------------------- thresholds */

/* Where functions of one number bend. */
static bool thresholds_of(const ln_node *node, ln_bend *bend)
{
    const ln_scalar_attributes *own = node->attributes;
    const char *word = node->layer->word.name;
    static const char *const at_zero[] = {"relu", "leaky_relu", "prelu", "abs"};
    static const char *const at_own[] = {"hardtanh", "clip"};
    bend->thresholds = 2;
    for (size_t i = 0; i < sizeof at_own / sizeof *at_own; i++)
        if (strcmp(word, at_own[i]) == 0) {
            bend->at[0] = own->a;
            bend->at[1] = own->b;
            return true;
        }
    if (strcmp(word, "relu6") == 0) {
        bend->at[1] = 6;
        return true;
    }
    if (strcmp(word, "hardsigmoid") == 0) {
        bend->at[0] = -3;
        bend->at[1] = 3;
        return true;
    }
    if (strcmp(word, "clipped_line") == 0 && own->a != 0) {
        bend->at[0] = -own->b / own->a;
        bend->at[1] = (1 - own->b) / own->a;
        return true;
    }
    if (strcmp(word, "softshrink") == 0) {
        bend->at[0] = -own->a;
        bend->at[1] = own->a;
        return true;
    }
    bend->thresholds = 1;
    for (size_t i = 0; i < sizeof at_zero / sizeof *at_zero; i++)
        if (strcmp(word, at_zero[i]) == 0)
            return true;
    return false;
}

/* ---------------------------------------------------------------- windows */

/* First element, step and number of those that a window reads along an axis. */
typedef struct span {
    int64_t first, step, count;
} span;

static span span_of(const ln_window *window, int axis, int64_t place, bool adaptive)
{
    const int64_t in = window->in[axis], out = window->out[axis], step = window->dilation[axis];
    if (adaptive) {
        const int64_t first = place * in / out;
        return (span){first, 1, ((place + 1) * in + out - 1) / out - first};
    }
    span made = {place * window->stride[axis] - window->before[axis], step, window->kernel[axis]};
    for (; made.first < 0; made.count--)
        made.first += step;
    while (made.first + (made.count - 1) * step >= in)
        made.count--;
    return made;
}

static int32_t list_window(const ln_window *window, int64_t place, bool adaptive, int32_t *to)
{
    const span z = span_of(window, 0, place / window->out[2] / window->out[1], adaptive);
    const span y = span_of(window, 1, place / window->out[2] % window->out[1], adaptive);
    const span x = span_of(window, 2, place % window->out[2], adaptive);
    int32_t count = 0;
    for (int64_t i = z.first; i < z.first + z.count * z.step; i += z.step)
        for (int64_t j = y.first; j < y.first + y.count * y.step; j += y.step)
            for (int64_t k = x.first; k < x.first + x.count * x.step; k += x.step, count++)
                if (to)
                    to[count] = (int32_t)((i * window->in[1] + j) * window->in[2] + k);
    return count;
}

static ln_status windows_of(const ln_graph *graph, const ln_node *node, ln_bend *bend,
                            ln_error *err)
{
    ln_window window;
    bool adaptive;
    ln_status status =
        ln_pool_sizes(node, &graph->values[node->inputs[0]].shape, &window, &adaptive, err);
    if (status)
        return status;
    bend->plane = ln_window_volume(window.in);
    bend->planes = bend->width / bend->plane;
    bend->places = ln_window_volume(window.out);
    bend->first = ln_calloc((size_t)bend->places + 1, sizeof *bend->first);
    if (!bend->first)
        return ln_fail_memory(err, (size_t)bend->places * sizeof *bend->first);
    for (int64_t p = 0; p < bend->places; p++)
        bend->first[p + 1] = bend->first[p] + list_window(&window, p, adaptive, NULL);
    bend->elements = ln_calloc((size_t)bend->first[bend->places], sizeof *bend->elements);
    if (!bend->elements)
        return ln_fail_memory(err, (size_t)bend->first[bend->places] * sizeof *bend->elements);
    for (int64_t p = 0; p < bend->places; p++)
        list_window(&window, p, adaptive, bend->elements + bend->first[p]);
    return LN_OK;
}

/* The greatest or least along axes: one plane, whose windows are what each result is made of. */
static ln_status lines_of(const ln_graph *graph, const ln_node *node, ln_bend *bend, ln_error *err)
{
    const ln_reduce_attributes *own = node->attributes;
    const ln_shape *value = &graph->values[bend->value].shape;
    ln_shape row = {.rank = value->rank - 1}, kept;
    bool gone[LN_MAX_RANK] = {false};
    memcpy(row.dims, value->dims + 1, (size_t)row.rank * sizeof *row.dims);
    ln_status status = ln_reduce_kept(own, &row, &kept, gone, err);
    if (status)
        return status;
    bend->planes = bend->width > 0;
    bend->plane = bend->width;
    bend->places = ln_shape_count(&kept);
    bend->least = own->operation == LN_REDUCE_min;
    bend->first = ln_calloc((size_t)bend->places + 1, sizeof *bend->first);
    bend->elements = ln_calloc((size_t)bend->width + 1, sizeof *bend->elements);
    if (!bend->first || !bend->elements)
        return ln_fail_memory(err, (size_t)bend->width * sizeof *bend->elements);
    const int64_t each = bend->places > 0 ? bend->width / bend->places : 0;
    for (int64_t e = 0; e < bend->width; e++) { /* first[p + 1] counts what window p has so far */
        int64_t place = 0, below = bend->width, rest = e;
        for (int i = 0; i < row.rank; i++) {
            below /= row.dims[i];
            place = place * kept.dims[i] + (gone[i] ? 0 : rest / below);
            rest %= below;
        }
        bend->elements[place * each + bend->first[place + 1]++] = (int32_t)e;
    }
    for (int64_t p = 0; p < bend->places; p++)
        bend->first[p + 1] = (int32_t)((p + 1) * each);
    return LN_OK;
}

/* ---------------------------------------------------------------- the graph's */

/* Adds the node's bend, if it has one, to *count of them. */
static ln_status add_node(const ln_graph *graph, const ln_node *node, ln_bend *bends, int *count,
                          ln_error *err)
{
    const ln_kind kind = ln_kind_of(graph, node);
    const bool pool = kind == LN_KIND_CHOICE && strstr(node->layer->word.name, "max_pool") != NULL;
    ln_bend *bend = &bends[*count];
    if (kind == LN_KIND_LINEAR || kind == LN_KIND_AFFINE || kind == LN_KIND_SUM ||
        kind == LN_KIND_SCALE || kind == LN_KIND_ROUTE)
        return LN_OK;
    bend->value = node->inputs[0];
    bend->width = ln_shape_row(&graph->values[bend->value].shape);
    if (pool) {
        (*count)++;
        return windows_of(graph, node, bend, err);
    }
    if (kind == LN_KIND_CHOICE && strcmp(node->layer->word.name, "reduce") == 0) {
        (*count)++;
        return lines_of(graph, node, bend, err);
    }
    if (kind == LN_KIND_FUNCTION && thresholds_of(node, bend)) {
        (*count)++;
        return LN_OK;
    }
    return ln_fail(err, LN_EUNSUPPORTED,
                   "%s '%s': this layer (%s) is not known to be linear piece by piece",
                   node->operator_name, node->name, node->layer->word.name);
}

ln_status ln_bends_find(const ln_graph *graph, int output, ln_bend **out, int *count, ln_error *err)
{
    ln_bend *bends = ln_calloc((size_t)graph->node_count + 1, sizeof *bends);
    ln_status status = bends ? LN_OK : ln_fail_memory(err, sizeof *bends);
    *count = 0;
    for (int i = 0; i < graph->node_count && !status; i++) {
        const ln_node *node = &graph->nodes[i];
        bool needed = false;
        for (int k = 0; k < node->output_count && !needed && !status; k++)
            status = ln_graph_depends(graph, output, node->outputs[k], -1, &needed, err);
        if (needed && !status && !graph->values[node->outputs[0]].fixed)
            status = add_node(graph, node, bends, count, err);
    }
    if (status) {
        ln_bends_free(bends, *count);
        bends = NULL;
        *count = 0;
    }
    *out = bends;
    return status;
}

void ln_bends_free(ln_bend *bends, int count)
{
    for (int i = 0; i < count; i++) {
        ln_free(bends[i].first);
        ln_free(bends[i].elements);
    }
    ln_free(bends);
}

/* ---------------------------------------------------------------- crossings */

ln_status ln_reals_add(ln_reals *list, double number, ln_error *err)
{
    if (list->count == list->room) {
        const int64_t room = list->room > 0 ? 2 * list->room : 256;
        double *larger = ln_realloc(list->at, (size_t)room * sizeof *larger);
        if (!larger)
            return ln_fail_memory(err, (size_t)room * sizeof *larger);
        list->at = larger;
        list->room = room;
    }
    list->at[list->count++] = number;
    return LN_OK;
}

static ln_status add_crossing(double at, ln_reals *found, ln_error *err)
{
    return at > NEAR && at < 1 - NEAR ? ln_reals_add(found, at, err) : LN_OK;
}

/* The greatest of straight lines changes from one to a steeper one, from there to the next; `sign` -1: the least. */
static ln_status window_crossings(const int32_t *elements, int32_t count, float sign,
                                  const float *a, const float *b, ln_reals *found, ln_error *err)
{
    ln_status status = LN_OK;
    int32_t best = 0;
    for (int32_t j = 1; j < count; j++) {
        const int32_t e = elements[j], w = elements[best];
        if (sign * a[e] > sign * a[w] || (a[e] == a[w] && sign * b[e] > sign * b[w]))
            best = j;
    }
    double at = 0;
    for (int32_t steps = 0; steps < count && !status;
         steps++) { /* each steeper: no line comes twice */
        const double low = (double)sign * (double)a[elements[best]],
                     high = (double)sign * (double)b[elements[best]];
        double next = 1, steepest = 0;
        int32_t to = -1;
        for (int32_t j = 0; j < count; j++) {
            const double ahead = low - (double)sign * (double)a[elements[j]];
            const double gain = (double)sign * (double)b[elements[j]] - high + ahead;
            const double meets = gain > 0 ? ahead / gain : 1;
            if (gain > 0 && meets >= at && (meets < next || (meets == next && gain > steepest))) {
                next = meets;
                steepest = gain;
                to = j;
            }
        }
        if (to < 0 || next >= 1)
            break;
        status = add_crossing(next, found, err);
        best = to;
        at = next;
    }
    return status;
}

ln_status ln_bend_crossings(const ln_bend *bend, const float *a, const float *b, ln_reals *found,
                            ln_error *err)
{
    ln_status status = LN_OK;
    for (int k = 0; k < bend->thresholds; k++)
        for (int64_t i = 0; i < bend->width && !status; i++) {
            const double from = (double)a[i] - bend->at[k], to = (double)b[i] - bend->at[k];
            if ((from < 0 && to > 0) || (from > 0 && to < 0))
                status = add_crossing(from / (from - to), found, err);
        }
    for (int64_t n = 0; n < bend->planes && !status; n++)
        for (int64_t p = 0; p < bend->places && !status; p++)
            status = window_crossings(bend->elements + bend->first[p],
                                      bend->first[p + 1] - bend->first[p], bend->least ? -1 : 1,
                                      a + n * bend->plane, b + n * bend->plane, found, err);
    return status;
}
