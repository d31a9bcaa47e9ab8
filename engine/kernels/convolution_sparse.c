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
 * them counts: those are not for this entry (convolution.c).
 *
 * Source of the idea that zeros are found a number at a time while registers go along the other channels: Gong
 * et al. 2020, SparseTrain, arXiv:1911.10175. */
#include "kernels/convolution_sparse.h"
#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolved.h"

enum {
    WAYS = 2,           /* forward, and the gradient of x */
    FEWEST_PLACES = 128 /* that should pass before the next weights are read, if images are small */
};

typedef struct sparse {
    ln_convolved head;
    ln_sparse_way ways[WAYS];
} sparse;

static void release(ln_convolved *packed)
{
    for (int way = 0; way < WAYS; way++)
        ln_free_aligned(((sparse *)packed)->ways[way].weight);
}

static ln_status make(ln_convolved *head, const float *weight, ln_error *err)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    const ln_convolution *s = &head->shape;
    for (int way = 0; way < WAYS; way++) {
        ln_sparse_way *w = &((sparse *)head)->ways[way];
        if (!(head->uses & uses[way]))
            continue;
        ln_sparse_describe(s, way == 1, w);
        const size_t bytes = (size_t)ln_sparse_weight_floats(w) * sizeof *w->weight;
        w->weight = ln_alloc_aligned(bytes);
        if (!w->weight)
            return ln_fail_memory(err, bytes);
        const int64_t places = w->to[0] * w->to[1];
        ln_convolved_need(head, ln_sparse_scratch(s, w), (FEWEST_PLACES + places - 1) / places);
    }
    return head->uses & LN_CONVOLVE_OTHERS
               ? ln_convolved_leave(head, &ln_convolutions_plain, head->uses, weight, err)
               : LN_OK;
}

static ln_status fill(ln_convolved *head, const float *weight, ln_error *err)
{
    (void)err;
    for (int way = 0; way < WAYS; way++) {
        ln_sparse_way *w = &((sparse *)head)->ways[way];
        if (w->weight)
            ln_sparse_fill(&head->shape, way == 1, weight, w);
    }
    return LN_OK;
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    (void)weight;
    (void)err;
    ln_sparse_run(&packed->shape, false, &((const sparse *)packed)->ways[0], images, x, bias, y,
                  scratch);
    return LN_OK;
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    (void)weight;
    (void)err;
    ln_sparse_run(&packed->shape, true, &((const sparse *)packed)->ways[1], images, dy, NULL, dx,
                  scratch);
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
    .size = sizeof(sparse),
    .make = make,
    .fill = fill,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
    .unpack = unpack,
};
