/* Which coalitions of a game are evaluated when all of them are too many, for regressions with the
 * Shapley kernel. Coalitions come in pairs, S and all players outside S, so that both ends of a
 * feature's range weigh the same. The pairs of the sizes (s, n - s) are a layer; the kernel gives a
 * layer the weight W_s ~ (n - 1) / (s (n - s)), halved where both sizes are the same.
 *
 * The budget is laid out over the layers by W_s ("paired": Lundberg and Lee 2017) or evenly over the
 * sizes ("leverage": Musco and Witter 2025, where the leverage of a coalition depends on its size
 * alone). Layers that get as many pairs as they have are enumerated, outward from s = 1; in all
 * others different pairs are drawn. How many is settled before, not drawn: a layer's share of the
 * budget is rounded so that its expectation is the share itself. A pair counts for W_s / share, which
 * makes every sum over the drawn pairs unbiased. A layer's draws are its own: with a larger budget the
 * same row draws the same pairs first. Both differ from the papers (numbers a size drawn,
 * repetitions in "paired") by less variance. */
#ifndef LN_EXPLAINERS_COALITIONS_H
#define LN_EXPLAINERS_COALITIONS_H

#include "base/rng.h"
#include "explainers/common/passes.h"

typedef enum ln_sampling { LN_SAMPLING_PAIRED, LN_SAMPLING_LEVERAGE } ln_sampling;
#define LN_SAMPLING_CHOICES "paired|leverage" /* in the order of ln_sampling */

/* All arrays are the caller's, as ln_coalitions_carve cuts them. */
typedef struct ln_coalitions {
    int64_t words;         /* 64-bit words of a mask */
    int64_t capacity;      /* pairs that the arrays hold */
    uint64_t *masks;       /* (2 capacity, words): the two of a pair side by side, the first without
                              the last player */
    double *weight;        /* (capacity) of each of the two; all together 1 in expectation */
    double *unseen;        /* (capacity) share of the pair's layer that is not evaluated, 0 .. 1 */
    int32_t *layer;        /* (capacity) the smaller size of the pair's layer; ascending */
    int32_t *slots;        /* (ln_coalitions_slots(capacity)) */
    int64_t *chosen;       /* (players) */
    int64_t pairs;         /* that there are */
    int64_t pairs_in_full; /* the first of them, from layers that are enumerated */
} ln_coalitions;

ln_coalitions ln_coalitions_carve(int64_t players, int64_t words, int64_t capacity,
                                  ln_carver *carver);
/* Entries of `slots`: a power of two. */
int64_t ln_coalitions_slots(int64_t capacity);
/* 2^(n - 1) - 1, or `most` where that is less. */
int64_t ln_coalitions_pairs(int64_t players, int64_t most);
uint64_t ln_coalitions_hash(const uint64_t *mask, int64_t words);
/* Chooses up to `capacity` pairs among `count` players, at least 1; player i is bit player[i]. */
void ln_coalitions_choose(ln_coalitions *coalitions, const int64_t *player, int64_t count,
                          ln_sampling sampling, ln_rng *rng);

#endif
