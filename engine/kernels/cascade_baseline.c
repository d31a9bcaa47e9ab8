/* The cascade for any machine, in registers of 4 floats: 2 rows x 1 panel (four registers) are 8 of 16. Where
 * the processor has a fused multiply-add in its baseline (arm64) it is used, as in plain_baseline.c. */
#include <math.h>
#include <string.h>

#include "kernels/cascade.h"

#define LANES 4
#define ROWS 2
#define PANELS 1

typedef float vector __attribute__((vector_size(16), aligned(4), may_alias));

typedef double wide __attribute__((vector_size(16), aligned(8), may_alias));

static inline vector narrow(wide low, wide high)
{
    return (vector){(float)low[0], (float)low[1], (float)high[0], (float)high[1]};
}

static inline vector spread(float x)
{
    return (vector){x, x, x, x};
}

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

static inline vector cut(vector x)
{
    typedef int32_t whole __attribute__((vector_size(sizeof(vector)), may_alias));
    return (vector)((whole)x & ~(whole)(x < (vector){0}));
}

#define differs(x)                                                                                 \
    ((uint64_t)((x)[0] != 0) | (uint64_t)((x)[1] != 0) << 1 | (uint64_t)((x)[2] != 0) << 2 |       \
     (uint64_t)((x)[3] != 0) << 3)

#include "kernels/cascade_body.h"

void ln_cascade_baseline(const ln_cascade *cascade, const ln_cascade_rows *rows)
{
    all_rows(cascade, rows);
}
