/* deep_taylor and excitation_backprop by hand, what is conserved, and what is refused; stored arrays are
 * compared with in test_explainers_layer.c. */
#include "explainer_checks.h"
#include "layer_networks.h"

static ln_error err;

/* Units 4 = relu(1 + 1 x1 + 2 x2) and 2 = relu(3 x1 - x2) at (1, 1); output 9 = 1 + 1 * 4 + 2 * 2. */
static void shares_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 3, -1, 1, 0, 1, 2, 1}, x[] = {1, 1};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){2, 2, 1}, weights, LN_TASK_REGRESSION);
    check_one("excitation_backprop", "", model, LN_LINK_RAW, x, 0, NULL,
              (float[]){2.0F / 3, 1.0F / 3}, 2e-6);
    check_one("deep_taylor", "", model, LN_LINK_RAW, x, 0, NULL, (float[]){4.95F, 4.05F}, 2e-5);
    check_one("deep_taylor", "low=0 high=2", model, LN_LINK_RAW, x, 0, NULL,
              (float[]){4.875F, 4.125F}, 2e-5);
    ln_model_release(model);
}

/* The node's result, which has its name. */
static int add_node(ln_graph *graph, const char *word, const char *name, const int *inputs,
                    int count)
{
    int made = -1;
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, name, NULL, inputs, count, &name,
                                1, &made, &err));
    return graph->nodes[made].outputs[0];
}

static int add_number(ln_graph *graph, const char *name, float number)
{
    const ln_shape shape = TEST_SHAPE(1);
    ln_tensor *tensor;
    int value = -1;
    assert_ok(ln_tensor_copy_of(LN_F32, &shape, &number, &tensor, &err));
    assert_ok(ln_graph_add_constant(graph, name, tensor, false, &value, &err));
    ln_tensor_release(tensor);
    return value;
}

/* The network above with its relu in other words: h s where h s > 0, 0 elsewhere, over s. A small scale makes
 * numbers about as large as stabilisers are, and must make no difference. */
static void scales_and_choices_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 3, -1, 1, 0, 1, 2, 1}, row[] = {1, 1};
    const ln_shape shape = TEST_SHAPE(-1, 2);
    ln_graph *graph;
    ln_model *model;
    int x = -1;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &x, &err));
    const int scale = add_number(graph, "scale", 1e-6F), zero = add_number(graph, "zero", 0);
    x = add_dense(graph, x, 0, 2, 2, weights);
    x = add_node(graph, "mul", "small", (const int[]){scale, x}, 2);
    const int open = add_node(graph, "greater", "open", (const int[]){x, zero}, 2);
    x = add_node(graph, "where", "chosen", (const int[]){open, x, zero}, 3);
    x = add_node(graph, "div", "large", (const int[]){x, scale}, 2);
    x = add_dense(graph, x, 1, 2, 1, weights + 6);
    assert_ok(ln_graph_add_output(graph, x, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    check_one("excitation_backprop", "", model, LN_LINK_RAW, row, 0, NULL,
              (float[]){2.0F / 3, 1.0F / 3}, 2e-6);
    check_one("deep_taylor", "", model, LN_LINK_RAW, row, 0, NULL, (float[]){4.95F, 4.05F}, 2e-5);
    check_one("deep_taylor", "low=0 high=2", model, LN_LINK_RAW, row, 0, NULL,
              (float[]){4.875F, 4.125F}, 2e-5);
    /* 9 (4 / 9, 4 / 9), of which each unit gives x w / z: (1, 2) / 4 and (3, -1) / 2 */
    check_one("lrp", "epsilon=1e-9", model, LN_LINK_RAW, row, 0, NULL, (float[]){7, 0}, 2e-5);
    ln_model_release(model);
}

/* deep_taylor hands all of the output back, excitation_backprop all of the probability, where no unit is
 * without positive input; in a plain network of relus nothing goes below 0 where the output is not. */
static void check_sums(ln_model *model, const ln_tensor *x, bool plain)
{
    static const char *const cases[][2] = {
        {"excitation_backprop", ""}, {"deep_taylor", ""}, {"deep_taylor", "low=-6 high=6"}};
    ln_item items[3 * ROWS];
    for (int i = 0; i < 3 * ROWS; i++)
        items[i] = (ln_item){.row = i / 3, .target = i % 3};
    for (size_t c = 0; c < 3; c++) {
        ln_explanation got = explain(
            cases[c][0], cases[c][1],
            (ln_request){.model = model, .x = x, .items = items, .item_count = 3 * ROWS}, NULL);
        int positive = 0;
        for (int i = 0; i < 3 * ROWS; i++) {
            const float *values = got.values + (int64_t)i * got.width;
            const double base = got.absorbed ? got.absorbed[i] : NAN;
            const ln_summary sum = ln_summarise(values, got.width, got.output[i], base);
            if (got.absorbed)
                assert_true(ln_residual_holds(&sum, got.output[i], base, 1e-5));
            else if (plain) /* a bias alone opens some units, and these hand on nothing */
                assert_true(sum.total < 1 + 1e-4 && sum.total >= 0);
            else
                assert_true(fabs(sum.total - 1) < 1e-4);
            if (plain && (!got.absorbed || got.output[i] > 0)) {
                assert_true(sum.min >= 0);
                positive += sum.max > 0;
            }
        }
        assert_true(positive > 0 || !plain);
        ln_explanation_free(&got);
    }
}

static void nothing_is_lost(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    check_sums(model, x, false); /* it adds numbers of both signs */
    ln_tensor_release(x);
    ln_model_release(model);
    model = reference_model(&reference_networks[0]);
    x = reference_of("relu", "x");
    check_sums(model, x, true);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    static const char *const words[] = {"deep_taylor", "excitation_backprop"};
    ln_model *model = model_of("images");
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 144), 4);
    ln_item items[130];
    ln_pool *pool = NULL;
    for (int i = 0; i < 130; i++)
        items[i] = (ln_item){.row = i * 7 % 60, .target = i % 3};
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t w = 0; w < 2; w++) {
        ln_request request = {.model = model, .x = x, .items = items, .item_count = 130};
        ln_explanation all = explain(words[w], "", request, pool);
        for (int i = 0; i < 130; i += 9) {
            request.items = items + i;
            request.item_count = 1;
            ln_explanation one = explain(words[w], "", request, NULL);
            assert_same_bits(one.values, all.values + (size_t)i * 144, 144 * sizeof(float));
            ln_explanation_free(&one);
        }
        ln_explanation_free(&all);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

static ln_status try(const char *word, const char *given, ln_model *model)
{
    const parameters params = parameters_of(&ln_explainer_find(word)->word, given);
    return try_row(word, &params, model, NULL, &err);
}

static void what_has_no_rule_is_refused(void **state)
{
    (void)state;
    ln_model *dense = model_of("dense"), *images = model_of("images");
    assert_fails(try("deep_taylor", "", dense), LN_EUNSUPPORTED,
                 "Tanh 'tanh_node': deep_taylor has no rule for this layer (tanh)");
    assert_fails(try("deep_taylor", "low=0", images), LN_EINVALID, "low and high go together");
    assert_fails(try("deep_taylor", "low=2 high=1", images), LN_EINVALID, "low is 2 and high 1");
    static const float weights[] = {1, 2, 3, 4, 0, 0};
    ln_model *soft =
        network_of("dense softmax", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    assert_fails(try("excitation_backprop", "", soft), LN_EUNSUPPORTED,
                 "excitation_backprop has no rule for this layer (softmax)");
    assert_string_equal(err.hint, "link = \"logit\" explains what stands before the last softmax");
    ln_model_release(dense);
    ln_model_release(images);
    ln_model_release(soft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_by_hand),
        cmocka_unit_test(scales_and_choices_by_hand),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(what_has_no_rule_is_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
