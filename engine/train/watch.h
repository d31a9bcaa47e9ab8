/* What an epoch shows of the network in training, private to this room: how large each layer's
 * gradients, weights and steps are, and which units of its relus did nothing. */
#ifndef LN_TRAIN_WATCH_H
#define LN_TRAIN_WATCH_H

#include "train/train.h"

/* A layer with weights: its place in the trainer's vector of weights and in its list of blocks. */
typedef struct ln_watched_layer {
    int node;
    int64_t first, count;
    int64_t first_block, block_count;
} ln_watched_layer;

/* A relu, whose units lie along one axis of its result: (rows, outer, units, inner). */
typedef struct ln_watched_relu {
    int node, value;
    int64_t outer, units, inner;
    int64_t first; /* of its units, in a list of those of all relus */
} ln_watched_relu;

typedef struct ln_watch {
    ln_watched_layer *layers; /* in the order of the graph's nodes, as the relus and the reports */
    ln_watched_relu *relus;
    ln_layer_report *reports; /* layer_count + relu_count */
    int layer_count, relu_count;
    int64_t units;   /* of all relus */
    int execs;       /* how many executions are watched */
    uint8_t *alive;  /* (execs, units): whether it was other than 0 in some row of the epoch */
    int64_t blocks;  /* of the trainer */
    double *squares; /* (blocks, 2): of gradients and of steps, summed over the epoch */
    int64_t steps;   /* made in the epoch */
    int64_t *bins;   /* (layer_count, LN_GRADIENT_BINS) */
} ln_watch;

struct ln_trainer;
/* Finds what there is to watch. To be freed also after an error. */
ln_status ln_watch_init(ln_watch *watch, const struct ln_trainer *trainer, ln_error *err);
/* Before the first epoch, for so many executions. */
ln_status ln_watch_open(ln_watch *watch, int execs, ln_error *err);
void ln_watch_free(ln_watch *watch);
void ln_watch_begin(ln_watch *watch); /* an epoch: forgets the one before */
/* After forward of `rows` rows in execution number `number`. */
void ln_watch_units(ln_watch *watch, int number, const ln_exec *exec, int64_t rows);
/* After a step of a block: its gradient, and its weights before and after. */
void ln_watch_step(ln_watch *watch, int64_t block, int64_t count, const float *gradient,
                   const double *before, const float *after);
/* Fills `reports` after an epoch of one step or more. */
void ln_watch_report(ln_watch *watch, const struct ln_trainer *trainer);
/* The layer with the greatest gradients since ln_watch_begin, and their root mean square; NULL: no
 * step has been made. */
const char *ln_watch_greatest(const ln_watch *watch, const struct ln_trainer *trainer,
                              double *gradient);

#endif
