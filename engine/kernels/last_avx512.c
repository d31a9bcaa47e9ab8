/* The kernels of last.h in registers of 16 floats: thin's block keeps up to 24 of 32 in sums. */
#include <string.h>

#include "kernels/lanes_avx512.h"
#include "kernels/last.h"

#define THIN_LIST(X) X(1, 14) X(2, 12) X(3, 8) X(4, 6)
#define ACROSS_LIST(X) X(3, 8) X(4, 4) X(6, 4) X(8, 2)
#define FORWARD_PLACES 12
#define NAME ln_last_avx512

typedef __mmask16 lane_mask;

static inline float total(vector a)
{
    return _mm512_reduce_add_ps((__m512)a);
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
