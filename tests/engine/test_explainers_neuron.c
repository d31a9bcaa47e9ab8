/* Hidden units explained in place of outputs: what Captum says of them, an output as a unit, what is refused. */
#include "layer_networks.h"

static ln_error err;

static const struct {
    const char *name; /* of the array; the layer's name follows it */
    const char *word, *given;
} stored[] = {
    {"neuron-gradient", "saliency", "absolute=false"},
    {"neuron-integrated_gradients", "integrated_gradients", "steps=20"},
    {"neuron-guided_backprop", "guided_backprop", ""},
    {"neuron-deconvnet", "deconvnet", ""},
};

#define UNIT 3 /* that the reference asks for, flattened */

static ln_request request_of(ln_model *model, const ln_tensor *x, ln_item *items,
                             const ln_neuron *neuron)
{
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = 2};
    return (ln_request){
        .model = model, .x = x, .items = items, .item_count = ROWS, .neuron = neuron};
}

static void units_as_captum_has_them(void **state)
{
    (void)state;
    static const char *const layers[][3] = {{"fc1", "relu1", "sum"}, {"pool", "conv2", "sum"}};
    static const char *const networks[] = {"dense", "images"};
    for (size_t n = 0; n < 2; n++) {
        ln_model *model = model_of(networks[n]);
        ln_tensor *x = array_of(networks[n], "x");
        for (int l = 0; l < 3; l++)
            for (size_t c = 0; c < sizeof stored / sizeof stored[0]; c++) {
                ln_item items[ROWS];
                char part[96];
                const ln_neuron neuron = {layer_of(model, layers[n][l]), UNIT};
                ln_request request = request_of(model, x, items, &neuron);
                ln_explanation got = explain(stored[c].word, stored[c].given, request, NULL);
                ln_explanation h = {0};
                snprintf(part, sizeof part, "%s.%s", stored[c].name, layers[n][l]);
                check_array(networks[n], part, &got);
                request.neuron = NULL;
                request.layer = neuron.value;
                h = explain("layer_activation", "", request, NULL);
                for (int i = 0; i < ROWS; i++) { /* a function without gradients may be fused */
                    const double value = (double)h.values[i * h.width + UNIT];
                    assert_true(fabs(got.output[i] - value) <= 1e-6 * (fabs(value) + 1));
                }
                ln_explanation_free(&got);
                ln_explanation_free(&h);
            }
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* The output asked for as a unit is the output, for every word that a unit can be asked of; and smooth_grad
 * of them. */
static void an_output_is_a_unit(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    const ln_neuron neuron = {model->output_value, 2};
    int asked = 0;
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        const unsigned flags = (*entry)->flags;
        if ((!(flags & LN_NEEDS_GRADIENT) && !(flags & LN_WRAPS)) ||
            flags & (LN_TAKES_LAYER | LN_ATTACKS))
            continue;
        ln_item items[ROWS];
        ln_request request = request_of(model, x, items, NULL);
        ln_explanation plain = explain((*entry)->word.name, "", request, NULL);
        request.neuron = &neuron;
        for (int i = 0; i < ROWS; i++)
            items[i].target = 77; /* which nobody reads */
        ln_explanation unit = explain((*entry)->word.name, "", request, NULL);
        assert_same_bits(unit.values, plain.values, ROWS * 144 * sizeof(float));
        assert_same_bits(unit.output, plain.output, ROWS * sizeof(double));
        if (flags & LN_COMPLETE)
            assert_same_bits(unit.baseline_output, plain.baseline_output, ROWS * sizeof(double));
        ln_explanation_free(&plain);
        ln_explanation_free(&unit);
        asked++;
    }
    assert_true(asked >= 10);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Completeness and conservation hold for a unit as for an output. */
static void units_are_shared_out_completely(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"integrated_gradients", "method=\"exact\""},
                                           {"deeplift", ""},
                                           {"lrp", "epsilon=1e-6"},
                                           {"lrp", "composite=\"epsilon_plus\""}};
    static const char *const layers[] = {"pool", "relu2", "sum"};
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    for (int l = 0; l < 3; l++)
        for (size_t c = 0; c < 4; c++) {
            ln_item items[ROWS];
            const ln_neuron neuron = {layer_of(model, layers[l]), 5};
            ln_explanation got =
                explain(cases[c][0], cases[c][1], request_of(model, x, items, &neuron), NULL);
            for (int i = 0; i < ROWS; i++) {
                const double base = got.absorbed ? got.absorbed[i] : got.baseline_output[i];
                const ln_summary sum =
                    ln_summarise(got.values + i * got.width, got.width, got.output[i], base);
                assert_true(ln_residual_holds(&sum, got.output[i], base, 1e-5));
            }
            ln_explanation_free(&got);
        }
    ln_tensor_release(x);
    ln_model_release(model);
}

static void units_that_are_none_are_refused(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    ln_item items[ROWS];
    const ln_explainer *word = ln_explainer_find("saliency");
    parameters params = parameters_of(&word->word, "");
    ln_job *job = NULL;
    for (int64_t unit = -1; unit <= 16; unit += 17) {
        const ln_neuron neuron = {layer_of(model, "sum"), unit};
        ln_request request = completed(word, request_of(model, x, items, &neuron));
        request.params = params.bytes;
        assert_fails(ln_job_new(word, &request, NULL, &job, &err), LN_EINVALID,
                     "'sum' has 16 units, numbered from 0: found");
        assert_string_equal(err.field, "neuron.unit");
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* x / |x|: what only divides gets no relevance, but where it is itself what is explained, nothing would be left of it.
 * Neither has the loss, behind which nothing stands, a rule. */
static void what_ends_in_a_divisor_or_a_loss_has_no_relevance(void **state)
{
    (void)state;
    static const float numbers[] = {1, 2, 3, 4, 0.5F, -1};
    const ln_reduce_attributes length = {
        .operation = LN_REDUCE_l2, .axes = {1, {1}}, .keepdims = true};
    const ln_shape pairs = TEST_SHAPE(-1, 2);
    ln_graph *graph;
    int x, node, inputs[2];
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &pairs, &x, &err));
    inputs[0] = add_dense(graph, x, 0, 2, 2, numbers);
    assert_ok(ln_graph_add_node(graph, ln_layer_find("reduce"), "reduce", "length", &length, inputs,
                                1, (const char *[]){"size"}, 1, &node, &err));
    inputs[1] = graph->nodes[node].outputs[0];
    assert_ok(ln_graph_add_node(graph, ln_layer_find("div"), "div", "part", NULL, inputs, 2,
                                (const char *[]){"y"}, 1, &node, &err));
    assert_ok(ln_graph_add_output(graph, graph->nodes[node].outputs[0], &err));
    ln_model *model;
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);

    const ln_neuron size = {layer_of(model, "size"), 0};
    ln_tensor *row = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 2});
    const ln_item item = {0, 1};
    const struct {
        const char *word, *part, *hint;
        const ln_neuron *neuron;
    } cases[] = {
        {"lrp", "reduce 'length': lrp has no rule for this layer (reduce)", "", &size},
        {"lrp", "lrp has no rule for this layer (class_loss)",
         "link = \"logit\" explains what the loss is made of", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ln_explainer *word = ln_explainer_find(cases[i].word);
        parameters params = parameters_of(&word->word, "");
        ln_job *job = NULL;
        ln_request request =
            completed(word, (ln_request){.model = model,
                                         .link = cases[i].neuron ? LN_LINK_RAW : LN_LINK_LOSS,
                                         .x = row,
                                         .items = &item,
                                         .item_count = 1,
                                         .neuron = cases[i].neuron});
        request.params = params.bytes;
        err = (ln_error){0};
        assert_fails(ln_job_new(word, &request, NULL, &job, &err), LN_EUNSUPPORTED, cases[i].part);
        assert_string_equal(err.hint, cases[i].hint);
    }
    ln_item at = item;
    ln_explanation got = explain(
        "lrp", "", (ln_request){.model = model, .x = row, .items = &at, .item_count = 1}, NULL);
    const ln_summary sum = ln_summarise(got.values, 2, got.output[0], got.absorbed[0]);
    assert_true(sum.l1 > 0 && ln_residual_holds(&sum, got.output[0], got.absorbed[0], 1e-6));
    ln_explanation_free(&got);
    ln_tensor_release(row);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_as_captum_has_them),
        cmocka_unit_test(an_output_is_a_unit),
        cmocka_unit_test(units_are_shared_out_completely),
        cmocka_unit_test(units_that_are_none_are_refused),
        cmocka_unit_test(what_ends_in_a_divisor_or_a_loss_has_no_relevance),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
