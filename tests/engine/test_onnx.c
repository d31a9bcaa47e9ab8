/* Importing ONNX: tiny models of every operator against what ONNX Runtime computes
 * (reference/onnx, made by reference/onnx_reference.py), names, files that are refused, and the
 * models of ../shared/conformance where they are there. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "graph/plan.h"
#include "onnx/onnx.h"
#include "onnx_support.h"
#include "tensor/npy.h"

static void onnxruntime_agrees(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/onnx/cases.txt"), "r");
    assert_non_null(file);
    char name[64];
    int count = 0;
    for (; fscanf(file, "%63s", name) == 1; count++)
        check_case("onnx", name);
    fclose(file);
    assert_int_equal(count, 116);
}

/* Each file in refused/ gives its status, and a message that names the file and the reason. */
static void refused_files_say_why(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/onnx/refused.txt"), "r");
    assert_non_null(file);
    char line[256], name[64], kind[32];
    int count = 0, at;
    for (; fgets(line, sizeof line, file); count++) {
        line[strcspn(line, "\n")] = '\0';
        assert_int_equal(sscanf(line, "%63s %31s %n", name, kind, &at), 2);
        char path[128];
        snprintf(path, sizeof path, "reference/onnx/refused/%s.onnx", name);
        ln_graph *graph;
        const ln_status wanted = strcmp(kind, "invalid") == 0 ? LN_EINVALID
                                 : strcmp(kind, "file") == 0  ? LN_EFILE
                                                              : LN_EUNSUPPORTED;
        size_t before = ln_memory_used();
        ln_status status = ln_onnx_read(test_file(path), NULL, &graph, NULL, &err);
        if (status != wanted || !strstr(err.message, line + at) || !strstr(err.message, name))
            fail_msg("%s: status %d, \"%s\"; expected %s, \"%s\"", name, status,
                     status ? err.message : "", kind, line + at);
        assert_null(graph);
        assert_int_equal(ln_memory_used(), before);
    }
    fclose(file);
    assert_int_equal(count, 94);
}

/* ---------------------------------------------------------------- names and what is known */

static void names_are_those_of_the_file(void **state)
{
    (void)state;
    ln_graph *graph = read_case("onnx", "matmul_add");
    int product = ln_graph_find_value(graph, "product"), y = ln_graph_find_value(graph, "y"), value;
    assert_true(product >= 0 && y >= 0 && product != y);
    assert_ok(ln_graph_find_layer(graph, "product", &value, &err));
    assert_int_equal(value, product);
    assert_ok(ln_graph_find_layer(graph, "mm", &value, &err));
    assert_int_equal(value, product);
    assert_ok(ln_graph_find_layer(graph, "plus", &value, &err));
    assert_int_equal(value, y);
    assert_true(ln_graph_find_value(graph, "w") >= 0 && ln_graph_find_value(graph, "b") >= 0);
    assert_string_equal(graph->nodes[0].operator_name, "MatMul");
    assert_string_equal(graph->nodes[1].operator_name, "Add");
    assert_int_equal(graph->node_count, 2);
    ln_graph_release(graph);

    graph = read_case("onnx", "branches"); /* its nodes have no names */
    const char *wanted[] = {"Relu_0", "Tanh_1", "Concat_2", "Gemm_3", "Add_4", "Softmax_5"};
    assert_int_equal(graph->node_count, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(graph->nodes[i].name, wanted[i]);
    ln_graph_release(graph);

    graph = read_case("onnx", "same_names");
    assert_string_equal(graph->nodes[0].name, "n");
    assert_string_equal(graph->nodes[1].name, "n_1");
    ln_graph_release(graph);
}

static void weights_that_are_used_twice_are_one_constant(void **state)
{
    (void)state;
    ln_graph *graph = read_case("onnx", "gemm_shared");
    const ln_node *first = &graph->nodes[ln_graph_find_node(graph, "first")];
    const ln_node *second = &graph->nodes[ln_graph_find_node(graph, "second")];
    assert_int_equal(first->inputs[2], second->inputs[2]);
    assert_int_equal(first->inputs[1], ln_graph_find_value(graph, "w"));
    /* The second has alpha = 2 multiplied in: a weight of its own. */
    assert_string_equal(graph->values[second->inputs[1]].name, "second.weight");
    ln_graph_release(graph);

    /* Initializers that are listed as inputs are constants; the graph has one input. */
    graph = read_case("onnx", "listed_initializers");
    assert_int_equal(graph->input_count, 1);
    assert_int_equal(graph->values[ln_graph_find_value(graph, "w")].kind, LN_VALUE_CONSTANT);
    ln_graph_release(graph);

    graph = read_case("onnx", "two_outputs");
    assert_int_equal(graph->output_count, 2);
    assert_string_equal(graph->values[graph->outputs[0]].name, "y");
    assert_string_equal(graph->values[graph->outputs[1]].name, "z");
    ln_graph_release(graph);
}

/* A model whose file says a batch of 1 takes any number of rows, each on its own. */
static void a_fixed_batch_takes_any_rows(void **state)
{
    (void)state;
    ln_graph *graph = read_case("onnx", "fixed_batch");
    ln_tensor *x = read_array("onnx", "fixed_batch", "x"),
              *y = read_array("onnx", "fixed_batch", "y");
    assert_int_equal(x->shape.dims[0], 1);
    ln_tensor *many = tensor_random(TEST_SHAPE(7, 4), 3);
    memcpy(ln_f32(many) + 4 * 4, x->data, 4 * sizeof(float));
    float got[7 * 3];
    run_graph(graph, many, got, 3);
    assert_near_f32(got + 4 * 3, ln_f32(y), 3, 1e-6, 2e-6);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_tensor_release(many);
    ln_graph_release(graph);
}

static void the_file_is_described(void **state)
{
    (void)state;
    const char *path = test_file("reference/onnx/gemm_scaled.onnx");
    ln_graph *graph;
    ln_onnx_info info;
    ln_file file;
    assert_ok(ln_onnx_read(path, NULL, &graph, &info, &err));
    ln_graph_release(graph);
    assert_ok(ln_file_read(path, &file, &err));
    assert_string_equal(info.producer, "reference");
    assert_int_equal(info.opset, 9);
    assert_memory_equal(info.sha256, file.sha256, LN_SHA256_BYTES);
    ln_file_free(&file);

    assert_fails(ln_onnx_read(test_path("none.onnx"), NULL, &graph, NULL, &err), LN_EFILE,
                 "none.onnx");
    assert_null(graph);
}

/* ---------------------------------------------------------------- memory, conformance */

static ln_status parse_file(void *context, ln_error *error)
{
    const ln_file *file = context;
    ln_graph *graph;
    ln_onnx_info info;
    ln_status status =
        ln_onnx_parse("model.onnx", file->data, file->bytes, NULL, &graph, &info, error);
    ln_graph_release(graph);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    const char *names[] = {"branches",          "gemm_scaled",    "softmax_coerced",
                           "constant_ints",     "gemm_live_bias", "matmul_vector",
                           "identity_constant", "heads",          "expand_rows",
                           "quantised_weight",  "rows_by_name",   "one_row_squeezed",
                           "folded_gemm",       "add_equal_rows"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "reference/onnx/%s.onnx", names[i]);
        ln_file file;
        assert_ok(ln_file_read(test_file(path), &file, &err));
        sweep_allocation_failures(parse_file, &file);
        ln_file_free(&file);
    }
}

static void given_models_predict(void **state)
{
    (void)state;
    const char *names[] = {"basic_multilayer", "mlp_cancer"};
    const char *layers[] = {"/relu/Relu_output_0", "/act2/Relu_output_0"};
    for (int i = 0; i < 2; i++) {
        char path[256];
        snprintf(path, sizeof path, "../shared/conformance/given/%s/model.onnx", names[i]);
        if (access(path, R_OK) != 0)
            skip();
        ln_graph *graph;
        ln_tensor *x, *x32, *wanted, *wanted32;
        int value;
        assert_ok(ln_onnx_read(path, NULL, &graph, NULL, &err));
        assert_ok(ln_graph_find_layer(graph, layers[i], &value, &err));
        snprintf(path, sizeof path, "../shared/conformance/given/%s/x.npy", names[i]);
        assert_ok(ln_npy_read(path, &x, NULL, &err));
        assert_ok(ln_tensor_convert(x, LN_F32, &x32, &err));
        snprintf(path, sizeof path, "../shared/conformance/given/%s/expected/%s-prediction.npy",
                 names[i], names[i]);
        assert_ok(ln_npy_read(path, &wanted, NULL, &err));
        assert_ok(ln_tensor_convert(wanted, LN_F32, &wanted32, &err));
        ln_tensor *y = tensor_zero(LN_F32, wanted32->shape);
        run_graph(graph, x32, ln_f32(y), ln_shape_row(&wanted32->shape));
        assert_near_f32(ln_f32(y), ln_f32(wanted32), (size_t)ln_shape_count(&y->shape), 1e-5, 1e-5);
        ln_tensor *all[] = {x, x32, wanted, wanted32, y};
        for (int j = 0; j < 5; j++)
            ln_tensor_release(all[j]);
        ln_graph_release(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnxruntime_agrees),
        cmocka_unit_test(refused_files_say_why),
        cmocka_unit_test(names_are_those_of_the_file),
        cmocka_unit_test(weights_that_are_used_twice_are_one_constant),
        cmocka_unit_test(a_fixed_batch_takes_any_rows),
        cmocka_unit_test(the_file_is_described),
        cmocka_unit_test(failing_allocations_leave_nothing),
        cmocka_unit_test(given_models_predict),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
