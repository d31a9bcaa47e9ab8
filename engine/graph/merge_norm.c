#include "graph/merge_norm.h"

#include "layers/common.h"

static void take(const ln_simplifying *s, const ln_node *node, ln_merge_norm *out)
{
    out->nodes[out->count++] = (int)(node - s->from->nodes);
}

static const ln_tensor *numbers_of(const ln_graph *graph, int value)
{
    const ln_tensor *constant = graph->values[value].constant;
    return constant && constant->dtype == LN_F32 ? constant : NULL;
}

/* The value beside a vector of one number an element of the last axis, and that vector. */
static int beside_vector(const ln_graph *graph, const ln_node *node, int *vector)
{
    const ln_shape *shape = &graph->values[node->outputs[0]].shape;
    for (int i = 0; i < 2 && node->input_count == 2; i++) {
        const ln_tensor *numbers = numbers_of(graph, node->inputs[i]);
        if (!numbers || numbers->shape.rank != 1 ||
            numbers->shape.dims[0] != shape->dims[shape->rank - 1])
            continue;
        *vector = node->inputs[i];
        return node->inputs[1 - i];
    }
    return -1;
}

/* The node that makes the mean of `of` over its last axis, which stays; NULL. */
static const ln_node *mean_of(const ln_simplifying *s, int value, int *of)
{
    const ln_node *node = ln_simplify_made_by(s, value, &ln_layer_reduce, 1);
    if (!node || ((const ln_reduce_attributes *)node->attributes)->operation != LN_REDUCE_mean)
        return NULL;
    const ln_shape *in = &s->from->values[node->inputs[0]].shape;
    ln_shape kept = *in;
    kept.dims[in->rank - 1] = 1;
    *of = node->inputs[0];
    return in->dims[in->rank - 1] > 1 && ln_shape_equal(&kept, &s->from->values[value].shape)
               ? node
               : NULL;
}

/* Whether value is mean(c^2) + eps, by the power or the product. */
static bool is_variance(const ln_simplifying *s, int value, int c, ln_merge_norm *out)
{
    const ln_node *sum = ln_simplify_made_by(s, value, &ln_layer_add, 1);
    for (int i = 0; i < 2 && sum; i++) {
        int square;
        const ln_tensor *eps = numbers_of(s->from, sum->inputs[i]);
        const ln_node *mean = mean_of(s, sum->inputs[1 - i], &square);
        if (!eps || ln_shape_count(&eps->shape) != 1 || !(ln_f32(eps)[0] > 0) || !mean)
            continue;
        const ln_node *power = ln_simplify_made_by(s, square, &ln_layer_pow, 1);
        const ln_node *product = ln_simplify_made_by(s, square, &ln_layer_mul, 1);
        const ln_tensor *two = power ? numbers_of(s->from, power->inputs[1]) : NULL;
        const bool squared = two && ln_shape_count(&two->shape) == 1 && ln_f32(two)[0] == 2 &&
                             power->inputs[0] == c && s->readers[c] == 2;
        if (!squared &&
            !(product && product->inputs[0] == c && product->inputs[1] == c && s->readers[c] == 3))
            continue;
        out->eps = (double)ln_f32(eps)[0];
        take(s, sum, out);
        take(s, mean, out);
        take(s, squared ? power : product, out);
        return true;
    }
    return false;
}

/* Whether the quotient is c / sqrt(mean(c^2) + eps). */
static bool is_normal(const ln_simplifying *s, const ln_node *quotient, ln_merge_norm *out)
{
    const int c = quotient->inputs[0];
    const ln_node *root = ln_simplify_made_by(s, quotient->inputs[1], &ln_layer_sqrt, 1);
    const ln_node *centred = c < 0 ? NULL : ln_simplify_made_by(s, c, &ln_layer_sub, s->readers[c]);
    int of;
    if (!root || !centred || !is_variance(s, root->inputs[0], c, out))
        return false;
    const ln_node *mean = mean_of(s, centred->inputs[1], &of);
    if (!mean || of != centred->inputs[0])
        return false;
    take(s, root, out);
    take(s, centred, out);
    take(s, mean, out);
    out->x = of;
    return !s->from->values[of].fixed &&
           ln_shape_equal(&s->from->values[of].shape, &s->from->values[quotient->outputs[0]].shape);
}

bool ln_merge_find_norm(const ln_simplifying *s, const ln_node *node, ln_merge_norm *out)
{
    *out = (ln_merge_norm){.x = -1, .weight = -1, .bias = -1};
    if (node->layer == &ln_layer_add) {
        const ln_node *scaled =
            ln_simplify_made_by(s, beside_vector(s->from, node, &out->bias), &ln_layer_mul, 1);
        if (!scaled)
            return false;
        take(s, scaled, out);
        node = scaled;
    }
    if (node->layer == &ln_layer_mul) {
        const ln_node *normal =
            ln_simplify_made_by(s, beside_vector(s->from, node, &out->weight), &ln_layer_div, 1);
        if (!normal)
            return false;
        take(s, normal, out);
        node = normal;
    }
    return node->layer == &ln_layer_div && is_normal(s, node, out);
}

/* ---------------------------------------------------------------- group_norm */

/* The value beside a number a channel, and those numbers: axis 1 of the result, all other axes 1. */
static int beside_channels(const ln_graph *graph, const ln_node *node, int *channels)
{
    const ln_shape *shape = &graph->values[node->outputs[0]].shape;
    for (int i = 0; i < 2 && node->input_count == 2; i++) {
        const ln_tensor *numbers = numbers_of(graph, node->inputs[i]);
        const int behind = numbers ? numbers->shape.rank - (shape->rank - 1) : -1;
        if (behind < 0 || behind > 1 || shape->rank < 3 ||
            numbers->shape.dims[behind] != shape->dims[1] ||
            ln_shape_count(&numbers->shape) != shape->dims[1])
            continue;
        *channels = node->inputs[i];
        return node->inputs[1 - i];
    }
    return -1;
}

/* Whether an affine constant of a normalisation leaves its results as they are. */
static bool is_all(const ln_graph *graph, const ln_node *node, int input, float number)
{
    if (node->input_count <= input || node->inputs[input] < 0)
        return true;
    const ln_tensor *numbers = numbers_of(graph, node->inputs[input]);
    for (int64_t i = 0; numbers && i < ln_shape_count(&numbers->shape); i++)
        if (ln_f32(numbers)[i] != number)
            return false;
    return numbers != NULL;
}

bool ln_merge_find_groups(const ln_simplifying *s, const ln_node *node, ln_merge_norm *out)
{
    const ln_graph *graph = s->from;
    *out = (ln_merge_norm){.x = -1, .weight = -1, .bias = -1};
    if (node->layer != &ln_layer_add)
        return false;
    const ln_node *scaled =
        ln_simplify_made_by(s, beside_channels(graph, node, &out->bias), &ln_layer_mul, 1);
    const ln_node *back = scaled
                              ? ln_simplify_made_by(s, beside_channels(graph, scaled, &out->weight),
                                                    &ln_layer_reshape, 1)
                              : NULL;
    const ln_node *norm =
        back ? ln_simplify_made_by(s, back->inputs[0], &ln_layer_instance_norm1d, 1) : NULL;
    const ln_node *there =
        norm ? ln_simplify_made_by(s, norm->inputs[0], &ln_layer_reshape, 1) : NULL;
    if (!there)
        return false;
    const ln_channel_norm_attributes *own = norm->attributes;
    const ln_shape *x = &graph->values[there->inputs[0]].shape;
    const ln_shape *groups = &graph->values[norm->inputs[0]].shape;
    if (own->outer != 0 || groups->rank != 3 || x->dims[1] % groups->dims[1] != 0 ||
        !is_all(graph, norm, 1, 1) || !is_all(graph, norm, 2, 0) ||
        graph->values[there->inputs[0]].fixed ||
        !ln_shape_equal(x, &graph->values[node->outputs[0]].shape))
        return false;
    out->x = there->inputs[0];
    out->eps = own->eps;
    out->groups = groups->dims[1];
    take(s, scaled, out);
    take(s, back, out);
    take(s, norm, out);
    take(s, there, out);
    return true;
}
