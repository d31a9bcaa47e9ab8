/* The cascade in registers of 8 floats: 4 rows x 1 panel (two registers) are 8 of 16. */
#include <string.h>

#include "kernels/cascade.h"
#include "kernels/lanes_avx2.h"

#define ROWS 4
#define PANELS 1

typedef double wide __attribute__((vector_size(32), aligned(8), may_alias));

static inline vector narrow(wide low, wide high)
{
    return (vector)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high), _mm256_cvtpd_ps((__m256d)low));
}

/* Of two zeros, and of a number and NaN, the second is taken. */
static inline vector cut(vector x)
{
    return (vector)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
}

#define ALL_LANES 0xffu
#define differs(x)                                                                                 \
    ((uint64_t)(ALL_LANES & ~(unsigned)_mm256_movemask_ps((__m256)((x) == (lanes){0}))))

#include "kernels/cascade_body.h"

void ln_cascade_avx2(const ln_cascade *cascade, const ln_cascade_rows *rows)
{
    all_rows(cascade, rows);
}
