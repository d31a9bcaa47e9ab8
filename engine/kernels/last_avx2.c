/* The kernels of last.h in registers of 8 floats: thin's block keeps up to 10 of 16 in sums. */
#include <string.h>

#include "kernels/lanes_avx2.h"
#include "kernels/last.h"

#define THIN_LIST(X) X(1, 7) X(2, 5) X(3, 3) X(4, 2)
#define ACROSS_LIST(X) X(3, 4) X(4, 2) X(6, 2) X(8, 1)
#define FORWARD_PLACES 8
#define NAME ln_last_avx2

typedef __m256 lane_mask;

static inline float total(vector a)
{
    const __m128 half =
        _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
    const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

static inline lane_mask wins(vector a, vector b)
{
    return _mm256_or_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ),
                        _mm256_cmp_ps((__m256)a, (__m256)a, _CMP_UNORD_Q));
}

static inline lane_mask same(vector a, vector b)
{
    return _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_EQ_OQ);
}

static inline vector choose(lane_mask mask, vector a, vector b)
{
    return (vector)_mm256_blendv_ps((__m256)b, (__m256)a, mask);
}

#include "kernels/last_body.h"
