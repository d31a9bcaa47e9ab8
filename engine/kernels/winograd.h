/* Inside kernels/: convolutions with fewer multiplications, for numerics "fast" (winograd.c), and their
 * loops, one copy an instruction set. */
#ifndef LN_KERNELS_WINOGRAD_H
#define LN_KERNELS_WINOGRAD_H

#include "kernels/convolution.h"

#define LN_WINOGRAD_SIDE 6 /* of a tile that is read */
#define LN_WINOGRAD_POINTS (LN_WINOGRAD_SIDE * LN_WINOGRAD_SIDE)
#define LN_WINOGRAD_BLOCK 16 /* channels of a block of packed weights, each way */
#define LN_WINOGRAD_PANEL 32 /* output channels that are computed together */

/* The entry of convolution.h; only of shapes that it suits. */
extern const ln_convolutions ln_convolutions_winograd;
bool ln_winograd_suits(const ln_convolution *shape);

/* Where a tile lies in an image. Places beyond the border are read as 0 and not written. */
typedef struct ln_winograd_tile {
    int64_t row, column;             /* of its first place; those that are read may begin outside */
    int64_t rows, columns, channels; /* of the image */
} ln_winograd_tile;

/* `step`: numbers between what belongs to two neighbouring points. `taps`: 3 or 5. */
typedef struct ln_winograd_kernels {
    /* A block of packed weights (BLOCK, taps^2, BLOCK) into u (points, BLOCK of the first, PANEL);
     * `turned`: of the second, and with the taps in reverse. `next` is the block that will follow. */
    void (*weights)(int taps, bool turned, const float *block, const float *next, float *u,
                    int64_t step);
    /* A tile of an image into v (points, channels rounded up to BLOCK). */
    void (*enter)(const ln_winograd_tile *tile, const float *image, float *v, int64_t step);
    /* m (rows, PANEL) = (`more`: +=) v (rows, the first `count` of `width`) u (count, PANEL). */
    void (*product)(int64_t rows, int64_t count, const float *v, int64_t width, const float *u,
                    bool more, float *m);
    /* Of m (points, PANEL) and a bias (channels) or NULL to the image, its channels from `first` on. */
    void (*leave)(int taps, const ln_winograd_tile *tile, const float *m, int64_t step,
                  int64_t first, const float *bias, float *image);
} ln_winograd_kernels;

#ifdef __x86_64__
extern const ln_winograd_kernels ln_winograd_avx2, ln_winograd_avx512;
#endif

#endif
