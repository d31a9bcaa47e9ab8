/* Loops of methods that ask for gradients at drawn points: points between a baseline and a row, and means of what is
 * found there. Compiled once an instruction set and chosen by ln_path_kernels_choose; all have the same
 * loops in float64, without fused operations, so that bits do not depend on the instruction set. */
#ifndef LN_KERNELS_PATHS_H
#define LN_KERNELS_PATHS_H

#include "lunette.h"

typedef struct ln_path_kernels {
    /* to = b + at (x - b), and x - b to `change`, where that is not NULL. */
    void (*point)(double at, int64_t count, const float *x, const float *b, float *change,
                  float *to);
    /* `draws` lines of `count` numbers a b (b NULL: a alone; each array's lines follow one another), of which
     * `done` came before, into their means and sums of squared distances from the mean (Welford). Before the
     * first one these are not read. */
    void (*take)(int64_t done, int64_t draws, int64_t count, const float *a, const float *b,
                 double *mean, double *spread);
} ln_path_kernels;

extern const ln_path_kernels ln_paths_baseline;
#ifdef __x86_64__
extern const ln_path_kernels ln_paths_avx2, ln_paths_avx512;
#endif

const ln_path_kernels *ln_path_kernels_choose(void); /* this machine's */

#endif
