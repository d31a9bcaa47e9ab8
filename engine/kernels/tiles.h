/* Products of float32 matrices on a processor's tiles (Intel AMX), which multiply bfloat16 and add in
 * float32. Every float32 is exactly the sum of three bfloat16, its parts:
 *
 *     x = x1 + x2 + x3        x1 the upper 16 bits of x, x2 those of x - x1, x3 what is left
 *     a b ~ a1 b1 + (a1 b2 + a2 b1) + (a1 b3 + a2 b2 + a3 b1)        what is left out is below 2^-23 a b
 *
 * A sum of such products errs less than one of float32 multiply-adds (half as much in the mean,
 * tests/engine/test_kernels_tiles.c), at more than twice their speed: so it is no approximation, and
 * what computes with it counts as strict.
 *
 *     A      (part, step, row, 32)              32 numbers of a sum in a row of a tile
 *     B      (step, part, column tile, 16, 16, 2)   pairs of the sum, columns, the two of a pair
 *     C      float32, whole tiles of 16 by 16
 *
 * The bits of an element of C depend on its row of A and its column of B alone.
 *
 * What is not finite: infinite numbers have the parts x, 0, 0, so that where an exact sum would be
 * infinite this one is infinite or NaN (infinity times a part that is 0), and NaN where that would be NaN.
 * What is small: the tiles take numbers below 2^-126 for 0, so that of x below 2^-102 the last parts may be
 * lost: what an element of C lacks then is below 2e-38 times its other operand. */
#ifndef LN_KERNELS_TILES_H
#define LN_KERNELS_TILES_H

#include "lunette.h"

#define LN_TILE 16       /* rows, and columns, of a tile of C */
#define LN_TILE_DEPTH 32 /* numbers of a sum that a step adds */
#define LN_TILE_PARTS 3
#define LN_TILE_FLOATS 256                  /* of a tile of C */
#define LN_TILE_B (LN_TILE * LN_TILE_DEPTH) /* numbers of a tile of B */

/* At most 2 by 2 tiles of C. */
typedef struct ln_tiles_block {
    int row_tiles, column_tiles; /* 1 or 2 */
    const uint16_t *a[2];        /* where each tile of rows begins, in the first part of A */
    int64_t a_part, a_row; /* numbers from part to part, and from row to row (rows may overlap) */
    const int64_t *steps;  /* where each step's tile of A lies behind `a` */
    int64_t count;         /* of steps */
    const uint16_t *b;     /* (count, part, column_tiles, LN_TILE_B) */
    float *c;
    int64_t c_row; /* numbers from row to row of C */
    bool more;     /* adds to C */
} ln_tiles_block;

/* Whether this processor has tiles and the process may use them (ln_cpu_isa). */
bool ln_tiles_available(void);

#ifdef __x86_64__
/* A thread's tiles are set up before a block of work and given back behind it; other code runs between,
 * as long as it leaves the tiles alone. */
void ln_tiles_begin(void);
void ln_tiles_end(void);

void ln_tiles_multiply(const ln_tiles_block *block);

/* `count` numbers side by side as a row of A: part p of the block of 32 number i, filled up with zeros, at
 * a + p * part + i * step. And several such rows, `a_row` numbers behind one another. */
void ln_tiles_split(int64_t count, const float *x, uint16_t *a, int64_t part, int64_t step);
void ln_tiles_split_rows(int64_t rows, int64_t count, const float *x, int64_t x_row, uint16_t *a,
                         int64_t a_row, int64_t part, int64_t step);

/* A block of at most 16 by 16 weights as half a tile of B, filled up with zeros: element k of the sum and
 * column n is w[k * row + n], or `turned` w[n * row + k]; part p at b + p * part. */
#define LN_TILE_HALF (LN_TILE_B / 2)
void ln_tiles_split_weights(bool turned, int64_t depth, int64_t columns, const float *w,
                            int64_t row, uint16_t *b, int64_t part);

/* y (rows, columns) = c + bias, which may be NULL; at most 32 columns. */
void ln_tiles_finish(int64_t rows, int64_t columns, const float *c, int64_t c_row,
                     const float *bias, float *y, int64_t y_row);
#endif

#endif
