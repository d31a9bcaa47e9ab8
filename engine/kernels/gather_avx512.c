/* Sums of chosen parts in registers of 16 floats, for AVX-512. */
#include "kernels/gather.h"

#define LANES 16

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

#include "kernels/gather_body.h"

void ln_gather_avx512(const ln_gather *gather)
{
    gather_rows(gather);
}
