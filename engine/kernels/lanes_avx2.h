/* Registers of 8 floats, for AVX2:
 *
 *     LANES, REGISTERS         floats in a register, of the type `vector`, and how many of these there are
 *     spread(x)                x in every lane
 *     fused(a, b, c)           a b + c
 *     held(a)                  a, which stays in its register where the compiler would read it again for each use
 *     load_part(p, count)      `count` numbers, in the other lanes 0; count <= LANES
 *     store_part(p, a, count)  */
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define REGISTERS 16

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));

static inline vector spread(float x)
{
    return (vector)_mm256_set1_ps(x);
}

static inline vector fused(vector a, vector b, vector c)
{
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

static inline __m256i first_lanes(int64_t count)
{
    static const int32_t lanes[] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i_u *)(const void *)(lanes + LANES - count));
}

static inline vector held(vector a)
{
    __asm__("" : "+x"(a));
    return a;
}

static inline vector load_part(const float *p, int64_t count)
{
    return (vector)_mm256_maskload_ps(p, first_lanes(count));
}

static inline void store_part(float *p, vector a, int64_t count)
{
    _mm256_maskstore_ps(p, first_lanes(count), (__m256)a);
}
