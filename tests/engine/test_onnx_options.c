/* Importing ONNX with options: data in other files, open axes, bound inputs, whole mode, whole numbers
 * as inputs, and what the import says it converted. The files are made by
 * reference/onnx_reference.py. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "graph/plan.h"
#include "model/model.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

static ln_error err;

static const char *file_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "reference/onnx/options/%s", name);
    return test_file(path);
}

static ln_status read_with(const char *name, const ln_onnx_options *options, ln_graph **out)
{
    return ln_onnx_read(file_of(name), options, out, NULL, &err);
}

/* The first output for rows of the first input; the caller frees. */
static float *run(ln_graph *graph, const void *x, size_t bytes, int64_t rows, int64_t numbers)
{
    ln_plan *plan;
    ln_exec *exec;
    float *y = ln_calloc((size_t)numbers, sizeof *y);
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = rows}, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), x, bytes);
    assert_ok(ln_exec_forward(exec, rows, &err));
    memcpy(y, ln_exec_value(exec, graph->outputs[0]), (size_t)numbers * sizeof *y);
    ln_exec_free(exec);
    ln_plan_free(plan);
    return y;
}

/* ---------------------------------------------------------------- other files */

static void data_of_other_files_are_read(void **state)
{
    (void)state;
    ln_graph *graph;
    ln_tensor *x, *y;
    assert_ok(read_with("external.onnx", NULL, &graph));
    assert_ok(ln_npy_read(file_of("external-x.npy"), &x, NULL, &err));
    assert_ok(ln_npy_read(file_of("external-y.npy"), &y, NULL, &err));
    float *got = run(graph, x->data, x->bytes, 5, 15);
    assert_near_f32(got, ln_f32(y), 15, 1e-6, 2e-6);
    ln_free(got);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_graph_release(graph);
}

static void copy_file(const char *from, const char *to)
{
    ln_file file;
    assert_ok(ln_file_read(from, &file, &err));
    test_write(to, file.data, file.bytes);
    ln_file_free(&file);
}

/* Neither a link to the file nor one to its folder is followed, wherever it leads. */
static void links_are_not_followed(void **state)
{
    (void)state;
    ln_graph *graph;
    char model[512], folder[512], data[512], real[512];
    snprintf(model, sizeof model, "%s/external.onnx", test_folder());
    snprintf(folder, sizeof folder, "%s/weights", test_folder());
    snprintf(data, sizeof data, "%s/weights/w.bin", test_folder());
    snprintf(real, sizeof real, "%s/real.bin", test_folder());
    copy_file(file_of("external.onnx"), model);
    copy_file(file_of("weights/w.bin"), real);
    assert_fails(ln_onnx_read(model, NULL, &graph, NULL, &err), LN_EFILE,
                 "cannot be read: 'weights': No such file");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink("../real.bin", data), 0);
    assert_fails(ln_onnx_read(model, NULL, &graph, NULL, &err), LN_EFILE,
                 "behind the link 'w.bin', which is not followed");
    assert_int_equal(unlink(data), 0);
    assert_int_equal(mkfifo(data, 0600), 0);
    assert_fails(ln_onnx_read(model, NULL, &graph, NULL, &err), LN_EFILE, "no ordinary file");
    assert_int_equal(unlink(data), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(symlink(".", folder), 0);
    copy_file(file_of("weights/w.bin"), test_path("w.bin"));
    assert_fails(ln_onnx_read(model, NULL, &graph, NULL, &err), LN_EFILE, "weights");
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    test_write(data, "short", 5);
    assert_fails(ln_onnx_read(model, NULL, &graph, NULL, &err), LN_EINVALID,
                 "bytes 8 to 56 of 'weights/w.bin', which has 5");
    copy_file(file_of("weights/w.bin"), data);
    assert_ok(ln_onnx_read(model, NULL, &graph, NULL, &err));
    ln_graph_release(graph);
}

/* Bytes that came from nowhere have no folder. */
static void parsed_bytes_have_no_other_files(void **state)
{
    (void)state;
    ln_file file;
    ln_graph *graph;
    assert_ok(ln_file_read(file_of("external.onnx"), &file, &err));
    assert_fails(ln_onnx_parse("x", file.data, file.bytes, NULL, &graph, NULL, &err),
                 LN_EUNSUPPORTED, "its data are in another file (external data)");
    ln_file_free(&file);
}

/* ---------------------------------------------------------------- axes and inputs */

static void open_axes_are_bound(void **state)
{
    (void)state;
    const ln_onnx_binding both[] = {{.name = "x", .shape = TEST_SHAPE(-1, 3, 4)},
                                    {.name = "z", .shape = TEST_SHAPE(7, 3)}};
    const ln_onnx_binding wrong = {.name = NULL, .shape = TEST_SHAPE(-1, 3, 5)};
    ln_graph *graph;
    assert_fails(read_with("open_axes.onnx", NULL, &graph), LN_EUNSUPPORTED,
                 "axis 1 of the input 'x' has no fixed size ('time')");
    /* Axes of one name are one size. */
    for (int count = 1; count <= 2; count++) {
        assert_ok(read_with("open_axes.onnx",
                            &(ln_onnx_options){.bindings = both, .binding_count = count}, &graph));
        const ln_shape shape = graph->values[graph->outputs[0]].shape;
        assert_true(shape.rank == 3 && shape.dims[0] == -1 && shape.dims[1] == 3 &&
                    shape.dims[2] == 4);
        ln_graph_release(graph);
    }
    /* Sizes that the file has stay. */
    assert_ok(read_with("open_axes.onnx",
                        &(ln_onnx_options){.bindings = &wrong, .binding_count = 1}, &graph));
    assert_int_equal(graph->values[graph->outputs[0]].shape.dims[2], 4);
    ln_graph_release(graph);
}

static void inputs_may_be_constants(void **state)
{
    (void)state;
    ln_tensor *shape = tensor_i64(TEST_SHAPE(3), (int64_t[]){-1, 3, 2});
    const ln_onnx_binding binding = {.name = "s", .constant = shape};
    ln_graph *graph;
    assert_fails(read_with("shape_input.onnx", NULL, &graph), LN_EUNSUPPORTED,
                 "takes 's' as a constant");
    assert_ok(read_with("shape_input.onnx",
                        &(ln_onnx_options){.bindings = &binding, .binding_count = 1}, &graph));
    assert_int_equal(graph->input_count, 1);
    assert_int_equal(graph->values[graph->outputs[0]].shape.dims[1], 3);
    ln_graph_release(graph);
    ln_tensor_release(shape);
}

static void whole_files_are_one_row(void **state)
{
    (void)state;
    ln_graph *graph;
    const float x[12] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    assert_fails(read_with("mixing.onnx", NULL, &graph), LN_EUNSUPPORTED,
                 "operator 'Softmax' (node 'Softmax_0', opset 13) works along axis 0");
    assert_ok(read_with("mixing.onnx", &(ln_onnx_options){.whole = true}, &graph));
    const ln_shape shape = graph->values[graph->outputs[0]].shape;
    assert_true(shape.rank == 3 && shape.dims[0] == -1 && shape.dims[1] == 3 && shape.dims[2] == 4);
    float *y = run(graph, x, sizeof x, 1, 12);
    for (int i = 0; i < 12; i++)
        assert_near_f32(&y[i], &(float){1.f / 3}, 1, 1e-7, 0);
    ln_free(y);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- types */

/* Rows are float32 everywhere: a model of whole numbers gets them rounded. */
static void whole_numbers_are_fed_rounded(void **state)
{
    (void)state;
    ln_graph *graph;
    ln_model *model;
    ln_function *function;
    ln_runner *runner;
    const float zero[4] = {0}, x[8] = {1, 2.4f, -3, 7.6f, 0, -0.4f, 100, 16777216};
    const float wanted[8] = {1, 2, -3, 8, 0, 0, 100, 16777216};
    float base[4], y[8];
    assert_ok(read_with("ids.onnx", NULL, &graph));
    assert_int_equal(graph->values[graph->inputs[0]].dtype, LN_I64);
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    assert_ok(ln_function_new(model, &(ln_function_options){.rows = 4}, &function, &err));
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok(ln_runner_forward(runner, zero, 1, base, &err));
    assert_ok(ln_runner_forward(runner, x, 2, y, &err));
    for (int i = 0; i < 8; i++)
        assert_true(y[i] == wanted[i] + base[i % 4]);
    const float bad[4] = {1, 2, NAN, 3};
    assert_fails(ln_runner_forward(runner, bad, 1, y, &err), LN_EINVALID,
                 "input 'x' takes whole numbers (i64), but row 0 of this pass holds nan");
    ln_runner_free(runner);
    ln_function_free(function);
    assert_fails(ln_function_new(model, &(ln_function_options){.rows = 4, .gradient = true},
                                 &function, &err),
                 LN_EUNSUPPORTED, "'x' takes whole numbers, which have no gradient");
    ln_model_release(model);
}

/* Of an output of whole numbers and one of real ones the second is meant. */
static void the_output_of_real_numbers_is_the_models(void **state)
{
    (void)state;
    ln_graph *graph;
    ln_model *model;
    int whole, value;
    assert_ok(read_with("ids.onnx", NULL, &graph));
    value = graph->inputs[0];
    assert_ok(ln_graph_add_node(graph, ln_layer_find("identity"), "Identity", "same", NULL, &value,
                                1, (const char *const[]){"label"}, 1, &whole, &err));
    assert_ok(ln_graph_add_output(graph, graph->nodes[whole].outputs[0], &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    assert_string_equal(graph->values[model->output_value].name, "y");
    ln_model_release(model);
    assert_fails(ln_model_new("onnx", graph, "label", NULL, LN_TASK_REGRESSION, &model, &err),
                 LN_EUNSUPPORTED, "'label' is not f32");
    ln_graph_release(graph);
}

static void conversions_are_noted(void **state)
{
    (void)state;
    ln_graph *graph;
    ln_onnx_info info;
    assert_ok(ln_onnx_read(file_of("converted.onnx"), NULL, &graph, &info, &err));
    assert_string_equal(info.note, "1 float16 constant, 1 float64 constant became float32");
    ln_graph_release(graph);
    assert_ok(ln_onnx_read(file_of("mixing.onnx"), &(ln_onnx_options){.whole = true}, &graph, &info,
                           &err));
    assert_string_equal(info.note, "");
    ln_graph_release(graph);
}

/* An operator that is not supported costs the outputs that need it. */
static void outputs_that_cannot_be_made_are_left_out(void **state)
{
    (void)state;
    ln_graph *graph;
    ln_onnx_info info;
    assert_ok(ln_onnx_read(file_of("left_out.onnx"), NULL, &graph, &info, &err));
    assert_int_equal(graph->output_count, 1);
    assert_string_equal(graph->values[graph->outputs[0]].name, "y");
    assert_string_equal(info.note,
                        "the output 't' is left out: operator 'Foreign' (node 'k', opset "
                        "13) is not supported");
    ln_graph_release(graph);
    assert_fails(ln_onnx_read(file_of("left_out.onnx"), &(ln_onnx_options){.whole = true}, &graph,
                              NULL, &err),
                 LN_EUNSUPPORTED, "'Foreign'");
}

static void folding_is_bounded(void **state)
{
    (void)state;
    ln_graph *graph;
    const ln_onnx_options few = {.fold_bytes = 8};
    const char *path = test_file("reference/onnx/zeros_like.onnx");
    ln_file file;
    assert_ok(ln_file_read(path, &file, &err));
    assert_ok(ln_onnx_read(path, NULL, &graph, NULL, &err));
    ln_graph_release(graph);
    /* 31 rows of 6 numbers, more than 8 times the file. */
    assert_true(31 * 6 * 4 < 8 * file.bytes + 16);
    ln_file_free(&file);
    assert_fails(ln_onnx_read(test_file("reference/onnx/refused/folded_size.onnx"), &few, &graph,
                              NULL, &err),
                 LN_EUNSUPPORTED,
                 "operator 'ConstantOfShape' (node 'k', opset 13) makes a constant");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_of_other_files_are_read),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(parsed_bytes_have_no_other_files),
        cmocka_unit_test(open_axes_are_bound),
        cmocka_unit_test(inputs_may_be_constants),
        cmocka_unit_test(whole_files_are_one_row),
        cmocka_unit_test(whole_numbers_are_fed_rounded),
        cmocka_unit_test(the_output_of_real_numbers_is_the_models),
        cmocka_unit_test(conversions_are_noted),
        cmocka_unit_test(outputs_that_cannot_be_made_are_left_out),
        cmocka_unit_test(folding_is_bounded),
    };
    return cmocka_run_group_tests_name("onnx options", tests, NULL, NULL);
}
