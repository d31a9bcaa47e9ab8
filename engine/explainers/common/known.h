/* Coalitions whose values are known, for rows that take more of them where those they have do not suffice
 * (kernel_shap with `stop`). Pairs as common/coalitions.h chooses them: a larger choice, drawn with the
 * same numbers, has the pairs of a smaller one but for what rounds otherwise, so that little more is
 * evaluated than had been asked for at once. */
#ifndef LN_EXPLAINERS_KNOWN_H
#define LN_EXPLAINERS_KNOWN_H

#include "explainers/common/coalitions.h"
#include "explainers/common/game.h"

typedef struct ln_known {
    int64_t words, capacity; /* of a mask; pairs that the arrays hold */
    int64_t pairs;           /* that are known */
    uint64_t *masks;         /* (2 capacity, words) */
    double *values;          /* (2 capacity) */
    int32_t *slots;          /* (ln_coalitions_slots(capacity)) hash table of the pairs, -1: free */
} ln_known;

/* Room for all choices of a row up to `most` pairs of `players`, each ln_stop_next of the one before. */
ln_known ln_known_carve(int64_t players, int64_t words, int64_t most, ln_carver *carver);
void ln_known_clear(ln_known *known);
/* ln_game_values of a choice, (2 pairs): those that are not known are evaluated, and remembered. */
ln_status ln_known_values(const ln_job *job, const ln_game *game, ln_job_chunk *chunk,
                          const ln_game_buffers *at, int64_t entry, const ln_coalitions *coalitions,
                          ln_known *known, double *values, ln_error *err);

#endif
