/* What is trained and the memory for it.
 *
 * All trainable constants of the graph, in the order of their values, make one long vector; its
 * gradient sums are float64, optimizer state is float32. Memory besides the weights: 8 + 4 + 4 x
 * state_slots bytes a weight, one execution of the plan a worker, and, where threads share a batch,
 * the gradients of a wave of microchunks (at most about 64 MiB, or one a worker). */
#include "train/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

#include <string.h>

#define BLOCK 16384           /* weights of a block */
#define WAVE_BYTES (64 << 20) /* of gradients held at once */

/* ---------------------------------------------------------------- the value to train on */

/* The loss contains the last layer where that is its final_layer; then its input is trained. */
static ln_status choose_output(const ln_model *model, const ln_loss *loss, int *out, ln_error *err)
{
    const ln_graph *graph = model->graph;
    const int producer = graph->values[model->output_value].producer;
    const ln_node *node = producer < 0 ? NULL : &graph->nodes[producer];
    const char *last = node ? node->layer->word.name : "";

    *out = model->output_value;
    if (loss->task == LN_TASK_REGRESSION)
        return LN_OK;
    if (loss->final_layer && strcmp(last, loss->final_layer) == 0) {
        if (graph->values[model->output_value].shape.rank != 2)
            return ln_fail(err, LN_EINVALID,
                           "%s trains outputs of shape (N, classes); the network's %s has another "
                           "shape: flatten it first",
                           loss->word.name, last);
        *out = node->inputs[0];
        return LN_OK;
    }
    if (strcmp(last, "softmax") == 0 || strcmp(last, "sigmoid") == 0)
        return ln_fail(err, LN_EINVALID,
                       "the network ends in %s, and %s trains logits or a final %s: leave %s out",
                       last, loss->word.name, loss->final_layer, last);
    return LN_OK;
}

/* ---------------------------------------------------------------- memory */

ln_status ln_execs_new(const ln_plan *plan, int workers, ln_exec ***out, ln_error *err)
{
    ln_exec **execs = ln_calloc((size_t)workers, sizeof *execs);
    if (!execs)
        return ln_fail_memory(err, (size_t)workers * sizeof *execs);
    for (int i = 0; i < workers; i++) {
        ln_status status = ln_exec_new(plan, &execs[i], err);
        if (status != LN_OK) {
            ln_execs_free(execs, workers);
            return status;
        }
    }
    *out = execs;
    return LN_OK;
}

void ln_execs_free(ln_exec **execs, int workers)
{
    for (int i = 0; i < workers && execs; i++)
        ln_exec_free(execs[i]);
    ln_free(execs);
}

static ln_status find_trainables(ln_trainer *trainer, ln_error *err)
{
    const ln_graph *graph = trainer->model->graph;
    trainer->trainables = ln_calloc((size_t)graph->value_count, 2 * sizeof *trainer->trainables);
    if (!trainer->trainables)
        return ln_fail_memory(err, (size_t)graph->value_count * 2 * sizeof *trainer->trainables);
    trainer->kept = trainer->trainables + graph->value_count;
    for (int i = 0; i < graph->value_count; i++) {
        const ln_value *value = &graph->values[i];
        if (value->kind != LN_VALUE_CONSTANT || !value->trainable)
            continue;
        int64_t count = ln_shape_count(&value->constant->shape);
        trainer->trainables[trainer->trainable_count++] =
            (ln_trainable){i, ln_f32(value->constant), trainer->weight_count, count};
        trainer->weight_count += count;
        trainer->block_count += (count + BLOCK - 1) / BLOCK;
    }
    for (int i = 0; i < graph->value_count; i++) {
        const ln_value *value = &graph->values[i];
        if (!value->parameter || value->trainable)
            continue;
        const int64_t count = ln_shape_count(&value->constant->shape);
        const int64_t first = trainer->weight_count + trainer->kept_numbers;
        trainer->kept[trainer->kept_count++] =
            (ln_trainable){i, ln_f32(value->constant), first, count};
        trainer->kept_numbers += count;
    }
    if (trainer->weight_count == 0)
        return ln_fail(err, LN_EINVALID, "the model has no weights that could be trained");
    return LN_OK;
}

static ln_status make_blocks(ln_trainer *trainer, ln_error *err)
{
    ln_block *block = trainer->blocks =
        ln_alloc((size_t)trainer->block_count * sizeof *trainer->blocks);
    if (!block)
        return ln_fail_memory(err, (size_t)trainer->block_count * sizeof *block);
    for (int i = 0; i < trainer->trainable_count; i++) {
        const int64_t count = trainer->trainables[i].count;
        for (int64_t first = 0; first < count; first += BLOCK)
            *block++ = (ln_block){i, first, count - first < BLOCK ? count - first : BLOCK};
    }
    return LN_OK;
}

static ln_status make_memory(ln_trainer *trainer, int64_t batch, ln_error *err)
{
    const ln_train_options *options = trainer->recipe->options;
    const size_t weights = (size_t)trainer->weight_count;
    const size_t slots = (size_t)options->optimizer->state_slots;
    const int64_t chunks = (batch + LN_MICROCHUNK - 1) / LN_MICROCHUNK;

    trainer->sums = ln_alloc(weights * sizeof *trainer->sums);
    trainer->gradient = ln_alloc(weights * sizeof *trainer->gradient);
    trainer->state = ln_calloc(slots * weights, sizeof *trainer->state);
    trainer->losses = ln_alloc((size_t)chunks * sizeof *trainer->losses);
    if (!trainer->sums || !trainer->gradient || !trainer->state || !trainer->losses)
        return ln_fail_memory(err, weights * (sizeof(double) + (1 + slots) * sizeof(float)));

    trainer->wave = WAVE_BYTES / (int64_t)(weights * sizeof *trainer->parts);
    if (trainer->wave < trainer->workers)
        trainer->wave = trainer->workers;
    if (trainer->wave > chunks)
        trainer->wave = chunks;
    return LN_OK;
}

/* It keeps what the loss reads and, for the watch, the results of relus. */
static ln_status make_plan(ln_trainer *trainer, ln_error *err)
{
    const ln_watch *watch = &trainer->watch;
    int *values = ln_alloc((size_t)(1 + watch->relu_count) * sizeof *values), count = 0;
    if (!values)
        return ln_fail_memory(err, (size_t)(1 + watch->relu_count) * sizeof *values);
    values[count++] = trainer->output;
    for (int i = 0; i < watch->relu_count; i++)
        if (watch->relus[i].value != trainer->output)
            values[count++] = watch->relus[i].value;
    const ln_plan_options plan = {.rows = LN_MICROCHUNK,
                                  .values = values,
                                  .value_count = count,
                                  .training = true,
                                  .profile = trainer->model->profile};
    ln_status status = ln_plan_new(trainer->model->graph, &plan, &trainer->plan, err);
    ln_free(values);
    return status;
}

ln_status ln_trainer_init(ln_trainer *trainer, ln_model *model, const ln_recipe *recipe,
                          int64_t batch, ln_pool *pool, ln_error *err)
{
    *trainer = (ln_trainer){.recipe = recipe, .model = model, .pool = pool};
    trainer->workers = pool ? ln_pool_threads(pool) : 1;
    ln_status status =
        ln_graph_wake(model->graph, err); /* its weights are pointed at, and will change */
    if (status == LN_OK)
        status = choose_output(model, recipe->options->loss, &trainer->output, err);
    if (status == LN_OK)
        status = find_trainables(trainer, err);
    if (status == LN_OK)
        status = make_blocks(trainer, err);
    if (status == LN_OK)
        status = make_memory(trainer, batch, err);
    if (status != LN_OK)
        return status;
    status = ln_watch_init(&trainer->watch, trainer, err);
    if (status == LN_OK)
        status = make_plan(trainer, err);
    if (status != LN_OK)
        return status;
    trainer->coupled = ln_plan_couples_rows(trainer->plan);
    trainer->exec_count =
        trainer->coupled ? (int)((batch + LN_MICROCHUNK - 1) / LN_MICROCHUNK) : trainer->workers;
    trainer->stops = ln_calloc((size_t)trainer->exec_count, sizeof *trainer->stops);
    if (!trainer->stops)
        return ln_fail_memory(err, (size_t)trainer->exec_count * sizeof *trainer->stops);
    status = ln_watch_open(&trainer->watch, trainer->exec_count, err);
    return status ? status : ln_execs_new(trainer->plan, trainer->exec_count, &trainer->execs, err);
}

void ln_trainer_free(ln_trainer *trainer)
{
    ln_execs_free(trainer->execs, trainer->exec_count);
    ln_plan_free(trainer->plan);
    ln_watch_free(&trainer->watch);
    ln_free(trainer->stops);
    ln_free(trainer->trainables);
    ln_free(trainer->blocks);
    ln_free(trainer->sums);
    ln_free(trainer->gradient);
    ln_free(trainer->state);
    ln_free(trainer->losses);
    ln_free(trainer->parts);
    *trainer = (ln_trainer){0};
}

void ln_trainer_copy_weights(const ln_trainer *trainer, float *out)
{
    for (int i = 0; i < trainer->trainable_count; i++) {
        const ln_trainable *own = &trainer->trainables[i];
        memcpy(out + own->first, own->weights, (size_t)own->count * sizeof *out);
    }
    for (int i = 0; i < trainer->kept_count; i++) {
        const ln_trainable *own = &trainer->kept[i];
        memcpy(out + own->first, own->weights, (size_t)own->count * sizeof *out);
    }
}

void ln_trainer_set_weights(ln_trainer *trainer, const float *weights)
{
    for (int i = 0; i < trainer->trainable_count; i++) {
        const ln_trainable *own = &trainer->trainables[i];
        memcpy(own->weights, weights + own->first, (size_t)own->count * sizeof *weights);
    }
    for (int i = 0; i < trainer->kept_count; i++) {
        const ln_trainable *own = &trainer->kept[i];
        memcpy(own->weights, weights + own->first, (size_t)own->count * sizeof *weights);
    }
}
