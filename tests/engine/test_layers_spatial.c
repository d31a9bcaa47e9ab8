/* layers: convolutions and poolings of many drawn shapes against naive references, further outputs, the
 * words of their errors, and memory that runs out. */
#include "layers_cases_batch_norm.h"
#include "layers_cases_spatial.h"

/* ---------------------------------------------------------------- drawn cases */

static int64_t draw(ln_rng *rng, int64_t least, int64_t most)
{
    return least + (int64_t)ln_rng_below(rng, (uint64_t)(most - least + 1));
}

/* One number an axis, or one for all. */
static ln_ints draw_list(ln_rng *rng, int axes, int64_t least, int64_t most)
{
    ln_ints list = {.count = draw(rng, 0, 2) ? axes : 1};
    for (int i = 0; i < list.count; i++)
        list.at[i] = draw(rng, least, most);
    return list;
}

static void draw_convolution(ln_rng *rng, int axes, bool transposed)
{
    char word[32];
    ln_convolution_attributes own = {.groups = draw(rng, 1, 3),
                                     .stride = draw_list(rng, axes, 1, 3),
                                     .dilation = draw_list(rng, axes, 1, 2),
                                     .padding = draw_list(rng, axes, 0, 2)};
    if (draw(rng, 0, 2) == 0)
        own.padding_after = draw_list(rng, axes, 0, 2);
    if (transposed)
        own.output_padding = (ln_ints){1, {draw(rng, 0, 1)}};
    for (int i = 0; i < own.stride.count && transposed; i++)
        own.stride.at[i] += own.output_padding.at[0]; /* 2 or more where something is added */
    layer_case layer = {
        "drawn", word, &own, 1, 2 + (int)draw(rng, 0, 1), {ROW(0)}, convolution_reference};
    const int64_t channels = own.groups * draw(rng, 1, 2), outputs = own.groups * draw(rng, 1, 3);
    snprintf(word, sizeof word, "conv%s%dd", transposed ? "_transpose" : "", axes);
    layer.shapes[0] = (ln_shape){1 + axes, {channels}};
    layer.shapes[1] = (ln_shape){2 + axes, {outputs, channels / own.groups}};
    if (transposed) {
        layer.shapes[1].dims[0] = channels;
        layer.shapes[1].dims[1] = outputs / own.groups;
    }
    layer.shapes[2] = (ln_shape){1, {outputs}};
    for (int i = 0; i < axes; i++) {
        layer.shapes[0].dims[1 + i] = draw(rng, axes == 1 ? 5 : 3, axes == 1 ? 40 : 6);
        layer.shapes[1].dims[2 + i] = draw(rng, transposed ? 2 : 1, 3);
    }
    for (int i = 0; i < axes && transposed; i++) /* something must be left */
        if (layer.shapes[0].dims[1 + i] < 5)
            layer.shapes[0].dims[1 + i] = 5;
    if (axes == 3)
        own.stride = (ln_ints){1, {2}};
    check_case(&layer, 2);
}

static void drawn_convolutions_match_their_reference(void **state)
{
    (void)state;
    for (int i = 0; i < 90; i++) {
        ln_rng rng = ln_rng_make(5, "drawn convolutions", 0, (uint64_t)i);
        draw_convolution(&rng, 1 + i % 3, i % 2 == 1);
    }
}

static void draw_pool(ln_rng *rng, int axes, const char *kind)
{
    char word[32];
    ln_pool_attributes own = {.kernel_size = draw_list(rng, axes, 1, 3),
                              .dilation = draw_list(rng, axes, 1, 2),
                              .ceil_mode = draw(rng, 0, 1) == 1,
                              .count_include_pad = draw(rng, 0, 1) == 1,
                              .norm_type = (double)(1 + draw(rng, 0, 2)),
                              .absolute = true};
    layer_case layer = {"drawn", word, &own, 1, 1, {{1 + axes, {draw(rng, 1, 2)}}}, pool_reference};
    if (draw(rng, 0, 1) == 1)
        own.stride = draw_list(rng, axes, 1, 3);
    if (own.kernel_size.count == 1 && own.kernel_size.at[0] > 1 && own.dilation.at[0] == 1 &&
        own.dilation.count == 1) {
        own.padding = draw_list(rng, axes, 0, 1);
        own.padding_after = draw_list(rng, axes, 0, 1);
    }
    for (int i = 0; i < axes; i++)
        layer.shapes[0].dims[1 + i] = draw(rng, 5, axes == 1 ? 30 : 7);
    snprintf(word, sizeof word, "%s_pool%dd", kind, axes);
    check_case(&layer, 2);
}

static void drawn_poolings_match_their_reference(void **state)
{
    static const char *const kinds[] = {"max", "avg", "lp"};
    (void)state;
    for (int i = 0; i < 90; i++) {
        ln_rng rng = ln_rng_make(6, "drawn poolings", 0, (uint64_t)i);
        draw_pool(&rng, 1 + i % 3, kinds[i / 3 % 3]);
    }
}

/* ---------------------------------------------------------------- further outputs */

/* A node of two or three outputs on one row of given numbers; the values of each output. */
static void run_outputs(const char *word, const void *attributes, ln_shape row, const float *x,
                        int outputs, const void **got, ln_graph **graph, ln_plan **plan,
                        ln_exec **exec)
{
    static const char *const names[] = {"y", "second", "third"};
    ln_error err;
    int input, node;
    ln_shape shape = {.rank = row.rank + 1, .dims = {-1}};
    memcpy(shape.dims + 1, row.dims, (size_t)row.rank * sizeof(int64_t));
    assert_ok(ln_graph_new(graph, &err));
    assert_ok(ln_graph_add_input(*graph, "x", LN_F32, &shape, &input, &err));
    assert_ok(ln_graph_add_node(*graph, ln_layer_find(word), word, "node", attributes, &input, 1,
                                names, outputs, &node, &err));
    for (int i = 0; i < outputs; i++)
        assert_ok(ln_graph_add_output(*graph, (*graph)->nodes[node].outputs[i], &err));
    const ln_plan_options options = {.rows = 1, .gradients = &input, .gradient_count = 1};
    assert_ok(ln_plan_new(*graph, &options, plan, &err));
    assert_ok(ln_exec_new(*plan, exec, &err));
    memcpy(ln_exec_input(*exec, 0), x, (size_t)ln_shape_count(&row) * sizeof *x);
    assert_ok(ln_exec_forward(*exec, 1, &err));
    for (int i = 0; i < outputs; i++)
        got[i] = ln_exec_value(*exec, (*graph)->nodes[node].outputs[i]);
}

/* Of equals the first is the greatest; a NaN wins. Places count through the channels. */
static void max_pool_says_where(void **state)
{
    const ln_pool_attributes own = {.kernel_size = SIZE(2)};
    const float x[] = {1, 3, 2, 2, 3, 0, 1, 2, /* second channel */ 5, NAN, 4, 4, 6, 7, 4, 4};
    const float wanted[] = {3, 2, NAN, 4};
    const int64_t places[] = {1, 2, 9, 10}, columns[] = {2, 4, 10, 12};
    const ln_pool_attributes turned = {.kernel_size = SIZE(2), .by_columns = true};
    const void *got[2];
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    (void)state;
    run_outputs("max_pool2d", &own, TEST_SHAPE(2, 2, 4), x, 2, got, &graph, &plan, &exec);
    assert_near_f32(got[0], wanted, 4, 0, 0);
    assert_same_bits(got[1], places, sizeof places);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
    run_outputs("max_pool2d", &turned, TEST_SHAPE(2, 2, 4), x, 2, got, &graph, &plan, &exec);
    assert_same_bits(got[1], columns, sizeof columns);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
}

/* y, mean and 1 / deviation of (1, 3): 2 and 1; the gradient of each with respect to x. */
static void layer_norm_gives_its_moments(void **state)
{
    const ln_layer_norm_attributes own = {.eps = 3};
    const float x[] = {1, 3}, wanted[] = {-0.5f, 0.5f};
    const float half = 0.5f, two = 2;
    const float gradients[3][2] = {{0.1875f, -0.1875f}, {0.5f, 0.5f}, {0.0625f, -0.0625f}};
    const void *got[3];
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    (void)state;
    run_outputs("layer_norm", &own, TEST_SHAPE(2), x, 3, got, &graph, &plan, &exec);
    assert_near_f32(got[0], wanted, 2, 1e-7, 0);
    assert_near_f32(got[1], &two, 1, 1e-7, 0);
    assert_near_f32(got[2], &half, 1, 1e-7, 0);
    for (int i = 0; i < 3; i++) {
        assert_ok(ln_exec_forward(exec, 1, &err));
        ln_exec_seed(exec, graph->nodes[0].outputs[i])[0] = 1;
        assert_ok(ln_exec_backward(exec, &err));
        assert_near_f32(ln_exec_gradient(exec, 0), gradients[i], 2, 1e-6, 0);
    }
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- errors */

static void refused(const char *word, const void *attributes, int count, ln_shape x,
                    ln_shape second, ln_shape third, const char *message)
{
    ln_graph *graph = NULL;
    ln_error err;
    int values[3];
    const ln_shape shapes[] = {x, second, third};
    const char *const names[] = {"x", "weight", "bias"}, *result = "y";
    assert_ok(ln_graph_new(&graph, &err));
    for (int i = 0; i < count; i++) {
        ln_shape shape = {.rank = shapes[i].rank + 1, .dims = {-1}};
        memcpy(shape.dims + 1, shapes[i].dims, (size_t)shapes[i].rank * sizeof(int64_t));
        ln_tensor *constant = tensor_zero(LN_F32, i == 0 ? TEST_SHAPE(1) : shapes[i]);
        if (i == 0)
            assert_ok(ln_graph_add_input(graph, names[i], LN_F32, &shape, &values[i], &err));
        else
            assert_ok(ln_graph_add_constant(graph, names[i], constant, true, &values[i], &err));
        ln_tensor_release(constant);
    }
    assert_fails(ln_graph_add_node(graph, ln_layer_find(word), word, "node", attributes, values,
                                   count, &result, 1, NULL, &err),
                 LN_EINVALID, message);
    ln_graph_release(graph);
}

static void shapes_that_do_not_fit_are_refused_in_words(void **state)
{
    const ln_shape none = {0}, image = TEST_SHAPE(4, 6, 5);
    (void)state;
    refused("conv2d", CONVOLUTION(0), 2, TEST_SHAPE(4, 6), TEST_SHAPE(2, 4, 3, 3), none,
            "its input has shape (N, 4, 6): it must be (N, channels, height, width)");
    refused(
        "conv2d", CONVOLUTION(0), 2, image, TEST_SHAPE(2, 3, 3, 3), none,
        "its input has 4 channels: with a weight of shape (2, 3, 3, 3) and 1 group it must have "
        "3");
    refused("conv2d", CONVOLUTION(0), 2, image, TEST_SHAPE(2, 4, 3), none,
            "its weight has shape (2, 4, 3): it must have 4 axes");
    refused("conv2d", CONVOLUTION(.groups = 3), 2, image, TEST_SHAPE(3, 1, 3, 3), none,
            "its input has 4 channels: they cannot be shared out to 3 groups");
    refused("conv2d", CONVOLUTION(.groups = 2), 2, image, TEST_SHAPE(3, 2, 3, 3), none,
            "it makes 3 channels: they cannot be shared out to 2 groups");
    refused("conv2d", CONVOLUTION(0), 3, image, TEST_SHAPE(2, 4, 3, 3), TEST_SHAPE(3),
            "its bias has shape (3,): it must be (2,)");
    refused("conv2d", CONVOLUTION(.padding = SIZE(1)), 2, image, TEST_SHAPE(2, 4, 3, 8), none,
            "its window spans 8 elements of an axis that has 7 with its padding");
    refused("conv2d", CONVOLUTION(.stride = {3, {1, 1, 1}}), 2, image, TEST_SHAPE(2, 4, 3, 3), none,
            "its stride has 3 numbers: one for all axes or 2 are possible");
    refused("conv1d", CONVOLUTION(.stride = SIZES(1, 1)), 2, TEST_SHAPE(4, 6), TEST_SHAPE(2, 4, 3),
            none, "its stride has 2 numbers: it slides along 1 axis");
    refused("conv2d", CONVOLUTION(.stride = SIZE(-1)), 2, image, TEST_SHAPE(2, 4, 3, 3), none,
            "its stride is -1: 1 to 16777216 are possible");
    refused("conv2d", CONVOLUTION(.stride = SIZE(2), .padding = {.count = -1}), 2, image,
            TEST_SHAPE(2, 4, 3, 3), none, "its padding is \"same\": the stride must then be 1");
    refused("conv_transpose2d", CONVOLUTION(0), 2, image, TEST_SHAPE(3, 2, 3, 3), none,
            "it must have 3");
    refused("conv_transpose2d", CONVOLUTION(.output_padding = SIZE(1)), 2, image,
            TEST_SHAPE(4, 2, 3, 3), none,
            "its output_padding is 1: it must be smaller than the stride or the dilation");
    refused("conv_transpose2d", CONVOLUTION(.padding = SIZE(4)), 2, image, TEST_SHAPE(4, 2, 3, 3),
            none, "its padding of 4 and 4 takes away all of the result");
    refused("max_pool2d", POOL(.kernel_size = SIZE(2), .padding = SIZE(2)), 1, image, none, none,
            "leaves windows without an element of the input: it must be smaller than the kernel");
    refused("max_pool2d", POOL(.kernel_size = SIZE(9)), 1, image, none, none,
            "its window spans 9 elements of an axis that has 6");
    refused("adaptive_avg_pool2d", ADAPTIVE(.output_size = {3, {1, 1, 1}}), 1, image, none, none,
            "its output_size has 3 numbers: one for all axes or 2 are possible");
    refused("group_norm", &(ln_group_norm_attributes){.num_groups = 3}, 1, image, none, none,
            "its input has 4 channels: they cannot be shared out to 3 groups");
    refused("layer_norm", &(ln_layer_norm_attributes){.normalized_shape = SIZE(6)}, 1, image, none,
            none, "by its normalized_shape axis 3 must be 6");
    refused("layer_norm", &(ln_layer_norm_attributes){.axes = 4}, 1, image, none, none,
            "there are no 4 axes beside the rows");
    refused("instance_norm2d", &(ln_channel_norm_attributes){0}, 2, image, TEST_SHAPE(3), none,
            "its weight has shape (3,): it must have 4 numbers");
    refused("instance_norm1d", &(ln_channel_norm_attributes){0}, 1, image, none, none,
            "it must be (N, channels, length)");
    refused("batch_norm2d", &(ln_channel_norm_attributes){0}, 1, image, none, none,
            "it has no running mean and variance");
    refused("local_response_norm", &(ln_response_norm_attributes){.size = 1, .outer = 4}, 1, image,
            none, none, "it must be (N, channels, ...)");
}

/* ---------------------------------------------------------------- memory */

static ln_status make_and_run(void *context, ln_error *err)
{
    const layer_bed *bed = context;
    const ln_plan_options options = {
        .rows = 3, .gradients = bed->values, .gradient_count = 1, .training = true};
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_status status = ln_plan_new(bed->graph, &options, &plan, err);
    if (!status)
        status = ln_exec_new(plan, &exec, err);
    if (!status)
        status = ln_exec_forward(exec, 3, err);
    if (!status)
        status = ln_exec_backward(exec, err);
    ln_exec_free(exec);
    ln_plan_free(plan);
    return status;
}

static void memory_that_runs_out_is_an_error(void **state)
{
    static const char *const words[] = {"conv2d", "conv_transpose2d", "max_pool2d",
                                        "adaptive_avg_pool2d", "layer_norm"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t j = 0; j < sizeof spatial_cases / sizeof *spatial_cases; j++)
            if (strcmp(spatial_cases[j].label, words[i]) == 0) {
                layer_bed bed = layer_bed_make(&spatial_cases[j]);
                sweep_allocation_failures(make_and_run, &bed);
                ln_graph_release(bed.graph);
            }
    layer_bed bed = layer_bed_make(&batch_norms[2]);
    sweep_allocation_failures(make_and_run, &bed);
    ln_graph_release(bed.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_convolutions_match_their_reference),
        cmocka_unit_test(drawn_poolings_match_their_reference),
        cmocka_unit_test(max_pool_says_where),
        cmocka_unit_test(layer_norm_gives_its_moments),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused_in_words),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests_name("layers_spatial", tests, NULL, NULL);
}
