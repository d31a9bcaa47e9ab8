/* Projected gradient descent: many small steps of the fast gradient sign method, each brought back to within
 * epsilon of the row.
 *
 *   x_0 = x (or a random point around it),   x_k+1 = project( x_k + alpha sign(d loss(x_k, t) / d x) )
 *
 * x (N, width) -> x' (N, width), rows and not attributions. Without alpha a step is 2.5 epsilon / steps, so
 * that the edge of the ball can be reached from anywhere in it (Madry et al.). Common to all attacks:
 * common/attack.h. Cost: steps + 1 forward passes a row and steps backward. Source: Madry et al. 2018. */
#include "explainers/common/attack.h"

typedef struct pgd_params {
    ln_attack_params common;
    double epsilon, alpha; /* alpha 0: not given */
    int64_t steps;
    bool random_start;
} pgd_params;

static ln_attack attack_of(const ln_job *job)
{
    const pgd_params *params = job->request->params;
    const double alpha = 2.5 * params->epsilon / (double)params->steps;
    ln_attack attack = ln_attack_of(&params->common);
    attack.epsilon = params->epsilon;
    attack.alpha = params->alpha > 0 ? params->alpha : alpha;
    attack.steps = params->steps;
    attack.random = params->random_start;
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
     .offset = offsetof(pgd_params, epsilon),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = HUGE_VAL,
     .position = 1,
     .help = "how far the row may be moved in all, in encoded space"},
    {.name = "alpha",
     .type = LN_PARAM_REAL,
     .offset = offsetof(pgd_params, alpha),
     .fallback = "nil",
     .min = 0,
     .above_min = true,
     .max = HUGE_VAL,
     .help = "how far a step moves it; without it 2.5 epsilon / steps"},
    {.name = "steps",
     .type = LN_PARAM_INT,
     .offset = offsetof(pgd_params, steps),
     .fallback = "40",
     .min = 1,
     .max = 1e6,
     .help = "steps along the gradient"},
    {.name = "random_start",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(pgd_params, random_start),
     .fallback = "false",
     .help = "starts at a random point within epsilon, not at the row"},
    LN_ATTACK_PARAMS,
    LN_PARAM_END,
};

const ln_explainer ln_explainer_pgd = {
    .word =
        {
            .name = "pgd",
            .summary = "the row moved in many steps along the loss's gradient, within epsilon",
            .formula = "x_k+1 = project(x_k + alpha sign(d loss(x_k, t) / d x)), to within epsilon "
                       "of x",
            .source = "Madry, Makelov, Schmidt, Tsipras and Vladu 2018, Towards Deep Learning "
                      "Models Resistant to Adversarial Attacks, arXiv:1706.06083",
            .params = params,
            .params_size = sizeof(pgd_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_ATTACKS | LN_HAS_FIT | LN_RANDOM,
    .version = 1,
    .cost = "steps + 1 forward passes a row and steps backward",
    .prepare = prepare,
    .run = run,
};
