/* Importing ONNX: tiny models of convolutions, poolings and normalisations against what ONNX Runtime
 * computes (reference/onnx_spatial, made by reference/onnx_spatial_reference.py), one row at a time
 * and together, and files that are refused. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "graph/plan.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

static ln_error err;

static const char *case_file(const char *name, const char *ending)
{
    char path[160];
    snprintf(path, sizeof path, "reference/onnx_spatial/%s%s", name, ending);
    return test_file(path);
}

static ln_tensor *read_array(const char *name, const char *ending)
{
    ln_tensor *tensor;
    assert_ok(ln_npy_read(case_file(name, ending), &tensor, NULL, &err));
    return tensor;
}

/* The output of rows [first, first + count) of x. */
static void run_rows(ln_graph *graph, const ln_tensor *x, int64_t first, int64_t count, float *y,
                     int64_t width)
{
    const int64_t row = ln_shape_row(&x->shape);
    ln_plan *plan;
    ln_exec *exec;
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = count}, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), ln_f32(x) + first * row, (size_t)(count * row) * sizeof(float));
    assert_ok(ln_exec_forward(exec, count, &err));
    memcpy(y, ln_exec_value(exec, graph->outputs[0]), (size_t)(count * width) * sizeof *y);
    ln_exec_free(exec);
    ln_plan_free(plan);
}

static void check_case(const char *name)
{
    ln_graph *graph;
    assert_ok(ln_onnx_read(case_file(name, ".onnx"), NULL, &graph, NULL, &err));
    ln_tensor *x = read_array(name, "-x.npy"), *wanted = read_array(name, "-y.npy");
    ln_shape shape = graph->values[graph->outputs[0]].shape;
    const int64_t rows = x->shape.dims[0], width = ln_shape_row(&shape);
    shape.dims[0] = rows;
    print_message("%s\n", name);
    assert_true(ln_shape_equal(&shape, &wanted->shape));
    ln_tensor *y = tensor_zero(LN_F32, shape), *one = tensor_zero(LN_F32, shape);
    run_rows(graph, x, 0, rows, ln_f32(y), width);
    assert_near_f32(ln_f32(y), ln_f32(wanted), (size_t)(rows * width), 4e-6, 4e-6);
    for (int64_t row = 0; row < rows; row++)
        run_rows(graph, x, row, 1, ln_f32(one) + row * width, width);
    assert_same_tensor(one, y);
    ln_tensor *all[] = {x, wanted, y, one};
    for (int i = 0; i < 4; i++)
        ln_tensor_release(all[i]);
    ln_graph_release(graph);
}

static void onnxruntime_agrees(void **state)
{
    char name[64];
    int count = 0;
    FILE *list = fopen(test_file("reference/onnx_spatial/cases.txt"), "r");
    (void)state;
    assert_non_null(list);
    for (; fscanf(list, "%63s", name) == 1; count++)
        check_case(name);
    fclose(list);
    assert_true(count >= 44);
}

static void refused_files_say_why(void **state)
{
    char line[256], name[64], status[16], path[96];
    int at;
    FILE *list = fopen(test_file("reference/onnx_spatial/refused.txt"), "r");
    (void)state;
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        ln_graph *graph;
        assert_int_equal(sscanf(line, "%63s %15s %n", name, status, &at), 2);
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof path, "refused/%s", name);
        assert_fails(ln_onnx_read(case_file(path, ".onnx"), NULL, &graph, NULL, &err),
                     strcmp(status, "invalid") == 0 ? LN_EINVALID : LN_EUNSUPPORTED, line + at);
        assert_null(graph);
    }
    fclose(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnxruntime_agrees),
        cmocka_unit_test(refused_files_say_why),
    };
    return cmocka_run_group_tests_name("onnx_spatial", tests, NULL, NULL);
}
