#include "kernels/convolved.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---------------------------------------------------------------- packing */

ln_status ln_convolved_new(const ln_convolutions *entry, const ln_convolution *shape, unsigned uses,
                           ln_convolved **out, ln_error *err)
{
    ln_convolved *own = ln_calloc(1, entry->size);
    if (!own)
        return ln_fail_memory(err, entry->size);
    *own = (ln_convolved){.kernels = entry,
                          .shape = *shape,
                          .uses = uses,
                          .direct = uses & (LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA),
                          .names = {entry->name, entry->name}};
    *out = own;
    return LN_OK;
}

static ln_status fill(ln_convolved *own, const float *weight, ln_error *err)
{
    own->given = weight;
    return weight && own->kernels->fill ? own->kernels->fill(own, weight, err) : LN_OK;
}

/* Whether the weights can be made again of what is packed for the forward pass, that is all there is, and there are so
 * many that others will want to share them. */
static bool is_whole(const ln_convolved *own)
{
    return own->kernels->unpack && own->uses == LN_CONVOLVE_FORWARD &&
           (own->direct & LN_CONVOLVE_FORWARD) && !own->rereads &&
           ln_convolution_weights(&own->shape) >= LN_CONVOLUTION_MANY;
}

static ln_status pack_anew(const ln_convolutions *entry, const ln_convolution *shape, unsigned uses,
                           const float *weight, ln_convolved **packed, ln_error *err)
{
    ln_convolved *own = NULL;
    ln_status status = ln_convolved_new(entry, shape, uses, &own, err);
    if (status)
        return status;
    status = entry->make(own, weight, err);
    if (!status)
        status = fill(own, weight, err);
    if (status) {
        ln_convolved_release(own);
        return status;
    }
    own->whole = is_whole(own) ? own : NULL;
    *packed = own;
    return LN_OK;
}

static ln_status pack_again(ln_convolved *own, const float *weight, ln_error *err)
{
    const size_t reserved = own->scratch_bytes;
    ln_status status = own->stand_in ? pack_again(own->stand_in, weight, err) : LN_OK;
    if (!status)
        status = fill(own, weight, err);
    assert(own->scratch_bytes == reserved); /* plans have taken it */
    return status;
}

ln_status ln_convolved_pack(const ln_convolutions *entry, const ln_convolution *shape,
                            unsigned uses, const float *weight, ln_convolved **packed,
                            ln_error *err)
{
    return *packed ? pack_again(*packed, weight, err)
                   : pack_anew(entry, shape, uses, weight, packed, err);
}

ln_status ln_convolved_leave(ln_convolved *own, const ln_convolutions *entry, unsigned uses,
                             const float *weight, ln_error *err)
{
    ln_status status = ln_convolved_pack(entry, &own->shape, uses, weight, &own->stand_in, err);
    if (!status)
        ln_convolved_need(own, own->stand_in->scratch_bytes, own->stand_in->together);
    return status;
}

void ln_convolved_need(ln_convolved *own, size_t scratch_bytes, int64_t together)
{
    if (scratch_bytes > own->scratch_bytes)
        own->scratch_bytes = scratch_bytes;
    if (together > own->together)
        own->together = together;
}

/* ---------------------------------------------------------------- holders */

ln_convolved *ln_convolved_retain(const ln_convolved *packed)
{
    ln_convolved *shared = (ln_convolved *)(uintptr_t)packed;
    __atomic_add_fetch(&shared->shared, 1, __ATOMIC_RELAXED);
    return shared;
}

void ln_convolved_release(ln_convolved *packed)
{
    if (!packed || __atomic_fetch_sub(&packed->shared, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (packed->kernels->release)
        packed->kernels->release(packed);
    ln_convolved_release(packed->stand_in);
    ln_free(packed);
}

ln_status ln_convolution_unpack(const ln_convolved *whole, float *weight, ln_error *err)
{
    return whole->kernels->unpack(whole, weight, err);
}

/* ---------------------------------------------------------------- passes */

/* What computes with these weights: where they are not the packed ones, the last of those that stand in. */
static const ln_convolved *computes(const ln_convolved *packed, const float *weight)
{
    const bool other = weight && packed->given && weight != packed->given;
    assert(!other || packed->rereads || (packed->uses & LN_CONVOLVE_OTHERS));
    while (packed->stand_in && weight && weight != packed->given)
        packed = packed->stand_in;
    return packed;
}

ln_status ln_convolved_forward(const ln_convolved *packed, int64_t images, const float *x,
                               const float *weight, const float *bias, float *y, void *scratch,
                               ln_error *err)
{
    const ln_convolved *own = computes(packed, weight);
    return own->kernels->forward(own, images, x, weight, bias, y, scratch, err);
}

ln_status ln_convolved_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                     const float *weight, float *dx, void *scratch, ln_error *err)
{
    const ln_convolved *own = computes(packed, weight);
    return own->kernels->backward_data(own, images, dy, weight, dx, scratch, err);
}

ln_status ln_convolved_backward_weights(const ln_convolved *packed, int64_t images, const float *x,
                                        const float *dy, float *dw, void *scratch, ln_error *err)
{
    const ln_convolved *own = packed->kernels->backward_weights ? packed : packed->stand_in;
    return own->kernels->backward_weights(own, images, x, dy, dw, scratch, err);
}
