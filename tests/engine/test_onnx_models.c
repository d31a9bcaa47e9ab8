/* Networks as PyTorch, scikit-learn and Keras export them: their outputs are those of ONNX Runtime, the gradients
 * of their inputs those of PyTorch and TensorFlow (reference/models, made by reference/models_reference.py and
 * reference/tensorflow_reference.py), and a row has the same bits in every batch. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

static ln_error err;

static bool read_array(const char *name, const char *part, ln_tensor **out)
{
    char path[192];
    snprintf(path, sizeof path, "tests/reference/models/%s-%s.npy", name, part);
    if (access(path, R_OK) != 0)
        return false;
    snprintf(path, sizeof path, "reference/models/%s-%s.npy", name, part);
    return ln_npy_read(test_file(path), out, NULL, &err) == LN_OK;
}

static ln_model *read_model(const char *file)
{
    char path[192];
    ln_graph *graph;
    ln_model *model;
    snprintf(path, sizeof path, "reference/models/%s.onnx", file);
    assert_ok(ln_onnx_read(test_file(path), NULL, &graph, NULL, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* Each within 1e-4 of itself, or of the greatest where it is near 0. */
static void assert_close(const char *file, const char *what, const float *got,
                         const ln_tensor *wanted)
{
    const int64_t count = ln_shape_count(&wanted->shape);
    double greatest = 0;
    for (int64_t i = 0; i < count; i++)
        greatest = fmax(greatest, fabs((double)ln_f32(wanted)[i]));
    for (int64_t i = 0; i < count; i++) {
        const double want = (double)ln_f32(wanted)[i], off = fabs((double)got[i] - want);
        if (!(off <= 1e-4 * fabs(want) + 1e-5 * greatest))
            fail_msg("%s: %s %lld is %.9g, not %.9g", file, what, (long long)i, (double)got[i],
                     want);
    }
}

static void check_model(const char *file, const char *name)
{
    ln_model *model = read_model(file);
    ln_tensor *x, *y, *g;
    ln_function *function;
    ln_runner *runner;
    if (!read_array(name, "x", &x) || !read_array(file, "y", &y))
        fail_msg("%s", err.message);
    const bool gradient = read_array(name, "g", &g);
    const int64_t rows = x->shape.dims[0], outputs = model->output_count;
    assert_int_equal(ln_shape_count(&x->shape), rows * model->width);
    assert_int_equal(ln_shape_count(&y->shape), rows * outputs);
    const ln_function_options options = {.rows = 64, .gradient = gradient};
    assert_ok(ln_function_new(model, &options, &function, &err));
    assert_ok(ln_runner_new(function, &runner, &err));
    float *got = ln_calloc((size_t)(rows * outputs), sizeof *got);
    float *back = ln_calloc((size_t)(rows * model->width), sizeof *back);
    assert_ok(ln_runner_forward(runner, ln_f32(x), rows, got, &err));
    assert_close(file, "output", got, y);
    for (int64_t r = 0; r < rows; r++) {
        float one[64];
        assert_true(outputs <= 64);
        assert_ok(ln_runner_forward(runner, ln_f32(x) + r * model->width, 1, one, &err));
        assert_same_bits(one, got + r * outputs, (size_t)outputs * sizeof *one);
    }
    if (gradient) {
        ln_target targets[8];
        for (int64_t r = 0; r < rows && r < 8; r++)
            targets[r] = (ln_target){.index = 1, .scale = 1};
        assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, rows, NULL, back, &err));
        assert_close(file, "gradient", back, g);
        ln_tensor_release(g);
    }
    ln_free(got);
    ln_free(back);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_model_release(model);
}

static void check_list(const char *path, int wanted)
{
    FILE *list = fopen(test_file(path), "r");
    char file[64], name[64];
    int count = 0;
    assert_non_null(list);
    for (; fscanf(list, "%63s %63s", file, name) == 2; count++)
        check_model(file, name);
    fclose(list);
    assert_int_equal(count, wanted);
}

static void exported_networks_compute_what_they_did(void **state)
{
    (void)state;
    check_list("reference/models/models.txt", 29);
}

static void keras_networks_compute_what_they_did(void **state)
{
    (void)state;
    check_list("reference/models/tensorflow.txt", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exported_networks_compute_what_they_did),
        cmocka_unit_test(keras_networks_compute_what_they_did),
    };
    return cmocka_run_group_tests_name("onnx models", tests, NULL, NULL);
}
