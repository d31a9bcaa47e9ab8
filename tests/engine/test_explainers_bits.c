/* The promise that an item's bits depend on nothing but the item: not on threads, batches or pieces. */
#include "networks.h"

#define MANY 75

typedef struct task {
    const char *word, *given;
    bool grouped, own_baselines;
} task;

static const task tasks[] = {
    {"saliency", "", false, false},
    {"input_x_gradient", "", false, false},
    {"guided_backprop", "", false, false},
    {"deconvnet", "", false, false},
    {"layer_activation", "", false, false},
    {"layer_gradient_x_activation", "", false, false},
    {"internal_influence", "steps=7", false, true},
    {"layer_conductance", "steps=20", false, false},
    {"layer_conductance", "steps=70", false, true},
    {"layer_integrated_gradients", "", false, false},
    {"layer_integrated_gradients", "steps=70", false, true},
    {"integrated_gradients", "", false, false},
    {"integrated_gradients", "steps=7 method=\"riemann_trapezoid\"", false, true},
    {"integrated_gradients", "steps=70", false, true},
    {"feature_ablation", "", false, false},
    {"feature_ablation", "", true, true},
    {"occlusion", "window=2", false, false},
    {"occlusion", "window=3 stride=2", false, true},
    {"shapley_exact", "", false, false},
    {"shapley_exact", "", true, true},
    {"kernel_shap", "samples=20", false, false},
    {"shapley_sampling", "", false, false},
    {"shapley_sampling", "permutations=2 antithetic=true", true, true},
    {"permutation_shap", "", false, false},
    {"kernel_shap", "samples=\"all\"", true, true},
    {"feature_permutation", "", false, false},
    {"feature_permutation", "samples=3", true, true},
    {"rise", "masks=150 cell=3", false, false},
    {"rise", "masks=30 cell=2 keep=0.3", false, true},
    {"lime", "samples=150", false, false},
    {"lime", "samples=70 discretize=\"none\" features=2", false, false},
    {"lime", "samples=150", true, true},
    {"random_attribution", "", false, false},
    {"random_attribution", "", true, false},
    {"smooth_grad", "samples=70", false, false},
    {"smooth_grad", "samples=3 mode=\"variance\"", false, true},
    {"gradient_shap", "samples=70 stdev=0.1", false, true},
};
#define TASKS (sizeof tasks / sizeof tasks[0])

/* Rows out of order, some twice, all targets. */
static ln_request many_items(ln_model *model, const ln_tensor *x, ln_item *items,
                             const ln_tensor *baselines, const task *what, const int32_t *groups)
{
    for (int64_t i = 0; i < MANY; i++)
        items[i] = (ln_item){.row = i * 29 % 60, .target = i % model->output_count};
    return (ln_request){.model = model,
                        .x = x,
                        .items = items,
                        .item_count = MANY,
                        .baseline = what->own_baselines ? baselines : NULL,
                        .groups = what->grouped ? groups : NULL,
                        .group_count = 3,
                        .layer = model->graph->nodes[1].outputs[0]};
}

static void assert_same_explanation(const ln_explanation *got, const ln_explanation *wanted,
                                    int64_t first)
{
    size_t count = (size_t)got->count;
    assert_int_equal(got->width, wanted->width);
    assert_same_bits(got->values, wanted->values + first * wanted->width,
                     count * (size_t)got->width * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        const int64_t at = first + (int64_t)i;
        const double a[] = {got->output[i], got->baseline_output[i]};
        const double b[] = {wanted->output[at], wanted->baseline_output[at]};
        for (int k = 0; k < 2; k++)
            assert_true(memcmp(&a[k], &b[k], sizeof a[k]) == 0 || (isnan(a[k]) && isnan(b[k])));
    }
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(&reference_networks[2]);
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 6), 1), *base = tensor_random(TEST_SHAPE(60, 6), 2);
    ln_item items[MANY];
    for (size_t t = 0; t < TASKS; t++) {
        ln_request request =
            many_items(model, x, items, base, &tasks[t], reference_networks[2].groups);
        ln_explanation alone = explain(tasks[t].word, tasks[t].given, request, NULL);
        for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
            ln_pool *pool = NULL;
            assert_ok(ln_pool_new(threads, &pool, &err));
            ln_explanation got = explain(tasks[t].word, tasks[t].given, request, pool);
            assert_same_explanation(&got, &alone, 0);
            assert_int_equal(got.evaluations, alone.evaluations);
            ln_explanation_free(&got);
            ln_pool_free(pool);
        }
        ln_explanation_free(&alone);
    }
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

/* An item in a request of its own, and pieces of a request, against the middle of many. */
static void bits_do_not_depend_on_batches(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(&reference_networks[2]);
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 6), 1), *base = tensor_random(TEST_SHAPE(60, 6), 2);
    ln_item items[MANY];
    for (size_t t = 0; t < TASKS; t++) {
        ln_request request =
            many_items(model, x, items, base, &tasks[t], reference_networks[2].groups);
        ln_explanation all = explain(tasks[t].word, tasks[t].given, request, NULL);
        static const int64_t counts[] = {1, 2, 33};
        for (size_t c = 0; c < 3; c++)
            for (int64_t first = 0; first + counts[c] <= MANY; first += 13) {
                ln_request part = request;
                part.items = items + first;
                part.item_count = counts[c];
                ln_explanation got = explain(tasks[t].word, tasks[t].given, part, NULL);
                assert_same_explanation(&got, &all, first);
                ln_explanation_free(&got);
            }
        const ln_explainer *explainer = ln_explainer_find(tasks[t].word);
        parameters params = parameters_of(&explainer->word, tasks[t].given);
        request = completed(explainer, request);
        request.params = params.bytes;
        ln_job *job = NULL;
        int64_t evaluations = 0;
        assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
        for (int64_t first = 0; first < MANY; first += 22) {
            int64_t count = first + 22 <= MANY ? 22 : MANY - first;
            ln_explanation got = {0};
            assert_ok(ln_job_run(job, first, count, &got, &err));
            assert_same_explanation(&got, &all, first);
            evaluations += got.evaluations;
            ln_explanation_free(&got);
        }
        assert_int_equal(evaluations, all.evaluations);
        ln_job_free(job);
        ln_explanation_free(&all);
    }
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(bits_do_not_depend_on_batches),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
