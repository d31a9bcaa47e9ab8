/* Sums of products over many rows, for linear models (explainers/common/local_model.h): lines of float64 numbers
 * to which a multiple of a row is added, row by row in their order. Compiled once an instruction set, without fused
 * operations: the same bits in all of them. */
#ifndef LN_KERNELS_GRAM_H
#define LN_KERNELS_GRAM_H

#include "lunette.h"

#define LN_GRAM_LINE 8 /* lines are multiples of it */
#define LN_GRAM_ROWS 4 /* added at once */

typedef struct ln_gram_kernels {
    /* Where `row` is not 0, ascending, into `place`, which has room for LN_GRAM_LINE more than `count`; how often. */
    int64_t (*list)(const double *row, int64_t count, int32_t *place);
    /* Line place[i] of `sums` += scale * row, for each i below `count`. */
    void (*add)(const double *row, int64_t line, const int32_t *place, int64_t count, double scale,
                double *sums);
    /* Line a of `sums` += scale[k][a] * row k, for each k below LN_GRAM_ROWS in turn and each a below `count`; of
     * a line only the first `ahead` + a + 1 numbers count, for a triangle behind so many others. */
    void (*add_rows)(const double *rows, int64_t line, const double *scale, int64_t count,
                     int64_t ahead, double *sums);
} ln_gram_kernels;

const ln_gram_kernels *ln_kernels_gram(void); /* this machine's; looked up once by who prepares */

extern const ln_gram_kernels ln_gram_baseline;
#ifdef __x86_64__
extern const ln_gram_kernels ln_gram_avx2, ln_gram_avx512;
#endif

#endif
