/* Adversarial inputs: rows moved a little, along the gradient of the loss, so that the model errs.
 *
 * The loss is the cross-entropy if the target were the label (link "loss"). An attack raises it, away from the
 * target, or, targeted, lowers it, towards the target. A step of size alpha moves every input by alpha
 * sign(g) (linf), or the row by alpha g / |g| (l2); then the row is brought back to within epsilon of where it
 * was, and to between low and high. Inputs of whole numbers stay. Values are the moved row, `output` its loss,
 * `fit` whether the attack succeeded: whether the model's class (the least loss; of equals the first) is no
 * longer, or targeted now is, the target's. */
#ifndef LN_EXPLAINERS_ATTACK_H
#define LN_EXPLAINERS_ATTACK_H

#include <math.h>
#include <stddef.h>

#include "explainers/explainer.h"

/* Parameters of every attack, and their place in its own: first. */
typedef struct ln_attack_params {
    int norm;
    bool targeted;
    double low, high; /* NaN: not given */
} ln_attack_params;

#define LN_ATTACK_NORMS "linf|l2"
#define LN_ATTACK_L2 1 /* its place there */
#define LN_ATTACK_PARAMS                                                                           \
    {.name = "norm",                                                                               \
     .type = LN_PARAM_CHOICE,                                                                      \
     .offset = offsetof(ln_attack_params, norm),                                                   \
     .fallback = "\"linf\"",                                                                       \
     .choices = LN_ATTACK_NORMS,                                                                   \
     .help = "what epsilon bounds: the change of each input, or the length of the row's change"},  \
        {.name = "targeted",                                                                       \
         .type = LN_PARAM_BOOL,                                                                    \
         .offset = offsetof(ln_attack_params, targeted),                                           \
         .fallback = "false",                                                                      \
         .help = "towards the target in place of away from it"},                                   \
        {.name = "low",                                                                            \
         .type = LN_PARAM_REAL,                                                                    \
         .offset = offsetof(ln_attack_params, low),                                                \
         .fallback = "nil",                                                                        \
         .min = -HUGE_VAL,                                                                         \
         .max = HUGE_VAL,                                                                          \
         .help = "least value of an input; without it any"},                                       \
    {                                                                                              \
        .name = "high", .type = LN_PARAM_REAL, .offset = offsetof(ln_attack_params, high),         \
        .fallback = "nil", .min = -HUGE_VAL, .max = HUGE_VAL,                                      \
        .help = "greatest value of an input; without it any"                                       \
    }

typedef struct ln_attack {
    double epsilon, alpha; /* how far in all, and a step */
    int64_t steps;
    int norm;         /* of both: LN_ATTACK_NORMS */
    bool targeted;    /* towards the target */
    bool random;      /* starts at a random point within epsilon */
    double low, high; /* of every input */
} ln_attack;

/* What the common parameters say; epsilon, alpha and steps are 0. */
static inline ln_attack ln_attack_of(const ln_attack_params *params)
{
    return (ln_attack){.norm = params->norm,
                       .targeted = params->targeted,
                       .low = isnan(params->low) ? -HUGE_VAL : params->low,
                       .high = isnan(params->high) ? HUGE_VAL : params->high};
}

/* One row an item; LN_EINVALID of field "low" where high is below. */
ln_status ln_attack_prepare(ln_job *job, const ln_attack *attack, size_t *scratch_bytes,
                            ln_error *err);
ln_status ln_attack_run(const ln_job *job, const ln_attack *attack, ln_job_chunk *chunk,
                        ln_error *err);

#endif
