/* Counter-based random numbers (Philox4x32-10; Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). A draw is a pure function of (seed, purpose, stream, row, position), so it
 * does not depend on threads, batches or on what else was drawn.
 *
 * Explainers key their draws by (seed, their word, stream, row of the data set); everything else
 * by (seed, purpose such as "shuffle" or "initialise", number). */
#ifndef LN_BASE_RNG_H
#define LN_BASE_RNG_H

#include "lunette.h"

typedef struct ln_rng {
    uint32_t key[2];     /* from seed, purpose and stream */
    uint32_t counter[4]; /* [0..1] position, [2..3] row */
    uint32_t block[4];   /* the current four numbers */
    unsigned used;       /* how many of them are taken, 4 = none left */
} ln_rng;

/* `purpose` is hashed; `row` is any 64-bit number (row of the data set, epoch, draw ...). */
ln_rng ln_rng_make(uint64_t seed, const char *purpose, uint64_t stream, uint64_t row);

/* Draws of the same key that are others than its own: part 1 .. 2^32 - 1, each of 2^34 numbers. */
ln_rng ln_rng_part(const ln_rng *rng, uint32_t part);

uint32_t ln_rng_u32(ln_rng *rng);
void ln_rng_words(ln_rng *rng, uint32_t *words,
                  int64_t count);      /* that many of ln_rng_u32, sooner */
double ln_rng_uniform(ln_rng *rng);    /* [0, 1), 53 bits */
float ln_rng_uniform_f32(ln_rng *rng); /* [0, 1), 24 bits */
double ln_rng_normal(ln_rng *rng);     /* mean 0, deviation 1 (Box-Muller, one of two) */
uint64_t ln_rng_below(ln_rng *rng, uint64_t bound); /* [0, bound), unbiased; bound >= 1 */
void ln_rng_shuffle(ln_rng *rng, int64_t *items, size_t count); /* Fisher-Yates */

/* The ten-round block function itself, for tests against the published vectors. */
void ln_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
