/* Fusing: which nodes are left, that outputs, kept values and gradients stay what they are, and that
 * rows keep their bits. */
#include "graph_support.h"

#include <math.h>

#include "graph/fuse.h"
#include "graph/simplify.h"
#include "kernels/last.h"
#include "layers/last.h"

enum { ROWS = 5, WIDTH = 3 * 12 * 11, OUTPUTS = 4 };

static int convolution(net *n, const char *name, int x, ln_shape weight,
                       const ln_convolution_attributes *attributes, bool bias)
{
    char part[2][64];
    snprintf(part[0], sizeof part[0], "%s.weight", name);
    snprintf(part[1], sizeof part[1], "%s.bias", name);
    const int w = net_numbers(n, 5, part[0], weight, 0.3);
    const int b = bias ? net_numbers(n, 5, part[1], TEST_SHAPE(weight.dims[0]), 0.3) : -1;
    return net_node(n, ln_layer_find("conv2d"), name, attributes, (int[]){x, w, b}, bias ? 3 : 2);
}

/* x (3, 12, 11): every chain, layers that stay, and layers that do not. */
static ln_graph *network(ln_error *err)
{
    const ln_convolution_attributes same = {.groups = 1, .padding = {1, {1}}};
    const ln_convolution_attributes half = {.groups = 1, .stride = {1, {2}}, .padding = {1, {1}}};
    const ln_convolution_attributes point = {.groups = 1, .stride = {1, {2}}};
    const ln_convolution_attributes one = {.groups = 1};
    const ln_convolution_attributes each = {.groups = 20, .padding = {1, {1}}};
    const ln_pool_attributes window = {
        .kernel_size = {1, {3}}, .stride = {1, {2}}, .padding = {1, {1}}};
    const ln_pool_attributes mean = {.kernel_size = {1, {2}}, .stride = {1, {1}}};
    const ln_scalar_attributes bounds = {.a = -0.5, .b = 0.75};
    const ln_shape shape = TEST_SHAPE(-1, 3, 12, 11);
    net n = net_begin(err);
    int x = -1;
    if (!n.status)
        n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, err);
    /* conv, relu */
    x = convolution(&n, "stem", x, TEST_SHAPE(20, 3, 3, 3), &same, true);
    const int stem = net_layer(&n, "relu", "stem.relu", NULL, x);
    x = net_layer(&n, "max_pool2d", "pool", &window, stem);
    /* conv, relu; conv, add, relu, the other term being a pooling's result */
    int y = convolution(&n, "a1", x, TEST_SHAPE(20, 20, 3, 3), &same, false);
    y = net_layer(&n, "relu", "a1.relu", NULL, y);
    y = convolution(&n, "a2", y, TEST_SHAPE(20, 20, 3, 3), &same, true);
    x = net_layer(&n, "relu", "a.relu", NULL, net_join(&n, "add", "a.sum", y, x));
    /* the same with a convolution on both ways */
    const int down = convolution(&n, "b3", x, TEST_SHAPE(24, 20, 1, 1), &point, false);
    y = net_layer(&n, "relu", "b1.relu", NULL,
                  convolution(&n, "b1", x, TEST_SHAPE(24, 20, 3, 3), &half, true));
    y = convolution(&n, "b2", y, TEST_SHAPE(24, 24, 3, 3), &same, false);
    const int deep = net_layer(&n, "relu", "b.relu", NULL, net_join(&n, "add", "b.sum", down, y));
    /* each channel on its own; conv and a sum without relu */
    y = net_layer(&n, "relu6", "c1.relu", NULL,
                  convolution(&n, "c1", stem, TEST_SHAPE(20, 1, 3, 3), &each, true));
    y = net_join(&n, "add", "c.sum", stem,
                 convolution(&n, "c2", y, TEST_SHAPE(20, 20, 1, 1), &one, false));
    y = net_layer(&n, "hardtanh", "c3.bounds", &bounds,
                  convolution(&n, "c3", y, TEST_SHAPE(6, 20, 1, 1), &one, true));
    y = net_layer(&n, "sigmoid", "c.sigmoid", NULL, y);
    y = net_join(&n, "concat", "c.join", y, net_layer(&n, "tanh", "c.tanh", NULL, y));
    y = net_layer(&n, "avg_pool2d", "c.mean", &mean, y);
    /* one that cannot stay, and back */
    y = net_layer(&n, "softmax", "c.softmax", &(ln_axis_attributes){-1}, y);
    y = convolution(&n, "c4", y, TEST_SHAPE(5, 12, 3, 3), &half, true);
    const ln_adaptive_attributes whole = {.output_size = {1, {1}}},
                                 four = {.output_size = {1, {2}}};
    x = net_layer(&n, "flatten", "flat", &(ln_flatten_attributes){1},
                  net_layer(&n, "adaptive_avg_pool2d", "whole", &whole, deep));
    y = net_layer(&n, "flatten", "c.flat", &(ln_flatten_attributes){1},
                  net_layer(&n, "adaptive_max_pool2d", "four", &four, y));
    x = net_join(&n, "concat", "all", x, y);
    x = net_node(&n, ln_layer_find("dense"), "y", &(ln_dense_attributes){0},
                 (int[]){x, net_numbers(&n, 5, "fc", TEST_SHAPE(OUTPUTS, 44), 0.3)}, 2);
    net_output(&n, x);
    if (n.status)
        ln_graph_release(n.graph);
    return n.status ? NULL : n.graph;
}

/* What is compared: the output, kept values and the gradient of the input; rows of `width` numbers. */
static void run(ln_graph *graph, bool fast, const char *kept, int64_t plan_rows, const float *x,
                int64_t rows, float *y, float *value, float *gradient)
{
    const int input = graph->inputs[0], output = graph->outputs[0];
    const int inner = kept ? value_of(graph, kept) : -1;
    const int values[] = {output, inner}, gradients[] = {input, inner};
    running r = run_new(graph, &(ln_plan_options){.rows = plan_rows,
                                                  .values = values,
                                                  .value_count = kept ? 2 : 1,
                                                  .gradients = gradients,
                                                  .gradient_count = kept ? 2 : 1,
                                                  .fast = fast});
    float seed[ROWS * OUTPUTS];
    for (int i = 0; i < ROWS * OUTPUTS; i++)
        seed[i] = i % OUTPUTS == 1 ? 1 : -0.25F;
    run_forward(&r, x, rows, WIDTH);
    run_seed(&r, output, seed, (size_t)(rows * OUTPUTS));
    run_backward(&r);
    memcpy(y, ln_exec_value(r.exec, output), (size_t)(rows * OUTPUTS) * sizeof *y);
    memcpy(gradient, ln_exec_gradient(r.exec, input), (size_t)(rows * WIDTH) * sizeof *gradient);
    if (kept) {
        const int64_t width = ln_shape_row(&graph->values[inner].shape);
        memcpy(value, ln_exec_value(r.exec, inner), (size_t)(rows * width) * sizeof *value);
        memcpy(value + rows * width, ln_exec_gradient(r.exec, inner),
               (size_t)(rows * width) * sizeof *value);
    }
    run_free(&r);
}

typedef struct results {
    float y[ROWS * OUTPUTS], gradient[ROWS * WIDTH], value[2 * ROWS * 20 * 12 * 11];
} results;

/* In fast, what is lost is a share of the largest numbers that were added up. */
static void compare_numbers(const float *got, const float *wanted, size_t count, bool fast)
{
    double most = 1;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)wanted[i]));
    assert_near_f32(got, wanted, count, 1e-5 * (fast ? most : 1), 1e-5);
}

static void compare(const results *got, const results *wanted, size_t numbers_kept, bool fast)
{
    compare_numbers(got->y, wanted->y, ROWS * OUTPUTS, fast);
    compare_numbers(got->gradient, wanted->gradient, ROWS * WIDTH, fast);
    compare_numbers(got->value, wanted->value, numbers_kept, fast);
}

static void the_numbers_stay_what_they_are(void **state)
{
    static const char *const kept[] = {NULL,     "stem",  "stem.relu", "pool",  "a.sum", "b.sum",
                                       "b.relu", "c.sum", "c.join",    "whole", "c2"};
    ln_error err;
    ln_graph *graph = network(&err), *fused;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    static results wanted, got;
    (void)state;
    assert_non_null(graph);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const int id = kept[i] ? value_of(graph, kept[i]) : -1;
        const size_t count =
            kept[i] ? (size_t)(2 * ROWS * ln_shape_row(&graph->values[id].shape)) : 0;
        run(graph, false, kept[i], ROWS, ln_f32(x), ROWS, wanted.y, wanted.value, wanted.gradient);
        assert_ok(ln_graph_fuse(graph, LN_FUSE_CHAINS, &id, kept[i] ? 1 : 0, &fused, &err));
        for (int fast = 0; fast < 2; fast++) {
            run(fused, fast, kept[i], ROWS, ln_f32(x), ROWS, got.y, got.value, got.gradient);
            compare(&got, &wanted, count, fast);
        }
        ln_graph_release(fused);
    }
    ln_tensor_release(x);
    ln_graph_release(graph);
}

/* Each row alone, in a plan of one row and in a larger one: the bits that it has in a batch. */
static void a_row_does_not_feel_the_others(void **state)
{
    ln_error err;
    ln_graph *graph = network(&err), *fused;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 4);
    static results all, one;
    (void)state;
    assert_non_null(graph);
    assert_ok(ln_graph_fuse(graph, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    for (int fast = 0; fast < 2; fast++) {
        run(fused, fast, NULL, ROWS, ln_f32(x), ROWS, all.y, NULL, all.gradient);
        for (int64_t row = 0; row < ROWS; row++)
            for (int64_t rows = 1; rows <= 3; rows += 2) {
                run(fused, fast, NULL, rows, ln_f32(x) + row * WIDTH, 1, one.y, NULL, one.gradient);
                assert_same_bits(one.y, all.y + row * OUTPUTS, OUTPUTS * sizeof *one.y);
                assert_same_bits(one.gradient, all.gradient + row * WIDTH, WIDTH * sizeof *one.y);
            }
    }
    ln_graph_release(fused);
    ln_tensor_release(x);
    ln_graph_release(graph);
}

/* The last plan of a graph gives back weights that only the graph holds, once they are packed; what it
 * computes stays. */
static void packed_weights_are_held_once(void **state)
{
    ln_error err;
    ln_graph *graph = network(&err), *fused;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 4);
    static results wanted, got;
    (void)state;
    assert_non_null(graph);
    assert_ok(ln_graph_fuse(graph, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    run(fused, false, NULL, ROWS, ln_f32(x), ROWS, wanted.y, NULL, wanted.gradient);
    for (int alone = 0; alone < 2; alone++) {
        running r = run_new(fused, &(ln_plan_options){.rows = ROWS,
                                                      .gradients = fused->inputs,
                                                      .gradient_count = 1,
                                                      .last = true});
        const ln_tensor *weight = fused->values[value_of(fused, "a2.weight")].constant;
        assert_int_equal(weight->data == NULL, alone && ln_last_is_fast());
        assert_non_null(fused->values[value_of(fused, "fc")].constant->data);
        run_forward(&r, ln_f32(x), ROWS, WIDTH);
        memcpy(got.y, ln_exec_value(r.exec, fused->outputs[0]), sizeof got.y);
        assert_same_bits(got.y, wanted.y, sizeof got.y);
        run_free(&r);
        if (!alone) {
            ln_graph_release(graph); /* which held them, too */
            graph = NULL;
        }
    }
    ln_graph_release(fused);
    ln_tensor_release(x);
}

/* A convolution of single places runs over parts of large images: 41 x 40 of 48 channels and more. */
static void images_in_parts(void **state)
{
    enum { SIDE = 40, LINES = 41, CHANNELS = 48, RESULTS = 96, IN = CHANNELS * LINES * SIDE };
    const ln_shape shape = TEST_SHAPE(-1, CHANNELS, LINES, SIDE);
    ln_error err;
    net n = net_begin(&err);
    int x = -1;
    (void)state;
    n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err);
    x = convolution(&n, "c", x, TEST_SHAPE(RESULTS, CHANNELS, 1, 1),
                    &(ln_convolution_attributes){.groups = 1}, true);
    net_output(&n, net_layer(&n, "relu", "y", NULL, x));
    ln_graph *graph = net_end(&n), *fused;
    assert_ok(ln_graph_fuse(graph, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    ln_tensor *rows = tensor_random(TEST_SHAPE(2, IN), 3);
    const int64_t out = (int64_t)RESULTS * LINES * SIDE;
    float *wanted[2] = {NULL}, *seed = ln_calloc((size_t)(2 * out), sizeof *seed);
    for (int64_t i = 0; i < 2 * out; i++)
        seed[i] = (float)(i % 7) - 3;
    for (int which = 0; which < 2; which++) {
        ln_graph *own = which ? fused : graph;
        running r = run_new(
            own, &(ln_plan_options){.rows = 2, .gradients = own->inputs, .gradient_count = 1});
        run_forward(&r, ln_f32(rows), 2, IN);
        run_seed(&r, own->outputs[0], seed, (size_t)(2 * out));
        run_backward(&r);
        const float *y = ln_exec_value(r.exec, own->outputs[0]);
        const float *dx = ln_exec_gradient(r.exec, own->inputs[0]);
        for (int k = 0; k < 2; k++) {
            const size_t count = (size_t)(k ? 2 * IN : 2 * out);
            if (which) {
                assert_near_f32(k ? dx : y, wanted[k], count, 2e-5, 1e-5);
                continue;
            }
            wanted[k] = ln_calloc(count, sizeof(float));
            memcpy(wanted[k], k ? dx : y, count * sizeof(float));
        }
        run_free(&r);
    }
    ln_free(wanted[0]);
    ln_free(wanted[1]);
    ln_free(seed);
    ln_tensor_release(rows);
    ln_graph_release(fused);
    ln_graph_release(graph);
}

static bool has_node(const ln_graph *graph, const char *name)
{
    return ln_graph_find_node(graph, name) >= 0;
}

static const ln_layer *layer_of(const ln_graph *graph, const char *name)
{
    return graph->nodes[ln_graph_find_node(graph, name)].layer;
}

static int turns(const ln_graph *graph)
{
    int count = 0;
    for (int i = 0; i < graph->node_count; i++)
        count += strcmp(graph->nodes[i].layer->word.name, "turn") == 0;
    return count;
}

static void chains_become_one_node(void **state)
{
    static const char *const gone[] = {"stem.relu", "a1.relu", "a.sum", "a.relu",   "b.sum",
                                       "b.relu",    "c1.relu", "c.sum", "c3.bounds"};
    static const char *const left[] = {"stem", "a2", "b2", "b3", "c.sigmoid", "c.softmax"};
    ln_error err;
    ln_graph *graph = network(&err), *fused;
    (void)state;
    assert_non_null(graph);
    if (!ln_last_is_fast()) {
        ln_graph_release(graph);
        skip();
    }
    assert_ok(ln_graph_fuse(graph, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (has_node(fused, gone[i]))
            fail_msg("%s is still there", gone[i]);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (!has_node(fused, left[i]))
            fail_msg("%s is gone", left[i]);
    /* Convolutions of few channels stay as they are, with what follows them; the others have channels last. */
    assert_ptr_equal(layer_of(fused, "stem"), &ln_layer_conv2d_first);
    assert_ptr_equal(layer_of(fused, "b2"), &ln_layer_conv2d_last);
    assert_ptr_equal(layer_of(fused, "c3"), &ln_layer_conv2d_last);
    /* Before b1 and b3, before c1, around the softmax and before the second flatten; not before the first,
     * whose images have one place. */
    assert_int_equal(turns(fused), 5);
    ln_graph_release(fused);
    /* Nothing to gain without a convolution. */
    net n = net_begin(&err);
    net_hand(&n);
    ln_graph *dense = net_end(&n);
    assert_ok(ln_graph_fuse(dense, LN_FUSE_CHAINS, NULL, 0, &fused, &err));
    assert_ptr_equal(fused, dense);
    ln_graph_release(fused);
    ln_graph_release(dense);
    ln_graph_release(graph);
}

/* A profile names what ran, with its rows and work. */
static void a_profile_counts_what_ran(void **state)
{
    ln_error err;
    ln_graph *graph = network(&err);
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    ln_profile *profile;
    (void)state;
    assert_non_null(graph);
    assert_ok(ln_profile_new(&profile, &err));
    running r = run_new(graph, &(ln_plan_options){.rows = ROWS,
                                                  .gradients = graph->inputs,
                                                  .gradient_count = 1,
                                                  .profile = profile});
    for (int pass = 0; pass < 2; pass++) {
        run_forward(&r, ln_f32(x), ROWS - 1, WIDTH);
        run_backward(&r);
    }
    run_free(&r);
    int found = 0;
    for (int i = 0; i < profile->count; i++) {
        const ln_profile_line *line = &profile->lines[i];
        assert_int_equal(line->rows[0], 2 * (ROWS - 1));
        assert_int_equal(line->rows[1], 2 * (ROWS - 1));
        if (strcmp(line->node, "b1") == 0) {
            found++;
            assert_true(line->operations[0] == 2.0 * 3 * 3 * 24 * 20 * 9 * 2 * (ROWS - 1));
            assert_non_null(line->kernels[0]);
        }
        if (strcmp(line->node, "y") == 0) {
            found++;
            assert_true(line->operations[1] == 2.0 * OUTPUTS * 44 * 2 * (ROWS - 1));
        }
    }
    assert_int_equal(found, 2);
    assert_int_equal(profile->count, graph->node_count);
    ln_profile_sort(profile);
    for (int i = 1; i < profile->count; i++)
        assert_true(profile->lines[i].nanoseconds[0] + profile->lines[i].nanoseconds[1] <=
                    profile->lines[i - 1].nanoseconds[0] + profile->lines[i - 1].nanoseconds[1]);
    ln_profile_free(profile);
    ln_tensor_release(x);
    ln_graph_release(graph);
}

static ln_status fuse(void *context, ln_error *err)
{
    ln_graph *fused = NULL;
    ln_plan *plan = NULL;
    ln_status status = ln_graph_fuse(context, LN_FUSE_CHAINS, NULL, 0, &fused, err);
    if (!status)
        status = ln_plan_new(
            fused, &(ln_plan_options){.rows = 2, .gradients = fused->inputs, .gradient_count = 1},
            &plan, err);
    ln_plan_free(plan);
    ln_graph_release(fused);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = network(&err);
    assert_non_null(graph);
    sweep_allocation_failures(fuse, graph);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_stay_what_they_are),
        cmocka_unit_test(a_row_does_not_feel_the_others),
        cmocka_unit_test(packed_weights_are_held_once),
        cmocka_unit_test(images_in_parts),
        cmocka_unit_test(chains_become_one_node),
        cmocka_unit_test(a_profile_counts_what_ran),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("graph fuse", tests, NULL, NULL);
}
