/* Convolutions that skip the zeros of what they read: images behind relu, and gradients that relu has cut, are to a
 * third or a half zeros, wherever they happen to stand.
 *
 * Of each place of an image the channels that are other than 0 are marked, a bit each; each tap then adds to a result
 * a row of weights for every bit. A panel of results of one place is summed in registers, the
 * weights of a block of channels and a tap stay in the first cache while all places of a band of lines pass.
 * Two neighbours of a line share the weights of the channels that both have, where registers are many: then it is no
 * slower than other kernels where there are no zeros at all. Else every product reads its weights from the cache, which
 * costs a quarter of the multipliers' speed, and with less than a fifth of zeros other kernels are faster.
 *
 * A result is the bias and, block by block of channels, tap by tap, a sum over what is other than 0 in the order of
 * channels: of a pair first those that both have; of narrow panels without a pair two sums, of every second one, that
 * are added. It depends on its image alone, and images may come in any groups. Where weights are not finite 0 times
 * them counts: then the library's convolution stands in.
 *
 * Source of the idea that zeros are found a number at a time while registers go along the other channels: Gong
 * et al. 2020, SparseTrain, arXiv:1911.10175. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolution_sparse.h"
#include "kernels/library.h"
#include "kernels/turned.h"

enum {
    WAYS = 2,           /* forward, and the gradient of x */
    FEWEST_PLACES = 128 /* that should pass before the next weights are read, if images are small */
};

typedef struct sparse {
    ln_convolved head;
    ln_sparse_way ways[WAYS];
    ln_convolved *plain;   /* for weights that are not the packed ones */
    ln_convolved *library; /* where the packed ones are not finite, else NULL */
    const float *given;    /* what was packed, borrowed */
} sparse;

static bool all_finite(const float *weight, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(weight[i]))
            return false;
    return true;
}

/* ---------------------------------------------------------------- the entry */

static void release(ln_convolved *packed)
{
    sparse *own = (sparse *)packed;
    if (!own)
        return;
    ln_convolved_release(own->plain);
    ln_convolved_release(own->library);
    for (int way = 0; way < WAYS; way++)
        ln_free_aligned(own->ways[way].weight);
    ln_free(own);
}

static void need(ln_convolved *head, size_t scratch_bytes, int64_t together)
{
    if (scratch_bytes > head->scratch_bytes)
        head->scratch_bytes = scratch_bytes;
    if (together > head->together)
        head->together = together;
}

static ln_status make_ways(sparse *own, ln_error *err)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    const ln_convolution *s = &own->head.shape;
    for (int way = 0; way < WAYS; way++) {
        ln_sparse_way *w = &own->ways[way];
        if (!(own->head.uses & uses[way]))
            continue;
        ln_sparse_describe(s, way == 1, w);
        const size_t bytes = (size_t)ln_sparse_weight_floats(w) * sizeof *w->weight;
        w->weight = ln_alloc_aligned(bytes);
        if (!w->weight)
            return ln_fail_memory(err, bytes);
        const int64_t places = w->to[0] * w->to[1];
        need(&own->head, ln_sparse_scratch(s, w), (FEWEST_PLACES + places - 1) / places);
    }
    return LN_OK;
}

static ln_status make(const ln_convolution *shape, unsigned uses, const float *weight, sparse **out,
                      ln_error *err)
{
    sparse *own = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    own->head = (ln_convolved){.kernels = &ln_convolutions_sparse,
                               .shape = *shape,
                               .uses = uses,
                               .direct = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA,
                               .names = {"sparse", "sparse"}};
    ln_status status = make_ways(own, err);
    if (!status && uses & LN_CONVOLVE_OTHERS)
        status = ln_convolutions_plain.pack(shape, uses, weight, &own->plain, err);
    if (!status && own->plain)
        need(&own->head,
             own->plain->scratch_bytes + (size_t)ln_turned_floats(shape) * sizeof(float), 0);
    if (status)
        release(&own->head);
    else
        *out = own;
    return status;
}

static ln_status pack(const ln_convolution *shape, unsigned uses, const float *weight,
                      ln_convolved **packed, ln_error *err)
{
    sparse *own = (sparse *)*packed;
    ln_status status = own ? LN_OK : make(shape, uses, weight, &own, err);
    if (status)
        return status;
    *packed = &own->head;
    own->given = weight;
    ln_convolved_release(own->library);
    own->library = NULL;
    own->head.rereads = false;
    own->head.whole = own->ways[0].weight ? &own->head : NULL;
    if (!all_finite(weight, ln_convolution_weights(shape))) {
        status = ln_library_convolutions()->pack(shape, uses, weight, &own->library, err);
        if (status)
            return status;
        own->head.rereads = own->library->rereads;
        need(&own->head, own->library->scratch_bytes, own->library->together);
    }
    for (int way = 0; way < WAYS; way++)
        if (own->ways[way].weight)
            ln_sparse_fill(shape, way == 1, weight, &own->ways[way]);
    return LN_OK;
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    const sparse *own = (const sparse *)packed;
    if (weight && weight != own->given)
        return ln_turned_forward(own->plain, &packed->shape, images, x, weight, bias, y, scratch,
                                 err);
    if (own->library)
        return own->library->kernels->forward(own->library, images, x, weight, bias, y, scratch,
                                              err);
    ln_sparse_run(&packed->shape, false, &own->ways[0], images, x, bias, y, scratch);
    return LN_OK;
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    const sparse *own = (const sparse *)packed;
    if (weight && weight != own->given)
        return ln_turned_backward_data(own->plain, &packed->shape, images, dy, weight, dx, scratch,
                                       err);
    if (own->library)
        return own->library->kernels->backward_data(own->library, images, dy, weight, dx, scratch,
                                                    err);
    ln_sparse_run(&packed->shape, true, &own->ways[1], images, dy, NULL, dx, scratch);
    return LN_OK;
}

static ln_status unpack(const ln_convolved *whole, float *weight, ln_error *err)
{
    (void)err;
    ln_sparse_read(&whole->shape, &((const sparse *)whole)->ways[0], weight);
    return LN_OK;
}

const ln_convolutions ln_convolutions_sparse = {
    .name = "sparse",
    .pack = pack,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
    .unpack = unpack,
};
