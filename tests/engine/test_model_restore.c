/* Networks made again from names and one tensor of weights: the same identity, and what does not fit
 * is refused. */
#include "support.h"

#include <string.h>

#include "base/hash.h"
#include "layers/attributes.h"
#include "model/declare.h"
#include "model/restore.h"

static ln_status dense(ln_declaration *declaration, int64_t units, ln_error *err)
{
    const ln_dense_attributes attributes = {.units = units, .bias = units != 3};
    return ln_declare_layer(declaration, ln_layer_find("dense"), &attributes, NULL, err);
}

/* Two branches of one input, added; one dense without a bias. */
static ln_graph *declared(void)
{
    ln_error err;
    ln_declaration declaration;
    ln_graph *graph = NULL;
    int ends[2];
    const ln_shape input = TEST_SHAPE(4);
    assert_ok(ln_declare_begin(&input, 9, &declaration, &err));
    assert_ok(dense(&declaration, 3, &err));
    ends[0] = declaration.value;
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    ends[1] = declaration.value;
    assert_ok(ln_declare_join(&declaration, "add", ends, 2, &err));
    assert_ok(dense(&declaration, 2, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    return graph;
}

/* The nodes of `from` by their names, as the store has them. */
static ln_status copy_nodes(const ln_graph *from, ln_restoring *to, ln_error *err)
{
    ln_status status = LN_OK;
    for (int n = 0; n < from->node_count && !status; n++) {
        const ln_node *node = &from->nodes[n];
        const char *inputs[4], *outputs[1] = {from->values[node->outputs[0]].name};
        for (int i = 0; i < node->input_count; i++)
            inputs[i] = node->inputs[i] < 0 ? NULL : from->values[node->inputs[i]].name;
        const ln_restored_node restored = {.layer = node->layer,
                                           .operator_name = node->operator_name,
                                           .name = node->name,
                                           .attributes = node->attributes,
                                           .inputs = inputs,
                                           .outputs = outputs,
                                           .input_count = node->input_count,
                                           .output_count = 1};
        status = ln_restore_node(to, &restored, err);
    }
    return status ? status : ln_restore_finish(to, err);
}

static ln_status restore(const ln_graph *from, const ln_tensor *weights, ln_graph **out,
                         ln_error *err)
{
    const ln_shape input = TEST_SHAPE(4);
    ln_declaration declaration = {0};
    ln_status status = ln_declare_begin(&input, 0, &declaration, err);
    ln_restoring restoring = {declaration.graph, weights, 0};
    if (!status)
        status = copy_nodes(from, &restoring, err);
    if (!status)
        status = ln_graph_add_output(declaration.graph, declaration.graph->value_count - 1, err);
    if (!status)
        *out = ln_graph_retain(declaration.graph);
    ln_declare_abandon(&declaration);
    return status;
}

static void a_restored_graph_is_the_same_graph(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *weights = NULL, *again = NULL;
    ln_graph *from = declared(), *graph = NULL;
    uint8_t one[LN_SHA256_BYTES], other[LN_SHA256_BYTES];
    assert_ok(ln_graph_weights(from, &weights, &err));
    assert_int_equal(weights->shape.dims[0], 4 * 3 + 3 * 2 + 2);
    assert_memory_equal(weights->data, from->values[1].constant->data, sizeof(float) * 12);
    assert_ok(restore(from, weights, &graph, &err));
    assert_ok(ln_graph_sha256(from, one, &err));
    assert_ok(ln_graph_sha256(graph, other, &err));
    assert_memory_equal(one, other, sizeof one);
    assert_ok(ln_graph_weights(graph, &again, &err));
    assert_memory_equal(weights->data, again->data, weights->bytes);
    for (int v = 0; v < graph->value_count; v++) {
        assert_string_equal(graph->values[v].name, from->values[v].name);
        assert_int_equal(graph->values[v].trainable, from->values[v].trainable);
    }
    ln_tensor_release(again);
    ln_tensor_release(weights);
    ln_graph_release(graph);
    ln_graph_release(from);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *weights = NULL;
    ln_graph *from = declared(), *graph = NULL;
    const ln_shape few = TEST_SHAPE(19), many = TEST_SHAPE(21);
    assert_ok(ln_tensor_new(LN_F32, &few, &weights, &err));
    assert_fails(restore(from, weights, &graph, &err), LN_EINVALID,
                 "'dense_3.bias' has 2 numbers, and 1 are left");
    ln_tensor_release(weights);
    assert_ok(ln_tensor_new(LN_F32, &many, &weights, &err));
    assert_fails(restore(from, weights, &graph, &err), LN_EINVALID,
                 "there are 21 weights, and the graph has a place for 20");

    ln_declaration declaration;
    const ln_shape input = TEST_SHAPE(4);
    assert_ok(ln_declare_begin(&input, 0, &declaration, &err));
    ln_restoring restoring = {declaration.graph, weights, 0};
    const char *outputs[] = {"y"}, *unknown[] = {"x"}, *surplus[] = {"input", "a"};
    ln_restored_node node = {.layer = ln_layer_find("relu"),
                             .operator_name = "relu",
                             .name = "r",
                             .inputs = unknown,
                             .outputs = outputs,
                             .input_count = 1,
                             .output_count = 1};
    assert_fails(ln_restore_node(&restoring, &node, &err), LN_EINVALID, "makes its input 'x'");
    node.inputs = surplus;
    node.input_count = 2;
    assert_fails(ln_restore_node(&restoring, &node, &err), LN_EINVALID, "makes its input 'a'");
    ln_declare_abandon(&declaration);
    ln_tensor_release(weights);
    ln_graph_release(from);
}

static ln_status restore_whole(void *context, ln_error *err)
{
    ln_graph *graph = NULL;
    ln_tensor *weights = NULL;
    ln_status status = ln_graph_weights(context, &weights, err);
    if (!status)
        status = restore(context, weights, &graph, err);
    ln_tensor_release(weights);
    ln_graph_release(graph);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    ln_graph *from = declared();
    sweep_allocation_failures(restore_whole, from);
    ln_graph_release(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_graph_is_the_same_graph),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
