/* Shapley values by their definition: the only way to share f_t(x) - v(none) out among the features
 * that is efficient, symmetric, additive and gives nothing to a feature without effect.
 *
 *   a_g = sum over S without g of |S|! (M - |S| - 1)! / M! * (v(S + g) - v(S))
 *
 * with M groups (without groups every input is one) and v as common/game.h has it: what is not in S
 * comes from the baseline, or from each background row in turn, averaged. x (N, width) -> a (N, M).
 * Cost: 2^M coalitions, each once, times the background's rows; that is why M is at most 20. They are
 * walked in Gray-code order, one group changing at a time. Weighted differences are summed in float64
 * in the order of S, so a group that changes nothing gets exactly 0, and the sum differs from
 * f_t(x) - v(none) by rounding alone. Source: Shapley 1953; for models Strumbelj and Kononenko 2010. */
#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/game.h"

#define MOST_GROUPS 20
#define BLOCK 1024 /* coalitions evaluated at once */

typedef struct shapley_exact_params {
    double tolerance; /* relative residual that verify lets pass */
} shapley_exact_params;

/* A worker's scratch. */
typedef struct buffers {
    ln_game_buffers game;
    uint64_t *masks; /* (BLOCK) */
    double *block;   /* (BLOCK) their values */
    double *value;   /* (2^M) by mask */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    buffers made = {.game = ln_game_carve(job, job->shared, &carver)};
    made.masks = ln_carve(&carver, BLOCK, sizeof *made.masks);
    made.block = ln_carve(&carver, BLOCK, sizeof *made.block);
    made.value = ln_carve(&carver, (int64_t)1 << job->width, sizeof *made.value);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    ln_game_free(job->shared);
    ln_free(job->shared);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    if (job->width > MOST_GROUPS) {
        ln_fail(err, LN_EINVALID,
                "shapley_exact evaluates all 2^M coalitions of M features, and here M is %" PRId64
                ": expected at most %d; put features together in groups, or "
                "take kernel_shap",
                job->width, MOST_GROUPS);
        ln_error_field(err, "groups");
        return LN_EINVALID;
    }
    ln_game *game = ln_calloc(1, sizeof *game);
    if (!game)
        return ln_fail_memory(err, sizeof *game);
    job->shared = game;
    int64_t coalitions = (int64_t)1 << job->width;
    ln_status status = ln_game_make(job, coalitions < BLOCK ? coalitions : BLOCK, game, err);
    if (!status)
        carve(job, NULL, scratch_bytes);
    return status;
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    return ln_game_start(job, job->shared, runner, evaluations, err);
}

/* The value of every coalition of an item, by mask. */
static ln_status evaluate(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                          ln_error *err)
{
    const ln_game *game = job->shared;
    uint64_t all = ((uint64_t)1 << job->width) - 1;
    ln_status status = ln_game_ends(job, game, chunk, &at->game, entry, err);
    at->value[0] = chunk->out->baseline_output[entry];
    at->value[all] = chunk->out->output[entry];
    for (uint64_t k = 1; k <= all && !status;) {
        int64_t count = 0;
        for (; k <= all && count < BLOCK; k++)
            if ((k ^ k >> 1) != all)
                at->masks[count++] = k ^ k >> 1;
        status =
            ln_game_values(job, game, chunk, &at->game, entry, at->masks, count, at->block, err);
        for (int64_t c = 0; c < count; c++)
            at->value[at->masks[c]] = at->block[c];
    }
    return status;
}

static void share_out(int64_t players, const double *value, float *values)
{
    double weight[MOST_GROUPS]; /* of a coalition of s others: 1 / (M * binomial(M - 1, s)) */
    double binomial = 1;
    for (int64_t s = 0; s < players; s++) {
        weight[s] = 1 / ((double)players * binomial);
        binomial = binomial * (double)(players - 1 - s) / (double)(s + 1);
    }
    for (int64_t g = 0; g < players; g++) {
        uint64_t bit = (uint64_t)1 << g, all = ((uint64_t)1 << players) - 1;
        double sum = 0;
        for (uint64_t mask = 0; mask <= all; mask++)
            if (!(mask & bit))
                sum += weight[__builtin_popcountll(mask)] * (value[mask | bit] - value[mask]);
        values[g] = (float)sum;
    }
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = evaluate(job, chunk, &at, entry, err);
    if (!status)
        share_out(job->width, at.value, chunk->out->values + entry * job->width);
    return status;
}

static const ln_param params[] = {
    {.name = "groups",
     .type = LN_PARAM_GROUPS,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "inputs that are one player; default: every input alone, a table's by column; at most "
             "20"},
    LN_GAME_REFERENCES,
    LN_GAME_TOLERANCE(shapley_exact_params),
    LN_PARAM_END,
};

const ln_explainer ln_explainer_shapley_exact = {
    .word =
        {
            .name = "shapley_exact",
            .summary = "exact Shapley values, from all coalitions of at most 20 features",
            .formula = "a_g = sum over S without g of |S|! (M - |S| - 1)! / M! * (v(S + g) - v(S))",
            .source = "Shapley 1953, A Value for n-Person Games; Strumbelj and Kononenko 2010, An "
                      "Efficient Explanation of Individual Classifications using Game Theory",
            .params = params,
            .params_size = sizeof(shapley_exact_params),
        },
    .flags = LN_WATCHED | LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_COMPLETE,
    .version = 4,
    .tolerance = 1e-4,
    .cost = "2^features forward passes a row (times the rows of the background)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .explain = explain,
};
