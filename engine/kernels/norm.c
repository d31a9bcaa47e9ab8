#include "kernels/norm.h"

#include "base/parallel.h"

const ln_norm_kernels *ln_norm_kernels_choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_norm_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_norm_avx2;
#endif
    return &ln_norm_baseline;
}
