/* The step of a network in which the rows of a batch see each other in training: batch normalisation
 * needs the mean of the whole batch before any row goes on.
 *
 * The batch is cut into microchunks as ever, each with an execution of its own, and all of them walk
 * together: forward to the next such layer, where their sums are added up in the order of the
 * microchunks (float64) and handed back to all; so on to the loss, and back again in the same way.
 * Threads take microchunks of a stretch. So the bits do not depend on the threads, and the statistics
 * are those of the batch, as PyTorch's.
 *
 * Cost: memory of a batch's activations; two stretches more a batch normalisation. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "train/trainer.h"

#include <string.h>

typedef struct coupled_job {
    ln_trainer *trainer;
    const ln_batch *batch;
    double lr;
    int64_t chunks;
    int from;      /* where the stretch begins */
    bool backward; /* and which way it goes */
} coupled_job;

/* The inputs of a microchunk and what the loss reads of its rows. */
static void gather(const coupled_job *job, int64_t chunk, ln_gathered *gathered, ln_loss_rows *rows)
{
    const ln_batch *batch = job->batch;
    const int64_t first = chunk * LN_MICROCHUNK, left = batch->count - first;
    ln_gather(job->trainer->model, job->trainer->execs[chunk], batch->set, batch->rows, first,
              left < LN_MICROCHUNK ? left : LN_MICROCHUNK,
              job->trainer->recipe->options->class_weights, gathered, rows);
    ln_augment_rows(job->trainer, batch, first, rows->rows,
                    ln_exec_input(job->trainer->execs[chunk], 0));
}

static void begin_chunk(const coupled_job *job, int64_t chunk)
{
    ln_trainer *trainer = job->trainer;
    ln_gathered gathered;
    ln_loss_rows rows;
    ln_exec_training(trainer->execs[chunk], trainer->recipe->options->seed, (uint64_t)trainer->step,
                     chunk * LN_MICROCHUNK);
    gather(job, chunk, &gathered, &rows);
    ln_exec_begin(trainer->execs[chunk], rows.rows);
}

static void end_chunk(const coupled_job *job, int64_t chunk)
{
    ln_trainer *trainer = job->trainer;
    const ln_recipe *recipe = trainer->recipe;
    ln_exec *exec = trainer->execs[chunk];
    ln_gathered gathered;
    ln_loss_rows rows;
    gather(job, chunk, &gathered, &rows);
    rows.count = trainer->model->output_count;
    rows.denominator = job->batch->denominator;
    rows.outputs = ln_exec_value(exec, trainer->output);
    rows.gradient = ln_exec_seed(exec, trainer->output);
    trainer->losses[chunk] = recipe->options->loss->compute(recipe->loss_params, &rows);
    ln_watch_units(&trainer->watch, (int)chunk, exec, rows.rows);
}

static ln_status run_stretch(void *context, int64_t chunk, int worker, ln_error *err)
{
    const coupled_job *job = context;
    ln_trainer *trainer = job->trainer;
    ln_exec *exec = trainer->execs[chunk];
    int *stop = &trainer->stops[chunk];
    ln_status status = LN_OK;
    (void)worker;
    if (job->backward)
        return ln_exec_backward_part(exec, job->from, stop, err);
    if (job->from < 0)
        begin_chunk(job, chunk);
    if (status == LN_OK)
        status = ln_exec_forward_part(exec, job->from, stop, err);
    if (status == LN_OK && *stop == trainer->model->graph->node_count)
        end_chunk(job, chunk);
    return status;
}

/* Adds the statistics of all microchunks, in their order, and gives every one the sum. */
static void share_statistics(const coupled_job *job, int node)
{
    ln_exec **execs = job->trainer->execs;
    int64_t count;
    double *total = ln_exec_statistics(execs[0], node, job->backward, &count);
    for (int64_t chunk = 1; chunk < job->chunks; chunk++) {
        const double *part = ln_exec_statistics(execs[chunk], node, job->backward, &count);
        for (int64_t i = 0; i < count; i++)
            total[i] += part[i];
    }
    for (int64_t chunk = 1; chunk < job->chunks; chunk++)
        memcpy(ln_exec_statistics(execs[chunk], node, job->backward, &count), total,
               (size_t)count * sizeof *total);
}

/* Forward, or backward, from one coupling layer to the next until the end. */
static ln_status run_way(coupled_job *job, bool backward, ln_error *err)
{
    const ln_trainer *trainer = job->trainer;
    const int nodes = trainer->model->graph->node_count;
    job->backward = backward;
    for (job->from = backward ? nodes : -1;; job->from = trainer->stops[0]) {
        ln_status status =
            ln_parallel(trainer->pool, job->chunks, run_stretch, job, NULL, NULL, err);
        if (status != LN_OK || trainer->stops[0] == (backward ? -1 : nodes))
            return status;
        share_statistics(job, trainer->stops[0]);
    }
}

static ln_status add_and_step(void *context, int64_t number, int worker, ln_error *err)
{
    const coupled_job *job = context;
    ln_trainer *trainer = job->trainer;
    const ln_block *block = &trainer->blocks[number];
    const ln_trainable *own = &trainer->trainables[block->trainable];
    double *sums = trainer->sums + own->first + block->first;
    (void)worker;
    (void)err;
    for (int64_t chunk = 0; chunk < job->chunks; chunk++) {
        const float *part =
            ln_exec_parameter_gradient(trainer->execs[chunk], own->value) + block->first;
        for (int64_t i = 0; i < block->count; i++)
            sums[i] += (double)part[i];
    }
    ln_trainer_step_block(trainer, block, job->lr);
    return LN_OK;
}

static void settle_statistics(const coupled_job *job)
{
    const ln_graph *graph = job->trainer->model->graph;
    for (int i = 0; i < graph->node_count; i++) {
        int64_t count;
        const double *total = ln_exec_statistics(job->trainer->execs[0], i, false, &count);
        if (total)
            graph->nodes[i].layer->settle(graph, &graph->nodes[i], total);
    }
}

ln_status ln_coupled_step(ln_trainer *trainer, const ln_batch *batch, double lr, double *loss,
                          ln_error *err)
{
    coupled_job job = {.trainer = trainer,
                       .batch = batch,
                       .lr = lr,
                       .chunks = (batch->count + LN_MICROCHUNK - 1) / LN_MICROCHUNK};
    ln_status status = run_way(&job, false, err);
    if (status != LN_OK)
        return status;
    *loss = 0;
    for (int64_t i = 0; i < job.chunks; i++)
        *loss += trainer->losses[i];
    if (!isfinite(*loss))
        return LN_OK;
    status = run_way(&job, true, err);
    if (status != LN_OK)
        return status;
    settle_statistics(&job);
    return ln_parallel(trainer->pool, trainer->block_count, add_and_step, &job, NULL, NULL, err);
}
