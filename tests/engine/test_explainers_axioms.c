/* The axioms that explainers are built on: completeness, exactness on linear models, invariance to how
 * a function is implemented, sensitivity. */
#include "contrasting.h"

#define MANY 60 /* rows */

/* |residual| of row 2 of the tanh network by `given`. */
static double residual_of(const char *given)
{
    ln_model *model = reference_model(&reference_networks[1]);
    ln_tensor *x = reference_of("tanh", "x");
    ln_item item = {.row = 2, .target = 1};
    ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("integrated_gradients", given, request, NULL);
    ln_summary summary = ln_summarise(got.values, got.width, got.output[0], got.baseline_output[0]);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
    return fabs(summary.residual);
}

/* A smooth network: halving the spacing halves the error of the one-sided rules and quarters that of
 * the symmetric ones; Gauss-Legendre is at float32's rounding with few nodes. */
static void completeness_improves_at_the_known_order(void **state)
{
    (void)state;
    static const struct {
        const char *coarse, *fine;
        double ratio;
    } cases[] = {
        {"steps=100 method=\"riemann_left\"", "steps=200 method=\"riemann_left\"", 2},
        {"steps=100 method=\"riemann_right\"", "steps=200 method=\"riemann_right\"", 2},
        {"steps=16 method=\"riemann_middle\"", "steps=32 method=\"riemann_middle\"", 4},
        {"steps=17 method=\"riemann_trapezoid\"", "steps=33 method=\"riemann_trapezoid\"", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double coarse = residual_of(cases[i].coarse), fine = residual_of(cases[i].fine);
        if (fabs(coarse / fine - cases[i].ratio) > 0.08 * cases[i].ratio)
            fail_msg("%s leaves %g, %s leaves %g: expected a ratio of %g", cases[i].coarse, coarse,
                     cases[i].fine, fine, cases[i].ratio);
    }
    assert_true(residual_of("steps=2") > 1e-3);
    assert_true(residual_of("steps=20") < 2e-6);
}

/* On f(x) = w x + c every method gives w (x - b), whatever the quadrature. */
static void a_linear_model_is_explained_exactly(void **state)
{
    (void)state;
    static const float weights[] = {0.5F, -2, 0.25F, 3, 1, -1, 7, -5};
    static const float x[] = {1.5F, -2, 0.5F}, base[] = {-0.5F, 1, 2}, wanted[] = {6, -3, 1.5F};
    static const float from_zero[] = {4.5F, -2, -0.5F};
    ln_model *model = network_of("dense", (int64_t[]){3, 2}, weights, LN_TASK_REGRESSION);
    static const char *const methods[] = {"steps=1",
                                          "steps=3",
                                          "steps=50",
                                          "steps=2 method=\"riemann_trapezoid\"",
                                          "steps=7 method=\"riemann_left\"",
                                          "steps=9 method=\"riemann_right\"",
                                          "steps=130 method=\"riemann_middle\""};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        check_one("integrated_gradients", methods[i], model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("feature_ablation", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("feature_permutation", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("occlusion", "window=1", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("shapley_exact", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("kernel_shap", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("shapley_sampling", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("permutation_shap", "", model, LN_LINK_RAW, x, 1, base, wanted, 1e-6);
    check_one("input_x_gradient", "", model, LN_LINK_RAW, x, 1, NULL, from_zero, 1e-6);
    check_one("guided_backprop", "", model, LN_LINK_RAW, x, 1, NULL, (float[]){3, 1, -1}, 1e-6);
    check_one("deconvnet", "", model, LN_LINK_RAW, x, 1, NULL, (float[]){3, 1, -1}, 1e-6);
    ln_model_release(model);
}

/* Two networks that compute the same function: the second has its hidden units in another order and
 * one of them split in two halves. */
static void equal_functions_have_equal_attributions(void **state)
{
    (void)state;
    /* hidden h0 = tanh(x0 - 2 x1 + 0.25), h1 = tanh(0.5 x0 + x1 - 0.75); f = 2 h0 - h1 + 0.5 */
    static const float plain[] = {1, -2, 0.5F, 1, 0.25F, -0.75F, 2, -1, 0.5F};
    static const float split[] = {0.5F,  1,     1,  -2,    1,     -2,  -0.75F,
                                  0.25F, 0.25F, -1, 1.25F, 0.75F, 0.5F};
    static const struct {
        const char *word, *given;
    } cases[] = {{"saliency", ""},         {"saliency", "absolute=false"},
                 {"input_x_gradient", ""}, {"integrated_gradients", ""},
                 {"feature_ablation", ""}, {"occlusion", "window=2"},
                 {"shapley_exact", ""},    {"kernel_shap", ""}};
    ln_model *a = network_of("dense tanh dense", (int64_t[]){2, 2, 1}, plain, LN_TASK_REGRESSION);
    ln_model *b = network_of("dense tanh dense", (int64_t[]){2, 3, 1}, split, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_random(TEST_SHAPE(12, 2), 5);
    ln_item items[12];
    for (int i = 0; i < 12; i++)
        items[i] = (ln_item){.row = i, .target = 0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_request request = {.model = a, .x = x, .items = items, .item_count = 12};
        ln_explanation one = explain(cases[i].word, cases[i].given, request, NULL);
        request.model = b;
        ln_explanation two = explain(cases[i].word, cases[i].given, request, NULL);
        assert_near_f32(two.values, one.values, 24, 2e-6, 1e-5);
        ln_explanation_free(&one);
        ln_explanation_free(&two);
    }
    ln_tensor_release(x);
    ln_model_release(a);
    ln_model_release(b);
}

/* An input that the network does not read gets exactly 0; one that alone differs from the baseline
 * gets all of the difference. */
static void sensitivity(void **state)
{
    (void)state;
    static const float weights[] = {1,    0,     -2,     0.5F, 0, 1,  -1, 0,
                                    0.5F, 0.25F, -0.75F, 0.1F, 2, -1, 1,  0.5F};
    static const float base[] = {0.3F, 0.1F, -0.7F};
    ln_model *model =
        network_of("dense tanh dense", (int64_t[]){3, 3, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(2, 3), (float[]){1, 2, 3, 0.3F, 0.1F, 0.9F});
    ln_tensor *baseline = tensor_f32(TEST_SHAPE(1, 3), base);
    ln_item items[] = {{.row = 0}, {.row = 1}};
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        ln_request request = {
            .model = model, .x = x, .items = items, .item_count = 2, .baseline = baseline};
        if (strcmp((*entry)->word.name, "random_attribution") == 0)
            continue; /* which is why it is a control */
        if (strcmp((*entry)->word.name, "rise") == 0)
            continue; /* a mean of f itself, not of what an input changes: test_explainers_rise.c */
        if ((*entry)->flags & LN_HAS_FIT)
            continue; /* fitted to samples, or a rule of them: test_explainers_lime.c, _anchors.c */
        const bool expected = strcmp((*entry)->word.name, "gradient_shap") == 0; /* so far only */
        if (needs_relus(*entry) || strcmp((*entry)->word.name, "excitation_backprop") == 0)
            continue; /* positive weights alone: test_explainers_taylor.c */
        if ((*entry)->flags & LN_ATTACKS)
            continue; /* rows, not attributions: test_explainers_attack.c */
        if ((*entry)->flags & LN_OF_PAIRS)
            continue; /* test_explainers_interaction.c */
        if ((*entry)->flags & LN_AT_LAYER || needs_places(*entry))
            continue; /* test_explainers_layer.c */
        ln_explanation got = explain((*entry)->word.name, required_by(*entry), request, NULL);
        assert_true(got.values[1] == 0 && got.values[0] != 0 && got.values[2] != 0);
        if ((*entry)->flags & LN_COMPLETE && !expected) {
            double change = got.output[1] - got.baseline_output[1];
            float wanted[] = {0, 0, (float)change};
            assert_true(fabs(change) > 0.1);
            assert_near_f32(got.values + 3, wanted, 3, 2e-6, 0);
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_tensor_release(baseline);
    ln_model_release(model);
}

/* relu(h) - h and |h| + h vanish by halves: what comes to them is shared out as great parts of both signs, which meet
 * again at h, where each relevance has four ways to arrive. Nothing is lost there. */
static void great_parts_that_cancel_are_conserved(void **state)
{
    (void)state;
    static const char *const rules[] = {"rule=\"flat\"", "rule=\"w_square\"",
                                        "rule=\"z_box\" low=-3 high=3", "rule=\"z_plus\"", ""};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 10), &x);
    const int h = dense(graph, x, 12, 1);
    const int under = add_node(graph, "sub", NULL, add_node(graph, "relu", NULL, h, -1), h);
    const int inner = add_node(graph, "relu", NULL, dense(graph, under, 12, 2), -1);
    const int over = add_node(graph, "add", NULL, inner, add_node(graph, "abs", NULL, h, -1));
    ln_model *model = finish(graph, dense(graph, add_node(graph, "add", NULL, over, h), 4, 3));
    ln_tensor *given = tensor_random(TEST_SHAPE(MANY, 10), 5);
    ln_item items[MANY];
    for (int n = 0; n < MANY; n++)
        items[n] = (ln_item){n, n % 4};
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        ln_explanation got = explain(
            "lrp", rules[r],
            (ln_request){.model = model, .x = given, .items = items, .item_count = MANY}, NULL);
        for (int n = 0; n < MANY; n++) {
            double sum = got.absorbed[n], size = fabs(got.output[n]);
            for (int i = 0; i < 10; i++) {
                sum += (double)got.values[n * 10 + i];
                size += fabs((double)got.values[n * 10 + i]);
            }
            if (fabs(sum - got.output[n]) > 1e-5 * size)
                fail_msg("%s, row %d: %g is not %g, of a size of %g", rules[r], n, sum,
                         got.output[n], size);
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(given);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completeness_improves_at_the_known_order),
        cmocka_unit_test(a_linear_model_is_explained_exactly),
        cmocka_unit_test(equal_functions_have_equal_attributions),
        cmocka_unit_test(sensitivity),
        cmocka_unit_test(great_parts_that_cancel_are_conserved),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
