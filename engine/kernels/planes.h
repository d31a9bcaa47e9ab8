/* Small kernels on images whose channels are first, (channels, height, width), of few channels: registers hold
 * neighbouring places of a plane, so that no lane is idle, however many channels there are. planes.c makes
 * convolutions of them. One copy an instruction set, chosen by ln_planes_kernels; all compute an element by
 * the same sum in the same order. */
#ifndef LN_KERNELS_PLANES_H
#define LN_KERNELS_PLANES_H

#include "kernels/convolution.h"

#define LN_PLANES_LANES 16 /* numbers behind an operand that are read, and mean nothing */
#define LN_PLANES_ROWS 6   /* of a product that are computed together, at most */
#define LN_PLANES_VECTORS 8
#define LN_PLANES_TAPS 16 /* of a line of the kernel */

/* to[r, p] = bias[r] + sum over k of weight[k, r] from[at[k] + p]. */
typedef struct ln_planes_product {
    int64_t rows, places, depth;
    const float *weight; /* (depth, rows) */
    const float *bias;   /* NULL: zeros */
    const float *from;
    const int32_t *at; /* (depth) */
    float *to;
    int64_t to_row;
} ln_planes_product;

/* Lines of a plane, moved: to[y, x] = from[y, x + shift], 0 beyond the line. */
typedef struct ln_planes_move {
    int64_t lines, from_width, to_width, shift;
} ln_planes_move;

/* to[y, x] += sum over taps k, l of from[k, l, y + shift[0] - k step[0], x + shift[1] - l step[1]], where `from`
 * has that: lines [0, from[0]) of from[1] numbers. to[1] is a multiple of LN_PLANES_LANES: a line that is stored
 * in part only would be slow to read again. */
typedef struct ln_planes_fold {
    int64_t from[2], to[2], taps[2], shift[2], step[2];
    int64_t row; /* numbers of `from` from one tap to the next */
} ln_planes_fold;

typedef struct ln_planes_kernels {
    void (*product)(const ln_planes_product *product);
    void (*move)(const ln_planes_move *move, const float *from, float *to);
    void (*fold)(const ln_planes_fold *fold, const float *from, float *to);
} ln_planes_kernels;

extern const ln_planes_kernels ln_planes_baseline;
#ifdef __x86_64__
extern const ln_planes_kernels ln_planes_avx2, ln_planes_avx512;
#endif

/* This machine's. */
const ln_planes_kernels *ln_planes_kernels_choose(void);

/* Whether the entry below computes a convolution's forward pass and gradient of x, channels first. */
bool ln_planes_possible(const ln_convolution *shape);
/* And faster than the library does with channels last (measured, convolution.c). */
bool ln_planes_pays(const ln_convolution *shape);

extern const ln_convolutions ln_convolutions_planes;

#endif
