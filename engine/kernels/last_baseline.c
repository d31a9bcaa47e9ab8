/* The kernels of last.h for any processor; what plain_baseline.c says of fused is true here. */
#include <math.h>
#include <string.h>

#include "kernels/last.h"

#define LANES 4
#define THIN_LIST(X) X(1, 4) X(2, 2) X(3, 2) X(4, 1)
#define ACROSS_LIST(X) X(3, 4) X(4, 2) X(6, 2) X(8, 1)
#define FORWARD_PLACES 4
#define NAME ln_last_baseline

typedef float vector __attribute__((vector_size(16), aligned(4), may_alias));

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

typedef int32_t lane_mask __attribute__((vector_size(16)));

static inline float total(vector a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}

static inline vector load_part(const float *p, int64_t count)
{
    vector out = {0};
    for (int64_t i = 0; i < count; i++)
        out[i] = p[i];
    return out;
}

static inline void store_part(float *p, vector a, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        p[i] = a[i];
}

static inline lane_mask wins(vector a, vector b)
{
    return (a > b) | (a != a);
}

static inline lane_mask same(vector a, vector b)
{
    return a == b;
}

static inline vector choose(lane_mask mask, vector a, vector b)
{
    return (vector)(((lane_mask)a & mask) | ((lane_mask)b & ~mask));
}

#include "kernels/last_body.h"
