/* Small kernels on images whose channels lie together, (height, width, channels): what stands around
 * the convolutions of such images (convolution.h, `last`). One copy an instruction set, chosen by
 * ln_last_kernels; all have the same loops, and an image's bits depend on the image alone. */
#ifndef LN_KERNELS_LAST_H
#define LN_KERNELS_LAST_H

#include "lunette.h"

/* What follows a convolution at once: y = f(y + add). */
typedef enum ln_finish_kind {
    LN_FINISH_NOTHING, /* y */
    LN_FINISH_RELU,    /* y <= 0 becomes 0 */
    LN_FINISH_CLAMP    /* y is kept between low and high; there the slope is 0 */
} ln_finish_kind;

typedef struct ln_finish {
    ln_finish_kind kind;
    float low, high; /* of LN_FINISH_CLAMP */
} ln_finish;

/* The window at one place of an axis: elements first, first + dilation ... inside the image. */
typedef struct ln_last_span {
    int32_t first, count;
    int32_t divisor; /* elements of a mean along this axis */
} ln_last_span;

typedef struct ln_last_pool {
    int64_t channels, in[2], out[2], dilation[2];
    const ln_last_span *spans[2]; /* one a place of the axis */
    double divisor;               /* of every mean; 0: as the spans say */
    bool apart;                   /* no element is in two windows */
} ln_last_pool;

/* A convolution of images of few channels. Of dy, the gradient of its results, a line has `left` places
 * of zeros before its own and `right` behind them (both may be 0: the kernel then looks where a line
 * ends). A place has `lanes` numbers: the results, rounded up to LN_THIN_LANES with zeros. */
typedef struct ln_thin {
    int64_t channels, results;                              /* of x, 1 to LN_THIN_CHANNELS; of y */
    int64_t lanes, left, right;                             /* of dy */
    int64_t in[2], out[2], kernel[2], stride[2], before[2]; /* kernel: LN_THIN_TAPS at most */
    const float *weight; /* (kernel, lanes / LN_THIN_LANES, channels, LN_THIN_LANES) */
} ln_thin;
#define LN_THIN_LANES 16
#define LN_THIN_CHANNELS 4
#define LN_THIN_TAPS 256
#define LN_THIN_PLACES 16 /* that are computed together, at most */

/* The gradient of x for wide lines, where registers hold neighbouring places (across_body.h). */
typedef struct ln_across {
    ln_thin thin;      /* lanes, left, right and weight are not used */
    int64_t shifts[2]; /* lines, and places of a line, of dy that a place of dx reads at most */
    int64_t places;    /* of the stride, of a line of dx: a multiple of LN_ACROSS_PLACES */
    int64_t width;     /* of a turned line of dy */
    const float
        *weight; /* (kernel[0], shifts[1], results, stride[1], channels), 0 beyond the kernel */
} ln_across;
#define LN_ACROSS_ROWS 8 /* stride[1] * channels, at most: 3, 4, 6 or 8 */
#define LN_ACROSS_PLACES 128

/* Windows of an image as panels of a matrix product: panel q holds numbers [16 q, 16 q + 16) of each
 * window, which stand in the image in segments that lie together. Copies are of 16 numbers and run over
 * what the next one writes: 16 numbers behind the image are read, and as many behind the panels written. */
typedef struct ln_windows {
    int64_t panels;
    const int32_t *segments; /* (panels + 1): the first of each panel */
    const int32_t *from;     /* where a segment begins, from the window's first number */
    const int32_t *to;       /* and in the panel's 16, ascending */
} ln_windows;
#define LN_WINDOW_LANES 16

/* Windows of 2 x 2 side by side, `count` of them in each two lines of `width` numbers. */
typedef struct ln_pairs {
    int64_t lines, count, width; /* lines of windows */
} ln_pairs;

typedef struct ln_last_kernels {
    void (*finish)(const ln_finish *finish, int64_t count, const float *add, float *y);
    /* dz = dy where f did not cut, else 0; y is f's. */
    void (*keep)(const ln_finish *finish, int64_t count, const float *y, const float *dy,
                 float *dz);
    void (*add)(int64_t count, const float *from, float *to); /* to += from */
    /* One image. */
    void (*max_forward)(const ln_last_pool *pool, const float *x, float *y);
    void (*max_backward)(const ln_last_pool *pool, const float *x, const float *dy, float *dx);
    /* Of images whose channels are first: the greatest of windows, and what goes back to their numbers; no
     * other number of dx is written. */
    void (*pairs_forward)(const ln_pairs *pairs, const float *x, float *y);
    void (*pairs_backward)(const ln_pairs *pairs, const float *x, const float *dy, float *dx);
    void (*mean_forward)(const ln_last_pool *pool, const float *x, float *y);
    void (*mean_backward)(const ln_last_pool *pool, const float *dy, float *dx);
    void (*thin)(const ln_thin *thin, const float *dy, float *dx);
    void (*across)(const ln_across *across, const float *dy, float *dx, float *scratch);
    /* x has zeros around it as far as it is read, `line` numbers a line; at most LN_THIN_LANES results. */
    void (*thin_forward)(const ln_thin *thin, const float *x, int64_t line, const float *bias,
                         float *y);
    /* Places of `channels` numbers to places of `lanes`, filled up with zeros. */
    void (*widen)(int64_t places, int64_t channels, int64_t lanes, const float *from, float *to);
    /* to (columns, rows) = from (rows, columns) transposed. */
    void (*turn)(int64_t rows, int64_t columns, const float *from, float *to);
    /* The windows that begin at the `count` places `first` of x, as panels (count, 16) each. */
    void (*windows)(const ln_windows *windows, const int32_t *first, int64_t count, const float *x,
                    float *panels);
} ln_last_kernels;

extern const ln_last_kernels ln_last_baseline;
#ifdef __x86_64__
extern const ln_last_kernels ln_last_avx2, ln_last_avx512;
#endif

/* This machine's. */
const ln_last_kernels *ln_last_kernels_choose(void);
/* Whether networks should be turned to such images here: where oneDNN has direct convolutions for
 * them (library.h). */
bool ln_last_is_fast(void);

/* to (columns, rows) = from (rows, columns) transposed: between channels first and last. */
void ln_last_turn(int64_t rows, int64_t columns, const float *from, float *to);

#endif
