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
    const char *name;         /* of the array; a layer's name follows it */
    const char *word, *given; /* explainer and parameters */
    int baselines;            /* 0: none, 1: one, ROWS: row by row */
} stored_case;

static const stored_case stored[] = {
    {"guided_backprop", "guided_backprop", "", 0},
    {"deconvnet", "deconvnet", "", 0},
    {"layer_activation", "layer_activation", "", 0},
};
#define STORED (sizeof stored / sizeof stored[0])

static const char *const layers[NETWORKS][3] = {{"fc1", "relu1", "sum"}, {"pool", "conv2", "sum"}};

static int layer_of(const ln_model *model, const char *name)
{
    int value;
    assert_ok(ln_model_layer(model, name, &value, &err));
    return value;
}

static void check_stored(const char *network, const char *layer, const stored_case *wanted,
                         ln_request request)
{
    char part[96];
    snprintf(part, sizeof part, "%s%s%s", wanted->name, layer ? "." : "", layer ? layer : "");
    ln_tensor *array = array_of(network, part);
    request.layer = layer ? layer_of(request.model, layer) : 0;
    ln_explanation got = explain(wanted->word, wanted->given, request, NULL);
    const int64_t numbers = ln_shape_count(&array->shape);
    double scale = 0;
    assert_int_equal(got.count * got.width, numbers);
    for (int64_t i = 0; i < numbers; i++)
        scale = fmax(scale, fabs(ln_f64(array)[i]));
    for (int64_t i = 0; i < numbers; i++)
        if (!(fabs((double)got.values[i] - ln_f64(array)[i]) <= 3e-6 * scale))
            fail_msg("%s, %s: number %d is %.9g, the reference says %.9g", network, part, (int)i,
                     (double)got.values[i], ln_f64(array)[i]);
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
        ln_tensor *x = array_of(networks[n], "x"), *one = NULL;
        ln_tensor *rows = array_of(networks[n], "baselines");
        assert_ok(ln_tensor_rows(rows, 0, 1, &one, &err));
        for (size_t c = 0; c < STORED; c++) {
            const unsigned flags = ln_explainer_find(stored[c].word)->flags;
            for (int l = 0; l < (flags & LN_TAKES_LAYER ? 3 : 1); l++)
                check_stored(networks[n], flags & LN_TAKES_LAYER ? layers[n][l] : NULL, &stored[c],
                             (ln_request){.model = model,
                                          .x = x,
                                          .items = items,
                                          .item_count = ROWS,
                                          .baseline = stored[c].baselines > 1 ? rows
                                                      : stored[c].baselines   ? one
                                                                              : NULL});
        }
        ln_tensor_release(x);
        ln_tensor_release(one);
        ln_tensor_release(rows);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- layers */

/* By name or number; the job has the layer's width and shape; what no output has is NaN. */
static void activations_are_the_layers_own(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    ln_item items[] = {{.row = 1}, {.row = 4}};
    assert_int_equal(layer_of(model, "sum"), layer_of(model, "6"));
    assert_int_equal(layer_of(model, "sum"), layer_of(model, "sum_node"));
    const ln_explainer *explainer = ln_explainer_find("layer_activation");
    ln_request request = completed((ln_request){
        .model = model, .x = x, .items = items, .item_count = 2, .layer = layer_of(model, "sum")});
    ln_job *job = NULL;
    ln_explanation out;
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    const ln_shape shape = TEST_SHAPE(4, 2, 2);
    assert_true(job->width == 16 && ln_shape_equal(&job->shape, &shape));
    assert_ok(ln_job_run(job, 0, 2, &out, &err));
    assert_true(out.width == 16 && isnan(out.output[0]) && isnan(out.baseline_output[1]));
    assert_int_equal(out.evaluations, 2);
    ln_explanation_free(&out);
    ln_job_free(job);
    /* The input is a value like others, and so is the output. */
    request.layer = layer_of(model, "x");
    out = explain("layer_activation", "", request, NULL);
    assert_same_bits(out.values, ln_f32(x) + 144, 144 * sizeof(float));
    ln_explanation_free(&out);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void layers_that_are_none(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    int value;
    assert_fails(ln_model_layer(model, "conv5", &value, &err), LN_EINVALID,
                 "the network has no layer and no value named 'conv5'");
    assert_fails(ln_model_layer(model, "9", &value, &err), LN_EINVALID,
                 "there is no layer 9: the network has 9, numbered from 0");
    assert_fails(ln_model_layer(model, "conv1.weight", &value, &err), LN_EINVALID,
                 "does not depend on the network's input: it is a constant");
    ln_model_release(model);
}

static void what_depends_on_what(void **state)
{
    (void)state;
    static const struct {
        const char *to, *from, *without;
        bool depends;
    } cases[] = {
        {"y", "x", NULL, true},       {"y", "x", "relu1", false}, {"y", "x", "sum", true},
        {"y", "sum", NULL, true},     {"sum", "y", NULL, false},  {"tanh", "relu2", NULL, false},
        {"sum", "fc1", "tanh", true}, {"y", "y", NULL, true},     {"sum", "sum", "sum", false},
    };
    ln_model *model = model_of("dense");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool got;
        const int without = cases[i].without ? layer_of(model, cases[i].without) : -1;
        assert_ok(ln_graph_depends(model->graph, layer_of(model, cases[i].to),
                                   layer_of(model, cases[i].from), without, &got, &err));
        if (got != cases[i].depends)
            fail_msg("%s on %s without %s", cases[i].to, cases[i].from, cases[i].without);
    }
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributions_as_captum_has_them),
        cmocka_unit_test(activations_are_the_layers_own),
        cmocka_unit_test(layers_that_are_none),
        cmocka_unit_test(what_depends_on_what),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
