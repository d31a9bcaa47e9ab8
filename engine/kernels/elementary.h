/* Functions of many numbers at once, in registers: exp and its kin, and the cell of an lstm. One copy an
 * instruction set; with fused multiply-adds (AVX2 and AVX-512) all have the same bits, and an element's
 * do not depend on its place. Within 4 units of the last place of the exact function (6 without fused
 * multiply-adds, 9 of normal_below around 0; in its tail the rounding of x counts x^2 times), infinities and
 * subnormal results included; NaN stays NaN. */
#ifndef LN_KERNELS_ELEMENTARY_H
#define LN_KERNELS_ELEMENTARY_H

#include "lunette.h"

typedef struct ln_elementary {
    /* y = f(x), `count` numbers; y may be x. */
    void (*exp)(int64_t count, const float *x, float *y);
    void (*tanh)(int64_t count, const float *x, float *y);
    void (*sigmoid)(int64_t count, const float *x, float *y);
    void (*erf)(int64_t count, const float *x, float *y);
    void (*normal_below)(int64_t count, const float *x,
                         float *y);                        /* P(Z <= x), Z standard normal */
    void (*gelu)(int64_t count, const float *x, float *y); /* x P(Z <= x) */
    /* dx = f'(x) dy; dx may be dy. */
    void (*erf_back)(int64_t count, const float *x, const float *dy, float *dx);
    void (*gelu_back)(int64_t count, const float *x, const float *dy, float *dx);
    /* Lines of neighbouring numbers, y = exp x / sum exp x in each; sums in float64. A NaN makes its line NaN.
     * Back: dx = y (dy - sum dy y). */
    void (*softmax)(int64_t lines, int64_t count, const float *x, float *y);
    void (*softmax_back)(int64_t lines, int64_t count, const float *y, const float *dy, float *dx);
    /* A step of one sequence: gate (4, units) has W x + b and gets the gates i, f, g, o; `part` (4, units)
     * is U h + d; memory and hidden (units) go from before the step to after it. */
    void (*lstm)(int64_t units, float *gate, const float *part, float *memory, float *hidden);
    /* Back through it: the gates, the memory before it, d_hidden of its result; d (4, units) gets the gradient
     * of the gates' arguments, d_memory goes from after the step to before it. */
    void (*lstm_back)(int64_t units, const float *gate, const float *before, const float *d_hidden,
                      float *d_memory, float *d);
} ln_elementary;

extern const ln_elementary ln_elementary_baseline;
#ifdef __x86_64__
extern const ln_elementary ln_elementary_avx2, ln_elementary_avx512;
#endif

const ln_elementary *ln_elementary_choose(void); /* this machine's */

#endif
