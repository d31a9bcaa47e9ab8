/* Training a declared network. A batch is cut into microchunks of LN_MICROCHUNK rows (fixed);
 * each gives its gradient, they are added in chunk order in float64, so that the bits do not depend
 * on the thread count. Shuffling is drawn by (seed, "shuffle", epoch), dropout by (seed, "dropout",
 * step). Losses, optimizers and schedules follow PyTorch's names, formulas and defaults. */
#ifndef LN_TRAIN_H
#define LN_TRAIN_H

#include "model/model.h"

#define LN_MICROCHUNK 16

/* Rows of outputs and what they should be. */
typedef struct ln_loss_rows {
    const float *outputs;        /* (rows, count): logits for the cross entropies */
    int64_t rows, count;         /* count: outputs a row */
    const int32_t *labels;       /* class ids, or NULL for a loss on numbers */
    const double *numbers;       /* targets, or NULL */
    const double *weights;       /* a row, or NULL: 1 */
    const double *class_weights; /* a class, or NULL: 1 */
    double denominator;          /* of the mean: the sum of weights of the batch */
    float *gradient;             /* (rows, count) to be written, or NULL: the value alone */
} ln_loss_rows;

/* A loss: the weighted mean over the rows of a batch, sum(w l) / sum(w) with w = weight of the row
 * times weight of its class. */
typedef struct ln_loss {
    ln_word word;
    ln_task task;            /* classification: it reads labels; regression: numbers */
    const void *defaults;    /* parameters where none are given; NULL: it has none */
    const char *final_layer; /* a last layer that training leaves off, since the loss contains it
                                ("softmax", "sigmoid"); NULL: none */
    /* Whether it is defined for this number of outputs; the error says which loss is. */
    ln_status (*check)(const void *params, int64_t outputs, ln_error *err);
    /* Returns sum(w l) and writes d(sum(w l) / denominator) / d outputs. */
    double (*compute)(const void *params, const ln_loss_rows *rows);
} ln_loss;
extern const ln_loss
    *const ln_losses[]; /* cross_entropy, binary_cross_entropy, mse; NULL ends it */

/* An optimizer: state_slots float arrays a parameter, zero at first. */
typedef struct ln_optimizer {
    ln_word word;
    int state_slots;
    const void *defaults;                                  /* parameters where none are given */
    double (*lr)(const void *params);                      /* the base learning rate */
    ln_status (*check)(const void *params, ln_error *err); /* NULL: ranges say it all */
    /* One step (from 1) of `count` weights. */
    void (*step)(const void *params, double lr, int64_t step, float *weights, const float *gradient,
                 float *const *state, int64_t count);
} ln_optimizer;
extern const ln_optimizer *const ln_optimizers[]; /* sgd, adam, adamw; NULL ends it */

/* A schedule: the learning rate at an epoch (from 0) of `epochs`, from the optimizer's base rate. */
typedef struct ln_schedule {
    ln_word word;
    const void *defaults; /* parameters where none are given; NULL: some are required */
    double (*lr)(const void *params, double base, int64_t epoch, int64_t epochs);
} ln_schedule;
extern const ln_schedule *const ln_schedules[]; /* step_lr, exponential_lr, cosine_annealing_lr */

const ln_loss *ln_loss_find(const char *word); /* NULL: there is none; so the other two */
const ln_optimizer *ln_optimizer_find(const char *word);
const ln_schedule *ln_schedule_find(const char *word);

/* What happens to images before each step (augment.c). */
typedef struct ln_augment {
    int64_t shift; /* >= 0: moved by up to so many pixels each way */
    double flip;   /* 0 to 1: share of the rows that are mirrored left to right */
} ln_augment;

/* Where training stands after an epoch: with it, the same data and options, training goes on to the
 * same bits (train.c). Random draws are counted from seed, epoch, step and row, so none are kept. */
typedef struct ln_train_state {
    int64_t epoch;      /* epochs that are done */
    int64_t step;       /* optimizer steps made */
    double best_loss;   /* early stopping: the lowest validation loss, INFINITY: none yet */
    int64_t best_epoch; /* and its epoch, from 1; 0: none yet */
    ln_tensor
        *numbers; /* f32 (n): parameters and running statistics, the optimizer's state and, with
                           early stopping, the best parameters */
} ln_train_state;

typedef struct ln_train_options {
    int64_t epochs, batch; /* >= 1; the last batch of an epoch may be smaller */
    const ln_loss *loss;
    const void *loss_params; /* NULL: loss->defaults */
    const ln_optimizer *optimizer;
    const void *optimizer_params; /* NULL: optimizer->defaults */
    const ln_schedule *schedule;  /* NULL: constant */
    const void *schedule_params;  /* NULL: schedule->defaults */
    const double *class_weights;  /* class_count numbers, or NULL */
    int64_t patience;             /* early stopping: epochs without a better validation loss;
                                        0: off. The best epoch's weights are kept */
    double min_delta;             /* what counts as better: lower by more than this */
    bool shuffle;
    ln_augment augment; /* all 0: none */
    uint64_t seed;
    const ln_train_state *start; /* to go on from; NULL: the beginning */
} ln_train_options;

/* What an epoch showed of a layer: of one with weights how large its gradients and steps are, of a
 * relu which of its units did nothing (watch.c). */
#define LN_GRADIENT_LEAST (-46) /* the least power of two that has its own bin */
#define LN_GRADIENT_BINS 64     /* 0, then 2^-46 and below up to 2^16 and above */
typedef struct ln_layer_report {
    const char *name;    /* the node's; borrowed from the graph */
    double gradient;     /* root mean square of the batches' gradients */
    double weight;       /* of the weights, after the epoch */
    double change;       /* of the steps, over `weight`; 0 where that is 0 */
    const int64_t *bins; /* parameters by |gradient| in the last batch: [0] of 0, [1 + i] from
                                2^(LN_GRADIENT_LEAST + i) on; NULL: no weights, the above are 0 */
    int64_t units, dead; /* of a relu: units, and those that were 0 for every row; else 0 */
} ln_layer_report;

typedef struct ln_epoch {
    int64_t epoch;                 /* from 1 */
    double loss;                   /* mean over the epoch, each batch before its step */
    double validation_loss;        /* after the epoch; NaN where there is no validation set */
    double lr;                     /* of its steps */
    bool best;                     /* early stopping: the lowest validation loss so far */
    const ln_layer_report *layers; /* in the network's order; until the call returns */
    int layer_count;
    const struct ln_training *training; /* for ln_train_snapshot */
} ln_epoch;
/* Called on the caller's thread after each epoch. */
typedef void (*ln_epoch_fn)(void *context, const ln_epoch *epoch);

/* x (N, width) f32; labels or numbers as the loss's task says; the validation set may be NULL. The
 * model's weights are changed, its hash renewed. A loss that is not finite is LN_EFAILED and says
 * at which epoch and what to try; after it, or when interrupted, the weights are those of the last
 * step and the model is of no use. Where the model ends in the softmax or sigmoid that the loss
 * contains, its logits are trained. */
typedef struct ln_train_set {
    const ln_tensor *x;
    const int32_t *labels;
    const double *numbers; /* one a row */
    const double *weights; /* a row, not below 0; or NULL */
} ln_train_set;
/* What ln_train would refuse before its first step; nothing is changed. */
ln_status ln_train_check(ln_model *model, const ln_train_options *options,
                         const ln_train_set *train, const ln_train_set *validation, ln_error *err);
ln_status ln_train(ln_model *model, const ln_train_options *options, const ln_train_set *train,
                   const ln_train_set *validation, ln_pool *pool, ln_epoch_fn each, void *context,
                   ln_error *err);

/* In the call of an ln_epoch_fn: the state after this epoch. Caller releases its numbers. */
ln_status ln_train_snapshot(const ln_epoch *epoch, ln_train_state *out, ln_error *err);

/* Class weights "balanced", as scikit-learn has them: rows / (classes * rows of the class).
 * `weights` gets `classes` numbers. LN_EINVALID names the class that has no row. */
ln_status ln_class_weights_balanced(const int32_t *labels, int64_t rows, int64_t classes,
                                    double *weights, ln_error *err);

#endif
