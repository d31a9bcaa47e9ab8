#include "kernels/rules.h"

#include <string.h>

#include "base/parallel.h"

const ln_rule_kernels *ln_rule_kernels_choose(void)
{
#ifdef __x86_64__
    const char *isa = ln_cpu_isa();
    if (strcmp(isa, "avx512") == 0)
        return &ln_rules_avx512;
    if (strcmp(isa, "avx2") == 0)
        return &ln_rules_avx2;
#endif
    return &ln_rules_baseline;
}
