/* train: what an epoch shows of the network, by hand: sizes of gradients, weights and steps, their
 * histogram, units of relus that are 0 for every row; the same for any number of threads. */
#include "train_support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"

enum { MOST = 16 };

/* The reports of the last epoch, copied. */
typedef struct kept {
    int count;
    ln_layer_report at[MOST];
    char names[MOST][32];
    int64_t bins[MOST][LN_GRADIENT_BINS];
} kept;

static void keep(void *context, const ln_epoch *epoch)
{
    kept *out = context;
    assert_in_range(epoch->layer_count, 0, MOST);
    out->count = epoch->layer_count;
    for (int i = 0; i < out->count; i++) {
        out->at[i] = epoch->layers[i];
        strncpy(out->names[i], epoch->layers[i].name, sizeof out->names[i] - 1);
        if (epoch->layers[i].bins)
            memcpy(out->bins[i], epoch->layers[i].bins, sizeof out->bins[i]);
    }
}

static void near_to(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-6 * fabs(wanted)))
        fail_msg("%.9g, not %.9g", got, wanted);
}

static void assert_bins(const int64_t *bins, int zero, int exponent, int there)
{
    int64_t all = 0;
    for (int i = 0; i < LN_GRADIENT_BINS; i++)
        all += bins[i];
    assert_int_equal(bins[0], zero);
    assert_int_equal(bins[1 + exponent - LN_GRADIENT_LEAST], there);
    assert_int_equal(all, 2);
}

/* y = w x with w = (1, 2), rows (1, 0) and (0, 1), targets 0, the mean of squares: in one batch the
 * gradient is (w_0, w_1), row by row (2 w_0, 0) and (0, 2 w_1). */
static void sizes_by_hand(void **state)
{
    (void)state;
    static const double numbers[] = {0, 0};
    for (int64_t batch = 1; batch <= 2; batch++) {
        ln_error err;
        static kept got;
        ln_model *model = test_model(&(test_network){
            .inputs = 2, .sizes = {1}, .no_bias = true, .task = LN_TASK_REGRESSION});
        ln_tensor *x = tensor_f32(TEST_SHAPE(2, 2), (float[]){1, 0, 0, 1});
        ln_train_options options = test_options(1, batch);
        const double lr = 1e-3 * (batch == 1 ? 2 : 1); /* what a weight loses of itself */
        test_set_weights(model, (float[]){1, 2});
        options.loss = ln_loss_find("mse");
        assert_ok(ln_train(model, &options, &(ln_train_set){.x = x, .numbers = numbers}, NULL, NULL,
                           keep, &got, &err));
        assert_int_equal(got.count, 1);
        assert_int_equal(got.at[0].units, 0);
        const double weight = sqrt(2.5) * (1 - lr);
        near_to(got.at[0].weight, weight);
        if (batch == 2) {
            near_to(got.at[0].gradient, sqrt((1 + 4) / 2.0));
            assert_true(fabs(got.at[0].change - lr * sqrt(2.5) / weight) < 1e-7);
            assert_bins(got.bins[0], 0, 0, 1);
            assert_bins(got.bins[0], 0, 1, 1);
        } else {
            near_to(got.at[0].gradient, sqrt((4 + 16) / 4.0));
            assert_true(fabs(got.at[0].change - lr * sqrt(5 / 4.0) / weight) < 1e-7);
            assert_bins(got.bins[0], 1, 2, 1);
        }
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* What is far beyond the bins is in the first and the last. */
static void gradients_beyond_the_bins(void **state)
{
    (void)state;
    static const float scales[] = {1e-18F, 1e7F};
    static const double numbers[] = {-0.5};
    for (int i = 0; i < 2; i++) {
        ln_error err;
        static kept got;
        ln_model *model = test_model(&(test_network){
            .inputs = 2, .sizes = {1}, .no_bias = true, .task = LN_TASK_REGRESSION});
        ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){scales[i], scales[i]});
        ln_train_options options = test_options(1, 1);
        options.loss = ln_loss_find("mse");
        test_set_weights(model, (float[]){0, 0});
        assert_ok(ln_train(model, &options, &(ln_train_set){.x = x, .numbers = numbers}, NULL, NULL,
                           keep, &got, &err));
        assert_int_equal(got.bins[0][i ? LN_GRADIENT_BINS - 1 : 1], 2);
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* dense 3, relu: unit 0 is closed by its bias, unit 1 open, unit 2 open for the last row alone. */
static void dead_units_of_a_dense_layer(void **state)
{
    (void)state;
    enum { ROWS = 40 };
    ln_error err;
    static kept got;
    int32_t labels[ROWS] = {0};
    ln_model *model =
        test_model(&(test_network){.inputs = 1, .sizes = {3, 2}, .activations = {"relu"}});
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, 1), 3);
    for (int i = 0; i < ROWS; i++)
        ln_f32(x)[i] = i == ROWS - 1 ? 1 : 0;
    /* weights (3, 1), biases (3); then those behind */
    test_set_weights(model,
                     (float[]){1, 0, 2, -9, 1, -1, 0.1F, 0.2F, 0.3F, 0.1F, 0.4F, 0.2F, 0, 0});
    ln_train_options options = test_options(1, 32);
    for (int rows = ROWS - 1; rows <= ROWS; rows++) { /* without the last row, and with it */
        ln_tensor *some;
        assert_ok(ln_tensor_rows(x, 0, rows, &some, &err));
        assert_ok(ln_train(model, &options, &(ln_train_set){.x = some, .labels = labels}, NULL,
                           NULL, keep, &got, &err));
        assert_int_equal(got.count, 3);
        assert_string_equal(got.names[0], "dense_0");
        assert_string_equal(got.names[1], "relu_1");
        assert_string_equal(got.names[2], "dense_2");
        assert_null(got.at[1].bins);
        assert_int_equal(got.at[1].units, 3);
        assert_int_equal(got.at[1].dead, rows == ROWS ? 1 : 2);
        ln_tensor_release(some);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

static void set_constant(ln_model *model, int number, const float *numbers)
{
    for (int i = 0; i < model->graph->value_count; i++)
        if (trainable(&model->graph->values[i]) && number-- == 0) {
            ln_tensor *constant = model->graph->values[i].constant;
            memcpy(constant->data, numbers, constant->bytes);
        }
}

/* `declare` adds layers to a network of this input; trained for an epoch on `rows` rows of ones. */
static void train_on_ones(const ln_shape *input, void (*declare)(ln_declaration *),
                          const float *weights, const float *bias, kept *got)
{
    enum { ROWS = 20 };
    ln_error err;
    ln_declaration declaration;
    ln_graph *graph;
    ln_model *model;
    int32_t labels[ROWS] = {0};
    assert_ok(ln_declare_begin(input, 0, &declaration, &err));
    declare(&declaration);
    add(&declaration, "flatten", &(ln_flatten_attributes){1});
    add(&declaration, "dense", &(ln_dense_attributes){.units = 2, .bias = true});
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    set_constant(model, 0, weights);
    set_constant(model, 1, bias);
    ln_shape shape = {.rank = input->rank + 1, .dims = {ROWS}};
    memcpy(shape.dims + 1, input->dims, (size_t)input->rank * sizeof *shape.dims);
    ln_tensor *x = tensor_random(shape, 1);
    for (int64_t i = 0; i < ln_shape_count(&shape); i++)
        ln_f32(x)[i] = 1;
    ln_train_options options = test_options(1, 16);
    assert_ok(ln_train(model, &options, &(ln_train_set){.x = x, .labels = labels}, NULL, NULL, keep,
                       got, &err));
    ln_tensor_release(x);
    ln_model_release(model);
}

static void a_convolution(ln_declaration *declaration)
{
    add(declaration, "conv2d",
        &(ln_convolution_attributes){.out_channels = 3,
                                     .kernel_size = {1, {2}},
                                     .padding = {1, {1}},
                                     .groups = 1,
                                     .bias = true});
    add_plain(declaration, "relu");
}

/* Channel 0 is closed, 1 open everywhere, 2 only where a window is inside: not dead. */
static void units_of_images_are_channels(void **state)
{
    (void)state;
    static kept got;
    const ln_shape input = TEST_SHAPE(1, 2, 2);
    train_on_ones(&input, a_convolution, (float[]){1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1},
                  (float[]){-9, 1, -3}, &got);
    assert_string_equal(got.names[1], "relu_1");
    assert_int_equal(got.at[1].units, 3);
    assert_int_equal(got.at[1].dead, 1);
}

static void a_dense_sequence(ln_declaration *declaration)
{
    add(declaration, "dense", &(ln_dense_attributes){.units = 4, .bias = true});
    add_plain(declaration, "relu");
}

/* (3 steps, 2 numbers) -> dense 4 at each step: its units are the last axis. */
static void units_of_sequences_are_features(void **state)
{
    (void)state;
    static kept got;
    const ln_shape input = TEST_SHAPE(3, 2);
    train_on_ones(&input, a_dense_sequence, (float[8]){0}, (float[]){-1, 1, -1, -1}, &got);
    assert_int_equal(got.at[1].units, 4);
    assert_int_equal(got.at[1].dead, 3);
}

/* 260,000 weights: several blocks, whose sums threads make. */
static void reports_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { ROWS = 100, INPUTS = 20 };
    ln_error err;
    static kept alone, other;
    int32_t labels[ROWS];
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, INPUTS), 3);
    for (int i = 0; i < ROWS; i++)
        labels[i] = ln_f32(x)[i * INPUTS] > 0;
    ln_train_options options = test_options(2, 64);
    options.optimizer = ln_optimizer_find("adam");
    for (int threads = 1; threads <= 5; threads += 2) {
        ln_pool *pool;
        ln_model *model = test_model(&(test_network){
            .inputs = INPUTS, .sizes = {500, 500, 2}, .activations = {"relu", "relu6"}});
        kept *got = threads == 1 ? &alone : &other;
        assert_ok(ln_pool_new(threads, &pool, &err));
        assert_ok(ln_train(model, &options, &(ln_train_set){.x = x, .labels = labels}, NULL, pool,
                           keep, got, &err));
        assert_int_equal(got->count, 5);
        for (int i = 0; i < got->count; i++) {
            assert_true(got->at[i].gradient == alone.at[i].gradient);
            assert_true(got->at[i].weight == alone.at[i].weight);
            assert_true(got->at[i].change == alone.at[i].change);
            assert_int_equal(got->at[i].dead, alone.at[i].dead);
            assert_memory_equal(got->bins[i], alone.bins[i], sizeof alone.bins[i]);
        }
        ln_pool_free(pool);
        ln_model_release(model);
    }
    assert_true(alone.at[0].gradient > 0 && alone.at[0].change > 0);
    ln_tensor_release(x);
}

/* A training that diverges names the layer. */
static void divergence_names_the_layer(void **state)
{
    (void)state;
    ln_error err;
    static const double numbers[] = {0, 0, 0, 0};
    ln_model *model = test_model(
        &(test_network){.inputs = 1, .sizes = {1}, .no_bias = true, .task = LN_TASK_REGRESSION});
    ln_tensor *x = tensor_f32(TEST_SHAPE(4, 1), (float[]){1e12F, 1e12F, 1e12F, 1e12F});
    ln_train_options options = test_options(3, 1);
    options.loss = ln_loss_find("mse");
    test_set_weights(model, (float[]){1});
    assert_fails(ln_train(model, &options, &(ln_train_set){.x = x, .numbers = numbers}, NULL, NULL,
                          NULL, NULL, &err),
                 LN_EFAILED, "the greatest gradients are those of dense_0: ");
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_by_hand),
        cmocka_unit_test(gradients_beyond_the_bins),
        cmocka_unit_test(dead_units_of_a_dense_layer),
        cmocka_unit_test(units_of_images_are_channels),
        cmocka_unit_test(units_of_sequences_are_features),
        cmocka_unit_test(reports_do_not_depend_on_threads),
        cmocka_unit_test(divergence_names_the_layer),
    };
    return cmocka_run_group_tests_name("train watch", tests, NULL, NULL);
}
