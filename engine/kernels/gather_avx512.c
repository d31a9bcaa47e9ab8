/* Sums of chosen parts in registers of 16 floats, for AVX-512. */
#include "kernels/gather.h"
#include "kernels/lanes_avx512.h"

#include "kernels/gather_body.h"

void ln_gather_avx512(const ln_gather *gather)
{
    gather_rows(gather);
}
