/* The kernels of winograd.h in registers of 16 floats: 24 of 32 hold sums. */
#include <immintrin.h>

#include "kernels/winograd.h"

#define LANES 16
#define VECTORS 2
#define MOST_ROWS 12
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define NAME ln_winograd_avx512

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector)_mm512_set1_ps(x);
}

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

static inline vector load_part(const float *p, int64_t count)
{
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

static inline void store_part(float *p, vector a, int64_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)a);
}

/* Quarters of four rows each are transposed in place, then the quarters change places. */
static inline void turn_block(const float *from, float *to, int row)
{
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_ps(from + row * i);
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        const __m512 low = _mm512_unpacklo_ps(a[i], a[i + 1]);
        const __m512 high = _mm512_unpackhi_ps(a[i], a[i + 1]);
        const __m512 next_low = _mm512_unpacklo_ps(a[i + 2], a[i + 3]);
        const __m512 next_high = _mm512_unpackhi_ps(a[i + 2], a[i + 3]);
        b[i] = _mm512_shuffle_ps(low, next_low, 0x44);
        b[i + 1] = _mm512_shuffle_ps(low, next_low, 0xee);
        b[i + 2] = _mm512_shuffle_ps(high, next_high, 0x44);
        b[i + 3] = _mm512_shuffle_ps(high, next_high, 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* b[i + 4 k]: quarter q holds column 4 q + i of rows 4 k .. */
        const __m512 even = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
        const __m512 odd = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
        const __m512 next_even = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        const __m512 next_odd = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
        _mm512_storeu_ps(to + row * i, _mm512_shuffle_f32x4(even, next_even, 0x88));
        _mm512_storeu_ps(to + row * (i + 4), _mm512_shuffle_f32x4(odd, next_odd, 0x88));
        _mm512_storeu_ps(to + row * (i + 8), _mm512_shuffle_f32x4(even, next_even, 0xdd));
        _mm512_storeu_ps(to + row * (i + 12), _mm512_shuffle_f32x4(odd, next_odd, 0xdd));
    }
}

#include "kernels/winograd_body.h"
