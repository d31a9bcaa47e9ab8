#include "kernels/elementary.h"

#include <string.h>

#include "base/parallel.h"

const ln_elementary *ln_elementary_choose(void)
{
#ifdef __x86_64__
    const char *isa = ln_cpu_isa();
    if (strcmp(isa, "avx512") == 0)
        return &ln_elementary_avx512;
    if (strcmp(isa, "avx2") == 0)
        return &ln_elementary_avx2;
#endif
    return &ln_elementary_baseline;
}
