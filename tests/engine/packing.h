/* What the programs of convolutions share: packing, while each allocation fails in turn. */
#ifndef LN_TESTS_PACKING_H
#define LN_TESTS_PACKING_H

#include "support.h"

#include "kernels/convolved.h"

typedef struct packing {
    const ln_convolutions *entry; /* NULL: the one that is chosen */
    const ln_convolution *shape;
    unsigned uses;
    const float *weight;
} packing;

static inline ln_status pack_and_release(void *context, ln_error *err)
{
    const packing *p = context;
    ln_convolved *packed = NULL;
    ln_status status = p->entry
                           ? ln_convolved_pack(p->entry, p->shape, p->uses, p->weight, &packed, err)
                           : ln_convolution_pack(p->shape, p->uses, p->weight, &packed, err);
    ln_convolved_release(packed);
    return status;
}

static inline void sweep_packing(const ln_convolutions *entry, const ln_convolution *shape,
                                 unsigned uses)
{
    float *weight = random_floats(ln_convolution_weights(shape), "test packing", 3);
    sweep_allocation_failures(pack_and_release, &(packing){entry, shape, uses, weight});
    ln_free_aligned(weight);
}

#endif
