/* The share of evaluated rows that lie outside of the training data: against counts by brute force, for every
 * explainer that shows its rows; nothing else changes, and a row's share does not depend on the others. */
#include "judging.h"

#include "explainers/common/manifold.h"

#define INPUTS 5
#define ITEMS 4

static const char *const watched[] = {"partition_shap",      "feature_ablation",
                                      "feature_permutation", "shapley_exact",
                                      "shapley_sampling",    "permutation_shap",
                                      "kernel_shap",         "lime",
                                      "occlusion",           "rise"};

typedef struct setting {
    ln_model *model;
    ln_tensor *x, *training, *background;
    ln_item items[ITEMS];
    ln_manifold *watch;
    ln_request request;
} setting;

static void set_up(setting *it, double quantile, int64_t rows)
{
    ln_error err = {0};
    ln_tensor *weights = tensor_random(TEST_SHAPE((INPUTS + 1) * 4 + 5), 1);
    it->model = network_of("dense tanh dense", (int64_t[]){INPUTS, 4, 1}, ln_f32(weights),
                           LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    it->x = tensor_random(TEST_SHAPE(ITEMS, INPUTS), 2);
    it->training = tensor_random(TEST_SHAPE(40, INPUTS), 3);
    assert_ok(ln_tensor_rows(it->training, 0, 3, &it->background, &err));
    for (int i = 0; i < ITEMS; i++)
        it->items[i] = (ln_item){.row = i};
    assert_ok(ln_manifold_new(it->training, quantile, rows, NULL, &it->watch, &err));
    it->request = (ln_request){.model = it->model,
                               .x = it->x,
                               .items = it->items,
                               .item_count = ITEMS,
                               .watch = it->watch};
}

static void tear_down(setting *it)
{
    ln_manifold_free(it->watch);
    ln_tensor_release(it->x);
    ln_tensor_release(it->training);
    ln_tensor_release(it->background);
    ln_model_release(it->model);
}

static double distance(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < INPUTS; i++)
        sum += pow((double)a[i] - (double)b[i], 2);
    return sqrt(sum);
}

/* Distance of the nearest training row but `but`. */
static double nearest(const setting *it, const float *row, int64_t but)
{
    double least = INFINITY;
    for (int64_t k = 0; k < 40; k++)
        if (k != but)
            least = fmin(least, distance(row, ln_f32(it->training) + k * INPUTS));
    return least;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distance that nine of ten training rows keep: place 35.1 of 0 .. 39. */
static double threshold_of(const setting *it)
{
    double own[40];
    for (int64_t k = 0; k < 40; k++)
        own[k] = nearest(it, ln_f32(it->training) + k * INPUTS, k);
    qsort(own, 40, sizeof *own, by_size);
    return own[35] + 0.1 * (own[36] - own[35]);
}

/* All coalitions but none and all (which are rows as they were) with all references; then each input alone at
 * the baseline. */
static void shares_are_those_of_all_rows(void **state)
{
    (void)state;
    setting it;
    set_up(&it, 0.9, 1000);
    const double limit = threshold_of(&it);
    ln_request request = it.request;
    request.background = it.background;
    ln_explanation exact = explain("shapley_exact", "", request, NULL);
    int sum = 0;
    for (int i = 0; i < ITEMS; i++) {
        int outside = 0, rows = 0;
        for (int mask = 1; mask < (1 << INPUTS) - 1; mask++)
            for (int r = 0; r < 3; r++, rows++) {
                float row[INPUTS];
                for (int k = 0; k < INPUTS; k++)
                    row[k] = mask >> k & 1 ? ln_f32(it.x)[i * INPUTS + k]
                                           : ln_f32(it.background)[r * INPUTS + k];
                outside += nearest(&it, row, -1) > limit;
            }
        sum += outside;
        const double wanted = (double)outside / rows;
        assert_near_f64(&exact.outside[i], &wanted, 1, 1e-12, 0);
    }
    assert_true(sum > 0 && sum < ITEMS * 90);
    ln_explanation_free(&exact);
    ln_explanation ablation = explain("feature_ablation", "", it.request, NULL);
    for (int i = 0; i < ITEMS; i++) {
        int outside = 0;
        for (int k = 0; k < INPUTS; k++) {
            float row[INPUTS];
            memcpy(row, ln_f32(it.x) + i * INPUTS, sizeof row);
            row[k] = 0;
            outside += nearest(&it, row, -1) > limit;
        }
        const double wanted = (double)outside / INPUTS;
        assert_near_f64(&ablation.outside[i], &wanted, 1, 1e-12, 0);
    }
    ln_explanation_free(&ablation);
    tear_down(&it);
}

static const char *options_of(const char *word)
{
    return strcmp(word, "occlusion") == 0             ? "window=2"
           : strcmp(word, "rise") == 0                ? "cell=2 masks=80"
           : strcmp(word, "lime") == 0                ? "samples=70"
           : strcmp(word, "permutation_shap") == 0    ? "evaluations=60"
           : strcmp(word, "feature_permutation") == 0 ? "samples=20"
                                                      : "";
}

static void a_rows_share_is_its_own(void **state)
{
    (void)state;
    ln_error err = {0};
    for (size_t w = 0; w < sizeof watched / sizeof *watched; w++) {
        setting it;
        set_up(&it, 0.5, 7);
        const char *word = watched[w], *given = options_of(word);
        assert_true(ln_explainer_find(word)->flags & LN_WATCHED);
        if (strcmp(word, "partition_shap") == 0)
            it.request.background = it.background;
        ln_request plain = it.request;
        plain.watch = NULL;
        ln_explanation all = explain(word, given, it.request, NULL);
        ln_explanation without = explain(word, given, plain, NULL);
        assert_null(without.outside);
        assert_same_bits(all.values, without.values, ITEMS * INPUTS * sizeof(float));
        ln_pool *pool = NULL;
        assert_ok(ln_pool_new(3, &pool, &err));
        ln_explanation several = explain(word, given, it.request, pool);
        assert_same_bits(several.outside, all.outside, ITEMS * sizeof(double));
        for (int i = 0; i < ITEMS; i++) {
            ln_request one = it.request;
            one.items += i;
            one.item_count = 1;
            ln_explanation alone = explain(word, given, one, NULL);
            assert_same_bits(alone.outside, &all.outside[i], sizeof(double));
            ln_explanation_free(&alone);
        }
        ln_pool_free(pool);
        ln_explanation_free(&several);
        ln_explanation_free(&all);
        ln_explanation_free(&without);
        tear_down(&it);
    }
}

/* Every row seen is in the sample with the same probability: of 60 orders of the same rows, by the number of
 * the row, the mean share is that of all rows, within four of its standard errors. */
static void samples_are_drawn_from_all_rows(void **state)
{
    (void)state;
    setting it;
    set_up(&it, 0.7, 1000);
    ln_request request = it.request;
    request.background = it.background;
    request.item_count = 1;
    ln_explanation whole = explain("shapley_exact", "", request, NULL);
    const double share = whole.outside[0];
    double mean = 0;
    ((ln_manifold *)it.watch)->rows = 12;
    for (int64_t number = 0; number < 60; number++) {
        request.row_ids = &number;
        ln_explanation got = explain("shapley_exact", "", request, NULL);
        mean += got.outside[0] / 60;
        ln_explanation_free(&got);
    }
    assert_true(share > 0.1 && share < 0.9);
    assert_true(fabs(mean - share) < 4 * sqrt(share * (1 - share) / (60 * 12)));
    ln_explanation_free(&whole);
    tear_down(&it);
}

static void the_judge_tells_the_share(void **state)
{
    (void)state;
    const double outside[] = {0.25, NAN, 0};
    setting it;
    set_up(&it, 0.9, 10);
    ln_judged judged = {
        .model = it.model, .x = it.x, .items = it.items, .item_count = 3, .outside = outside};
    verdict told = judge_all("off_manifold", "", judged, NULL);
    assert_same_bits(told.values, outside, sizeof outside);
    assert_null(told.reasons[0]);
    assert_string_equal(told.reasons[1], "no feature was moved");
    judged.outside = NULL;
    told = judge_all("off_manifold", "", judged, NULL);
    assert_true(isnan(told.values[2]));
    assert_string_equal(told.reasons[2], "it asks the model about no rows but the explained one");
    tear_down(&it);
}

static ln_status watch_once(void *context, ln_error *err)
{
    setting *it = context;
    ln_manifold *watch = NULL;
    ln_job *job = NULL;
    ln_explanation out = {0};
    const ln_explainer *ablation = ln_explainer_find("feature_ablation");
    ln_request request = completed(ablation, it->request);
    ln_status status = ln_manifold_new(it->training, 0.5, 5, NULL, &watch, err);
    request.watch = watch;
    if (!status)
        status = ln_job_new(ablation, &request, NULL, &job, err);
    if (!status)
        status = ln_job_run(job, 0, ITEMS, &out, err);
    ln_explanation_free(&out);
    ln_job_free(job);
    ln_manifold_free(watch);
    return status;
}

static void mistakes_and_memory(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it;
    set_up(&it, 0.9, 10);
    ln_manifold *watch = NULL;
    ln_tensor *one = NULL;
    assert_ok(ln_tensor_rows(it.training, 0, 1, &one, &err));
    assert_fails(ln_manifold_new(one, 0.5, 5, NULL, &watch, &err), LN_EINVALID, "fewer than two");
    assert_null(watch);
    ln_tensor_release(one);
    sweep_allocation_failures(watch_once, &it);
    tear_down(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_all_rows),
        cmocka_unit_test(a_rows_share_is_its_own),
        cmocka_unit_test(samples_are_drawn_from_all_rows),
        cmocka_unit_test(the_judge_tells_the_share),
        cmocka_unit_test(mistakes_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
