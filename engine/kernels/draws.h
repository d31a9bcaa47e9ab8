/* Many draws at once: what ln_rng_normal makes of a generator one by one (base/rng.h), up to rounding. Compiled
 * once an instruction set, without fused operations: the same bits in all of them. */
#ifndef LN_KERNELS_DRAWS_H
#define LN_KERNELS_DRAWS_H

#include "base/rng.h"

typedef struct ln_draw_kernels {
    void (*normals)(const ln_rng *rng, int64_t count,
                    double *out); /* the generator stays where it is */
    void (*words)(const ln_rng *rng, int64_t blocks,
                  uint32_t *out); /* (blocks, 4), the same; exactly the generator's */
} ln_draw_kernels;

extern const ln_draw_kernels ln_draws_baseline;
#ifdef __x86_64__
extern const ln_draw_kernels ln_draws_avx2, ln_draws_avx512;
#endif

/* The next `count` normal draws of a generator that has taken whole blocks (as they do). */
void ln_draw_normals(ln_rng *rng, int64_t count, double *out);

/* ln_rng_words, in registers: worth it for some hundreds. */
void ln_draw_words(ln_rng *rng, int64_t count, uint32_t *words);

#endif
