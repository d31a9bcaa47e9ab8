/* Kernel SHAP: Shapley values as the weighted least squares fit of an additive function to what
 * coalitions are worth.
 *
 *   phi = the minimum of sum over S of pi(S) * (v(S) - v(none) - sum of phi over S)^2,
 *         pi(S) = (M - 1) / (binomial(M, |S|) |S| (M - |S|)),  with sum(phi) = v(all) - v(none)
 *
 * v as common/game.h has it; which coalitions are evaluated says common/coalitions.h, the fit is
 * common/kernel_regression.h. Features that never vary (the row and all references agree in all
 * their inputs) are left out and get exactly 0. With all coalitions the fit is the Shapley values;
 * with fewer it comes with standard errors. The sum is exact at any rate. `l1` and `features` keep
 * the features that a sparse fit keeps (common/kernel_selection.h), the others get 0 and have no error; where
 * none is kept all are 0, and the residual says so. x (N, width) -> a (N, M).
 * With `stop` a row chooses few coalitions first, then half as many again, until its errors are small;
 * those evaluated already are not evaluated again (common/known.h). Cost: samples times the
 * background's rows forward passes a row. Draws are keyed by the row's number
 * in the data set: an item does not depend on its neighbours. Sources: Lundberg and Lee 2017; paired
 * sampling and elimination: Covert and Lee 2021; leverage: Musco and Witter 2025. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/game.h"
#include "explainers/common/kernel_regression.h"
#include "explainers/common/kernel_selection.h"
#include "explainers/common/known.h"
#include "explainers/common/request.h"
#include "explainers/common/stop.h"

#define ALL_SAMPLES (-1) /* samples = "all" */
#define ALL_MOST 20      /* features for which all coalitions are evaluated */
#define FIRST_PAIRS 128  /* before the first look at the errors, and two a feature */

#define L1_CHOICES "aic|bic" /* stored as L1_AIC, L1_BIC */
#define L1_AIC (-1)
#define L1_BIC (-2)

typedef struct kernel_shap_params {
    int64_t samples;  /* coalitions a row; 0: 2 M + 2048 */
    int sampling;     /* ln_sampling */
    double l1;        /* penalty; 0: none, L1_AIC, L1_BIC */
    int64_t features; /* that are kept at most; 0: all */
    double stop;      /* the greatest standard error that ends a row; NaN: none */
    double tolerance; /* relative residual that verify lets pass */
} kernel_shap_params;

typedef struct kernel_shap {
    ln_game game;
    int64_t capacity; /* pairs of coalitions a row */
    ln_selection_rule rule;
    double amount; /* of the rule */
} kernel_shap;

/* A worker's scratch. */
typedef struct buffers {
    ln_game_buffers game;
    ln_coalitions coalitions;
    ln_kernel_regression regression;
    ln_kernel_selection selection; /* where there is a rule */
    ln_known known;                /* where rows may stop early */
    int64_t *kept;                 /* (M) the features that stay */
    int64_t *player;               /* (M) the features that vary */
    double *values;                /* (2 capacity) of the coalitions */
    double *phi;                   /* (M) */
    double *error;                 /* (M) */
} buffers;

static bool may_stop_early(const ln_job *job)
{
    const kernel_shap_params *params = job->request->params;
    return params->stop > 0;
}

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const kernel_shap *shared = job->shared;
    int64_t players = job->width, words = shared->game.words, capacity = shared->capacity;
    buffers made = {.game = ln_game_carve(job, &shared->game, &carver)};
    made.coalitions = ln_coalitions_carve(players, words, capacity, &carver);
    made.regression = ln_kernel_regression_carve(players, &carver);
    if (shared->rule != LN_KEEP_ALL)
        made.selection = ln_kernel_selection_carve(players, &carver);
    if (may_stop_early(job))
        made.known = ln_known_carve(players, words, capacity, &carver);
    made.kept = ln_carve(&carver, players, sizeof *made.kept);
    made.player = ln_carve(&carver, players, sizeof *made.player);
    made.values = ln_carve(&carver, 2 * capacity, sizeof *made.values);
    made.phi = ln_carve(&carver, players, sizeof *made.phi);
    made.error = ln_carve(&carver, players, sizeof *made.error);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    kernel_shap *shared = job->shared;
    ln_game_free(&shared->game);
    ln_free(shared);
}

static ln_status fail_samples(ln_error *err, int64_t samples, int64_t players)
{
    if (samples == ALL_SAMPLES)
        ln_fail(err, LN_EINVALID,
                "\"all\" are 2^M coalitions of M features, and here M is %" PRId64
                ": expected at most %d; give a number, or put features together in groups",
                players, ALL_MOST);
    else
        ln_fail(err, LN_EINVALID,
                "%" PRId64 " coalitions cannot tell %" PRId64
                " features apart: expected at least 2M = %" PRId64,
                samples, players, 2 * players);
    ln_error_field(err, "samples");
    return LN_EINVALID;
}

static ln_status choose_rule(const kernel_shap_params *params, kernel_shap *shared, ln_error *err)
{
    if (params->l1 != 0 && params->features > 0) {
        ln_fail(err, LN_EINVALID,
                "l1 chooses features, and so does features = %" PRId64 ": expected one of them",
                params->features);
        ln_error_field(err, "features");
        return LN_EINVALID;
    }
    shared->rule = params->features > 0   ? LN_KEEP_COUNT
                   : params->l1 == L1_AIC ? LN_KEEP_AIC
                   : params->l1 == L1_BIC ? LN_KEEP_BIC
                   : params->l1 > 0       ? LN_KEEP_PENALTY
                                          : LN_KEEP_ALL;
    shared->amount = params->features > 0 ? (double)params->features : params->l1;
    return LN_OK;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const kernel_shap_params *params = job->request->params;
    int64_t players = job->width, samples = params->samples;
    if (samples == ALL_SAMPLES ? players > ALL_MOST
                               : samples > 0 && samples < 2 * players && players > 1 &&
                                     samples / 2 < ln_coalitions_pairs(players, INT64_MAX))
        return fail_samples(err, samples, players);
    if (samples == 0)
        samples = 2 * players + 2048;
    kernel_shap *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    shared->capacity =
        ln_coalitions_pairs(players, samples == ALL_SAMPLES ? INT64_MAX : samples / 2);
    ln_status status = choose_rule(params, shared, err);
    if (!status)
        status = ln_game_make(job, 2 * shared->capacity, &shared->game, err);
    if (!status)
        carve(job, NULL, scratch_bytes);
    return status;
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    kernel_shap *shared = job->shared;
    return ln_game_start(job, &shared->game, runner, evaluations, err);
}

/* The features that vary. */
static int64_t list_players(const ln_job *job, int64_t row, const buffers *at)
{
    const kernel_shap *shared = job->shared;
    int64_t varying = 0;
    for (int64_t g = 0; g < job->width; g++)
        if (ln_game_varies(job, &shared->game, row, g))
            at->player[varying++] = g;
    return varying;
}

/* Coalitions of them, at most `capacity` pairs. */
static void choose(const ln_job *job, int64_t row, int64_t varying, int64_t capacity, buffers *at)
{
    const ln_request *request = job->request;
    const kernel_shap_params *params = request->params;
    at->coalitions.pairs = 0;
    if (varying < 2)
        return;
    ln_rng rng =
        ln_rng_make(request->seed, "kernel_shap", request->stream, (uint64_t)request->row_ids[row]);
    at->coalitions.capacity = capacity;
    ln_coalitions_choose(&at->coalitions, at->player, varying, (ln_sampling)params->sampling, &rng);
}

/* The values of the coalitions chosen; where they may be known, of those that are not. */
static ln_status evaluate(const ln_job *job, ln_job_chunk *chunk, buffers *at, int64_t entry,
                          ln_error *err)
{
    const ln_game *game = &((const kernel_shap *)job->shared)->game;
    if (!may_stop_early(job))
        return ln_game_values(job, game, chunk, &at->game, entry, at->coalitions.masks,
                              2 * at->coalitions.pairs, at->values, err);
    return ln_known_values(job, game, chunk, &at->game, entry, &at->coalitions, &at->known,
                           at->values, err);
}

static ln_status fail_row(const ln_request *request, int64_t row, const char *field,
                          const char *what, ln_error *err)
{
    ln_fail(err, LN_EINVALID, "the coalitions drawn for row %" PRId64 " %s: raise samples",
            ln_request_row(request, row), what);
    ln_error_field(err, field);
    return LN_EINVALID;
}

/* The features that stay, into at->kept: of those that vary what the rule keeps. */
static int64_t keep(const kernel_shap *shared, const ln_job_chunk *chunk, buffers *at,
                    int64_t entry, int64_t varying)
{
    const double none = chunk->out->baseline_output[entry];
    if (shared->rule != LN_KEEP_ALL && varying > 1)
        return ln_kernel_selection_choose(&at->selection, &at->coalitions, at->player, varying,
                                          at->values, none, chunk->out->output[entry] - none,
                                          shared->rule, shared->amount, at->kept);
    memcpy(at->kept, at->player, (size_t)varying * sizeof *at->kept);
    return varying;
}

/* The fit to at->values: kept features, phi and error. `last`: no more coalitions can be had. Without it
 * *kept is -1 where they say too little. */
static ln_status fit(const ln_job *job, ln_job_chunk *chunk, buffers *at, int64_t entry,
                     int64_t varying, bool last, int64_t *kept, ln_error *err)
{
    const ln_request *request = job->request;
    const int64_t row = request->items[chunk->first + entry].row;
    const double change = chunk->out->output[entry] - chunk->out->baseline_output[entry];
    *kept = keep(job->shared, chunk, at, entry, varying);
    if (*kept < 0)
        return last ? fail_row(request, row, "l1", "are too few to tell what noise is", err)
                    : LN_OK;
    if (*kept == 1) {
        at->phi[0] = change;
        at->error[0] = 0;
    } else if (*kept > 1 &&
               !ln_kernel_regression_solve(&at->regression, &at->coalitions, at->kept, *kept,
                                           at->values, change, at->phi, at->error)) {
        *kept = -1;
        return last ? fail_row(request, row, "samples", "do not tell its features apart", err)
                    : LN_OK;
    }
    return LN_OK;
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    buffers made = carve(job, chunk->scratch, NULL), *at = &made;
    const kernel_shap *shared = job->shared;
    const kernel_shap_params *params = job->request->params;
    const int64_t row = job->request->items[chunk->first + entry].row;
    const int64_t varying = list_players(job, row, at);
    const int64_t most = varying > 1 ? ln_coalitions_pairs(varying, shared->capacity) : 0;
    float *values = chunk->out->values + entry * job->width;
    float *errors = chunk->out->errors + entry * job->width;
    int64_t kept = -1, capacity = 0;
    ln_status status = ln_game_ends(job, &shared->game, chunk, &at->game, entry, err);
    if (may_stop_early(job))
        ln_known_clear(&at->known);
    do {
        capacity = ln_stop_next(params->stop, capacity, FIRST_PAIRS + 2 * varying, most);
        choose(job, row, varying, capacity, at);
        if (!status)
            status = evaluate(job, chunk, at, entry, err);
        if (!status)
            status = fit(job, chunk, at, entry, varying, capacity == most, &kept, err);
        if (status)
            return status;
    } while (capacity < most && !(kept > 0 && ln_stop_holds(params->stop, at->error, NULL, kept)));
    for (int64_t i = 0; i < varying; i++)
        errors[at->player[i]] = NAN; /* of what was not kept */
    for (int64_t i = 0; i < kept; i++) {
        values[at->kept[i]] = (float)at->phi[i];
        errors[at->kept[i]] = (float)at->error[i];
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(kernel_shap_params, samples),
     .fallback = "nil",
     .min = 2,
     .max = 1e9,
     .choices = "all",
     .help = "coalitions a row, without none and all; default: 2M + 2048 for M features"},
    {.name = "sampling",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(kernel_shap_params, sampling),
     .fallback = "\"paired\"",
     .choices = LN_SAMPLING_CHOICES,
     .help = "how they are laid out over the sizes: as the kernel weighs them, or evenly"},
    {.name = "l1",
     .type = LN_PARAM_REAL,
     .offset = offsetof(kernel_shap_params, l1),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .choices = L1_CHOICES,
     .help =
         "keep the features that a lasso of this penalty keeps, or of the one that has the least "
         "AIC or BIC; 0: all"},
    {.name = "features",
     .type = LN_PARAM_INT,
     .offset = offsetof(kernel_shap_params, features),
     .fallback = "nil",
     .min = 1,
     .max = 1e9,
     .help = "keep so many features, the first of least angle regression; default: all"},
    LN_STOP(kernel_shap_params),
    LN_GAME_GROUPS,
    LN_GAME_REFERENCES,
    LN_GAME_TOLERANCE(kernel_shap_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_kernel_shap = {
    .word =
        {
            .name = "kernel_shap",
            .summary = "weighted least squares fit of Shapley values to sampled coalitions",
            .formula = "phi = argmin sum over S of (M - 1) / (binomial(M, |S|) |S| (M - |S|)) * "
                       "(v(S) - v(none) - sum of phi over S)^2, sum of phi = v(all) - v(none)",
            .source =
                "Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, "
                "arXiv:1705.07874; Covert and Lee 2021, arXiv:2012.01536; Musco and Witter "
                "2025, arXiv:2410.01917",
            .params = params,
            .params_size = sizeof(kernel_shap_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_COMPLETE |
             LN_RANDOM | LN_HAS_ERRORS,
    .version = 5,
    .tolerance = 1e-4,
    .cost = "samples forward passes a row (times the rows of the background)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .explain = explain,
};
