/* The kernels of draws.h with AVX2 registers. */
#include <immintrin.h>

#include "kernels/draws.h"

#define NAME ln_draws_avx2

typedef uint64_t quads __attribute__((vector_size(32)));

static inline quads product(quads a, uint32_t b)
{
    return (quads)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
}

#include "kernels/draws_body.h"
