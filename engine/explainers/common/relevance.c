/* The rules in two forms.
 *
 * One product: the ratio s_j = R_j / s(z_j) goes back through the layer (or a variant of it) and is
 * multiplied by what the shares were made of: epsilon, norm, w_square, flat; z_box with three of them.
 *
 * Split: gamma and alpha-beta divide inputs and weights by sign. With variants A (w + g w+, or w+) and
 * B (w + g w-, or w-) the shares x+ A + x- B over s(z') and x+ B + x- A over s(z'') are the same two
 * pairs of products; they differ only in which z_j take part and by what factor.
 *
 * Cost: epsilon one product, norm one, w_square and flat one forward and one back, z_box two forward
 * and three back, split four forward and four back. All in float32, as the layer computes; what is
 * absorbed is summed in float64 in the order of the outputs. */
#include "explainers/common/relevance.h"

#include <math.h>
#include <string.h>

#include "explainers/common/passes.h"
#include "layers/attributes.h"
#include "layers/last.h"

#define MOST_INPUTS 10 /* of a node with a rule: its value and its constants */

enum { EPSILON, GAMMA, ALPHA, BETA }; /* places in ln_rule.parameters */
enum { BARE = GAMMA }; /* of rules without a gamma: not 0 where biases are left out */

/* z pushed away from 0. */
static inline float stabilised(float z, double epsilon)
{
    return (float)(z >= 0 ? (double)z + epsilon : (double)z - epsilon);
}

static int64_t in_count(const ln_pass *pass)
{
    return pass->rows * ln_shape_row(&pass->step->in_shape[0]);
}

static int64_t out_count(const ln_pass *pass)
{
    return pass->rows * ln_shape_row(&pass->step->out_shape[0]);
}

/* ---------------------------------------------------------------- passes over the layer */

/* z = the layer (variant NULL: as it is, else with other constants) at x. */
static ln_status forward(const ln_pass *pass, const ln_variant *variant, const float *x, float *z,
                         ln_error *err)
{
    const void *in[MOST_INPUTS];
    void *out[1] = {z};
    const ln_node *node = pass->step->node;
    ln_pass own = *pass;
    memcpy(in, variant ? (const void *const *)variant->in : pass->in,
           (size_t)node->input_count * sizeof *in);
    in[0] = x;
    own.in = in;
    own.out = out;
    if (variant)
        own.step = &variant->step;
    return node->layer->forward(&own, err);
}

/* c = W^T s, the layer's product with s back to its first input. */
static ln_status back(const ln_pass *pass, const ln_variant *variant, const float *s, float *c,
                      ln_error *err)
{
    const void *in[MOST_INPUTS];
    const float *out_grad[1] = {s};
    float *in_grad[MOST_INPUTS] = {c};
    const ln_node *node = pass->step->node;
    ln_pass own = *pass;
    memcpy(in, variant ? (const void *const *)variant->in : pass->in,
           (size_t)node->input_count * sizeof *in);
    in[0] = pass->in[0];
    own.in = in;
    own.out_grad = out_grad;
    own.in_grad = in_grad;
    if (variant)
        own.step = &variant->step;
    return node->layer->backward(&own, err);
}

/* ---------------------------------------------------------------- biases */

/* What the bias adds to output j of a row: dense layers have it on the last axis, convolutions on that of
 * the channels, which may be the last. */
typedef struct biases {
    const float *values; /* NULL: none */
    int64_t inner;       /* outputs that share one */
    int64_t count;
} biases;

static biases biases_of(const ln_step *step, const void *const *in)
{
    const ln_shape *out = &step->out_shape[0];
    biases made = {0};
    if (step->node->input_count < 3 || step->node->inputs[2] < 0 || !in[2])
        return made;
    int axis = out->rank - 1;
    if (step->node->layer != &ln_layer_conv2d_last &&
        strncmp(step->node->layer->word.name, "conv", 4) == 0)
        axis = 1 + (int)((const ln_convolution_attributes *)step->node->attributes)->outer;
    made.values = in[2];
    made.count = out->dims[axis];
    made.inner = 1;
    while (++axis < out->rank)
        made.inner *= out->dims[axis];
    return made;
}

static inline double bias_at(const biases *own, int64_t j)
{
    return own->values ? (double)own->values[j / own->inner % own->count] : 0;
}

/* ---------------------------------------------------------------- ratios */

/* s_j = factor R_j / s(z_j) for the outputs whose z has the sign (0: all), else 0; the share that
 * stabiliser and bias take away is absorbed. `z` and `s` may be the same. */
static void ratios(const ln_pass *pass, const float *z, double epsilon, double factor,
                   const biases *bias, const float *gate, int sign, float *s)
{
    const float *r = pass->out_grad[0];
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    for (int64_t n = 0; n < pass->rows; n++) {
        double absorbed = 0;
        for (int64_t j = 0; j < row; j++) {
            const int64_t at = n * row + j;
            if (sign && (sign > 0 ? !(gate[at] > 0) : !(gate[at] < 0))) {
                s[at] = 0;
                continue;
            }
            const float below = stabilised(z[at], epsilon), ratio = (float)factor * r[at] / below;
            absorbed += (double)ratio * ((double)below - ((double)z[at] - bias_at(bias, j)));
            s[at] = ratio;
        }
        if (pass->absorbed)
            pass->absorbed[n] += absorbed;
    }
}

/* ---------------------------------------------------------------- one product */

static void multiply(float *c, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        c[i] *= x[i];
}

static size_t out_scratch(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

static ln_status epsilon_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    float *s = pass->rule_scratch, *below = pass->in_grad[0];
    const biases bias = biases_of(pass->step, pass->in);
    if (!below)
        return LN_OK;
    ratios(pass, pass->out[0], rule->parameters[EPSILON], 1, &bias, NULL, 0, s);
    ln_status status = back(pass, NULL, s, below, err);
    if (!status)
        multiply(below, pass->in[0], in_count(pass));
    return status;
}

ln_rule ln_relevance_epsilon(double epsilon)
{
    return (ln_rule){.name = "epsilon",
                     .parameters = {epsilon},
                     .scratch = out_scratch,
                     .backward = epsilon_backward};
}

/* Sums and averages of several values: each input by its share. What constants among them take is
 * absorbed. */
static ln_status norm_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const biases none = {0};
    const ln_node *node = pass->step->node;
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    float *s = pass->rule_scratch;
    const float *const out_grad[1] = {s};
    ln_pass own = *pass;
    own.absorbed = NULL;
    ratios(&own, pass->out[0], rule->parameters[EPSILON], 1, &none, NULL, 0, s);
    own.out_grad = out_grad;
    ln_status status = node->layer->backward(&own, err);
    if (status)
        return status;
    for (int64_t n = 0; n < pass->rows && pass->absorbed; n++)
        for (int64_t j = 0; j < row; j++)
            pass->absorbed[n] += (double)pass->out_grad[0][n * row + j];
    for (int i = 0; i < node->input_count; i++) {
        float *below = pass->in_grad[i];
        if (!below)
            continue;
        const int64_t width = ln_shape_row(&pass->step->in_shape[i]);
        multiply(below, pass->in[i], pass->rows * width);
        for (int64_t at = 0; at < pass->rows * width && pass->absorbed; at++)
            pass->absorbed[at / width] -= (double)below[at];
    }
    return LN_OK;
}

ln_rule ln_relevance_norm(double stabiliser)
{
    return (ln_rule){.name = "norm",
                     .parameters = {stabiliser},
                     .scratch = out_scratch,
                     .backward = norm_backward};
}

static ln_status pass_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    if (pass->in_grad[0])
        memcpy(pass->in_grad[0], pass->out_grad[0], (size_t)in_count(pass) * sizeof(float));
    return LN_OK;
}

const ln_rule ln_relevance_pass = {.name = "pass", .backward = pass_backward};

/* ---------------------------------------------------------------- weights alone */

static size_t weights_scratch(const ln_rule *rule, const ln_step *step)
{
    ln_carver carver = {0};
    (void)rule;
    ln_carve(&carver, ln_shape_count(&step->in_shape[0]), sizeof(float));
    ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof(float));
    return carver.used;
}

/* Shares of w^2 (or of 1 an input): the layer's variant at an input of ones. */
static ln_status weights_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_variant *variant = &pass->variants[0];
    const biases bias = biases_of(pass->step, variant->in);
    ln_carver carver = {.base = pass->rule_scratch};
    float *ones = ln_carve(&carver, ln_shape_count(&pass->step->in_shape[0]), sizeof *ones);
    float *z = ln_carve(&carver, ln_shape_count(&pass->step->out_shape[0]), sizeof *z);
    if (!pass->in_grad[0])
        return LN_OK;
    for (int64_t i = 0; i < in_count(pass); i++)
        ones[i] = 1;
    ln_status status = forward(pass, variant, ones, z, err);
    if (status)
        return status;
    ratios(pass, z, rule->parameters[EPSILON], 1, &bias, NULL, 0, z);
    return back(pass, variant, z, pass->in_grad[0], err);
}

static void vary_square(const ln_rule *rule, int variant, int input, const float *values,
                        int64_t count, float *out)
{
    (void)variant;
    for (int64_t i = 0; i < count; i++)
        out[i] = input > 1 && rule->parameters[BARE] != 0 ? 0 : values[i] * values[i];
}

static void vary_flat(const ln_rule *rule, int variant, int input, const float *values,
                      int64_t count, float *out)
{
    (void)rule;
    (void)variant;
    (void)values;
    for (int64_t i = 0; i < count; i++)
        out[i] = input == 1;
}

ln_rule ln_relevance_w_square(double stabiliser)
{
    return (ln_rule){.name = "w_square",
                     .parameters = {stabiliser},
                     .variants = 1,
                     .vary = vary_square,
                     .scratch = weights_scratch,
                     .backward = weights_backward};
}

ln_rule ln_relevance_flat(double stabiliser)
{
    return (ln_rule){.name = "flat",
                     .parameters = {stabiliser},
                     .variants = 1,
                     .vary = vary_flat,
                     .scratch = weights_scratch,
                     .backward = weights_backward};
}

/* ---------------------------------------------------------------- z_box */

enum { BOX_POSITIVE, BOX_NEGATIVE }; /* variants: w+ and w-, without bias */
enum { BOX_LOW = 1, BOX_HIGH = 2 };  /* places in ln_rule.parameters */

static void vary_box(const ln_rule *rule, int variant, int input, const float *values,
                     int64_t count, float *out)
{
    (void)rule;
    for (int64_t i = 0; i < count; i++)
        out[i] = input != 1 || (values[i] > 0) != (variant == BOX_POSITIVE) ? 0 : values[i];
}

static size_t box_scratch(const ln_rule *rule, const ln_step *step)
{
    ln_carver carver = {0};
    (void)rule;
    for (int i = 0; i < 2; i++)
        ln_carve(&carver, ln_shape_count(&step->in_shape[0]), sizeof(float));
    for (int i = 0; i < 2; i++)
        ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof(float));
    return carver.used;
}

/* z = x w - low w+ - high w-: the layer's own output, less its bias, less two forward passes of an input
 * that is low or high everywhere. */
static ln_status box_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const double bounds[2] = {rule->parameters[BOX_LOW], rule->parameters[BOX_HIGH]};
    const biases none = {0}, bias = biases_of(pass->step, pass->in);
    const int64_t inputs = in_count(pass), outputs = out_count(pass);
    const int64_t out_row = ln_shape_row(&pass->step->out_shape[0]);
    ln_carver carver = {.base = pass->rule_scratch};
    float *level = ln_carve(&carver, ln_shape_count(&pass->step->in_shape[0]), sizeof *level);
    float *c = ln_carve(&carver, ln_shape_count(&pass->step->in_shape[0]), sizeof *c);
    float *z = ln_carve(&carver, ln_shape_count(&pass->step->out_shape[0]), sizeof *z);
    float *part = ln_carve(&carver, ln_shape_count(&pass->step->out_shape[0]), sizeof *part);
    float *below = pass->in_grad[0];
    const float *own = pass->out[0], *x = pass->in[0];
    if (!below)
        return LN_OK;
    for (int64_t j = 0; j < outputs; j++)
        z[j] = (float)((double)own[j] - bias_at(&bias, j % out_row));
    for (int v = 0; v < 2; v++) {
        for (int64_t i = 0; i < inputs; i++)
            level[i] = (float)bounds[v];
        ln_status status = forward(pass, &pass->variants[v], level, part, err);
        if (status)
            return status;
        for (int64_t j = 0; j < outputs; j++)
            z[j] -= part[j];
    }
    ratios(pass, z, rule->parameters[EPSILON], 1, &none, NULL, 0, z);
    ln_status status = back(pass, NULL, z, below, err);
    if (!status)
        multiply(below, x, inputs);
    for (int v = 0; v < 2 && !status; v++) {
        status = back(pass, &pass->variants[v], z, c, err);
        for (int64_t i = 0; i < inputs && !status; i++)
            below[i] -= (float)bounds[v] * c[i];
    }
    return status;
}

ln_rule ln_relevance_z_box(double low, double high, double stabiliser)
{
    return (ln_rule){.name = "z_box",
                     .parameters = {stabiliser, low, high},
                     .variants = 2,
                     .vary = vary_box,
                     .scratch = box_scratch,
                     .backward = box_backward};
}

/* ---------------------------------------------------------------- split */

enum { A, B, A_ALONE, B_ALONE, SPLITS }; /* variants: with their bias, and without */

static void vary_gamma(const ln_rule *rule, int variant, int input, const float *values,
                       int64_t count, float *out)
{
    const float gamma = (float)rule->parameters[GAMMA];
    const bool positive = variant == A || variant == A_ALONE;
    for (int64_t i = 0; i < count; i++)
        out[i] = (values[i] > 0) == positive ? values[i] + gamma * values[i] : values[i];
    if (input > 1 && variant >= A_ALONE)
        memset(out, 0, (size_t)count * sizeof *out);
}

static void vary_sign(const ln_rule *rule, int variant, int input, const float *values,
                      int64_t count, float *out)
{
    const bool positive = variant == A || variant == A_ALONE;
    for (int64_t i = 0; i < count; i++)
        out[i] = (values[i] > 0) == positive ? values[i] : 0;
    if (input > 1 && (variant >= A_ALONE || rule->parameters[BARE] != 0))
        memset(out, 0, (size_t)count * sizeof *out);
}

/* Buffers of a pass of a split rule. */
typedef struct split {
    float *positive, *negative; /* the inputs by sign */
    float *c;                   /* one product back */
    float *s, *part;            /* ratios; one product forward */
} split;

static split carve_split(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    const int64_t in = ln_shape_count(&step->in_shape[0]),
                  out = ln_shape_count(&step->out_shape[0]);
    split made;
    made.positive = ln_carve(&carver, in, sizeof(float));
    made.negative = ln_carve(&carver, in, sizeof(float));
    made.c = ln_carve(&carver, in, sizeof(float));
    made.s = ln_carve(&carver, out, sizeof(float));
    made.part = ln_carve(&carver, out, sizeof(float));
    *bytes = carver.used;
    return made;
}

static size_t split_scratch(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_split(step, NULL, &bytes);
    return bytes;
}

/* Adds factor * shares of x+ (through variant `first`) and x- (through the other) to the inputs. */
static ln_status split_side(const ln_rule *rule, const ln_pass *pass, const split *at, int first,
                            double factor, int sign, ln_error *err)
{
    const int other = first == A ? B : A;
    const biases bias = biases_of(pass->step, pass->variants[first].in);
    const int64_t inputs = in_count(pass), outputs = out_count(pass);
    float *below = pass->in_grad[0];
    ln_status status = forward(pass, &pass->variants[first], at->positive, at->s, err);
    if (!status)
        status = forward(pass, &pass->variants[other + A_ALONE], at->negative, at->part, err);
    if (status)
        return status;
    for (int64_t j = 0; j < outputs; j++)
        at->s[j] += at->part[j];
    ratios(pass, at->s, rule->parameters[EPSILON], factor, &bias, pass->out[0], sign, at->s);
    for (int side = 0; side < 2 && !status; side++) {
        const float *x = side ? at->negative : at->positive;
        status = back(pass, &pass->variants[side ? other : first], at->s, at->c, err);
        for (int64_t i = 0; i < inputs && !status; i++)
            below[i] += x[i] * at->c[i];
    }
    return status;
}

/* Splits the inputs by sign; the sides are added to zeros. */
static split split_begin(const ln_pass *pass)
{
    size_t bytes;
    const split at = carve_split(pass->step, pass->rule_scratch, &bytes);
    const float *x = pass->in[0];
    for (int64_t i = 0; i < in_count(pass); i++) {
        at.positive[i] = x[i] > 0 ? x[i] : 0;
        at.negative[i] = x[i] < 0 ? x[i] : 0;
        pass->in_grad[0][i] = 0;
    }
    return at;
}

static ln_status gamma_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    if (!pass->in_grad[0])
        return LN_OK;
    const split at = split_begin(pass);
    ln_status status = split_side(rule, pass, &at, A, 1, 1, err);
    if (!status)
        status = split_side(rule, pass, &at, B, 1, -1, err);
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    const float *z = pass->out[0];
    for (int64_t j = 0; j < out_count(pass) && pass->absorbed; j++) /* z = 0 sends nothing */
        if (!(z[j] > 0) && !(z[j] < 0))
            pass->absorbed[j / row] += (double)pass->out_grad[0][j];
    return status;
}

static ln_status alpha_beta_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    if (!pass->in_grad[0])
        return LN_OK;
    const split at = split_begin(pass);
    ln_status status = split_side(rule, pass, &at, A, rule->parameters[ALPHA], 0, err);
    if (!status && rule->parameters[BETA] != 0)
        status = split_side(rule, pass, &at, B, -rule->parameters[BETA], 0, err);
    return status;
}

ln_rule ln_relevance_gamma(double gamma, double stabiliser)
{
    return (ln_rule){.name = "gamma",
                     .parameters = {[EPSILON] = stabiliser, [GAMMA] = gamma},
                     .variants = SPLITS,
                     .vary = vary_gamma,
                     .scratch = split_scratch,
                     .backward = gamma_backward};
}

ln_rule ln_relevance_bare(ln_rule rule)
{
    rule.parameters[BARE] = 1;
    return rule;
}

ln_rule ln_relevance_alpha_beta(double alpha, double beta, double stabiliser)
{
    return (ln_rule){.name = "alpha_beta",
                     .parameters = {[EPSILON] = stabiliser, [ALPHA] = alpha, [BETA] = beta},
                     .variants = SPLITS,
                     .vary = vary_sign,
                     .scratch = split_scratch,
                     .backward = alpha_beta_backward};
}
