/* Layer-wise relevance propagation through whole networks: conservation with what biases absorb, composites,
 * folded batch normalisation, the same bits in any batch, what has no rule, memory that runs out. Single rules:
 * test_explainers_relevance.c. */
#include "layer_networks.h"

#include "explainer_checks.h"
#include "graph/simplify.h"
#include "model/declare.h"

static ln_error err;

/* ---------------------------------------------------------------- graphs and composites */

/* conv -> relu -> [conv] + itself -> max pool -> avg pool -> flatten -> dense: all kinds at once. */
static ln_model *branching_model(void)
{
    ln_declaration declaration;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    const ln_shape input = TEST_SHAPE(2, 8, 8);
    const ln_convolution_attributes conv = {
        .out_channels = 4, .kernel_size = {1, {3}}, .padding = {1, {1}}, .groups = 1, .bias = true};
    const ln_pool_attributes pool = {.kernel_size = {1, {2}}};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes dense = {.units = 3, .bias = true};
    assert_ok(ln_declare_begin(&input, 3, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    int branches[2] = {declaration.value};
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    branches[1] = declaration.value;
    assert_ok(ln_declare_join(&declaration, "add", branches, 2, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("max_pool2d"), &pool, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("avg_pool2d"), &pool, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("flatten"), &flat, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("dense"), &dense, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static const char *const everything[] = {"rule=\"epsilon\"",
                                         "rule=\"epsilon\" epsilon=0.25",
                                         "rule=\"gamma\"",
                                         "rule=\"alpha_beta\"",
                                         "rule=\"z_plus\"",
                                         "rule=\"z_box\" low=-3 high=3",
                                         "rule=\"w_square\"",
                                         "rule=\"flat\"",
                                         "composite=\"epsilon_plus\"",
                                         "composite=\"epsilon_alpha2_beta1\"",
                                         "composite=\"epsilon_gamma_box\" low=-3 high=3",
                                         "composite=\"epsilon_plus_flat\"",
                                         "composite=\"epsilon_alpha2_beta1_flat\""};
#define EVERYTHING (sizeof everything / sizeof *everything)

/* What comes in and what was absorbed on the way are what went out. */
static void relevance_is_conserved(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(5, 128), 5);
    const ln_item items[] = {{0, 0}, {1, 1}, {2, 2}, {3, 0}, {4, 1}};
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_explanation got =
            explain("lrp", everything[s],
                    (ln_request){.model = model, .x = x, .items = items, .item_count = 5}, NULL);
        for (int64_t n = 0; n < 5; n++) {
            const ln_summary summary =
                ln_summarise(got.values + n * 128, 128, got.output[n], got.absorbed[n]);
            assert_true(fabs(got.absorbed[n]) > 0 && summary.l1 > 0);
            if (!ln_residual_holds(&summary, got.output[n], 0, 1e-4))
                fail_msg("%s: %g + %g is not %g", everything[s], summary.total, got.absorbed[n],
                         got.output[n]);
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* A composite is its rules: on two dense layers epsilon_plus is epsilon 1e-6, and with _flat the first
 * layer spreads evenly. */
static void composites_choose_by_kind_and_place(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(2, 128), 6);
    const ln_item items[] = {{0, 0}, {1, 2}};
    ln_request request = {.model = model, .x = x, .items = items, .item_count = 2};
    ln_explanation one = explain("lrp", "composite=\"epsilon_plus\"", request, NULL);
    ln_explanation two = explain("lrp", "composite=\"epsilon_plus_flat\"", request, NULL);
    /* The flat layer hands the same to all inputs of a window: both input channels alike. */
    for (int64_t n = 0; n < 2; n++)
        for (int64_t p = 0; p < 64; p++)
            assert_true(fabsf(two.values[n * 128 + p] - two.values[n * 128 + 64 + p]) <= 1e-6F);
    assert_true(fabsf(one.values[9] - one.values[64 + 9]) > 1e-4F);
    ln_explanation_free(&one);
    ln_explanation_free(&two);
    ln_tensor_release(x);
    ln_model_release(model);
    const float weights[] = {1, -2, 3, 1, 0.5F, -1, 2, 0, 1, 0.25F, 1, -1, 0.5F};
    model = network_of("dense relu dense", (int64_t[]){2, 3, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *row = tensor_f32(TEST_SHAPE(1, 2), (float[]){1.5F, -0.5F});
    request = (ln_request){.model = model, .x = row, .items = items, .item_count = 1};
    one = explain("lrp", "composite=\"epsilon_plus\"", request, NULL);
    two = explain("lrp", "epsilon=1e-6", request, NULL);
    assert_same_bits(one.values, two.values, 2 * sizeof(float));
    ln_explanation_free(&one);
    ln_explanation_free(&two);
    ln_tensor_release(row);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- composites of scripts */

#define ANY LN_LAYER_ANYWHERE

/* What Zennit says of rules by type, by name, and by place (tests/reference/lrp_composites_reference.py). */
static void own_composites_as_zennit_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *part, *given;
        int count;
        ln_layer_rule entries[4];
    } cases[] = {
        {"lrp-type",
         "",
         2,
         {{.type = "convolution", .place = ANY, .rule = LN_LAYER_RULE_GAMMA, .gamma = 0.1},
          {.type = "dense", .place = ANY, .rule = LN_LAYER_RULE_EPSILON, .epsilon = 0.01}}},
        {"lrp-name", /* the last dense layer has the explainer's own rule */
         "epsilon=1e-6",
         4,
         {{.layer = "conv1", .place = ANY, .rule = LN_LAYER_RULE_W_SQUARE},
          {.layer = "conv3_out",
           .place = ANY,
           .rule = LN_LAYER_RULE_ALPHA_BETA,
           .alpha = 1.5,
           .beta = 0.5},
          {.layer = "7", .place = ANY, .rule = LN_LAYER_RULE_Z_PLUS},
          {.type = "conv2d", .place = ANY, .rule = LN_LAYER_RULE_GAMMA, .gamma = 0.25}}},
        {"lrp-place",
         "",
         3,
         {{.place = LN_LAYER_LAST, .rule = LN_LAYER_RULE_GAMMA, .gamma = 0.5},
          {.type = "convolution",
           .place = LN_LAYER_FIRST,
           .rule = LN_LAYER_RULE_Z_BOX,
           .low = -3,
           .high = 3},
          {.type = "convolution", .place = ANY, .rule = LN_LAYER_RULE_Z_PLUS}}},
        {"lrp-flat", "epsilon=0.25", 1, {{.place = LN_LAYER_FIRST, .rule = LN_LAYER_RULE_FLAT}}},
    };
    ln_model *model = model_of("chain");
    ln_tensor *x = array_of("chain", "x");
    ln_item items[ROWS];
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 3};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const parameters params = lrp_with(cases[c].entries, cases[c].count, cases[c].given);
        ln_explanation got = explain_with(
            "lrp", &params,
            (ln_request){.model = model, .x = x, .items = items, .item_count = ROWS}, NULL);
        check_array("chain", cases[c].part, &got);
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Attention, normalisation and a gate, each contribution written out
 * (tests/reference/attention_lrp_reference.py); what softmax loses is accounted for. */
static void attention_as_written_out(void **state)
{
    (void)state;
    ln_model *model = model_of("attention");
    ln_tensor *x = array_of("attention", "x");
    ln_item items[ROWS];
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 2};
    ln_explanation got = explain(
        "lrp", "", (ln_request){.model = model, .x = x, .items = items, .item_count = ROWS}, NULL);
    check_array("attention", "lrp", &got);
    for (int i = 0; i < ROWS; i++) {
        const ln_summary summary =
            ln_summarise(got.values + i * got.width, got.width, got.output[i], got.absorbed[i]);
        assert_true(fabs(got.absorbed[i]) > 1e-3);
        assert_true(ln_residual_holds(&summary, got.output[i], got.absorbed[i], 1e-5));
    }
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* a / b at (3, 2): all to a. */
static void a_quotient_is_its_numerators(void **state)
{
    (void)state;
    const ln_slice_attributes halves[] = {
        {.starts = {1, {0}}, .ends = {1, {1}}, .axes = {1, {1}}, .steps = {1, {1}}},
        {.starts = {1, {1}}, .ends = {1, {2}}, .axes = {1, {1}}, .steps = {1, {1}}}};
    const ln_shape shape = TEST_SHAPE(-1, 2);
    const char *const names[] = {"a", "b", "z"};
    ln_graph *graph;
    ln_model *model;
    int x, ends[2], node;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &x, &err));
    for (int i = 0; i < 2; i++) {
        assert_ok(ln_graph_add_node(graph, ln_layer_find("slice"), "slice", names[i], &halves[i],
                                    &x, 1, &names[i], 1, &node, &err));
        ends[i] = graph->nodes[node].outputs[0];
    }
    assert_ok(ln_graph_add_node(graph, ln_layer_find("div"), "div", "z", NULL, ends, 2, &names[2],
                                1, &node, &err));
    assert_ok(ln_graph_add_output(graph, graph->nodes[node].outputs[0], &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    check_one("lrp", "", model, LN_LINK_RAW, (float[]){3, 2}, 0, NULL, (float[]){1.5F, 0}, 1e-6);
    ln_model_release(model);
}

/* z = WORD(c, x), c constant, explained for both elements: relevance and what was absorbed. */
static void constant_first(const char *word, const float *c, const float *x, const float *wanted,
                           const double *absorbed)
{
    const ln_shape shape = TEST_SHAPE(-1, 2);
    const char *const name = "z";
    ln_tensor *constant = tensor_f32(TEST_SHAPE(1, 2), c), *row = tensor_f32(TEST_SHAPE(1, 2), x);
    ln_graph *graph;
    ln_model *model;
    int in[2], node;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &in[1], &err));
    assert_ok(ln_graph_add_constant(graph, "c", constant, false, &in[0], &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, name, NULL, in, 2, &name, 1,
                                &node, &err));
    assert_ok(ln_graph_add_output(graph, graph->nodes[node].outputs[0], &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    const ln_item items[] = {{0, 0}, {0, 1}};
    ln_explanation got = explain(
        "lrp", "", (ln_request){.model = model, .x = row, .items = items, .item_count = 2}, NULL);
    assert_near_f32(got.values, wanted, 4, 1e-6, 0);
    assert_near_f64(got.absorbed, absorbed, 2, 1e-6, 0);
    ln_explanation_free(&got);
    ln_tensor_release(row);
    ln_tensor_release(constant);
    ln_model_release(model);
}

/* A constant divided by x is a function of x; what a constant wins of a maximum is absorbed. */
static void constants_before_the_input(void **state)
{
    (void)state;
    constant_first("div", (float[]){6, 8}, (float[]){2, 4}, (float[]){3, 0, 0, 2},
                   (double[]){0, 0});
    constant_first("maximum", (float[]){2, 4}, (float[]){3, 1}, (float[]){3, 0, 0, 0},
                   (double[]){0, 4});
}

static ln_status try_entries(ln_model *model, const ln_layer_rule *entries, int count)
{
    const parameters params = lrp_with(entries, count, "");
    return try_row("lrp", &params, model, NULL, &err);
}

static void wrong_entries_are_told_by_their_place(void **state)
{
    (void)state;
    ln_model *model = model_of("chain");
    const ln_layer_rule fine = {.place = ANY, .layer = "conv1", .rule = LN_LAYER_RULE_FLAT};
    ln_layer_rule entries[2] = {fine, fine};
    assert_ok(try_entries(model, entries, 2));
    entries[1].layer = "conv7";
    assert_fails(try_entries(model, entries, 2), LN_EINVALID,
                 "the network has no layer and no value named 'conv7'");
    assert_string_equal(err.field, "composite[2].layer");
    entries[1].layer = "10";
    assert_fails(try_entries(model, entries, 2), LN_EINVALID, "has 10, numbered from 0");
    entries[1].layer = "relu1";
    assert_fails(try_entries(model, entries, 2), LN_EINVALID,
                 "'relu1' takes no rule for sharing relevance");
    entries[1].layer = "1"; /* told by its name */
    assert_fails(try_entries(model, entries, 2), LN_EINVALID,
                 "'relu1' takes no rule for sharing relevance");
    entries[0] =
        (ln_layer_rule){.place = ANY, .rule = LN_LAYER_RULE_ALPHA_BETA, .alpha = 2, .beta = 0.5};
    assert_fails(try_entries(model, entries, 2), LN_EINVALID, "alpha - beta must be 1");
    assert_string_equal(err.field, "composite[1].alpha");
    entries[0] = (ln_layer_rule){.place = ANY, .rule = LN_LAYER_RULE_Z_BOX, .low = 1, .high = 0};
    assert_fails(try_entries(model, entries, 2), LN_EINVALID, "low is 1 and high 0");
    assert_string_equal(err.field, "composite[1].low");
    ln_model_release(model);
}

/* Batch normalisation behind a convolution goes into its weights: the relevance of the network is that of
 * the folded one, and conserved; alone it has no rule. */
static void batch_normalisation_is_folded(void **state)
{
    (void)state;
    ln_declaration declaration;
    ln_graph *graph = NULL, *folded;
    ln_model *models[2];
    const ln_shape input = TEST_SHAPE(2, 6, 6);
    const ln_convolution_attributes conv = {
        .out_channels = 3, .kernel_size = {1, {3}}, .groups = 1, .bias = true};
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes two = {.units = 2, .bias = true};
    assert_ok(ln_declare_begin(&input, 9, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("batch_norm2d"), &norm, "norm", &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("flatten"), &flat, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("dense"), &two, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    static const char *const parts[] = {"norm.weight", "norm.bias", "norm.running_mean",
                                        "norm.running_var"};
    for (int p = 0; p < 4; p++)
        for (int c = 0; c < 3; c++)
            ln_f32(graph->values[ln_graph_find_value(graph, parts[p])].constant)[c] =
                0.5F + 0.3F * (float)p - 0.4F * (float)c * (p < 3 ? 1 : -1);
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_BATCH_NORM, NULL, 0, &folded, &err));
    assert_int_equal(folded->node_count, graph->node_count - 1);
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &models[0], &err));
    assert_ok(
        ln_model_new("network", folded, NULL, NULL, LN_TASK_CLASSIFICATION, &models[1], &err));
    ln_graph_release(graph);
    ln_graph_release(folded);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, 72), 10);
    const ln_item items[] = {{0, 0}, {1, 1}, {2, 0}};
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_explanation got[2];
        for (int m = 0; m < 2; m++)
            got[m] = explain(
                "lrp", everything[s],
                (ln_request){.model = models[m], .x = x, .items = items, .item_count = 3}, NULL);
        assert_same_bits(got[0].values, got[1].values, 3 * 72 * sizeof(float));
        for (int64_t n = 0; n < 3; n++) {
            const ln_summary summary =
                ln_summarise(got[0].values + n * 72, 72, got[0].output[n], got[0].absorbed[n]);
            assert_true(ln_residual_holds(&summary, got[0].output[n], 0, 1e-4));
        }
        ln_explanation_free(&got[0]);
        ln_explanation_free(&got[1]);
    }
    ln_tensor_release(x);
    ln_model_release(models[0]);
    ln_model_release(models[1]);
}

/* A row's relevance has the same bits alone, in a batch and on any number of threads. */
static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(40, 128), 8);
    ln_item items[40];
    for (int i = 0; i < 40; i++)
        items[i] = (ln_item){i, i % 3};
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_request request = {.model = model, .x = x, .items = items, .item_count = 40};
        ln_explanation all = explain("lrp", everything[s], request, pool);
        request.items = &items[17];
        request.item_count = 1;
        ln_explanation one = explain("lrp", everything[s], request, NULL);
        assert_same_bits(one.values, all.values + 17 * 128, 128 * sizeof(float));
        assert_same_bits(one.absorbed, all.absorbed + 17, sizeof(double));
        ln_explanation_free(&all);
        ln_explanation_free(&one);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- refusals */

static ln_status try(ln_model *model, const char *given)
{
    const parameters params = parameters_of(&ln_explainer_find("lrp")->word, given);
    return try_row("lrp", &params, model, NULL, &err);
}

static void what_has_no_rule_is_refused(void **state)
{
    (void)state;
    const float weights[] = {1, -2, 3, 1, 0.5F, -1};
    ln_model *model =
        network_of("dense softmax", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    assert_fails(try(model, ""), LN_EUNSUPPORTED, "softmax 'softmax_1': lrp has no rule");
    assert_non_null(strstr(err.hint, "link = \"logit\""));
    ln_model_release(model);
    model = network_of("dense relu", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    assert_fails(try(model, "rule=\"alpha_beta\" alpha=2 beta=0.5"), LN_EINVALID, "must be 1");
    assert_string_equal(err.field, "alpha");
    assert_fails(try(model, "rule=\"z_box\" low=1 high=-1"), LN_EINVALID, "low is 1 and high -1");
    assert_ok(try(model, "rule=\"epsilon\" low=1 high=-1"));
    ln_model_release(model);
    /* Batch normalisation that stands in front of everything cannot be folded. */
    ln_declaration declaration;
    ln_graph *graph = NULL;
    const ln_shape input = TEST_SHAPE(3);
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    assert_ok(ln_declare_begin(&input, 9, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("batch_norm1d"), &norm, "norm", &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    assert_fails(try(model, ""), LN_EUNSUPPORTED,
                 "batch_norm1d 'norm': lrp has no rule for this layer (batch_norm1d)");
    assert_non_null(strstr(err.hint, "folded"));
    ln_model_release(model);
}

static ln_status relevance_once(void *context, ln_error *error)
{
    ln_model *model = context;
    const parameters params =
        parameters_of(&ln_explainer_find("lrp")->word, "composite=\"epsilon_gamma_box\"");
    static float numbers[128];
    const ln_item item = {0, 0};
    ln_tensor *x = NULL;
    const ln_shape shape = TEST_SHAPE(1, 128);
    ln_status status = ln_tensor_copy_of(LN_F32, &shape, numbers, &x, error);
    if (status)
        return status;
    const ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    status = try_job("lrp", &params, request, error);
    ln_tensor_release(x);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    sweep_allocation_failures(relevance_once, model);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relevance_is_conserved),
        cmocka_unit_test(composites_choose_by_kind_and_place),
        cmocka_unit_test(own_composites_as_zennit_has_them),
        cmocka_unit_test(attention_as_written_out),
        cmocka_unit_test(a_quotient_is_its_numerators),
        cmocka_unit_test(constants_before_the_input),
        cmocka_unit_test(wrong_entries_are_told_by_their_place),
        cmocka_unit_test(batch_normalisation_is_folded),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(what_has_no_rule_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
