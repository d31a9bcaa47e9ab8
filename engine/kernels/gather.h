/* Sums of chosen parts: Y (rows, width), each row a start and one part from each of `count` tables,
 *
 *     y[r] = start[r] + tables[0][chosen[r][0]] + tables[1][chosen[r][1]] + ...
 *
 * added in that order, element by element, so that a row's bits depend on the row alone, and no
 * instruction set rounds it otherwise (nothing is multiplied). */
#ifndef LN_KERNELS_GATHER_H
#define LN_KERNELS_GATHER_H

#include "lunette.h"

typedef struct ln_gather {
    int64_t rows, width, count; /* rows, floats a row, tables */
    int64_t parts;              /* of a table */
    const float *start;         /* (rows, width); with start_row 0 one for all rows */
    int64_t start_row;          /* floats from one row's start to the next */
    const float *tables;        /* (count, parts, width) */
    const uint16_t *chosen;     /* (rows, count) below `parts` */
    float *y;                   /* (rows, width) */
    bool cut;                   /* what is <= 0 becomes 0 in the end */
} ln_gather;

typedef void (*ln_gather_fn)(const ln_gather *gather);
ln_gather_fn ln_kernels_gather(void); /* this machine's; looked up once by who prepares */

void ln_gather_baseline(const ln_gather *gather);
#ifdef __x86_64__
void ln_gather_avx2(const ln_gather *gather);
void ln_gather_avx512(const ln_gather *gather);
#endif

#endif
