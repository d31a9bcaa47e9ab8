/* One number a row from dense layers that stand one behind the other, where rows are many and alike: sums of
 * parts (gather.h) at the first layer, an activation, then layers of sums,
 *
 *     h_1 = f_0(start + tables[0][chosen[0]] + tables[1][chosen[1]] + ...)
 *     h_l+1 = f_l(b_l + W_l h_l),  y = c + w h_last
 *
 * or where rows are walks, each the row before it and one part more, from the start again and again.
 *
 * A few rows go through all layers before the next ones begin, so that nothing between the layers leaves the
 * first cache. Where f is relu, what is 0 in all of them is not multiplied at all: rows that stand beside
 * rows alike (fewer features differ) are faster, the bits are the same (a sum that begins with anything but
 * -0 stays as it is when 0 is added).
 *
 * A row's bits depend on the row alone. An element of h is one sum in the order of its terms, as in plain.h.
 * y is 16 sums over every 16th number, the halves of them added until one is left. */
#ifndef LN_KERNELS_CASCADE_H
#define LN_KERNELS_CASCADE_H

#include "lunette.h"

#define LN_CASCADE_PANEL                                                                           \
    16 /* numbers of a layer are a multiple: zeros follow those that there are */
#define LN_CASCADE_WIDEST 512 /* numbers of a layer at most */
#define LN_CASCADE_ROWS 8     /* rows that are prepared are a multiple */

/* y = f(x), `count` numbers (kernels/elementary.h). */
typedef void (*ln_cascade_activation)(int64_t count, const float *x, float *y);

/* What makes the numbers of a layer final: relu, or a function, or neither. */
typedef struct ln_cascade_ending {
    bool cut;                       /* relu */
    ln_cascade_activation activate; /* or NULL */
    int64_t numbers;                /* of the layer, behind which zeros follow: packing says it */
} ln_cascade_ending;

typedef struct ln_cascade_layer {
    int64_t inputs;  /* padded to the panel */
    int64_t outputs; /* the same */
    float *weight;   /* (outputs / 16, inputs, 16), 64-aligned: output o of panel p is 16 p + o */
    float *bias;     /* (outputs), 64-aligned; no -0 */
    ln_cascade_ending ending;
} ln_cascade_layer;

typedef struct ln_cascade {
    int64_t width;            /* numbers of the first layer, padded */
    ln_cascade_ending ending; /* of the first layer */
    int64_t layer_count;      /* between the first and the last */
    ln_cascade_layer *layers;
    int64_t last_inputs; /* padded */
    int64_t outputs;     /* of the last layer */
    float *last;         /* (outputs, last_inputs) its weights, 64-aligned */
    float *last_bias;    /* (outputs) */
} ln_cascade;

/* Rows, and what they ask for. */
typedef struct ln_cascade_rows {
    int64_t count;  /* rows: chosen and sum have room for a multiple of LN_CASCADE_ROWS */
    int64_t tables; /* parts of a row; of a walk's, 1 */
    int64_t walk;   /* 0, or rows of one walk: the first of each adds its part to the start, every
                               other to what the row before it has */
    const float *start; /* (width) of every row, 64-aligned */
    const float *parts; /* 64-aligned */
    /* NULL, or of walks the same in float64, for sums in which much comes and goes and little is left. */
    const double *walk_start, *changes;
    const uint16_t *chosen; /* (rows, tables) which parts of a row, in panels */
    int64_t output;         /* the first of the last layer's that are wanted */
    int64_t output_count;   /* of them */
    double *sum;            /* (output_count, sum_row) y of each row is added to it */
    int64_t sum_row;
} ln_cascade_rows;

typedef void (*ln_cascade_fn)(const ln_cascade *cascade, const ln_cascade_rows *rows);
ln_cascade_fn ln_kernels_cascade(void); /* this machine's; looked up once by who prepares */

void ln_cascade_baseline(const ln_cascade *cascade, const ln_cascade_rows *rows);
#ifdef __x86_64__
void ln_cascade_avx2(const ln_cascade *cascade, const ln_cascade_rows *rows);
void ln_cascade_avx512(const ln_cascade *cascade, const ln_cascade_rows *rows);
#endif

/* A layer as a dense one is stored: element (o, i) of W is weight[o * output_step + i * input_step]. */
typedef struct ln_cascade_dense {
    int64_t inputs, outputs;
    const float *weight;
    int64_t input_step, output_step;
    const float *bias; /* (outputs), or NULL */
    ln_cascade_ending ending;
} ln_cascade_dense;

/* The layers behind a first one of `width` numbers: `count` of them, the last without an ending. The caller
 * frees with ln_cascade_free, also after an error. */
ln_status ln_cascade_make(int64_t width, ln_cascade_ending ending, const ln_cascade_dense *layers,
                          int64_t count, ln_cascade *out, ln_error *err);
void ln_cascade_free(ln_cascade *cascade);

static inline int64_t ln_cascade_padded(int64_t numbers)
{
    return (numbers + LN_CASCADE_PANEL - 1) / LN_CASCADE_PANEL * LN_CASCADE_PANEL;
}

#endif
