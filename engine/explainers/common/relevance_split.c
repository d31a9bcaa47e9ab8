/* gamma and alpha_beta divide inputs and weights by sign. With variants A (w + g w+, or w+) and B (w + g w-, or
 * w-) the shares x+ A + x- B over s(z') and x+ B + x- A over s(z'') are the same two pairs of products; they
 * differ only in which z_j take part and by what factor. The bias stands with the first of each pair.
 *
 * A row without negative numbers, as any behind a relu is, has no x-: it gets one product of each pair, and where
 * all rows of a pass are such none of the others is computed. Cost: a pair of products forward and one back for
 * each side that takes part (alpha_beta with beta 0: one side); half of them without negative numbers. */
#include <string.h>

#include "explainers/common/passes.h"
#include "explainers/common/relevance.h"
#include "explainers/common/relevance_inside.h"
#include "kernels/last.h"
#include "kernels/rules.h"

enum {
    EPSILON = LN_RELEVANCE_EPSILON,
    GAMMA = LN_RELEVANCE_GAMMA,
    ALPHA = LN_RELEVANCE_ALPHA,
    BETA = LN_RELEVANCE_BETA,
    BARE = LN_RELEVANCE_BARE
};

enum { A, B, SPLITS }; /* variants */

static void vary_gamma(const ln_rule *rule, int variant, int input, const float *values,
                       int64_t count, float *out)
{
    const float gamma = (float)rule->parameters[GAMMA];
    (void)input;
    for (int64_t i = 0; i < count; i++)
        out[i] = (values[i] > 0) == (variant == A) ? values[i] + gamma * values[i] : values[i];
}

static void vary_sign(const ln_rule *rule, int variant, int input, const float *values,
                      int64_t count, float *out)
{
    const bool left_out = input > 1 && rule->parameters[BARE] != 0;
    for (int64_t i = 0; i < count; i++)
        out[i] = !left_out && (values[i] > 0) == (variant == A) ? values[i] : 0;
}

/* Buffers of a pass. */
typedef struct split {
    float *positive,
        *negative;   /* the inputs by sign; without negative ones the inputs themselves, NULL */
    bool *mixed;     /* one a row: it has negative numbers (or NaN) */
    float *c;        /* one product back */
    float *s, *part; /* ratios; one product forward */
    float *no_bias;  /* zeros */
    float *tile;     /* of biases */
} split;

static split carve_split(const ln_step *step, void *base, size_t *bytes)
{
    ln_carver carver = {.base = base};
    const int64_t in = ln_shape_count(&step->in_shape[0]);
    const int64_t out = ln_shape_count(&step->out_shape[0]);
    split made;
    made.positive = ln_carve(&carver, in, sizeof(float));
    made.negative = ln_carve(&carver, in, sizeof(float));
    made.mixed = ln_carve(&carver, step->rows, sizeof(bool));
    made.c = ln_carve(&carver, in, sizeof(float));
    made.s = ln_carve(&carver, out, sizeof(float));
    made.part = ln_carve(&carver, out, sizeof(float));
    made.no_bias = ln_carve(&carver, ln_relevance_biases(step), sizeof(float));
    made.tile = ln_carve(&carver, ln_relevance_tile(step), sizeof(float));
    *bytes = carver.used;
    return made;
}

static size_t split_bytes(const ln_rule *rule, const ln_step *step)
{
    size_t bytes;
    (void)rule;
    carve_split(step, NULL, &bytes);
    return bytes;
}

static split split_begin(const ln_pass *pass)
{
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const int64_t row = ln_shape_row(&pass->step->in_shape[0]);
    const float *x = pass->in[0];
    size_t bytes;
    split at = carve_split(pass->step, pass->rule_scratch, &bytes);
    bool any = false;
    for (int64_t n = 0; n < pass->rows; n++) {
        at.mixed[n] = !kernels->all_positive(row, x + n * row);
        any = any || at.mixed[n];
    }
    memset(at.no_bias, 0, (size_t)ln_relevance_biases(pass->step) * sizeof *at.no_bias);
    if (any) {
        kernels->split(pass->rows * row, x, at.positive, at.negative);
    } else {
        at.positive = (float *)x; /* read only */
        at.negative = NULL;
    }
    return at;
}

/* s = x+ through variant `first` and x- through the other. */
static ln_status side_forward(const ln_pass *pass, const split *at, int first, ln_error *err)
{
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const ln_variant *variants = pass->variants;
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    const float *bias = ln_relevance_biases(pass->step) ? at->no_bias : NULL;
    ln_status status =
        ln_relevance_forward(pass, &variants[first], NULL, pass->rows, at->positive, at->s, err);
    if (status || !at->negative)
        return status;
    status = ln_relevance_forward(pass, &variants[1 - first], bias, pass->rows, at->negative,
                                  at->part, err);
    for (int64_t n = 0; n < pass->rows && !status; n++)
        if (at->mixed[n])
            kernels->add(row, at->part + n * row, at->s + n * row);
    return status;
}

/* Adds factor * shares to the inputs; `alone`: they are the first, and written. */
static ln_status split_side(const ln_rule *rule, const ln_pass *pass, const split *at, int first,
                            bool alone, double factor, int sign, ln_error *err)
{
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const ln_variant *variants = pass->variants;
    const int64_t row = ln_shape_row(&pass->step->in_shape[0]);
    float *below = pass->in_grad[0], *c = alone ? below : at->c;
    ln_status status = side_forward(pass, at, first, err);
    if (status)
        return status;
    ln_relevance_ratios(pass,
                        &(ln_shares){.epsilon = rule->parameters[EPSILON],
                                     .factor = factor,
                                     .in = (const void *const *)variants[first].in,
                                     .gate = pass->out[0],
                                     .sign = sign,
                                     .tile = at->tile},
                        at->s, at->s);
    status = ln_relevance_back(pass, &variants[first], at->s, c, err);
    if (!status && alone)
        kernels->multiply(pass->rows * row, at->positive, below);
    else if (!status)
        kernels->multiply_add(pass->rows * row, at->positive, c, below);
    if (status || !at->negative)
        return status;
    status = ln_relevance_back(pass, &variants[1 - first], at->s, at->c, err);
    for (int64_t n = 0; n < pass->rows && !status; n++)
        if (at->mixed[n])
            kernels->multiply_add(row, at->negative + n * row, at->c + n * row, below + n * row);
    return status;
}

static ln_status gamma_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    if (!pass->in_grad[0])
        return LN_OK;
    const split at = split_begin(pass);
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    const float *z = pass->out[0];
    ln_status status = split_side(rule, pass, &at, A, true, 1, 1, err);
    if (!status)
        status = split_side(rule, pass, &at, B, false, 1, -1, err);
    for (int64_t n = 0; n < pass->rows && pass->absorbed; n++) /* z = 0 sends nothing */
        pass->absorbed[n] +=
            ln_rule_kernels_choose()->sum_at_zero(row, z + n * row, pass->out_grad[0] + n * row);
    return status;
}

static ln_status alpha_beta_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    if (!pass->in_grad[0])
        return LN_OK;
    const split at = split_begin(pass);
    ln_status status = split_side(rule, pass, &at, A, true, rule->parameters[ALPHA], 0, err);
    if (!status && rule->parameters[BETA] != 0)
        status = split_side(rule, pass, &at, B, false, -rule->parameters[BETA], 0, err);
    return status;
}

ln_rule ln_relevance_gamma(double gamma, double stabiliser)
{
    return (ln_rule){.name = "gamma",
                     .parameters = {[EPSILON] = stabiliser, [GAMMA] = gamma},
                     .variants = SPLITS,
                     .apart = true,
                     .vary = vary_gamma,
                     .scratch = split_bytes,
                     .backward = gamma_backward};
}

ln_rule ln_relevance_alpha_beta(double alpha, double beta, double stabiliser)
{
    return (ln_rule){.name = "alpha_beta",
                     .parameters = {[EPSILON] = stabiliser, [ALPHA] = alpha, [BETA] = beta},
                     .variants = SPLITS,
                     .apart = true,
                     .vary = vary_sign,
                     .scratch = split_bytes,
                     .backward = alpha_beta_backward};
}

ln_rule ln_relevance_bare(ln_rule rule)
{
    rule.parameters[BARE] = 1;
    return rule;
}
