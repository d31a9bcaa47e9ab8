/* Convolutions that skip zeros, in registers of 16 floats: 128 results are 8 of 32. */
#include "kernels/lanes_avx512.h"
#include "kernels/sparse.h"

#define WIDEST 8
#define WINDOW 14

static inline int64_t list_some(const float *x, int64_t count, uint32_t from, uint32_t step,
                                float *value, uint32_t *at)
{
    const __m512i number = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i places = _mm512_add_epi32(
        _mm512_set1_epi32((int)from), _mm512_mullo_epi32(number, _mm512_set1_epi32((int)step)));
    const __m512 numbers = (__m512)load_part(x, count);
    const __mmask16 some = _mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    _mm512_storeu_ps(value, _mm512_maskz_compress_ps(some, numbers));
    _mm512_storeu_si512(at, _mm512_maskz_compress_epi32(some, places));
    return __builtin_popcount(some);
}

#include "kernels/sparse_body.h"

static void visit(const ln_sparse_visit *visit)
{
    if (visit->width == LN_SPARSE_NARROWEST)
        add_places(LN_SPARSE_NARROWEST / LANES, visit);
    else
        add_places(WIDEST, visit);
}

static void weave(const ln_sparse_visit *visit)
{
    weave_lines(LN_SPARSE_NARROWEST / LANES, visit);
}

static void scatter(const ln_sparse_windows *windows)
{
    if (windows->lines == 3)
        add_windows(3, 1, windows);
    else if (windows->lines == 5)
        add_windows(5, 1, windows);
    else
        add_windows(7, 2, windows);
}

const ln_sparse_kernels ln_sparse_avx512 = {.widest = (int64_t)WIDEST * LANES,
                                            .list = list,
                                            .visit = visit,
                                            .weave = weave,
                                            .scatter = scatter};
