/* Schedules: the learning rate of an epoch, in closed form, so that it depends on nothing but the
 * epoch (from 0). PyTorch's StepLR, ExponentialLR and CosineAnnealingLR, stepped once an epoch. */
#include "train/train.h"

#include <math.h>
#include <string.h>

typedef struct step_params {
    int64_t step_size; /* epochs between two changes */
    double gamma;      /* factor of a change */
} step_params;

static const ln_param step_list[] = {
    {.name = "step_size",
     .type = LN_PARAM_INT,
     .offset = offsetof(step_params, step_size),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = HUGE_VAL,
     .position = 1,
     .help = "epochs between two changes"},
    {.name = "gamma",
     .type = LN_PARAM_REAL,
     .offset = offsetof(step_params, gamma),
     .fallback = "0.1",
     .min = 0,
     .max = HUGE_VAL,
     .help = "factor of each change"},
    LN_PARAM_END,
};

static double step_lr(const void *params, double base, int64_t epoch, int64_t epochs)
{
    const step_params *own = params;
    (void)epochs;
    return base * pow(own->gamma, (double)(epoch / own->step_size));
}

typedef struct exponential_params {
    double gamma; /* factor an epoch */
} exponential_params;

static const ln_param exponential_list[] = {
    {.name = "gamma",
     .type = LN_PARAM_REAL,
     .offset = offsetof(exponential_params, gamma),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = HUGE_VAL,
     .position = 1,
     .help = "factor of each epoch"},
    LN_PARAM_END,
};

static double exponential_lr(const void *params, double base, int64_t epoch, int64_t epochs)
{
    (void)epochs;
    return base * pow(((const exponential_params *)params)->gamma, (double)epoch);
}

typedef struct cosine_params {
    int64_t t_max;  /* epochs from the base rate down to eta_min; 0: all epochs */
    double eta_min; /* the lowest rate */
} cosine_params;

static const cosine_params cosine_defaults = {0, 0};

static const ln_param cosine_list[] = {
    {.name = "t_max",
     .type = LN_PARAM_INT,
     .offset = offsetof(cosine_params, t_max),
     .fallback = "nil",
     .min = 1,
     .max = HUGE_VAL,
     .position = 1,
     .help = "epochs from the base rate down to eta_min; without it, all epochs"},
    {.name = "eta_min",
     .type = LN_PARAM_REAL,
     .offset = offsetof(cosine_params, eta_min),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .help = "the lowest learning rate"},
    LN_PARAM_END,
};

static double cosine_annealing_lr(const void *params, double base, int64_t epoch, int64_t epochs)
{
    const cosine_params *own = params;
    const double length = (double)(own->t_max > 0 ? own->t_max : epochs);
    const double pi = 3.14159265358979323846;
    return own->eta_min + (base - own->eta_min) * (1 + cos(pi * (double)epoch / length)) / 2;
}

static const ln_schedule step_schedule = {
    .word = {.name = "step_lr",
             .summary = "the learning rate times gamma every step_size epochs",
             .formula = "lr gamma^floor(epoch / step_size)",
             .source = "PyTorch StepLR",
             .params = step_list,
             .params_size = sizeof(step_params)},
    .lr = step_lr,
};

static const ln_schedule exponential_schedule = {
    .word = {.name = "exponential_lr",
             .summary = "the learning rate times gamma every epoch",
             .formula = "lr gamma^epoch",
             .source = "PyTorch ExponentialLR",
             .params = exponential_list,
             .params_size = sizeof(exponential_params)},
    .lr = exponential_lr,
};

static const ln_schedule cosine_schedule = {
    .word = {.name = "cosine_annealing_lr",
             .summary = "the learning rate down to eta_min along half a cosine",
             .formula = "eta_min + (lr - eta_min) (1 + cos(pi epoch / t_max)) / 2",
             .source = "Loshchilov and Hutter 2017; PyTorch CosineAnnealingLR",
             .params = cosine_list,
             .params_size = sizeof(cosine_params)},
    .defaults = &cosine_defaults,
    .lr = cosine_annealing_lr,
};

const ln_schedule *const ln_schedules[] = {&step_schedule, &exponential_schedule, &cosine_schedule,
                                           NULL};

const ln_schedule *ln_schedule_find(const char *word)
{
    for (int i = 0; ln_schedules[i]; i++) {
        if (strcmp(ln_schedules[i]->word.name, word) == 0)
            return ln_schedules[i];
    }
    return NULL;
}
