/* The kernels of last.h in registers of 16 floats: thin's block keeps up to 24 of 32 in sums. */
#include <immintrin.h>
#include <string.h>

#include "kernels/last.h"

#define LANES 16
#define THIN_LIST(X) X(1, 14) X(2, 12) X(3, 8) X(4, 6)
#define ACROSS_LIST(X) X(3, 8) X(4, 4) X(6, 4) X(8, 2)
#define FORWARD_PLACES 12
#define NAME ln_last_avx512

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector)_mm512_set1_ps(x);
}

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

typedef __mmask16 lane_mask;

static inline float total(vector a)
{
    return _mm512_reduce_add_ps((__m512)a);
}

static inline vector load_part(const float *p, int64_t count)
{
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

static inline void store_part(float *p, vector a, int64_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)a);
}

static inline lane_mask wins(vector a, vector b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ) |
           _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q);
}

static inline lane_mask same(vector a, vector b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}

static inline vector choose(lane_mask mask, vector a, vector b)
{
    return (vector)_mm512_mask_blend_ps(mask, (__m512)b, (__m512)a);
}

#include "kernels/last_body.h"
