#include "kernels/norm.h"
#include "kernels/choose.h"

const ln_norm_kernels *ln_norm_kernels_choose(void)
{
    return LN_CHOOSE(ln_norm);
}
