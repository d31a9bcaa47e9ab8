/* Losses, optimizers, schedules and the loop, against PyTorch (tests/reference/train_reference.py)
 * and against what can be computed by hand. */
#include "train_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/attributes.h"
#include "tensor/npy.h"

/* ---------------------------------------------------------------- parameters by name */

typedef struct setting {
    const char *name; /* NULL ends a list */
    double value;
} setting;

/* The parameters of a word: the defaults with some of them set. Good until the ninth call. */
static const void *params_of(const ln_word *word, const void *defaults, const setting *settings)
{
    static _Alignas(16) unsigned char buffers[8][64];
    static unsigned next;
    unsigned char *buffer = buffers[next++ % 8];
    assert_in_range(word->params_size, 0, sizeof buffers[0]);
    memset(buffer, 0, sizeof buffers[0]);
    if (defaults)
        memcpy(buffer, defaults, word->params_size);
    for (const ln_param *param = word->params; param->name && !defaults; param++) {
        if (param->type == LN_PARAM_REAL)
            *(double *)(buffer + param->offset) = strtod(param->fallback, NULL);
    }
    for (; settings->name; settings++) {
        const ln_param *param = word->params;
        while (param->name && strcmp(param->name, settings->name) != 0)
            param++;
        if (!param->name)
            fail_msg("%s has no parameter '%s'", word->name, settings->name);
        if (param->type == LN_PARAM_INT)
            *(int64_t *)(buffer + param->offset) = (int64_t)settings->value;
        else if (param->type == LN_PARAM_BOOL)
            *(bool *)(buffer + param->offset) = settings->value != 0;
        else
            *(double *)(buffer + param->offset) = settings->value;
    }
    return buffer;
}

static void check_defaults(const ln_word *word, const unsigned char *defaults)
{
    for (const ln_param *param = word->params; param->name && defaults; param++) {
        if (param->type == LN_PARAM_REAL)
            assert_true(*(double *)(defaults + param->offset) == strtod(param->fallback, NULL));
        else if (param->type == LN_PARAM_INT) /* "nil" is 0: not given */
            assert_int_equal(*(int64_t *)(defaults + param->offset),
                             strtoll(param->fallback, NULL, 10));
        else if (param->type == LN_PARAM_BOOL)
            assert_int_equal(*(bool *)(defaults + param->offset),
                             strcmp(param->fallback, "true") == 0);
        else
            fail_msg("%s: the type of '%s' is not looked at here", word->name, param->name);
    }
}

static void defaults_are_those_that_help_prints(void **state)
{
    (void)state;
    for (int i = 0; ln_losses[i]; i++) {
        check_defaults(&ln_losses[i]->word, ln_losses[i]->defaults);
        assert_ptr_equal(ln_loss_find(ln_losses[i]->word.name), ln_losses[i]);
    }
    for (int i = 0; ln_optimizers[i]; i++) {
        check_defaults(&ln_optimizers[i]->word, ln_optimizers[i]->defaults);
        assert_ptr_equal(ln_optimizer_find(ln_optimizers[i]->word.name), ln_optimizers[i]);
    }
    for (int i = 0; ln_schedules[i]; i++) {
        check_defaults(&ln_schedules[i]->word, ln_schedules[i]->defaults);
        assert_ptr_equal(ln_schedule_find(ln_schedules[i]->word.name), ln_schedules[i]);
    }
    assert_null(ln_loss_find("hinge"));
    assert_null(ln_optimizer_find("lbfgs"));
    assert_null(ln_schedule_find("cosine"));
}

/* ---------------------------------------------------------------- PyTorch */

typedef struct reference_case {
    const char *name; /* of the file */
    int classes;
    const char *loss;
    setting loss_settings[2];
    const char *optimizer;
    setting settings[6];
    const char *schedule;
    setting schedule_settings[3];
    int epochs;
    const double *class_weights;
} reference_case;

static const double three_weights[] = {0.5, 2.0, 1.25}, two_weights[] = {0.5, 2.0};

static const reference_case cases[] = {
    {"sgd", 3, "cross_entropy", {{0}}, "sgd", {{"lr", 0.1}}, NULL, {{0}}, 3, NULL},
    {"sgd_default", 3, "cross_entropy", {{0}}, "sgd", {{0}}, NULL, {{0}}, 3, NULL},
    {"sgd_momentum",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}, {"momentum", 0.9}},
     NULL,
     {{0}},
     3,
     NULL},
    {"sgd_nesterov",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}, {"momentum", 0.9}, {"nesterov", 1}, {"weight_decay", 0.05}},
     NULL,
     {{0}},
     3,
     NULL},
    {"adam", 3, "cross_entropy", {{0}}, "adam", {{0}}, NULL, {{0}}, 3, NULL},
    {"adam_options",
     3,
     "cross_entropy",
     {{0}},
     "adam",
     {{"lr", 0.05}, {"beta1", 0.8}, {"beta2", 0.95}, {"eps", 1e-4}, {"weight_decay", 0.1}},
     NULL,
     {{0}},
     3,
     NULL},
    {"adamw", 3, "cross_entropy", {{0}}, "adamw", {{"lr", 0.05}}, NULL, {{0}}, 3, NULL},
    {"smoothed_weighted",
     3,
     "cross_entropy",
     {{"label_smoothing", 0.1}},
     "sgd",
     {{"lr", 0.1}},
     NULL,
     {{0}},
     3,
     three_weights},
    {"binary", 1, "binary_cross_entropy", {{0}}, "sgd", {{"lr", 0.1}}, NULL, {{0}}, 3, NULL},
    {"binary_weighted",
     1,
     "binary_cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}},
     NULL,
     {{0}},
     3,
     two_weights},
    {"mse", 1, "mse", {{0}}, "sgd", {{"lr", 0.1}}, NULL, {{0}}, 3, NULL},
    {"step_lr",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}},
     "step_lr",
     {{"step_size", 2}},
     5,
     NULL},
    {"exponential_lr",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}},
     "exponential_lr",
     {{"gamma", 0.6}},
     5,
     NULL},
    {"cosine_annealing_lr",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}},
     "cosine_annealing_lr",
     {{0}},
     5,
     NULL},
    {"cosine_annealing_lr_options",
     3,
     "cross_entropy",
     {{0}},
     "sgd",
     {{"lr", 0.1}},
     "cosine_annealing_lr",
     {{"t_max", 3}, {"eta_min", 0.02}},
     5,
     NULL},
};

static ln_tensor *load(const char *name)
{
    ln_error err;
    ln_tensor *tensor;
    char path[128];
    snprintf(path, sizeof path, "reference/train/%s.npy", name);
    assert_ok(ln_npy_read(test_file(path), &tensor, NULL, &err));
    return tensor;
}

static void set_options(const reference_case *c, ln_train_options *options)
{
    *options = test_options(c->epochs, 24);
    options->loss = ln_loss_find(c->loss);
    options->loss_params =
        params_of(&options->loss->word, options->loss->defaults, c->loss_settings);
    options->optimizer = ln_optimizer_find(c->optimizer);
    options->optimizer_params =
        params_of(&options->optimizer->word, options->optimizer->defaults, c->settings);
    options->class_weights = c->class_weights;
    if (c->schedule) {
        options->schedule = ln_schedule_find(c->schedule);
        options->schedule_params =
            params_of(&options->schedule->word, options->schedule->defaults, c->schedule_settings);
    }
}

static void compare_with_pytorch(const reference_case *c)
{
    ln_error err;
    char name[32];
    float got[128];
    test_epochs epochs = {0};
    ln_train_options options;
    const test_network network = {.inputs = 5,
                                  .sizes = {7, 4, c->classes},
                                  .activations = {"relu", "tanh"},
                                  .task = strcmp(c->loss, "mse") == 0 ? LN_TASK_REGRESSION
                                                                      : LN_TASK_CLASSIFICATION};
    ln_model *model = test_model(&network);
    ln_tensor *x = load("x"), *labels = load("labels"), *numbers = load("numbers");
    snprintf(name, sizeof name, "start_%d", c->classes);
    ln_tensor *start = load(name), *wanted = load(c->name);
    const int64_t count = test_weight_count(model);
    assert_int_equal(start->shape.dims[0], count);
    assert_int_equal(wanted->shape.dims[0], count + c->epochs);
    int32_t ids[40];
    for (int i = 0; i < 40; i++)
        ids[i] = c->classes == 1 ? ((int32_t *)labels->data)[i] > 0 : ((int32_t *)labels->data)[i];

    test_set_weights(model, ln_f32(start));
    set_options(c, &options);
    const ln_train_set set = {.x = x,
                              .labels = network.task == LN_TASK_REGRESSION ? NULL : ids,
                              .numbers =
                                  network.task == LN_TASK_REGRESSION ? ln_f64(numbers) : NULL};
    assert_ok(ln_train(model, &options, &set, NULL, NULL, test_hear, &epochs, &err));
    test_get_weights(model, got);
    for (int i = 0; i < epochs.count; i++)
        got[count + i] = (float)epochs.at[i].loss;
    assert_int_equal(epochs.count, c->epochs);
    assert_near_f32(got, ln_f32(wanted), (size_t)(count + c->epochs), 2e-6, 1e-5);

    ln_tensor_release(wanted);
    ln_tensor_release(start);
    ln_tensor_release(numbers);
    ln_tensor_release(labels);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void training_equals_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("    %s\n", cases[i].name);
        compare_with_pytorch(&cases[i]);
    }
}

/* Losses of extreme outputs, by hand. */
static void losses_are_stable(void **state)
{
    (void)state;
    float gradient[4];
    const ln_loss *ce = ln_loss_find("cross_entropy"), *bce = ln_loss_find("binary_cross_entropy");
    ln_loss_rows rows = {.outputs = (float[]){1000, -1000, -1000, 1000},
                         .rows = 2,
                         .count = 2,
                         .labels = (int32_t[]){0, 0},
                         .denominator = 2,
                         .gradient = gradient};
    assert_true(ce->compute(ce->defaults, &rows) == 2000);
    assert_near_f32(gradient, ((float[]){0, 0, -0.5f, 0.5f}), 4, 0, 0);
    rows.count = 1;
    rows.labels = (int32_t[]){1, 1};
    rows.outputs = (float[]){1000, -1000};
    assert_true(bce->compute(bce->defaults, &rows) == 1000);
    assert_near_f32(gradient, ((float[]){0, -0.5f}), 2, 0, 0);
    rows.gradient = NULL;
    rows.outputs = (float[]){0, 0};
    double loss = bce->compute(bce->defaults, &rows), wanted = 2 * log(2);
    assert_near_f64(&loss, &wanted, 1, 1e-15, 0);
}

/* ---------------------------------------------------------------- the loop */

/* y = w x at x = 1 towards 2: w after t epochs is 2 (1 - 0.9^t). The validation target 1 is best
 * met after 7 epochs, where w first passes it. */
static void train_one_weight(int64_t patience, double min_delta, test_epochs *epochs, float *weight)
{
    ln_error err;
    const test_network network = {
        .inputs = 1, .sizes = {1}, .no_bias = true, .task = LN_TASK_REGRESSION};
    ln_model *model = test_model(&network);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 1), (float[]){1});
    ln_train_options options = test_options(30, 8);
    options.loss = ln_loss_find("mse");
    options.optimizer_params = params_of(&options.optimizer->word, options.optimizer->defaults,
                                         (setting[]){{"lr", 0.05}, {0}});
    options.patience = patience;
    options.min_delta = min_delta;
    const ln_train_set train = {.x = x, .numbers = (double[]){2}};
    const ln_train_set validation = {.x = x, .numbers = (double[]){1}};
    epochs->count = 0;
    test_set_weights(model, (float[]){0});
    assert_ok(ln_train(model, &options, &train, &validation, NULL, test_hear, epochs, &err));
    test_get_weights(model, weight);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void early_stopping_keeps_the_best_epoch(void **state)
{
    (void)state;
    test_epochs epochs;
    float weight, wanted = (float)(2 * (1 - pow(0.9, 7)));
    train_one_weight(3, 0, &epochs, &weight);
    assert_int_equal(epochs.count, 10);
    for (int i = 0; i < 10; i++) {
        double at = 2 * (1 - pow(0.9, i + 1)), before = 2 * pow(0.9, i);
        double expected[] = {before * before, (at - 1) * (at - 1)};
        assert_near_f64(&epochs.at[i].loss, &expected[0], 1, 1e-6, 1e-5);
        assert_near_f64(&epochs.at[i].validation_loss, &expected[1], 1, 1e-6, 1e-5);
        assert_int_equal(epochs.at[i].epoch, i + 1);
        assert_int_equal(epochs.at[i].best, i < 7);
        assert_true(epochs.at[i].lr == 0.05);
    }
    assert_near_f32(&weight, &wanted, 1, 1e-6, 0);

    /* Epoch 7 is better than epoch 6 by 0.002 only. */
    train_one_weight(3, 0.01, &epochs, &weight);
    wanted = (float)(2 * (1 - pow(0.9, 6)));
    assert_int_equal(epochs.count, 9);
    assert_near_f32(&weight, &wanted, 1, 1e-6, 0);

    /* Without patience all epochs run and the last weights stay. */
    train_one_weight(0, 0, &epochs, &weight);
    wanted = (float)(2 * (1 - pow(0.9, 30)));
    assert_int_equal(epochs.count, 30);
    assert_false(epochs.at[6].best);
    assert_near_f32(&weight, &wanted, 1, 1e-6, 0);
    /* Patience that never runs out gives the best epoch all the same. */
    train_one_weight(100, 0, &epochs, &weight);
    wanted = (float)(2 * (1 - pow(0.9, 7)));
    assert_int_equal(epochs.count, 30);
    assert_near_f32(&weight, &wanted, 1, 1e-6, 0);
}

static void a_small_problem_is_learnt_by_heart(void **state)
{
    (void)state;
    ln_error err;
    test_epochs epochs = {0};
    uint8_t before[LN_SHA256_BYTES];
    const test_network network = {.inputs = 2, .sizes = {16, 2}, .activations = {"tanh"}};
    ln_model *model = test_model(&network);
    ln_tensor *x = tensor_f32(TEST_SHAPE(4, 2), (float[]){0, 0, 0, 1, 1, 0, 1, 1}), *scores;
    const ln_train_set set = {.x = x, .labels = (int32_t[]){0, 1, 1, 0}};
    ln_train_options options = test_options(300, 4);
    options.optimizer = ln_optimizer_find("adam");
    options.optimizer_params = params_of(&options.optimizer->word, options.optimizer->defaults,
                                         (setting[]){{"lr", 0.05}, {0}});
    options.shuffle = true;
    memcpy(before, model->sha256, sizeof before);
    assert_ok(ln_train(model, &options, &set, NULL, NULL, test_hear, &epochs, &err));
    assert_memory_not_equal(before, model->sha256, sizeof before);
    assert_true(epochs.at[299].loss < 0.01);
    assert_true(isnan(epochs.at[299].validation_loss));
    assert_ok(ln_model_scores(model, x, NULL, &scores, &err));
    for (int i = 0; i < 4; i++)
        assert_true(ln_f64(scores)[2 * i + set.labels[i]] > 0.98);
    ln_tensor_release(scores);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void balanced_weights_equal_scikit_learn(void **state)
{
    (void)state;
    ln_error err;
    double weights[3];
    const int32_t labels[] = {0, 0, 0, 0, 1, 1, 2, 0, 0, 1};
    assert_ok(ln_class_weights_balanced(labels, 10, 3, weights, &err));
    assert_near_f64(weights, ((double[]){10 / 18.0, 10 / 9.0, 10 / 3.0}), 3, 0, 1e-15);
    assert_fails(ln_class_weights_balanced(labels, 6, 3, weights, &err), LN_EINVALID,
                 "class 2 has no training row");
    assert_fails(ln_class_weights_balanced(labels, 10, 2, weights, &err), LN_EINVALID,
                 "row 6 has class 2; there are classes 0 to 1");
}

/* A row of weight 2 and one of weight 0 are the same as a row twice and a row left out. */
static void row_weights_count_rows(void **state)
{
    (void)state;
    ln_error err;
    float got[2][16];
    double losses[2];
    ln_tensor *x[] = {
        tensor_f32(TEST_SHAPE(3, 2), (float[]){1, 2, -1, 0.5f, 3, 3}),
        tensor_f32(TEST_SHAPE(3, 2), (float[]){1, 2, 1, 2, -1, 0.5f}),
    };
    const ln_train_set sets[] = {
        {.x = x[0], .labels = (int32_t[]){1, 0, 2}, .weights = (double[]){2, 1, 0}},
        {.x = x[1], .labels = (int32_t[]){1, 1, 0}},
    };
    for (int i = 0; i < 2; i++) {
        test_epochs epochs = {0};
        ln_model *model = test_model(&(test_network){.inputs = 2, .sizes = {3}});
        ln_train_options options = test_options(5, 3);
        options.optimizer = ln_optimizer_find("adam");
        assert_ok(ln_train(model, &options, &sets[i], &sets[i], NULL, test_hear, &epochs, &err));
        test_get_weights(model, got[i]);
        losses[i] = epochs.at[4].validation_loss;
        ln_model_release(model);
        ln_tensor_release(x[i]);
    }
    assert_near_f32(got[0], got[1], 9, 1e-6, 1e-6);
    assert_near_f64(&losses[0], &losses[1], 1, 1e-6, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_that_help_prints),
        cmocka_unit_test(training_equals_pytorch),
        cmocka_unit_test(losses_are_stable),
        cmocka_unit_test(early_stopping_keeps_the_best_epoch),
        cmocka_unit_test(a_small_problem_is_learnt_by_heart),
        cmocka_unit_test(balanced_weights_equal_scikit_learn),
        cmocka_unit_test(row_weights_count_rows),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
