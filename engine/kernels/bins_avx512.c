/* The kernels of bins.h with AVX-512 registers. A table fills two of them, and one instruction takes what eight
 * lanes look up there. */
#include "kernels/bins.h"
#include "kernels/lanes_avx512.h"

#define NAME ln_bins_avx512
#define LOOK_UP

static inline __m512d look_up(const double *table, const int32_t *bin)
{
    const __m512i at = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i_u *)bin));
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), at, _mm512_loadu_pd(table + 8));
}

static void find(const uint8_t *bin_of_row, int64_t rows, const uint32_t *choice, int64_t count,
                 int32_t *bin)
{
    const __m512i all = _mm512_set1_epi64(rows);
    for (int64_t s = 0; s < count; s += 16) {
        const __m512i word = _mm512_loadu_si512(choice + s);
        const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(word, all), 32);
        const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(word, 32), all);
        const __m512i row = _mm512_mask_blend_epi32(0xaaaa, even, odd);
        const __m512i found = _mm512_i32gather_epi32(row, bin_of_row, 1);
        _mm512_storeu_si512(bin + s, _mm512_and_si512(found, _mm512_set1_epi32(UINT8_MAX)));
    }
}

static void take(const float *table, const int32_t *bin, int64_t count, float *out)
{
    const __m512 all = _mm512_loadu_ps(table);
    for (int64_t s = 0; s < count; s += 16)
        _mm512_storeu_ps(out + s, _mm512_permutexvar_ps(_mm512_loadu_si512(bin + s), all));
}

/* By a vector as the body has it: its lanes are all ones, or zero. */
static inline int64_t list(__m512i mask, int32_t first, int32_t *to)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __mmask8 held = _mm512_movepi64_mask(mask);
    const __m256i number = _mm256_add_epi32(_mm256_set1_epi32(first), lane);
    _mm256_storeu_si256((__m256i_u *)to, _mm256_maskz_compress_epi32(held, number));
    return __builtin_popcount(held);
}

#include "kernels/bins_body.h"
