/* Convolutions that skip zeros in a network: which of its passes do, that outputs and gradients stay what they are,
 * and that rows keep their bits. */
#include "graph_support.h"

#include <math.h>

#include "base/parallel.h"
#include "graph/fuse.h"
#include "kernels/library.h"
#include "kernels/sparse.h"
#include "layers/last.h"

enum { ROWS = 5, SIDE = 20, WIDTH = 3 * SIDE * SIDE, CHANNELS = 128, OUTPUTS = 3 };

#define SPREAD 0.06

static int convolution(net *n, const char *name, int x, int64_t channels, int64_t side)
{
    const ln_convolution_attributes same = {
        .groups = 1, .stride = {1, {side == 7 ? 2 : 1}}, .padding = {1, {side / 2}}};
    char part[2][64];
    snprintf(part[0], sizeof part[0], "%s.weight", name);
    snprintf(part[1], sizeof part[1], "%s.bias", name);
    const int w = net_numbers(n, 7, part[0], TEST_SHAPE(CHANNELS, channels, side, side), SPREAD);
    const int b = net_numbers(n, 7, part[1], TEST_SHAPE(CHANNELS), SPREAD);
    return net_node(n, ln_layer_find("conv2d"), name, &same, (int[]){x, w, b}, 3);
}

/* A stem that pooling follows, a block with a sum of two branches, single places behind each, and tanh at the end. */
static ln_graph *network(ln_error *err)
{
    const ln_pool_attributes window = {.kernel_size = {1, {2}}, .stride = {1, {2}}};
    const ln_adaptive_attributes whole = {.output_size = {1, {1}}};
    const ln_shape shape = TEST_SHAPE(-1, 3, SIDE, SIDE);
    net n = net_begin(err);
    int x = -1;
    if (!n.status)
        n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, err);
    x = convolution(&n, "stem", x, 3, 7);
    const int pool =
        net_layer(&n, "max_pool2d", "pool", &window, net_layer(&n, "relu", "r", NULL, x));
    x = net_layer(&n, "relu", "a.relu", NULL, convolution(&n, "a", pool, CHANNELS, 3));
    x = net_layer(&n, "relu6", "b.relu", NULL, convolution(&n, "b", x, CHANNELS, 1));
    x = net_join(&n, "add", "sum", convolution(&n, "beside", pool, CHANNELS, 3),
                 convolution(&n, "c", x, CHANNELS, 3));
    x = net_layer(&n, "relu", "sum.relu", NULL, x);
    x = net_layer(&n, "relu", "d.relu", NULL, convolution(&n, "d", x, CHANNELS, 1));
    x = net_layer(&n, "tanh", "e.tanh", NULL, convolution(&n, "e", x, CHANNELS, 3));
    x = convolution(&n, "f", x, CHANNELS, 3);
    x = net_layer(&n, "flatten", "flat", &(ln_flatten_attributes){1},
                  net_layer(&n, "adaptive_avg_pool2d", "whole", &whole, x));
    x = net_node(&n, ln_layer_find("dense"), "y", &(ln_dense_attributes){0},
                 (int[]){x, net_numbers(&n, 7, "fc", TEST_SHAPE(OUTPUTS, CHANNELS), SPREAD)}, 2);
    net_output(&n, x);
    if (n.status)
        ln_graph_release(n.graph);
    return n.status ? NULL : n.graph;
}

static bool available(void)
{
    const ln_convolution shape = {.groups = 1,
                                  .in_channels = CHANNELS,
                                  .out_channels = CHANNELS,
                                  .in = {1, 4, 4},
                                  .out = {1, 4, 4},
                                  .kernel = {1, 3, 3},
                                  .stride = {1, 1, 1},
                                  .dilation = {1, 1, 1},
                                  .before = {0, 1, 1},
                                  .last = true,
                                  .zeros = {LN_ZEROS_HALF}};
    return ln_library_convolutions() && !ln_cpu_has("amx") && ln_sparse_suits(&shape, false);
}

static void run(ln_graph *graph, int64_t plan_rows, const float *x, int64_t rows,
                ln_profile *profile, float *y, float *gradient)
{
    running r = run_new(graph, &(ln_plan_options){.rows = plan_rows,
                                                  .gradients = graph->inputs,
                                                  .gradient_count = 1,
                                                  .profile = profile});
    float seed[ROWS * OUTPUTS];
    for (int i = 0; i < ROWS * OUTPUTS; i++)
        seed[i] = i % OUTPUTS == 1 ? 1 : -0.25F;
    run_forward(&r, x, rows, WIDTH);
    run_seed(&r, graph->outputs[0], seed, (size_t)(rows * OUTPUTS));
    run_backward(&r);
    memcpy(y, ln_exec_value(r.exec, graph->outputs[0]), (size_t)(rows * OUTPUTS) * sizeof *y);
    memcpy(gradient, ln_exec_gradient(r.exec, graph->inputs[0]),
           (size_t)(rows * WIDTH) * sizeof *gradient);
    run_free(&r);
}

static ln_graph *fused_network(ln_graph **graph)
{
    ln_error err;
    ln_graph *fused = NULL;
    *graph = network(&err);
    assert_non_null(*graph);
    assert_ok(ln_graph_fuse(*graph, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    return fused;
}

/* Behind relu, and gradients that relu or pooling has cut; where the kernel is one place, not behind a sum. Of several
 * numbers the greatest, and windows of few channels, where registers are many. */
static void passes_that_skip_zeros(void **state)
{
    const bool wide = ln_cpu_has("avx512");
    const struct {
        const char *node;
        bool sparse[2];
    } wanted[] = {{"stem", {false, wide}}, {"a", {wide, true}},      {"b", {true, true}},
                  {"c", {true, true}},     {"beside", {wide, true}}, {"d", {false, true}},
                  {"e", {true, false}},    {"f", {false, false}}};
    ln_error err;
    ln_graph *graph, *fused;
    ln_profile *profile;
    static float y[ROWS * OUTPUTS], gradient[ROWS * WIDTH];
    (void)state;
    if (!available())
        skip();
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    fused = fused_network(&graph);
    assert_ok(ln_profile_new(&profile, &err));
    run(fused, ROWS, ln_f32(x), ROWS, profile, y, gradient);
    size_t found = 0;
    for (int i = 0; i < profile->count; i++)
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
            const ln_profile_line *line = &profile->lines[i];
            if (strcmp(line->node, wanted[k].node) != 0)
                continue;
            found++;
            for (int way = 0; way < 2; way++) {
                const bool sparse = strcmp(line->kernels[way], "sparse") == 0;
                if (sparse != wanted[k].sparse[way])
                    fail_msg("%s, way %d: %s", line->node, way, line->kernels[way]);
            }
        }
    assert_int_equal(found, sizeof wanted / sizeof *wanted);
    ln_profile_free(profile);
    ln_tensor_release(x);
    ln_graph_release(fused);
    ln_graph_release(graph);
}

static void the_numbers_stay_what_they_are(void **state)
{
    ln_graph *graph, *fused;
    static float y[2][ROWS * OUTPUTS], gradient[2][ROWS * WIDTH];
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 4);
    (void)state;
    fused = fused_network(&graph);
    run(graph, ROWS, ln_f32(x), ROWS, NULL, y[0], gradient[0]);
    run(fused, ROWS, ln_f32(x), ROWS, NULL, y[1], gradient[1]);
    assert_near_f32(y[1], y[0], ROWS * OUTPUTS, 1e-6, 1e-5);
    assert_near_f32(gradient[1], gradient[0], ROWS * WIDTH, 1e-6, 1e-5);
    ln_tensor_release(x);
    ln_graph_release(fused);
    ln_graph_release(graph);
}

static void a_row_does_not_feel_the_others(void **state)
{
    ln_graph *graph, *fused;
    static float y[ROWS * OUTPUTS], gradient[ROWS * WIDTH], one_y[OUTPUTS], one_gradient[WIDTH];
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 5);
    (void)state;
    fused = fused_network(&graph);
    run(fused, ROWS, ln_f32(x), ROWS, NULL, y, gradient);
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t rows = 1; rows <= 3; rows += 2) {
            run(fused, rows, ln_f32(x) + row * WIDTH, 1, NULL, one_y, one_gradient);
            assert_same_bits(one_y, y + row * OUTPUTS, sizeof one_y);
            assert_same_bits(one_gradient, gradient + row * WIDTH, sizeof one_gradient);
        }
    ln_tensor_release(x);
    ln_graph_release(fused);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_that_skip_zeros),
        cmocka_unit_test(the_numbers_stay_what_they_are),
        cmocka_unit_test(a_row_does_not_feel_the_others),
    };
    return cmocka_run_group_tests_name("graph zeros", tests, NULL, NULL);
}
