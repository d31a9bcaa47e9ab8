/* Sums of chosen parts in registers of 8 floats, for AVX2. */
#include "kernels/gather.h"

#define LANES 8

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));

#include "kernels/gather_body.h"

void ln_gather_avx2(const ln_gather *gather)
{
    gather_rows(gather);
}
