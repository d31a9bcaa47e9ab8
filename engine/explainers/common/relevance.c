/* The rules of one product, and z_box with three: the ratio s_j = R_j / s(z_j) goes back through the layer (or
 * a variant of it) and is multiplied by what the shares were made of. gamma and alpha_beta:
 * relevance_split.c.
 *
 * Cost: epsilon one product, norm one, w_square and flat one back, z_box three; what w_square, flat and z_box
 * ask of the layer forward is the same for all rows, and made once a pass. All in float32, as the layer
 * computes; what is absorbed is summed in float64 in the order of the outputs. */
#include "explainers/common/relevance.h"

#include <string.h>

#include "explainers/common/kinds.h"
#include "explainers/common/passes.h"
#include "explainers/common/relevance_inside.h"
#include "kernels/rules.h"

enum { EPSILON = LN_RELEVANCE_EPSILON, BARE = LN_RELEVANCE_BARE };

/* ---------------------------------------------------------------- one product */

typedef struct one_scratch {
    float *s;    /* ratios */
    float *tile; /* of biases */
} one_scratch;

static one_scratch carve_one(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    one_scratch made;
    made.s = ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof *made.s);
    made.tile = ln_carve(&carver, ln_relevance_tile(step), sizeof *made.tile);
    *bytes = carver.used;
    return made;
}

static size_t one_bytes(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_one(step, NULL, &bytes);
    return bytes;
}

static ln_status epsilon_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    float *below = pass->in_grad[0];
    size_t bytes;
    const one_scratch at = carve_one(pass->step, pass->rule_scratch, &bytes);
    if (!below)
        return LN_OK;
    ln_relevance_ratios(
        pass,
        &(ln_shares){
            .epsilon = rule->parameters[EPSILON], .factor = 1, .in = pass->in, .tile = at.tile},
        pass->out[0], at.s);
    ln_status status = ln_relevance_back(pass, NULL, at.s, below, err);
    if (!status)
        ln_rule_kernels_choose()->multiply(ln_relevance_inputs(pass), pass->in[0], below);
    return status;
}

ln_rule ln_relevance_epsilon(double epsilon)
{
    return (ln_rule){.name = "epsilon",
                     .parameters = {epsilon},
                     .scratch = one_bytes,
                     .backward = epsilon_backward};
}

static size_t out_bytes(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

/* Sums and averages of several values: each input by its share. What constants among them take is
 * absorbed. */
static ln_status norm_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const ln_node *node = pass->step->node;
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    float *s = pass->rule_scratch;
    const float *const out_grad[1] = {s};
    ln_pass own = *pass;
    own.absorbed = NULL;
    ln_relevance_ratios(&own, &(ln_shares){.epsilon = rule->parameters[EPSILON], .factor = 1},
                        pass->out[0], s);
    own.out_grad = out_grad;
    ln_status status = node->layer->backward(&own, err);
    if (status)
        return status;
    for (int64_t n = 0; n < pass->rows && pass->absorbed; n++)
        pass->absorbed[n] += kernels->sum(row, pass->out_grad[0] + n * row);
    for (int i = 0; i < node->input_count; i++) {
        float *below = pass->in_grad[i];
        if (!below)
            continue;
        const int64_t width = ln_shape_row(&pass->step->in_shape[i]);
        kernels->multiply(pass->rows * width, pass->in[i], below);
        for (int64_t n = 0; n < pass->rows && pass->absorbed; n++)
            pass->absorbed[n] -= kernels->sum(width, below + n * width);
    }
    return LN_OK;
}

ln_rule ln_relevance_norm(double stabiliser)
{
    return (ln_rule){.name = "norm",
                     .parameters = {stabiliser},
                     .scratch = out_bytes,
                     .backward = norm_backward};
}

static ln_status pass_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    for (int i = 0; i < pass->step->node->input_count; i++) /* one is live: c / x has it second */
        if (pass->in_grad[i])
            memcpy(pass->in_grad[i], pass->out_grad[0],
                   (size_t)(pass->rows * ln_shape_row(&pass->step->out_shape[0])) * sizeof(float));
    return LN_OK;
}

const ln_rule ln_relevance_pass = {.name = "pass", .backward = pass_backward};

/* The ids have rows of `inner` numbers. */
static ln_status lookup_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int of = ln_kind_looks_up(pass->step->graph, pass->step->node);
    const int64_t count = ln_shape_row(&pass->step->in_shape[of]);
    const int64_t inner = count ? ln_shape_row(&pass->step->out_shape[0]) / count : 0;
    (void)rule;
    (void)err;
    for (int64_t i = 0; i < pass->rows * count && pass->in_grad[of]; i++)
        pass->in_grad[of][i] =
            (float)ln_rule_kernels_choose()->sum(inner, pass->out_grad[0] + i * inner);
    return LN_OK;
}

const ln_rule ln_relevance_lookup = {.name = "lookup", .backward = lookup_backward};

static ln_status beside_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    const ln_node *node = pass->step->node;
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    ln_status status = node->layer->backward(pass, err);
    if (status || !pass->absorbed)
        return status;
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    for (int64_t n = 0; n < pass->rows; n++)
        pass->absorbed[n] += kernels->sum(row, pass->out_grad[0] + n * row);
    for (int i = 0; i < node->input_count; i++) {
        const int64_t width = ln_shape_row(&pass->step->in_shape[i]);
        for (int64_t n = 0; n < pass->rows && pass->in_grad[i]; n++)
            pass->absorbed[n] -= kernels->sum(width, pass->in_grad[i] + n * width);
    }
    return LN_OK;
}

const ln_rule ln_relevance_beside = {.name = "beside", .backward = beside_backward};

bool ln_relevance_ends_beside(const ln_graph *graph, const ln_node *node, const bool *passed)
{
    if (strcmp(node->layer->word.name, "pad") == 0)
        return true;
    for (int i = 0; i < node->input_count; i++) {
        const ln_value *value = node->inputs[i] < 0 ? NULL : &graph->values[node->inputs[i]];
        if (value && value->dtype == LN_F32 &&
            (value->fixed || (value->producer >= 0 && !passed[value->producer])))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- shares that no row's numbers enter */

/* Room for what a row of one number everywhere makes of the layer. */
typedef struct level_scratch {
    float *level, *z, *part; /* a row: of the input, of two outputs */
    float *s;                /* ratios of all rows */
    float *c;                /* one product back */
    float *tile;
} level_scratch;

static level_scratch carve_level(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    level_scratch made;
    made.level = ln_carve(&carver, ln_shape_row(&step->in_shape[0]), sizeof(float));
    made.z = ln_carve(&carver, ln_shape_row(&step->out_shape[0]), sizeof(float));
    made.part = ln_carve(&carver, ln_shape_row(&step->out_shape[0]), sizeof(float));
    made.s = ln_carve(&carver, ln_shape_count(&step->out_shape[0]), sizeof(float));
    made.c = ln_carve(&carver, ln_shape_count(&step->in_shape[0]), sizeof(float));
    made.tile = ln_carve(&carver, ln_relevance_tile(step), sizeof(float));
    *bytes = carver.used;
    return made;
}

static size_t level_bytes(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_level(step, NULL, &bytes);
    return bytes;
}

/* z = a variant of the layer at a row that is `level` everywhere. */
static ln_status at_level(const ln_pass *pass, int variant, double level, const level_scratch *at,
                          float *z, ln_error *err)
{
    const int64_t row = ln_shape_row(&pass->step->in_shape[0]);
    for (int64_t i = 0; i < row; i++)
        at->level[i] = (float)level;
    return ln_relevance_forward(pass, &pass->variants[variant], NULL, 1, at->level, z, err);
}

/* Shares of w^2 (or of 1 an input): the layer's variant at an input of ones. */
static ln_status weights_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_variant *variant = &pass->variants[0];
    size_t bytes;
    const level_scratch at = carve_level(pass->step, pass->rule_scratch, &bytes);
    if (!pass->in_grad[0] || pass->rows == 0)
        return LN_OK;
    ln_status status = at_level(pass, 0, 1, &at, at.z, err);
    if (status)
        return status;
    ln_relevance_ratios(pass,
                        &(ln_shares){.epsilon = rule->parameters[EPSILON],
                                     .factor = 1,
                                     .in = (const void *const *)variant->in,
                                     .one_row = true,
                                     .tile = at.tile},
                        at.z, at.s);
    return ln_relevance_back(pass, variant, at.s, pass->in_grad[0], err);
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
                     .apart = true,
                     .vary = vary_square,
                     .scratch = level_bytes,
                     .backward = weights_backward};
}

ln_rule ln_relevance_flat(double stabiliser)
{
    return (ln_rule){.name = "flat",
                     .parameters = {stabiliser},
                     .variants = 1,
                     .apart = true,
                     .vary = vary_flat,
                     .scratch = level_bytes,
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

/* s = what stands for the output with a row that is 0 everywhere, x w: the layer's own less its bias. */
static ln_status without_bias(const ln_pass *pass, const level_scratch *at, float *s, ln_error *err)
{
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    const float *own = pass->out[0];
    for (int64_t i = 0; i < ln_shape_row(&pass->step->in_shape[0]); i++)
        at->level[i] = 0;
    ln_status status = ln_relevance_forward(pass, NULL, NULL, 1, at->level, at->part, err);
    for (int64_t n = 0; n < pass->rows && !status; n++)
        for (int64_t j = 0; j < row; j++)
            s[n * row + j] = own[n * row + j] - at->part[j];
    return status;
}

/* z = x w - low w+ - high w-, then one product back for each of the three. */
static ln_status box_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const double bounds[2] = {rule->parameters[BOX_LOW], rule->parameters[BOX_HIGH]};
    const int64_t inputs = ln_relevance_inputs(pass);
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    size_t bytes;
    const level_scratch at = carve_level(pass->step, pass->rule_scratch, &bytes);
    float *below = pass->in_grad[0];
    if (!below || pass->rows == 0)
        return LN_OK;
    ln_status status = without_bias(pass, &at, at.s, err);
    for (int v = 0; v < 2 && !status; v++) {
        status = at_level(pass, v, bounds[v], &at, at.z, err);
        for (int64_t n = 0; n < pass->rows && !status; n++)
            for (int64_t j = 0; j < row; j++)
                at.s[n * row + j] -= at.z[j];
    }
    if (status)
        return status;
    ln_relevance_ratios(pass, &(ln_shares){.epsilon = rule->parameters[EPSILON], .factor = 1}, at.s,
                        at.s);
    status = ln_relevance_back(pass, NULL, at.s, below, err);
    if (!status)
        kernels->multiply(inputs, pass->in[0], below);
    for (int v = 0; v < 2 && !status; v++) {
        status = ln_relevance_back(pass, &pass->variants[v], at.s, at.c, err);
        for (int64_t i = 0; i < inputs && !status; i++)
            below[i] -= (float)bounds[v] * at.c[i];
    }
    return status;
}

ln_rule ln_relevance_z_box(double low, double high, double stabiliser)
{
    return (ln_rule){.name = "z_box",
                     .parameters = {stabiliser, low, high},
                     .variants = 2,
                     .vary = vary_box,
                     .scratch = level_bytes,
                     .backward = box_backward};
}
