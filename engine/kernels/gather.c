/* Which copy of the sums this machine runs. */
#include "kernels/gather.h"

#include <string.h>

#include "base/parallel.h"

ln_gather_fn ln_kernels_gather(void)
{
#ifdef __x86_64__
    const char *isa = ln_cpu_isa();
    if (strcmp(isa, "avx512") == 0)
        return ln_gather_avx512;
    if (strcmp(isa, "avx2") == 0)
        return ln_gather_avx2;
#endif
    return ln_gather_baseline;
}
