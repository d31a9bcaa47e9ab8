/* The promise that an item's bits depend on nothing but the item: not on threads, batches or pieces. */
#include "explainer_checks.h"

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
    {"anchors", "samples=3000 batch=30 beam=2", false, false},
    {"anchors", "samples=3000 batch=70", true, true},
    {"random_attribution", "", false, false},
    {"random_attribution", "", true, false},
    {"smooth_grad", "samples=70", false, false},
    {"smooth_grad", "samples=3 mode=\"variance\"", false, true},
    {"gradient_shap", "samples=70 stdev=0.1", false, true},
    {"feature_permutation", "samples=60 stop=0.2", false, false},
    {"smooth_grad", "samples=70 stop=0.05", false, false},
    {"gradient_shap", "samples=70 stop=0.1", false, false},
};
#define TASKS (sizeof tasks / sizeof tasks[0])

/* Networks of six inputs: one with activations of all kinds, and one of relus, whose layers mixtures of rows go
 * through all at once. */
static const int networks[] = {2, 0};
#define NETWORKS 2

/* Rows out of order, some twice, all targets. */
typedef struct many {
    const reference_network *network;
    ln_model *model;
    ln_tensor *x, *base;
    ln_item items[MANY];
} many;

static many new_many(int network)
{
    many made = {.network = &reference_networks[network],
                 .model = reference_model(&reference_networks[network]),
                 .x = tensor_random(TEST_SHAPE(60, 6), 1),
                 .base = tensor_random(TEST_SHAPE(60, 6), 2)};
    for (int64_t i = 0; i < MANY; i++)
        made.items[i] = (ln_item){.row = i * 29 % 60, .target = i % made.model->output_count};
    return made;
}

static ln_request request_of(const many *it, const task *what)
{
    return (ln_request){.model = it->model,
                        .x = it->x,
                        .items = it->items,
                        .item_count = MANY,
                        .baseline = what->own_baselines ? it->base : NULL,
                        .groups = what->grouped ? it->network->groups : NULL,
                        .group_count = 3,
                        .layer = it->model->graph->nodes[1].outputs[0]};
}

static void free_many(many *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->base);
    ln_model_release(it->model);
}

static void check_all_threads(int network)
{
    many it = new_many(network);
    for (size_t t = 0; t < TASKS; t++) {
        const ln_request request = request_of(&it, &tasks[t]);
        ln_explanation alone = explain(tasks[t].word, tasks[t].given, request, NULL);
        check_threads(tasks[t].word, tasks[t].given, request, &alone);
        ln_explanation_free(&alone);
    }
    free_many(&it);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int n = 0; n < NETWORKS; n++)
        check_all_threads(networks[n]);
}

/* An item in a request of its own, and pieces of a request, against the middle of many. */
static void check_batches(int network)
{
    ln_error err = {0};
    many it = new_many(network);
    for (size_t t = 0; t < TASKS; t++) {
        ln_request request = request_of(&it, &tasks[t]);
        ln_explanation all = explain(tasks[t].word, tasks[t].given, request, NULL);
        static const int64_t counts[] = {1, 2, 33};
        for (size_t c = 0; c < 3; c++)
            for (int64_t first = 0; first + counts[c] <= MANY; first += 13) {
                ln_request part = request;
                part.items = it.items + first;
                part.item_count = counts[c];
                ln_explanation got = explain(tasks[t].word, tasks[t].given, part, NULL);
                assert_same_items(&got, &all, first);
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
            assert_same_items(&got, &all, first);
            evaluations += got.evaluations;
            ln_explanation_free(&got);
        }
        assert_int_equal(evaluations, all.evaluations);
        ln_job_free(job);
        ln_explanation_free(&all);
    }
    free_many(&it);
}

static void bits_do_not_depend_on_batches(void **state)
{
    (void)state;
    for (int n = 0; n < NETWORKS; n++)
        check_batches(networks[n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(bits_do_not_depend_on_batches),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
