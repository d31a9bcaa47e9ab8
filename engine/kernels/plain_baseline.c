/* The block product for any machine, in registers of 4 floats (the compiler makes two or four of
 * them where it must). Where the processor has a fused multiply-add in its baseline (arm64) it is
 * used and the bits are those of AVX2 and AVX-512; where it has not (x86-64 before 2013) the product
 * is rounded before it is added: fmaf() in software would be fifty times slower, and results of
 * different instruction sets are told apart anyway. */
#include <math.h>
#include <string.h>

#include "kernels/plain.h"

#define LANES 4
#define TALL_ROWS 3
#define TALL_PANELS 1
#define TALL_LIST(X) X(1) X(2) X(3)
#define WIDE_ROWS 1
#define WIDE_PANELS 2
#define WIDE_LIST(X) X(1)

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

#include "kernels/plain_block.h"

void ln_block_baseline(const ln_block *block)
{
    whole_block(block);
}
