/* Rows that mix two, feature by feature, at the results of a network's first dense layer: what is linear
 * there is not computed again for every mixture. With groups g of the inputs, weights W and bias c,
 *
 *   h(S; x, r) = c + sum over g in S of W x_g + sum over g outside S of W r_g
 *
 * The groups are cut into runs of `bits`, and all sums over subsets of a run are made once for the row x,
 * once for each reference r: a mixture is then one sum of 2 parts a run (kernels/gather.h) in place of a
 * product with W, and its part of x is shared by all references. Where there is one reference only, the two
 * parts are one. Sums are taken in one fixed order, so a
 * mixture's bits depend on x, r and S alone, h(all) is the same for all r, h(none) for all x, and a group
 * whose weights are 0 changes no bit. Against the product of the layer itself h differs by rounding.
 * Where relu follows the layer, h is what relu makes of it. */
#ifndef LN_EXPLAINERS_FACTORED_H
#define LN_EXPLAINERS_FACTORED_H

#include "explainers/common/groups.h"
#include "explainers/common/passes.h"
#include "kernels/gather.h"

typedef struct ln_factored {
    bool on;   /* the model has such a layer, and it pays */
    int value; /* h in the model's graph: the layer's results, or relu's behind it */
    bool cut;  /* it is relu's */
    int64_t inputs, hidden;
    int64_t bits, runs;      /* groups a run; runs */
    const ln_groups *groups; /* borrowed */
    float *columns;          /* (inputs, hidden) the weights of each input side by side */
    float *bias;             /* (hidden) */
    float *only; /* ln_factored_keep: (runs, 2^bits, hidden) of the only reference, or NULL */
    ln_gather_fn gather; /* this machine's */
} ln_factored;

/* A worker's scratch. */
typedef struct ln_factored_buffers {
    float *group;    /* (groups, hidden) W x_g of one row */
    float *of_row;   /* (runs, 2^bits, hidden) of x */
    float *of_other; /* the same of a reference */
    float *start;    /* (block, hidden) the mixtures' parts of x */
    uint16_t *in;    /* (block, runs) which subset of each run is in S */
    uint16_t *out;   /* the same, what is not */
} ln_factored_buffers;

#define LN_FACTORED_BLOCK 2048 /* mixtures prepared at once */

/* `count`: mixtures of one row that are asked for at once. Where the model has no such layer, or more work
 * would be done than saved, out->on is false. Caller frees with ln_factored_free, also after an error. */
ln_status ln_factored_make(const ln_model *model, ln_link link, const ln_groups *groups,
                           int64_t count, ln_factored *out, ln_error *err);
void ln_factored_free(ln_factored *factored);
ln_factored_buffers ln_factored_carve(const ln_factored *factored, ln_carver *carver);

/* The row x of the mixtures that follow. */
void ln_factored_row(const ln_factored *factored, const ln_factored_buffers *at, const float *x);
/* Prepares `count` <= LN_FACTORED_BLOCK mixtures, masks of `words` words each. */
void ln_factored_masks(const ln_factored *factored, const ln_factored_buffers *at,
                       const uint64_t *masks, int64_t words, int64_t count);
/* Prepares two: all of x, and nothing of it. */
void ln_factored_ends(const ln_factored *factored, const ln_factored_buffers *at);
/* h of the first prepared, where that is all of x. */
void ln_factored_all(const ln_factored *factored, const ln_factored_buffers *at, float *h);
/* The reference of the mixtures that follow. */
void ln_factored_other(const ln_factored *factored, const ln_factored_buffers *at, const float *r);
/* There is no other reference than this: its sums are made here once. */
ln_status ln_factored_keep(ln_factored *factored, const float *r, ln_error *err);
/* h of mixtures [first, first + count) of those prepared. */
void ln_factored_mix(const ln_factored *factored, const ln_factored_buffers *at, int64_t first,
                     int64_t count, float *h);

#endif
