#include "kernels/rules.h"

#include "base/parallel.h"

const ln_rule_kernels *ln_rule_kernels_choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_rules_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_rules_avx2;
#endif
    return &ln_rules_baseline;
}
