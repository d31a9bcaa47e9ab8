/* What the programs of the model room share: networks in a line, their outputs once more in double
 * precision, and derivatives of those. */
#ifndef LN_TESTS_MODEL_SUPPORT_H
#define LN_TESTS_MODEL_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "layers/attributes.h"
#include "model/declare.h"
#include "model/model.h"

/* dense layers of these sizes (0 ends them) with tanh between them; `ending` is a word or NULL. */
typedef struct mlp {
    int64_t sizes[6]; /* inputs, hidden ..., outputs, 0 */
    const char *ending;
    ln_task task;
    uint64_t seed;
} mlp;

static inline void declare_word(ln_declaration *declaration, const char *word)
{
    ln_error err;
    const ln_axis_attributes last = {-1};
    const ln_dropout_attributes half = {0.5};
    const bool softmax = strstr(word, "softmax") != NULL, dropout = strcmp(word, "dropout") == 0;
    assert_ok(ln_declare_layer(declaration, ln_layer_find(word),
                               softmax   ? (const void *)&last
                               : dropout ? (const void *)&half
                                         : NULL,
                               NULL, &err));
}

static inline void declare_dense(ln_declaration *declaration, int64_t units)
{
    ln_error err;
    const ln_dense_attributes dense = {.units = units, .bias = true};
    assert_ok(ln_declare_layer(declaration, ln_layer_find("dense"), &dense, NULL, &err));
}

/* Finishes and makes the model; the caller releases. */
static inline ln_model *model_of(ln_declaration *declaration, ln_task task)
{
    ln_error err;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    assert_ok(ln_declare_finish(declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, task, &model, &err));
    ln_graph_release(graph);
    return model;
}

static inline ln_model *mlp_model(const mlp *net)
{
    ln_error err;
    ln_declaration declaration;
    ln_shape input = TEST_SHAPE(net->sizes[0]);
    assert_ok(ln_declare_begin(&input, net->seed, &declaration, &err));
    for (int i = 1; net->sizes[i]; i++) {
        declare_dense(&declaration, net->sizes[i]);
        if (net->sizes[i + 1])
            declare_word(&declaration, "tanh");
    }
    if (net->ending)
        declare_word(&declaration, net->ending);
    return model_of(&declaration, net->task);
}

static inline float *constant_of(const ln_model *model, const char *name)
{
    int id = ln_graph_find_value(model->graph, name);
    if (id < 0)
        fail_msg("the network has no value '%s'", name);
    return ln_f32(model->graph->values[id].constant);
}

/* The logits in double precision, from the model's own weights. */
static inline void mlp_logits(const mlp *net, const ln_model *model, const double *x, double *z)
{
    double in[64] = {0}, out[64] = {0};
    char name[32];
    memcpy(in, x, (size_t)net->sizes[0] * sizeof *in);
    for (int i = 1, layer = 0; net->sizes[i]; i++, layer += 2) {
        snprintf(name, sizeof name, "dense_%d.weight", layer);
        const float *weight = constant_of(model, name);
        snprintf(name, sizeof name, "dense_%d.bias", layer);
        const float *bias = constant_of(model, name);
        for (int64_t o = 0; o < net->sizes[i]; o++) {
            out[o] = (double)bias[o];
            for (int64_t k = 0; k < net->sizes[i - 1]; k++)
                out[o] += (double)weight[o * net->sizes[i - 1] + k] * in[k];
            if (net->sizes[i + 1])
                out[o] = tanh(out[o]);
        }
        memcpy(in, out, sizeof in);
        memcpy(z, out, (size_t)net->sizes[i] * sizeof *z);
    }
}

/* What the contract says a link is, of logits z; `out` has one number an output of the function. */
static inline void link_of(const char *ending, ln_link link, const double *z, int64_t count,
                           double *out)
{
    double sum = 0;
    bool probability = link == LN_LINK_PROBABILITY || (link == LN_LINK_RAW && ending);
    for (int64_t c = 0; c < count; c++)
        sum += exp(z[c]);
    if (link == LN_LINK_LOSS && count == 1) {
        out[0] = log(1 + exp(z[0]));
        out[1] = log(1 + exp(-z[0]));
        return;
    }
    for (int64_t c = 0; c < count; c++)
        out[c] = link == LN_LINK_LOSS         ? log(sum) - z[c]
                 : !probability               ? z[c]
                 : count == 1                 ? 1 / (1 + exp(-z[c]))
                 : ending && ending[1] == 'i' ? 1 / (1 + exp(-z[c])) /* sigmoid */
                                              : exp(z[c]) / sum;
}

static inline ln_function *function_of(ln_model *model, ln_function_options options)
{
    ln_error err = {0};
    ln_function *function = NULL;
    assert_ok(ln_function_new(model, &options, &function, &err));
    return function;
}

#endif
