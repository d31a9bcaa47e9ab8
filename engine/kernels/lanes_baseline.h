/* Registers of 4 floats, for any machine (the compiler makes two or four of them where it must); what the bodies
 * need of registers is named in lanes_avx2.h and lanes_avx512.h alike. Where the processor has a fused multiply-add
 * in its baseline (arm64) it is used and the bits are those of AVX2 and AVX-512; where it has not (x86-64 before
 * 2013) the product is rounded before it is added: fmaf() in software would be fifty times slower, and results
 * of different instruction sets are told apart anyway. */
#include <math.h>
#include <stdint.h>

#define LANES 4
#define REGISTERS 16

typedef float vector __attribute__((vector_size(16), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector){x, x, x, x};
}

static inline vector fused(vector a, vector b, vector c)
{
#ifdef FP_FAST_FMAF
    for (int i = 0; i < LANES; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

static inline vector held(vector a)
{
    return a;
}

static inline vector load_part(const float *p, int64_t count)
{
    vector out = {0};
    for (int64_t i = 0; i < count; i++)
        out[i] = p[i];
    return out;
}

static inline void store_part(float *p, vector a, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        p[i] = a[i];
}
