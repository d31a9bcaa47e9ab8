/* The block product in registers of 8 floats: 4 rows x 1 panel (two registers) are 8 of
 * 16. 6 rows would use 12, but the compiler then spills addresses: measured 58 against 97 GFLOP/s. */
#include <immintrin.h>
#include <string.h>

#include "kernels/plain.h"

#define LANES 8
#define TALL_ROWS 4
#define TALL_PANELS 1
#define TALL_LIST(X) X(1) X(2) X(3) X(4)
#define WIDE_ROWS 2
#define WIDE_PANELS 2
#define WIDE_LIST(X) X(1) X(2)

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector)_mm256_set1_ps(x);
}

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

#include "kernels/plain_block.h"

void ln_block_avx2(const ln_block *block)
{
    whole_block(block);
}
