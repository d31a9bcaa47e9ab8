/* Convolutions that skip zeros, in registers of 16 floats: 128 results are 8 of 32. */
#include "kernels/lanes_avx512.h"
#include "kernels/sparse.h"

#define WIDEST 8
#define WINDOW 14

static inline uint64_t some_of(const float *x, int64_t count)
{
    const __m512 numbers = (__m512)load_part(x, count);
    return _mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_NEQ_UQ);
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
                                            .fewest = LN_ZEROS_SOME,
                                            .mark = mark,
                                            .visit = visit,
                                            .weave = weave,
                                            .scatter = scatter};
