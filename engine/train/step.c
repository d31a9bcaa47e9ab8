/* One optimizer step: the batch's gradient by microchunks, then the weights.
 *
 * gradient = sum over microchunks, in their order, in float64, of float32 gradients summed over the
 * 16 rows of a microchunk by the layers. Threads take microchunks; their gradients wait in `parts`,
 * a wave at a time, until blocks of weights (again taken by threads) add them up in order. A batch
 * that is too small to be worth waking threads is done by the caller, adding each gradient as it
 * comes: the same additions in the same order, hence the same bits.
 *
 * Cost: forward and backward of the batch, 2 passes over the weights a microchunk, one for the
 * optimizer, one for packing the weights again. */
#include "train/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

/* Below this much work (rough floating-point operations) a batch stays on one thread: waking
 * another takes tens of microseconds. Bits are the same on either side of it. */
#define WORTH_THREADS 8e6

typedef struct batch_job {
    ln_trainer *trainer;
    const ln_batch *batch;
    double lr;
    int64_t first; /* microchunk of the wave */
    int64_t count; /* microchunks in the wave */
    bool alone;    /* no threads: add gradients at once */
    bool last;     /* wave: step after adding */
} batch_job;

double ln_weight_of(const ln_train_set *set, const double *class_weights, int64_t row)
{
    double weight = set->weights ? set->weights[row] : 1;
    return class_weights && set->labels ? weight * class_weights[set->labels[row]] : weight;
}

void ln_gather(const ln_model *model, ln_exec *exec, const ln_train_set *set, const int64_t *ids,
               int64_t first, int64_t count, const double *class_weights, ln_gathered *gathered,
               ln_loss_rows *out)
{
    const float *x = ln_f32(set->x);
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = ids ? ids[first + i] : first + i;
        for (int input = 0; input < model->input_count; input++) {
            const int64_t from = model->input_offset[input];
            const int64_t size = model->input_offset[input + 1] - from;
            memcpy((float *)ln_exec_input(exec, input) + i * size, x + row * model->width + from,
                   (size_t)size * sizeof *x);
        }
        gathered->labels[i] = set->labels ? set->labels[row] : 0;
        gathered->numbers[i] = set->numbers ? set->numbers[row] : 0;
        gathered->weights[i] = set->weights ? set->weights[row] : 1;
    }
    *out = (ln_loss_rows){.rows = count,
                          .labels = set->labels ? gathered->labels : NULL,
                          .numbers = set->numbers ? gathered->numbers : NULL,
                          .weights = set->weights ? gathered->weights : NULL,
                          .class_weights = class_weights};
}

/* ---------------------------------------------------------------- gradients */

/* Keeps the gradient that the execution holds: added to the sums, or as a part of the wave. */
static void keep_gradient(const batch_job *job, ln_exec *exec, int64_t chunk)
{
    ln_trainer *trainer = job->trainer;
    for (int i = 0; i < trainer->trainable_count; i++) {
        const ln_trainable *own = &trainer->trainables[i];
        const float *gradient = ln_exec_parameter_gradient(exec, own->value);
        if (job->alone) {
            double *sums = trainer->sums + own->first;
            for (int64_t j = 0; j < own->count; j++)
                sums[j] += (double)gradient[j];
        } else {
            memcpy(trainer->parts + (chunk - job->first) * trainer->weight_count + own->first,
                   gradient, (size_t)own->count * sizeof *gradient);
        }
    }
}

static ln_status run_microchunk(batch_job *job, int64_t chunk, int worker, ln_error *err)
{
    ln_trainer *trainer = job->trainer;
    const ln_recipe *recipe = trainer->recipe;
    const ln_train_options *options = recipe->options;
    const ln_batch *batch = job->batch;
    const int64_t first = chunk * LN_MICROCHUNK, left = batch->count - first;
    ln_exec *exec = trainer->execs[worker];
    ln_gathered gathered;
    ln_loss_rows rows;

    ln_exec_training(exec, options->seed, (uint64_t)trainer->step, first);
    ln_gather(trainer->model, exec, batch->set, batch->rows, first,
              left < LN_MICROCHUNK ? left : LN_MICROCHUNK, options->class_weights, &gathered,
              &rows);
    ln_augment_rows(trainer, batch, first, rows.rows, ln_exec_input(exec, 0));
    ln_status status = ln_exec_forward(exec, rows.rows, err);
    if (status != LN_OK)
        return status;
    rows.count = trainer->model->output_count;
    rows.denominator = batch->denominator;
    rows.outputs = ln_exec_value(exec, trainer->output);
    rows.gradient = ln_exec_seed(exec, trainer->output);
    trainer->losses[chunk] = options->loss->compute(recipe->loss_params, &rows);
    ln_watch_units(&trainer->watch, worker, exec, rows.rows);
    status = ln_exec_backward(exec, err);
    if (status == LN_OK)
        keep_gradient(job, exec, chunk);
    return status;
}

static ln_status run_in_wave(void *context, int64_t chunk, int worker, ln_error *err)
{
    batch_job *own = context;
    return run_microchunk(own, own->first + chunk, worker, err);
}

/* ---------------------------------------------------------------- weights */

void ln_trainer_step_block(ln_trainer *trainer, const ln_block *block, double lr)
{
    const ln_recipe *recipe = trainer->recipe;
    const ln_optimizer *optimizer = recipe->options->optimizer;
    const ln_trainable *own = &trainer->trainables[block->trainable];
    const int64_t place = own->first + block->first;
    double *before = trainer->sums + place; /* the sums have served */
    float *gradient = trainer->gradient + place, *weights = own->weights + block->first, *state[4];
    for (int64_t i = 0; i < block->count; i++) {
        gradient[i] = (float)trainer->sums[place + i];
        before[i] = (double)weights[i];
    }
    for (int slot = 0; slot < optimizer->state_slots; slot++)
        state[slot] = trainer->state + slot * trainer->weight_count + place;
    optimizer->step(recipe->optimizer_params, lr, trainer->step + 1, weights, gradient, state,
                    block->count);
    ln_watch_step(&trainer->watch, block - trainer->blocks, block->count, gradient, before,
                  weights);
}

static ln_status add_wave(void *context, int64_t number, int worker, ln_error *err)
{
    const batch_job *own = context;
    ln_trainer *trainer = own->trainer;
    const ln_block *block = &trainer->blocks[number];
    const int64_t place = trainer->trainables[block->trainable].first + block->first;
    double *sums = trainer->sums + place;
    (void)worker;
    (void)err;
    for (int64_t chunk = 0; chunk < own->count; chunk++) {
        const float *part = trainer->parts + chunk * trainer->weight_count + place;
        for (int64_t i = 0; i < block->count; i++)
            sums[i] += (double)part[i];
    }
    if (own->last)
        ln_trainer_step_block(trainer, block, own->lr);
    return LN_OK;
}

/* ---------------------------------------------------------------- a batch */

static bool worth_threads(const ln_trainer *trainer, int64_t rows)
{
    const double a_row = 6 * (double)trainer->weight_count +
                         (double)ln_plan_exec_bytes(trainer->plan) / LN_MICROCHUNK;
    return trainer->workers > 1 && rows > LN_MICROCHUNK && (double)rows * a_row >= WORTH_THREADS;
}

static double sum_losses(const ln_trainer *trainer, int64_t chunks)
{
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++)
        sum += trainer->losses[i];
    return sum;
}

static ln_status step_alone(batch_job *job, int64_t chunks, double *loss, ln_error *err)
{
    ln_trainer *trainer = job->trainer;
    ln_status status = ln_check_interrupt(err);
    for (int64_t chunk = 0; chunk < chunks && status == LN_OK; chunk++)
        status = run_microchunk(job, chunk, 0, err);
    if (status != LN_OK)
        return status;
    *loss = sum_losses(trainer, chunks);
    for (int64_t i = 0; i < trainer->block_count && isfinite(*loss); i++)
        ln_trainer_step_block(trainer, &trainer->blocks[i], job->lr);
    return LN_OK;
}

static ln_status step_by_threads(batch_job *job, int64_t chunks, double *loss, ln_error *err)
{
    ln_trainer *trainer = job->trainer;
    const size_t bytes =
        (size_t)trainer->wave * (size_t)trainer->weight_count * sizeof *trainer->parts;
    if (!trainer->parts && !(trainer->parts = ln_alloc(bytes)))
        return ln_fail_memory(err, bytes);
    for (job->first = 0; job->first < chunks; job->first += job->count) {
        job->count = chunks - job->first < trainer->wave ? chunks - job->first : trainer->wave;
        ln_status status =
            ln_parallel(trainer->pool, job->count, run_in_wave, job, NULL, NULL, err);
        if (status != LN_OK)
            return status;
        if (job->first + job->count == chunks) {
            *loss = sum_losses(trainer, chunks);
            job->last = isfinite(*loss);
        }
        status = ln_parallel(trainer->pool, trainer->block_count, add_wave, job, NULL, NULL, err);
        if (status != LN_OK)
            return status;
    }
    return LN_OK;
}

ln_status ln_trainer_step(ln_trainer *trainer, const ln_batch *batch, double lr, double *loss,
                          ln_error *err)
{
    const int64_t chunks = (batch->count + LN_MICROCHUNK - 1) / LN_MICROCHUNK;
    batch_job job = {.trainer = trainer, .batch = batch, .lr = lr};
    memset(trainer->sums, 0, (size_t)trainer->weight_count * sizeof *trainer->sums);
    job.alone = !worth_threads(trainer, batch->count);
    ln_status status = trainer->coupled ? ln_coupled_step(trainer, batch, lr, loss, err)
                       : job.alone      ? step_alone(&job, chunks, loss, err)
                                        : step_by_threads(&job, chunks, loss, err);
    if (status == LN_OK && isfinite(*loss)) {
        trainer->step++;
        trainer->watch.steps++;
        status = ln_plan_refresh(trainer->plan, err);
    }
    return status;
}
