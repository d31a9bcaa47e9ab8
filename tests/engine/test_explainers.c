/* Explainers: the table of their words, cases by hand, and stored references. */
#include "networks.h"

/* ---------------------------------------------------------------- the table */

static void words_are_found_by_name(void **state)
{
    (void)state;
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        const ln_word *word = &(*entry)->word;
        assert_ptr_equal(ln_explainer_find(word->name), *entry);
        assert_true(word->summary[0] && word->formula[0] && word->source[0] && (*entry)->cost[0]);
        assert_true((*entry)->version >= 1);
        assert_true(!(*entry)->run == !!(*entry)->explain);
    }
    assert_null(ln_explainer_find("salience"));
    assert_null(ln_explainer_find(""));
}

/* Flags and parameters say the same. */
static void flags_match_parameters(void **state)
{
    (void)state;
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        bool baseline = false, groups = false, layer = false, tree = false, tolerance = false;
        for (const ln_param *param = (*entry)->word.params; param->name; param++) {
            baseline |= param->type == LN_PARAM_BASELINE;
            groups |= param->type == LN_PARAM_GROUPS;
            layer |= param->type == LN_PARAM_LAYER;
            tree |= param->type == LN_PARAM_TREE;
            tolerance |= strcmp(param->name, "tolerance") == 0;
            if (strcmp(param->name, "tolerance") == 0)
                assert_true(strtod(param->fallback, NULL) == (*entry)->tolerance);
            assert_true(param->offset == LN_NO_OFFSET ||
                        param->offset < (*entry)->word.params_size);
        }
        assert_int_equal(baseline, ((*entry)->flags & LN_TAKES_BASELINE) != 0);
        assert_int_equal(groups, ((*entry)->flags & LN_TAKES_GROUPS) != 0);
        assert_int_equal(layer, ((*entry)->flags & LN_TAKES_LAYER) != 0);
        assert_int_equal(tree, ((*entry)->flags & LN_TAKES_TREE) != 0);
        assert_int_equal(tolerance, ((*entry)->flags & (LN_COMPLETE | LN_CONSERVES)) != 0);
    }
}

/* ---------------------------------------------------------------- by hand */

/* Inputs 3 -> dense 4 (weights 1, biases -10, 1, 1, 1) -> relu -> dense 2 (weights 1, biases -1, 1):
 * the small network of Captum's own suite. */
static ln_model *hand_model(void)
{
    static const float weights[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  -10,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, 1};
    return network_of("dense relu dense", (int64_t[]){3, 4, 2}, weights, LN_TASK_CLASSIFICATION);
}

static const float hand_x[] = {20, 50, 30};

static void saliency_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {2, -3, 1};
    ln_model *one = network_of("dense", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    check_one("saliency", "", one, LN_LINK_RAW, (float[]){1, 1}, 0, NULL, (float[]){2, 3}, 0);
    check_one("saliency", "absolute=false", one, LN_LINK_RAW, (float[]){1, 1}, 0, NULL,
              (float[]){2, -3}, 0);
    ln_model_release(one);
    ln_model *model = hand_model();
    check_one("saliency", "", model, LN_LINK_RAW, hand_x, 0, NULL, (float[]){4, 4, 4}, 0);
    ln_model_release(model);
}

static void input_x_gradient_by_hand(void **state)
{
    (void)state;
    ln_model *model = hand_model();
    check_one("input_x_gradient", "", model, LN_LINK_RAW, hand_x, 0, NULL, (float[]){80, 200, 120},
              0);
    /* The first unit is closed where the inputs sum to less than 10. */
    check_one("input_x_gradient", "", model, LN_LINK_RAW, (float[]){1, -2, 3}, 1, NULL,
              (float[]){3, -6, 9}, 0);
    ln_model_release(model);
}

/* relu(relu(a) - 1 - relu(b)) at (3, 1): the gradient is (1, -1) on the second half of the path. */
static void integrated_gradients_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, -1, -1};
    ln_model *model = network_of("relu dense relu", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    static const float x[] = {3, 1};
    check_one("integrated_gradients", "", model, LN_LINK_RAW, x, 0, NULL, (float[]){1.5F, -0.5F},
              1e-6);
    check_one("integrated_gradients", "multiply_by_inputs=false", model, LN_LINK_RAW, x, 0, NULL,
              (float[]){0.5F, -0.5F}, 1e-6);
    /* Nodes 0, 1/4, 1/2, 3/4: only the last has an open relu (at 1/2 its input is exactly 0). */
    check_one("integrated_gradients", "steps=4 method=\"riemann_left\"", model, LN_LINK_RAW, x, 0,
              NULL, (float[]){0.75F, -0.25F}, 1e-6);
    check_one("integrated_gradients", "steps=4 method=\"riemann_right\"", model, LN_LINK_RAW, x, 0,
              NULL, (float[]){1.5F, -0.5F}, 1e-6);
    /* Nodes 0, 1/2, 1 with weights 1/4, 1/2, 1/4. */
    check_one("integrated_gradients", "steps=3 method=\"riemann_trapezoid\"", model, LN_LINK_RAW, x,
              0, NULL, (float[]){0.75F, -0.25F}, 1e-6);
    /* From a baseline that is already open, the path is linear. */
    check_one("integrated_gradients", "steps=1", model, LN_LINK_RAW, x, 0, (float[]){2, 0.5F},
              (float[]){1, -0.5F}, 1e-6);
    ln_model_release(model);
}

/* Two relus added with weights 1 and -1: the negative signal stops at the second; a closed relu stops
 * guided backpropagation, not deconvnet. */
static void guided_backprop_and_deconvnet_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 0, 0, 1, 0, 0, 1, -1, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){2, 2, 1}, weights, LN_TASK_REGRESSION);
    static const float x[] = {1, 1}, closed[] = {-1, 1};
    check_one("saliency", "absolute=false", model, LN_LINK_RAW, x, 0, NULL, (float[]){1, -1}, 0);
    check_one("guided_backprop", "", model, LN_LINK_RAW, x, 0, NULL, (float[]){1, 0}, 0);
    check_one("guided_backprop", "", model, LN_LINK_RAW, closed, 0, NULL, (float[]){0, 0}, 0);
    check_one("deconvnet", "", model, LN_LINK_RAW, x, 0, NULL, (float[]){1, 0}, 0);
    check_one("deconvnet", "", model, LN_LINK_RAW, closed, 0, NULL, (float[]){1, 0}, 0);
    ln_model_release(model);
    /* At 0 a relu is closed, to the gradient and to guided backpropagation. */
    check_one("guided_backprop", "", model = hand_model(), LN_LINK_RAW, (float[]){-1, 0, 0}, 0,
              NULL, (float[]){0, 0, 0}, 0);
    check_one("deconvnet", "", model, LN_LINK_RAW, (float[]){-1, 0, 0}, 0, NULL, (float[]){4, 4, 4},
              0);
    ln_model_release(model);
}

static void check_groups(ln_model *model, const int32_t *groups, int64_t count, float baseline,
                         const float *wanted)
{
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 3), hand_x);
    ln_tensor *base = tensor_f32(TEST_SHAPE(1, 3), (float[]){baseline, baseline, baseline});
    ln_item item = {0};
    ln_explanation got = explain("feature_ablation", "",
                                 (ln_request){.model = model,
                                              .x = x,
                                              .items = &item,
                                              .item_count = 1,
                                              .baseline = base,
                                              .groups = groups,
                                              .group_count = count},
                                 NULL);
    assert_int_equal(got.width, count);
    assert_near_f32(got.values, wanted, (size_t)count, 0, 0);
    assert_true(got.output[0] == 392 && isnan(got.baseline_output[0]));
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_tensor_release(base);
}

static void feature_ablation_by_hand(void **state)
{
    (void)state;
    static const int32_t alone[] = {0, 1, 2}, pair[] = {0, 0, 1}, crossed[] = {1, 0, 1},
                         gap[] = {0, 0, 2};
    ln_model *model = hand_model();
    check_one("feature_ablation", "", model, LN_LINK_RAW, hand_x, 0, NULL, (float[]){80, 200, 120},
              0);
    check_one("feature_ablation", "", model, LN_LINK_RAW, hand_x, 0, (float[]){4, 4, 4},
              (float[]){64, 184, 104}, 0);
    check_groups(model, alone, 3, 4, (float[]){64, 184, 104});
    check_groups(model, pair, 2, 0, (float[]){280, 120});
    check_groups(model, pair, 2, 4, (float[]){248, 104});
    check_groups(model, crossed, 2, 0, (float[]){200, 200});
    check_groups(model, gap, 3, 0, (float[]){280, 0, 120}); /* nothing in group 1: nothing lost */
    ln_model_release(model);
}

/* One output that is a class: class 1 is the output, class 0 its negative or 1 - p. */
static void targets_of_a_one_output_classifier(void **state)
{
    (void)state;
    static const float weights[] = {2, -1, 0.5F};
    static const float x[] = {1, 3};
    ln_model *model =
        network_of("dense sigmoid", (int64_t[]){2, 1}, weights, LN_TASK_CLASSIFICATION);
    double p = 1 / (1 + exp(0.5)), slope = p * (1 - p);
    double without_a = 1 / (1 + exp(2.5)), without_b = 1 / (1 + exp(-2.5));
    float gradient[] = {(float)(2 * slope), (float)-slope};
    float against[] = {(float)(-2 * slope), (float)slope};
    float ablated[] = {(float)(p - without_a), (float)(p - without_b)};
    float other[] = {(float)(without_a - p), (float)(without_b - p)};
    static const ln_link links[] = {LN_LINK_RAW, LN_LINK_PROBABILITY};
    for (int i = 0; i < 2; i++) {
        check_one("saliency", "absolute=false", model, links[i], x, 1, NULL, gradient, 1e-6);
        check_one("saliency", "absolute=false", model, links[i], x, 0, NULL, against, 1e-6);
        check_one("feature_ablation", "", model, links[i], x, 1, NULL, ablated, 1e-6);
        check_one("feature_ablation", "", model, links[i], x, 0, NULL, other, 1e-6);
    }
    check_one("input_x_gradient", "", model, LN_LINK_LOGIT, x, 0, NULL, (float[]){-2, 3}, 1e-6);
    check_one("integrated_gradients", "", model, LN_LINK_LOGIT, x, 1, NULL, (float[]){2, -3}, 1e-6);

    ln_tensor *row = tensor_f32(TEST_SHAPE(1, 2), x);
    ln_item item = {.row = 0, .target = 0};
    ln_request request = {
        .model = model, .link = LN_LINK_PROBABILITY, .x = row, .items = &item, .item_count = 1};
    ln_explanation got = explain("integrated_gradients", "", request, NULL);
    double wanted[] = {1 - p, 1 / (1 + exp(0.5))}; /* at the baseline, sigmoid(-bias) */
    assert_near_f64(got.output, &wanted[0], 1, 1e-6, 0);
    assert_near_f64(got.baseline_output, &wanted[1], 1, 1e-6, 0);
    ln_explanation_free(&got);
    ln_tensor_release(row);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- references */

typedef struct stored_case {
    const char *name; /* of the stored array */
    const char *word;
    const char *given; /* parameters */
    ln_link link;
    int baselines; /* 0: none (zero), 1: one, REFERENCE_ROWS: row by row */
    bool grouped;
} stored_case;

static const stored_case stored[] = {
    {"saliency", "saliency", "", LN_LINK_RAW, 0, false},
    {"saliency-signed", "saliency", "absolute=false", LN_LINK_RAW, 0, false},
    {"input_x_gradient", "input_x_gradient", "", LN_LINK_RAW, 0, false},
    {"guided_backprop", "guided_backprop", "", LN_LINK_RAW, 0, false},
    {"feature_ablation", "feature_ablation", "", LN_LINK_RAW, 0, false},
    {"feature_ablation-baseline", "feature_ablation", "", LN_LINK_RAW, 1, false},
    {"feature_ablation-rows", "feature_ablation", "", LN_LINK_RAW, REFERENCE_ROWS, false},
    {"feature_ablation-groups", "feature_ablation", "", LN_LINK_RAW, 1, true},
    {"ig-gausslegendre", "integrated_gradients", "steps=20", LN_LINK_RAW, 1, false},
    {"ig-riemann_left", "integrated_gradients", "steps=20 method=\"riemann_left\"", LN_LINK_RAW, 1,
     false},
    {"ig-riemann_right", "integrated_gradients", "steps=20 method=\"riemann_right\"", LN_LINK_RAW,
     1, false},
    {"ig-riemann_middle", "integrated_gradients", "steps=20 method=\"riemann_middle\"", LN_LINK_RAW,
     1, false},
    {"ig-trapezoid", "integrated_gradients", "steps=20 method=\"riemann_trapezoid\"", LN_LINK_RAW,
     1, false},
    {"ig-rows", "integrated_gradients", "steps=30", LN_LINK_RAW, REFERENCE_ROWS, false},
    {"ig-gradient", "integrated_gradients", "multiply_by_inputs=false", LN_LINK_RAW, 1, false},
    {"ig-probability", "integrated_gradients", "steps=40", LN_LINK_PROBABILITY, 1, false},
    {"ig-one", "integrated_gradients", "steps=1", LN_LINK_RAW, 1, false},
    {"ig-long", "integrated_gradients", "steps=150", LN_LINK_RAW, 1, false},
};
#define STORED (sizeof stored / sizeof stored[0])

/* Float32 against float64; the arrays are of the order of 1. */
static void check_stored(const reference_network *network, const stored_case *wanted,
                         const ln_request *request)
{
    ln_tensor *array = reference_of(network->name, wanted->name);
    ln_explanation got = explain(wanted->word, wanted->given, *request, NULL);
    int64_t width = request->model->width;
    for (int64_t i = 0; i < REFERENCE_ROWS * width; i++) {
        int64_t row = i / width, input = i % width;
        float value =
            request->groups ? got.values[row * got.width + request->groups[input]] : got.values[i];
        if (!(fabs((double)value - ln_f64(array)[i]) <= 5e-6 + 1e-5 * fabs(ln_f64(array)[i])))
            fail_msg("%s, %s: row %d, input %d is %.9g, the reference says %.9g", network->name,
                     wanted->name, (int)row, (int)input, (double)value, ln_f64(array)[i]);
    }
    ln_explanation_free(&got);
    ln_tensor_release(array);
}

static void attributions_as_captum_has_them(void **state)
{
    (void)state;
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        stored_rows it = open_stored(network);
        for (size_t c = 0; c < STORED; c++) {
            const stored_case *wanted = &stored[c];
            ln_request request = stored_request(&it);
            request.link = wanted->link;
            if (wanted->baselines > 0)
                request.baseline = wanted->baselines == 1 ? it.one : it.baselines;
            request.groups = wanted->grouped ? network->groups : NULL;
            request.group_count = 3;
            check_stored(network, wanted, &request);
        }
        close_stored(&it);
    }
}

/* An average gradient promises no sum: no baseline output, no residual. */
static void without_inputs_there_is_no_residual(void **state)
{
    (void)state;
    ln_model *model = reference_model(&reference_networks[1]);
    ln_tensor *x = reference_of("tanh", "x"), *rows = reference_of("tanh", "baselines");
    ln_item item = {.row = 3, .target = 1};
    for (int own = 0; own < 2; own++) {
        ln_request request = {
            .model = model, .x = x, .items = &item, .item_count = 1, .baseline = own ? rows : NULL};
        ln_explanation got =
            explain("integrated_gradients", "multiply_by_inputs=false", request, NULL);
        ln_summary summary =
            ln_summarise(got.values, got.width, got.output[0], got.baseline_output[0]);
        assert_true(isnan(got.baseline_output[0]) && isnan(summary.residual));
        assert_true(!isnan(got.output[0]) && !isnan(summary.total));
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_model_release(model);
}

/* Outputs at the row and at its baseline, one for all or row by row, are the network's own. */
static void outputs_are_recorded(void **state)
{
    (void)state;
    ln_error err = {0};
    const reference_network *network = &reference_networks[1];
    ln_model *model = reference_model(network);
    ln_tensor *x = reference_of("tanh", "x"), *rows = reference_of("tanh", "baselines");
    ln_tensor *at_x = reference_of("tanh", "output"), *one = NULL;
    ln_tensor *at_base = reference_of("tanh", "baseline_output");
    assert_ok(ln_tensor_rows(rows, 0, 1, &one, &err));
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        bool complete = ((*entry)->flags & LN_COMPLETE) != 0;
        if ((*entry)->flags & (LN_NO_TARGET | LN_ATTACKS) || needs_places(*entry) ||
            needs_relus(*entry))
            continue;
        for (int own = 0; own < 2; own++) {
            ln_item items[REFERENCE_ROWS];
            for (int i = 0; i < REFERENCE_ROWS; i++)
                items[i] = (ln_item){.row = REFERENCE_ROWS - 1 - i, .target = i % 3};
            ln_request request = {.model = model,
                                  .x = x,
                                  .items = items,
                                  .item_count = REFERENCE_ROWS,
                                  .baseline = own ? rows : one};
            ln_explanation got = explain((*entry)->word.name, required_by(*entry), request, NULL);
            for (int i = 0; i < REFERENCE_ROWS; i++) {
                int64_t row = items[i].row, target = items[i].target;
                double base = complete ? ln_f64(at_base)[(own ? row : 0) * 3 + target] : NAN;
                if (complete && needs_background(*entry, &(ln_request){0}) && own) {
                    base = 0; /* the baselines are the background: their mean */
                    for (int r = 0; r < REFERENCE_ROWS; r++)
                        base += ln_f64(at_base)[r * 3 + target] / REFERENCE_ROWS;
                }
                assert_near_f64(&got.output[i], &ln_f64(at_x)[row * 3 + target], 1, 2e-6, 0);
                assert_near_f64(&got.baseline_output[i], &base, 1, 2e-6, 0);
            }
            ln_explanation_free(&got);
        }
    }
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_tensor_release(one);
    ln_tensor_release(at_x);
    ln_tensor_release(at_base);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_by_name),
        cmocka_unit_test(flags_match_parameters),
        cmocka_unit_test(saliency_by_hand),
        cmocka_unit_test(input_x_gradient_by_hand),
        cmocka_unit_test(integrated_gradients_by_hand),
        cmocka_unit_test(guided_backprop_and_deconvnet_by_hand),
        cmocka_unit_test(feature_ablation_by_hand),
        cmocka_unit_test(targets_of_a_one_output_classifier),
        cmocka_unit_test(attributions_as_captum_has_them),
        cmocka_unit_test(without_inputs_there_is_no_residual),
        cmocka_unit_test(outputs_are_recorded),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
