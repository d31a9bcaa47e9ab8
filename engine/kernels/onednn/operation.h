/* Inside kernels/onednn/: one primitive of the oneDNN entry for convolutions, and how it is made. */
#ifndef LN_KERNELS_ONEDNN_OPERATION_H
#define LN_KERNELS_ONEDNN_OPERATION_H

#include <dnnl.h>

#include "kernels/convolution.h"

enum { LN_FORWARD, LN_BACKWARD_DATA, LN_BACKWARD_WEIGHTS, LN_OPERATIONS };
enum { LN_FIRST, LN_SECOND, LN_RESULT, LN_BIAS, LN_SCRATCH, LN_ARGUMENTS };

/* One primitive with what brings its arguments into the layouts it wants: LN_FIRST and LN_SECOND are
 * what it reads (images and weights, or images and their gradients), LN_RESULT what it writes. */
typedef struct ln_onednn_operation {
    dnnl_primitive_t run;                 /* NULL: the plain entry computes this */
    dnnl_primitive_t turn[LN_RESULT + 1]; /* reorders; NULL: plain is what the primitive wants */
    dnnl_memory_desc_t at[LN_ARGUMENTS];  /* the primitive's layouts */
    dnnl_memory_desc_t plain[LN_RESULT + 1];
    int names[LN_ARGUMENTS];      /* oneDNN's names of the arguments */
    size_t place[LN_SCRATCH + 1]; /* of each argument in the scratch memory, where it is turned */
    size_t result;                /* backward_weights: the plain result's place there */
    void *weight;                 /* LN_SECOND, packed, 64-aligned */
    const char *name;             /* oneDNN's of the implementation, a constant */
} ln_onednn_operation;

/* Makes one of the operations above for `images` of a shape; op->run stays NULL where oneDNN has no
 * direct implementation. Raises *scratch to what it needs. */
ln_status ln_onednn_operation_make(ln_onednn_operation *op, int which, const ln_convolution *shape,
                                   int64_t images, dnnl_engine_t engine, size_t *scratch,
                                   ln_error *err);
void ln_onednn_operation_free(ln_onednn_operation *op);
/* A reorder of one value; *out stays NULL where both layouts are the same. */
dnnl_status_t ln_onednn_turn_make(dnnl_engine_t engine, const dnnl_memory_desc_t *from,
                                  const dnnl_memory_desc_t *to, dnnl_primitive_t *out);
ln_status ln_onednn_failed(dnnl_status_t status, const char *what, ln_error *err);

#endif
