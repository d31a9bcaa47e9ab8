/* Rules over the pairs of a pass. Rows r and r + n of every value belong together, n being half the
 * rows of the pass; a rule reads both and writes multipliers to the first. Multipliers of
 * functions and quotients are formed in float64. Softmax and normalisations: contrast_lines.c;
 * conditions: contrast_truths.c. */
#include "explainers/common/contrast.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/contrast_lines.h"
#include "explainers/common/contrast_truths.h"
#include "explainers/common/kinds.h"
#include "explainers/common/passes.h"
#include "explainers/common/quadrature.h"
#include "explainers/common/recurrent_rules.h"
#include "explainers/common/reveal_cancel.h"
#include "graph/simplify.h"
#include "kernels/rules.h"
#include "layers/attributes.h"

#define NOISE 1e-6 /* of a change, relative to the values that it lies between */
/* Of a change, up to which the mean slope of both ends may stand for the secant's, where it makes the change that is
 * seen but for some ulps of a function in float32. */
#define NEAR 0.0625
#define ROUNDING 0x1p-22
#define MOST_INPUTS 4 /* of a function, product, quotient or measure */

/* Numbers of a value in one half of the pass. */
static int64_t half_of(const ln_pass *pass, const ln_shape *shape)
{
    return pass->rows / 2 * ln_shape_row(shape);
}

/* The pass over the rows alone. */
static ln_pass first_half(const ln_pass *pass)
{
    ln_pass own = *pass;
    own.rows = pass->rows / 2;
    return own;
}

bool ln_contrast_is_noise(double x, double b)
{
    return x == b || fabs(x - b) <= NOISE * fmax(fabs(x), fabs(b)); /* infinite ones too */
}

/* ---------------------------------------------------------------- functions of one value */

/* A root has no slope at 0; a change that is none contributes nothing there. */
static void let_infinite_go(const ln_node *node, const float *above, int64_t count, float *m)
{
    const char *word = node->layer->word.name;
    if (strcmp(word, "sqrt") != 0 && strcmp(word, "pow") != 0)
        return;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(m[i]) && isfinite(above[i]))
            m[i] = 0;
}

/* Results that are x itself, its opposite or a constant are not rounded. */
static bool rounds(const ln_node *node)
{
    static const char *const exact[] = {"relu", "relu6", "hardtanh", "clip", "abs", "neg"};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (strcmp(node->layer->word.name, exact[i]) == 0)
            return false;
    return true;
}

static size_t function_scratch(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return rounds(step->node) ? (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float) : 0;
}

/* m_y f'(b), as the layer's gradient at the baselines has it, into the scratch. */
static ln_status slopes_at_baseline(const ln_pass *pass, int live, int64_t half, ln_error *err)
{
    const void *in[MOST_INPUTS];
    void *out[1] = {(float *)pass->out[0] + half};
    float *in_grad[MOST_INPUTS] = {NULL};
    ln_pass own = first_half(pass);
    for (int i = 0; i < pass->step->node->input_count; i++)
        in[i] = i == live ? (const float *)pass->in[i] + half : pass->in[i];
    in_grad[live] = pass->rule_scratch;
    own.in = in;
    own.out = out;
    own.in_grad = in_grad;
    return pass->step->node->layer->backward(&own, err);
}

static ln_status function_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    static const ln_chord chord = {.noise = NOISE, .near = NEAR, .rounding = ROUNDING};
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const bool rounded = rounds(pass->step->node);
    int live = 0;
    (void)rule;
    while (live < pass->step->node->input_count - 1 && !pass->in_grad[live])
        live++;
    float *m = pass->in_grad[live];
    if (!m)
        return LN_OK;
    const ln_pass first = first_half(pass);
    const int64_t half = half_of(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[live], *y = pass->out[0], *above = pass->out_grad[0];
    ln_status status =
        pass->step->node->layer->backward(&first, err); /* m_y f'(x), where it is noise */
    if (!status && rounded)
        status = slopes_at_baseline(pass, live, half, err);
    if (!status && rounded)
        kernels->chord(&chord, half, x, x + half, y, y + half, above, pass->rule_scratch, m);
    else if (!status)
        kernels->secant(NOISE, half, x, x + half, y, y + half, above, m);
    let_infinite_go(pass->step->node, pass->out_grad[0], half, m);
    return status;
}

static const ln_rule function_rule = {
    .name = "rescale", .scratch = function_scratch, .backward = function_backward};

/* ---------------------------------------------------------------- products and quotients */

/* Other values in place of the live inputs, carved from the rule's scratch. */
typedef struct replaced {
    const void *in[MOST_INPUTS]; /* the constants are the node's own */
    float *own[MOST_INPUTS];     /* the copies to fill; NULL: constant */
    float *out;                  /* room for the result that they would give */
} replaced;

static replaced carve_inputs(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    replaced made = {.in = {NULL}};
    for (int i = 0; i < step->node->input_count; i++) {
        const int id = step->node->inputs[i];
        if (id >= 0 && !step->graph->values[id].fixed)
            made.own[i] = ln_carve(&carver, ln_shape_count(&step->in_shape[i]), sizeof(float));
    }
    made.out = ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof(float));
    *bytes = carver.used;
    return made;
}

static size_t inputs_scratch(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_inputs(step, NULL, &bytes);
    return bytes;
}

/* How many values each product is made of: the live inputs, or the values along the reduced axes. */
static int64_t values_multiplied(const ln_step *step)
{
    const ln_node *node = step->node;
    const int64_t made = ln_shape_row(&step->out_shape[0]);
    int64_t live = 0;
    if (ln_kind_of(step->graph, node) == LN_KIND_FACTORS)
        return made ? ln_shape_row(&step->in_shape[0]) / made : 1;
    for (int i = 0; i < node->input_count; i++)
        live += node->inputs[i] >= 0 && !step->graph->values[node->inputs[i]].fixed;
    return live;
}

/* Places between baseline and row at which the layer's gradient is asked for, and sums of what it says. The
 * gradient of a product of k values is of degree k - 1 along the way: (k + 1) / 2 places of Gauss and Legendre
 * integrate it exactly. */
typedef struct product_places {
    int64_t count;
    double *at, *weight;
    double *sum[MOST_INPUTS]; /* of the multipliers; NULL: one place, or a constant */
} product_places;

static product_places carve_places(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base, .used = *bytes};
    product_places made = {.count = (values_multiplied(step) + 1) / 2};
    made.at = ln_carve(&carver, made.count, sizeof *made.at);
    made.weight = ln_carve(&carver, made.count, sizeof *made.weight);
    for (int i = 0; i < step->node->input_count && made.count > 1; i++)
        if (!step->graph->values[step->node->inputs[i]].fixed)
            made.sum[i] =
                ln_carve(&carver, ln_shape_count(&step->in_shape[i]), sizeof *made.sum[i]);
    *bytes = carver.used;
    return made;
}

static size_t product_scratch(const ln_rule *rule, const ln_step *step)
{
    size_t bytes = inputs_scratch(rule, step);
    carve_places(step, NULL, &bytes);
    return bytes;
}

/* Adds the multipliers of one place; the last one writes the sums out. */
static void add_place(const ln_pass *pass, const product_places *places, int64_t place)
{
    for (int i = 0; i < pass->step->node->input_count; i++) {
        const int64_t half = half_of(pass, &pass->step->in_shape[i]);
        double *sum = places->sum[i];
        float *m = pass->in_grad[i];
        for (int64_t k = 0; m && sum && k < half; k++) {
            sum[k] = (place ? sum[k] : 0) + places->weight[place] * (double)m[k];
            m[k] = (float)sum[k];
        }
    }
}

/* The mean of the layer's gradient on the straight way from the baseline to the row: of two values half and half,
 * of more what each brings on average over all orders (the Shapley value; a product is linear in each of them). */
static ln_status product_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    size_t bytes;
    replaced between = carve_inputs(pass->step, pass->rule_scratch, &bytes);
    product_places places = carve_places(pass->step, pass->rule_scratch, &bytes);
    ln_pass own = first_half(pass);
    (void)rule;
    own.in = between.in;
    ln_status status = ln_quadrature_make(LN_QUADRATURE_GAUSS_LEGENDRE, places.count, places.at,
                                          places.weight, err);
    for (int64_t place = 0; place < places.count && !status; place++) {
        const double t = places.at[place];
        for (int i = 0; i < node->input_count; i++) {
            const float *x = pass->in[i];
            const int64_t half = half_of(pass, &pass->step->in_shape[i]);
            between.in[i] = between.own[i] ? between.own[i] : pass->in[i];
            for (int64_t k = 0; k < half && between.own[i]; k++)
                between.own[i][k] = (float)(t * (double)x[k] + (1 - t) * (double)x[k + half]);
        }
        status = node->layer->backward(&own, err);
        if (!status)
            add_place(pass, &places, place);
    }
    return status;
}

static const ln_rule product_rule = {
    .name = "product", .scratch = product_scratch, .backward = product_backward};

/* a / b: the layer's own gradient, m / b' and - m a' / b'^2, is asked for twice: with 1 / b' the mean of
 * the two reciprocals it is m_a; with a' the mean of a and b'^2 the product of the two b it is m_b. */
static ln_status quotient_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const float *a = pass->in[0], *b = pass->in[1];
    const int64_t half_a = half_of(pass, &pass->step->in_shape[0]);
    const int64_t half_b = half_of(pass, &pass->step->in_shape[1]);
    size_t bytes;
    replaced other = carve_inputs(pass->step, pass->rule_scratch, &bytes);
    void *out[1] = {other.out};
    ln_pass own = first_half(pass);
    ln_status status = LN_OK;
    (void)rule;
    own.in = other.in;
    own.out = out; /* the layer's gradient reads its result, too */
    for (int which = 0; which < 2 && !status; which++) {
        float *in_grad[2] = {which == 0 ? pass->in_grad[0] : NULL,
                             which == 1 ? pass->in_grad[1] : NULL};
        own.in_grad = in_grad;
        other.in[0] = other.own[0];
        other.in[1] = other.own[1];
        for (int64_t k = 0; k < half_a; k++)
            other.own[0][k] = (float)(((double)a[k] + (double)a[k + half_a]) / 2);
        for (int64_t k = 0; k < half_b; k++) {
            const double x = (double)b[k], base = (double)b[k + half_b];
            const double both = which == 0 ? 2 / (1 / x + 1 / base) : sqrt(x * base);
            other.own[1][k] = (float)both;
        }
        if (in_grad[which])
            status = node->layer->forward(&own, err);
        if (in_grad[which] && !status)
            status = node->layer->backward(&own, err);
    }
    return status;
}

static const ln_rule quotient_rule = {
    .name = "quotient", .scratch = inputs_scratch, .backward = quotient_backward};

/* ---------------------------------------------------------------- measures */

/* The logarithm of the mean of exp between two values. */
static double level_between(double x, double b)
{
    const double d = fabs(x - b);
    return d == 0 ? x : fmax(x, b) + log(-expm1(-d) / d);
}

/* Values that stand for both ends: there the layer's own slope, x / y of l2, exp(x - y) of log_sum_exp ..., is
 * the product of the two functions' slopes between the ends. Of l1 it is 1, its slope comes behind. */
static double middle_of(int operation, double x, double b, bool result)
{
    if (operation == LN_REDUCE_l1)
        return 1;
    return operation == LN_REDUCE_log_sum_exp || (operation == LN_REDUCE_log_sum && result)
               ? level_between(x, b)
               : (x + b) / 2;
}

static ln_status measure_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_reduce_attributes *own = pass->step->node->attributes;
    const int64_t half = half_of(pass, &pass->step->in_shape[0]);
    const int64_t results = half_of(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0], *y = pass->out[0];
    size_t bytes;
    replaced middle = carve_inputs(pass->step, pass->rule_scratch, &bytes);
    void *out[1] = {middle.out};
    ln_pass half_pass = first_half(pass);
    (void)rule;
    for (int64_t i = 0; i < half; i++)
        middle.own[0][i] =
            (float)middle_of(own->operation, (double)x[i], (double)x[i + half], false);
    for (int64_t j = 0; j < results; j++)
        middle.out[j] =
            (float)middle_of(own->operation, (double)y[j], (double)y[j + results], true);
    middle.in[0] = middle.own[0];
    half_pass.in = middle.in;
    half_pass.out = out;
    ln_status status = pass->step->node->layer->backward(&half_pass, err);
    float *m = pass->in_grad[0];
    for (int64_t i = 0; own->operation == LN_REDUCE_l1 && m && i < half && !status; i++) {
        const double at = (double)x[i], base = (double)x[i + half];
        m[i] *= (float)(ln_contrast_is_noise(at, base) ? (at > 0) - (at < 0)
                                                       : (fabs(at) - fabs(base)) / (at - base));
    }
    return status;
}

static const ln_rule measure_rule = {
    .name = "measure", .scratch = inputs_scratch, .backward = measure_backward};

/* ---------------------------------------------------------------- maxima */

static size_t choice_scratch(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

/* The gradient of a maximum hands what it gets to the element that is it: c - mr at the input to p, and
 * mx - c at the baseline to q. Divided by the element's own change, contributions are multipliers. */
static ln_status choice_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const int64_t half = half_of(pass, &pass->step->out_shape[0]);
    const float *y = pass->out[0], *above = pass->out_grad[0];
    float *handed = pass->rule_scratch;
    const float *out_grad[1] = {handed};
    const bool least = rule->parameters[0] < 0;
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    kernels->hand(least, half, y, y + half, above, handed, handed + half);
    ln_pass own = *pass;
    own.out_grad = out_grad;
    ln_status status = node->layer->backward(&own, err);
    for (int i = 0; i < node->input_count && !status; i++) {
        float *m = pass->in_grad[i];
        const float *x = pass->in[i];
        const int64_t inputs = half_of(pass, &pass->step->in_shape[i]);
        if (m)
            kernels->share(inputs, x, x + inputs, m + inputs, m);
    }
    return status;
}

static const ln_rule greatest_rule = {
    .name = "greatest", .parameters = {1}, .scratch = choice_scratch, .backward = choice_backward};
static const ln_rule least_rule = {
    .name = "least", .parameters = {-1}, .scratch = choice_scratch, .backward = choice_backward};

/* ---------------------------------------------------------------- which rule where */

static bool takes_least(const ln_node *node)
{
    const char *word = node->layer->word.name;
    if (strcmp(word, "reduce") == 0)
        return ((const ln_reduce_attributes *)node->attributes)->operation == LN_REDUCE_min;
    return strcmp(word, "minimum") == 0;
}

ln_status ln_contrast_rule(const char *word, const ln_graph *graph, const ln_node *node,
                           const ln_rule **out, ln_error *err)
{
    *out = ln_contrast_truth(graph, node);
    if (*out)
        return LN_OK;
    switch (ln_kind_of(graph, node)) {
    case LN_KIND_LINEAR:
    case LN_KIND_AFFINE:
    case LN_KIND_SUM:
    case LN_KIND_SCALE:
    case LN_KIND_ROUTE:
    case LN_KIND_BRANCH: /* by a constant condition */
        return LN_OK;
    case LN_KIND_FUNCTION:
        *out = &function_rule;
        return LN_OK;
    case LN_KIND_PRODUCT:
    case LN_KIND_FACTORS:
        *out = &product_rule;
        return LN_OK;
    case LN_KIND_QUOTIENT:
        *out = &quotient_rule;
        return LN_OK;
    case LN_KIND_CHOICE:
        *out = takes_least(node) ? &least_rule : &greatest_rule;
        return LN_OK;
    case LN_KIND_SOFTMAX:
        *out = &ln_contrast_softmax;
        return LN_OK;
    case LN_KIND_LOG_SOFTMAX:
        *out = &ln_contrast_log_softmax;
        return LN_OK;
    case LN_KIND_CLASS_LOSS:
        *out = &ln_contrast_class_loss;
        return LN_OK;
    case LN_KIND_NORM:
        *out = &ln_contrast_norm;
        return LN_OK;
    case LN_KIND_MEASURE:
        *out = &measure_rule;
        return LN_OK;
    case LN_KIND_RECURRENT:
        *out = &ln_contrast_recurrent;
        return LN_OK;
    default:
        return ln_fail(err, LN_EUNSUPPORTED, "%s has no rule for this layer (%s)", word,
                       node->layer->word.name);
    }
}

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *err)
{
    ln_status status = ln_contrast_check_types(composite->name, graph, node, passed, err);
    return status ? status : ln_contrast_rule(composite->name, graph, node, out, err);
}

ln_status ln_contrast_composite(const char *word, int rule, ln_composite **out, ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    **out = (ln_composite){.name = word,
                           .simplify = LN_SIMPLIFY_ALL | LN_SIMPLIFY_UNCHECKED,
                           .merges = true,
                           .rests = true,
                           .truths = true,
                           .pairs = rule != LN_CONTRAST_REVEAL_CANCEL,
                           .ids = true,
                           .assign = assign};
    if (rule == LN_CONTRAST_REVEAL_CANCEL) {
        (*out)->simplify =
            0; /* what pulls up is another thing where batch norm turns a sign round */
        (*out)->assign = ln_reveal_cancel_assign;
    }
    return LN_OK;
}
