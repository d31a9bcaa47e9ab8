/* The kernels of draws.h for any machine. */
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "kernels/draws.h"

#define NAME ln_draws_baseline

typedef uint64_t quads __attribute__((vector_size(16)));

static inline quads product(quads a, uint32_t b)
{
#ifdef __SSE2__
    return (quads)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(b));
#else
    return (a & 0xffffffffu) * (uint64_t)b;
#endif
}

#include "kernels/draws_body.h"
