/* Loops of normalisation over one group of neighbouring numbers, in float64: sums, the normalised numbers,
 * their gradient. One copy an instruction set, without fused operations; a sum is made of 16, of every
 * sixteenth number each, that are added up in pairs: bits depend on the group alone. */
#ifndef LN_KERNELS_NORM_H
#define LN_KERNELS_NORM_H

#include "lunette.h"

/* n = (x - mean) scale, y = n weight + bias. */
typedef struct ln_norm_group {
    int64_t count;
    const float *x;
    double mean, scale;
    const float *weight; /* one a number, or NULL: all are `factor` */
    double factor;
    const float *bias; /* one a number, or NULL: all are `offset` */
    double offset;
} ln_norm_group;

typedef struct ln_norm_kernels {
    double (*sum)(int64_t count, const float *x);
    double (*squares)(int64_t count, double mean, const float *x); /* the sum of (x - mean)^2 */
    void (*apply)(const ln_norm_group *group, float *y);
    /* Adds to sums[0] the sum of g = dy weight, to sums[1] that of g n. */
    void (*sums)(const ln_norm_group *group, const float *dy, double sums[2]);
    /* dx = scale g - level - slope n. */
    void (*back)(const ln_norm_group *group, const float *dy, double level, double slope,
                 float *dx);
} ln_norm_kernels;

extern const ln_norm_kernels ln_norm_baseline;
#ifdef __x86_64__
extern const ln_norm_kernels ln_norm_avx2, ln_norm_avx512;
#endif

const ln_norm_kernels *ln_norm_kernels_choose(void); /* this machine's */

#endif
