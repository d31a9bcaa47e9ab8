/* Registers of 16 floats, for AVX-512: what lanes_avx2.h names. */
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define REGISTERS 32

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector)_mm512_set1_ps(x);
}

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

static inline vector held(vector a)
{
    __asm__("" : "+v"(a));
    return a;
}

static inline vector load_part(const float *p, int64_t count)
{
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

static inline void store_part(float *p, vector a, int64_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)a);
}
