/* Optimizers: one step of some weights, elementwise, in float32 as PyTorch does it. g is the
 * gradient, t the step from 1.
 *
 *     sgd     g += weight_decay w;  v = momentum v + g;  w -= lr v  (nesterov: lr (g + momentum v))
 *     adam    g += weight_decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *             w -= lr / (1 - b1^t)  m / (sqrt(v / (1 - b2^t)) + eps)
 *     adamw   w -= lr weight_decay w, then adam without weight_decay
 *
 * State: sgd v, adam and adamw m and v, zero at first. Sources: Sutskever et al. 2013; Kingma and Ba
 * 2015; Loshchilov and Hutter 2019. */
#include "base/error.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- sgd */

typedef struct sgd_params {
    double lr, momentum, weight_decay; /* as in the formula */
    bool nesterov;                     /* the gradient at the place that the momentum leads to */
} sgd_params;

static const sgd_params sgd_defaults = {.lr = 1e-3};

static const ln_param sgd_list[] = {
    {.name = "lr",
     .type = LN_PARAM_REAL,
     .offset = offsetof(sgd_params, lr),
     .fallback = "1e-3",
     .min = 0,
     .max = HUGE_VAL,
     .help = "learning rate"},
    {.name = "momentum",
     .type = LN_PARAM_REAL,
     .offset = offsetof(sgd_params, momentum),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .help = "share of the last step that is kept"},
    {.name = "nesterov",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(sgd_params, nesterov),
     .fallback = "false",
     .help = "Nesterov momentum; it needs a momentum"},
    {.name = "weight_decay",
     .type = LN_PARAM_REAL,
     .offset = offsetof(sgd_params, weight_decay),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .help = "times the weights, added to the gradient"},
    LN_PARAM_END,
};

static double sgd_lr(const void *params)
{
    return ((const sgd_params *)params)->lr;
}

static ln_status check_sgd(const void *params, ln_error *err)
{
    const sgd_params *own = params;
    if (own->nesterov && own->momentum == 0)
        return ln_fail(err, LN_EINVALID, "sgd: nesterov needs a momentum above 0");
    return LN_OK;
}

static void sgd_step(const void *params, double rate, int64_t step, float *weights,
                     const float *gradient, float *const *state, int64_t count)
{
    const sgd_params *own = params;
    const float momentum = (float)own->momentum, decay = (float)own->weight_decay;
    const float lr = (float)rate;
    float *velocity = state[0];
    (void)step;
    for (int64_t i = 0; i < count; i++) {
        float g = gradient[i] + decay * weights[i];
        velocity[i] = momentum * velocity[i] + g;
        weights[i] -= lr * (own->nesterov ? g + momentum * velocity[i] : velocity[i]);
    }
}

/* ---------------------------------------------------------------- adam, adamw */

typedef struct adam_params {
    double lr, beta1, beta2, eps, weight_decay; /* as in the formula */
} adam_params;

static const adam_params adam_defaults = {1e-3, 0.9, 0.999, 1e-8, 0};
static const adam_params adamw_defaults = {1e-3, 0.9, 0.999, 1e-8, 1e-2};

/* The two differ in the default and the meaning of the weight decay. */
#define ADAM_PARAMS(decay, decay_help)                                                             \
    {.name = "lr",                                                                                 \
     .type = LN_PARAM_REAL,                                                                        \
     .offset = offsetof(adam_params, lr),                                                          \
     .fallback = "1e-3",                                                                           \
     .min = 0,                                                                                     \
     .max = HUGE_VAL,                                                                              \
     .help = "learning rate"},                                                                     \
        {.name = "beta1",                                                                          \
         .type = LN_PARAM_REAL,                                                                    \
         .offset = offsetof(adam_params, beta1),                                                   \
         .fallback = "0.9",                                                                        \
         .min = 0,                                                                                 \
         .max = 1,                                                                                 \
         .help = "decay of the mean of gradients; below 1"},                                       \
        {.name = "beta2",                                                                          \
         .type = LN_PARAM_REAL,                                                                    \
         .offset = offsetof(adam_params, beta2),                                                   \
         .fallback = "0.999",                                                                      \
         .min = 0,                                                                                 \
         .max = 1,                                                                                 \
         .help = "decay of the mean of squared gradients; below 1"},                               \
        {.name = "eps",                                                                            \
         .type = LN_PARAM_REAL,                                                                    \
         .offset = offsetof(adam_params, eps),                                                     \
         .fallback = "1e-8",                                                                       \
         .min = 0,                                                                                 \
         .max = HUGE_VAL,                                                                          \
         .help = "added to the root in the denominator"},                                          \
        {.name = "weight_decay",                                                                   \
         .type = LN_PARAM_REAL,                                                                    \
         .offset = offsetof(adam_params, weight_decay),                                            \
         .fallback = decay,                                                                        \
         .min = 0,                                                                                 \
         .max = HUGE_VAL,                                                                          \
         .help = decay_help},                                                                      \
        LN_PARAM_END

static const ln_param adam_list[] = {ADAM_PARAMS("0", "times the weights, added to the gradient")};
static const ln_param adamw_list[] = {
    ADAM_PARAMS("1e-2", "times the learning rate: share of the weights taken off at each step")};

static double adam_lr(const void *params)
{
    return ((const adam_params *)params)->lr;
}

static ln_status check_adam(const void *params, ln_error *err)
{
    const adam_params *own = params;
    if (own->beta1 >= 1 || own->beta2 >= 1)
        return ln_fail(err, LN_EINVALID, "adam: %s = %g; it must be below 1",
                       own->beta1 >= 1 ? "beta1" : "beta2",
                       own->beta1 >= 1 ? own->beta1 : own->beta2);
    return LN_OK;
}

/* `shrink` multiplies the weights, `decay` times the weights is added to the gradient. */
static void adam_update(const adam_params *own, float shrink, float decay, double rate,
                        int64_t step, float *weights, const float *gradient, float *const *state,
                        int64_t count)
{
    const float beta1 = (float)own->beta1, rest1 = (float)(1 - own->beta1);
    const float beta2 = (float)own->beta2, rest2 = (float)(1 - own->beta2);
    const float size = (float)(rate / (1 - pow(own->beta1, (double)step)));
    const float root = (float)sqrt(1 - pow(own->beta2, (double)step)), eps = (float)own->eps;
    float *first = state[0], *second = state[1];
    for (int64_t i = 0; i < count; i++) {
        float w = shrink * weights[i];
        float g = gradient[i] + decay * w;
        first[i] = beta1 * first[i] + rest1 * g;
        second[i] = beta2 * second[i] + rest2 * g * g;
        weights[i] = w - size * first[i] / (sqrtf(second[i]) / root + eps);
    }
}

static void adam_step(const void *params, double rate, int64_t step, float *weights,
                      const float *gradient, float *const *state, int64_t count)
{
    const adam_params *own = params;
    adam_update(own, 1, (float)own->weight_decay, rate, step, weights, gradient, state, count);
}

static void adamw_step(const void *params, double rate, int64_t step, float *weights,
                       const float *gradient, float *const *state, int64_t count)
{
    const adam_params *own = params;
    const float shrink = (float)(1 - rate * own->weight_decay);
    adam_update(own, shrink, 0, rate, step, weights, gradient, state, count);
}

/* ---------------------------------------------------------------- the table */

static const ln_optimizer sgd = {
    .word = {.name = "sgd",
             .summary = "stochastic gradient descent, with momentum where asked for",
             .formula = "v = momentum v + g; w -= lr v",
             .source = "PyTorch SGD",
             .params = sgd_list,
             .params_size = sizeof(sgd_params)},
    .state_slots = 1,
    .defaults = &sgd_defaults,
    .lr = sgd_lr,
    .check = check_sgd,
    .step = sgd_step,
};

static const ln_optimizer adam = {
    .word = {.name = "adam",
             .summary = "steps scaled by running means of gradients and their squares",
             .formula = "w -= lr m / (sqrt(v) + eps), m and v corrected for their start at 0",
             .source = "Kingma and Ba 2015; PyTorch Adam",
             .params = adam_list,
             .params_size = sizeof(adam_params)},
    .state_slots = 2,
    .defaults = &adam_defaults,
    .lr = adam_lr,
    .check = check_adam,
    .step = adam_step,
};

static const ln_optimizer adamw = {
    .word = {.name = "adamw",
             .summary = "adam with the weight decay apart from the gradient",
             .formula = "w -= lr weight_decay w + lr m / (sqrt(v) + eps)",
             .source = "Loshchilov and Hutter 2019; PyTorch AdamW",
             .params = adamw_list,
             .params_size = sizeof(adam_params)},
    .state_slots = 2,
    .defaults = &adamw_defaults,
    .lr = adam_lr,
    .check = check_adam,
    .step = adamw_step,
};

const ln_optimizer *const ln_optimizers[] = {&sgd, &adam, &adamw, NULL};

const ln_optimizer *ln_optimizer_find(const char *word)
{
    for (int i = 0; ln_optimizers[i]; i++) {
        if (strcmp(ln_optimizers[i]->word.name, word) == 0)
            return ln_optimizers[i];
    }
    return NULL;
}
