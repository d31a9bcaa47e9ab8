/* Training runs as a whole: the same bits for all numbers of threads, final layers, several inputs,
 * what is refused, divergence, interruption and memory that runs out. */
#include "train_support.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/parallel.h"
#include "layers/attributes.h"

/* ---------------------------------------------------------------- threads */

typedef struct outcome {
    float *weights; /* after training */
    size_t bytes;
    test_epochs epochs;
} outcome;

static void run_with(const test_network *network, int64_t rows, ln_train_options *options,
                     ln_pool *pool, outcome *out)
{
    ln_error err;
    ln_model *model = test_model(network);
    ln_tensor *x = tensor_random(TEST_SHAPE(rows + 100, network->inputs), 3), *train, *held_out;
    int32_t *labels = ln_alloc((size_t)(rows + 100) * sizeof *labels);
    for (int64_t i = 0; i < rows + 100; i++)
        labels[i] = (ln_f32(x)[i * network->inputs] > 0) + (ln_f32(x)[i * network->inputs + 1] > 0);
    assert_ok(ln_tensor_rows(x, 0, rows, &train, &err));
    assert_ok(ln_tensor_rows(x, rows, 100, &held_out, &err));
    const ln_train_set set = {.x = train, .labels = labels};
    const ln_train_set validation = {.x = held_out, .labels = labels + rows};
    out->epochs.count = 0;
    assert_ok(ln_train(model, options, &set, &validation, pool, test_hear, &out->epochs, &err));
    out->bytes = (size_t)test_weight_count(model) * sizeof *out->weights;
    out->weights = ln_alloc(out->bytes);
    test_get_weights(model, out->weights);
    ln_tensor_release(train);
    ln_tensor_release(held_out);
    ln_tensor_release(x);
    ln_free(labels);
    ln_model_release(model);
}

static void assert_same_for_all_threads(const test_network *network, int64_t rows,
                                        ln_train_options *options)
{
    static const int threads[] = {1, 2, 5};
    ln_error err;
    static outcome alone, other;
    run_with(network, rows, options, NULL, &alone);
    for (size_t i = 0; i < 3; i++) {
        ln_pool *pool;
        assert_ok(ln_pool_new(threads[i], &pool, &err));
        run_with(network, rows, options, pool, &other);
        assert_same_bits(other.weights, alone.weights, alone.bytes);
        assert_int_equal(other.epochs.count, alone.epochs.count);
        for (int e = 0; e < alone.epochs.count; e++) {
            assert_true(other.epochs.at[e].loss == alone.epochs.at[e].loss);
            assert_true(other.epochs.at[e].validation_loss == alone.epochs.at[e].validation_loss);
        }
        ln_free(other.weights);
        ln_pool_free(pool);
    }
    ln_free(alone.weights);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    ln_train_options options = test_options(3, 50);
    options.optimizer = ln_optimizer_find("adam");
    options.shuffle = true;
    options.seed = 9;
    options.patience = 5;
    /* Small: every batch is done by the caller. */
    assert_same_for_all_threads(
        &(test_network){.inputs = 6, .sizes = {12, 3}, .activations = {"relu"}, .dropout = 0.3},
        130, &options);
    /* Middle: 70000 weights, batches of 4 microchunks are worth threads. */
    assert_same_for_all_threads(
        &(test_network){
            .inputs = 20, .sizes = {250, 250, 3}, .activations = {"relu", "tanh"}, .dropout = 0.2},
        130, &options);
}

/* 275000 weights and 69 microchunks: their gradients take two waves of 64 MiB. */
static void waves_do_not_change_bits(void **state)
{
    (void)state;
    ln_train_options options = test_options(1, 1100);
    options.optimizer = ln_optimizer_find("adam");
    assert_same_for_all_threads(
        &(test_network){.inputs = 20, .sizes = {512, 512, 3}, .activations = {"relu", "relu"}},
        1100, &options);
}

static void seeds_order_rows_and_switch_neurons(void **state)
{
    (void)state;
    static outcome runs[4];
    const test_network plain = {.inputs = 6, .sizes = {12, 3}, .activations = {"relu"}};
    test_network dropping = plain;
    dropping.dropout = 0.3;
    ln_train_options options = test_options(2, 32);
    options.seed = 1;
    run_with(&plain, 100, &options, NULL, &runs[0]);
    options.seed = 2; /* without shuffling and dropout the seed changes nothing */
    run_with(&plain, 100, &options, NULL, &runs[1]);
    assert_same_bits(runs[0].weights, runs[1].weights, runs[0].bytes);
    ln_free(runs[1].weights);
    options.shuffle = true;
    run_with(&plain, 100, &options, NULL, &runs[1]);
    options.seed = 1;
    run_with(&plain, 100, &options, NULL, &runs[2]);
    assert_memory_not_equal(runs[0].weights, runs[1].weights, runs[0].bytes);
    assert_memory_not_equal(runs[1].weights, runs[2].weights, runs[0].bytes);
    ln_free(runs[1].weights);
    options.shuffle = false;
    run_with(&dropping, 100, &options, NULL, &runs[1]);
    options.seed = 2;
    run_with(&dropping, 100, &options, NULL, &runs[3]);
    assert_memory_not_equal(runs[1].weights, runs[3].weights, runs[0].bytes);
    for (int i = 0; i < 4; i++)
        ln_free(runs[i].weights);
}

/* ---------------------------------------------------------------- final layers, inputs */

static void train_on(ln_model *model, const char *loss, const ln_train_set *set, float *weights)
{
    ln_error err;
    ln_train_options options = test_options(4, 16);
    options.loss = ln_loss_find(loss);
    options.optimizer = ln_optimizer_find("adam");
    assert_ok(ln_train(model, &options, set, NULL, NULL, NULL, NULL, &err));
    test_get_weights(model, weights);
    ln_model_release(model);
}

static void a_final_softmax_or_sigmoid_is_left_off(void **state)
{
    (void)state;
    int32_t labels[40];
    float got[64], wanted[64];
    ln_tensor *x = tensor_random(TEST_SHAPE(40, 4), 8);
    for (int i = 0; i < 40; i++)
        labels[i] = i % 2;
    const ln_train_set set = {.x = x, .labels = labels};
    train_on(test_model(&(test_network){.inputs = 4, .sizes = {3, 2}, .activations = {"relu"}}),
             "cross_entropy", &set, wanted);
    train_on(test_model(
                 &(test_network){.inputs = 4, .sizes = {3, 2}, .activations = {"relu", "softmax"}}),
             "cross_entropy", &set, got);
    assert_same_bits(got, wanted, 23 * sizeof *got);
    train_on(test_model(&(test_network){.inputs = 4, .sizes = {3, 1}, .activations = {"relu"}}),
             "binary_cross_entropy", &set, wanted);
    train_on(test_model(
                 &(test_network){.inputs = 4, .sizes = {3, 1}, .activations = {"relu", "sigmoid"}}),
             "binary_cross_entropy", &set, got);
    assert_same_bits(got, wanted, 19 * sizeof *got);
    ln_tensor_release(x);
}

/* Inputs a (N, 1) and b (N, 3), joined by concat, against one input (N, 4). */
static ln_model *model_of_two_inputs(const float *weights)
{
    ln_error err;
    ln_graph *graph;
    ln_model *model;
    int a, b, joined, kernel, bias, dense; /* joined, dense: nodes; the others: values */
    const ln_axis_attributes axis = {1};
    const ln_dense_attributes units = {.units = 2, .bias = true};
    ln_shape shape_a = {2, {-1, 1}}, shape_b = {2, {-1, 3}};
    ln_tensor *w = tensor_f32(TEST_SHAPE(2, 4), weights);
    ln_tensor *c = tensor_f32(TEST_SHAPE(2), weights + 8);
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "a", LN_F32, &shape_a, &a, &err));
    assert_ok(ln_graph_add_input(graph, "b", LN_F32, &shape_b, &b, &err));
    assert_ok(ln_graph_add_constant(graph, "w", w, true, &kernel, &err));
    assert_ok(ln_graph_add_constant(graph, "c", c, true, &bias, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find("concat"), "Concat", "join", &axis,
                                (int[]){a, b}, 2, (const char *const[]){"ab"}, 1, &joined, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find("dense"), "Gemm", "dense", &units,
                                (int[]){graph->nodes[joined].outputs[0], kernel, bias}, 3,
                                (const char *const[]){"y"}, 1, &dense, &err));
    assert_ok(ln_graph_add_output(graph, graph->nodes[dense].outputs[0], &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    ln_tensor_release(w);
    ln_tensor_release(c);
    return model;
}

static void several_inputs_are_trained_side_by_side(void **state)
{
    (void)state;
    int32_t labels[40];
    float start[10], got[10], wanted[10];
    ln_tensor *x = tensor_random(TEST_SHAPE(40, 4), 8);
    for (int i = 0; i < 40; i++)
        labels[i] = i % 2;
    const ln_train_set set = {.x = x, .labels = labels};
    ln_model *single = test_model(&(test_network){.inputs = 4, .sizes = {2}});
    test_get_weights(single, start);
    train_on(model_of_two_inputs(start), "cross_entropy", &set, got);
    train_on(single, "cross_entropy", &set, wanted);
    assert_same_bits(got, wanted, sizeof got);
    assert_memory_not_equal(start, wanted, sizeof start);
    ln_tensor_release(x);
}

/* The validation loss is that of the model as it predicts: no dropout, all rows. */
static void validation_is_the_loss_of_the_predictions(void **state)
{
    (void)state;
    ln_error err;
    int32_t labels[100];
    test_epochs epochs = {0};
    ln_model *model = test_model(
        &(test_network){.inputs = 4, .sizes = {8, 3}, .activations = {"relu"}, .dropout = 0.5});
    ln_tensor *x = tensor_random(TEST_SHAPE(100, 4), 8), *logits;
    for (int i = 0; i < 100; i++)
        labels[i] = i % 3;
    const ln_train_set set = {.x = x, .labels = labels};
    ln_train_options options = test_options(1, 32);
    assert_ok(ln_train(model, &options, &set, &set, NULL, test_hear, &epochs, &err));
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &logits, &err));
    ln_loss_rows rows = {
        .outputs = ln_f32(logits), .rows = 100, .count = 3, .labels = labels, .denominator = 1};
    double wanted = options.loss->compute(options.loss->defaults, &rows) / 100;
    assert_near_f64(&epochs.at[0].validation_loss, &wanted, 1, 1e-7, 0);
    assert_true(fabs(epochs.at[0].loss - wanted) > 1e-4);
    ln_tensor_release(logits);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- what is refused */

/* A good run that each case spoils in one place. */
typedef struct attempt {
    test_network network;
    ln_train_options options;
    ln_train_set set;
    bool validated;
    int32_t labels[4];
    double numbers[4], weights[4], class_weights[4];
    float x[8];
    int64_t width;
} attempt;

static attempt good_attempt(void)
{
    return (attempt){.network = {.inputs = 2, .sizes = {2}},
                     .options = test_options(1, 4),
                     .labels = {0, 1, 1, 0},
                     .numbers = {1, 2, 3, 4},
                     .weights = {1, 1, 1, 1},
                     .class_weights = {1, 1, 1, 1},
                     .x = {1, 2, 3, 4, 5, 6, 7, 8},
                     .width = 2};
}

static ln_status try_it(attempt *a, ln_error *err)
{
    ln_model *model = test_model(&a->network);
    ln_tensor *x = tensor_f32(TEST_SHAPE(8 / a->width, a->width), a->x);
    bool regression = a->options.loss->task == LN_TASK_REGRESSION;
    ln_train_set set = {.x = x,
                        .labels = regression ? NULL : a->labels,
                        .numbers = regression ? a->numbers : NULL,
                        .weights = a->weights};
    a->options.class_weights = a->class_weights;
    ln_status status =
        ln_train(model, &a->options, &set, a->validated ? &set : NULL, NULL, NULL, NULL, err);
    ln_tensor_release(x);
    ln_model_release(model);
    return status;
}

#define assert_refused(part, ...)                                                                  \
    do {                                                                                           \
        ln_error err;                                                                              \
        attempt a = good_attempt();                                                                \
        __VA_ARGS__;                                                                               \
        assert_fails(try_it(&a, &err), LN_EINVALID, (part));                                       \
    } while (0)

static void what_cannot_be_trained_is_explained(void **state)
{
    (void)state;
    ln_error good;
    attempt fine = good_attempt();
    assert_status_at(try_it(&fine, &good), LN_OK, &good, "try_it", __FILE__, __LINE__);
    assert_refused("epochs = 0; it must be 1 or more", a.options.epochs = 0);
    assert_refused("batch = -1; it must be 1 or more", a.options.batch = -1);
    assert_refused("patience must not be below 0", a.options.patience = -1);
    assert_refused("min_delta must not be below 0", a.options.min_delta = NAN);
    assert_refused("no validation split", a.options.patience = 3);
    assert_refused("the schedule step_lr needs its parameters",
                   a.options.schedule = ln_schedule_find("step_lr"));
    assert_refused("mse is a loss on numbers, and the target is classes",
                   a.options.loss = ln_loss_find("mse"));
    assert_refused("cross_entropy is a loss on classes, and the target is numbers",
                   a.network.task = LN_TASK_REGRESSION);
    assert_refused("cross_entropy needs two outputs or more, and the network has 1",
                   a.network.sizes[0] = 1);
    assert_refused("binary_cross_entropy needs one output, and the network has 2",
                   a.options.loss = ln_loss_find("binary_cross_entropy"));
    assert_refused("mse needs one output, and the network has 2",
                   a.options.loss = ln_loss_find("mse");
                   a.network.task = LN_TASK_REGRESSION);
    assert_refused("label_smoothing = 1.5; it lies between 0 and 1",
                   static const double smoothing = 1.5;
                   a.options.loss_params = &smoothing);
    assert_refused(
        "the network ends in sigmoid, and cross_entropy trains logits or a final softmax",
        a.network.activations[0] = "sigmoid");
    assert_refused("training row 2 is of class 2, and the model has 2 classes (0 to 1)",
                   a.labels[2] = 2);
    assert_refused("the weight of class 1 is -1", a.class_weights[1] = -1);
    assert_refused("the weight of training row 3 is nan", a.weights[3] = NAN);
    assert_refused("the weights of the training rows add up to 0", memset(a.weights, 0, 32));
    assert_refused("input 1 of training row 0 is not a finite number", a.x[1] = INFINITY);
    assert_refused("the target of training row 1 is not a finite number",
                   a.options.loss = ln_loss_find("mse");
                   a.network.task = LN_TASK_REGRESSION; a.network.sizes[0] = 1; a.numbers[1] = NAN);
    assert_refused("must be f32 rows of the model's 2 inputs; they are f32 rows of 4", a.width = 4);
}

static void optimizers_refuse_what_makes_no_sense(void **state)
{
    (void)state;
    ln_error err;
    const ln_optimizer *sgd = ln_optimizer_find("sgd"), *adam = ln_optimizer_find("adam");
    unsigned char params[64];
    memcpy(params, sgd->defaults, sgd->word.params_size);
    for (const ln_param *p = sgd->word.params; p->name; p++) {
        if (strcmp(p->name, "nesterov") == 0)
            *(bool *)(params + p->offset) = true;
    }
    assert_fails(sgd->check(params, &err), LN_EINVALID, "nesterov needs a momentum above 0");
    memcpy(params, adam->defaults, adam->word.params_size);
    for (const ln_param *p = adam->word.params; p->name; p++) {
        if (strcmp(p->name, "beta2") == 0)
            *(double *)(params + p->offset) = 1;
    }
    assert_fails(adam->check(params, &err), LN_EINVALID, "beta2 = 1; it must be below 1");
}

static void divergence_says_when_and_what_to_try(void **state)
{
    (void)state;
    ln_error err;
    attempt a = good_attempt();
    a.network = (test_network){.inputs = 2, .sizes = {1}, .task = LN_TASK_REGRESSION};
    a.options = test_options(500, 4);
    a.options.loss = ln_loss_find("mse");
    a.options.optimizer = ln_optimizer_find("sgd");
    unsigned char params[64];
    memcpy(params, a.options.optimizer->defaults, a.options.optimizer->word.params_size);
    *(double *)(params + a.options.optimizer->word.params[0].offset) = 100;
    a.options.optimizer_params = params;
    assert_fails(try_it(&a, &err), LN_EFAILED, "training diverged: the ");
    assert_message_at(&err, "(learning rate 100)", __FILE__, __LINE__);
    assert_string_equal(err.hint, "try a lower learning rate, such as lr = 10, or scaled inputs");
}

static void interrupt_after_three(void *context, const ln_epoch *epoch)
{
    *(int64_t *)context = epoch->epoch;
    if (epoch->epoch == 3)
        ln_interrupt(SIGINT);
}

static void an_interrupt_ends_training(void **state)
{
    (void)state;
    ln_error err;
    int64_t epochs = 0;
    ln_model *model = test_model(&(test_network){.inputs = 2, .sizes = {2}});
    ln_tensor *x = tensor_random(TEST_SHAPE(8, 2), 1);
    const ln_train_set set = {.x = x, .labels = (int32_t[]){0, 1, 0, 1, 0, 1, 0, 1}};
    ln_train_options options = test_options(3, 4);
    ln_status status =
        ln_train(model, &options, &set, NULL, NULL, interrupt_after_three, &epochs, &err);
    ln_interrupt(0);
    assert_int_equal(status, LN_EINTERRUPTED);
    assert_int_equal(epochs, 3);
    ln_interrupt(SIGINT); /* from the start: not a batch is trained */
    status = ln_train(model, &options, &set, NULL, NULL, interrupt_after_three, &epochs, &err);
    ln_interrupt(0);
    assert_int_equal(status, LN_EINTERRUPTED);
    assert_int_equal(epochs, 3);
    ln_tensor_release(x);
    ln_model_release(model);
}

typedef struct sweep {
    ln_model *model;
    ln_pool *pool;
    ln_train_options options;
    ln_train_set set;
} sweep;

static ln_status train_again(void *context, ln_error *err)
{
    sweep *s = context;
    return ln_train(s->model, &s->options, &s->set, &s->set, s->pool, NULL, NULL, err);
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_error err;
    int32_t labels[64];
    ln_tensor *x = tensor_random(TEST_SHAPE(64, 20), 1);
    for (int i = 0; i < 64; i++)
        labels[i] = i % 3;
    sweep s = {.options = test_options(1, 64), .set = {.x = x, .labels = labels}};
    s.options.patience = 2;
    s.model = test_model(
        &(test_network){.inputs = 20, .sizes = {250, 250, 3}, .activations = {"relu", "relu"}});
    sweep_allocation_failures(train_again, &s);
    assert_ok(ln_pool_new(2, &s.pool, &err));
    sweep_allocation_failures(train_again, &s);
    ln_pool_free(s.pool);
    ln_model_release(s.model);
    ln_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(waves_do_not_change_bits),
        cmocka_unit_test(seeds_order_rows_and_switch_neurons),
        cmocka_unit_test(a_final_softmax_or_sigmoid_is_left_off),
        cmocka_unit_test(several_inputs_are_trained_side_by_side),
        cmocka_unit_test(validation_is_the_loss_of_the_predictions),
        cmocka_unit_test(what_cannot_be_trained_is_explained),
        cmocka_unit_test(optimizers_refuse_what_makes_no_sense),
        cmocka_unit_test(divergence_says_when_and_what_to_try),
        cmocka_unit_test(an_interrupt_ends_training),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
