/* Functions of many numbers in registers of 16 floats, for AVX-512. */
#include <immintrin.h>

#include "kernels/elementary.h"

#define LANES 16
#define ELEMENTARY ln_elementary_avx512

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t whole __attribute__((vector_size(64), aligned(4), may_alias));

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

#include "kernels/elementary_body.h"
