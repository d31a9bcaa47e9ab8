/* train: a convolutional network with every normalisation, against what PyTorch makes of it
 * (reference/train_spatial_reference.py): weights, biases, running statistics and losses; and the
 * same bits for any number of threads. */
#include "train_support.h"

#include <stdio.h>

#include "base/parallel.h"
#include "tensor/npy.h"

enum { ROWS = 40, EPOCHS = 4 };

static ln_tensor *reference(const char *name)
{
    char path[64];
    ln_tensor *tensor;
    ln_error err;
    snprintf(path, sizeof path, "reference/train/spatial-%s.npy", name);
    assert_ok(ln_npy_read(test_file(path), &tensor, NULL, &err));
    return tensor;
}

#define SIZE(n)                                                                                    \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }

/* The layers of the script. */
static void declare(ln_declaration *declaration)
{
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    const ln_channel_norm_attributes other = {.eps = 1e-3, .momentum = 0.3, .affine = true};
    const ln_channel_norm_attributes plain = {.eps = 1e-5, .momentum = 0.1};
    const ln_pool_attributes pool = {.kernel_size = SIZE(2), .count_include_pad = true};
    add(declaration, "conv2d",
        &(ln_convolution_attributes){.out_channels = 4,
                                     .kernel_size = SIZE(3),
                                     .padding = SIZE(1),
                                     .groups = 1,
                                     .bias = true});
    add(declaration, "batch_norm2d", &norm);
    add(declaration, "relu", NULL);
    add(declaration, "max_pool2d", &pool);
    add(declaration, "conv2d",
        &(ln_convolution_attributes){.out_channels = 6, .kernel_size = SIZE(2), .groups = 2});
    add(declaration, "batch_norm2d", &other);
    add(declaration, "relu", NULL);
    add(declaration, "conv_transpose2d",
        &(ln_convolution_attributes){.out_channels = 4,
                                     .kernel_size = SIZE(2),
                                     .stride = SIZE(2),
                                     .groups = 1,
                                     .bias = true});
    add(declaration, "group_norm",
        &(ln_group_norm_attributes){.num_groups = 2, .eps = 1e-5, .affine = true});
    add(declaration, "avg_pool2d", &pool);
    add(declaration, "instance_norm2d", &norm);
    add(declaration, "flatten", &(ln_flatten_attributes){1});
    add(declaration, "layer_norm",
        &(ln_layer_norm_attributes){.eps = 1e-5, .elementwise_affine = true, .bias = true});
    add(declaration, "dense", &(ln_dense_attributes){.units = 5, .bias = true});
    add(declaration, "batch_norm1d", &plain);
    add(declaration, "rms_norm", &(ln_layer_norm_attributes){.elementwise_affine = true});
    add(declaration, "dense", &(ln_dense_attributes){.units = 3, .bias = true});
}

/* With PyTorch's initial numbers. Caller releases. */
static ln_model *make_model(void)
{
    ln_error err;
    ln_declaration declaration;
    ln_graph *graph;
    ln_model *model;
    ln_tensor *start = reference("start");
    const ln_shape input = TEST_SHAPE(2, 6, 6);
    assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
    declare(&declaration);
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    const float *from = ln_f32(start);
    for (int i = 0; i < graph->value_count; i++)
        if (graph->values[i].parameter) {
            ln_tensor *constant = graph->values[i].constant;
            memcpy(constant->data, from, constant->bytes);
            from += ln_shape_count(&constant->shape);
        }
    assert_int_equal(from - ln_f32(start), ln_shape_count(&start->shape));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_tensor_release(start);
    ln_graph_release(graph);
    return model;
}

/* The optimizer's defaults with one number changed. */
static void set_number(const ln_word *word, void *params, const char *name, double value)
{
    for (const ln_param *param = word->params; param->name; param++)
        if (strcmp(param->name, name) == 0)
            memcpy((char *)params + param->offset, &value, sizeof value);
}

/* Trains; all parameters and then the losses to `out`; how many. */
static int64_t train(ln_model *model, int threads, float *out)
{
    ln_error err;
    ln_tensor *x = reference("x"), *labels = reference("labels");
    const ln_train_set set = {.x = x, .labels = labels->data};
    ln_train_options options = test_options(EPOCHS, 24);
    test_epochs epochs = {0};
    ln_pool *pool = NULL;
    max_align_t params[8];
    assert_true(options.optimizer->word.params_size <= sizeof params);
    memcpy(params, options.optimizer->defaults, options.optimizer->word.params_size);
    set_number(&options.optimizer->word, params, "lr", 0.05);
    set_number(&options.optimizer->word, params, "momentum", 0.9);
    options.optimizer_params = params;
    assert_ok(ln_pool_new(threads, &pool, &err));
    assert_ok(ln_train(model, &options, &set, NULL, pool, test_hear, &epochs, &err));
    ln_pool_free(pool);
    assert_int_equal(epochs.count, EPOCHS);
    int64_t count = 0;
    for (int i = 0; i < model->graph->value_count; i++)
        if (model->graph->values[i].parameter) {
            const ln_tensor *constant = model->graph->values[i].constant;
            memcpy(out + count, constant->data, constant->bytes);
            count += ln_shape_count(&constant->shape);
        }
    for (int i = 0; i < EPOCHS; i++)
        out[count++] = (float)epochs.at[i].loss;
    ln_tensor_release(x);
    ln_tensor_release(labels);
    return count;
}

static void training_equals_pytorch(void **state)
{
    float got[1024];
    ln_model *model = make_model();
    ln_tensor *wanted = reference("end");
    (void)state;
    assert_int_equal(train(model, 1, got), wanted->shape.dims[0]);
    assert_near_f32(got, ln_f32(wanted), (size_t)wanted->shape.dims[0], 2e-5, 5e-5);
    ln_tensor_release(wanted);
    ln_model_release(model);
}

static void bits_do_not_depend_on_threads(void **state)
{
    float one[1024], other[1024];
    ln_model *model = make_model();
    const int64_t count = train(model, 1, one);
    (void)state;
    ln_model_release(model);
    for (int threads = 2; threads <= 5; threads += 3) {
        model = make_model();
        assert_int_equal(train(model, threads, other), count);
        assert_same_bits(other, one, (size_t)count * sizeof *one);
        ln_model_release(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_equals_pytorch),
        cmocka_unit_test(bits_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests_name("train_spatial", tests, NULL, NULL);
}
