/* Simplification: what goes, what stays, and that the outputs stay what they are. */
#include "graph_support.h"

#include <math.h>

#include "base/rng.h"
#include "graph/simplify.h"

static int numbers(net *n, const char *name, ln_shape shape, double low, double high)
{
    float values[512];
    assert_true(ln_shape_count(&shape) <= 512);
    for (int64_t i = 0; i < ln_shape_count(&shape); i++) {
        ln_rng rng = ln_rng_make(3, name, 0, (uint64_t)i);
        values[i] = (float)(low + (high - low) * ln_rng_uniform(&rng));
    }
    return net_constant(n, name, shape, values, true);
}

static int add(net *n, const char *word, const char *name, const void *attributes, int a, int b,
               int c)
{
    const int inputs[] = {a, b, c};
    return net_node(n, ln_layer_find(word), name, attributes, inputs, c >= 0 ? 3 : b >= 0 ? 2 : 1);
}

static int norm(net *n, const char *word, const char *name, int x, int64_t channels)
{
    const ln_channel_norm_attributes attributes = {.eps = 1e-3};
    char part[4][32];
    int inputs[5] = {x};
    const double low[] = {0.5, -1, -1, 0.5}, high[] = {1.5, 1, 1, 2};
    for (int i = 0; i < 4; i++) {
        snprintf(part[i], sizeof part[i], "%s.%d", name, i);
        inputs[i + 1] = numbers(n, part[i], TEST_SHAPE(channels), low[i], high[i]);
    }
    return net_node(n, ln_layer_find(word), name, &attributes, inputs, 5);
}

/* x (2, 6, 6): every kind of neighbour that is absorbed. */
static ln_graph *network(ln_error *err)
{
    net n = net_begin(err);
    const ln_pad_attributes zeros = {.before = {3, {0, 1, 0}}, .after = {3, {0, 2, 1}}};
    const ln_pad_attributes few = {.before = {3, {0, 1, 0}}, .after = {3, {0, 1, 1}}};
    const ln_pad_attributes least = {
        .before = {3, {0, 1, 1}}, .after = {3, {0, 1, 0}}, .value = -INFINITY};
    const ln_convolution_attributes plain = {.groups = 1, .stride = {2, {2, 1}}};
    const ln_convolution_attributes turned = {.groups = 2, .stride = {1, {2}}};
    const ln_pool_attributes window = {.kernel_size = {2, {3, 3}}, .stride = {1, {2}}};
    const ln_pool_attributes mean = {.kernel_size = {1, {2}}, .stride = {1, {1}}};
    int x = -1;
    const ln_shape shape = TEST_SHAPE(-1, 2, 6, 6);
    if (!n.status)
        n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, err);
    x = add(&n, "pad", "pad", &zeros, x, -1, -1);
    x = add(&n, "conv2d", "conv", &plain, x, numbers(&n, "w", TEST_SHAPE(4, 2, 3, 3), -1, 1), -1);
    x = norm(&n, "batch_norm2d", "bn", x, 4);
    x = add(&n, "relu", "relu", NULL, x, -1, -1);
    x = add(&n, "dropout", "drop", &(ln_dropout_attributes){0.5}, x, -1, -1);
    x = add(&n, "pad", "pad2", &least, x, -1, -1);
    x = add(&n, "max_pool2d", "max", &window, x, -1, -1);
    x = add(&n, "identity", "same", NULL, x, -1, -1);
    x = add(&n, "conv_transpose2d", "up", &turned, x,
            numbers(&n, "w2", TEST_SHAPE(4, 3, 2, 2), -1, 1),
            numbers(&n, "b2", TEST_SHAPE(6), -1, 1));
    x = norm(&n, "batch_norm2d", "bn2", x, 6);
    x = add(&n, "pad", "pad3", &few, x, -1, -1);
    x = add(&n, "avg_pool2d", "mean", &mean, x, -1, -1);
    x = add(&n, "flatten", "flat", &(ln_flatten_attributes){1}, x, -1, -1);
    if (!n.status) {
        const int64_t width = n.graph->values[x].shape.dims[1];
        x = add(&n, "dense", "fc", &(ln_dense_attributes){.in_out = true}, x,
                numbers(&n, "w3", TEST_SHAPE(width, 3), -1, 1), -1);
    }
    x = norm(&n, "batch_norm1d", "bn3", x, 3);
    x = add(&n, "add", "y", NULL, x,
            add(&n, "tanh", "fixed", NULL, numbers(&n, "c", TEST_SHAPE(3), -1, 1), -1, -1), -1);
    if (!n.status)
        n.status = ln_graph_add_output(n.graph, x, err);
    if (n.status)
        ln_graph_release(n.graph);
    return n.status ? NULL : n.graph;
}

/* The output for five rows. */
static void run(ln_graph *graph, float *y)
{
    ln_error err;
    ln_plan *plan;
    ln_exec *exec;
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = 5}, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    ln_tensor *x = tensor_random(TEST_SHAPE(5, 2, 6, 6), 8);
    memcpy(ln_exec_input(exec, 0), x->data, x->bytes);
    assert_ok(ln_exec_forward(exec, 5, &err));
    memcpy(y, ln_exec_value(exec, graph->outputs[0]), 15 * sizeof *y);
    ln_tensor_release(x);
    ln_exec_free(exec);
    ln_plan_free(plan);
}

static bool has_node(const ln_graph *graph, const char *name)
{
    return ln_graph_find_node(graph, name) >= 0;
}

static void each_pass_takes_its_own(void **state)
{
    (void)state;
    const struct {
        unsigned passes;
        const char *gone[5];
    } cases[] = {
        {LN_SIMPLIFY_CONSTANTS, {"fixed"}},
        {LN_SIMPLIFY_IDENTITY, {"drop", "same"}},
        {LN_SIMPLIFY_BATCH_NORM, {"bn", "bn2", "bn3"}},
        {LN_SIMPLIFY_PAD, {"pad", "pad2", "pad3"}},
    };
    ln_error err;
    ln_graph *graph = network(&err), *simple;
    float wanted[15], got[15];
    assert_non_null(graph);
    run(graph, wanted);
    for (size_t i = 0; i < 4; i++) {
        int gone = 0;
        assert_ok(ln_graph_simplify(graph, cases[i].passes, NULL, 0, &simple, &err));
        for (; gone < 5 && cases[i].gone[gone]; gone++)
            if (has_node(simple, cases[i].gone[gone]))
                fail_msg("%s is still there", cases[i].gone[gone]);
        assert_int_equal(simple->node_count, graph->node_count - gone);
        run(simple, got);
        if (cases[i].passes & (LN_SIMPLIFY_CONSTANTS | LN_SIMPLIFY_IDENTITY))
            assert_same_bits(got, wanted, sizeof wanted);
        else
            assert_near_f32(got, wanted, 15, 1e-5, 1e-5);
        ln_graph_release(simple);
    }
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_ALL, NULL, 0, &simple, &err));
    assert_int_equal(simple->node_count, graph->node_count - 9);
    assert_string_equal(simple->values[simple->outputs[0]].name, "y");
    run(simple, got);
    assert_near_f32(got, wanted, 15, 1e-5, 1e-5);
    ln_graph_release(simple);
    ln_graph_release(graph);
}

/* x (2, 6, 6): batch norms before layers that take them in: grouped, between two, dense from either side; and
 * before one that pads, which cannot. */
static ln_graph *norms_before(ln_error *err)
{
    net n = net_begin(err);
    const ln_convolution_attributes grouped = {.groups = 2, .stride = {1, {1}}};
    const ln_convolution_attributes padded = {
        .groups = 1, .stride = {1, {1}}, .padding = {2, {1, 0}}};
    int x = -1;
    const ln_shape shape = TEST_SHAPE(-1, 2, 6, 6);
    if (!n.status)
        n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, err);
    x = norm(&n, "batch_norm2d", "bn", x, 2);
    x = add(&n, "conv2d", "conv", &grouped, x, numbers(&n, "w", TEST_SHAPE(4, 1, 3, 3), -1, 1), -1);
    x = norm(&n, "batch_norm2d", "bn2", x, 4);
    x = add(&n, "conv2d", "conv2", &padded, x, numbers(&n, "w2", TEST_SHAPE(3, 4, 2, 4), -1, 1),
            numbers(&n, "b2", TEST_SHAPE(3), -1, 1));
    x = add(&n, "relu", "relu", NULL, x, -1, -1);
    x = norm(&n, "batch_norm2d", "bn3", x, 3);
    x = add(&n, "conv2d", "conv3", &padded, x, numbers(&n, "w3", TEST_SHAPE(2, 3, 3, 1), -1, 1),
            -1);
    x = add(&n, "flatten", "flat", &(ln_flatten_attributes){1}, x, -1, -1);
    const int64_t width = n.status ? 1 : n.graph->values[x].shape.dims[1];
    x = norm(&n, "batch_norm1d", "bn4", x, width);
    x = add(&n, "dense", "fc", &(ln_dense_attributes){.in_out = true}, x,
            numbers(&n, "w4", TEST_SHAPE(width, 4), -1, 1), -1);
    x = add(&n, "relu", "relu2", NULL, x, -1, -1);
    x = norm(&n, "batch_norm1d", "bn5", x, 4);
    x = add(&n, "dense", "fc2", NULL, x, numbers(&n, "w5", TEST_SHAPE(3, 4), -1, 1),
            numbers(&n, "b5", TEST_SHAPE(3), -1, 1));
    x = norm(&n, "batch_norm1d", "bn6", x, 3);
    if (!n.status)
        n.status = ln_graph_add_output(n.graph, x, err);
    if (n.status)
        ln_graph_release(n.graph);
    return n.status ? NULL : n.graph;
}

static void norms_go_into_the_layer_behind(void **state)
{
    static const char *const gone[] = {"bn", "bn2", "bn4", "bn5", "bn6"};
    (void)state;
    ln_error err;
    ln_graph *graph = norms_before(&err), *simple;
    float wanted[15], got[15];
    assert_non_null(graph);
    run(graph, wanted);
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_BATCH_NORM, NULL, 0, &simple, &err));
    for (int i = 0; i < 5; i++)
        if (has_node(simple, gone[i]))
            fail_msg("%s is still there", gone[i]);
    assert_true(has_node(simple, "bn3")); /* zeros beside its results are none of its own */
    run(simple, got);
    assert_near_f32(got, wanted, 15, 2e-5, 2e-5);
    ln_graph_release(simple);
    const int kept = ln_graph_find_value(graph, "bn5");
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_BATCH_NORM, &kept, 1, &simple, &err));
    assert_true(has_node(simple, "bn5") && !has_node(simple, "bn4"));
    ln_graph_release(simple);
    ln_graph_release(graph);
}

/* A value that somebody else reads, or that is to stay, is not absorbed. */
static void what_is_read_stays(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = network(&err), *simple;
    assert_non_null(graph);
    const int kept[] = {ln_graph_find_value(graph, "conv"), ln_graph_find_value(graph, "drop"),
                        ln_graph_find_value(graph, "pad3")};
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_ALL, kept, 3, &simple, &err));
    assert_true(has_node(simple, "conv") && has_node(simple, "bn") && has_node(simple, "drop") &&
                has_node(simple, "pad3"));
    assert_false(has_node(simple, "bn2") || has_node(simple, "pad") || has_node(simple, "same"));
    ln_graph_release(simple);
    assert_ok(ln_graph_add_output(graph, ln_graph_find_value(graph, "up"), &err));
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_ALL, NULL, 0, &simple, &err));
    assert_true(has_node(simple, "bn2"));
    assert_int_equal(simple->output_count, 2);
    ln_graph_release(simple);
    ln_graph_release(graph);
}

/* Two dense layers with relu behind them, the first of which somebody else may read: the bits of the
 * outputs stay. */
static void dense_layers_cut(void **state)
{
    (void)state;
    ln_error err;
    for (int others = 0; others < 3; others++) {
        net n = net_begin(&err);
        const ln_shape shape = TEST_SHAPE(-1, 2, 6, 6);
        int x, first, cut;
        assert_ok(ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err));
        x = add(&n, "flatten", "flat", &(ln_flatten_attributes){1}, x, -1, -1);
        first = x = add(&n, "dense", "fc1", &(ln_dense_attributes){0}, x,
                        numbers(&n, "w1", TEST_SHAPE(7, 72), -1, 1),
                        numbers(&n, "b1", TEST_SHAPE(7), -1, 1));
        cut = x = add(&n, "relu", "relu1", NULL, x, -1, -1);
        x = add(&n, "dense", "fc2", &(ln_dense_attributes){0}, x,
                numbers(&n, "w2", TEST_SHAPE(3, 7), -1, 1), -1);
        x = add(&n, "relu", "relu2", NULL, x, -1, -1);
        x = add(&n, "tanh", "y", NULL, x, -1, -1);
        if (others == 1) /* reads what is not cut */
            x = add(&n, "add", "both", NULL, x,
                    add(&n, "dense", "fc3", &(ln_dense_attributes){0}, first,
                        numbers(&n, "w3", TEST_SHAPE(3, 7), -1, 1), -1),
                    -1);
        assert_ok(n.status);
        assert_ok(ln_graph_add_output(n.graph, x, &err));
        ln_graph *simple;
        float wanted[15], got[15];
        assert_ok(ln_graph_simplify(n.graph, LN_SIMPLIFY_CUTS, &cut, others == 2, &simple, &err));
        assert_int_equal(has_node(simple, "relu1"), others > 0);
        assert_false(has_node(simple, "relu2"));
        run(n.graph, wanted);
        run(simple, got);
        assert_same_bits(got, wanted, sizeof wanted);
        ln_graph_release(simple);
        /* Who passes backwards does not ask for it. */
        assert_ok(ln_graph_simplify(n.graph, LN_SIMPLIFY_ALL, NULL, 0, &simple, &err));
        assert_true(has_node(simple, "relu1") && has_node(simple, "relu2"));
        ln_graph_release(simple);
        ln_graph_release(n.graph);
    }
}

/* Three channels of 9 x 8, relu and the greatest of windows, then a sum with weights. */
enum { POOL_ROWS = 4, POOL_WIDTH = 3 * 9 * 8 };

static ln_graph *pooling(const ln_pool_attributes *window, bool read_twice)
{
    ln_error err;
    net n = net_begin(&err);
    const ln_shape shape = TEST_SHAPE(-1, 3, 9, 8);
    int x, relu;
    assert_ok(ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err));
    relu = add(&n, "relu", "relu", NULL, x, -1, -1);
    x = add(&n, "max_pool2d", "pool", window, relu, -1, -1);
    x = add(&n, "flatten", "flat", &(ln_flatten_attributes){1}, x, -1, -1);
    const int64_t width = n.status ? 1 : n.graph->values[x].shape.dims[1];
    x = add(&n, "dense", "fc", &(ln_dense_attributes){0}, x,
            numbers(&n, "w", TEST_SHAPE(1, width), -1, 1), -1);
    if (read_twice)
        x = add(&n, "add", "both", NULL, x,
                add(&n, "dense", "fc2", &(ln_dense_attributes){0},
                    add(&n, "flatten", "flat2", &(ln_flatten_attributes){1}, relu, -1, -1),
                    numbers(&n, "w2", TEST_SHAPE(1, POOL_WIDTH), -1, 1), -1),
                -1);
    net_output(&n, x);
    assert_ok(n.status);
    return n.graph;
}

/* Numbers with equal ones among them, windows of nothing positive, zeros of both signs. */
static void pool_rows(float *x)
{
    for (int64_t i = 0; i < POOL_ROWS * POOL_WIDTH; i++) {
        ln_rng rng = ln_rng_make(7, "pool rows", 0, (uint64_t)i);
        const double number = floor(8 * ln_rng_uniform(&rng)) - 4;
        x[i] = (float)(i / POOL_WIDTH == 1 ? -fabs(number) : number);
    }
}

static void run_pooling(ln_graph *graph, const float *x, float *y, float *gradient)
{
    const float ones[POOL_ROWS] = {1, -2, 0.5F, 1};
    running r = run_new(
        graph,
        &(ln_plan_options){.rows = POOL_ROWS, .gradients = graph->inputs, .gradient_count = 1});
    run_forward(&r, x, POOL_ROWS, POOL_WIDTH);
    run_seed(&r, graph->outputs[0], ones, POOL_ROWS);
    run_backward(&r);
    memcpy(y, ln_exec_value(r.exec, graph->outputs[0]), POOL_ROWS * sizeof *y);
    memcpy(gradient, ln_exec_gradient(r.exec, graph->inputs[0]),
           POOL_ROWS * POOL_WIDTH * sizeof *gradient);
    run_free(&r);
}

/* relu comes behind the pooling, where it may: outputs and gradients have the bits they had. */
static void pools_come_before_relu(void **state)
{
    const ln_pool_attributes windows[] = {
        {.kernel_size = {1, {2}}}, /* apart */
        {.kernel_size = {2, {3, 2}}, .stride = {1, {3}}},
        {.kernel_size = {1, {2}}, .stride = {2, {2, 3}}, .ceil_mode = true},
        {.kernel_size = {1, {3}}, .stride = {1, {2}}, .padding = {1, {1}}}, /* not */
        {.kernel_size = {2, {3, 2}}, .stride = {1, {2}}},
        {.kernel_size = {1, {2}}, .dilation = {1, {2}}},
    };
    enum { APART = 3 };
    float x[POOL_ROWS * POOL_WIDTH], wanted[2][POOL_ROWS * POOL_WIDTH], y[2][POOL_ROWS];
    ln_error err;
    (void)state;
    pool_rows(x);
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        ln_graph *graph = pooling(&windows[i], false), *simple;
        run_pooling(graph, x, y[0], wanted[0]);
        for (int any = 0; any < 2; any++) {
            assert_ok(ln_graph_simplify(graph, any ? LN_SIMPLIFY_POOL : LN_SIMPLIFY_POOL_APART,
                                        NULL, 0, &simple, &err));
            assert_int_equal(simple != graph, any || i < APART);
            assert_string_equal(simple->nodes[0].name, simple != graph ? "pool" : "relu");
            assert_string_equal(simple->values[simple->nodes[1].outputs[0]].name, "pool");
            run_pooling(simple, x, y[1], wanted[1]);
            assert_same_bits(y[1], y[0], sizeof y[0]);
            assert_near_f32(wanted[1], wanted[0], POOL_ROWS * POOL_WIDTH, 0, 0);
            ln_graph_release(simple);
        }
        ln_graph_release(graph);
    }
}

static void what_is_read_is_cut_first(void **state)
{
    const ln_pool_attributes window = {.kernel_size = {1, {2}}};
    ln_error err;
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        ln_graph *graph = pooling(&window, twice), *simple;
        const int relu = ln_graph_find_value(graph, "relu");
        assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_POOL, &relu, !twice, &simple, &err));
        assert_ptr_equal(simple, graph);
        ln_graph_release(simple);
        assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_ALL, NULL, 0, &simple, &err));
        assert_ptr_equal(simple, graph);
        ln_graph_release(simple);
        ln_graph_release(graph);
    }
}

static ln_status exchange(void *context, ln_error *err)
{
    ln_graph *simple = NULL;
    ln_status status = ln_graph_simplify(context, LN_SIMPLIFY_POOL, NULL, 0, &simple, err);
    ln_graph_release(simple);
    return status;
}

static ln_status simplify(void *context, ln_error *err)
{
    ln_graph *simple = NULL;
    ln_status status = ln_graph_simplify(context, LN_SIMPLIFY_ALL, NULL, 0, &simple, err);
    ln_graph_release(simple);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = network(&err);
    assert_non_null(graph);
    sweep_allocation_failures(simplify, graph);
    ln_graph_release(graph);
    graph = pooling(&(ln_pool_attributes){.kernel_size = {1, {2}}}, false);
    sweep_allocation_failures(exchange, graph);
    ln_graph_release(graph);
    graph = norms_before(&err);
    assert_non_null(graph);
    sweep_allocation_failures(simplify, graph);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pass_takes_its_own),
        cmocka_unit_test(norms_go_into_the_layer_behind),
        cmocka_unit_test(what_is_read_stays),
        cmocka_unit_test(dense_layers_cut),
        cmocka_unit_test(pools_come_before_relu),
        cmocka_unit_test(what_is_read_is_cut_first),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("graph simplify", tests, NULL, NULL);
}
