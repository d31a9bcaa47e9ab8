/* The parts of a training run, private to this room: what is trained, the gradient of a batch and
 * the step after it (trainer.c, step.c), the loss over a whole set (measure.c). */
#ifndef LN_TRAINER_H
#define LN_TRAINER_H

#include "train/watch.h"

/* A constant of the graph that is trained. All of them in a row make a vector of weight_count. */
typedef struct ln_trainable {
    int value;      /* in the graph */
    float *weights; /* the constant's own memory */
    int64_t first;  /* its place in the vector */
    int64_t count;  /* elements */
} ln_trainable;

/* A piece of one trainable: the unit of work when gradients are added up and weights changed. */
typedef struct ln_block {
    int trainable;
    int64_t first, count; /* within it */
} ln_block;

/* Options with the defaults filled in. */
typedef struct ln_recipe {
    const ln_train_options *options;
    const void *loss_params, *optimizer_params, *schedule_params;
} ln_recipe;

typedef struct ln_trainer {
    const ln_recipe *recipe;
    ln_model *model;
    ln_pool *pool;
    int workers;     /* one execution each */
    int output;      /* the value whose loss is trained: the model's output or its logits */
    ln_plan *plan;   /* of LN_MICROCHUNK rows, training */
    bool coupled;    /* rows of a batch see each other: coupled.c */
    ln_exec **execs; /* exec_count: one a worker, or, where coupled, one a microchunk of a batch */
    int exec_count;
    int *stops; /* coupled: where each microchunk's stretch ended */
    ln_trainable *trainables;
    int trainable_count;
    int64_t weight_count; /* all of them */
    ln_trainable *kept;   /* parameters that are not trained: running statistics */
    int kept_count;
    int64_t kept_numbers; /* all of them; `first` counts on from weight_count */
    ln_block *blocks;
    int64_t block_count;
    double *sums;    /* weight_count: gradient of a batch */
    float *gradient; /* weight_count: the same for the optimizer */
    float *state;    /* state_slots x weight_count */
    double *losses;  /* a microchunk of the batch */
    float *parts;    /* wave x weight_count: gradients of microchunks; NULL until threads help */
    int64_t wave;    /* microchunks whose gradients are held at once */
    int64_t step;    /* optimizer steps made */
    ln_watch watch;
} ln_trainer;

/* A batch: `count` rows of the set, by their ids. */
typedef struct ln_batch {
    const ln_train_set *set;
    const int64_t *rows;
    int64_t count;
    int64_t epoch;      /* from 0 */
    double denominator; /* sum of weights */
} ln_batch;

/* `batch`: the greatest number of rows of a step. To be freed also after an error. */
ln_status ln_trainer_init(ln_trainer *trainer, ln_model *model, const ln_recipe *recipe,
                          int64_t batch, ln_pool *pool, ln_error *err);
void ln_trainer_free(ln_trainer *trainer);
/* Gradient of the batch's mean loss, one optimizer step; *loss is the sum of weighted losses. When
 * that is not finite no step is made (the status is LN_OK all the same). */
ln_status ln_trainer_step(ln_trainer *trainer, const ln_batch *batch, double lr, double *loss,
                          ln_error *err);
/* Rows that see each other (batch normalisation): the same as ln_trainer_step, all but the count of
 * steps and the new plan. */
ln_status ln_coupled_step(ln_trainer *trainer, const ln_batch *batch, double lr, double *loss,
                          ln_error *err);
/* The optimizer's step for a block, whose gradient stands in `sums`. */
void ln_trainer_step_block(ln_trainer *trainer, const ln_block *block, double lr);
/* Whether the model's rows can be augmented (else LN_EINVALID). */
ln_status ln_augment_check(const ln_augment *augment, const ln_model *model, ln_error *err);
/* Writes rows [first, first + count) of the batch to x (count, width), moved and mirrored; where
 * nothing is to be changed x stays as it is. */
void ln_augment_rows(const ln_trainer *trainer, const ln_batch *batch, int64_t first, int64_t count,
                     float *x);
/* weight_count + kept_numbers: with the running statistics. */
void ln_trainer_copy_weights(const ln_trainer *trainer, float *out);
void ln_trainer_set_weights(ln_trainer *trainer, const float *weights);

/* The loss of a set under the weights of now, without dropout. */
typedef struct ln_measure {
    const ln_recipe *recipe;
    ln_model *model;
    ln_pool *pool;
    int workers;
    int output;
    ln_plan *plan;   /* of LN_CHUNK_ROWS rows */
    ln_exec **execs; /* workers */
    const ln_train_set *set;
    double *losses;     /* a chunk */
    double denominator; /* sum of weights of the set */
} ln_measure;
ln_status ln_measure_init(ln_measure *measure, ln_model *model, const ln_recipe *recipe,
                          const ln_train_set *set, int output, ln_pool *pool, ln_error *err);
void ln_measure_free(ln_measure *measure);
ln_status ln_measure_loss(ln_measure *measure, double *loss, ln_error *err);

/* Shared: the model's inputs from rows of x; targets and weights of the same rows (`rows` NULL:
 * first, first + 1, ...). */
#define LN_GATHER_ROWS LN_CHUNK_ROWS
typedef struct ln_gathered {
    int32_t labels[LN_GATHER_ROWS];
    double numbers[LN_GATHER_ROWS];
    double weights[LN_GATHER_ROWS];
} ln_gathered;
/* Fills the execution's inputs and `rows` (all but outputs, count and gradient). */
void ln_gather(const ln_model *model, ln_exec *exec, const ln_train_set *set, const int64_t *ids,
               int64_t first, int64_t count, const double *class_weights, ln_gathered *gathered,
               ln_loss_rows *out);
double ln_weight_of(const ln_train_set *set, const double *class_weights, int64_t row);

ln_status ln_execs_new(const ln_plan *plan, int workers, ln_exec ***out, ln_error *err);
void ln_execs_free(ln_exec **execs, int workers);

#endif
