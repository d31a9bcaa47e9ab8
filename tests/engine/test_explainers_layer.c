/* Explainers on networks with branches, joins and one relu read by several layers, and those that look
 * at a layer: cases by hand, what Captum says, axioms. The networks are ONNX files, whose values have
 * names (tests/reference/explainers_layer_reference.py). */
#include "layer_networks.h"

static ln_error err;

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
    {"excitation_backprop", "excitation_backprop", "", 0},
    {"deeplift-reveal_cancel", "deeplift", "rule=\"reveal_cancel\"", ROWS},
    {"deep_taylor", "deep_taylor", "", 0},
    {"deep_taylor-box", "deep_taylor", "low=-4 high=4.5", 0},
    {"layer_activation", "layer_activation", "", 0},
    {"layer_gradient_x_activation", "layer_gradient_x_activation", "", 0},
    {"internal_influence", "internal_influence", "steps=20", 1},
    {"internal_influence-rows", "internal_influence", "steps=70", ROWS},
    {"internal_influence-left", "internal_influence", "steps=7 method=\"riemann_left\"", 1},
    {"layer_conductance", "layer_conductance", "steps=20", 1},
    {"layer_conductance-rows", "layer_conductance", "steps=70", ROWS},
    {"layer_conductance-left", "layer_conductance", "steps=7 method=\"riemann_left\"", 1},
    {"layer_integrated_gradients", "layer_integrated_gradients", "steps=20", 1},
    {"layer_integrated_gradients-rows", "layer_integrated_gradients", "steps=70", ROWS},
    {"layer_integrated_gradients-left", "layer_integrated_gradients",
     "steps=7 method=\"riemann_left\"", 1},
    {"grad_cam", "grad_cam", "", 0},
    {"grad_cam-relu", "grad_cam", "upsample=\"false\"", 0},
    {"grad_cam-small", "grad_cam", "relu=false upsample=\"false\"", 0},
    {"guided_grad_cam", "guided_grad_cam", "", 0},
    {"grad_cam_pp", "grad_cam_pp", "", 0},
    {"grad_cam_pp-small", "grad_cam_pp", "relu=false upsample=\"false\"", 0},
    {"layer_cam", "layer_cam", "", 0},
    {"layer_cam-small", "layer_cam", "relu=false upsample=\"false\"", 0},
    {"score_cam", "score_cam", "", 0},
    {"score_cam-small", "score_cam", "relu=false upsample=\"false\"", 0},
};
#define STORED (sizeof stored / sizeof stored[0])

static const char *const layers[NETWORKS][3] = {{"fc1", "relu1", "sum"}, {"pool", "conv2", "sum"}};

static void check_stored(const char *network, const char *layer, const stored_case *wanted,
                         ln_request request)
{
    char part[96];
    snprintf(part, sizeof part, "%s%s%s", wanted->name, layer ? "." : "", layer ? layer : "");
    request.layer = layer ? layer_of(request.model, layer) : 0;
    ln_explanation got = explain(wanted->word, wanted->given, request, NULL);
    check_array(network, part, &got);
    ln_explanation_free(&got);
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
            if (n == 0 && (needs_places(ln_explainer_find(stored[c].word)) ||
                           needs_relus(ln_explainer_find(stored[c].word))))
                continue;
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

/* ---------------------------------------------------------------- layers that forget */

static bool weights_differ(const ln_model *a, const ln_model *b, const char *layer)
{
    char name[64];
    bool differ = false;
    for (int part = 0; part < 2; part++) {
        snprintf(name, sizeof name, "%s.%s", layer, part ? "bias" : "weight");
        const int id = ln_graph_find_value(a->graph, name);
        assert_int_equal(id, ln_graph_find_value(b->graph, name));
        const ln_tensor *x = a->graph->values[id].constant, *y = b->graph->values[id].constant;
        const bool own = memcmp(x->data, y->data, (size_t)ln_shape_count(&x->shape) * 4) != 0;
        assert_true(part == 0 || own == differ); /* the bias goes with the weight */
        differ = own;
    }
    return differ;
}

/* fc1 -> (fc2, fc3) -> fc4: the order says which forget, each in the same way whichever others do; drawn
 * within what the layer's inputs allow; the model itself keeps its weights. */
static void layers_forget_alone_and_with_others(void **state)
{
    (void)state;
    static const char *const names[] = {"fc1", "fc2", "fc3", "fc4"};
    static const char *const expected[] = {"0011", "1110", "0010"}; /* of fc3, by the orders */
    ln_model *model = model_of("dense"), *before = model_of("dense"), *all, *made, *again;
    assert_ok(ln_model_randomise(model, -1, LN_RANDOMISE_ALONE, 3, &all, &err));
    for (int order = 0; order < 3; order++) {
        assert_ok(
            ln_model_randomise(model, layer_of(model, "fc3"), (ln_randomise)order, 3, &made, &err));
        for (int i = 0; i < 4; i++) {
            assert_int_equal(weights_differ(model, made, names[i]), expected[order][i] == '1');
            assert_int_equal(weights_differ(all, made, names[i]), expected[order][i] == '0');
            assert_true(weights_differ(model, all, names[i]));
            assert_false(weights_differ(model, before, names[i]));
        }
        assert_int_equal(layer_of(made, "sum"), layer_of(model, "sum"));
        ln_model_release(made);
    }
    assert_ok(ln_model_randomise(model, -1, LN_RANDOMISE_ALONE, 3, &again, &err));
    assert_memory_equal(again->sha256, all->sha256, LN_SHA256_BYTES);
    ln_model_release(again);
    assert_ok(ln_model_randomise(model, -1, LN_RANDOMISE_ALONE, 4, &again, &err));
    assert_memory_not_equal(again->sha256, all->sha256, LN_SHA256_BYTES);
    const ln_tensor *weight =
        all->graph->values[ln_graph_find_value(all->graph, "fc4.weight")].constant;
    double most = 0;
    for (int64_t k = 0; k < ln_shape_count(&weight->shape); k++)
        most = fmax(most, fabs((double)ln_f32(weight)[k]));
    assert_true(most <= 1 / sqrt(13.0) && most > 0.8 / sqrt(13.0)); /* 39 draws */
    assert_fails(
        ln_model_randomise(model, layer_of(model, "sum"), LN_RANDOMISE_ALONE, 3, &made, &err),
        LN_EINVALID, "'sum' has no weights to draw anew");
    ln_model_release(again);
    ln_model_release(all);
    ln_model_release(before);
    ln_model_release(model);
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
    ln_request request = completed(explainer, (ln_request){.model = model,
                                                           .x = x,
                                                           .items = items,
                                                           .item_count = 2,
                                                           .layer = layer_of(model, "sum")});
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

/* ---------------------------------------------------------------- by hand */

/* f(2) = 3 (2 * 2 - 1): the layer has 3, its gradient is 3. */
static void gradients_with_and_without_activations(void **state)
{
    (void)state;
    static const float weights[] = {2, -1, 3, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){1, 1, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 1), (float[]){2});
    ln_item item = {0};
    for (int with = 0; with < 2; with++) {
        const ln_request request = {
            .model = model, .x = x, .items = &item, .item_count = 1, .layer = layer_of(model, "0")};
        ln_explanation got = explain("layer_gradient_x_activation",
                                     with ? "" : "multiply_by_activation=false", request, NULL);
        assert_near_f32(got.values, (float[]){with ? 9 : 3}, 1, 1e-6, 0);
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* f(x) = 3 relu(2 x - 1) from 0 to 1: closed in the first half. Values 2: 2 x - 1, 4: its relu. */
static void sums_along_the_path_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *word, *given;
        int node;
        float wanted;
    } cases[] = {
        {"layer_activation", "", 0, 1},
        {"layer_gradient_x_activation", "", 0, 3},
        {"layer_gradient_x_activation", "", 1, 3},
        {"internal_influence", "steps=4 method=\"riemann_middle\"", 0, 1.5F},
        {"internal_influence", "steps=4 method=\"riemann_middle\"", 1, 3},
        /* Points 0, 1/4 .. 1; at 1/2 the relu is closed, so that only the last quarter counts. */
        {"layer_conductance", "steps=4 method=\"riemann_trapezoid\"", 0, 1.5F},
        {"layer_conductance", "steps=4 method=\"riemann_trapezoid\"", 1, 3},
        /* From h = -1 to 1 the relu opens halfway; from relu(h) = 0 to 1 all is straight. */
        {"layer_integrated_gradients", "method=\"exact\"", 0, 3},
        {"layer_integrated_gradients", "method=\"exact\"", 1, 3},
        {"layer_integrated_gradients", "method=\"exact\" multiply_by_inputs=false", 0, 1.5F},
    };
    static const float weights[] = {2, -1, 3, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){1, 1, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 1), (float[]){1});
    ln_item item = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_explanation got =
            explain(cases[i].word, cases[i].given,
                    (ln_request){.model = model,
                                 .x = x,
                                 .items = &item,
                                 .item_count = 1,
                                 .layer = model->graph->nodes[cases[i].node].outputs[0]},
                    NULL);
        assert_near_f32(got.values, &cases[i].wanted, 1, 1e-6, 0);
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- axioms */

/* Relative distance of the sum from what the output changes by, row 1 for class 2. */
static double residual_at(const char *network, const char *layer, const char *given, bool *promised)
{
    ln_model *model = model_of(network);
    ln_tensor *x = array_of(network, "x");
    ln_item item = {.row = 1, .target = 2};
    ln_explanation got = explain("layer_conductance", given,
                                 (ln_request){.model = model,
                                              .x = x,
                                              .items = &item,
                                              .item_count = 1,
                                              .layer = layer_of(model, layer)},
                                 NULL);
    const ln_summary summary =
        ln_summarise(got.values, got.width, got.output[0], got.baseline_output[0]);
    *promised = !isnan(got.baseline_output[0]);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
    return fabs(summary.residual) / summary.l1;
}

/* Where all goes through the layer the sum comes to the change of the output as steps grow, the input
 * as a layer too; where a branch leads round it there is no promise, and no residual. */
static void conductance_is_complete_where_the_layer_cuts(void **state)
{
    (void)state;
    static const char *const cuts[][2] = {
        {"dense", "x"},     {"dense", "fc1"},  {"dense", "relu1"}, {"dense", "join"},
        {"images", "pool"}, {"images", "sum"}, {"images", "conv1"}};
    static const char *const leaks[][2] = {
        {"dense", "sum"}, {"dense", "tanh"}, {"images", "conv2"}, {"images", "relu2"}};
    bool promised;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const double coarse = residual_at(cuts[i][0], cuts[i][1], "steps=20", &promised);
        const double fine = residual_at(cuts[i][0], cuts[i][1], "steps=2000", &promised);
        assert_true(promised);
        if (!(fine < 1e-3 && fine < coarse / 4))
            fail_msg("%s at %s: %g with 20 steps, %g with 2000", cuts[i][0], cuts[i][1], coarse,
                     fine);
    }
    for (size_t i = 0; i < sizeof leaks / sizeof leaks[0]; i++) {
        assert_true(isnan(residual_at(leaks[i][0], leaks[i][1], "steps=20", &promised)));
        assert_false(promised);
    }
}

/* Asked for the input, the words are those that explain inputs. */
static void at_the_input_they_are_the_methods_of_inputs(void **state)
{
    (void)state;
    static const struct {
        const char *word, *given, *of_inputs, *given_there;
    } cases[] = {
        {"layer_gradient_x_activation", "", "input_x_gradient", ""},
        {"internal_influence", "steps=30", "integrated_gradients",
         "steps=30 multiply_by_inputs=false"},
        {"layer_integrated_gradients", "steps=30", "integrated_gradients", "steps=30"},
    };
    ln_item items[ROWS];
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 3};
    for (size_t n = 0; n < NETWORKS; n++) {
        ln_model *model = model_of(networks[n]);
        ln_tensor *x = array_of(networks[n], "x");
        ln_request request = {.model = model,
                              .x = x,
                              .items = items,
                              .item_count = ROWS,
                              .layer = layer_of(model, "x")};
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            ln_explanation a = explain(cases[c].word, cases[c].given, request, NULL);
            ln_explanation b = explain(cases[c].of_inputs, cases[c].given_there, request, NULL);
            assert_near_f32(a.values, b.values, (size_t)(a.count * a.width), 0, 0);
            assert_same_bits(a.output, b.output, ROWS * sizeof(double));
            ln_explanation_free(&a);
            ln_explanation_free(&b);
        }
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* The logits do not depend on the softmax behind them. */
static void a_layer_behind_the_output_is_refused(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 3, 4, 0, 0};
    ln_model *model =
        network_of("dense softmax", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 2});
    ln_item item = {0};
    const ln_explainer *explainer = ln_explainer_find("layer_gradient_x_activation");
    ln_request request = completed(explainer, (ln_request){.model = model,
                                                           .link = LN_LINK_LOGIT,
                                                           .x = x,
                                                           .items = &item,
                                                           .item_count = 1,
                                                           .layer = model->graph->outputs[0]});
    ln_job *job = NULL;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID,
                 "the explained output does not depend on 'softmax_1.out': name a layer before it");
    assert_string_equal(err.field, "layer");
    request.link = LN_LINK_RAW;
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    ln_job_free(job);
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributions_as_captum_has_them),
        cmocka_unit_test(layers_forget_alone_and_with_others),
        cmocka_unit_test(activations_are_the_layers_own),
        cmocka_unit_test(layers_that_are_none),
        cmocka_unit_test(what_depends_on_what),
        cmocka_unit_test(gradients_with_and_without_activations),
        cmocka_unit_test(sums_along_the_path_by_hand),
        cmocka_unit_test(conductance_is_complete_where_the_layer_cuts),
        cmocka_unit_test(at_the_input_they_are_the_methods_of_inputs),
        cmocka_unit_test(a_layer_behind_the_output_is_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
