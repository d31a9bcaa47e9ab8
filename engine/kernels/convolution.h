/* The small table over convolutions, beside that over matrix products (kernels.h):
 *
 *     forward           y (O, out)  = x (I, in) * w + bias      an image at a time
 *     backward_data     dx (I, in)  = the transpose of that map, applied to dy (O, out)
 *     backward_weights  dw          += dy * x, over images in their order
 *
 * A transposed convolution is the same table with forward and backward_data changed round. Every
 * window has three axes; those that a layer has not are 1 long. Images, weights (O, I / groups,
 * kernel) and results are plain row-major buffers here; an entry that computes in blocked layouts
 * reorders in its scratch. With `last` the channels of x and y are their last axis instead, (spatial,
 * channels), which oneDNN computes without reordering anything.
 *
 * The promise of kernels.h holds: an image's bits depend on the image, the weights and the shapes
 * alone. Nothing here starts a thread; scratch memory is the caller's. */
#ifndef LN_KERNELS_CONVOLUTION_H
#define LN_KERNELS_CONVOLUTION_H

#include "lunette.h"

#define LN_SPATIAL 3 /* axes of a window */

/* How many numbers of images are likely to be 0, as the network that made them tells. */
typedef enum ln_zeros {
    LN_ZEROS_FEW,  /* nothing is known */
    LN_ZEROS_SOME, /* behind relu, of several numbers the greatest */
    LN_ZEROS_MANY, /* behind relu of a sum, one part of which may never be below 0 */
    LN_ZEROS_HALF  /* behind relu; gradients that it has cut */
} ln_zeros;

typedef struct ln_convolution {
    int64_t groups, in_channels, out_channels; /* of x and of y; groups divides both */
    int64_t in[LN_SPATIAL], out[LN_SPATIAL];   /* sizes of an image, all >= 1 */
    int64_t kernel[LN_SPATIAL], stride[LN_SPATIAL], dilation[LN_SPATIAL];
    int64_t before[LN_SPATIAL]; /* zeros before the first element; those after it follow from out */
    int64_t images;             /* most in one call of backward_weights */
    bool last; /* channels of x and y are the last axis; no backward_weights then */
    bool fast; /* fewer multiplications may be made, for a little exactness (numerics "fast") */
    ln_zeros zeros[2]; /* of x of forward, of dy of backward_data */
} ln_convolution;

/* What a packed convolution will be asked for, or-ed. */
#define LN_CONVOLVE_FORWARD 1u
#define LN_CONVOLVE_BACKWARD_DATA 2u
#define LN_CONVOLVE_BACKWARD_WEIGHTS 4u
#define LN_CONVOLVE_OTHERS 8u /* any of these with weights that were not packed */

/* Weights in the entry's own layout. Each entry's own struct begins with this one. */
typedef struct ln_convolved {
    const struct ln_convolutions *kernels; /* the entry that packed it */
    ln_convolution shape;
    unsigned uses;
    unsigned direct; /* of these, what the entry computes itself; the plain one does the rest */
    size_t scratch_bytes; /* that any of its uses needs, 64-aligned; the same for all weights */
    int64_t together;     /* images that a call should have, if there are as many; 0: any number */
    bool rereads; /* passes read the weights that were packed, too; else NULL stands for them */
    const char *names[2];          /* what computes forward and backward_data; constants, or NULL */
    const float *given;            /* the weights that were packed, borrowed; NULL: none */
    struct ln_convolved *stand_in; /* another entry's, for what this one leaves to it; or NULL */
    const struct ln_convolved *
        whole; /* the part of it that ln_convolution_unpack takes, which may stay longer; or NULL */
    int shared; /* holders but the first, ln_convolved_retain; changed atomically */
} ln_convolved;

/* What an entry does itself; the rest, alike for all, is convolved.c. */
typedef struct ln_convolutions {
    const char *name;
    size_t size; /* of its own struct */
    /* Decides and allocates all but the weights, which it may hand on. `own` is zeros behind its head. */
    ln_status (*make)(ln_convolved *own, const float *weight, ln_error *err);
    /* Packs weights, the first ones or others. NULL: nothing is packed. */
    ln_status (*fill)(ln_convolved *own, const float *weight, ln_error *err);
    /* What it holds besides its struct and the stand-in, however far `make` came. NULL: nothing. */
    void (*release)(ln_convolved *own);
    /* As ln_convolved_forward and so on, below; weights that were not packed come only where there is no
     * stand-in. backward_weights NULL: the stand-in's. */
    ln_status (*forward)(const ln_convolved *own, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err);
    ln_status (*backward_data)(const ln_convolved *own, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err);
    ln_status (*backward_weights)(const ln_convolved *own, int64_t images, const float *x,
                                  const float *dy, float *dw, void *scratch, ln_error *err);
    /* Writes what was packed for the forward pass, bit by bit. NULL: that is not whole. */
    ln_status (*unpack)(const ln_convolved *whole, float *weight, ln_error *err);
} ln_convolutions;

extern const ln_convolutions ln_convolutions_plain;

/* Packs with the entry for this shape, these uses and weights: chosen by shape, instruction set, build (library.h)
 * and whether all weights are finite, alone. *packed is NULL, or what an earlier call with this shape and
 * these uses made, which keeps its entry and takes the new weights. `weight` is borrowed; NULL: others will
 * come in each call. */
ln_status ln_convolution_pack(const ln_convolution *shape, unsigned uses, const float *weight,
                              ln_convolved **packed, ln_error *err);
void ln_convolved_release(ln_convolved *packed); /* NULL is fine */

/* `images` of them one after another. `weight` is what was packed (or NULL, unless `rereads`), or, as
 * LN_CONVOLVE_OTHERS says, others of this shape that a rule made (whose bits may be those of another entry).
 * `bias` (out_channels) may be NULL. */
ln_status ln_convolved_forward(const ln_convolved *packed, int64_t images, const float *x,
                               const float *weight, const float *bias, float *y, void *scratch,
                               ln_error *err);
ln_status ln_convolved_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                     const float *weight, float *dx, void *scratch, ln_error *err);
/* Adds to dw. */
ln_status ln_convolved_backward_weights(const ln_convolved *packed, int64_t images, const float *x,
                                        const float *dy, float *dw, void *scratch, ln_error *err);

/* Many weights are packed for each way on its own, so that the forward pass's, which hold them whole, may serve
 * several: such a one never takes new weights. */
#define LN_CONVOLUTION_MANY ((int64_t)1 << 14)
ln_convolved *ln_convolved_retain(const ln_convolved *packed); /* one more holder; returns it */
/* Whether the forward pass of this shape and these uses can be that of `whole`. */
bool ln_convolution_shares(const ln_convolution *shape, unsigned uses, const ln_convolved *whole);
/* Packs (a new *packed) with `whole` for the forward pass, which shares it; `weight` is read if there is another. */
ln_status ln_convolution_pack_beside(const ln_convolution *shape, unsigned uses,
                                     const float *weight, const ln_convolved *whole,
                                     ln_convolved **packed, ln_error *err);
ln_status ln_convolution_unpack(const ln_convolved *whole, float *weight, ln_error *err);

int64_t ln_convolution_in_row(const ln_convolution *shape);  /* numbers of an image of x */
int64_t ln_convolution_out_row(const ln_convolution *shape); /* of y */
int64_t ln_convolution_weights(const ln_convolution *shape); /* of w */

#endif
