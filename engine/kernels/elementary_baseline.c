/* Functions of many numbers in registers of 4 floats, for any machine. Where the processor has a fused
 * multiply-add in its baseline (arm64) it is used; elsewhere products are rounded before they are added. */
#include <math.h>

#include "kernels/elementary.h"

#define LANES 4
#define ELEMENTARY ln_elementary_baseline

typedef float vector __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t whole __attribute__((vector_size(16), aligned(4), may_alias));

static inline vector fused(vector a, vector b, vector c)
{
#ifdef FP_FAST_FMAF
    for (int i = 0; i < LANES; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

#include "kernels/elementary_body.h"
