#include "kernels/rules.h"
#include "kernels/choose.h"

const ln_rule_kernels *ln_rule_kernels_choose(void)
{
    return LN_CHOOSE(ln_rules);
}
