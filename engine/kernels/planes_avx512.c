/* The kernels of planes.h in registers of 16 floats: a block keeps up to 24 of 32 in sums. */
#include "kernels/lanes_avx512.h"
#include "kernels/planes.h"

#define BLOCK_LIST(X)                                                                              \
    UP_TO_8(X, 1) UP_TO_8(X, 2) UP_TO_8(X, 3) UP_TO_6(X, 4) UP_TO_4(X, 5) UP_TO_4(X, 6)
#define NAME ln_planes_avx512

static const int8_t most_vectors[LN_PLANES_ROWS + 1] = {0, 8, 8, 8, 6, 4, 4};

typedef __mmask16 lane_mask;

static inline lane_mask between(int64_t first, int64_t end)
{
    return (lane_mask)(((1u << end) - 1) & ~((1u << first) - 1));
}

static inline vector load_lanes(const float *p, lane_mask mask)
{
    return (vector)_mm512_maskz_loadu_ps(mask, p);
}

static inline vector add_lanes(vector a, const float *p, lane_mask mask)
{
    return (vector)_mm512_mask_add_ps((__m512)a, mask, (__m512)a, _mm512_loadu_ps(p));
}

static inline void store_lanes(float *p, vector a, lane_mask mask)
{
    _mm512_mask_storeu_ps(p, mask, (__m512)a);
}

#include "kernels/planes_body.h"
