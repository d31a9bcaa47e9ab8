/* What the programs of the graph room share: building graphs in lines that read as the network does,
 * executions with their values and gradients, and layers that no script has: one with two results and
 * one that counts its runs. */
#ifndef LN_TESTS_GRAPH_SUPPORT_H
#define LN_TESTS_GRAPH_SUPPORT_H

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/plan.h"
#include "layers/attributes.h"
#include "layers/common.h"

/* ---------------------------------------------------------------- building */

/* A graph in the making. After the first failure nothing more is added, so that one description
 * serves tests and sweeps of failing allocations. */
typedef struct net {
    ln_graph *graph;
    ln_status status; /* of the first step that failed */
    ln_error *err;
} net;

static inline net net_begin(ln_error *err)
{
    net made = {.err = err};
    made.status = ln_graph_new(&made.graph, err);
    return made;
}

static inline int net_input(net *n, const char *name, int64_t width)
{
    int id = -1;
    ln_shape shape = TEST_SHAPE(-1, width);
    if (!n->status)
        n->status = ln_graph_add_input(n->graph, name, LN_F32, &shape, &id, n->err);
    return id;
}

static inline int net_constant(net *n, const char *name, ln_shape shape, const float *values,
                               bool trainable)
{
    int id = -1;
    ln_tensor *tensor = NULL;
    if (!n->status)
        n->status = ln_tensor_copy_of(LN_F32, &shape, values, &tensor, n->err);
    if (!n->status)
        n->status = ln_graph_add_constant(n->graph, name, tensor, trainable, &id, n->err);
    ln_tensor_release(tensor);
    return id;
}

/* Normal numbers, `spread` wide. */
static inline int net_numbers(net *n, uint64_t seed, const char *name, ln_shape shape,
                              double spread)
{
    int id = -1;
    ln_tensor *tensor = NULL;
    if (!n->status)
        n->status = ln_tensor_new(LN_F32, &shape, &tensor, n->err);
    for (int64_t i = 0; !n->status && i < ln_shape_count(&shape); i++) {
        ln_rng rng = ln_rng_make(seed, name, 0, (uint64_t)i);
        ln_f32(tensor)[i] = (float)(spread * ln_rng_normal(&rng));
    }
    if (!n->status)
        n->status = ln_graph_add_constant(n->graph, name, tensor, true, &id, n->err);
    ln_tensor_release(tensor);
    return id;
}

/* A node whose only result has its name; the id of that. */
static inline int net_node(net *n, const ln_layer *layer, const char *name, const void *attributes,
                           const int *inputs, int count)
{
    int node = -1;
    if (!n->status)
        n->status = ln_graph_add_node(n->graph, layer, layer->word.name, name, attributes, inputs,
                                      count, &name, 1, &node, n->err);
    return n->status ? -1 : n->graph->nodes[node].outputs[0];
}

/* The same of a word of the language with one input, and attributes or NULL. */
static inline int net_layer(net *n, const char *layer, const char *name, const void *attributes,
                            int x)
{
    return net_node(n, ln_layer_find(layer), name, attributes, &x, 1);
}

/* A layer without parameters or with their defaults, on one value. */
static inline int net_word(net *n, const char *word, const char *name, int from)
{
    const ln_axis_attributes last = {-1};
    const ln_dropout_attributes half = {0.5};
    const void *attributes = strcmp(word, "softmax") == 0   ? (const void *)&last
                             : strcmp(word, "dropout") == 0 ? (const void *)&half
                                                            : NULL;
    return net_layer(n, word, name, attributes, from);
}

static inline int net_join(net *n, const char *word, const char *name, int a, int b)
{
    const ln_axis_attributes columns = {1};
    return net_node(n, ln_layer_find(word), name, strcmp(word, "concat") ? NULL : &columns,
                    (int[]){a, b}, 2);
}

/* dense with constants that are there; bias may be -1. */
static inline int net_dense_of(net *n, const char *name, int from, int weight, int bias)
{
    const ln_dense_attributes none = {0};
    return net_node(n, ln_layer_find("dense"), name, &none, (int[]){from, weight, bias}, 3);
}

/* dense (out, in) with its own trainable "<name>.weight" and, unless NULL, "<name>.bias". */
static inline int net_dense(net *n, const char *name, int from, int64_t in, int64_t out,
                            const float *weight, const float *bias)
{
    char part[64];
    snprintf(part, sizeof part, "%s.weight", name);
    const int w = net_constant(n, part, TEST_SHAPE(out, in), weight, true);
    snprintf(part, sizeof part, "%s.bias", name);
    return net_dense_of(n, name, from, w,
                        bias ? net_constant(n, part, TEST_SHAPE(out), bias, true) : -1);
}

static inline void net_output(net *n, int value)
{
    if (!n->status)
        n->status = ln_graph_add_output(n->graph, value, n->err);
}

/* The graph, which the caller releases; the test fails where a step did. */
static inline ln_graph *net_end(net *n)
{
    assert_status_at(n->status, LN_OK, n->err, "building", __FILE__, __LINE__);
    return n->graph;
}

static inline int value_of(const ln_graph *graph, const char *name)
{
    const int id = ln_graph_find_value(graph, name);
    if (id < 0)
        fail_msg("the graph has no value '%s'", name);
    return id;
}

/* 3 -> dense 4 -> relu -> dense 2 with weights of 1 and biases (-10, 1, 1, 1) and (-1, 1). */
static inline void net_hand(net *n)
{
    static const float ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    int v = net_input(n, "x", 3);
    v = net_dense(n, "first", v, 3, 4, ones, (const float[]){-10, 1, 1, 1});
    v = net_word(n, "relu", "hidden", v);
    v = net_dense(n, "second", v, 4, 2, ones, (const float[]){-1, 1});
    net_output(n, v);
}

/* A residual, a join, and one pair of constants in two nodes:
 *   r = relu(W x + b), s = x + (W r + b), y = V concat(s, r)
 * with W = ((1, 2), (3, 4)), b = (1, -1), V = (1, -1, 2, 0.5). */
static inline void net_branches(net *n)
{
    const int x = net_input(n, "x", 2);
    const int w = net_constant(n, "w", TEST_SHAPE(2, 2), (const float[]){1, 2, 3, 4}, true);
    const int b = net_constant(n, "b", TEST_SHAPE(2), (const float[]){1, -1}, true);
    const int r = net_word(n, "relu", "r", net_dense_of(n, "a", x, w, b));
    const int s = net_join(n, "add", "s", x, net_dense_of(n, "c", r, w, b));
    const int k = net_join(n, "concat", "k", s, r);
    net_output(n, net_dense(n, "y", k, 4, 1, (const float[]){1, -1, 2, 0.5f}, NULL));
}

/* ---------------------------------------------------------------- running */

/* A plan and one execution of it. */
typedef struct running {
    ln_plan *plan;
    ln_exec *exec;
} running;

static inline running run_new(ln_graph *graph, const ln_plan_options *options)
{
    ln_error err = {0};
    running made = {0};
    assert_ok(ln_plan_new(graph, options, &made.plan, &err));
    assert_ok(ln_exec_new(made.plan, &made.exec, &err));
    return made;
}

static inline void run_free(running *run)
{
    ln_exec_free(run->exec);
    ln_plan_free(run->plan);
}

/* Fills the first input (rows, width) and runs forward. */
static inline void run_forward(running *run, const float *x, int64_t rows, int64_t width)
{
    ln_error err = {0};
    memcpy(ln_exec_input(run->exec, 0), x, (size_t)(rows * width) * sizeof *x);
    assert_ok(ln_exec_forward(run->exec, rows, &err));
}

/* Sets the gradient at a wanted value to `seed`. */
static inline void run_seed(running *run, int value, const float *seed, size_t count)
{
    memcpy(ln_exec_seed(run->exec, value), seed, count * sizeof *seed);
}

/* Equal to the last bit. */
static inline void check_numbers(const float *got, const float *wanted, size_t count)
{
    assert_near_f32(got, wanted, count, 0, 0);
}

static inline void run_backward(running *run)
{
    ln_error err = {0};
    assert_ok(ln_exec_backward(run->exec, &err));
}

static inline void check_gradient(const running *run, const ln_graph *graph, const char *name,
                                  const float *wanted, size_t count)
{
    check_numbers(ln_exec_gradient(run->exec, value_of(graph, name)), wanted, count);
}

static inline void check_value(const running *run, const ln_graph *graph, const char *name,
                               const float *wanted, size_t count)
{
    check_numbers(ln_exec_value(run->exec, value_of(graph, name)), wanted, count);
}

/* ---------------------------------------------------------------- layers */

/* halves: the columns in two results of half the width. */
static inline ln_status halves_infer(const ln_graph *graph, const ln_node *node, const ln_shape *in,
                                     ln_shape *out, ln_error *err)
{
    (void)graph;
    (void)node;
    (void)err;
    out[0] = in[0];
    out[0].dims[1] /= 2;
    out[1] = out[0];
    return LN_OK;
}

static inline ln_status halves_forward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    const int64_t width = pass->step->out_shape[0].dims[1];
    for (int64_t r = 0; r < pass->rows; r++)
        for (int part = 0; part < 2; part++)
            memcpy((float *)pass->out[part] + r * width,
                   (const float *)pass->in[0] + (2 * r + part) * width,
                   (size_t)width * sizeof(float));
    return LN_OK;
}

static inline ln_status halves_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    const int64_t width = pass->step->out_shape[0].dims[1];
    for (int64_t r = 0; r < pass->rows; r++)
        for (int part = 0; part < 2; part++)
            memcpy(pass->in_grad[0] + (2 * r + part) * width, pass->out_grad[part] + r * width,
                   (size_t)width * sizeof(float));
    return LN_OK;
}

static const ln_layer halves = {.word = {.name = "halves"},
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .infer = halves_infer,
                                .forward = halves_forward,
                                .backward = halves_backward};

#endif
