/* What the two programs of the training room share: small networks and a record of the epochs.
 * All in a header, since other test programs link without the model room. */
#ifndef LN_TESTS_TRAIN_SUPPORT_H
#define LN_TESTS_TRAIN_SUPPORT_H

#include "support.h"

#include <string.h>

#include "layers/attributes.h"
#include "model/declare.h"
#include "model/model.h"
#include "train/train.h"

/* A network of dense layers of these sizes (0 ends them) with `activation` between them, a dropout
 * of p in front where p > 0. */
typedef struct test_network {
    int64_t inputs;
    int64_t sizes[6];
    const char *activations[6]; /* after each dense layer; NULL: none */
    double dropout;
    bool no_bias;
    ln_task task;
} test_network;
/* The reports of a training run. */
typedef struct test_epochs {
    int count;
    ln_epoch at[512];
} test_epochs;

static inline void add(ln_declaration *declaration, const char *word, const void *attributes)
{
    ln_error err;
    const ln_layer *layer = ln_layer_find(word);
    if (!layer)
        fail_msg("there is no layer '%s'", word);
    assert_ok(ln_declare_layer(declaration, layer, attributes, NULL, &err));
}

static inline void add_plain(ln_declaration *declaration, const char *word)
{
    const ln_axis_attributes last_axis = {-1};
    add(declaration, word, strcmp(word, "softmax") == 0 ? &last_axis : NULL);
}

/* Caller releases. */
static inline ln_model *test_model(const test_network *network)
{
    ln_error err;
    ln_declaration declaration;
    ln_graph *graph;
    ln_model *model;
    ln_shape input = TEST_SHAPE(network->inputs);
    assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
    if (network->dropout > 0)
        add(&declaration, "dropout", &(ln_dropout_attributes){network->dropout});
    for (int i = 0; network->sizes[i]; i++) {
        add(&declaration, "dense",
            &(ln_dense_attributes){.units = network->sizes[i], .bias = !network->no_bias});
        if (network->activations[i])
            add_plain(&declaration, network->activations[i]);
    }
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, network->task, &model, &err));
    ln_graph_release(graph);
    return model;
}

static inline bool trainable(const ln_value *value)
{
    return value->kind == LN_VALUE_CONSTANT && value->trainable;
}

/* All trainable constants in a row. */
static inline int64_t test_weight_count(const ln_model *model)
{
    int64_t count = 0;
    for (int i = 0; i < model->graph->value_count; i++) {
        if (trainable(&model->graph->values[i]))
            count += ln_shape_count(&model->graph->values[i].constant->shape);
    }
    return count;
}

static inline void test_get_weights(const ln_model *model, float *out)
{
    for (int i = 0; i < model->graph->value_count; i++) {
        if (!trainable(&model->graph->values[i]))
            continue;
        const ln_tensor *constant = model->graph->values[i].constant;
        memcpy(out, constant->data, constant->bytes);
        out += constant->bytes / sizeof *out;
    }
}

static inline void test_set_weights(ln_model *model, const float *weights)
{
    for (int i = 0; i < model->graph->value_count; i++) {
        if (!trainable(&model->graph->values[i]))
            continue;
        ln_tensor *constant = model->graph->values[i].constant;
        memcpy(constant->data, weights, constant->bytes);
        weights += constant->bytes / sizeof *weights;
    }
}

/* An ln_epoch_fn whose context is a test_epochs. */
static inline void test_hear(void *context, const ln_epoch *epoch)
{
    test_epochs *epochs = context;
    assert_in_range(epochs->count, 0, 511);
    epochs->at[epochs->count++] = *epoch;
}

/* cross_entropy, sgd with lr 1e-3, no shuffling. */
static inline ln_train_options test_options(int64_t epochs, int64_t batch)
{
    return (ln_train_options){.epochs = epochs,
                              .batch = batch,
                              .loss = ln_loss_find("cross_entropy"),
                              .optimizer = ln_optimizer_find("sgd")};
}

#endif
