/* Explainers on networks with branches, joins and one relu read by several layers, and those that look
 * at a layer: cases by hand, what Captum says, axioms. The networks are ONNX files, whose values have
 * names (tests/reference/explainers_layer_reference.py). */
#include "networks.h"

#include "onnx/onnx.h"

static ln_error err;

#define ROWS 5 /* of the stored arrays */

static ln_tensor *array_of(const char *network, const char *part)
{
    char file[160];
    ln_tensor *tensor = NULL;
    snprintf(file, sizeof file, "reference/explainers_layer/%s.%s.npy", network, part);
    assert_ok(ln_npy_read(test_file(file), &tensor, NULL, &err));
    return tensor;
}

static ln_model *model_of(const char *network)
{
    char file[160];
    ln_graph *graph = NULL;
    ln_onnx_info info = {0};
    const ln_onnx_options options = {0};
    ln_model *model = NULL;
    snprintf(file, sizeof file, "reference/explainers_layer/%s.onnx", network);
    assert_ok(ln_onnx_read(test_file(file), &options, &graph, &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static const char *const networks[] = {"dense", "images"};
#define NETWORKS (sizeof networks / sizeof networks[0])

/* ---------------------------------------------------------------- references */

typedef struct stored_case {
    const char *word, *given; /* explainer and parameters */
} stored_case;

static const stored_case stored[] = {
    {"guided_backprop", ""},
    {"deconvnet", ""},
};
#define STORED (sizeof stored / sizeof stored[0])

static void check_stored(const char *network, const stored_case *wanted, ln_request request)
{
    ln_tensor *array = array_of(network, wanted->word);
    ln_explanation got = explain(wanted->word, wanted->given, request, NULL);
    const int64_t numbers = ln_shape_count(&array->shape);
    double scale = 0;
    assert_int_equal(got.count * got.width, numbers);
    for (int64_t i = 0; i < numbers; i++)
        scale = fmax(scale, fabs(ln_f64(array)[i]));
    for (int64_t i = 0; i < numbers; i++)
        if (!(fabs((double)got.values[i] - ln_f64(array)[i]) <= 3e-6 * scale))
            fail_msg("%s, %s %s: number %d is %.9g, the reference says %.9g", network, wanted->word,
                     wanted->given, (int)i, (double)got.values[i], ln_f64(array)[i]);
    ln_explanation_free(&got);
    ln_tensor_release(array);
}

static void attributions_as_captum_has_them(void **state)
{
    (void)state;
    ln_item items[ROWS];
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 3};
    for (size_t n = 0; n < NETWORKS; n++) {
        ln_model *model = model_of(networks[n]);
        ln_tensor *x = array_of(networks[n], "x");
        for (size_t c = 0; c < STORED; c++)
            check_stored(networks[n], &stored[c],
                         (ln_request){.model = model, .x = x, .items = items, .item_count = ROWS});
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributions_as_captum_has_them),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
