/* DeepLIFT: cases by hand, completeness over every kind of layer that has a rule, equality with the mean
 * over a background, bits that do not depend on the batch, and what has no rule. */
#include "contrasting.h"

#include "model/declare.h"

/* ---------------------------------------------------------------- by hand */

/* 2 relu(x0) + 2 relu(x1 - 1.5) at (1, 2) from (0, 0): the second relu opens half of its way. */
static void rescale_by_hand(void **state)
{
    (void)state;
    const float weights[] = {1, 0, 0, 1, 0, -1.5F, 2, 2, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){2, 2, 1}, weights, LN_TASK_REGRESSION);
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){1, 2}, 0, NULL, (float[]){2, 1}, 1e-6);
    /* Where row and baseline are one, nothing changes; where one input stays, it has no part. */
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){1, 2}, 0, (float[]){1, 2},
              (float[]){0, 0}, 0);
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){1, 2}, 0, (float[]){1, 1},
              (float[]){0, 1}, 1e-6);
    ln_model_release(model);
}

/* The paper's min(x0, x1) = x0 - relu(x0 - x1) at (3, 1): rescale gives all to x1. Of relu's change 2
 * the part pulled up by 3 is (3 + 2) / 2, that pulled down by 1 is (0 - 1) / 2, so that each input has half of
 * the minimum. */
static void reveal_cancel_by_hand(void **state)
{
    (void)state;
    const float weights[] = {1, 0, 1, -1, 0, 0, 1, -1, 0};
    const ln_scalar_attributes none = {0};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
    const ln_slice_attributes halves[] = {
        {.starts = {1, {0}}, .ends = {1, {1}}, .axes = {1, {1}}, .steps = {1, {1}}},
        {.starts = {1, {1}}, .ends = {1, {2}}, .axes = {1, {1}}, .steps = {1, {1}}}};
    const int a = add_node(graph, "slice", &halves[0], x, -1);
    const int b = add_node(graph, "slice", &halves[1], x, -1);
    const int over = add_node(graph, "relu", &none, add_node(graph, "sub", NULL, a, b), -1);
    ln_model *least = finish(graph, add_node(graph, "sub", NULL, a, over));
    check_one("deeplift", "", least, LN_LINK_RAW, (float[]){3, 1}, 0, NULL, (float[]){0, 1}, 1e-6);
    check_one("deeplift", REVEAL, least, LN_LINK_RAW, (float[]){3, 1}, 0, NULL,
              (float[]){0.5F, 0.5F}, 1e-6);
    ln_model_release(least);
    /* The same by dense layers: the relu of x0 is open all the way. */
    least = network_of("dense relu dense", (int64_t[]){2, 2, 1}, weights, LN_TASK_REGRESSION);
    check_one("deeplift", REVEAL, least, LN_LINK_RAW, (float[]){3, 1}, 0, NULL,
              (float[]){0.5F, 0.5F}, 1e-6);
    ln_model_release(least);
}

/* sqrt(1 + x0 - x1) from 1 to 4 by +5 and -2: no root of 1 - 2, so that both parts get the slope (2 - 1) / 3;
 * by +5 and -0.75 there is one: of 6, of 0.25 and of 5.25. */
static void reveal_cancel_where_a_function_ends(void **state)
{
    (void)state;
    const float weights[] = {1, -1, 1};
    ln_model *model = network_of("dense sqrt", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    check_one("deeplift", REVEAL, model, LN_LINK_RAW, (float[]){5, 2}, 0, NULL,
              (float[]){5 / 3.0F, -2 / 3.0F}, 1e-6);
    const double rise = (sqrt(6.0) - 1 + sqrt(5.25) - 0.5) / 2, all = sqrt(5.25) - 1;
    check_one("deeplift", REVEAL, model, LN_LINK_RAW, (float[]){5, 0.75F}, 0, NULL,
              (float[]){(float)rise, (float)(all - rise)}, 1e-6);
    ln_model_release(model);
}

/* x0 x1 at (3, 4) from (1, 2): 10 = (3 - 1) (4 + 2) / 2 + (4 - 2) (3 + 1) / 2. */
static void products_and_quotients_by_hand(void **state)
{
    (void)state;
    const ln_slice_attributes halves[] = {
        {.starts = {1, {0}}, .ends = {1, {1}}, .axes = {1, {1}}, .steps = {1, {1}}},
        {.starts = {1, {1}}, .ends = {1, {2}}, .axes = {1, {1}}, .steps = {1, {1}}}};
    for (int divide = 0; divide < 2; divide++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
        const int a = add_node(graph, "slice", &halves[0], x, -1);
        const int b = add_node(graph, "slice", &halves[1], x, -1);
        ln_model *model = finish(graph, add_node(graph, divide ? "div" : "mul", NULL, a, b));
        /* 3/4 - 1/2 = (3 - 1) (1/4 + 1/2) / 2 + (1/4 - 1/2) (3 + 1) / 2 */
        check_one("deeplift", "", model, LN_LINK_RAW, (float[]){3, 4}, 0, (float[]){1, 2},
                  divide ? (float[]){0.75F, -0.5F} : (float[]){6, 4}, 1e-6);
        ln_model_release(model);
    }
}

/* A window of two: from (1, 3) to (5, 2) the maximum goes from 3 (the second) to 5 (the first): c = 5, the
 * first contributes 5 - 3, the second 5 - 5. From (5, 2) to (1, 3): c = 5; the second's part is that of the
 * element that was the maximum: 3 - 5. */
static void maxima_by_hand(void **state)
{
    (void)state;
    const ln_pool_attributes pool = {.kernel_size = {1, {2}}};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 1, 2), &x);
    ln_model *model = finish(graph, add_node(graph, "max_pool1d", &pool, x, -1));
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){5, 2}, 0, (float[]){1, 3},
              (float[]){2, 0}, 1e-6);
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){1, 3}, 0, (float[]){5, 2},
              (float[]){-2, 0}, 1e-6);
    ln_model_release(model);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double log_one_and_exp(double x)
{
    return log1p(exp(x));
}

/* Over a small change the difference of two results in float32 is rounding for the most part: the multiplier is the
 * slope all the same. Where a function bends within it, it is what the whole change says. */
static void small_changes_have_slopes(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        double (*f)(double);
    } cases[] = {{"tanh", tanh}, {"sigmoid", sigmoid}, {"exp", exp}, {"softplus", log_one_and_exp}};
    static const float from[] = {-2.5F, -0.7F, 0.3F, 1.9F};
    static const double changes[] = {4e-6, 3e-5, 2e-4, 1.5e-3, 3e-3, 5e-3, 0.25};
    const ln_softplus_attributes softplus = {.beta = 1, .threshold = 20};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
        const void *own = strcmp(cases[i].word, "softplus") == 0 ? &softplus : NULL;
        ln_model *model = finish(graph, add_node(graph, cases[i].word, own, x, -1));
        for (size_t j = 0; j < 4 * sizeof changes / sizeof *changes; j++) {
            const float b = from[j % 4], at = (float)((double)b * (1 + changes[j / 4]));
            const double rise = cases[i].f((double)at) - cases[i].f((double)b);
            ln_tensor *row = tensor_f32(TEST_SHAPE(1, 1), &at),
                      *base = tensor_f32(TEST_SHAPE(1, 1), &b);
            const ln_item item = {0, 0};
            ln_explanation got = explain(
                "deeplift", "",
                (ln_request){
                    .model = model, .x = row, .items = &item, .item_count = 1, .baseline = base},
                NULL);
            /* The mean's error grows with the square of the change, the secant's with its inverse. */
            assert_near_f32(got.values, (float[]){(float)rise}, 1, 0, 2e-4);
            ln_explanation_free(&got);
            ln_tensor_release(row);
            ln_tensor_release(base);
        }
        ln_model_release(model);
    }
    int x;
    const ln_scalar_attributes line = {.a = 1 / 6.0, .b = 0.5};
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
    ln_model *model = finish(graph, add_node(graph, "hardsigmoid", &line, x, -1));
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){3.001F}, 0, (float[]){2.998F},
              (float[]){0.002F / 6}, 2e-7);
    ln_model_release(model);
}

/* sqrt(relu(x0)) + sqrt(relu(x1)), where the first relu stays shut: the root has no slope there, and nothing to share. */
static void a_root_of_nothing_gets_nothing(void **state)
{
    (void)state;
    const float ones[] = {1, 1, 0};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
    const int shut = add_node(graph, "relu", NULL, x, -1);
    const int root = add_node(graph, "sqrt", NULL, shut, -1);
    ln_model *model = finish(graph, add_dense(graph, root, 9, 2, 1, ones));
    for (int r = 0; r < 2; r++)
        check_one("deeplift", r ? REVEAL : "", model, LN_LINK_RAW, (float[]){-1, 4}, 0,
                  (float[]){-2, 1}, (float[]){0, 1}, 1e-6);
    ln_model_release(model);
}

/* A function of a sum of functions, from (2, 1) to (1, 3): each change of a function times the slope of the other
 * between the two sums. */
static void measures_by_hand(void **state)
{
    (void)state;
    const double e = exp(1), sums = log((e + e * e * e) / (e * e + e)) / (e * e * e - e * e);
    const struct {
        int operation;
        double wanted[2];
    } cases[] = {{LN_REDUCE_l1, {-1, 2}},
                 {LN_REDUCE_l2, {-3 / (sqrt(10) + sqrt(5)), 8 / (sqrt(10) + sqrt(5))}},
                 {LN_REDUCE_sum_square, {-3, 8}},
                 {LN_REDUCE_log_sum, {-log(4.0 / 3), 2 * log(4.0 / 3)}},
                 {LN_REDUCE_log_sum_exp, {(e - e * e) * sums, (e * e * e - e) * sums}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
        const ln_reduce_attributes own = {.operation = cases[i].operation, .keepdims = true};
        ln_model *model = finish(graph, add_node(graph, "reduce", &own, x, -1));
        check_one("deeplift", "", model, LN_LINK_RAW, (float[]){1, 3}, 0, (float[]){2, 1},
                  (float[]){(float)cases[i].wanted[0], (float)cases[i].wanted[1]}, 1e-6);
        ln_model_release(model);
    }
}

/* Softmax of two logits from (0, 0) to (log 3, 0): e goes from (1, 1) to (3, 1), S from 2 to 4, so that
 * m_e0 = (1/4 + 1/2) / 2 - (3 + 1) / 2 / 8 = 1/8, times 2 is the change 3/4 - 1/2. */
static void softmax_by_hand(void **state)
{
    (void)state;
    const ln_axis_attributes last = {.axis = -1};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
    ln_model *model = finish(graph, add_node(graph, "softmax", &last, x, -1));
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){(float)log(3.0), 0}, 0, NULL,
              (float[]){0.25F, 0}, 1e-6);
    check_one("deeplift", "", model, LN_LINK_RAW, (float[]){(float)log(3.0), 0}, 1, NULL,
              (float[]){-0.25F, 0}, 1e-6);
    ln_model_release(model);
}

/* link = "loss" over two logits from (0, 0) to (log 3, 0): log S goes from log 2 to log 4 while e_0 alone moves, so that
 * all of log 2 is x_0's, of which the loss of its own class takes log 3 away. One output x from 0: log(1 + exp(x)) of
 * class 0, log(1 + exp(-x)) of class 1. Where nothing moves, it is the gradient at work, times no change. */
static void the_loss_by_hand(void **state)
{
    (void)state;
    static const char *const rules[] = {"", REVEAL};
    const float three = (float)log(3.0), two = (float)log(2.0);
    for (int i = 0; i < 2; i++) {
        ln_model *model = network_of("dense", (int64_t[]){2, 2}, (float[]){1, 0, 0, 1, 0, 0},
                                     LN_TASK_CLASSIFICATION);
        check_one("deeplift", rules[i], model, LN_LINK_LOSS, (float[]){three, 0}, 0, NULL,
                  (float[]){two - three, 0}, 1e-6);
        check_one("deeplift", rules[i], model, LN_LINK_LOSS, (float[]){three, 0}, 1, NULL,
                  (float[]){two, 0}, 1e-6);
        check_one("deeplift", rules[i], model, LN_LINK_LOSS, (float[]){three, 0}, 1,
                  (float[]){three, 0}, (float[]){0, 0}, 0);
        ln_model_release(model);
        model = network_of("dense", (int64_t[]){1, 1}, (float[]){1, 0}, LN_TASK_CLASSIFICATION);
        for (int target = 0; target < 2; target++)
            check_one("deeplift", rules[i], model, LN_LINK_LOSS, (float[]){2}, target, NULL,
                      (float[]){(float)log1p(exp(target ? -2 : 2)) - two}, 1e-6);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- completeness */

/* Everything at once: a reused relu, a product of two branches, gelu, a quotient by something positive, a
 * residual, a maximum of two values and a softmax. */
static ln_model *mixed_model(void)
{
    const ln_axis_attributes last = {.axis = -1};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 6), &x);
    const int hidden = dense(graph, x, 5, 1);
    const int relu = add_node(graph, "relu", NULL, hidden, -1);
    const ln_scalar_attributes plain = {0};
    const int left = add_node(graph, "gelu", &plain, dense(graph, relu, 5, 2), -1);
    const int right = add_node(graph, "tanh", NULL, dense(graph, relu, 5, 3), -1);
    const int product = add_node(graph, "mul", NULL, left, right);
    const int residual = add_node(graph, "add", NULL, product, relu);
    const int below = add_node(graph, "exp", NULL, right, -1);
    const int quotient = add_node(graph, "div", NULL, residual, below);
    const int most = add_node(graph, "maximum", NULL, quotient, hidden);
    return finish(graph, add_node(graph, "softmax", &last, dense(graph, most, 3, 4), -1));
}

/* Convolutions, overlapping max pooling behind a relu, average pooling, batch normalisation. */
static ln_model *picture_model(void)
{
    ln_declaration declaration;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    const ln_shape input = TEST_SHAPE(1, 8, 8);
    const ln_convolution_attributes conv = {
        .out_channels = 4, .kernel_size = {1, {3}}, .padding = {1, {1}}, .groups = 1, .bias = true};
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    const ln_pool_attributes overlapping = {.kernel_size = {1, {3}}, .stride = {1, {2}}};
    const ln_pool_attributes average = {.kernel_size = {1, {2}}, .stride = {1, {1}}};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes three = {.units = 3, .bias = true};
    const struct {
        const char *word;
        const void *attributes;
    } layers[] = {{"conv2d", &conv},  {"batch_norm2d", &norm},
                  {"relu", NULL},     {"max_pool2d", &overlapping},
                  {"sigmoid", NULL},  {"avg_pool2d", &average},
                  {"flatten", &flat}, {"dense", &three}};
    assert_ok(ln_declare_begin(&input, 5, &declaration, &err));
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        assert_ok(ln_declare_layer(&declaration, ln_layer_find(layers[i].word),
                                   layers[i].attributes, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static void changes_add_up_to_the_output(void **state)
{
    (void)state;
    ln_model *models[] = {mixed_model(), picture_model()};
    for (int i = 0; i < 2; i++) {
        ln_tensor *background = tensor_random(TEST_SHAPE(70, models[i]->width), 23);
        for (int r = 0; r < 2; r++) {
            check_complete(models[i], "deeplift", r ? REVEAL : "", NULL);
            check_complete(models[i], "deeplift_shap", r ? REVEAL : "", background);
        }
        ln_tensor_release(background);
        ln_model_release(models[i]);
    }
}

/* ---------------------------------------------------------------- background, bits */

/* deeplift_shap is the mean of deeplift over the rows of the background, 70 of them in several passes. */
static void check_mean(const char *given)
{
    ln_model *model = picture_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(1, 64), 31),
              *rows = tensor_random(TEST_SHAPE(70, 64), 32);
    const ln_item item = {0, 1};
    ln_request request = {
        .model = model, .x = x, .items = &item, .item_count = 1, .background = rows};
    ln_explanation got = explain("deeplift_shap", given, request, NULL);
    double mean[64] = {0}, below = 0;
    for (int64_t k = 0; k < 70; k++) {
        ln_tensor *one;
        assert_ok(ln_tensor_rows(rows, k, 1, &one, &err));
        request.baseline = one;
        ln_explanation part = explain("deeplift", given, request, NULL);
        for (int i = 0; i < 64; i++)
            mean[i] += (double)part.values[i] / 70;
        below += part.baseline_output[0] / 70;
        ln_explanation_free(&part);
        ln_tensor_release(one);
    }
    float wanted[64];
    for (int i = 0; i < 64; i++)
        wanted[i] = (float)mean[i];
    assert_near_f32(got.values, wanted, 64, 1e-7, 1e-4);
    assert_near_f64(got.baseline_output, &below, 1, 0, 1e-6);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_model_release(model);
}

static void a_background_is_the_mean_of_its_rows(void **state)
{
    (void)state;
    check_mean("");
    check_mean(REVEAL);
}

static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    static const char *const words[] = {"deeplift", "deeplift_shap"};
    ln_model *models[] = {mixed_model(), picture_model()};
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (int i = 0; i < 8; i++) {
        ln_model *model = models[i / 4];
        const char *given = i / 2 % 2 ? REVEAL : "";
        const int64_t width = model->width;
        ln_tensor *x = tensor_random(TEST_SHAPE(50, width), 41);
        ln_tensor *background = tensor_random(TEST_SHAPE(9, width), 42);
        ln_item items[50];
        for (int n = 0; n < 50; n++)
            items[n] = (ln_item){n, n % 3};
        ln_request request = {
            .model = model, .x = x, .items = items, .item_count = 50, .background = background};
        ln_explanation all = explain(words[i % 2], given, request, pool);
        request.items = &items[33];
        request.item_count = 1;
        ln_explanation one = explain(words[i % 2], given, request, NULL);
        assert_same_bits(one.values, all.values + 33 * width, (size_t)width * sizeof(float));
        ln_explanation_free(&all);
        ln_explanation_free(&one);
        ln_tensor_release(x);
        ln_tensor_release(background);
    }
    ln_pool_free(pool);
    ln_model_release(models[0]);
    ln_model_release(models[1]);
}

/* Twenty values side by side, as in a DenseNet, and added up: each brings its own change. */
static void joins_of_many_values(void **state)
{
    (void)state;
    const ln_axis_attributes side = {.axis = 1};
    const float row[] = {2}, base[] = {-1};
    for (int added = 0; added < 2; added++) {
        int x, parts[20], node;
        float weights[21] = {0};
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
        for (int i = 0; i < 20; i++) {
            parts[i] = add_node(graph, i % 2 ? "relu" : "abs", NULL, x, -1);
            weights[i] = (float)(i + 1) / 4;
        }
        const char *names[] = {"joined"};
        assert_ok(ln_graph_add_node(graph, ln_layer_find(added ? "add" : "concat"), "Join", "join",
                                    added ? NULL : &side, parts, 20, names, 1, &node, &err));
        const int joined = graph->nodes[node].outputs[0];
        ln_model *model =
            finish(graph, added ? joined : add_dense(graph, joined, 99, 20, 1, weights));
        /* |x| changes by 1, relu(x) by 2: weights 1, 3 ... 19 and 2, 4 ... 20 fourths */
        const float wanted = added ? 30 : 25 + 55;
        for (int r = 0; r < 2; r++)
            check_one("deeplift", r ? REVEAL : "", model, LN_LINK_RAW, row, 0, base, &wanted, 1e-5);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- refusals */

static void what_has_no_rule_is_refused(void **state)
{
    (void)state;
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 4), &x);
    const ln_axis_attributes last = {.axis = -1};
    ln_model *model = finish(graph, add_node(graph, "hardmax", &last, x, -1));
    assert_fails(try("deeplift", model, NULL), LN_EUNSUPPORTED,
                 "hardmax 'hardmax.0': deeplift has no rule for this layer (hardmax)");
    ln_model_release(model);
    model = picture_model();
    ln_tensor *narrow = tensor_random(TEST_SHAPE(2, 63), 1);
    assert_fails(try("deeplift_shap", model, NULL), LN_EINVALID, "has none");
    assert_fails(try("deeplift_shap", model, narrow), LN_EINVALID, "expected (K, 64)");
    assert_string_equal(err.field, "background");
    ln_tensor_release(narrow);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rescale_by_hand),
        cmocka_unit_test(reveal_cancel_by_hand),
        cmocka_unit_test(reveal_cancel_where_a_function_ends),
        cmocka_unit_test(products_and_quotients_by_hand),
        cmocka_unit_test(maxima_by_hand),
        cmocka_unit_test(small_changes_have_slopes),
        cmocka_unit_test(a_root_of_nothing_gets_nothing),
        cmocka_unit_test(measures_by_hand),
        cmocka_unit_test(softmax_by_hand),
        cmocka_unit_test(the_loss_by_hand),
        cmocka_unit_test(joins_of_many_values),
        cmocka_unit_test(changes_add_up_to_the_output),
        cmocka_unit_test(a_background_is_the_mean_of_its_rows),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(what_has_no_rule_is_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
