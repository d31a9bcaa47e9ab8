#include "kernels/bins.h"
#include "kernels/choose.h"

const ln_bin_kernels *ln_kernels_bins(void)
{
    return LN_CHOOSE(ln_bins);
}
