/* One layer on its own: a graph of a single node, run forward and backward, and a naive reference in
 * float64 whose central differences stand for its gradient. Cases stand in layers_cases_<family>.h. */
#ifndef LN_TESTS_LAYERS_SUPPORT_H
#define LN_TESTS_LAYERS_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "graph/plan.h"
#include "layers/attributes.h"

enum { LAYER_MOST_INPUTS = 9, LAYER_ROWS = 5 };

/* A layer with its inputs: the first `live` of them vary by row (shapes without N), the others are
 * constants. `reference` computes the whole output from all inputs, rows first. */
typedef struct layer_case {
    const char *label;
    const char *word;
    const void *attributes;
    int live, count;
    ln_shape shapes[LAYER_MOST_INPUTS];
    void (*reference)(const struct layer_case *layer, int64_t rows, const double *const *in,
                      double *out);
} layer_case;

/* The node in a graph, and what was made for it. */
typedef struct layer_bed {
    const layer_case *layer;
    ln_graph *graph;
    int values[LAYER_MOST_INPUTS], output;
    int64_t widths[LAYER_MOST_INPUTS], width; /* elements a row (live) or in all (constant) */
} layer_bed;

static inline double layer_number(uint64_t seed, int64_t index)
{
    ln_rng rng = ln_rng_make(seed, "test layers", 0, (uint64_t)index);
    return (double)(float)ln_rng_normal(&rng);
}

/* An input's fixed numbers: normal ones, moved to where the layer is defined. */
static inline double layer_input(const layer_case *layer, uint64_t seed, int64_t index)
{
    static const char *const positive[] = {"sqrt", "log", "pow", NULL};
    static const char *const below_one[] = {"asin", "acos", "atanh", NULL};
    const double x = layer_number(seed, index);
    for (int i = 0; positive[i]; i++)
        if (strcmp(layer->word, positive[i]) == 0)
            return (double)(float)(fabs(x) + 0.1);
    for (int i = 0; below_one[i]; i++)
        if (strcmp(layer->word, below_one[i]) == 0)
            return (double)(float)(0.95 * tanh(x));
    if (strstr(layer->label, "log_sum ") || strcmp(layer->label, "reduce log_sum") == 0)
        return (double)(float)(fabs(x) + 0.1);
    if (strncmp(layer->word, "batch_norm", 10) == 0 && seed % 100 == 4) /* a variance */
        return (double)(float)(fabs(x) + 0.2);
    if (strstr(layer->word, "mod")) /* far from where it jumps at every step */
        return (double)(float)(x < 0 ? x - 1 : x + 1);
    return strcmp(layer->word, "acosh") == 0 ? (double)(float)(1.1 + fabs(x)) : x;
}

static inline layer_bed layer_bed_make(const layer_case *layer)
{
    layer_bed bed = {.layer = layer};
    ln_error err;
    char name[16];
    const char *result = "y";
    int node;
    assert_ok(ln_graph_new(&bed.graph, &err));
    for (int i = 0; i < layer->count; i++) {
        snprintf(name, sizeof name, "x%d", i);
        if (i < layer->live) {
            ln_shape shape = {.rank = layer->shapes[i].rank + 1, .dims = {-1}};
            memcpy(shape.dims + 1, layer->shapes[i].dims,
                   (size_t)layer->shapes[i].rank * sizeof(int64_t));
            assert_ok(ln_graph_add_input(bed.graph, name, LN_F32, &shape, &bed.values[i], &err));
        } else {
            ln_tensor *constant = tensor_zero(LN_F32, layer->shapes[i]);
            for (int64_t j = 0; j < ln_shape_count(&layer->shapes[i]); j++)
                ln_f32(constant)[j] = (float)layer_input(layer, 100 + (uint64_t)i, j);
            assert_ok(ln_graph_add_constant(bed.graph, name, constant, true, &bed.values[i], &err));
            ln_tensor_release(constant);
        }
        bed.widths[i] = ln_shape_count(&layer->shapes[i]);
    }
    const ln_layer *found = ln_layer_find(layer->word);
    assert_non_null(found);
    assert_ok(ln_graph_add_node(bed.graph, found, layer->word, "node", layer->attributes,
                                bed.values, layer->count, &result, 1, &node, &err));
    bed.output = bed.graph->nodes[node].outputs[0];
    assert_ok(ln_graph_add_output(bed.graph, bed.output, &err));
    bed.width = ln_shape_row(&bed.graph->values[bed.output].shape);
    return bed;
}

/* Everything one pass gives, for rows [first, first + rows) of the layer's fixed numbers. */
typedef struct layer_results {
    float *out;                         /* (rows, width) */
    float *gradient[LAYER_MOST_INPUTS]; /* of each input: (rows, widths) or the constant's */
} layer_results;

static inline void layer_results_free(const layer_bed *bed, layer_results *results)
{
    ln_free(results->out);
    for (int i = 0; i < bed->layer->count; i++)
        ln_free(results->gradient[i]);
}

/* A plan of `planned` rows, one pass over `rows` of them. */
static inline layer_results layer_run(const layer_bed *bed, int64_t planned, int64_t first,
                                      int64_t rows, bool training)
{
    const layer_case *layer = bed->layer;
    const ln_plan_options options = {.rows = planned,
                                     .gradients = bed->values,
                                     .gradient_count = layer->live,
                                     .training = training};
    layer_results results = {.out = ln_calloc((size_t)(rows * bed->width), sizeof(float))};
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    assert_ok(ln_plan_new(bed->graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    ln_exec_training(exec, 7, 3, first);
    for (int i = 0; i < layer->live; i++)
        for (int64_t j = 0; j < rows * bed->widths[i]; j++)
            ((float *)ln_exec_input(exec, i))[j] =
                (float)layer_input(layer, (uint64_t)i, first * bed->widths[i] + j);
    assert_ok(ln_exec_forward(exec, rows, &err));
    memcpy(results.out, ln_exec_value(exec, bed->output),
           (size_t)(rows * bed->width) * sizeof(float));
    for (int64_t j = 0; j < rows * bed->width; j++)
        ln_exec_seed(exec, bed->output)[j] = (float)layer_number(50, first * bed->width + j);
    assert_ok(ln_exec_backward(exec, &err));
    for (int i = 0; i < layer->count; i++) {
        const bool live = i < layer->live;
        const int64_t count = (live ? rows : 1) * bed->widths[i];
        results.gradient[i] = ln_calloc((size_t)count, sizeof(float));
        if (live || training)
            memcpy(results.gradient[i],
                   live ? ln_exec_gradient(exec, bed->values[i])
                        : ln_exec_parameter_gradient(exec, bed->values[i]),
                   (size_t)count * sizeof(float));
    }
    ln_exec_free(exec);
    ln_plan_free(plan);
    return results;
}

/* ---------------------------------------------------------------- cases */

#define REFERENCE(name)                                                                            \
    static void name(const layer_case *layer, int64_t rows, const double *const *in, double *out)

static inline int64_t elements(const layer_case *layer, int64_t rows)
{
    return rows * ln_shape_count(&layer->shapes[0]);
}

#define ROW(...)                                                                                   \
    {                                                                                              \
        sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* The fixed numbers of one input in float64. */
static inline double *case_input(const layer_bed *bed, int i, int64_t rows)
{
    const bool live = i < bed->layer->live;
    const int64_t count = (live ? rows : 1) * bed->widths[i];
    double *out = ln_calloc((size_t)count, sizeof *out);
    for (int64_t j = 0; j < count; j++)
        out[j] = layer_input(bed->layer, live ? (uint64_t)i : 100 + (uint64_t)i, j);
    return out;
}

/* sum of seeds * output, the number whose gradient is taken. */
static inline double reference_sum(const layer_bed *bed, int64_t rows, const double *seeds,
                                   double *const *in, double *out)
{
    double sum = 0;
    bed->layer->reference(bed->layer, rows, (const double *const *)in, out);
    for (int64_t i = 0; i < rows * bed->width; i++)
        sum += seeds[i] * out[i];
    return sum;
}

/* In training or not; gradients are compared of the first `compared` inputs. */
static inline void check_case_in(const layer_case *layer, int64_t rows, bool training, int compared)
{
    layer_bed bed = layer_bed_make(layer);
    /* Long float32 sums. */
    const bool sums = strstr(layer->word, "conv") || strstr(layer->word, "norm");
    const double loose = sums || strstr(layer->word, "lp_pool") ? 4 : 1;
    layer_results got = layer_run(&bed, rows, 0, rows, training);
    double *in[LAYER_MOST_INPUTS], *out = ln_calloc((size_t)(rows * bed.width), sizeof *out);
    double *seeds = ln_calloc((size_t)(rows * bed.width), sizeof *seeds);
    for (int64_t i = 0; i < rows * bed.width; i++)
        seeds[i] = layer_number(50, i);
    for (int i = 0; i < layer->count; i++)
        in[i] = case_input(&bed, i, rows);
    reference_sum(&bed, rows, seeds, in, out);
    print_message("%s, %d rows\n", layer->label, (int)rows);
    for (int64_t i = 0; i < rows * bed.width; i++) {
        const float wanted = (float)out[i];
        assert_near_f32(&got.out[i], &wanted, 1, 2e-6 * loose, 2e-6 * loose);
    }
    for (int i = 0; i < compared; i++) {
        const int64_t count = (i < layer->live ? rows : 1) * bed.widths[i];
        for (int64_t j = 0; j < count; j++) {
            const double kept = in[i][j], h = 1e-5;
            in[i][j] = kept + h;
            const double above = reference_sum(&bed, rows, seeds, in, out);
            in[i][j] = kept - h;
            const double below = reference_sum(&bed, rows, seeds, in, out);
            in[i][j] = kept;
            const float wanted = (float)((above - below) / (2 * h));
            assert_near_f32(&got.gradient[i][j], &wanted, 1, 5e-6 * loose, 5e-6 * loose);
        }
    }
    for (int i = 0; i < layer->count; i++)
        ln_free(in[i]);
    ln_free(seeds);
    ln_free(out);
    layer_results_free(&bed, &got);
    ln_graph_release(bed.graph);
}

/* Dropout is the one layer here that training changes, and has no parameters. */
static inline void check_case(const layer_case *layer, int64_t rows)
{
    check_case_in(layer, rows, strcmp(layer->word, "dropout") != 0, layer->count);
}

#endif
