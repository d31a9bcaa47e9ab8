/* The game that Shapley values share out: its players are the groups of inputs, and a coalition S is
 * worth what the model says when only the players in S keep the row's values,
 *
 *   v(S) = mean over the references r of f_t(x on the inputs of S, r on all others)
 *
 * The references are the rows of the background, or the baseline alone. v(all) = f_t(x), and v(none)
 * is the mean over the references themselves, evaluated once for all rows where they share them.
 *
 * A network that begins with a dense layer is evaluated behind it, from sums of columns of its weights, and
 * one of dense layers alone without passes (common/factored.h); all else from whole rows.
 *
 * A coalition is a mask of `words` 64-bit words, player p being bit p % 64 of word p / 64. */
#ifndef LN_EXPLAINERS_GAME_H
#define LN_EXPLAINERS_GAME_H

#include "explainers/common/factored.h"
#include "explainers/common/groups.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

/* What its words take. `of` is their parameter struct, which has a field `tolerance`. */
#define LN_GAME_GROUPS                                                                             \
    {                                                                                              \
        .name = "groups", .type = LN_PARAM_GROUPS, .offset = LN_NO_OFFSET, .fallback = "nil",      \
        .help = "inputs that are one player; default: every input alone, a table's by column"      \
    }
#define LN_GAME_BACKGROUND                                                                         \
    {                                                                                              \
        .name = "background", .type = LN_PARAM_BACKGROUND, .offset = LN_NO_OFFSET,                 \
        .fallback = "nil",                                                                         \
        .help = "rows whose values replace the features left out, averaged over; default: 100 "    \
                "training rows, drawn"                                                             \
    }
#define LN_GAME_REFERENCES                                                                         \
    {.name = "background",                                                                         \
     .type = LN_PARAM_BACKGROUND,                                                                  \
     .offset = LN_NO_OFFSET,                                                                       \
     .fallback = "nil",                                                                            \
     .help = "rows whose values replace the features left out, averaged over; in place of a "      \
             "baseline"},                                                                          \
    {                                                                                              \
        .name = "baseline", .type = LN_PARAM_BASELINE, .offset = LN_NO_OFFSET, .fallback = "nil",  \
        .help = "what replaces them, in encoded space: one for all rows or one a row; default: 0 " \
                "where there is no background"                                                     \
    }
#define LN_GAME_TOLERANCE(of)                                                                      \
    {                                                                                              \
        .name = "tolerance", .type = LN_PARAM_REAL, .offset = offsetof(of, tolerance),             \
        .fallback = "1e-4", .min = 0, .max = HUGE_VAL,                                             \
        .help = "relative residual that verify lets pass"                                          \
    }

typedef struct ln_game {
    ln_groups groups;
    int64_t players;         /* the job's width */
    int64_t words;           /* of a mask */
    int64_t reference_count; /* rows a coalition is averaged over */
    ln_factored factored;    /* how rows are mixed, where the model begins with a dense layer */
    double *none; /* (outputs) v(none) of every output where all rows share it, or NULL */
} ln_game;

/* A worker's scratch for it. */
typedef struct ln_game_buffers {
    float *x;   /* (rows_per_pass, width of the model) */
    float *out; /* (rows_per_pass, outputs) */
    ln_factored_buffers factored;
} ln_game_buffers;

/* Sets the job's rows_per_pass and items_per_chunk too. `coalitions`: how many an item has evaluated
 * at once. Caller frees with ln_game_free, also after an error. */
ln_status ln_game_make(ln_job *job, int64_t coalitions, ln_game *game, ln_error *err);
void ln_game_free(ln_game *game);
ln_game_buffers ln_game_carve(const ln_job *job, const ln_game *game, ln_carver *carver);

/* v(none) of all rows, for the explainer's `start`. */
ln_status ln_game_start(const ln_job *job, ln_game *game, ln_runner *runner, int64_t *evaluations,
                        ln_error *err);
/* v(all) and v(none) of entry `entry` of the chunk, into its output and baseline_output. Comes before the
 * entry's ln_game_values. */
ln_status ln_game_ends(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                       const ln_game_buffers *at, int64_t entry, ln_error *err);
/* values[c] = v(masks[c]) for `count` masks. References one after the other, so that the sum over them has one order. */
ln_status ln_game_values(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                         const ln_game_buffers *at, int64_t entry, const uint64_t *masks,
                         int64_t count, double *values, ln_error *err);

/* Walks in place of coalitions, where the game's mixtures go through all layers, of the entry whose ends were the last:
 * each begins with nobody, and player[i] joins in row i; `walk` rows are one. values[i] = v(those who are there),
 * `count` <= LN_FACTORED_BLOCK. `masks`: the same coalitions, for who watches; else NULL. */
ln_status ln_game_walks(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                        const ln_game_buffers *at, int64_t entry, const int32_t *player,
                        const uint64_t *masks, int64_t walk, int64_t count, double *values,
                        ln_error *err);

/* Whether some reference differs from the row of the entry in an input of the player. */
bool ln_game_varies(const ln_job *job, const ln_game *game, int64_t row, int64_t player);

#endif
