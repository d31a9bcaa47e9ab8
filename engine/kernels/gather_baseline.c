/* Sums of chosen parts in registers of 4 floats, for any machine. */
#include "kernels/gather.h"

#define LANES 4

typedef float vector __attribute__((vector_size(16), aligned(4), may_alias));

#include "kernels/gather_body.h"

void ln_gather_baseline(const ln_gather *gather)
{
    gather_rows(gather);
}
