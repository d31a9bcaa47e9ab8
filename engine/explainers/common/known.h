/* Coalitions whose values are known, for rows that take more of them where those they have do not suffice
 * (kernel_shap with `stop`). Pairs as common/coalitions.h chooses them: a larger choice, drawn with the
 * same numbers, has the pairs of a smaller one but for what rounds otherwise, so that little more is
 * evaluated than had been asked for at once. */
#ifndef LN_EXPLAINERS_KNOWN_H
#define LN_EXPLAINERS_KNOWN_H

#include "explainers/common/coalitions.h"
#include "explainers/common/passes.h"

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
/* Puts the pairs of a choice that are not known behind those that are, their values to be filled in: from
 * known->masks + 2 * words * known->pairs on. Returns how many; the caller adds them to known->pairs. */
int64_t ln_known_add(ln_known *known, const ln_coalitions *coalitions);
/* The values of a choice whose pairs are all known: (2 pairs). */
void ln_known_values(const ln_known *known, const ln_coalitions *coalitions, double *values);

#endif
