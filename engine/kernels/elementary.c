#include "kernels/elementary.h"

#include "base/parallel.h"

const ln_elementary *ln_elementary_choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_elementary_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_elementary_avx2;
#endif
    return &ln_elementary_baseline;
}
