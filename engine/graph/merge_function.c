#include "graph/merge_function.h"

#include <math.h>

#include "layers/common.h"

static void take(const ln_simplifying *s, const ln_node *node, ln_merge_function *out)
{
    out->nodes[out->count++] = (int)(node - s->from->nodes);
}

/* The node of this layer that made the value of x alone, for one reader; NULL. */
static const ln_node *made_of(const ln_simplifying *s, int value, const ln_layer *layer, int x)
{
    const ln_node *node = ln_simplify_made_by(s, value, layer, 1);
    return node && node->inputs[0] == x ? node : NULL;
}

/* The softplus of x without sharpness that made the value; NULL. */
static const ln_node *softplus_of(const ln_simplifying *s, int value, int x)
{
    const ln_node *node = made_of(s, value, &ln_layer_softplus, x);
    return node && ((const ln_softplus_attributes *)node->attributes)->beta == 1 ? node : NULL;
}

/* x times a function of x. */
static bool find_gate(const ln_simplifying *s, int x, int gate, ln_merge_function *out)
{
    const ln_node *sigmoid = made_of(s, gate, &ln_layer_sigmoid, x);
    const ln_node *lines = made_of(s, gate, &ln_layer_hardsigmoid, x);
    const ln_node *tanh = ln_simplify_made_by(s, gate, &ln_layer_tanh, 1);
    const ln_node *plus = tanh ? softplus_of(s, tanh->inputs[0], x) : NULL;
    if (!sigmoid && !lines && !plus)
        return false;
    *out = (ln_merge_function){.layer = sigmoid ? &ln_layer_silu
                                        : lines ? &ln_layer_hardswish
                                                : &ln_layer_mish,
                               .x = x};
    take(s, sigmoid ? sigmoid : lines ? lines : tanh, out);
    if (plus && !sigmoid && !lines)
        take(s, plus, out);
    return true;
}

/* x over 1 + |x|. */
static bool find_softsign(const ln_simplifying *s, const ln_node *node, ln_merge_function *out)
{
    const int x = node->inputs[0];
    const ln_node *sum = ln_simplify_made_by(s, node->inputs[1], &ln_layer_add, 1);
    for (int i = 0; i < 2 && sum; i++) {
        double one;
        const ln_node *size = made_of(s, sum->inputs[i], &ln_layer_abs, x);
        if (!size || !ln_simplify_is_number(s->from, sum->inputs[1 - i], &one) || one != 1)
            continue;
        *out = (ln_merge_function){.layer = &ln_layer_softsign, .x = x};
        take(s, sum, out);
        take(s, size, out);
        return true;
    }
    return false;
}

/* What x is multiplied by to be z, which two nodes read; 1 where they are one value, 0 where z is another. */
static double sharpness_of(const ln_simplifying *s, int z, int x, ln_merge_function *out)
{
    const int producer = z < 0 ? -1 : s->from->values[z].producer;
    const ln_node *node = producer < 0 ? NULL : &s->from->nodes[producer];
    double number;
    if (z == x)
        return 1;
    if (!node || node->layer != &ln_layer_mul || node->input_count != 2 || s->readers[z] != 2)
        return 0;
    const int at = node->inputs[0] == x ? 0 : 1;
    if (node->inputs[at] != x || !ln_simplify_is_number(s->from, node->inputs[1 - at], &number) ||
        number <= 0)
        return 0;
    take(s, node, out);
    return number;
}

/* softplus as torch writes it: x itself where z = b x is above t, so that nothing overflows. */
static bool find_softplus(const ln_simplifying *s, const ln_node *node, ln_merge_function *out)
{
    const int x = node->inputs[1];
    const ln_node *above = ln_simplify_made_by(s, node->inputs[0], &ln_layer_greater, 1);
    const ln_node *part = ln_simplify_made_by(s, node->inputs[2], &ln_layer_div, 1);
    double threshold, divisor = 1;
    if (!above || !ln_simplify_is_number(s->from, above->inputs[1], &threshold) ||
        (part && !ln_simplify_is_number(s->from, part->inputs[1], &divisor)))
        return false;
    *out = (ln_merge_function){.layer = &ln_layer_softplus, .x = x};
    const int z = above->inputs[0];
    const ln_node *plus = softplus_of(s, part ? part->inputs[0] : node->inputs[2], z);
    const double sharpness = sharpness_of(s, z, x, out);
    if (!plus || sharpness == 0 || sharpness != divisor)
        return false;
    const ln_softplus_attributes *own = plus->attributes;
    out->softplus =
        (ln_softplus_attributes){.beta = sharpness, .threshold = fmin(own->threshold, threshold)};
    take(s, above, out);
    take(s, plus, out);
    if (part)
        take(s, part, out);
    return true;
}

bool ln_merge_find_function(const ln_simplifying *s, const ln_node *node, ln_merge_function *out)
{
    bool found = false;
    if (node->layer == &ln_layer_where)
        found = find_softplus(s, node, out);
    else if (node->layer == &ln_layer_div)
        found = find_softsign(s, node, out);
    else if (node->layer == &ln_layer_mul && node->input_count == 2)
        found = find_gate(s, node->inputs[0], node->inputs[1], out) ||
                find_gate(s, node->inputs[1], node->inputs[0], out);
    return found && !s->from->values[out->x].fixed &&
           ln_shape_equal(&s->from->values[out->x].shape, &s->from->values[node->outputs[0]].shape);
}
