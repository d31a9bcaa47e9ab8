/* Which copy of the sums this machine runs. */
#include "kernels/gather.h"

#include "base/parallel.h"

ln_gather_fn ln_kernels_gather(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return ln_gather_avx512;
    if (ln_cpu_has("avx2"))
        return ln_gather_avx2;
#endif
    return ln_gather_baseline;
}
