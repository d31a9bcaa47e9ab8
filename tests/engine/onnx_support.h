/* A model of tests/reference against the arrays beside it: <case>.onnx, <case>-x.npy with the inputs' rows
 * (of several inputs side by side, flattened), <case>-y.npy with the first output. */
#ifndef LN_TESTS_ONNX_SUPPORT_H
#define LN_TESTS_ONNX_SUPPORT_H

#include "support.h"

#include <stdio.h>
#include <string.h>

#include "graph/plan.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

static ln_error err;

static inline ln_graph *read_case(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "reference/%s/%s.onnx", folder, name);
    ln_graph *graph;
    assert_ok(ln_onnx_read(test_file(path), NULL, &graph, NULL, &err));
    return graph;
}

static inline ln_tensor *read_array(const char *folder, const char *name, const char *part)
{
    char path[128];
    snprintf(path, sizeof path, "reference/%s/%s-%s.npy", folder, name, part);
    ln_tensor *tensor;
    assert_ok(ln_npy_read(test_file(path), &tensor, NULL, &err));
    return tensor;
}

/* The graph's first output (rows first) for inputs that stand side by side in the rows of x. */
static inline void run_graph(ln_graph *graph, const ln_tensor *x, float *y, int64_t y_row)
{
    int64_t rows = x->shape.dims[0], width = ln_shape_row(&x->shape);
    ln_plan *plan;
    ln_exec *exec;
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = rows}, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    int64_t offset = 0;
    for (int i = 0; i < graph->input_count; i++) {
        int64_t size = ln_shape_row(&graph->values[graph->inputs[i]].shape);
        float *to = ln_exec_input(exec, i);
        for (int64_t row = 0; row < rows; row++)
            memcpy(to + row * size, ln_f32(x) + row * width + offset, (size_t)size * sizeof *to);
        offset += size;
    }
    assert_int_equal(offset, width);
    assert_ok(ln_exec_forward(exec, rows, &err));
    memcpy(y, ln_exec_value(exec, graph->outputs[0]), (size_t)(rows * y_row) * sizeof *y);
    ln_exec_free(exec);
    ln_plan_free(plan);
}

static inline void check_case(const char *folder, const char *name)
{
    ln_graph *graph = read_case(folder, name);
    ln_tensor *x = read_array(folder, name, "x"), *wanted = read_array(folder, name, "y");
    ln_shape shape = graph->values[graph->outputs[0]].shape;
    assert_int_equal(shape.dims[0], -1);
    shape.dims[0] = x->shape.dims[0];
    if (!ln_shape_equal(&shape, &wanted->shape)) {
        char a[128], b[128];
        fail_msg("%s: the output is %s, not %s", name, ln_shape_text(&shape, a, sizeof a),
                 ln_shape_text(&wanted->shape, b, sizeof b));
    }
    ln_tensor *y = tensor_zero(LN_F32, shape);
    run_graph(graph, x, ln_f32(y), ln_shape_row(&shape));
    assert_near_f32(ln_f32(y), ln_f32(wanted), (size_t)ln_shape_count(&shape), 1e-6, 2e-6);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_tensor_release(wanted);
    ln_graph_release(graph);
}

#endif
