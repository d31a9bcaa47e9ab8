/* Which copy of the sums this machine runs. */
#include "kernels/gather.h"
#include "kernels/choose.h"

ln_gather_fn ln_kernels_gather(void)
{
    return LN_CHOOSE(ln_gather);
}
