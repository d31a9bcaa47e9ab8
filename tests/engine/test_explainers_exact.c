/* integrated_gradients with method = "exact": bends by hand and by brute force, residuals at rounding,
 * the limit of a quadrature, and networks that are not linear piece by piece. */
#include "explainer_checks.h"

#include "explainers/common/bends.h"
#include "layers/attributes.h"
#include "onnx/onnx.h"

static ln_error err;

#define EXACT "method=\"exact\""

static ln_model *images(void)
{
    ln_graph *graph = NULL;
    ln_onnx_info info = {0};
    const ln_onnx_options options = {0};
    ln_model *model = NULL;
    assert_ok(ln_onnx_read(test_file("reference/explainers_layer/images.onnx"), &options, &graph,
                           &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* ---------------------------------------------------------------- by hand */

static void pieces_by_hand(void **state)
{
    (void)state;
    /* relu(relu(a) - 1 - relu(b)) at (3, 1): Captum's own case. */
    static const float nested[] = {1, 0, 0, 1, 0, 0, 1, -1, -1};
    ln_model *model =
        network_of("dense relu dense relu", (int64_t[]){2, 2, 1}, nested, LN_TASK_REGRESSION);
    check_one("integrated_gradients", EXACT, model, LN_LINK_RAW, (float[]){3, 1}, 0, NULL,
              (float[]){1.5F, -0.5F}, 1e-7);
    ln_model_release(model);
    /* 3 relu(2 x - 1) opens halfway between 0 and 1; the average gradient is 3. */
    static const float late[] = {2, -1, 3, 0};
    model = network_of("dense relu dense", (int64_t[]){1, 1, 1}, late, LN_TASK_REGRESSION);
    check_one("integrated_gradients", EXACT, model, LN_LINK_RAW, (float[]){1}, 0, NULL,
              (float[]){3}, 1e-7);
    check_one("integrated_gradients", EXACT " multiply_by_inputs=false", model, LN_LINK_RAW,
              (float[]){2}, 0, NULL, (float[]){4.5F}, 1e-7);
    check_one("integrated_gradients", EXACT, model, LN_LINK_RAW, (float[]){1}, 0, (float[]){1},
              (float[]){0}, 0);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- bends */

/* A node alone in a graph, on an input of the shape (rows first). */
static ln_graph *lone(const char *word, const void *attributes, ln_shape shape)
{
    ln_graph *graph = NULL;
    int value, node;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &value, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, "it", attributes, &value, 1,
                                (const char *const[]){"y"}, 1, &node, &err));
    assert_ok(ln_graph_add_output(graph, ln_graph_find_value(graph, "y"), &err));
    return graph;
}

/* The sum of the maxima on a fine grid from a to b: straight wherever no crossing was found, and its slope
 * grows by as much as the winners at the ends say. */
static void check_windows(ln_graph *graph, uint64_t seed)
{
    enum { GRID = 4000 };
    ln_bend *bends;
    int count;
    assert_ok(ln_bends_find(graph, graph->outputs[0], &bends, &count, &err));
    assert_int_equal(count, 1);
    const int64_t width = bends->width;
    const int64_t outputs = ln_shape_row(&graph->values[graph->outputs[0]].shape);
    ln_tensor *a = tensor_random(TEST_SHAPE(1, width), seed);
    ln_tensor *b = tensor_random(TEST_SHAPE(1, width), seed + 100);
    ln_reals found = {0};
    assert_ok(ln_bend_crossings(bends, ln_f32(a), ln_f32(b), &found, &err));
    assert_true(found.count > 0);
    bool near[GRID + 2] = {0};
    for (int64_t k = 0; k < found.count; k++) {
        assert_true(found.at[k] > 0 && found.at[k] < 1);
        near[(int)(found.at[k] * GRID)] = near[(int)(found.at[k] * GRID) + 1] = true;
    }
    const ln_plan_options options = {.rows = 1};
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    double y[3] = {0}, bent = 0, grown = 0;
    for (int s = 0; s <= GRID; s++) {
        float *in = ln_exec_input(exec, 0);
        for (int64_t i = 0; i < width; i++)
            in[i] = (float)((double)ln_f32(a)[i] +
                            s * ((double)ln_f32(b)[i] - (double)ln_f32(a)[i]) / GRID);
        assert_ok(ln_exec_forward(exec, 1, &err));
        y[0] = y[1];
        y[1] = y[2];
        y[2] = 0;
        for (int64_t j = 0; j < outputs; j++)
            y[2] += (double)((const float *)ln_exec_value(exec, graph->outputs[0]))[j];
        const double bend = y[2] - 2 * y[1] + y[0];
        if (s >= 2 && !near[s - 1] && !(fabs(bend) < 1e-7 * (double)(width + outputs)))
            fail_msg("a bend of %g at %g was not found", bend, (s - 1.0) / GRID);
        bent += s >= 2 ? bend : 0;
    }
    for (int64_t w = 0; w < bends->planes * bends->places; w++) {
        const int64_t plane = w / bends->places * bends->plane, p = w % bends->places;
        for (int end = 0; end < 2; end++) {
            const float *at = ln_f32(end ? b : a) + plane;
            int32_t best = bends->elements[bends->first[p]];
            for (int32_t e = bends->first[p]; e < bends->first[p + 1]; e++)
                if (at[bends->elements[e]] > at[best])
                    best = bends->elements[e];
            grown += (end ? 1 : -1) *
                     ((double)ln_f32(b)[plane + best] - (double)ln_f32(a)[plane + best]) / GRID;
        }
    }
    assert_true(grown > 1e-4 && fabs(bent - grown) < 1e-6 * (double)(width + outputs));
    ln_free(found.at);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_bends_free(bends, count);
    ln_tensor_release(a);
    ln_tensor_release(b);
}

static void windows_of_every_pooling(void **state)
{
    (void)state;
    const ln_pool_attributes plain = {.kernel_size = {1, {2}}};
    const ln_pool_attributes odd = {.kernel_size = {2, {3, 2}},
                                    .stride = {2, {2, 1}},
                                    .padding = {2, {1, 1}},
                                    .dilation = {2, {1, 2}},
                                    .ceil_mode = true};
    const ln_adaptive_attributes global = {.output_size = {1, {1}}},
                                 parts = {.output_size = {1, {3}}};
    const ln_reduce_attributes over_time = {.operation = LN_REDUCE_max, .axes = {1, {2}}},
                               over_channels = {.operation = LN_REDUCE_max,
                                                .axes = {2, {1, -1}},
                                                .keepdims = true},
                               over_all = {.operation = LN_REDUCE_max};
    struct {
        const char *word;
        const void *attributes;
        ln_shape shape;
    } cases[] = {
        {"max_pool2d", &plain, TEST_SHAPE(-1, 2, 6, 5)},
        {"max_pool2d", &odd, TEST_SHAPE(-1, 2, 6, 7)},
        {"max_pool1d", &plain, TEST_SHAPE(-1, 3, 9)},
        {"max_pool3d", &plain, TEST_SHAPE(-1, 1, 4, 4, 4)},
        {"adaptive_max_pool2d", &global, TEST_SHAPE(-1, 2, 4, 5)},
        {"adaptive_max_pool1d", &parts, TEST_SHAPE(-1, 2, 7)},
        {"reduce", &over_time, TEST_SHAPE(-1, 3, 9)},
        {"reduce", &over_channels, TEST_SHAPE(-1, 4, 3, 2)},
        {"reduce", &over_all, TEST_SHAPE(-1, 2, 5)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_graph *graph = lone(cases[i].word, cases[i].attributes, cases[i].shape);
        check_windows(graph, 5 + i);
        ln_graph_release(graph);
    }
}

/* Lines 0, s, 3 s - 1.5 and one below: the greatest changes at 0 and at 3/4; crossings at an end are none. */
static void the_greatest_line_changes(void **state)
{
    (void)state;
    const ln_adaptive_attributes global = {.output_size = {1, {1}}};
    ln_graph *graph = lone("adaptive_max_pool1d", &global, TEST_SHAPE(-1, 1, 4));
    ln_bend *bends;
    int count;
    ln_reals found = {0};
    assert_ok(ln_bends_find(graph, graph->outputs[0], &bends, &count, &err));
    assert_ok(ln_bend_crossings(bends, (float[]){0, 0, -1.5F, -9}, (float[]){0, 1, 1.5F, -8},
                                &found, &err));
    assert_int_equal(found.count, 1);
    assert_true(fabs(found.at[0] - 0.75) < 1e-12);
    found.count = 0;
    assert_ok(ln_bend_crossings(bends, (float[]){1, 0, 0, 0}, (float[]){0, 1, 0, 0}, &found, &err));
    assert_int_equal(found.count, 1);
    assert_true(fabs(found.at[0] - 0.5) < 1e-12);
    found.count = 0; /* equals */
    assert_ok(ln_bend_crossings(bends, (float[]){1, 1, 1, 1}, (float[]){2, 2, 2, 2}, &found, &err));
    assert_int_equal(found.count, 0);
    ln_free(found.at);
    ln_bends_free(bends, count);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- residuals */

static ln_tensor *tensor_of(int64_t rows, int64_t width, uint64_t seed)
{
    ln_tensor *made = tensor_random(TEST_SHAPE(rows, width), seed);
    for (int64_t i = 0; i < rows * width; i++)
        ln_f32(made)[i] *= 3;
    return made;
}

/* Every row, own baselines: the sum is the change of the output but for rounding, and the values are those
 * of very many steps. */
static void check_network(const char *name, ln_model *model, uint64_t seed)
{
    enum { ROWS = 12 };
    ln_item items[ROWS];
    ln_tensor *x = tensor_of(ROWS, model->width, seed);
    ln_tensor *base = tensor_of(ROWS, model->width, seed + 50);
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % model->output_count};
    const ln_request request = {
        .model = model, .x = x, .items = items, .item_count = ROWS, .baseline = base};
    ln_explanation got = explain("integrated_gradients", EXACT, request, NULL);
    ln_explanation fine =
        explain("integrated_gradients", "steps=10000 method=\"riemann_middle\"", request, NULL);
    for (int i = 0; i < ROWS; i++) {
        const float *values = got.values + i * got.width, *others = fine.values + i * got.width;
        const ln_summary sum =
            ln_summarise(values, got.width, got.output[i], got.baseline_output[i]);
        if (!ln_residual_holds(&sum, got.output[i], got.baseline_output[i], 1e-6))
            fail_msg("row %d: residual %g of %g", i, sum.residual, sum.l1);
        assert_true(got.output[i] == fine.output[i]);
        assert_true(got.baseline_output[i] == fine.baseline_output[i]);
        for (int64_t k = 0; k < got.width; k++)
            if (!(fabs((double)values[k] - (double)others[k]) <= 2e-3 * sum.l1))
                fail_msg("%s, row %d, input %d: %g, and %g by 10000 steps; sum %g", name, i, (int)k,
                         (double)values[k], (double)others[k], sum.l1);
    }
    ln_explanation_free(&got);
    ln_explanation_free(&fine);
    ln_tensor_release(x);
    ln_tensor_release(base);
}

static int add_next(ln_graph *graph, const char *word, const void *attributes, int a, int b)
{
    char name[64];
    const char *names[1] = {name};
    const int inputs[2] = {a, b};
    int node;
    snprintf(name, sizeof name, "%s.%d", word, graph->node_count);
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, name, attributes, inputs,
                                b < 0 ? 1 : 2, names, 1, &node, &err));
    return graph->nodes[node].outputs[0];
}

/* 24 units as (4, 6): the greatest of each line and the least of each column, and dense layers of both. */
static ln_model *extremes(void)
{
    const ln_shape row = TEST_SHAPE(-1, 6);
    const ln_reshape_attributes lines = {.shape = {2, {4, 6}}};
    const ln_reduce_attributes greatest = {.operation = LN_REDUCE_max, .axes = {1, {2}}},
                               least = {.operation = LN_REDUCE_min, .axes = {1, {1}}};
    ln_tensor *weights = tensor_random(TEST_SHAPE(6 * 24 + 24), 31);
    ln_graph *graph;
    ln_model *model;
    int x;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &row, &x, &err));
    const int units =
        add_next(graph, "reshape", &lines, add_dense(graph, x, 0, 6, 24, ln_f32(weights)), -1);
    const int high = add_next(graph, "reduce", &greatest, units, -1);
    const int low = add_next(graph, "reduce", &least, units, -1);
    const int sum = add_next(graph, "add", NULL, add_dense(graph, high, 1, 4, 3, ln_f32(weights)),
                             add_dense(graph, low, 2, 6, 3, ln_f32(weights) + 20));
    assert_ok(ln_graph_add_output(graph, sum, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    ln_tensor_release(weights);
    return model;
}

static void residuals_are_rounding(void **state)
{
    (void)state;
    static const char *const layers[] = {
        "dense relu dense relu dense",         "dense relu6 dense hardtanh dense",
        "dense leaky_relu dense abs dense",    "dense hardsigmoid dense softshrink dense",
        "dense clip dense clipped_line dense", "relu dense relu6 dense relu dense"};
    for (size_t n = 0; n < sizeof layers / sizeof layers[0]; n++) {
        ln_tensor *weights = tensor_random(TEST_SHAPE(6 * 24 + 24 + 24 * 16 + 16 + 16 * 3 + 3), n);
        for (int64_t i = 0; i < weights->shape.dims[0]; i++)
            ln_f32(weights)[i] *= 0.3F; /* so that hardly a number is clipped all the way */
        ln_model *model = network_of(layers[n], (int64_t[]){6, 24, 16, 3}, ln_f32(weights),
                                     LN_TASK_CLASSIFICATION);
        check_network(layers[n], model, 20 + n);
        ln_model_release(model);
        ln_tensor_release(weights);
    }
    ln_model *model = images(); /* a relu read twice, max pooling, branches that meet */
    check_network("images", model, 9);
    ln_model_release(model);
    model = extremes();
    check_network("extremes", model, 11);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- bits, mistakes, memory */

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    ln_model *model = images();
    ln_tensor *x = tensor_of(30, model->width, 3);
    ln_item items[40];
    ln_pool *pool = NULL;
    for (int i = 0; i < 40; i++)
        items[i] = (ln_item){.row = i * 7 % 30, .target = i % 3};
    ln_request request = {.model = model, .x = x, .items = items, .item_count = 40};
    assert_ok(ln_pool_new(3, &pool, &err));
    ln_explanation all = explain("integrated_gradients", EXACT, request, pool);
    for (int i = 0; i < 40; i += 3) {
        request.items = items + i;
        request.item_count = 1;
        ln_explanation one = explain("integrated_gradients", EXACT, request, NULL);
        assert_same_bits(one.values, all.values + i * all.width, (size_t)all.width * sizeof(float));
        assert_true(one.output[0] == all.output[i]);
        ln_explanation_free(&one);
    }
    ln_explanation_free(&all);
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

static ln_status whole_job(void *request, ln_error *error)
{
    const parameters params =
        parameters_of(&ln_explainer_find("integrated_gradients")->word, EXACT);
    return try_job("integrated_gradients", &params, *(const ln_request *)request, error);
}

static void curved_networks_are_refused(void **state)
{
    (void)state;
    const reference_network *network = &reference_networks[1];
    ln_model *model = reference_model(network);
    ln_tensor *x = reference_of(network->name, "x");
    ln_item item = {0};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    assert_fails(whole_job(&request, &err), LN_EUNSUPPORTED,
                 "exact: tanh 'tanh_1': this layer (tanh) is not known to be linear "
                 "piece by piece");
    assert_string_equal(err.field, "method");
    ln_model_release(model);
    ln_tensor_release(x);
    /* Behind a link, too. */
    model = reference_model(&reference_networks[0]);
    x = reference_of("relu", "x");
    request.model = model;
    request.x = x;
    request.link = LN_LINK_PROBABILITY;
    assert_fails(whole_job(&request, &err), LN_EUNSUPPORTED, "(softmax)");
    request.link = LN_LINK_RAW;
    sweep_allocation_failures(whole_job, &request);
    ln_model_release(model);
    ln_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_by_hand),
        cmocka_unit_test(windows_of_every_pooling),
        cmocka_unit_test(the_greatest_line_changes),
        cmocka_unit_test(residuals_are_rounding),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(curved_networks_are_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
