/* Inside kernels/: convolutions of images many of whose numbers are 0 (convolution_sparse.c), and their loops, one
 * copy an instruction set. Channels are last. What is 0 is not multiplied: of each place of an image the
 * others are marked once, channels in blocks, and then added to all results they reach. */
#ifndef LN_KERNELS_SPARSE_H
#define LN_KERNELS_SPARSE_H

#include "kernels/convolution.h"

#define LN_SPARSE_NARROWEST 64 /* results that are summed at once, at least; others are multiples */
#define LN_SPARSE_WIDEST 128   /* at most */
#define LN_SPARSE_STEP 16      /* channels of a block are a multiple */

/* The entry of convolution.h; only of shapes that it suits, and of finite weights: 0 times others is not 0. A way's
 * images are those it reads: x, or dy. */
extern const ln_convolutions ln_convolutions_sparse;
bool ln_sparse_suits(const ln_convolution *shape, bool backward);

/* Which numbers of x are other than 0: of block b and place p bit c of some[b places + p] says it of the block's
 * channel c. */
typedef struct ln_sparse_marks {
    int64_t channels, block, blocks; /* of a place; of a block, at most 64; in all */
    int64_t places;                  /* that there is room for */
    uint64_t *some;
} ln_sparse_marks;

/* Places that one tap brings together: line l and number i of place to.first + l to.line + i to.step get from
 * those of `from`. */
typedef struct ln_sparse_places {
    int64_t first, line, step;
} ln_sparse_places;

#define LN_SPARSE_WOVEN 3 /* taps that are woven */

/* y[to] += sum over channels c of x[from, c] weight[c], of one block of channels, one tap and one panel of
 * results. Woven: of three taps, the first of which brings place s of a line of x to place s + to.first, the
 * others to the two before it, if there are such in the line of y. */
typedef struct ln_sparse_visit {
    const float *x;       /* the block's first number of the first place that is marked */
    const uint64_t *some; /* the block's mark of the same */
    int64_t x_place;      /* numbers from a place to the next */
    int64_t lines, count; /* of places; in a line, woven: of x */
    ln_sparse_places to, from;
    int64_t width;       /* of the panel */
    const float *weight; /* (block, width), woven: (block, 3, width), 64-aligned */
    const float *start;  /* (width) what all sums begin with; NULL: what y holds */
    float *y;            /* the panel's first number of the first place */
    int64_t y_place;     /* numbers from a place to the next */
    int64_t y_line;      /* woven: places of a line of y; `y` is then its first place */
    /* Weights that will be asked for next: each place hints at `ahead_place` bytes more, in whole lines of the cache.
     * Of many places the hints go on behind them, which is faster by 4% than to stop. */
    const char *ahead;
    int64_t ahead_place;
} ln_sparse_visit;

/* Of a line of x all places, to windows of a few lines of y that they reach: window number p begins at y + p y_place. */
typedef struct ln_sparse_windows {
    const float *x;       /* the block's first number of the first place */
    const uint64_t *some; /* the block's mark of the same */
    int64_t x_place;
    int64_t places;
    int64_t lines, length; /* of a window; numbers of a line */
    const float *weight;   /* (block, lines, length rounded up to LN_SPARSE_STEP), 64-aligned */
    float *y;
    int64_t y_place, y_line;
} ln_sparse_windows;

typedef struct ln_sparse_kernels {
    int64_t widest;  /* panel */
    ln_zeros fewest; /* that pay, where the kernel is more than a single place */
    /* Marks `places` places of x as those from number `first` on. */
    void (*mark)(const ln_sparse_marks *marks, int64_t first, int64_t places, const float *x);
    void (*visit)(const ln_sparse_visit *visit);
    void (*weave)(
        const ln_sparse_visit *visit); /* of the narrowest panels; NULL: registers are too few */
    void (*scatter)(const ln_sparse_windows
                        *windows); /* of 3 or 5 lines of one step, or 7 of two; NULL as well */
} ln_sparse_kernels;

#ifdef __x86_64__
extern const ln_sparse_kernels ln_sparse_avx2, ln_sparse_avx512;
#endif

#endif
