/* Shapley interaction values: what pairs of features do only together, and what is left to each alone.
 *
 *   a_ij = I_ij / 2,  I_ij = sum over S without i, j of |S|! (M - |S| - 2)! / (M - 1)!
 *                            * (v(S + i + j) - v(S + i) - v(S + j) + v(S))
 *   a_ii = phi_i - sum over j of a_ij
 *
 * with M groups (without groups every input is one), v as common/game.h has it and phi their Shapley values.
 * The matrix is symmetric; each half has half of the interaction, as shap's have it, so that a row sums to
 * the feature's Shapley value and all to f_t(x) - v(none). Features that never vary get exactly 0.
 *
 * Coalitions are chosen as by kernel_shap with sampling "leverage" (common/coalitions.h): every size counts
 * the same in I. From them phi is fitted (common/kernel_regression.h) and I estimated
 * (common/pairwise.h); with all of them both are exact. phi reads how a coalition and its complement
 * differ, I what they have in common: their errors are added as those of independent estimates. With `stop`
 * as in kernel_shap. x (N, width) -> a (N, M * M). Cost: samples times the background's rows forward
 * passes a row. Draws are keyed by the row's number in the data set. Sources: Grabisch and Roubens
 * 1999; the halves: Lundberg, Erion and Lee 2018. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/game.h"
#include "explainers/common/kernel_regression.h"
#include "explainers/common/known.h"
#include "explainers/common/pairwise.h"
#include "explainers/common/request.h"
#include "explainers/common/stop.h"

#define ALL_SAMPLES (-1) /* samples = "all" */
#define ALL_MOST 20      /* features for which all coalitions are evaluated */
#define FEATURES_MOST 1024
#define FIRST_PAIRS 128 /* before the first look at the errors, and four a feature */

typedef struct shapley_interaction_params {
    int64_t samples;  /* coalitions a row; 0: 4 M + 2048 */
    double stop;      /* the greatest standard error that ends a row; NaN: none */
    double tolerance; /* relative residual that verify lets pass */
} shapley_interaction_params;

typedef struct shapley_interaction {
    ln_game game;
    int64_t capacity; /* pairs of coalitions a row */
    bool may_stop;
} shapley_interaction;

/* A worker's scratch. */
typedef struct buffers {
    ln_game_buffers game;
    ln_coalitions coalitions;
    ln_kernel_regression regression;
    ln_pairwise pairwise;
    ln_known known;  /* where rows may stop early */
    int64_t *player; /* (M) the features that vary */
    double *values;  /* (2 capacity) of the coalitions */
    double *phi;     /* (M) */
    double *error;   /* (M) of phi */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const shapley_interaction *shared = job->shared;
    int64_t players = shared->game.players, words = shared->game.words;
    buffers made = {.game = ln_game_carve(job, &shared->game, &carver)};
    made.coalitions = ln_coalitions_carve(players, words, shared->capacity, &carver);
    made.regression = ln_kernel_regression_carve(players, &carver);
    made.pairwise = ln_pairwise_carve(players, shared->capacity, &carver);
    if (shared->may_stop)
        made.known = ln_known_carve(players, words, shared->capacity, &carver);
    made.player = ln_carve(&carver, players, sizeof *made.player);
    made.values = ln_carve(&carver, 2 * shared->capacity, sizeof *made.values);
    made.phi = ln_carve(&carver, players, sizeof *made.phi);
    made.error = ln_carve(&carver, players, sizeof *made.error);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    shapley_interaction *shared = job->shared;
    ln_game_free(&shared->game);
    ln_free(shared);
}

static ln_status check(const ln_job *job, int64_t samples, ln_error *err)
{
    const int64_t players = job->width;
    const char *field = "samples";
    if (players > FEATURES_MOST) {
        ln_fail(err, LN_EINVALID,
                "the interactions of M features are M x M numbers a row, and here M is %" PRId64
                ": expected at most %d; put features together in groups",
                players, FEATURES_MOST);
        field = "groups";
    } else if (samples == ALL_SAMPLES && players > ALL_MOST) {
        ln_fail(err, LN_EINVALID,
                "\"all\" are 2^M coalitions of M features, and here M is %" PRId64
                ": expected at most %d; give a number, or put features together in groups",
                players, ALL_MOST);
    } else if (samples > 0 && samples < 4 * players && players > 1 &&
               samples / 2 < ln_coalitions_pairs(players, INT64_MAX)) {
        ln_fail(err, LN_EINVALID,
                "%" PRId64 " coalitions cannot tell the pairs of %" PRId64
                " features apart: expected at least 4M = %" PRId64,
                samples, players, 4 * players);
    } else {
        return LN_OK;
    }
    ln_error_field(err, field);
    return LN_EINVALID;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const shapley_interaction_params *params = job->request->params;
    const int64_t players = job->width;
    int64_t samples = params->samples;
    ln_status status = check(job, samples, err);
    if (status)
        return status;
    if (samples == 0)
        samples = 4 * players + 2048;
    shapley_interaction *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    shared->may_stop = params->stop > 0;
    shared->capacity = 0;
    if (players > 1)
        shared->capacity =
            ln_coalitions_pairs(players, samples == ALL_SAMPLES ? INT64_MAX : samples / 2);
    status = ln_game_make(job, 2 * shared->capacity, &shared->game, err);
    job->width = players * players;
    if (!status)
        carve(job, NULL, scratch_bytes);
    return status;
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    shapley_interaction *shared = job->shared;
    return ln_game_start(job, &shared->game, runner, evaluations, err);
}

/* Values of so many pairs of coalitions of `n` features, at least 2, and what they say. */
static ln_status estimate(const ln_job *job, ln_job_chunk *chunk, buffers *at, int64_t entry,
                          int64_t n, int64_t capacity, ln_error *err)
{
    const shapley_interaction *shared = job->shared;
    const ln_request *request = job->request;
    const int64_t row = request->items[chunk->first + entry].row;
    const double none = chunk->out->baseline_output[entry], all = chunk->out->output[entry];
    ln_rng rng = ln_rng_make(request->seed, "shapley_interaction", request->stream,
                             (uint64_t)request->row_ids[row]);
    ln_coalitions *coalitions = &at->coalitions;
    coalitions->capacity = capacity;
    ln_coalitions_choose(coalitions, at->player, n, LN_SAMPLING_LEVERAGE, &rng);
    ln_status status =
        shared->may_stop
            ? ln_known_values(job, &shared->game, chunk, &at->game, entry, coalitions, &at->known,
                              at->values, err)
            : ln_game_values(job, &shared->game, chunk, &at->game, entry, coalitions->masks,
                             2 * coalitions->pairs, at->values, err);
    if (status)
        return status;
    if (!ln_kernel_regression_solve(&at->regression, coalitions, at->player, n, at->values,
                                    all - none, at->phi, at->error)) {
        ln_fail(err, LN_EINVALID,
                "the coalitions drawn for row %" PRId64
                " do not tell its features apart: raise samples",
                ln_request_row(request, row));
        ln_error_field(err, "samples");
        return LN_EINVALID;
    }
    ln_pairwise_estimate(&at->pairwise, coalitions, at->player, n, at->values, none, all);
    for (int64_t i = 0; i < n; i++)
        at->pairwise.error[i * n + i] = 2 * hypot(at->error[i], at->pairwise.error[i * n + i] / 2);
    return LN_OK;
}

/* The estimates to their places: half an interaction on each side of the diagonal. */
static void settle(const buffers *at, int64_t n, int64_t players, float *values, float *errors)
{
    const ln_pairwise *pairwise = &at->pairwise;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t place = at->player[i] * players + at->player[j];
            const double half = pairwise->value[i * n + j] / 2;
            values[place] = (float)(i == j ? at->phi[i] - half : half);
            errors[place] = (float)(pairwise->error[i * n + j] / 2);
        }
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    buffers made = carve(job, chunk->scratch, NULL), *at = &made;
    const shapley_interaction *shared = job->shared;
    const shapley_interaction_params *params = job->request->params;
    const int64_t row = job->request->items[chunk->first + entry].row;
    const int64_t players = shared->game.players;
    float *values = chunk->out->values + entry * job->width;
    float *errors = chunk->out->errors + entry * job->width;
    int64_t n = 0, capacity = 0;
    for (int64_t g = 0; g < players; g++)
        if (ln_game_varies(job, &shared->game, row, g))
            at->player[n++] = g;
    ln_status status = ln_game_ends(job, &shared->game, chunk, &at->game, entry, err);
    if (status || n == 0)
        return status;
    if (n == 1) {
        values[at->player[0] * (players + 1)] =
            (float)(chunk->out->output[entry] - chunk->out->baseline_output[entry]);
        return LN_OK;
    }
    const int64_t most = ln_coalitions_pairs(n, shared->capacity);
    if (shared->may_stop)
        ln_known_clear(&at->known);
    do {
        capacity = ln_stop_next(params->stop, capacity, FIRST_PAIRS + 4 * n, most);
        status = estimate(job, chunk, at, entry, n, capacity, err);
        if (status)
            return status;
        /* Errors of twice the values. */
    } while (capacity < most && !ln_stop_holds(2 * params->stop, at->pairwise.error, NULL, n * n));
    settle(at, n, players, values, errors);
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(shapley_interaction_params, samples),
     .fallback = "nil",
     .min = 2,
     .max = 1e9,
     .choices = "all",
     .help = "coalitions a row, without none and all; \"all\": up to 20 features; default: 4M + "
             "2048 for M features, which are all of 11"},
    LN_STOP(shapley_interaction_params),
    LN_GAME_GROUPS,
    LN_GAME_REFERENCES,
    LN_GAME_TOLERANCE(shapley_interaction_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_shapley_interaction = {
    .word =
        {
            .name = "shapley_interaction",
            .summary = "what pairs of features do only together: Shapley interaction values",
            .formula = "a_ij = sum over S without i, j of |S|! (M - |S| - 2)! / (2 (M - 1)!) * "
                       "(v(S + i + j) - v(S + i) - v(S + j) + v(S)),  a_ii = phi_i - sum of a_ij",
            .source = "Grabisch and Roubens 1999, An Axiomatic Approach to the Concept of "
                      "Interaction among Players in Cooperative Games; Lundberg, Erion and Lee "
                      "2018, arXiv:1802.03888",
            .params = params,
            .params_size = sizeof(shapley_interaction_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_COMPLETE |
             LN_RANDOM | LN_HAS_ERRORS | LN_OF_PAIRS,
    .version = 2,
    .tolerance = 1e-4,
    .cost = "samples forward passes a row (times the rows of the background)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .explain = explain,
};
