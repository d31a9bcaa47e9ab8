/* Which entry of the kernels table computes a product.
 *
 * Measured in GFLOP/s, one thread, a 2.6 GHz AMD EPYC (Zen 4), best of seven, libdnnl 2.6.3
 * (AVX-512: brg matmul; AVX2: 1x1 convolution):
 *
 *     inputs x outputs   rows    AVX-512: plain  onednn     AVX2: plain  onednn
 *         30 x 64           1              79      13              69      12
 *         30 x 64          64             111     100              97      99
 *         64 x 32          64             115     101             104      99
 *        128 x 128         64             116     114             101     113
 *        512 x 512          1              49      43              44      36
 *        512 x 512         64             107     111              97     111
 *       1024 x 1024         1              42      41              39      37
 *       1024 x 1024        64             105     106              87     105
 *       4096 x 1000         1              24      15              26      26
 *       4096 x 1000        64             107     108              87     107
 *
 * With AVX-512 the two are equal from 512 x 512 on; with AVX2 oneDNN is a tenth to a quarter faster
 * for many rows, more where B (4 MiB at 1024 x 1024) is larger than the second cache. A call of
 * oneDNN costs about a microsecond more, which small layers and single rows feel. So: onednn from
 * 2^20 elements of B on, plain below, and plain wherever oneDNN has no fast invariant product (below
 * AVX2, other processors) or is not there (library.h). The rule reads the shape of B and the
 * instruction set, never the number of rows, since the two entries round differently.
 *
 * Where the processor has tiles (AMX), products that are not oneDNN's go to them (products_amx.c, where it
 * says how fast they are) if both sides of B have 32 numbers and B 4096: below that splitting rows costs what
 * multiplying them saves, and a single row waits longer for its sums (64 x 32: 0.14 us become 0.5).
 *
 * C += A^T B (the gradient of the weights) has one implementation: its depth is a microchunk of 16
 * rows, it reads and writes C once, and oneDNN has no packed product for a transposed left operand. */
#include "kernels/kernels.h"

#include "kernels/library.h"
#include "kernels/products_amx.h"
#include "kernels/tiles.h"

enum { LARGE_OPERAND = 1 << 20, LEAST_SIDE = 32, LEAST_OPERAND = 4096 };

const ln_kernels *ln_kernels_choose(int64_t inputs, int64_t outputs)
{
    const ln_kernels *library = ln_library_products();
    if (library && inputs >= LARGE_OPERAND / outputs)
        return library;
#ifdef __x86_64__
    if (inputs >= LEAST_SIDE && outputs >= LEAST_SIDE && inputs * outputs >= LEAST_OPERAND &&
        ln_tiles_available())
        return &ln_kernels_tiles;
#endif
    return &ln_kernels_plain;
}
