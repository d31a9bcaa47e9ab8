#include "kernels/draws.h"

#include "base/parallel.h"
#include <assert.h>

const ln_draw_kernels *ln_draw_kernels_choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_draws_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_draws_avx2;
#endif
    return &ln_draws_baseline;
}

void ln_draw_normals(ln_rng *rng, int64_t count, double *out)
{
    assert(rng->used == 4);
    ln_draw_kernels_choose()->normals(rng, count, out);
    const uint64_t position = (rng->counter[0] | (uint64_t)rng->counter[1] << 32) + (uint64_t)count;
    rng->counter[0] = (uint32_t)position;
    rng->counter[1] = (uint32_t)(position >> 32);
}
