/* Sums of chosen parts in registers of 8 floats, for AVX2. */
#include "kernels/gather.h"
#include "kernels/lanes_avx2.h"

#include "kernels/gather_body.h"

void ln_gather_avx2(const ln_gather *gather)
{
    gather_rows(gather);
}
