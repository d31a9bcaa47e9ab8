/* Inside kernels/: convolutions of images of few channels, which are last: last.h's `thin` kernels with
 * their packed weights. oneDNN's vectors run along channels and are then half empty. */
#ifndef LN_KERNELS_THIN_H
#define LN_KERNELS_THIN_H

#include "kernels/convolution.h"
#include "kernels/last.h"

typedef struct ln_thin_convolution {
    bool forward, backward; /* what these kernels compute: both are false for other shapes */
    bool copied;            /* backward reads a copy of dy whose places fill their lanes */
    ln_thin thin;
    bool wide; /* backward is last.h's `across` */
    ln_across across;
    float *weight;        /* thin.weight, 64-aligned, owned */
    float *across_weight; /* the same of across.weight */
} ln_thin_convolution;

void ln_thin_decide(ln_thin_convolution *own, const ln_convolution *shape); /* own is zeroed */
ln_status ln_thin_pack(ln_thin_convolution *own, const float *weight, ln_error *err);
void ln_thin_free(ln_thin_convolution *own);
int64_t ln_thin_floats(const ln_thin_convolution *own); /* of scratch */
void ln_thin_run_forward(const ln_thin_convolution *own, int64_t images, const float *x,
                         const float *bias, float *y, float *scratch);
void ln_thin_run_backward(const ln_thin_convolution *own, int64_t images, const float *dy,
                          float *dx, float *scratch);

#endif
