/* The model on its links: numbers and gradients against formulas in double precision, targets,
 * scores, inputs side by side, and what is refused. */
#include "model_support.h"

#define ROWS 7

static const char *const link_words[] = {"raw", "logit", "probability", "loss"};

/* ---------------------------------------------------------------- by hand */

/* The network of methods.md: 3 -> 4 (weights 1, biases -10, 1, 1, 1) -> relu -> 2 (weights 1,
 * biases -1, 1). */
static ln_model *hand_model(void)
{
    ln_error err;
    ln_declaration declaration;
    ln_shape input = TEST_SHAPE(3);
    assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
    declare_dense(&declaration, 4);
    declare_word(&declaration, "relu");
    declare_dense(&declaration, 2);
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    for (int i = 0; i < 12; i++)
        constant_of(model, "dense_0.weight")[i] = 1;
    for (int i = 0; i < 8; i++)
        constant_of(model, "dense_2.weight")[i] = 1;
    memcpy(constant_of(model, "dense_0.bias"), (float[]){-10, 1, 1, 1}, 4 * sizeof(float));
    memcpy(constant_of(model, "dense_2.bias"), (float[]){-1, 1}, 2 * sizeof(float));
    assert_ok(ln_model_rehash(model, &err));
    return model;
}

static void network_by_hand(void **state)
{
    (void)state;
    ln_error err;
    ln_model *model = hand_model();
    ln_function_options options = {.rows = 2, .gradient = true};
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    /* The second row switches the first hidden unit off: 3 - 10 < 0. */
    const float x[] = {20, 50, 30, 1, 1, 1};
    const ln_target targets[] = {{0, 1, 0}, {1, -2, 5}};
    float out[4], gradient[6];
    double value[2];
    assert_int_equal(model->width, 3);
    assert_int_equal(model->output_count, 2);
    assert_int_equal(model->class_count, 2);
    assert_ok(ln_function_new(model, &options, &function, &err));
    assert_int_equal(ln_function_outputs(function), 2);
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok(ln_runner_forward(runner, x, 2, out, &err));
    assert_near_f32(out, ((float[]){392, 394, 11, 13}), 4, 0, 0);
    assert_ok(ln_runner_gradient(runner, x, targets, 2, value, gradient, &err));
    assert_near_f64(value, ((double[]){392, 5 - 2 * 13}), 2, 0, 0);
    assert_near_f32(gradient, ((float[]){4, 4, 4, -6, -6, -6}), 6, 0, 0);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- links */

static double explained(const mlp *net, const ln_model *model, ln_link link, ln_target target,
                        const double *x)
{
    double z[16] = {0}, out[16] = {0};
    mlp_logits(net, model, x, z);
    link_of(net->ending, link, z, model->output_count, out);
    return target.offset + target.scale * out[target.index];
}

/* Fourth-order central differences: an error of about 1e-11 here. */
static double derivative(const mlp *net, const ln_model *model, ln_link link, ln_target target,
                         double *x, int64_t input)
{
    const double h = 1e-3, at = x[input];
    double f[4];
    for (int i = 0; i < 4; i++) {
        x[input] = at + h * (i < 2 ? i - 2 : i - 1);
        f[i] = explained(net, model, link, target, x);
    }
    x[input] = at;
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
}

/* Every target of every row on one link: its number and its gradient. */
static void check_link(const mlp *net, ln_link link)
{
    ln_error err;
    ln_model *model = mlp_model(net);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, net->sizes[0]), 3);
    ln_function_options options = {.link = link, .rows = ROWS, .gradient = true};
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    const int64_t width = model->width;
    assert_ok(ln_function_new(model, &options, &function, &err));
    assert_ok(ln_runner_new(function, &runner, &err));
    for (int64_t target = 0; target < model->class_count; target++) {
        ln_target targets[ROWS];
        double value[ROWS], row[16], wanted[16], number;
        float gradient[ROWS * 16];
        for (int r = 0; r < ROWS; r++)
            assert_ok(ln_model_target(model, link, target, &targets[r], &err));
        assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, ROWS, value, gradient, &err));
        for (int r = 0; r < ROWS; r++) {
            for (int64_t i = 0; i < width; i++)
                row[i] = (double)ln_f32(x)[r * width + i];
            number = explained(net, model, link, targets[r], row);
            assert_near_f64(&value[r], &number, 1, 1e-6, 1e-5);
            for (int64_t i = 0; i < width; i++) {
                wanted[i] = derivative(net, model, link, targets[r], row, i);
                row[15] = (double)gradient[r * width + i];
                assert_near_f64(&row[15], &wanted[i], 1, 1e-6, 1e-5);
            }
        }
    }
    ln_runner_free(runner);
    ln_function_free(function);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void links_are_their_formulas(void **state)
{
    (void)state;
    static const mlp nets[] = {
        {.sizes = {5, 7, 3}, .seed = 1},
        {.sizes = {5, 7, 2}, .seed = 2},
        {.sizes = {4, 6, 1}, .seed = 3},
        {.sizes = {5, 7, 3}, .ending = "softmax", .seed = 4},
        {.sizes = {4, 6, 1}, .ending = "sigmoid", .seed = 5},
    };
    for (size_t n = 0; n < sizeof nets / sizeof nets[0]; n++)
        for (int link = LN_LINK_RAW; link <= LN_LINK_LOSS; link++)
            check_link(&nets[n], (ln_link)link);
    /* Several labels a row: each output has a probability of its own. */
    const mlp labels = {.sizes = {5, 7, 3}, .ending = "sigmoid", .seed = 6};
    check_link(&labels, LN_LINK_RAW);
    check_link(&labels, LN_LINK_LOGIT);
    check_link(&labels, LN_LINK_PROBABILITY);
}

/* dense with weight 1 and bias 0 at (0, 0), so that inputs are logits. */
static ln_model *logits_model(int64_t count, const char *const *endings)
{
    ln_error err;
    ln_declaration declaration;
    ln_shape input = TEST_SHAPE(count);
    assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
    declare_dense(&declaration, count);
    for (; *endings; endings++)
        declare_word(&declaration, *endings);
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    for (int64_t i = 0; i < count * count; i++)
        constant_of(model, "dense_0.weight")[i] = i % (count + 1) == 0;
    for (int64_t i = 0; i < count; i++)
        constant_of(model, "dense_0.bias")[i] = 0;
    return model;
}

/* Where the probability has no digits left, the loss still has all of them. */
static void loss_and_scores_of_saturated_outputs(void **state)
{
    (void)state;
    ln_error err;
    static const char *const endings[][3] = {
        {NULL}, {"softmax"}, {"softmax", "dropout"}, {"log_softmax"}};
    const float z[] = {200, 0, 0, 90, -800, -800};
    ln_tensor *x = tensor_f32(TEST_SHAPE(3, 2), z), *out = NULL;
    for (int e = 0; e < 4; e++) {
        const bool rounded = e == 1 || e == 2; /* probabilities, in float32 */
        ln_model *model = logits_model(2, endings[e]);
        assert_ok(ln_model_forward(model, LN_LINK_LOSS, x, NULL, &out, &err));
        assert_near_f32(ln_f32(out), ((float[]){0, 200, 90, 0, logf(2), logf(2)}), 6, 0, 1e-7);
        ln_tensor_release(out);
        assert_ok(ln_model_forward(model, LN_LINK_LOGIT, x, NULL, &out, &err));
        assert_same_bits(ln_f32(out), z, sizeof z);
        ln_tensor_release(out);
        assert_ok(ln_model_scores(model, x, NULL, &out, &err));
        assert_int_equal(out->dtype, LN_F64);
        assert_near_f64(ln_f64(out),
                        ((double[]){1, rounded ? 0 : exp(-200), exp(-90), 1, 0.5, 0.5}), 6, 0,
                        1e-6);
        ln_tensor_release(out);
        ln_model_release(model);
    }
    ln_tensor_release(x);

    ln_model *model = logits_model(1, endings[0]);
    x = tensor_f32(TEST_SHAPE(2, 1), (float[]){40, -40});
    assert_ok(ln_model_scores(model, x, NULL, &out, &err));
    assert_near_f64(ln_f64(out), ((double[]){exp(-40), 1, 1, exp(-40)}), 4, 0, 1e-15);
    ln_tensor_release(out);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void scores_are_what_metrics_read(void **state)
{
    (void)state;
    ln_error err;
    static const mlp nets[] = {
        {.sizes = {5, 7, 3}, .seed = 1},
        {.sizes = {5, 7, 3}, .ending = "softmax", .seed = 4},
        {.sizes = {5, 7, 3}, .ending = "sigmoid", .seed = 4},
        {.sizes = {5, 6, 1}, .ending = "sigmoid", .seed = 5},
        {.sizes = {5, 6, 2}, .seed = 6, .task = LN_TASK_REGRESSION},
    };
    ln_tensor *x = tensor_random(TEST_SHAPE(70, 5), 9);
    for (size_t n = 0; n < sizeof nets / sizeof nets[0]; n++) {
        ln_model *model = mlp_model(&nets[n]);
        const int64_t count = model->output_count;
        ln_tensor *raw = NULL, *scores = NULL;
        assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &raw, &err));
        assert_ok(ln_model_scores(model, x, NULL, &scores, &err));
        assert_int_equal(scores->shape.dims[0], 70);
        assert_int_equal(scores->shape.dims[1], count == 1 ? 2 : count);
        for (int64_t i = 0; i < 70 * count; i++) {
            double number = (double)ln_f32(raw)[i], pair[2] = {1 - number, number}, all[3], z[3];
            if (n == 0 && i % 3 == 0) {
                for (int c = 0; c < 3; c++)
                    z[c] = (double)ln_f32(raw)[i + c];
                link_of(NULL, LN_LINK_PROBABILITY, z, 3, all);
                assert_near_f64(ln_f64(scores) + i, all, 3, 0, 1e-14);
            }
            if (n > 0) /* as they are, to the bit */
                assert_same_bits(ln_f64(scores) + (count == 1 ? 2 * i : i),
                                 count == 1 ? pair : &number, count == 1 ? 16 : 8);
        }
        ln_tensor_release(raw);
        ln_tensor_release(scores);
        ln_model_release(model);
    }
    ln_tensor_release(x);
}

static void refuse_link(ln_model *model, ln_link link, ln_status status, const char *part)
{
    ln_error err = {0};
    ln_function *function = NULL;
    ln_function_options options = {.link = link, .rows = 4};
    assert_fails(ln_function_new(model, &options, &function, &err), status, part);
    if (part)
        assert_message_at(&err, link_words[link], __FILE__, __LINE__);
}

static void links_that_are_not_defined(void **state)
{
    (void)state;
    const mlp regression = {.sizes = {3, 2}, .task = LN_TASK_REGRESSION};
    ln_model *model = mlp_model(&regression);
    for (int link = LN_LINK_LOGIT; link <= LN_LINK_LOSS; link++)
        refuse_link(model, (ln_link)link, LN_EINVALID, "needs a classifier");
    ln_model_release(model);
    const mlp labels = {.sizes = {3, 4}, .ending = "sigmoid"};
    model = mlp_model(&labels);
    refuse_link(model, LN_LINK_LOSS, LN_EUNSUPPORTED, "a sigmoid of 4 outputs");
    ln_model_release(model);
    const mlp certain = {.sizes = {3, 1}, .ending = "softmax"};
    model = mlp_model(&certain);
    refuse_link(model, LN_LINK_LOSS, LN_EUNSUPPORTED, "always 1");
    ln_model_release(model);
}

/* Outputs of shape (N, 2, 3): six classes a row, unless a softmax says otherwise. */
static void outputs_of_several_axes(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *x = tensor_random(TEST_SHAPE(4, 2, 3), 1), *raw = NULL, *out = NULL;
    for (int softmax = 0; softmax < 2; softmax++) {
        ln_declaration declaration;
        ln_shape input = TEST_SHAPE(2, 3);
        assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
        declare_word(&declaration, softmax ? "softmax" : "identity");
        ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
        assert_int_equal(model->width, 6);
        assert_int_equal(model->class_count, 6);
        assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &raw, &err));
        assert_ok(ln_model_forward(model, LN_LINK_PROBABILITY, x, NULL, &out, &err));
        for (int r = 0; r < 4 && !softmax; r++) {
            double z[6], p[6];
            float wanted[6];
            for (int c = 0; c < 6; c++)
                z[c] = (double)ln_f32(x)[6 * r + c];
            link_of(NULL, LN_LINK_PROBABILITY, z, 6, p);
            for (int c = 0; c < 6; c++)
                wanted[c] = (float)p[c];
            assert_near_f32(ln_f32(out) + 6 * r, wanted, 6, 0, 1e-6);
        }
        if (softmax) {
            assert_same_tensor(out, raw);
            refuse_link(model, LN_LINK_LOSS, LN_EUNSUPPORTED, "softmax over parts");
        }
        ln_tensor_release(raw);
        ln_tensor_release(out);
        ln_model_release(model);
    }
    ln_tensor_release(x);
}

/* ---------------------------------------------------------------- targets */

static void check_target(const ln_model *model, ln_link link, int64_t target, ln_target wanted)
{
    ln_error err;
    ln_target got;
    assert_ok(ln_model_target(model, link, target, &got, &err));
    assert_int_equal(got.index, wanted.index);
    assert_near_f64(&got.scale, &wanted.scale, 1, 0, 0);
    assert_near_f64(&got.offset, &wanted.offset, 1, 0, 0);
}

static void targets_of_one_output(void **state)
{
    (void)state;
    const mlp plain = {.sizes = {3, 1}}, sigmoid = {.sizes = {3, 1}, .ending = "sigmoid"};
    ln_model *model = mlp_model(&plain), *ended = mlp_model(&sigmoid);
    for (int link = LN_LINK_RAW; link <= LN_LINK_PROBABILITY; link++) {
        double one = link == LN_LINK_PROBABILITY;
        check_target(model, (ln_link)link, 1, (ln_target){0, 1, 0});
        check_target(model, (ln_link)link, 0, (ln_target){0, -1, one});
    }
    check_target(model, LN_LINK_LOSS, 0, (ln_target){0, 1, 0});
    check_target(model, LN_LINK_LOSS, 1, (ln_target){1, 1, 0});
    /* Here the raw output is a probability already, and the logit none. */
    check_target(ended, LN_LINK_RAW, 0, (ln_target){0, -1, 1});
    check_target(ended, LN_LINK_LOGIT, 0, (ln_target){0, -1, 0});
    ln_model_release(model);
    ln_model_release(ended);
}

static void targets_out_of_range(void **state)
{
    (void)state;
    ln_error err;
    ln_target target;
    const mlp nets[] = {{.sizes = {3, 4}},
                        {.sizes = {3, 1}},
                        {.sizes = {3, 1}, .task = LN_TASK_REGRESSION},
                        {.sizes = {3, 2}, .task = LN_TASK_REGRESSION}};
    const char *const words[] = {"classes are 0 to 3", "classes are 0 to 1", "one output, 0",
                                 "outputs are 0 to 1"};
    const int64_t counts[] = {4, 2, 1, 2};
    for (int n = 0; n < 4; n++) {
        ln_model *model = mlp_model(&nets[n]);
        for (int64_t t = 0; t < counts[n] && n != 1; t++)
            check_target(model, LN_LINK_RAW, t, (ln_target){t, 1, 0});
        assert_fails(ln_model_target(model, LN_LINK_RAW, counts[n], &target, &err), LN_EINVALID,
                     words[n]);
        assert_fails(ln_model_target(model, LN_LINK_RAW, -1, &target, &err), LN_EINVALID, words[n]);
        ln_model_release(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_by_hand),
        cmocka_unit_test(links_are_their_formulas),
        cmocka_unit_test(loss_and_scores_of_saturated_outputs),
        cmocka_unit_test(scores_are_what_metrics_read),
        cmocka_unit_test(links_that_are_not_defined),
        cmocka_unit_test(outputs_of_several_axes),
        cmocka_unit_test(targets_of_one_output),
        cmocka_unit_test(targets_out_of_range),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
