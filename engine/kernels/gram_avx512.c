/* The kernels of gram.h with AVX-512 registers. */
#include <immintrin.h>

#include "kernels/gram.h"

#define NAME ln_gram_avx512
#define LIST

typedef double wide __attribute__((vector_size(64), aligned(8), may_alias));

static int64_t list(const double *row, int64_t count, int32_t *place)
{
    __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int64_t found = 0;
    for (int64_t i = 0; i < count; i += 8) {
        const __mmask8 left = (__mmask8)(count - i < 8 ? (1u << (count - i)) - 1 : UINT8_MAX);
        const __m512d some = _mm512_maskz_loadu_pd(left, row + i);
        /* NaN is not 0 either, as elsewhere. */
        const __mmask8 held = _mm512_cmp_pd_mask(some, _mm512_setzero_pd(), _CMP_NEQ_UQ);
        _mm256_storeu_si256((__m256i_u *)(place + found),
                            _mm256_maskz_compress_epi32(held, number));
        found += __builtin_popcount(held);
        number = _mm256_add_epi32(number, _mm256_set1_epi32(8));
    }
    return found;
}

#include "kernels/gram_body.h"
