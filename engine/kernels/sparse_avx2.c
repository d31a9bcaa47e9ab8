/* Convolutions that skip zeros, in registers of 8 floats: 64 results are 8 of 16. */
#include "kernels/lanes_avx2.h"
#include "kernels/sparse.h"

#define WIDEST 8

static inline int64_t list_some(const float *x, int64_t count, uint32_t from, uint32_t step,
                                float *value, uint32_t *at)
{
    int64_t found = 0;
    for (int64_t first = 0; first < count; first += LANES) {
        const int64_t here = count - first < LANES ? count - first : LANES;
        const __m256 numbers = (__m256)load_part(x + first, here);
        unsigned some =
            (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(numbers, _mm256_setzero_ps(), _CMP_NEQ_UQ));
        for (; some; some &= some - 1, found++) {
            const unsigned i = (unsigned)first + (unsigned)__builtin_ctz(some);
            value[found] = x[i];
            at[found] = from + i * step;
        }
    }
    return found;
}

#define WINDOW 1 /* none */
#include "kernels/sparse_body.h"

static void visit(const ln_sparse_visit *visit)
{
    add_places(WIDEST, visit);
}

const ln_sparse_kernels ln_sparse_avx2 = {
    .widest = (int64_t)WIDEST * LANES, .list = list, .visit = visit};
