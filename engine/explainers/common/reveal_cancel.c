/* The rules over quarters of a pass. The network runs once, on four rows a pair; forward, rules write the
 * quarters b + D+ and b + D- of their results. Variants of a linear layer with its positive and its negative
 * weights make the parts from the positive and the negative changes of its inputs: two products more forward,
 * one more back. */
#include "explainers/common/reveal_cancel.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "explainers/common/contrast.h"
#include "explainers/common/contrast_truths.h"
#include "explainers/common/kinds.h"
#include "explainers/common/passes.h"
#include "layers/attributes.h"
#include "layers/operand.h"

#define MOST_INPUTS 64 /* of a sum; no other layer with a rule of this file has more */

/* Numbers of a value in one quarter of the pass. */
static int64_t quarter_of(const ln_pass *pass, const ln_shape *shape)
{
    return pass->rows / 4 * ln_shape_row(shape);
}

/* The pass over the rows and their baselines alone. */
static ln_pass first_half(const ln_pass *pass)
{
    ln_pass own = *pass;
    own.rows = pass->rows / 2;
    return own;
}

static void clear_second_half(float *m, int64_t quarter)
{
    memset(m + 2 * quarter, 0, (size_t)(2 * quarter) * sizeof *m);
}

void ln_reveal_cancel_part(const float *x, const float *b, int64_t count, float *up, float *down)
{
    for (int64_t i = 0; i < count; i++) {
        up[i] = x[i] > b[i] ? x[i] : b[i];
        down[i] = x[i] < b[i] ? x[i] : b[i];
    }
}

/* ---------------------------------------------------------------- linear layers */

enum { POSITIVE, NEGATIVE, SIGNS }; /* variants: weights of one sign, no bias */

static void vary(const ln_rule *rule, int variant, int input, const float *values, int64_t count,
                 float *out)
{
    (void)rule;
    for (int64_t i = 0; i < count; i++)
        out[i] = input == 1 && (values[i] > 0) == (variant == POSITIVE) ? values[i] : 0;
}

typedef struct linear_scratch {
    float *in, *out; /* as many as the layer's inputs and outputs */
} linear_scratch;

static linear_scratch carve_linear(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    linear_scratch made;
    made.in = ln_carve(&carver, ln_shape_count(&step->in_shape[0]), sizeof(float));
    made.out = ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof(float));
    *bytes = carver.used;
    return made;
}

static size_t linear_bytes(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_linear(step, NULL, &bytes);
    return bytes;
}

/* The half pass `own` with the constants of a variant; `in` has MOST_INPUTS entries. */
static void take_variant(ln_pass *own, const ln_pass *pass, int which, const void **in,
                         const void *first)
{
    const ln_variant *variant = &pass->variants[which];
    memcpy(in, (const void *const *)variant->in,
           (size_t)pass->step->node->input_count * sizeof *in);
    in[0] = first;
    own->in = in;
    own->step = &variant->step;
}

/* up = b + W+ D+ + W- D-, down = b + W- D+ + W+ D-, D+ and D- the positive and negative changes of x. */
static ln_status linear_forward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_layer *layer = pass->step->node->layer;
    const int64_t in_quarter = quarter_of(pass, &pass->step->in_shape[0]);
    const int64_t quarter = quarter_of(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0];
    size_t bytes;
    const linear_scratch at = carve_linear(pass->step, pass->rule_scratch, &bytes);
    float *y = pass->out[0], *part[2] = {y + 2 * quarter, y + 3 * quarter};
    const void *in[MOST_INPUTS];
    void *out[1] = {at.out};
    ln_pass own = first_half(pass);
    (void)rule;
    ln_status status = layer->forward(&own, err);
    for (int64_t i = 0; i < in_quarter; i++) {
        const float change = x[i] - x[i + in_quarter];
        at.in[i] = change > 0 ? change : 0;
        at.in[i + in_quarter] = change < 0 ? change : 0;
    }
    own.out = out;
    for (int v = 0; v < SIGNS && !status; v++) {
        take_variant(&own, pass, v, in, at.in);
        status = layer->forward(&own, err);
        for (int side = 0; side < 2 && !status; side++) { /* of the changes of x */
            float *to = part[v == POSITIVE ? side : 1 - side];
            const float *from = at.out + side * quarter, *base = v == POSITIVE ? y + quarter : to;
            for (int64_t j = 0; j < quarter; j++)
                to[j] = base[j] + from[j];
        }
    }
    return status;
}

/* The multiplier of a change, from those that positive weights handed back and those of negative ones; `up`
 * of D+, `down` of D-. Both quarters of m get it. */
static void choose(const float *x, int64_t quarter, const float *positive, const float *negative,
                   float *m)
{
    for (int64_t i = 0; i < quarter; i++) {
        const double change = (double)x[i] - (double)x[i + quarter];
        const double up = positive[i], down = positive[i + quarter];
        const double up_back = negative ? (double)negative[i] : 0;
        const double down_back = negative ? (double)negative[i + quarter] : 0;
        const double rising = up + down_back, falling = down + up_back;
        m[i] = m[i + quarter] = (float)(change > 0   ? rising
                                        : change < 0 ? falling
                                                     : (rising + falling) / 2);
    }
    clear_second_half(m, quarter);
}

static ln_status linear_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_layer *layer = pass->step->node->layer;
    float *m = pass->in_grad[0], *in_grad[MOST_INPUTS] = {m};
    size_t bytes;
    const linear_scratch at = carve_linear(pass->step, pass->rule_scratch, &bytes);
    const void *in[MOST_INPUTS];
    ln_pass own = first_half(pass);
    (void)rule;
    if (!m)
        return LN_OK;
    own.in_grad = in_grad;
    take_variant(&own, pass, POSITIVE, in, pass->in[0]);
    ln_status status = layer->backward(&own, err);
    in_grad[0] = at.in;
    take_variant(&own, pass, NEGATIVE, in, pass->in[0]);
    if (!status)
        status = layer->backward(&own, err);
    if (!status)
        choose(pass->in[0], quarter_of(pass, &pass->step->in_shape[0]), m, at.in, m);
    return status;
}

static const ln_rule linear_rule = {.name = "reveal_cancel linear",
                                    .variants = SIGNS,
                                    .apart = true,
                                    .vary = vary,
                                    .scratch = linear_bytes,
                                    .forward = linear_forward,
                                    .backward = linear_backward};

/* ---------------------------------------------------------------- sums */

static bool is_live(const ln_step *step, int input)
{
    const int id = step->node->inputs[input];
    return id >= 0 && !step->graph->values[id].fixed;
}

/* The second value of a difference pulls down what it pulls up. */
static bool is_taken_away(const ln_step *step, int input)
{
    return input == 1 && strcmp(step->node->layer->word.name, "sub") == 0;
}

/* The layer's inputs in parts: copies of the live ones. */
static void carve_parts(const ln_step *step, void *base, float **parts, size_t *bytes)
{
    ln_carver carver = {.base = base};
    for (int i = 0; i < step->node->input_count; i++)
        if (is_live(step, i))
            parts[i] = ln_carve(&carver, ln_shape_count(&step->in_shape[i]), sizeof(float));
    *bytes = carver.used;
}

static size_t sum_bytes(const ln_rule *rule, const ln_step *step)
{
    float *parts[MOST_INPUTS];
    size_t bytes;
    (void)rule;
    carve_parts(step, NULL, parts, &bytes);
    return bytes;
}

static ln_status sum_forward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const void *in[MOST_INPUTS];
    float *parts[MOST_INPUTS];
    size_t bytes;
    ln_pass own = *pass;
    (void)rule;
    carve_parts(pass->step, pass->rule_scratch, parts, &bytes);
    for (int i = 0; i < node->input_count; i++) {
        const int64_t quarter = quarter_of(pass, &pass->step->in_shape[i]);
        in[i] = pass->in[i];
        if (!is_live(pass->step, i))
            continue;
        const float *x = pass->in[i];
        float *up = parts[i] + 2 * quarter, *down = up + quarter;
        const bool away = is_taken_away(pass->step, i);
        in[i] = parts[i];
        memcpy(parts[i], x, (size_t)(2 * quarter) * sizeof *x);
        ln_reveal_cancel_part(x, x + quarter, quarter, away ? down : up, away ? up : down);
    }
    own.in = in;
    return node->layer->forward(&own, err);
}

static ln_status sum_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    ln_pass own = first_half(pass);
    (void)rule;
    ln_status status = node->layer->backward(&own, err);
    for (int i = 0; i < node->input_count && !status; i++) {
        float *m = pass->in_grad[i];
        const int64_t quarter = quarter_of(pass, &pass->step->in_shape[i]);
        for (int64_t k = 0; m && k < quarter && is_taken_away(pass->step, i); k++) {
            const float up = m[k];
            m[k] = m[k + quarter];
            m[k + quarter] = up;
        }
        if (m)
            choose(pass->in[i], quarter, m, NULL, m);
    }
    return status;
}

static const ln_rule sum_rule = {.name = "reveal_cancel sum",
                                 .scratch = sum_bytes,
                                 .forward = sum_forward,
                                 .backward = sum_backward};

/* ---------------------------------------------------------------- functions of one value */

static size_t function_bytes(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

static int live_input(const ln_step *step)
{
    int live = 0;
    while (live < step->node->input_count - 1 && !is_live(step, live))
        live++;
    return live;
}

/* f at the four rows, then the last two moved to f(b) + Dy+ and f(b) + Dy-. */
static ln_status function_forward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const float *z = pass->in[live_input(pass->step)];
    const int64_t n = quarter_of(pass, &pass->step->out_shape[0]);
    float *y = pass->out[0];
    (void)rule;
    ln_status status = pass->step->node->layer->forward(pass, err);
    for (int64_t i = 0; i < n && !status; i++) {
        const double x = y[i], b = y[i + n], up = y[i + 2 * n], down = y[i + 3 * n];
        double rise = (up - b + x - down) / 2, fall = (down - b + x - up) / 2;
        if (!isfinite(up) || !isfinite(down)) {
            const double change = (double)z[i] - (double)z[i + n];
            rise = change == 0 ? 0 : (x - b) * ((double)z[i + 2 * n] - (double)z[i + n]) / change;
            fall = x - b - rise;
        }
        y[i + 2 * n] = (float)(b + rise);
        y[i + 3 * n] = (float)(b + fall);
    }
    return status;
}

static ln_status function_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int live = live_input(pass->step);
    const int64_t n = quarter_of(pass, &pass->step->out_shape[0]);
    const float *z = pass->in[live], *y = pass->out[0], *above = pass->out_grad[0];
    float *m = pass->in_grad[live], *ones = pass->rule_scratch;
    const float *out_grad[1] = {ones};
    ln_pass own = first_half(pass);
    (void)rule;
    if (!m)
        return LN_OK;
    for (int64_t i = 0; i < 2 * n; i++)
        ones[i] = 1;
    own.out_grad = out_grad;
    ln_status status = pass->step->node->layer->backward(&own, err);
    for (int64_t i = 0; i < n && !status; i++) {
        const double b = z[i + n], y_b = y[i + n], both = ((double)m[i] + (double)m[i + n]) / 2;
        const double mean = isfinite(both) ? both : 0; /* a root has no slope at 0 */
        for (int side = 0; side < 2; side++) {
            const double part = z[i + (2 + side) * n], y_part = y[i + (2 + side) * n];
            const double slope = ln_contrast_is_noise(part, b) ? mean : (y_part - y_b) / (part - b);
            m[i + side * n] = (float)((double)above[i + side * n] * slope);
        }
    }
    clear_second_half(m, n);
    return status;
}

static const ln_rule function_rule = {.name = "reveal_cancel",
                                      .scratch = function_bytes,
                                      .forward = function_forward,
                                      .backward = function_backward};

/* ---------------------------------------------------------------- changes of one part */

static ln_dtype type_of(const ln_step *step, int output)
{
    return step->graph->values[step->node->outputs[output]].dtype;
}

/* ln_reveal_cancel_part of whole numbers and truth values. */
static void part_whole(void *y, ln_dtype type, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = ln_load_whole(y, type, i), b = ln_load_whole(y, type, i + n);
        ln_store_whole(y, type, i + 2 * n, x > b ? x : b);
        ln_store_whole(y, type, i + 3 * n, x < b ? x : b);
    }
}

/* Parts as the sign of the change says. */
static ln_status whole_forward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    ln_status status = pass->step->node->layer->forward(pass, err);
    for (int i = 0; i < pass->step->node->output_count && !status; i++) {
        float *y = pass->out[i];
        const int64_t n = quarter_of(pass, &pass->step->out_shape[i]);
        if (type_of(pass->step, i) == LN_F32)
            ln_reveal_cancel_part(y, y + n, n, y + 2 * n, y + 3 * n);
        else
            part_whole(y, type_of(pass->step, i), n);
    }
    return status;
}

/* The rescale rule of the node. It has one: assign asked. */
static const ln_rule *inner_of(const ln_step *step)
{
    const ln_rule *inner;
    ln_contrast_rule("", step->graph, step->node, &inner, NULL);
    return inner;
}

/* `one`: the multipliers of each output that count. */
static void carve_whole(const ln_step *step, void *base, float *one[LN_MOST_OUTPUTS], size_t *bytes)
{
    const ln_rule *inner = inner_of(step);
    ln_carver carver = {.base = base};
    for (int i = 0; i < step->node->output_count; i++)
        one[i] = ln_carve(&carver, ln_shape_count(&step->out_shape[i]), sizeof(float));
    *bytes = carver.used;
    if (!base && inner && inner->scratch)
        *bytes += inner->scratch(inner, step);
}

static size_t whole_bytes(const ln_rule *rule, const ln_step *step)
{
    float *one[LN_MOST_OUTPUTS];
    size_t bytes;
    (void)rule;
    carve_whole(step, NULL, one, &bytes);
    return bytes;
}

/* The multipliers that count, and then a rule that knows but one. */
static ln_status whole_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const ln_rule *inner = inner_of(pass->step);
    size_t used;
    float *one[LN_MOST_OUTPUTS];
    ln_pass own = first_half(pass);
    (void)rule;
    carve_whole(pass->step, pass->rule_scratch, one, &used);
    for (int i = 0; i < node->output_count; i++) {
        const void *y = pass->out[i];
        const float *above = pass->out_grad[i];
        const ln_dtype type = type_of(pass->step, i);
        const int64_t n = quarter_of(pass, &pass->step->out_shape[i]);
        for (int64_t j = 0; j < n; j++) {
            const bool falls = ln_load_real(y, type, j) < ln_load_real(y, type, j + n);
            one[i][j] = one[i][j + n] = falls ? above[j + n] : above[j];
        }
    }
    own.out_grad = (const float *const *)one;
    own.rule_scratch = (char *)pass->rule_scratch + used;
    ln_status status = inner ? inner->backward(inner, &own, err) : node->layer->backward(&own, err);
    for (int i = 0; i < node->input_count && !status; i++) {
        float *m = pass->in_grad[i];
        const int64_t quarter = quarter_of(pass, &pass->step->in_shape[i]);
        if (m && inner) /* it wrote those of the first quarter alone */
            memcpy(m + quarter, m, (size_t)quarter * sizeof *m);
        if (m)
            clear_second_half(m, quarter);
    }
    return status;
}

static const ln_rule whole_rule = {.name = "reveal_cancel whole",
                                   .scratch = whole_bytes,
                                   .forward = whole_forward,
                                   .backward = whole_backward};

/* ---------------------------------------------------------------- which rule where */

static int live_inputs(const ln_graph *graph, const ln_node *node)
{
    int count = 0;
    for (int i = 0; i < node->input_count; i++)
        count += node->inputs[i] >= 0 && !graph->values[node->inputs[i]].fixed;
    return count;
}

/* Sums with a constant move both parts, like a bias. Where weights may have either sign and are not known,
 * the change is one part. */
static const ln_rule *rule_of_sum(const ln_graph *graph, const ln_node *node)
{
    const char *word = node->layer->word.name;
    const bool arithmetic = strcmp(word, "add") == 0 || strcmp(word, "sub") == 0;
    if (arithmetic && live_inputs(graph, node) == 1)
        return NULL;
    if (strcmp(word, "upsample") == 0 &&
        ((const ln_upsample_attributes *)node->attributes)->mode == LN_UPSAMPLE_BICUBIC)
        return &whole_rule;
    return &sum_rule;
}

/* Products with constants: one number an element moves both parts, a matrix is a linear layer. */
static const ln_rule *rule_of_scale(const ln_graph *graph, const ln_node *node)
{
    const char *word = node->layer->word.name;
    const bool first = node->inputs[0] >= 0 && !graph->values[node->inputs[0]].fixed;
    if (strcmp(word, "mul") == 0 || strcmp(word, "div") == 0)
        return NULL;
    return first && node->input_count == 2 ? &linear_rule : &whole_rule;
}

ln_status ln_reveal_cancel_assign(const ln_composite *composite, const ln_graph *graph,
                                  const ln_node *node, const bool *passed, const ln_rule **out,
                                  ln_error *err)
{
    ln_status status = ln_contrast_check_types(composite->name, graph, node, passed, err);
    if (!status)
        status = ln_contrast_rule(composite->name, graph, node, out, err);
    if (status)
        return status;
    switch (ln_contrast_truth(graph, node) ? LN_KIND_OTHER : ln_kind_of(graph, node)) {
    case LN_KIND_LINEAR:
        *out = &linear_rule;
        return LN_OK;
    case LN_KIND_FUNCTION:
        *out = &function_rule;
        return LN_OK;
    case LN_KIND_SUM:
        *out = rule_of_sum(graph, node);
        return node->input_count <= MOST_INPUTS
                   ? LN_OK
                   : ln_fail(err, LN_EUNSUPPORTED, "%s has no rule reveal_cancel for a sum of %d",
                             composite->name, node->input_count);
    case LN_KIND_SCALE:
        *out = rule_of_scale(graph, node);
        return LN_OK;
    case LN_KIND_AFFINE:
    case LN_KIND_ROUTE:
    case LN_KIND_BRANCH: /* by a constant condition */
        *out = NULL;
        return LN_OK;
    default:
        *out = &whole_rule;
        return LN_OK;
    }
}
