/* What walks through orders of groups of inputs need beside the layers that their rows go through (cascade.h): what each
 * group has at a first dense layer, how that changes from a reference to a row, and statistics over walks. Compiled
 * once an instruction set, without fused operations: all of them have the same bits. */
#ifndef LN_KERNELS_WALKS_H
#define LN_KERNELS_WALKS_H

#include "lunette.h"

/* The layer's weights by input, and the groups of its inputs. */
typedef struct ln_walk_columns {
    int64_t groups, width;
    const int64_t *start;  /* (groups + 1) of each group's inputs among `member` */
    const int64_t *member; /* inputs */
    const float *columns;  /* (inputs, width) */
} ln_walk_columns;

typedef struct ln_walk_kernels {
    /* sum (groups, width): the columns of a group's inputs times x there, added in their order to 0; an input that is 0
     * adds nothing, whatever its weights are. */
    void (*columns)(const ln_walk_columns *of, const float *x, float *sum);
    /* change = of_x - of_r, (groups, width) all of them; moves[g] becomes true where some number of group g
     * is other than 0. */
    void (*changes)(int64_t groups, int64_t width, const float *of_x, const float *of_r,
                    float *change, bool *moves);
    void (*exact_changes)(int64_t groups, int64_t width, const float *of_x, const float *of_r,
                          double *change, bool *moves);
    /* Takes (walks, players) numbers into mean and spread, (players) each: those so far are of `done` walks, and
     * spread is the sum of squared deviations from the mean (Welford 1962). */
    void (*take)(int64_t walks, int64_t players, const double *numbers, int64_t done, double *mean,
                 double *spread);
} ln_walk_kernels;

extern const ln_walk_kernels ln_walks_baseline;
#ifdef __x86_64__
extern const ln_walk_kernels ln_walks_avx2, ln_walks_avx512;
#endif

const ln_walk_kernels *ln_kernels_walks(void); /* this machine's; looked up once by who prepares */

#endif
