/* Sums of chosen parts in registers of 4 floats, for any machine. */
#include "kernels/gather.h"
#include "kernels/lanes_baseline.h"

#include "kernels/gather_body.h"

void ln_gather_baseline(const ln_gather *gather)
{
    gather_rows(gather);
}
