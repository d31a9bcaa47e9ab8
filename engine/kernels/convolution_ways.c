#include "kernels/convolution_ways.h"

#include "kernels/convolved.h"

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
    for (int i = 0; i < WAYS; i++)
        ln_convolved_release(((two_ways *)packed)->ways[i]);
}

static ln_status fill(ln_convolved *head, const float *weight, ln_error *err)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    two_ways *own = (two_ways *)head;
    ln_status status = LN_OK;
    for (int i = own->shares ? BACKWARD : FORWARD; i < WAYS && !status; i++)
        status = ln_convolved_pack(own->entries[i], &head->shape, head->uses & ~uses[1 - i], weight,
                                   &own->ways[i], err);
    return status;
}

/* What both ways together are. */
static void describe(two_ways *own)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    ln_convolved *head = &own->head;
    head->direct = 0;
    for (int i = 0; i < WAYS; i++) {
        const ln_convolved *way = own->ways[i];
        head->names[i] = way->names[i];
        head->direct |= way->direct & uses[i];
        head->rereads = head->rereads || way->rereads;
        ln_convolved_need(head, way->scratch_bytes, way->together);
    }
    head->whole = own->ways[FORWARD]->whole;
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    const two_ways *own = (const two_ways *)packed;
    return ln_convolved_forward(own->ways[FORWARD], images, x, own->shares ? NULL : weight, bias, y,
                                scratch, err);
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    return ln_convolved_backward_data(((const two_ways *)packed)->ways[BACKWARD], images, dy,
                                      weight, dx, scratch, err);
}

static const ln_convolutions two = {
    .name = "two ways",
    .size = sizeof(two_ways),
    .fill = fill,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
};

ln_status ln_convolution_pack_ways(const ln_convolution *shape, unsigned uses, const float *weight,
                                   const ln_convolved *whole, const ln_convolutions *first,
                                   const ln_convolutions *second, ln_convolved **packed,
                                   ln_error *err)
{
    ln_convolved *head = NULL;
    ln_status status = ln_convolved_new(&two, shape, uses, &head, err);
    if (status)
        return status;
    two_ways *own = (two_ways *)head;
    own->entries[FORWARD] = first;
    own->entries[BACKWARD] = second;
    own->ways[FORWARD] = whole ? ln_convolved_retain(whole) : NULL;
    own->shares = whole != NULL;
    status = fill(head, weight, err);
    if (status) {
        ln_convolved_release(head);
        return status;
    }
    describe(own);
    *packed = head;
    return LN_OK;
}
