/* Every network of tests/reference that is an ONNX file: the same bits of outputs and of input gradients for 1, 2 and 5
 * threads, for all rows at once, a few, and each alone. (The suite runs with AVX-512 and with AVX2.) */
#include "onnx_support.h"

#include "base/alloc.h"
#include "base/parallel.h"
#include "model/model.h"

enum { ROWS = 70, FEW = 3 };

/* The rows of the reference again and again, each time scaled a little, so that all differ. Whole numbers stay. */
static ln_tensor *many_rows(const ln_model *model, const ln_tensor *x)
{
    const int64_t given = x->shape.dims[0], width = model->width;
    ln_tensor *out = tensor_zero(LN_F32, TEST_SHAPE(ROWS, width));
    for (int64_t r = 0; r < ROWS; r++)
        for (int i = 0; i < model->input_count; i++) {
            const ln_value *input = &model->graph->values[model->graph->inputs[i]];
            const bool whole = input->dtype != LN_F32;
            for (int64_t k = model->input_offset[i]; k < model->input_offset[i + 1]; k++) {
                const float number = ln_f32(x)[r % given * width + k];
                ln_f32(out)[r * width + k] = whole ? number : number * (1 - (float)r / 512);
            }
        }
    return out;
}

/* Gradients of the first output number, rows_at_once in a pass; false where there are none. */
static bool gradients(ln_model *model, const ln_tensor *x, int64_t rows_at_once, float *out)
{
    const ln_function_options options = {.rows = rows_at_once, .gradient = true};
    ln_target targets[ROWS];
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    for (int i = 0; i < ROWS; i++)
        targets[i] = (ln_target){.index = 0, .scale = 1};
    const ln_status status = ln_function_new(model, &options, &function, &err);
    if (status == LN_EUNSUPPORTED)
        return false; /* of whole numbers, or through a layer without */
    assert_ok(status);
    assert_ok(ln_runner_new(function, &runner, &err));
    for (int64_t r = 0; r < ROWS; r += rows_at_once) {
        const int64_t rows = ROWS - r < rows_at_once ? ROWS - r : rows_at_once;
        assert_ok(ln_runner_gradient(runner, ln_f32(x) + r * model->width, targets, rows, NULL,
                                     out + r * model->width, &err));
    }
    ln_runner_free(runner);
    ln_function_free(function);
    return true;
}

static void check_bits(const char *folder, const char *name, int *with_gradients)
{
    ln_graph *graph = read_case(folder, name);
    const char *output = graph->values[graph->outputs[0]].name;
    ln_model *model = NULL;
    ln_tensor *given = read_array(folder, name, "x"), *all = NULL;
    assert_ok(ln_model_new("onnx", graph, output, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_tensor *x = many_rows(model, given);
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        ln_pool *pool = NULL;
        ln_tensor *out = NULL;
        assert_ok(ln_pool_new(threads, &pool, &err));
        assert_ok(ln_model_forward(model, LN_LINK_RAW, x, pool, &out, &err));
        if (all && memcmp(all->data, out->data, all->bytes) != 0)
            fail_msg("%s/%s: other bits with %d threads", folder, name, threads);
        ln_pool_free(pool);
        if (all)
            ln_tensor_release(out);
        else
            all = out;
    }
    for (int64_t rows = 1; rows <= FEW; rows += FEW - 1)
        for (int64_t first = 0; first + rows <= ROWS; first += 23) {
            ln_tensor *part = NULL, *out = NULL;
            assert_ok(ln_tensor_rows(x, first, rows, &part, &err));
            assert_ok(ln_model_forward(model, LN_LINK_RAW, part, NULL, &out, &err));
            if (memcmp((const char *)all->data + all->bytes / ROWS * (size_t)first, out->data,
                       out->bytes) != 0)
                fail_msg("%s/%s: other bits for %d rows from row %d on", folder, name, (int)rows,
                         (int)first);
            ln_tensor_release(part);
            ln_tensor_release(out);
        }
    const size_t bytes = (size_t)(ROWS * model->width) * sizeof(float);
    float *one = ln_calloc(1, bytes), *other = ln_calloc(1, bytes);
    if (gradients(model, x, ROWS, one)) {
        ++*with_gradients;
        for (int64_t rows = 1; rows <= FEW; rows += FEW - 1) {
            assert_true(gradients(model, x, rows, other));
            if (memcmp(one, other, bytes) != 0)
                fail_msg("%s/%s: other bits of gradients, %d rows at once", folder, name,
                         (int)rows);
        }
    }
    ln_free(one);
    ln_free(other);
    ln_tensor_release(all);
    ln_tensor_release(x);
    ln_tensor_release(given);
    ln_model_release(model);
    ln_graph_release(graph);
}

/* Networks of which there are to be at least so many, and with gradients. */
static void check_folder(const char *folder, int least, int least_with_gradients)
{
    char path[96], name[64];
    snprintf(path, sizeof path, "reference/%s/cases.txt", folder);
    FILE *file = fopen(test_file(path), "r");
    int count = 0, with_gradients = 0;
    assert_non_null(file);
    for (; fscanf(file, "%63s", name) == 1; count++)
        check_bits(folder, name, &with_gradients);
    fclose(file);
    print_message("%s: %d networks, %d with gradients\n", folder, count, with_gradients);
    assert_true(count >= least && with_gradients >= least_with_gradients);
}

static void operators_in_batches(void **state)
{
    (void)state;
    check_folder("operators", 57, 57);
}

static void layouts_and_shapes(void **state)
{
    (void)state;
    check_folder("onnx", 116, 116);
}

static void spatial_layers(void **state)
{
    (void)state;
    check_folder("onnx_spatial", 44, 44);
}

static void composites_and_states(void **state)
{
    (void)state;
    check_folder("composites", 38, 38);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_in_batches),
        cmocka_unit_test(layouts_and_shapes),
        cmocka_unit_test(spatial_layers),
        cmocka_unit_test(composites_and_states),
    };
    return cmocka_run_group_tests_name("onnx bits", tests, NULL, NULL);
}
