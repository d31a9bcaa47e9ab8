/* Operators that are made of others, and indices and first states that depend on the row, in networks of batches: what
 * PyTorch computes of them, gradients too
 * (reference/composites, made by reference/composites_reference.py), the same bits for any batch and number of threads, and
 * what is no form of them. */
#include "onnx_support.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parallel.h"
#include "model/model.h"

static ln_model *model_of(const char *name, const char *output)
{
    ln_graph *graph = read_case("composites", name);
    ln_model *model = NULL;
    assert_ok(ln_model_new("onnx", graph, output, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static void check_near(const char *name, const char *what, const float *got,
                       const ln_tensor *wanted)
{
    const int64_t count = ln_shape_count(&wanted->shape);
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)ln_f32(wanted)[i]));
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)ln_f32(wanted)[i]) <= 3e-6 * most))
            fail_msg("%s, %s: number %d is %.9g, PyTorch says %.9g", name, what, (int)i,
                     (double)got[i], (double)ln_f32(wanted)[i]);
}

/* ds/dx of `rows` rows from row `first` on, `rows_at_once` in a pass. */
static void gradient_of(ln_model *model, const ln_tensor *x, int64_t first, int64_t rows,
                        int64_t rows_at_once, float *out)
{
    const ln_function_options options = {.rows = rows_at_once, .gradient = true};
    const ln_target targets[8] = {{0, 1, 0}, {0, 1, 0}, {0, 1, 0}, {0, 1, 0},
                                  {0, 1, 0}, {0, 1, 0}, {0, 1, 0}, {0, 1, 0}};
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    assert_true(rows <= 8);
    assert_ok(ln_function_new(model, &options, &function, &err));
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok(ln_runner_gradient(runner, ln_f32(x) + first * model->width, targets, rows, NULL, out,
                                 &err));
    ln_runner_free(runner);
    ln_function_free(function);
}

static void check_composite(const char *name)
{
    ln_model *model = model_of(name, "y"), *sum = model_of(name, "s");
    ln_tensor *x = read_array("composites", name, "x"), *y = read_array("composites", name, "y");
    ln_tensor *g = read_array("composites", name, "g"), *out = NULL;
    const int64_t rows = x->shape.dims[0], width = x->shape.dims[1];
    assert_int_equal(width, model->width);
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        ln_pool *pool = NULL;
        ln_tensor *again = NULL;
        assert_ok(ln_pool_new(threads, &pool, &err));
        assert_ok(ln_model_forward(model, LN_LINK_RAW, x, pool, &again, &err));
        if (out)
            assert_same_bits(again->data, out->data, out->bytes);
        else
            out = ln_tensor_retain(again);
        ln_tensor_release(again);
        ln_pool_free(pool);
    }
    check_near(name, "result", ln_f32(out), y);
    float *all = ln_calloc((size_t)(rows * width), sizeof *all);
    float *one = ln_calloc((size_t)(rows * width), sizeof *one);
    gradient_of(sum, x, 0, rows, rows, all);
    check_near(name, "gradient", all, g);
    gradient_of(sum, x, 0, rows, 2, one);
    assert_same_bits(one, all, (size_t)(rows * width) * sizeof *all);
    for (int64_t r = 0; r < rows; r++)
        gradient_of(sum, x, r, 1, 1, one + r * width);
    assert_same_bits(one, all, (size_t)(rows * width) * sizeof *all);
    ln_free(all);
    ln_free(one);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_tensor_release(g);
    ln_tensor_release(out);
    ln_model_release(model);
    ln_model_release(sum);
}

static void pytorch_agrees(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/composites/cases.txt"), "r");
    char name[64];
    int count = 0;
    assert_non_null(file);
    for (; fscanf(file, "%63s", name) == 1; count++) {
        print_message("%s\n", name);
        check_composite(name);
    }
    fclose(file);
    assert_int_equal(count, 38);
}

/* A file's bytes with a text in it replaced by another of the same length. */
static void check_changed(const char *name, const char *from, const char *to, const char *message)
{
    char path[128];
    ln_file file;
    ln_graph *graph = NULL;
    snprintf(path, sizeof path, "reference/composites/%s.onnx", name);
    assert_ok(ln_file_read(test_file(path), &file, &err));
    uint8_t *at = memmem(file.data, file.bytes, from, strlen(from));
    assert_non_null(at);
    uint8_t *copy = ln_alloc(file.bytes);
    memcpy(copy, file.data, file.bytes);
    memcpy(copy + (at - (const uint8_t *)file.data), to, strlen(from));
    const ln_status status = ln_onnx_parse("m", copy, file.bytes, NULL, &graph, NULL, &err);
    if (status != LN_EUNSUPPORTED || !strstr(err.message, message))
        fail_msg("%s: status %d, \"%s\"; expected \"%s\"", name, status, err.message, message);
    ln_free(copy);
    ln_file_free(&file);
}

static void what_is_no_form_of_them_is_refused(void **state)
{
    (void)state;
    check_changed("attention_causal", "is_causal", "is_casual",
                  "operator 'Attention' (node 'Attention_0', opset 23) has the attribute "
                  "'is_casual', which is not known");
    check_changed("log_likelihood", "none", "nane",
                  "operator 'NegativeLogLikelihoodLoss' (node 'NegativeLogLikelihoodLoss_0', opset "
                  "22) is of a form that is not read");
    check_changed("attention_of_one", "kv_num_heads", "kv_num_hands",
                  "has the attribute 'kv_num_hands', which is not known");
}

static ln_status import_step(void *context, ln_error *e)
{
    const ln_file *file = context;
    ln_graph *graph = NULL;
    ln_status status = ln_onnx_parse("m", file->data, file->bytes, NULL, &graph, NULL, e);
    ln_graph_release(graph);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    ln_file file;
    assert_ok(ln_file_read(test_file("reference/composites/cross_entropy.onnx"), &file, &err));
    sweep_allocation_failures(import_step, &file);
    ln_file_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorch_agrees),
        cmocka_unit_test(what_is_no_form_of_them_is_refused),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("onnx composites", tests, NULL, NULL);
}
