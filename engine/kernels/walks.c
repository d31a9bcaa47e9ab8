/* Which copy of walks.h's loops this machine runs. */
#include "kernels/walks.h"
#include "kernels/choose.h"

const ln_walk_kernels *ln_kernels_walks(void)
{
    return LN_CHOOSE(ln_walks);
}
