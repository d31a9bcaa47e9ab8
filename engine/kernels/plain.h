/* Inside kernels/: the block product that each instruction set has its own copy of. */
#ifndef LN_KERNELS_PLAIN_H
#define LN_KERNELS_PLAIN_H

#include "kernels/kernels.h"

#define LN_PANEL 16 /* columns of B that lie together: panel p holds (depth, 16) floats */

/* C (rows, columns) = start + A B, every element one sum over depth in its order. */
typedef struct ln_block {
    int64_t rows, columns, depth;
    const float *a; /* element (row, k) is a[row * a_row + k * a_depth] */
    int64_t a_row, a_depth;
    const float *b; /* panels, 64-aligned, zero beyond `columns` */
    float *c;       /* element (row, column) is c[row * c_row + column] */
    int64_t c_row;
    const float *bias; /* start of each column, or NULL */
    bool add;          /* start from C (bias is then not read) */
    bool cut;          /* what is <= 0 becomes 0 in the end */
} ln_block;

void ln_block_baseline(const ln_block *block);
#ifdef __x86_64__
void ln_block_avx2(const ln_block *block);
void ln_block_avx512(const ln_block *block);
#endif

#endif
