/* The kernels of draws.h with AVX-512 registers. */
#include <immintrin.h>

#include "kernels/draws.h"

#define NAME ln_draws_avx512

typedef uint64_t quads __attribute__((vector_size(64)));

static inline quads product(quads a, uint32_t b)
{
    return (quads)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
}

#include "kernels/draws_body.h"
