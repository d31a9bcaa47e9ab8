/* The job with its checks, counts and memory, and what is made of its numbers afterwards: sums by column
 * and summaries. */
#include "networks.h"

/* ---------------------------------------------------------------- afterwards */

static void columns_are_summed(void **state)
{
    (void)state;
    ln_error err = {0};
    static const int32_t column_of[] = {0, 2, 2, 1, 2};
    static const float values[] = {1, 2, 3, 4, 5, -1, 1e8F, 1, -1e8F, NAN};
    static const float errors[] = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 1, 2, 3, 4, 5};
    ln_explanation made = {.count = 2, .width = 5};
    made.values = ln_alloc(sizeof values);
    made.errors = ln_alloc(sizeof errors);
    memcpy(made.values, values, sizeof values);
    memcpy(made.errors, errors, sizeof errors);
    assert_fails(ln_explanation_by_column(&made, column_of, 2, &err), LN_EINVALID,
                 "input 1 belongs to column 2: there are columns 0 to 1");
    assert_ok(ln_explanation_by_column(&made, column_of, 4, &err));
    assert_int_equal(made.width, 4);
    static const float sums[] = {1, 4, 10, 0, -1, -1e8F, NAN, 0};
    static const float kept[] = {0.1F, 0.4F, NAN, 0, 1, 4, NAN, 0};
    assert_near_f32(made.values, sums, 8, 0, 0);
    assert_near_f32(made.errors, kept, 8, 0, 0);
    ln_explanation_free(&made);

    /* Sums in float64: the 1 is not lost beside 1e8. */
    static const float far[] = {1e8F, 1, -1e8F};
    made = (ln_explanation){.count = 1, .width = 3, .values = ln_alloc(sizeof far)};
    memcpy(made.values, far, sizeof far);
    assert_ok(ln_explanation_by_column(&made, (int32_t[]){0, 0, 0}, 1, &err));
    assert_true(made.values[0] == 1 && made.errors == NULL);
    ln_explanation_free(&made);
}

static void summaries(void **state)
{
    (void)state;
    static const float values[] = {0.5F, -2, 0.25F, 1};
    ln_summary got = ln_summarise(values, 4, 3, 3.5);
    assert_true(got.total == -0.25 && got.residual == 0.25 && got.min == -2 && got.max == 1 &&
                got.l1 == 3.75 && got.nan_count == 0);
    /* 0.25 <= tolerance * (3 + 3.5 + 3.75) */
    assert_true(ln_residual_holds(&got, 3, 3.5, 0.0244));
    assert_false(ln_residual_holds(&got, 3, 3.5, 0.0243));
    got.residual = -0.25;
    assert_true(ln_residual_holds(&got, 3, 3.5, 0.0244));
    assert_false(ln_residual_holds(&got, 3, 3.5, 0.0243));

    got = ln_summarise(values, 4, 3, NAN);
    assert_true(got.total == -0.25 && isnan(got.residual));
    assert_false(ln_residual_holds(&got, 3, NAN, 1));

    static const float holes[] = {NAN, -3, NAN, -1};
    got = ln_summarise(holes, 4, 0, 0);
    assert_true(isnan(got.total) && isnan(got.residual) && got.min == -3 && got.max == -1 &&
                got.l1 == 4 && got.nan_count == 2);
    got = ln_summarise(holes, 1, 0, 0);
    assert_true(got.min == 0 && got.max == 0 && got.l1 == 0 && got.nan_count == 1);
    /* A zero attribution of nothing is complete, at any tolerance. */
    got = ln_summarise((float[]){0, 0}, 2, 0, 0);
    assert_true(ln_residual_holds(&got, 0, 0, 0));
}

/* ---------------------------------------------------------------- the job */

static const reference_network *const net = &reference_networks[0];

static ln_status new_job(const char *word, const char *given, ln_request request, ln_error *err)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    parameters params = parameters_of(&explainer->word, given);
    ln_job *job = NULL;
    request.params = params.bytes;
    if (!request.groups)
        request.group_count = request.model->width;
    ln_status status = ln_job_new(explainer, &request, NULL, &job, err);
    assert_true((status == LN_OK) == (job != NULL));
    ln_job_free(job);
    return status;
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x"), *narrow = tensor_zero(LN_F32, TEST_SHAPE(9, 5));
    ln_tensor *wide = tensor_zero(LN_F64, TEST_SHAPE(9, 6));
    ln_tensor *two = tensor_zero(LN_F32, TEST_SHAPE(2, 6));
    ln_item items[] = {{.row = 0, .target = 0}, {.row = 8, .target = 2}};
    ln_request good = {.model = model, .x = x, .items = items, .item_count = 2};
    assert_ok(new_job("integrated_gradients", "", good, &err));

    ln_request bad = good;
    bad.x = narrow;
    assert_fails(new_job("saliency", "", bad, &err), LN_EINVALID,
                 "shape (9, 5) and type f32: the model reads rows of 6 numbers");
    bad.x = wide;
    assert_fails(new_job("saliency", "", bad, &err), LN_EINVALID, "type f64");
    bad = good;
    bad.baseline = two;
    assert_fails(new_job("integrated_gradients", "", bad, &err), LN_EINVALID,
                 "the baseline has shape (2, 6) and type f32: expected (1, 6) for all rows or "
                 "(9, 6) row by row");
    assert_string_equal(err.field, "baseline");
    assert_fails(new_job("feature_ablation", "", bad, &err), LN_EINVALID, "the baseline has shape");
    bad.baseline = wide;
    assert_fails(new_job("feature_ablation", "", bad, &err), LN_EINVALID, "type f64");

    bad = good;
    items[1].target = 3;
    assert_fails(new_job("saliency", "", bad, &err), LN_EINVALID, NULL);
    assert_string_equal(err.field, "target");
    items[1].target = -1;
    assert_fails(new_job("feature_ablation", "", bad, &err), LN_EINVALID, NULL);
    items[1] = (ln_item){.row = 9, .target = 0};
    assert_fails(new_job("saliency", "", bad, &err), LN_EINVALID,
                 "row 9 is asked for: there are rows 0 to 8");
    items[1].row = -1;
    assert_fails(new_job("saliency", "", bad, &err), LN_EINVALID, "row -1 is asked for");
    items[1].row = 1;

    static const int32_t beyond[] = {0, 1, 2, 3, 0, 1};
    bad.groups = beyond;
    bad.group_count = 3;
    assert_fails(new_job("feature_ablation", "", bad, &err), LN_EINVALID,
                 "input 3 is in group 3: expected 0 to 2");
    assert_fails(
        new_job("integrated_gradients", "steps=1 method=\"riemann_trapezoid\"", good, &err),
        LN_EINVALID, "needs at least 2");
    assert_string_equal(err.field, "steps");
    ln_tensor_release(x);
    ln_tensor_release(narrow);
    ln_tensor_release(wide);
    ln_tensor_release(two);
    ln_model_release(model);
}

/* Rows forward plus rows backward, whatever the pieces; the shared baseline is counted once. */
static void evaluations_are_counted(void **state)
{
    (void)state;
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x"), *rows = reference_of(net->name, "baselines");
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = i, .target = 0};
    static const struct {
        const char *word, *given;
        bool own, grouped;
        int64_t evaluations; /* 9 rows, 6 inputs, 3 groups */
    } cases[] = {
        {"saliency", "", false, false, 18},
        {"input_x_gradient", "", false, false, 18},
        {"guided_backprop", "", false, false, 18},
        {"deconvnet", "", false, false, 18},
        {"layer_activation", "", false, false, 9},
        {"layer_gradient_x_activation", "", false, false, 18},
        {"internal_influence", "steps=10", true, false, 9 * 21},
        {"layer_conductance", "steps=10", false, false, 9 * 23 + 1},
        {"layer_conductance", "steps=10", true, false, 9 * 24},
        {"layer_integrated_gradients", "steps=10", false, false, 9 * 23 + 1},
        {"layer_integrated_gradients", "steps=10", true, false, 9 * 24},
        {"integrated_gradients", "steps=10", false, false, 9 * 21 + 1},
        {"integrated_gradients", "steps=10", true, false, 9 * 22},
        {"integrated_gradients", "steps=100 multiply_by_inputs=false", true, false, 9 * 201},
        {"integrated_gradients", "steps=10 multiply_by_inputs=false", false, false, 9 * 21},
        {"feature_ablation", "", false, false, 9 * 7},
        {"feature_ablation", "", true, true, 9 * 4},
        {"occlusion", "window=3 stride=2", false, false, 9 * 4},
        {"shapley_exact", "", false, false, 9 * 63 + 1},
        {"shapley_exact", "", true, true, 9 * 8},
        {"kernel_shap", "", false, false, 9 * 63 + 1},
        {"kernel_shap", "samples=20", true, false, 9 * 22},
        {"shapley_sampling", "", false, false, 9 * (25 * 5 + 1) + 1},
        {"shapley_sampling", "permutations=4", true, true, 9 * (4 * 2 + 2)},
        {"feature_permutation", "", false, false, 9 * (6 * 9 + 1)}, /* all 9 background rows */
        {"feature_permutation", "samples=4", true, true, 9 * (3 * 4 + 1)},
        {"rise", "masks=70 cell=2", true, false, 9 * 71},
        {"lime", "samples=70", false, false, 9 * 70},
        {"lime", "samples=70", true, true, 9 * 70},
        {"random_attribution", "", false, true, 9},
        {"gradient_shap", "", false, false, 9 * 11 + 9},
        {"smooth_grad", "samples=4", false, false, 9 * 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_request request = {.model = model,
                              .x = x,
                              .items = items,
                              .item_count = REFERENCE_ROWS,
                              .baseline = cases[i].own ? rows : NULL,
                              .groups = cases[i].grouped ? net->groups : NULL,
                              .group_count = 3};
        ln_explanation got = explain(cases[i].word, cases[i].given, request, NULL);
        assert_int_equal(got.evaluations, cases[i].evaluations);
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_model_release(model);
}

static void pieces_outside_the_request_are_refused(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x");
    ln_item items[] = {{.row = 0}, {.row = 1}, {.row = 2}};
    const ln_explainer *explainer = ln_explainer_find("saliency");
    parameters params = parameters_of(&explainer->word, "");
    ln_request request = {.model = model,
                          .x = x,
                          .items = items,
                          .item_count = 3,
                          .group_count = 6,
                          .params = params.bytes};
    ln_job *job = NULL;
    ln_explanation out = {0};
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    assert_fails(ln_job_run(job, 2, 2, &out, &err), LN_EINVALID, "items 2 to 3 are asked for");
    assert_fails(ln_job_run(job, -1, 2, &out, &err), LN_EINVALID, NULL);
    assert_fails(ln_job_run(job, 0, -1, &out, &err), LN_EINVALID, NULL);
    assert_null(out.values);
    assert_ok(ln_job_run(job, 3, 0, &out, &err));
    assert_true(out.count == 0 && out.evaluations == 0);
    ln_explanation_free(&out);
    ln_job_free(job);
    request.item_count = 0; /* nothing to explain is no error */
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    assert_ok(ln_job_run(job, 0, 0, &out, &err));
    ln_explanation_free(&out);
    ln_job_free(job);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* What a caller is told while the job runs. */
typedef struct heard {
    const ln_job *job;
    int64_t calls, done, parts;
    double worst; /* at the last call */
} heard;

static void hear(void *context, int64_t done, int64_t parts)
{
    heard *it = context;
    const double worst = ln_job_worst_error(it->job);
    assert_true(done >= it->done && worst >= it->worst);
    it->calls++;
    it->done = done;
    it->parts = parts;
    it->worst = worst;
}

/* In the end all parts are done and the worst error is that of the results, over all runs of the job. */
static void a_running_job_says_how_far_and_how_sure_it_is(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x");
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = i};
    const ln_explainer *explainer = ln_explainer_find("shapley_sampling");
    parameters params = parameters_of(&explainer->word, "permutations=3");
    for (int threads = 1; threads <= 5; threads += 4) {
        ln_request request = completed(
            explainer,
            (ln_request){.model = model, .x = x, .items = items, .item_count = REFERENCE_ROWS});
        request.params = params.bytes;
        ln_pool *pool = NULL;
        ln_job *job = NULL;
        double worst = 0;
        assert_ok(ln_pool_new(threads, &pool, &err));
        assert_ok(ln_job_new(explainer, &request, pool, &job, &err));
        assert_true(ln_job_worst_error(job) == 0);
        heard it = {.job = job};
        job->tell = hear;
        job->tell_context = &it;
        for (int64_t first = 0; first < REFERENCE_ROWS; first += 4) {
            const int64_t count = REFERENCE_ROWS - first < 4 ? REFERENCE_ROWS - first : 4;
            ln_explanation out = {0};
            it.done = 0;
            assert_ok(ln_job_run(job, first, count, &out, &err));
            for (int64_t i = 0; i < out.count * out.width; i++)
                worst = fmax(worst, (double)out.errors[i]);
            assert_int_equal(it.done, it.parts);
            assert_true(it.worst == worst && worst > 0);
            ln_explanation_free(&out);
        }
        ln_job_free(job);
        ln_pool_free(pool);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* A NaN in a row stays in that row. */
static void undefined_rows_stay_alone(void **state)
{
    (void)state;
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x"), *spoilt = tensor_zero(LN_F32, TEST_SHAPE(9, 6));
    memcpy(spoilt->data, x->data, x->bytes);
    ln_f32(spoilt)[3 * 6 + 2] = NAN;
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 3};
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        if (needs_places(*entry))
            continue; /* test_explainers_layer.c */
        ln_request request = {
            .model = model, .x = x, .items = items, .item_count = REFERENCE_ROWS, .background = x};
        ln_explanation clean = explain((*entry)->word.name, required_by(*entry), request, NULL);
        request.x = spoilt;
        ln_explanation got = explain((*entry)->word.name, required_by(*entry), request, NULL);
        for (int i = 0; i < REFERENCE_ROWS; i++)
            if (i != 3)
                assert_same_bits(got.values + i * 6, clean.values + i * 6, 6 * sizeof(float));
        assert_true(isnan(got.output[3]));
        assert_true(isnan(got.output[0]) == (((*entry)->flags & LN_NO_TARGET) != 0));
        ln_explanation_free(&clean);
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_tensor_release(spoilt);
    ln_model_release(model);
}

typedef struct sweep {
    const ln_explainer *explainer;
    ln_request request;
    parameters params;
} sweep;

static ln_status whole_job(void *context, ln_error *err)
{
    sweep *it = context;
    ln_job *job = NULL;
    ln_explanation out = {0};
    it->request.params = it->params.bytes;
    ln_status status = ln_job_new(it->explainer, &it->request, NULL, &job, err);
    if (!status)
        status = ln_job_run(job, 0, it->request.item_count, &out, err);
    if (!status && !(it->explainer->flags & LN_OF_PAIRS)) /* a number an input */
        status = ln_explanation_by_column(&out, (int32_t[]){0, 1, 1, 0, 2, 2}, 3, err);
    ln_explanation_free(&out);
    ln_job_free(job);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x"), *base = reference_of(net->name, "baselines");
    ln_item items[] = {{.row = 4, .target = 1}, {.row = 2, .target = 0}};
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++)
        for (int own = 0; own < 2; own++) {
            if (needs_places(*entry))
                continue; /* test_explainers_layer.c */
            sweep it = {.explainer = *entry,
                        .request = completed(*entry, (ln_request){.model = model,
                                                                  .x = x,
                                                                  .items = items,
                                                                  .item_count = 2,
                                                                  .baseline = own ? base : NULL}),
                        .params = parameters_of(&(*entry)->word, required_by(*entry))};
            sweep_allocation_failures(whole_job, &it);
        }
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_summed),
        cmocka_unit_test(summaries),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(evaluations_are_counted),
        cmocka_unit_test(pieces_outside_the_request_are_refused),
        cmocka_unit_test(a_running_job_says_how_far_and_how_sure_it_is),
        cmocka_unit_test(undefined_rows_stay_alone),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
