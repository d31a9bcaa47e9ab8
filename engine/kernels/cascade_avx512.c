/* The cascade in registers of 16 floats: 8 rows x 2 panels are 16 of 32 registers. */
#include <string.h>

#include "kernels/cascade.h"
#include "kernels/lanes_avx512.h"

#define ROWS 8
#define PANELS 2

typedef double wide __attribute__((vector_size(64), aligned(8), may_alias));

static inline vector narrow(wide low, wide high)
{
    const __m256 a = _mm512_cvtpd_ps((__m512d)low), b = _mm512_cvtpd_ps((__m512d)high);
    const __m512d both = _mm512_castps_pd(_mm512_castps256_ps512(a));
    return (vector)_mm512_insertf64x4(both, _mm256_castps_pd(b), 1);
}

/* Of two zeros, and of a number and NaN, the second is taken. */
static inline vector cut(vector x)
{
    return (vector)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
}

#define differs(x) ((uint64_t)_mm512_test_epi32_mask((__m512i)(x), (__m512i)(x)))

#include "kernels/cascade_body.h"

void ln_cascade_avx512(const ln_cascade *cascade, const ln_cascade_rows *rows)
{
    all_rows(cascade, rows);
}
