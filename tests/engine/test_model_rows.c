/* The model as a whole: several inputs side by side, which output is meant, identity, bits that
 * depend on the row alone, and memory that runs out. */
#include "model_support.h"

#include "base/parallel.h"

/* ---------------------------------------------------------------- a graph with three inputs */

static int add_node(ln_graph *graph, const char *layer, const char *name, const void *attributes,
                    const int *inputs, int count)
{
    ln_error err;
    int node;
    assert_ok(ln_graph_add_node(graph, ln_layer_find(layer), layer, name, attributes, inputs, count,
                                &name, 1, &node, &err));
    return graph->nodes[node].outputs[0];
}

/* Inputs a (N, 2), unused (N, 1) and b (N, 2, 2); "sum" = dense of a and the flattened b, weights
 * 1 .. 6; "wide" = tanh b. */
static ln_graph *three_inputs(void)
{
    ln_error err;
    ln_graph *graph = NULL;
    int in[3], weight;
    const ln_shape shapes[] = {TEST_SHAPE(-1, 2), TEST_SHAPE(-1, 1), TEST_SHAPE(-1, 2, 2)};
    const char *const names[] = {"a", "unused", "b"};
    assert_ok(ln_graph_new(&graph, &err));
    for (int i = 0; i < 3; i++)
        assert_ok(ln_graph_add_input(graph, names[i], LN_F32, &shapes[i], &in[i], &err));
    ln_tensor *numbers = tensor_f32(TEST_SHAPE(1, 6), (float[]){1, 2, 3, 4, 5, 6});
    assert_ok(ln_graph_add_constant(graph, "weight", numbers, true, &weight, &err));
    ln_tensor_release(numbers);
    int flat = add_node(graph, "flatten", "flat", &(ln_flatten_attributes){1}, &in[2], 1);
    int both = add_node(graph, "concat", "both", &(ln_axis_attributes){1}, (int[]){in[0], flat}, 2);
    int sum = add_node(graph, "dense", "sum", &(ln_dense_attributes){.units = 1},
                       (int[]){both, weight}, 2);
    int wide = add_node(graph, "tanh", "wide", NULL, &in[2], 1);
    assert_ok(ln_graph_add_output(graph, sum, &err));
    assert_ok(ln_graph_add_output(graph, wide, &err));
    return graph;
}

static void inputs_lie_side_by_side(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = three_inputs();
    ln_model *model = NULL;
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    ln_function_options options = {.rows = 3, .gradient = true};
    assert_ok(ln_model_new("onnx", graph, "sum", NULL, LN_TASK_REGRESSION, &model, &err));
    assert_int_equal(model->width, 7);
    assert_int_equal(model->class_count, 0);
    for (int i = 0; i <= 3; i++)
        assert_int_equal(model->input_offset[i], ((int[]){0, 2, 3, 7})[i]);
    assert_ok(ln_function_new(model, &options, &function, &err));
    assert_ok(ln_runner_new(function, &runner, &err));
    /* Row r holds 10 r + its place; the third number reaches nothing. */
    float x[21], gradient[21], wanted[21];
    double value[3], sums[3];
    const float weight[] = {1, 2, 0, 3, 4, 5, 6};
    const ln_target targets[] = {{0, 1, 0}, {0, -1, 0}, {0, 2, 1}};
    for (int r = 0; r < 3; r++) {
        sums[r] = targets[r].offset;
        for (int i = 0; i < 7; i++) {
            x[7 * r + i] = (float)(10 * r + i);
            wanted[7 * r + i] = (float)targets[r].scale * weight[i];
            sums[r] += (double)(wanted[7 * r + i] * x[7 * r + i]);
        }
    }
    assert_ok(ln_runner_gradient(runner, x, targets, 3, value, gradient, &err));
    assert_near_f64(value, sums, 3, 0, 0);
    assert_near_f32(gradient, wanted, 21, 0, 0);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_model_release(model);
    ln_graph_release(graph);
}

static void which_output_is_meant(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_graph *graph = three_inputs();
    ln_model *model = NULL;
    assert_fails(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err),
                 LN_EINVALID, "2 outputs, 'sum' and 'wide'");
    assert_fails(ln_model_new("onnx", graph, "both", NULL, LN_TASK_CLASSIFICATION, &model, &err),
                 LN_EINVALID, "no output 'both': it has 'sum' and 'wide'");
    assert_ok(ln_model_new("onnx", graph, "wide", NULL, LN_TASK_CLASSIFICATION, &model, &err));
    assert_int_equal(model->output_count, 4);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 7), (float[]){0, 0, 0, 1, 2, 3, 4}), *y = NULL;
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &y, &err));
    for (int i = 0; i < 4; i++)
        assert_near_f32(ln_f32(y) + i, ((float[]){tanhf((float)i + 1)}), 1, 0, 1e-6);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_model_release(model);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- what is refused */

static ln_encoding *encoding_of(int width)
{
    ln_encoding *encoding = ln_calloc(1, sizeof *encoding);
    encoding->width = width;
    return encoding;
}

static void models_that_are_refused(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    int input, fixed, constant;
    const ln_shape shape = TEST_SHAPE(-1, 2);
    const size_t before = ln_memory_used();
    assert_ok(ln_graph_new(&graph, &err));
    assert_fails(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EINVALID, "no input");
    assert_ok(ln_graph_add_input(graph, "ids", LN_I64, &shape, &input, &err));
    assert_fails(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EINVALID, "no output");
    ln_graph_release(graph);

    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &input, &err));
    assert_fails(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EINVALID, "no output");
    ln_tensor *numbers = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 2});
    assert_ok(ln_graph_add_constant(graph, "c", numbers, false, &constant, &err));
    ln_tensor_release(numbers);
    fixed = add_node(graph, "tanh", "fixed", NULL, &constant, 1);
    assert_ok(ln_graph_add_output(graph, fixed, &err));
    assert_fails(ln_model_new("onnx", graph, "fixed", NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EUNSUPPORTED, "'fixed' does not depend on its input");
    assert_ok(ln_graph_add_output(graph, input, &err));
    /* The encoding is taken over, also on a failure. */
    assert_fails(ln_model_new("onnx", graph, "x", encoding_of(3), LN_TASK_REGRESSION, &model, &err),
                 LN_EINVALID, "2 numbers a row, but the encoded data have 3");
    graph->values[input].shape.dims[1] = -1;
    assert_fails(ln_model_new("onnx", graph, "x", NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EUNSUPPORTED, "'x' does not say how long axis 1 is");
    graph->values[input].shape = TEST_SHAPE(-1, INT64_MAX, 3);
    assert_fails(ln_model_new("onnx", graph, "x", NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EUNSUPPORTED, "too many numbers");
    ln_graph_release(graph);
    assert_int_equal(ln_memory_used(), before);
}

static void rows_that_do_not_fit(void **state)
{
    (void)state;
    ln_error err;
    const mlp net = {.sizes = {6, 2}};
    ln_model *model = mlp_model(&net);
    ln_tensor *y = NULL, *narrow = tensor_random(TEST_SHAPE(4, 5), 0),
              *doubles = tensor_zero(LN_F64, TEST_SHAPE(4, 6)),
              *none = tensor_zero(LN_F32, TEST_SHAPE(0, 6)),
              *image = tensor_random(TEST_SHAPE(4, 2, 3), 0);
    assert_fails(ln_model_forward(model, LN_LINK_RAW, narrow, NULL, &y, &err), LN_EINVALID,
                 "(4, 5): the model takes 6");
    assert_fails(ln_model_scores(model, doubles, NULL, &y, &err), LN_EINVALID, "f64");
    assert_ok(ln_model_forward(model, LN_LINK_RAW, none, NULL, &y, &err));
    assert_int_equal(y->shape.dims[0], 0);
    assert_int_equal(y->shape.dims[1], 2);
    ln_tensor_release(y);
    assert_ok(ln_model_forward(model, LN_LINK_RAW, image, NULL, &y, &err)); /* rows of 6 as well */
    assert_int_equal(y->shape.dims[0], 4);
    assert_int_equal(y->shape.dims[1], 2);
    ln_tensor_release(y);
    ln_tensor_release(narrow);
    ln_tensor_release(doubles);
    ln_tensor_release(none);
    ln_tensor_release(image);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- identity */

static void identity_is_weights_encoding_output_and_task(void **state)
{
    (void)state;
    ln_error err;
    const mlp net = {.sizes = {3, 4, 2}, .seed = 7};
    ln_model *model = mlp_model(&net), *same = mlp_model(&net), *other = NULL;
    assert_memory_equal(model->sha256, same->sha256, LN_SHA256_BYTES);
    constant_of(same, "dense_0.weight")[0] += 1;
    assert_ok(ln_model_rehash(same, &err));
    assert_memory_not_equal(model->sha256, same->sha256, LN_SHA256_BYTES);
    ln_model_release(same);

    assert_ok(ln_model_new("x", model->graph, NULL, NULL, LN_TASK_REGRESSION, &other, &err));
    assert_memory_not_equal(model->sha256, other->sha256, LN_SHA256_BYTES);
    ln_model_release(other);
    assert_ok(ln_model_new("x", model->graph, NULL, encoding_of(3), LN_TASK_CLASSIFICATION, &other,
                           &err));
    assert_memory_not_equal(model->sha256, other->sha256, LN_SHA256_BYTES);
    ln_model_release(other);

    ln_graph *graph = three_inputs();
    ln_model *wide = NULL;
    assert_ok(ln_model_new("x", graph, "sum", NULL, LN_TASK_CLASSIFICATION, &other, &err));
    assert_ok(ln_model_new("x", graph, "wide", NULL, LN_TASK_CLASSIFICATION, &wide, &err));
    assert_memory_not_equal(wide->sha256, other->sha256, LN_SHA256_BYTES);
    ln_model_release(other);
    ln_model_release(wide);
    ln_graph_release(graph);
    ln_model_release(ln_model_retain(model)); /* one reference is left */
    assert_string_equal(model->format, "network");
    ln_model_release(model);
}

/* ---------------------------------------------------------------- bits */

#define MOST_ROWS 70

static const mlp bit_nets[] = {
    {.sizes = {13, 37, 29, 3}, .seed = 1},
    {.sizes = {5, 8, 1}, .seed = 2},
    {.sizes = {70, 64, 16, 2}, .ending = "softmax", .seed = 3},
};

/* Any number of rows from any place, on any number of threads: each row as in the whole. */
static void forward_bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    ln_error err;
    ln_pool *pools[3] = {NULL};
    assert_ok(ln_pool_new(2, &pools[1], &err));
    assert_ok(ln_pool_new(5, &pools[2], &err));
    for (size_t n = 0; n < sizeof bit_nets / sizeof bit_nets[0]; n++) {
        ln_model *model = mlp_model(&bit_nets[n]);
        ln_tensor *x = tensor_random(TEST_SHAPE(6 * MOST_ROWS, model->width), n), *whole, *part, *y;
        for (int link = LN_LINK_RAW; link <= LN_LINK_LOSS; link++) {
            assert_ok(ln_model_forward(model, (ln_link)link, x, NULL, &whole, &err));
            const int64_t outputs = whole->shape.dims[1];
            for (int p = 1; p < 3; p++) {
                assert_ok(ln_model_forward(model, (ln_link)link, x, pools[p], &y, &err));
                assert_same_tensor(y, whole);
                ln_tensor_release(y);
            }
            for (int64_t count = 1; count <= MOST_ROWS; count++) {
                const int64_t first = (count * 37) % (5 * MOST_ROWS);
                assert_ok(ln_tensor_rows(x, first, count, &part, &err));
                assert_ok(ln_model_forward(model, (ln_link)link, part, NULL, &y, &err));
                assert_same_bits(ln_f32(y), ln_f32(whole) + first * outputs,
                                 (size_t)(count * outputs) * sizeof(float));
                ln_tensor_release(part);
                ln_tensor_release(y);
            }
            ln_tensor_release(whole);
        }
        ln_tensor_release(x);
        ln_model_release(model);
    }
    ln_pool_free(pools[1]);
    ln_pool_free(pools[2]);
}

/* Functions planned for 1, 3, 8 and 64 rows, called with every number of rows, more than planned
 * too, and again after other rows: numbers and gradients of each row keep their bits. */
/* Behind the first dense layer, given that layer's own numbers: the bits of the whole model. */
static void a_function_behind_a_layer_goes_on_from_there(void **state)
{
    (void)state;
    ln_error err;
    for (size_t n = 0; n < sizeof bit_nets / sizeof bit_nets[0]; n++) {
        ln_model *model = mlp_model(&bit_nets[n]);
        ln_tensor *x = tensor_random(TEST_SHAPE(11, model->width), n), *whole;
        for (int link = LN_LINK_RAW; link <= LN_LINK_LOSS; link++) {
            ln_first_dense dense;
            ln_function *front, *behind;
            ln_runner *first, *second;
            assert_ok(ln_model_first_dense(model, (ln_link)link, &dense, &err));
            if (!dense.weight)
                continue; /* checked below for one that is sure to have it */
            assert_ok(ln_model_forward(model, (ln_link)link, x, NULL, &whole, &err));
            const ln_function_options options[] = {
                {.link = (ln_link)link, .rows = 4, .layer = &dense.value},
                {.link = (ln_link)link, .rows = 4, .behind = &dense.value}};
            assert_ok(ln_function_new(model, &options[0], &front, &err));
            assert_ok(ln_function_new(model, &options[1], &behind, &err));
            assert_ok(ln_runner_new(front, &first, &err));
            assert_ok(ln_runner_new(behind, &second, &err));
            float *h = ln_calloc((size_t)(11 * dense.outputs), sizeof *h);
            float *y = ln_calloc(whole->bytes, 1);
            assert_int_equal(dense.inputs, model->width);
            assert_ok(ln_runner_layer(first, ln_f32(x), NULL, 11, NULL, h, NULL, &err));
            assert_ok(ln_runner_forward(second, h, 11, y, &err));
            assert_same_bits(y, ln_f32(whole), whole->bytes);
            float *place = ln_runner_place(second, 3);
            memcpy(place, h, (size_t)(3 * dense.outputs) * sizeof *h);
            memset(y, 0, whole->bytes);
            assert_ok(ln_runner_forward(second, place, 3, y, &err));
            assert_same_bits(y, ln_f32(whole), whole->bytes / 11 * 3);
            ln_free(h);
            ln_free(y);
            ln_runner_free(first);
            ln_runner_free(second);
            ln_function_free(front);
            ln_function_free(behind);
            ln_tensor_release(whole);
        }
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* Only where everything goes through that layer, and something comes after it. */
static void where_a_first_dense_layer_is(void **state)
{
    (void)state;
    ln_error err;
    static const struct {
        const char *before; /* a layer before the first dense one, or NULL */
        int dense;
        bool found;
        bool relu; /* behind the first dense one */
    } cases[] = {{NULL, 2, true, false},     {NULL, 1, false, false},  {"dropout", 2, true, false},
                 {"tanh", 2, false, false},  {"relu", 2, false, true}, {NULL, 2, true, true},
                 {"dropout", 2, true, true}, {NULL, 1, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_declaration declaration;
        ln_first_dense dense;
        const ln_shape shape = TEST_SHAPE(5);
        assert_ok(ln_declare_begin(&shape, 3, &declaration, &err));
        if (cases[i].before)
            declare_word(&declaration, cases[i].before);
        for (int k = 0; k < cases[i].dense; k++) {
            declare_dense(&declaration, 4);
            if (k == 0 && cases[i].relu)
                declare_word(&declaration, "relu");
        }
        ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
        assert_ok(ln_model_first_dense(model, LN_LINK_RAW, &dense, &err));
        assert_int_equal(dense.weight != NULL, cases[i].found);
        /* The relu is part of it where something follows that. */
        assert_int_equal(dense.cut, cases[i].found && cases[i].relu && cases[i].dense > 1);
        /* A softmax behind the only dense layer is enough to come after it. */
        assert_ok(ln_model_first_dense(model, LN_LINK_PROBABILITY, &dense, &err));
        assert_int_equal(dense.weight != NULL, cases[i].found || (!cases[i].before));
        ln_model_release(model);
    }
}

static void gradient_bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    ln_error err;
    static const int64_t planned[] = {64, 1, 3, 8};
    for (size_t n = 0; n < sizeof bit_nets / sizeof bit_nets[0]; n++) {
        ln_model *model = mlp_model(&bit_nets[n]);
        const int64_t width = model->width;
        ln_tensor *x = tensor_random(TEST_SHAPE(MOST_ROWS, width), n);
        ln_target targets[MOST_ROWS];
        double value[MOST_ROWS], value_once[MOST_ROWS];
        float *once = ln_alloc(MOST_ROWS * (size_t)width * sizeof *once);
        float *again = ln_alloc(MOST_ROWS * (size_t)width * sizeof *again);
        for (int64_t r = 0; r < MOST_ROWS; r++)
            assert_ok(
                ln_model_target(model, LN_LINK_LOSS, r % model->class_count, &targets[r], &err));
        for (int p = 0; p < 4; p++) {
            ln_function_options options = {
                .link = LN_LINK_LOSS, .rows = planned[p], .gradient = true};
            ln_function *function = NULL;
            ln_runner *runner = NULL;
            assert_ok(ln_function_new(model, &options, &function, &err));
            assert_ok(ln_runner_new(function, &runner, &err));
            if (p == 0)
                assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, MOST_ROWS, value_once,
                                             once, &err));
            for (int64_t count = 1; count <= MOST_ROWS; count++) {
                const int64_t first = MOST_ROWS - count;
                assert_ok(ln_runner_gradient(runner, ln_f32(x) + first * width, targets + first,
                                             count, value, again, &err));
                assert_same_bits(value, value_once + first, (size_t)count * sizeof *value);
                assert_same_bits(again, once + first * width,
                                 (size_t)(count * width) * sizeof *again);
            }
            ln_runner_free(runner);
            ln_function_free(function);
        }
        ln_free(once);
        ln_free(again);
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- memory */

typedef struct whole_use {
    ln_graph *graph;
    ln_tensor *x;
    ln_link link;
} whole_use;

static ln_status use_model(void *context, ln_error *err)
{
    whole_use *use = context;
    ln_model *model = NULL;
    ln_tensor *y = NULL, *scores = NULL;
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    ln_function_options options = {.link = use->link, .rows = 3, .gradient = true};
    const ln_target targets[5] = {{0, 1, 0}, {1, 1, 0}, {0, 1, 0}, {1, 1, 0}, {0, 1, 0}};
    float gradient[5 * 4];
    ln_status status =
        ln_model_new("x", use->graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, err);
    if (!status)
        status = ln_model_forward(model, use->link, use->x, NULL, &y, err);
    if (!status)
        status = ln_model_scores(model, use->x, NULL, &scores, err);
    if (!status)
        status = ln_function_new(model, &options, &function, err);
    if (!status)
        status = ln_runner_new(function, &runner, err);
    if (!status)
        status = ln_runner_gradient(runner, ln_f32(use->x), targets, 5, NULL, gradient, err);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_tensor_release(y);
    ln_tensor_release(scores);
    ln_model_release(model);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    const mlp net = {.sizes = {4, 5, 2}};
    ln_model *model = mlp_model(&net);
    whole_use use = {.graph = model->graph, .x = tensor_random(TEST_SHAPE(5, 4), 1)};
    use.link = LN_LINK_RAW;
    sweep_allocation_failures(use_model, &use);
    use.link = LN_LINK_LOSS;
    sweep_allocation_failures(use_model, &use);
    ln_tensor_release(use.x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_lie_side_by_side),
        cmocka_unit_test(which_output_is_meant),
        cmocka_unit_test(models_that_are_refused),
        cmocka_unit_test(rows_that_do_not_fit),
        cmocka_unit_test(identity_is_weights_encoding_output_and_task),
        cmocka_unit_test(forward_bits_depend_on_the_row_alone),
        cmocka_unit_test(a_function_behind_a_layer_goes_on_from_there),
        cmocka_unit_test(where_a_first_dense_layer_is),
        cmocka_unit_test(gradient_bits_depend_on_the_row_alone),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
