/* Building and copying graphs. */
#include "graph_support.h"

static ln_error err;

static ln_graph *hand_graph(void)
{
    net n = net_begin(&err);
    net_hand(&n);
    return net_end(&n);
}

/* ---------------------------------------------------------------- building */

static void values_and_nodes_are_what_was_added(void **state)
{
    (void)state;
    const size_t before = ln_memory_used();
    ln_graph *graph = hand_graph();
    char text[64];
    assert_int_equal(graph->node_count, 3);
    assert_int_equal(graph->value_count, 8);
    assert_int_equal(graph->input_count, 1);
    assert_int_equal(graph->output_count, 1);
    const ln_node *first = &graph->nodes[ln_graph_find_node(graph, "first")];
    assert_string_equal(first->name, "first");
    assert_string_equal(first->operator_name, "dense");
    assert_ptr_equal(first->layer, ln_layer_find("dense"));
    assert_int_equal(first->input_count, 3);
    assert_int_equal(first->inputs[0], graph->inputs[0]);
    assert_int_equal(first->inputs[1], value_of(graph, "first.weight"));
    assert_int_equal(first->inputs[2], value_of(graph, "first.bias"));
    const ln_value *x = &graph->values[value_of(graph, "x")];
    const ln_value *weight = &graph->values[value_of(graph, "first.weight")];
    const ln_value *hidden = &graph->values[value_of(graph, "hidden")];
    assert_int_equal(x->kind, LN_VALUE_INPUT);
    assert_int_equal(x->producer, -1);
    assert_false(x->fixed);
    assert_int_equal(weight->kind, LN_VALUE_CONSTANT);
    assert_true(weight->fixed && weight->trainable);
    assert_int_equal(hidden->kind, LN_VALUE_RESULT);
    assert_int_equal(hidden->producer, 1);
    assert_string_equal(ln_shape_text(&hidden->shape, text, sizeof text), "(N, 4)");
    assert_int_equal(graph->outputs[0], value_of(graph, "second"));
    assert_int_equal(ln_graph_find_value(graph, "secon"), -1);
    assert_int_equal(ln_graph_find_value(graph, "second2"), -1);
    assert_int_equal(ln_graph_find_node(graph, ""), -1);
    assert_ptr_equal(ln_graph_retain(graph), graph);
    ln_graph_release(graph);
    assert_int_equal(graph->node_count, 3); /* still there for the other holder */
    ln_graph_release(graph);
    ln_graph_release(NULL);
    assert_int_equal(ln_memory_used(), before);
}

/* Tries to add a node called "bad" that reads `inputs`. */
static ln_status add_bad(ln_graph *graph, const char *word, const void *attributes,
                         const int *inputs, int count)
{
    const char *result = "bad";
    return ln_graph_add_node(graph, ln_layer_find(word), "Op", "bad", attributes, inputs, count,
                             &result, 1, NULL, &err);
}

static void names_are_unique(void **state)
{
    (void)state;
    ln_graph *graph = hand_graph();
    const int values = graph->value_count, x = graph->inputs[0];
    const ln_shape shape = TEST_SHAPE(-1, 3);
    ln_tensor *tensor = tensor_zero(LN_F32, TEST_SHAPE(2));
    int id;
    assert_fails(ln_graph_add_input(graph, "hidden", LN_F32, &shape, &id, &err), LN_EINVALID,
                 "two values of the graph are named 'hidden'");
    assert_fails(ln_graph_add_constant(graph, "x", tensor, false, &id, &err), LN_EINVALID,
                 "named 'x'");
    assert_int_equal(tensor->references, 1);
    const char *results[] = {"new", "new"};
    assert_fails(ln_graph_add_node(graph, ln_layer_find("relu"), "Relu", "first", NULL, &x, 1,
                                   results, 1, NULL, &err),
                 LN_EINVALID, "Relu 'first': two nodes of the graph have this name");
    assert_fails(
        ln_graph_add_node(graph, &halves, "Split", "cut", NULL, &x, 1, results, 2, NULL, &err),
        LN_EINVALID, "Split 'cut': two values of the graph are named 'new'");
    /* What failed left nothing behind. */
    assert_int_equal(graph->value_count, values);
    assert_int_equal(graph->input_count, 1);
    assert_int_equal(graph->node_count, 3);
    assert_int_equal(ln_graph_find_value(graph, "new"), -1);
    assert_int_equal(ln_graph_find_node(graph, "cut"), -1);
    results[1] = "other";
    assert_ok(
        ln_graph_add_node(graph, &halves, "Split", "cut", NULL, &x, 1, results, 2, &id, &err));
    assert_int_equal(id, 3);
    assert_int_equal(graph->nodes[3].outputs[0], value_of(graph, "new"));
    assert_int_equal(graph->nodes[3].outputs[1], value_of(graph, "other"));
    ln_tensor_release(tensor);
    ln_graph_release(graph);
}

static void inputs_that_a_layer_cannot_take(void **state)
{
    (void)state;
    ln_graph *graph = hand_graph();
    int x = graph->inputs[0], whole, empty, ids[9];
    ln_tensor *numbers = tensor_zero(LN_I64, TEST_SHAPE(2)),
              *none = tensor_zero(LN_F32, TEST_SHAPE(0, 3));
    const char *names[9] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    assert_ok(ln_graph_add_constant(graph, "numbers", numbers, false, &whole, &err));
    assert_ok(ln_graph_add_constant(graph, "none", none, false, &empty, &err));
    const int values = graph->value_count;
    for (int i = 0; i < 9; i++)
        ids[i] = x;
    assert_fails(add_bad(graph, "dense", NULL, ids, 1), LN_EINVALID,
                 "Op 'bad': it has 1 inputs; 'dense' takes 2");
    assert_fails(add_bad(graph, "relu", NULL, ids, 2), LN_EINVALID, "has 2 inputs; 'relu' takes 1");
    assert_fails(add_bad(graph, "add", NULL, ids, 1), LN_EINVALID, "'add' takes 2 or more");
    assert_fails(add_bad(graph, "relu", NULL, (int[]){-1}, 1), LN_EINVALID, "input 0 is missing");
    assert_fails(add_bad(graph, "add", NULL, (int[]){x, x, -1}, 3), LN_EINVALID,
                 "input 2 is missing");
    assert_fails(add_bad(graph, "relu", NULL, &whole, 1), LN_EUNSUPPORTED,
                 "'numbers' holds i64 numbers; 'relu' computes in f32");
    assert_fails(add_bad(graph, "relu", NULL, &empty, 1), LN_EINVALID,
                 "'none' has shape (0, 3): nothing may be 0");
    assert_fails(ln_graph_add_node(graph, &halves, "Op", "bad", NULL, &x, 1, names, 9, NULL, &err),
                 LN_EUNSUPPORTED, "it has 9 outputs: 1 to 8 are possible");
    assert_fails(ln_graph_add_node(graph, &halves, "Op", "bad", NULL, &x, 1, names, 0, NULL, &err),
                 LN_EUNSUPPORTED, "it has 0 outputs");
    assert_int_equal(graph->value_count, values);
    assert_int_equal(graph->node_count, 3);
    ln_tensor_release(numbers);
    ln_tensor_release(none);
    ln_graph_release(graph);
}

static void inputs_need_rows_and_known_axes(void **state)
{
    (void)state;
    ln_graph *graph = NULL;
    int id;
    const ln_shape scalar = TEST_SCALAR, open = TEST_SHAPE(-1, 3, -1), batch = TEST_SHAPE(8, 3),
                   huge = TEST_SHAPE(-1, 1 << 20, 1 << 20, 2),
                   overflow = TEST_SHAPE(-1, INT64_MAX / 2, 3);
    assert_ok(ln_graph_new(&graph, &err));
    assert_fails(ln_graph_add_input(graph, "x", LN_F32, &scalar, &id, &err), LN_EUNSUPPORTED,
                 "needs rows");
    assert_fails(ln_graph_add_input(graph, "x", LN_F32, &open, &id, &err), LN_EUNSUPPORTED,
                 "shape (N, 3, N): every dimension but the first must be known");
    assert_fails(ln_graph_add_input(graph, "x", LN_F32, &huge, &id, &err), LN_EUNSUPPORTED,
                 "input 'x': its shape (N, 1048576, 1048576, 2) is too large");
    assert_fails(ln_graph_add_input(graph, "x", LN_F32, &overflow, &id, &err), LN_EUNSUPPORTED,
                 "too large: at most 1099511627776 numbers a row are possible");
    assert_int_equal(graph->value_count, 0);
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &batch, &id, &err));
    assert_int_equal(graph->values[id].shape.dims[0], -1); /* whatever stood there */
    ln_graph_release(graph);
}

/* x (N, n) as a column plus x as a line is (N, n, n): the width is squared each time, and the sixth
 * square is beyond 64 bits. A file of a few hundred bytes can say that. */
static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    net n = net_begin(&err);
    int x = net_input(&n, "x", 2);
    const ln_layer *reshape = ln_layer_find("reshape");
    int64_t width = 2;
    char name[32];
    for (int i = 0; i < 6; i++) {
        const ln_reshape_attributes column = {.shape = {2, {width, 1}}};
        const ln_reshape_attributes line = {.shape = {2, {1, width}}};
        snprintf(name, sizeof name, "column_%d", i);
        const int a = net_node(&n, reshape, name, &column, &x, 1);
        snprintf(name, sizeof name, "line_%d", i);
        const int b = net_node(&n, reshape, name, &line, &x, 1);
        snprintf(name, sizeof name, "square_%d", i);
        x = net_join(&n, "add", name, a, b);
        if (i == 5)
            break;
        width *= width;
        const ln_reshape_attributes flat = {.shape = {1, {width}}};
        snprintf(name, sizeof name, "flat_%d", i);
        x = net_node(&n, reshape, name, &flat, &x, 1);
    }
    assert_int_equal(n.status, LN_EUNSUPPORTED);
    assert_message_at(&err, "add 'square_5': its shape (N, 4294967296, 4294967296) is too large",
                      __FILE__, __LINE__);
    ln_graph_release(n.graph);
}

/* ---------------------------------------------------------------- copies */

static void check_digest(const ln_graph *graph, uint8_t digest[LN_SHA256_BYTES])
{
    assert_ok(ln_graph_sha256(graph, digest, &err));
}

static void a_copy_can_be_extended(void **state)
{
    (void)state;
    const size_t before = ln_memory_used();
    net n = net_begin(&err);
    net_branches(&n);
    ln_graph *graph = net_end(&n), *copy = NULL;
    uint8_t own[LN_SHA256_BYTES], other[LN_SHA256_BYTES];
    char *json = NULL, *copied = NULL;
    check_digest(graph, own);
    assert_ok(ln_graph_copy(graph, &copy, &err));
    check_digest(copy, other);
    assert_memory_equal(own, other, sizeof own);
    assert_ok(ln_graph_json(graph, &json, &err));
    assert_ok(ln_graph_json(copy, &copied, &err));
    assert_string_equal(json, copied);
    const int w = value_of(graph, "w");
    assert_ptr_equal(copy->values[w].constant, graph->values[w].constant);
    assert_ptr_not_equal(copy->nodes[0].attributes, graph->nodes[0].attributes);

    net more = {.graph = copy, .err = &err};
    net_output(&more, net_word(&more, "sigmoid", "p", value_of(copy, "y")));
    net_end(&more);
    assert_int_equal(copy->output_count, 2);
    assert_int_equal(graph->output_count, 1);
    assert_int_equal(ln_graph_find_value(graph, "p"), -1);
    check_digest(graph, other);
    assert_memory_equal(own, other, sizeof own);
    check_digest(copy, other);
    assert_memory_not_equal(own, other, sizeof own);
    ln_graph_release(graph);
    /* The copy holds the weights. */
    running run = run_new(copy, &(ln_plan_options){.rows = 1});
    run_forward(&run, (float[]){1, 2}, 1, 2);
    assert_near_f32(ln_exec_value(run.exec, value_of(copy, "y")), (float[]){-14}, 1, 0, 0);
    run_free(&run);
    ln_graph_release(copy);
    ln_free(json);
    ln_free(copied);
    assert_int_equal(ln_memory_used(), before);
}

/* ---------------------------------------------------------------- memory */

static ln_status build_and_describe(void *context, ln_error *error)
{
    (void)context;
    uint8_t digest[LN_SHA256_BYTES];
    char *json = NULL;
    ln_graph *copy = NULL;
    net n = net_begin(error);
    net_branches(&n);
    ln_status status = n.status;
    if (!status)
        status = ln_graph_copy(n.graph, &copy, error);
    if (!status)
        status = ln_graph_sha256(copy, digest, error);
    if (!status)
        status = ln_graph_json(copy, &json, error);
    ln_free(json);
    ln_graph_release(copy);
    ln_graph_release(n.graph);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    sweep_allocation_failures(build_and_describe, NULL);
}

/* An addition that fails for want of memory can be made again. */
static void what_failed_can_be_added_again(void **state)
{
    (void)state;
    ln_graph *graph = hand_graph();
    const ln_shape shape = TEST_SHAPE(-1, 5);
    const int x = graph->inputs[0];
    const char *results[] = {"left", "right"};
    int id;
    for (size_t nth = 1;; nth++) {
        ln_memory_fail_at(nth, true);
        const ln_status status =
            ln_graph_add_node(graph, &halves, "Split", "cut", NULL, &x, 1, results, 2, NULL, &err);
        ln_memory_fail_at(0, true);
        if (!status)
            break;
        assert_int_equal(status, LN_ENOMEM);
        assert_int_equal(ln_graph_find_node(graph, "cut"), -1);
        assert_int_equal(ln_graph_find_value(graph, "left"), -1);
        assert_int_equal(graph->value_count, 8);
    }
    for (size_t nth = 1;; nth++) {
        ln_memory_fail_at(nth, true);
        const ln_status status = ln_graph_add_input(graph, "z", LN_F32, &shape, &id, &err);
        ln_memory_fail_at(0, true);
        if (!status)
            break;
        assert_int_equal(status, LN_ENOMEM);
        assert_int_equal(ln_graph_find_value(graph, "z"), -1);
    }
    assert_int_equal(graph->node_count, 4);
    assert_int_equal(value_of(graph, "right"), 9);
    assert_int_equal(value_of(graph, "z"), 10);
    assert_int_equal(graph->inputs[1], 10);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_nodes_are_what_was_added),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(inputs_that_a_layer_cannot_take),
        cmocka_unit_test(inputs_need_rows_and_known_axes),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_copy_can_be_extended),
        cmocka_unit_test(failing_allocations_leave_nothing),
        cmocka_unit_test(what_failed_can_be_added_again),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
