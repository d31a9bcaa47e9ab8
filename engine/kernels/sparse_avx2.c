/* Convolutions that skip zeros, in registers of 8 floats: 64 results are 8 of 16. */
#include "kernels/lanes_avx2.h"
#include "kernels/sparse.h"

#define WIDEST 8

static inline uint64_t some_of(const float *x, int64_t count)
{
    uint64_t some = 0;
    for (int64_t first = 0; first < count; first += LANES) {
        const __m256 numbers =
            (__m256)load_part(x + first, count - first < LANES ? count - first : LANES);
        const __m256 other = _mm256_cmp_ps(numbers, _mm256_setzero_ps(), _CMP_NEQ_UQ);
        some |= (uint64_t)(unsigned)_mm256_movemask_ps(other) << first;
    }
    return some;
}

#define WINDOW 1 /* none */
#include "kernels/sparse_body.h"

static void visit(const ln_sparse_visit *visit)
{
    add_places(WIDEST, visit);
}

const ln_sparse_kernels ln_sparse_avx2 = {
    .widest = (int64_t)WIDEST * LANES, .fewest = LN_ZEROS_MANY, .mark = mark, .visit = visit};
