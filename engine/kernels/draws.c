#include "kernels/draws.h"
#include "kernels/choose.h"

#include <assert.h>

/* This machine's. */
static const ln_draw_kernels *choose(void)
{
    return LN_CHOOSE(ln_draws);
}

/* The generator has taken `blocks` more. */
static void advance(ln_rng *rng, int64_t blocks)
{
    const uint64_t position =
        (rng->counter[0] | (uint64_t)rng->counter[1] << 32) + (uint64_t)blocks;
    rng->counter[0] = (uint32_t)position;
    rng->counter[1] = (uint32_t)(position >> 32);
}

void ln_draw_normals(ln_rng *rng, int64_t count, double *out)
{
    assert(rng->used == 4);
    choose()->normals(rng, count, out);
    advance(rng, count);
}

void ln_draw_words(ln_rng *rng, int64_t count, uint32_t *words)
{
    int64_t begun = 0; /* what is left of a block that was taken */
    while (begun < count && rng->used < 4)
        words[begun++] = ln_rng_u32(rng);
    const int64_t blocks = (count - begun) / 4, whole = begun + 4 * blocks;
    if (blocks > 0)
        choose()->words(rng, blocks, words + begun);
    advance(rng, blocks);
    ln_rng_words(rng, words + whole, count - whole);
}
