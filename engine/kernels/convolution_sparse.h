/* Inside kernels/: what the files of convolutions that skip zeros share: their geometry (convolution_sparse_ways.c),
 * their passes (convolution_sparse_passes.c) and their entry (convolution_sparse.c). */
#ifndef LN_KERNELS_CONVOLUTION_SPARSE_H
#define LN_KERNELS_CONVOLUTION_SPARSE_H

#include "kernels/sparse.h"

/* What one way computes: y from x. */
typedef struct ln_sparse_way {
    const ln_sparse_kernels *kernels;
    int64_t channels, results; /* of x and y */
    int64_t from[2], to[2];    /* sizes of their images */
    int64_t block, blocks, panel, panels;
    int64_t lines;  /* of y that are computed together */
    int64_t spread; /* lines of x that these reach, at most */
    int64_t images; /* that are computed together */
    bool woven;     /* three taps along a line are taken together */
    int64_t taps;   /* that are taken one after another, in turn from `first` on */
    int64_t first;
    bool whole;  /* the first one reaches all results: sums begin there */
    int64_t row; /* numbers of a channel's weights that are used together */
    /* (panels, blocks, taps, block, row), owned, and a block behind them that is only read ahead; of windows
     * (blocks, block, row). */
    float *weight;
    bool windows; /* results of few channels: all taps are taken together */
} ln_sparse_way;

/* Along an axis: which places of y in [begin, end) get from which of x by a tap. Places of the convolution's input are
 * `stride` apart where those of its output are neighbours. */
typedef struct ln_sparse_reach {
    int64_t to, to_step, from, from_step, count;
} ln_sparse_reach;

ln_sparse_reach ln_sparse_reach_of(const ln_convolution *s, bool backward, int axis, int64_t tap,
                                   int64_t begin, int64_t end);
/* The lines of x that lines [begin, end) of y reach: [from, to). */
void ln_sparse_lines(const ln_convolution *s, bool backward, int64_t begin, int64_t end,
                     int64_t *from, int64_t *to);

/* All but the weights. */
void ln_sparse_describe(const ln_convolution *s, bool backward, ln_sparse_way *w);
int64_t ln_sparse_weight_floats(const ln_sparse_way *w);
void ln_sparse_fill(const ln_convolution *s, bool backward, const float *weight, ln_sparse_way *w);

/* The weights that ln_sparse_fill was given, of the forward pass. */
void ln_sparse_read(const ln_convolution *s, const ln_sparse_way *w, float *weight);

size_t ln_sparse_scratch(const ln_convolution *s, const ln_sparse_way *w);
/* y of x, of `images` images. */
void ln_sparse_run(const ln_convolution *s, bool backward, const ln_sparse_way *w, int64_t images,
                   const float *x, const float *bias, float *y, void *scratch);

#endif
