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
 * Where relu follows the layer, h is what relu makes of it.
 *
 * Where all that follows is dense layers with activations between them, the outputs of mixtures are computed
 * here too (`through`; kernels/cascade.h): then the two parts of each run are added first, for every x and r,
 * and mixtures that differ in few groups stand side by side, whose order changes no bit. */
#ifndef LN_EXPLAINERS_FACTORED_H
#define LN_EXPLAINERS_FACTORED_H

#include "explainers/common/groups.h"
#include "explainers/common/passes.h"
#include "kernels/gather.h"
#include "kernels/walks.h"

typedef struct ln_factored {
    bool on;   /* the model has such a layer, and it pays */
    int value; /* h in the model's graph: the layer's results, or relu's behind it */
    bool cut;  /* it is relu's */
    int64_t inputs, hidden;
    bool through;            /* mixtures go through all layers here, and `hidden` is padded */
    ln_cascade cascade;      /* those behind the first */
    ln_cascade_fn run;       /* this machine's */
    bool exact;              /* walks go in float64: a function behind a layer levels great sums */
    uint16_t *outside[2];    /* of each subset of a run what is not in it; of the last run */
    int64_t bits, runs;      /* groups a run; runs */
    const ln_groups *groups; /* borrowed */
    float *columns;          /* (inputs, hidden) the weights of each input side by side */
    float *bias;             /* (hidden) */
    float *only; /* ln_factored_keep: (runs, 2^bits, hidden) of the only reference, or NULL */
    /* The same reference where mixtures go through all layers, or NULL: (groups, hidden) of each group, and where
     * walks begin, (hidden), in float64 of exact ones. */
    float *only_group, *only_start;
    double *only_begin;
    ln_gather_fn gather;          /* this machine's */
    const ln_walk_kernels *walks; /* this machine's */
} ln_factored;

/* A worker's scratch. */
typedef struct ln_factored_buffers {
    float *group;    /* (groups, hidden) W r_g of one reference, or W x_g */
    float *of_row;   /* (runs, 2^bits, hidden) of x */
    float *of_other; /* the same of a reference */
    float *start;    /* (block, hidden) the mixtures' parts of x */
    uint16_t *in;    /* (block, runs) which subset of each run is in S */
    uint16_t *out;   /* the same, what is not */
    /* Where mixtures go through all layers; of the above only group, of_row and of_other are used then. */
    float *of_groups; /* (groups, hidden) W x_g of the row taken */
    float *both;      /* (runs, 2^bits, hidden) the parts of x and of a reference together */
    uint16_t *chosen; /* (block, runs) which of them, in panels */
    int32_t *order;   /* (block) which mixture stands where */
    int32_t *spare;   /* the same, while they are sorted */
    uint32_t *key;    /* (block) what they are sorted by */
    double *sum;      /* (block) of the outputs */
    double *change;   /* (groups, hidden) of exact walks: a row's part less the reference's */
    double *begin;    /* (hidden) what all of that reference has */
    bool
        *moves; /* (groups) of walks: whether a group's change is other than 0 for some reference */
} ln_factored_buffers;

#define LN_FACTORED_BLOCK 2048 /* mixtures prepared at once */

/* `count`: mixtures of one row that are asked for at once; `rows`: of a pass of the model. Where the model has
 * no such layer, or more work would be done than saved, out->on is false. Caller frees with ln_factored_free,
 * also after an error. */
ln_status ln_factored_make(ln_model *model, ln_link link, const ln_groups *groups, int64_t count,
                           int64_t rows, ln_factored *out, ln_error *err);
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

/* Where mixtures go through all layers; ln_factored_ends, ln_factored_all and ln_factored_mix are for where they do
 * not.
 *
 * Prepares `count` mixtures as ln_factored_masks does; with `sort` those that are alike become neighbours, which
 * is worth it where several references follow. at->order[i] is which of them stands i-th. */
void ln_factored_masks_through(const ln_factored *factored, const ln_factored_buffers *at,
                               const uint64_t *masks, int64_t words, int64_t count, bool sort);
/* The row x of the ends and walks that follow. */
void ln_factored_take(const ln_factored *factored, const ln_factored_buffers *at, const float *x);
/* Mixtures with the output that ln_factored_add then adds, in place of rows and references: all of the row taken and,
 * where r is not NULL, nothing of it but all of r. They have the bits of those of all other pairs with this row, with
 * this r. */
void ln_factored_ends_through(const ln_factored *factored, const ln_factored_buffers *at,
                              const float *r);
/* The sums of the mixtures prepared begin. */
void ln_factored_clear(const ln_factored_buffers *at, int64_t count);
/* Adds output `output` of each with the present reference: at->sum[i] is that of the i-th. */
void ln_factored_add(const ln_factored *factored, const ln_factored_buffers *at, int64_t count,
                     int64_t output);
/* Walks of the row taken in place of mixtures: `count` rows, each with one group more of it than the row before, which
 * is group[i] in row i, and the first of each walk with that group alone. A row's first layer is the one before's and the
 * change, so that its bits depend on the order as well; a group without a change changes none. count <=
 * LN_FACTORED_BLOCK. */
void ln_factored_walks(const ln_factored *factored, const ln_factored_buffers *at,
                       const int32_t *group, int64_t count);
/* The reference of the walks that follow. */
void ln_factored_walk_from(const ln_factored *factored, const ln_factored_buffers *at,
                           const float *r);
/* Adds output `output` of each row with it. */
void ln_factored_walk(const ln_factored *factored, const ln_factored_buffers *at, int64_t count,
                      int64_t walk, int64_t output);
/* sum (outputs): all outputs of `count` rows of the model's `width` numbers, added in their order; each has
 * the bits of a mixture with all or nothing of it. */
ln_status ln_factored_outputs(const ln_factored *factored, const float *rows, int64_t width,
                              int64_t count, double *sum, ln_error *err);

#endif
