/* Watching a network in training.
 *
 *     gradient  root mean square, over a layer's parameters and the epoch's steps, of the gradient of a
 *               batch's mean loss
 *     change    the same of the steps, over the root mean square of the weights after the epoch
 *     dead      a unit of a relu that was 0 for every row of the epoch: no gradient gets through it
 *     bins      how many parameters have a gradient of which power of two, in the last batch
 *
 * A unit is a channel where images or sequences with channels first come from convolutions, else an
 * element of the last axis. Sums are made block by block of weights, in the order of steps, so they do
 * not depend on threads; who saw a unit alive does not matter. Cost: one pass over the weights a step,
 * next to the optimizer's; of a relu's results only what may still be dead is read. */
#include "train/watch.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layers/common.h"
#include "train/trainer.h"

enum { LANES = 8 }; /* partial sums, so that additions need not wait for each other */

/* ---------------------------------------------------------------- what there is to watch */

static int reader_of(const ln_graph *graph, int value)
{
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].input_count; i++)
            if (graph->nodes[n].inputs[i] == value)
                return n;
    return -1;
}

/* Constants of one layer stand one after the other. */
static void find_layers(ln_watch *watch, const ln_trainer *trainer)
{
    for (int i = 0; i < trainer->trainable_count; i++) {
        const ln_trainable *own = &trainer->trainables[i];
        const int node = reader_of(trainer->model->graph, own->value);
        if (watch->layer_count == 0 || watch->layers[watch->layer_count - 1].node != node) {
            ln_watched_layer *layer = &watch->layers[watch->layer_count++];
            *layer = (ln_watched_layer){.node = node, .first = own->first};
            while (trainer->blocks[layer->first_block].trainable != i)
                layer->first_block++;
        }
        watch->layers[watch->layer_count - 1].count += own->count;
    }
    for (int64_t b = 0, layer = -1; b < trainer->block_count; b++) {
        if (layer + 1 < watch->layer_count && watch->layers[layer + 1].first_block == b)
            layer++;
        watch->layers[layer].block_count++;
    }
}

/* Whether the value's channels are its last axis though it has several: from dense layers or
 * recurrent ones on, while convolutions and what comes from elsewhere have them first. */
static bool channels_last(const ln_graph *graph, int value)
{
    static const char *const last[] = {"dense", "lstm", "gru", "rnn", "embedding", "layer_norm"};
    const int rank = graph->values[value].shape.rank;
    for (int at = value; at >= 0 && graph->values[at].shape.rank == rank;) {
        const int producer = graph->values[at].producer;
        if (producer < 0)
            return false;
        for (size_t i = 0; i < sizeof last / sizeof *last; i++)
            if (strcmp(graph->nodes[producer].layer->word.name, last[i]) == 0)
                return true;
        at = graph->nodes[producer].inputs[0];
    }
    return false;
}

static void find_relus(ln_watch *watch, const ln_graph *graph)
{
    for (int n = 0; n < graph->node_count; n++) {
        const ln_layer *layer = graph->nodes[n].layer;
        const int value = graph->nodes[n].outputs[0];
        const ln_shape *shape = &graph->values[value].shape;
        if ((layer != &ln_layer_relu && layer != &ln_layer_relu6) || shape->rank < 2)
            continue;
        const int axis = channels_last(graph, value) ? shape->rank - 1 : 1;
        ln_watched_relu relu = {n, value, 1, shape->dims[axis], 1, watch->units};
        for (int i = 1; i < shape->rank; i++)
            *(i < axis ? &relu.outer : &relu.inner) *= i == axis ? 1 : shape->dims[i];
        watch->units += relu.units;
        watch->relus[watch->relu_count++] = relu;
    }
}

ln_status ln_watch_init(ln_watch *watch, const ln_trainer *trainer, ln_error *err)
{
    const ln_graph *graph = trainer->model->graph;
    const size_t nodes = (size_t)graph->node_count;
    *watch = (ln_watch){.blocks = trainer->block_count};
    watch->layers = ln_calloc((size_t)trainer->trainable_count, sizeof *watch->layers);
    watch->relus = ln_calloc(nodes, sizeof *watch->relus);
    watch->reports = ln_calloc(2 * nodes, sizeof *watch->reports);
    if (!watch->layers || !watch->relus || !watch->reports)
        return ln_fail_memory(err, nodes * sizeof *watch->relus);
    find_layers(watch, trainer);
    find_relus(watch, graph);
    return LN_OK;
}

ln_status ln_watch_open(ln_watch *watch, int execs, ln_error *err)
{
    const size_t bins = (size_t)watch->layer_count * LN_GRADIENT_BINS;
    const size_t units = (size_t)watch->units * (size_t)execs;
    watch->execs = execs;
    watch->bins = ln_alloc(bins * sizeof *watch->bins);
    watch->squares = ln_alloc((size_t)watch->blocks * 2 * sizeof *watch->squares);
    watch->alive = ln_alloc(units + 1);
    if (!watch->bins || !watch->squares || !watch->alive)
        return ln_fail_memory(err, bins * sizeof *watch->bins + units);
    return LN_OK;
}

void ln_watch_free(ln_watch *watch)
{
    ln_free(watch->layers);
    ln_free(watch->relus);
    ln_free(watch->reports);
    ln_free(watch->bins);
    ln_free(watch->squares);
    ln_free(watch->alive);
    *watch = (ln_watch){0};
}

/* ---------------------------------------------------------------- watching */

void ln_watch_begin(ln_watch *watch)
{
    watch->steps = 0;
    memset(watch->squares, 0, (size_t)watch->blocks * 2 * sizeof *watch->squares);
    memset(watch->alive, 0, (size_t)watch->units * (size_t)watch->execs);
}

static bool any_other_than_0(const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (x[i] != 0)
            return true;
    return false;
}

void ln_watch_units(ln_watch *watch, int number, const ln_exec *exec, int64_t rows)
{
    for (int r = 0; r < watch->relu_count; r++) {
        const ln_watched_relu *relu = &watch->relus[r];
        uint8_t *alive = watch->alive + number * watch->units + relu->first;
        const float *x = ln_exec_value(exec, relu->value);
        if (!memchr(alive, 0, (size_t)relu->units))
            continue;
        for (int64_t i = 0; i < rows * relu->outer; i++, x += relu->units * relu->inner)
            for (int64_t u = 0; u < relu->units; u++)
                if (!alive[u])
                    alive[u] = any_other_than_0(x + u * relu->inner, relu->inner);
    }
}

void ln_watch_step(ln_watch *watch, int64_t block, int64_t count, const float *gradient,
                   const double *before, const float *after)
{
    double of_gradient[LANES] = {0}, of_step[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            const double g = (double)gradient[i + lane];
            const double step = (double)after[i + lane] - before[i + lane];
            of_gradient[lane] += g * g;
            of_step[lane] += step * step;
        }
    for (; i < count; i++) {
        const double g = (double)gradient[i], step = (double)after[i] - before[i];
        of_gradient[0] += g * g;
        of_step[0] += step * step;
    }
    for (int lane = 0; lane < LANES; lane++) {
        watch->squares[2 * block] += of_gradient[lane];
        watch->squares[2 * block + 1] += of_step[lane];
    }
}

/* ---------------------------------------------------------------- the report */

static double root_mean(const ln_watch *watch, const ln_watched_layer *layer, int which)
{
    double sum = 0;
    for (int64_t b = layer->first_block; b < layer->first_block + layer->block_count; b++)
        sum += watch->squares[2 * b + which];
    return sqrt(sum / ((double)layer->count * (double)watch->steps));
}

static double size_of_weights(const ln_trainer *trainer, const ln_watched_layer *layer)
{
    double sum = 0;
    for (int64_t b = layer->first_block; b < layer->first_block + layer->block_count; b++) {
        const ln_block *block = &trainer->blocks[b];
        const float *w = trainer->trainables[block->trainable].weights + block->first;
        for (int64_t i = 0; i < block->count; i++)
            sum += (double)w[i] * (double)w[i];
    }
    return sqrt(sum / (double)layer->count);
}

static void count_gradients(const ln_trainer *trainer, const ln_watched_layer *layer, int64_t *bins)
{
    const float *gradient = trainer->gradient + layer->first;
    memset(bins, 0, LN_GRADIENT_BINS * sizeof *bins);
    for (int64_t i = 0; i < layer->count; i++) {
        int exponent;
        if (gradient[i] == 0) {
            bins[0]++;
            continue;
        }
        frexpf(gradient[i], &exponent); /* |g| in [2^(exponent - 1), 2^exponent) */
        int bin = exponent - 1 - LN_GRADIENT_LEAST + 1;
        bin = bin < 1 ? 1 : bin > LN_GRADIENT_BINS - 1 ? LN_GRADIENT_BINS - 1 : bin;
        bins[bin]++;
    }
}

static int64_t count_dead(const ln_watch *watch, const ln_watched_relu *relu)
{
    int64_t dead = 0;
    for (int64_t u = 0; u < relu->units; u++) {
        bool alive = false;
        for (int exec = 0; exec < watch->execs; exec++)
            alive = alive || watch->alive[exec * watch->units + relu->first + u];
        dead += !alive;
    }
    return dead;
}

void ln_watch_report(ln_watch *watch, const ln_trainer *trainer)
{
    const ln_graph *graph = trainer->model->graph;
    ln_layer_report *report = watch->reports;
    for (int n = 0, l = 0, r = 0; n < graph->node_count; n++) {
        if (l < watch->layer_count && watch->layers[l].node == n) {
            int64_t *bins = watch->bins + l * LN_GRADIENT_BINS;
            const ln_watched_layer *layer = &watch->layers[l++];
            count_gradients(trainer, layer, bins);
            *report = (ln_layer_report){.name = graph->nodes[n].name,
                                        .gradient = root_mean(watch, layer, 0),
                                        .weight = size_of_weights(trainer, layer),
                                        .bins = bins};
            if (report->weight > 0)
                report->change = root_mean(watch, layer, 1) / report->weight;
            report++;
        }
        if (r < watch->relu_count && watch->relus[r].node == n) {
            const ln_watched_relu *relu = &watch->relus[r++];
            *report++ = (ln_layer_report){.name = graph->nodes[n].name,
                                          .units = relu->units,
                                          .dead = count_dead(watch, relu)};
        }
    }
}

const char *ln_watch_greatest(const ln_watch *watch, const ln_trainer *trainer, double *gradient)
{
    const char *name = NULL;
    for (int l = 0; l < watch->layer_count && watch->steps > 0; l++) {
        const double own = root_mean(watch, &watch->layers[l], 0);
        if (name && !(own > *gradient))
            continue;
        *gradient = own;
        name = trainer->model->graph->nodes[watch->layers[l].node].name;
    }
    return name;
}
