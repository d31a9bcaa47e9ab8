/* Functions of many numbers in registers of 8 floats, for AVX2. */
#include <immintrin.h>

#include "kernels/elementary.h"

#define LANES 8
#define ELEMENTARY ln_elementary_avx2

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t whole __attribute__((vector_size(32), aligned(4), may_alias));

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

#include "kernels/elementary_body.h"
