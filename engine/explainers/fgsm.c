/* The fast gradient sign method: a row moved by epsilon along the sign of the loss's gradient.
 *
 *   x' = x + epsilon sign(d loss(x, t) / d x)        targeted: x - ...
 *
 * x (N, width) -> x' (N, width), rows and not attributions; norm = "l2" takes g / |g| in place of the sign.
 * Common to all attacks: common/attack.h. Cost: two forward passes a row and one backward. Source: Goodfellow
 * et al. 2015. */
#include "explainers/common/attack.h"

typedef struct fgsm_params {
    ln_attack_params common;
    double epsilon;
} fgsm_params;

static ln_attack attack_of(const ln_job *job)
{
    const fgsm_params *params = job->request->params;
    ln_attack attack = ln_attack_of(&params->common);
    attack.epsilon = attack.alpha = params->epsilon;
    attack.steps = 1;
    return attack;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_attack attack = attack_of(job);
    return ln_attack_prepare(job, &attack, scratch_bytes, err);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const ln_attack attack = attack_of(job);
    return ln_attack_run(job, &attack, chunk, err);
}

static const ln_param params[] = {
    {.name = "epsilon",
     .type = LN_PARAM_REAL,
     .offset = offsetof(fgsm_params, epsilon),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = HUGE_VAL,
     .position = 1,
     .help = "how far the row is moved, in encoded space"},
    LN_ATTACK_PARAMS,
    LN_PARAM_END,
};

const ln_explainer ln_explainer_fgsm = {
    .word =
        {
            .name = "fgsm",
            .summary = "the row moved by epsilon along the sign of the loss's gradient",
            .formula = "x' = x + epsilon sign(d loss(x, t) / d x); x - ... with targeted = true",
            .source = "Goodfellow, Shlens and Szegedy 2015, Explaining and Harnessing Adversarial "
                      "Examples, arXiv:1412.6572",
            .params = params,
            .params_size = sizeof(fgsm_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_ATTACKS | LN_HAS_FIT,
    .version = 1,
    .cost = "two forward passes a row and one backward",
    .prepare = prepare,
    .run = run,
};
