/* The graph is built anew (simplify_internal.h): the last node of what becomes one is replaced, the others
 * are left out. Only where nobody else reads what is in between. */
#include "graph/merge.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/merge_function.h"
#include "graph/merge_norm.h"
#include "graph/simplify_internal.h"
#include "layers/common.h"

enum { MOST_FACTORS = 4, MOST_NODES = 16 };

typedef enum merge_kind { APART, BIAS, FACTOR, GELU, FUNCTION, NORM, GROUPS } merge_kind;

/* What the last node becomes. */
typedef struct merge {
    merge_kind kind;
    int base;                        /* BIAS, FACTOR: the product's node */
    int value;                       /* BIAS: the bias; GELU: x */
    double factor;                   /* FACTOR */
    int approximate;                 /* GELU: as ln_scalar_attributes has it */
    const ln_layer *layer;           /* FUNCTION, of x = value */
    ln_softplus_attributes softplus; /* where that is its layer */
    int norm[3];                     /* NORM, GROUPS: x, weight, bias; -1: none */
    double eps;                      /* the same */
    int64_t groups;                  /* GROUPS */
} merge;

/* ---------------------------------------------------------------- finding */

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static int index_of(const ln_simplifying *s, const ln_node *node)
{
    return (int)(node - s->from->nodes);
}

/* The other operand of a node of two, one of which is a number: -1 where there is none. */
static int beside_number(const ln_graph *graph, const ln_node *node, double *number)
{
    if (node->input_count != 2)
        return -1;
    if (ln_simplify_is_number(graph, node->inputs[1], number))
        return node->inputs[0];
    return node->layer != &ln_layer_div && ln_simplify_is_number(graph, node->inputs[0], number)
               ? node->inputs[1]
               : -1;
}

static bool find_bias(const ln_simplifying *s, const ln_node *node, merge *out)
{
    const ln_graph *graph = s->from;
    for (int i = 0; i < 2 && node->layer == &ln_layer_add && node->input_count == 2; i++) {
        const ln_node *dense = ln_simplify_made_by(s, node->inputs[i], &ln_layer_dense, 1);
        const ln_tensor *bias = graph->values[node->inputs[1 - i]].constant;
        if (!dense || (dense->input_count > 2 && dense->inputs[2] >= 0) || !bias ||
            bias->dtype != LN_F32 || bias->shape.rank != 1)
            continue;
        const ln_shape *shape = &graph->values[dense->outputs[0]].shape;
        if (bias->shape.dims[0] != shape->dims[shape->rank - 1] ||
            graph->values[dense->outputs[0]].fixed)
            continue;
        *out = (merge){.kind = BIAS, .base = index_of(s, dense), .value = node->inputs[1 - i]};
        return true;
    }
    return false;
}

static bool find_factor(const ln_simplifying *s, const ln_node *node, merge *out)
{
    double number;
    if (node->layer != &ln_layer_mul && node->layer != &ln_layer_div)
        return false;
    const ln_node *product =
        ln_simplify_made_by(s, beside_number(s->from, node, &number), &ln_layer_matmul, 1);
    if (!product || s->from->values[product->outputs[0]].fixed ||
        s->from->values[node->outputs[0]].shape.rank !=
            s->from->values[product->outputs[0]].shape.rank)
        return false;
    *out = (merge){.kind = FACTOR,
                   .base = index_of(s, product),
                   .factor = node->layer == &ln_layer_div ? 1 / number : number};
    return true;
}

/* scale times values, and the nodes that multiply and that nobody else reads. */
typedef struct factors {
    double scale;
    int values[MOST_FACTORS], count;
    int nodes[MOST_NODES], node_count;
    bool fits; /* there were no more */
} factors;

static void take_node(const ln_simplifying *s, const ln_node *node, factors *found)
{
    found->fits = found->fits && found->node_count < MOST_NODES;
    if (found->fits)
        found->nodes[found->node_count++] = index_of(s, node);
}

static void take_apart(const ln_simplifying *s, const ln_node *node, factors *found);

/* A factor: a number, a product or a third power of its own, or a value. */
static void take_factor(const ln_simplifying *s, int value, factors *found)
{
    double number;
    const ln_node *product = ln_simplify_made_by(s, value, &ln_layer_mul, 1);
    const ln_node *quotient = ln_simplify_made_by(s, value, &ln_layer_div, 1);
    const ln_node *power = ln_simplify_made_by(s, value, &ln_layer_pow, 1);
    product = product                                          ? product
              : !quotient                                      ? NULL
              : beside_number(s->from, quotient, &number) >= 0 ? quotient
                                                               : NULL;
    if (!found->fits)
        return; /* every power is three factors: of a row of them there would be no end */
    if (ln_simplify_is_number(s->from, value, &number)) {
        found->scale *= number;
    } else if (product && found->node_count < MOST_NODES) {
        take_node(s, product, found);
        take_apart(s, product, found);
    } else if (power && ln_simplify_is_number(s->from, power->inputs[1], &number) && number == 3) {
        take_node(s, power, found);
        for (int i = 0; i < 3; i++)
            take_factor(s, power->inputs[0], found);
    } else if (found->count < MOST_FACTORS) {
        found->values[found->count++] = value;
    } else {
        found->fits = false;
    }
}

/* The factors of a product, or of a quotient by a number. */
static void take_apart(const ln_simplifying *s, const ln_node *node, factors *found)
{
    double number;
    if (node->layer == &ln_layer_div) {
        const int value = beside_number(s->from, node, &number);
        found->scale /= number;
        take_factor(s, value, found);
        return;
    }
    for (int i = 0; i < node->input_count; i++)
        take_factor(s, node->inputs[i], found);
}

static factors factors_of(const ln_simplifying *s, int value)
{
    factors found = {.scale = 1, .fits = true};
    take_factor(s, value, &found);
    return found;
}

/* Whether all of them are `count` times x, with that number before it; their nodes are added to `to`. */
static bool is_power(const ln_simplifying *s, const factors *found, int x, int count, double scale,
                     factors *to)
{
    bool is = found->fits && found->count == count && is_near(found->scale, scale);
    for (int i = 0; i < found->count; i++)
        is = is && found->values[i] == x;
    for (int i = 0; i < found->node_count && is; i++)
        take_node(s, &s->from->nodes[found->nodes[i]], to);
    return is;
}

/* Whether value is x + 0.044715 x^3. */
static bool is_cubic(const ln_simplifying *s, int value, int x, factors *to)
{
    const ln_node *sum = ln_simplify_made_by(s, value, &ln_layer_add, 1);
    for (int i = 0; i < 2 && sum; i++) {
        const factors cube = factors_of(s, sum->inputs[i]);
        if (sum->inputs[1 - i] == x && is_power(s, &cube, x, 3, 0.044715, to)) {
            take_node(s, sum, to);
            return true;
        }
    }
    return false;
}

/* Whether value is 1 + erf(x / sqrt 2), or 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)); which, *approximate says. */
static bool opens(const ln_simplifying *s, int value, int x, int *approximate, factors *to)
{
    double one;
    const ln_node *sum = ln_simplify_made_by(s, value, &ln_layer_add, 1);
    const int inner = sum ? beside_number(s->from, sum, &one) : -1;
    const ln_node *erf = ln_simplify_made_by(s, inner, &ln_layer_erf, 1);
    const ln_node *bent = erf ? erf : ln_simplify_made_by(s, inner, &ln_layer_tanh, 1);
    if (!bent || one != 1)
        return false;
    *approximate = !erf;
    take_node(s, sum, to);
    take_node(s, bent, to);
    factors scaled = factors_of(s, bent->inputs[0]);
    if (erf)
        return is_power(s, &scaled, x, 1, M_SQRT1_2, to);
    if (!scaled.fits || scaled.count != 1 || !is_near(scaled.scale, M_SQRT1_2 * M_2_SQRTPI) ||
        !is_cubic(s, scaled.values[0], x, to))
        return false;
    return is_power(s, &scaled, scaled.values[0], 1, scaled.scale, to);
}

static bool find_gelu(const ln_simplifying *s, const ln_node *node, merge *out)
{
    factors found = {.scale = 1, .fits = true};
    double number;
    if (node->layer != &ln_layer_mul &&
        (node->layer != &ln_layer_div || beside_number(s->from, node, &number) < 0))
        return false;
    take_apart(s, node, &found);
    for (int i = 0; i < 2 && found.fits && found.count == 2 && is_near(found.scale, 0.5); i++) {
        int approximate;
        factors inner = found;
        const int x = found.values[i];
        if (s->from->values[x].fixed ||
            !ln_shape_equal(&s->from->values[x].shape, &s->from->values[node->outputs[0]].shape) ||
            !opens(s, found.values[1 - i], x, &approximate, &inner) || !inner.fits)
            continue;
        for (int j = 0; j < inner.node_count; j++)
            s->absorbed[inner.nodes[j]] = true;
        *out = (merge){.kind = GELU, .value = x, .approximate = approximate};
        return true;
    }
    return false;
}

static bool find_function(const ln_simplifying *s, const ln_node *node, merge *out)
{
    ln_merge_function found;
    if (!ln_merge_find_function(s, node, &found))
        return false;
    for (int i = 0; i < found.count; i++)
        s->absorbed[found.nodes[i]] = true;
    *out = (merge){
        .kind = FUNCTION, .value = found.x, .layer = found.layer, .softplus = found.softplus};
    return true;
}

/* A layer_norm or group_norm that ends here; what ended within it does not any more. */
static bool find_norm(const ln_simplifying *s, const ln_node *node, merge *merges)
{
    ln_merge_norm found;
    if (!ln_merge_find_norm(s, node, &found) && !ln_merge_find_groups(s, node, &found))
        return false;
    for (int i = 0; i < found.count; i++) {
        s->absorbed[found.nodes[i]] = true;
        merges[found.nodes[i]].kind = APART;
    }
    merges[index_of(s, node)] = (merge){.kind = found.groups ? GROUPS : NORM,
                                        .norm = {found.x, found.weight, found.bias},
                                        .eps = found.eps,
                                        .groups = found.groups};
    return true;
}

/* Fills merges and s->absorbed; whether there is anything to do. */
static bool find(ln_simplifying *s, merge *merges)
{
    bool any = false;
    for (int i = 0; i < s->from->node_count; i++) {
        const ln_node *node = &s->from->nodes[i];
        if (find_bias(s, node, &merges[i]) || find_factor(s, node, &merges[i]))
            s->absorbed[merges[i].base] = true;
        else if (!find_norm(s, node, merges) && !find_gelu(s, node, &merges[i]))
            find_function(s, node, &merges[i]);
        any = any || merges[i].kind != APART;
    }
    return any;
}

/* ---------------------------------------------------------------- building */

/* A number a channel as a list of them, whatever axes of size 1 it has in the file. */
static ln_status add_line(ln_simplifying *s, const ln_node *node, const char *what, int value,
                          int *out, ln_error *err)
{
    ln_tensor *constant = s->from->values[value].constant, *line;
    const ln_shape shape = {1, {ln_shape_count(&constant->shape)}};
    ln_status status = ln_tensor_reshape(constant, &shape, &line, err);
    if (status)
        return status;
    status = ln_simplify_add_constant(s, node, what, line, out, err);
    ln_tensor_release(line);
    return status;
}

static ln_status add_groups(ln_simplifying *s, const ln_node *node, const merge *what, int *made,
                            ln_error *err)
{
    const ln_group_norm_attributes own = {
        .num_groups = what->groups, .eps = what->eps, .affine = true};
    const char *name = s->from->values[node->outputs[0]].name;
    int inputs[3] = {s->map[what->norm[0]], -1, -1};
    ln_status status = add_line(s, node, "weight", what->norm[1], &inputs[1], err);
    if (!status)
        status = add_line(s, node, "bias", what->norm[2], &inputs[2], err);
    return status ? status
                  : ln_graph_add_node(s->to, &ln_layer_group_norm, "GroupNormalization", node->name,
                                      &own, inputs, 3, &name, 1, made, err);
}

static ln_status add_merged(ln_simplifying *s, int index, const merge *what, ln_error *err)
{
    const ln_node *node = &s->from->nodes[index], *base = &s->from->nodes[what->base];
    const char *name = s->from->values[node->outputs[0]].name;
    const ln_scalar_attributes gelu = {.approximate = what->approximate};
    const ln_layer_norm_attributes norm = {.axes = 1, .eps = what->eps, .elementwise_affine = true};
    ln_matmul_attributes product;
    int made, inputs[3] = {-1, -1, -1};
    ln_status status;
    if (what->kind == GELU) {
        status = ln_graph_add_node(s->to, &ln_layer_gelu, "Gelu", node->name, &gelu,
                                   &s->map[what->value], 1, &name, 1, &made, err);
    } else if (what->kind == FUNCTION) {
        status = ln_graph_add_node(s->to, what->layer, node->operator_name, node->name,
                                   what->layer == &ln_layer_softplus ? &what->softplus : NULL,
                                   &s->map[what->value], 1, &name, 1, &made, err);
    } else if (what->kind == GROUPS) {
        status = add_groups(s, node, what, &made, err);
    } else if (what->kind == NORM) {
        int count = 0;
        for (; count < 3 && what->norm[count] >= 0; count++)
            inputs[count] = s->map[what->norm[count]];
        status = ln_graph_add_node(s->to, &ln_layer_layer_norm, "LayerNormalization", node->name,
                                   &norm, inputs, count, &name, 1, &made, err);
    } else {
        for (int i = 0; i < 2; i++)
            inputs[i] = s->map[base->inputs[i]];
        if (what->kind == BIAS) {
            inputs[2] = s->map[what->value];
            status = ln_graph_add_node(s->to, base->layer, base->operator_name, base->name,
                                       base->attributes, inputs, 3, &name, 1, &made, err);
        } else {
            product = *(const ln_matmul_attributes *)base->attributes;
            product.scale *= what->factor;
            status = ln_graph_add_node(s->to, base->layer, base->operator_name, base->name,
                                       &product, inputs, 2, &name, 1, &made, err);
        }
    }
    if (!status)
        s->map[node->outputs[0]] = s->to->nodes[made].outputs[0];
    return status;
}

static ln_status build(ln_simplifying *s, const merge *merges, ln_error *err)
{
    const ln_graph *graph = s->from;
    ln_status status = ln_graph_new(&s->to, err);
    if (!status)
        status = ln_simplify_values(s, NULL, err);
    for (int i = 0; i < graph->node_count && !status; i++)
        if (merges[i].kind != APART)
            status = add_merged(s, i, &merges[i], err);
        else if (!s->absorbed[i])
            status = ln_simplify_copy(s, i, err);
    for (int i = 0; i < graph->output_count && !status; i++)
        status = ln_graph_add_output(s->to, s->map[graph->outputs[i]], err);
    return status;
}

ln_status ln_graph_merge(ln_graph *graph, const int *keep, int keep_count, ln_graph **out,
                         ln_error *err)
{
    const size_t values = (size_t)graph->value_count, nodes = (size_t)graph->node_count;
    ln_simplifying s = {.from = graph};
    merge *merges = ln_calloc(nodes + 1, sizeof *merges);
    s.map = ln_calloc(values, sizeof *s.map);
    s.readers = ln_calloc(values, sizeof *s.readers);
    s.absorbed = ln_calloc(nodes + 1, sizeof *s.absorbed);
    ln_status status = s.map && s.readers && s.absorbed && merges
                           ? LN_OK
                           : ln_fail_memory(err, values * sizeof *s.map);
    for (size_t i = 0; i < values && !status; i++)
        s.map[i] = -1;
    if (!status) {
        ln_simplify_count_readers(&s, keep, keep_count);
        if (find(&s, merges))
            status = build(&s, merges, err);
    }
    ln_free(s.map);
    ln_free(s.readers);
    ln_free(s.absorbed);
    ln_free(merges);
    if (status)
        ln_graph_release(s.to);
    else
        *out = s.to ? s.to : ln_graph_retain(graph);
    return status;
}
