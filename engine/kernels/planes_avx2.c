/* The kernels of planes.h in registers of 8 floats: a block keeps up to 12 of 16 in sums. */
#include "kernels/lanes_avx2.h"
#include "kernels/planes.h"

#define BLOCK_LIST(X)                                                                              \
    UP_TO_8(X, 1) UP_TO_5(X, 2) UP_TO_3(X, 3) UP_TO_3(X, 4) UP_TO_2(X, 5) UP_TO_2(X, 6)
#define NAME ln_planes_avx2

static const int8_t most_vectors[LN_PLANES_ROWS + 1] = {0, 8, 5, 3, 3, 2, 2};

typedef __m256i lane_mask;

static inline lane_mask between(int64_t first, int64_t end)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)first), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)end), lane));
}

static inline vector load_lanes(const float *p, lane_mask mask)
{
    return (vector)_mm256_maskload_ps(p, mask);
}

static inline vector add_lanes(vector a, const float *p, lane_mask mask)
{
    return a + load_lanes(p, mask);
}

static inline void store_lanes(float *p, vector a, lane_mask mask)
{
    _mm256_maskstore_ps(p, mask, (__m256)a);
}

#include "kernels/planes_body.h"
