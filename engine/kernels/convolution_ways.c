#include "kernels/convolution_ways.h"

#include "base/alloc.h"
#include "base/error.h"

enum { FORWARD, BACKWARD, WAYS };

typedef struct two_ways {
    ln_convolved head;
    const ln_convolutions *entries[WAYS];
    ln_convolved *ways[WAYS];
    /* The first way is another's too. It was packed of the same weights where they lay then: it would take them
     * for others where the other way reads them. */
    bool shares;
} two_ways;

static void release(ln_convolved *packed)
{
    two_ways *own = (two_ways *)packed;
    if (!own)
        return;
    for (int i = 0; i < WAYS; i++)
        ln_convolved_release(own->ways[i]);
    ln_free(own);
}

static ln_status fill(two_ways *own, const float *weight, ln_error *err)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    ln_convolved *head = &own->head;
    head->rereads = false;
    for (int i = 0; i < WAYS; i++) {
        const unsigned rest = head->uses & ~uses[1 - i];
        ln_status status = LN_OK;
        if (i == BACKWARD || !own->shares)
            status = own->entries[i]->pack(&head->shape, rest, weight, &own->ways[i], err);
        if (status)
            return status;
        const ln_convolved *way = own->ways[i];
        head->names[i] = way->names[i];
        head->direct |= way->direct & uses[i];
        head->rereads = head->rereads || way->rereads;
        if (way->scratch_bytes > head->scratch_bytes)
            head->scratch_bytes = way->scratch_bytes;
        if (way->together > head->together)
            head->together = way->together;
    }
    head->whole = own->ways[FORWARD]->whole;
    return LN_OK;
}

static ln_status pack(const ln_convolution *shape, unsigned uses, const float *weight,
                      ln_convolved **packed, ln_error *err)
{
    (void)shape;
    (void)uses;
    return fill((two_ways *)*packed, weight, err); /* what the function below made */
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    const two_ways *own = (const two_ways *)packed;
    const ln_convolved *way = own->ways[FORWARD];
    return way->kernels->forward(way, images, x, own->shares ? NULL : weight, bias, y, scratch,
                                 err);
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    const ln_convolved *way = ((const two_ways *)packed)->ways[BACKWARD];
    return way->kernels->backward_data(way, images, dy, weight, dx, scratch, err);
}

static const ln_convolutions two = {
    .name = "two ways",
    .pack = pack,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
};

ln_status ln_convolution_pack_ways(const ln_convolution *shape, unsigned uses, const float *weight,
                                   const ln_convolved *whole, const ln_convolutions *first,
                                   const ln_convolutions *second, ln_convolved **packed,
                                   ln_error *err)
{
    two_ways *own = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    own->head = (ln_convolved){.kernels = &two, .shape = *shape, .uses = uses};
    own->entries[FORWARD] = first;
    own->entries[BACKWARD] = second;
    own->ways[FORWARD] = whole ? ln_convolved_retain(whole) : NULL;
    own->shares = whole != NULL;
    ln_status status = fill(own, weight, err);
    if (status)
        release(&own->head);
    else
        *packed = &own->head;
    return status;
}
