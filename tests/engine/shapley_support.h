/* What the tests of Shapley values share: stored references, a setting with baselines or a background,
 * and the promises that all of their words make. */
#ifndef LN_TESTS_SHAPLEY_H
#define LN_TESTS_SHAPLEY_H

#include "networks.h"

/* v(S) for all S, from one forward pass of the whole table of masked rows. */
static inline void all_values(ln_model *model, const float *x, const float *base, int64_t n,
                              double *value)
{
    ln_error err = {0};
    int64_t count = (int64_t)1 << n;
    ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(count, n)), *out = NULL;
    for (int64_t s = 0; s < count; s++)
        for (int64_t i = 0; i < n; i++)
            ln_f32(rows)[s * n + i] = s >> i & 1 ? x[i] : base[i];
    assert_ok(ln_model_forward(model, LN_LINK_RAW, rows, NULL, &out, &err));
    for (int64_t s = 0; s < count; s++)
        value[s] = (double)ln_f32(out)[s * model->output_count];
    ln_tensor_release(rows);
    ln_tensor_release(out);
}

/* Inputs -> dense 9 -> tanh -> dense 1, random. */
static inline ln_model *random_model(int64_t inputs, uint64_t seed)
{
    ln_tensor *weights = tensor_random(TEST_SHAPE((inputs + 1) * 9 + 10), seed);
    ln_model *model = network_of("dense tanh dense", (int64_t[]){inputs, 9, 1}, ln_f32(weights),
                                 LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    return model;
}

/* `baselines`: 1 for all rows, REFERENCE_ROWS row by row, or those as the background (-1). */
static inline void check_stored_tree(const reference_network *network, const char *word,
                                     const char *given, const char *name, int baselines,
                                     bool grouped, const ln_tensor *tree)
{
    ln_error err = {0};
    ln_model *model = reference_model(network);
    ln_tensor *x = reference_of(network->name, "x"), *one = NULL;
    ln_tensor *rows = reference_of(network->name, "baselines");
    ln_tensor *wanted = reference_of(network->name, name);
    assert_ok(ln_tensor_rows(rows, 0, 1, &one, &err));
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % model->output_count};
    ln_explanation got = explain(word, given,
                                 (ln_request){.model = model,
                                              .x = x,
                                              .items = items,
                                              .item_count = REFERENCE_ROWS,
                                              .baseline = baselines == 1  ? one
                                                          : baselines > 1 ? rows
                                                                          : NULL,
                                              .background = baselines < 0 ? rows : NULL,
                                              .groups = grouped ? network->groups : NULL,
                                              .group_count = 3,
                                              .tree = tree},
                                 NULL);
    for (int64_t i = 0; i < REFERENCE_ROWS * model->width; i++) {
        int64_t row = i / model->width, input = i % model->width;
        int64_t at = grouped ? row * got.width + network->groups[input] : i;
        double value = (double)got.values[at], number = ln_f64(wanted)[i];
        if (!(fabs(value - number) <= 5e-6 + 1e-5 * fabs(number)))
            fail_msg("%s of %s, %s: element %d is %.9g, the reference says %.9g", word,
                     network->name, name, (int)i, value, number);
    }
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_tensor_release(one);
    ln_tensor_release(rows);
    ln_tensor_release(wanted);
    ln_model_release(model);
}

static inline void check_stored(const reference_network *network, const char *word,
                                const char *given, const char *name, int baselines, bool grouped)
{
    check_stored_tree(network, word, given, name, baselines, grouped, NULL);
}

#define ROWS 5

/* Rows of a random network over seven inputs; input 6 is not read by it. */
typedef struct setting {
    ln_model *model;
    ln_tensor *x, *background;
    ln_item items[ROWS];
    ln_request request;
} setting;

static inline setting new_setting(void)
{
    setting made = {.x = tensor_random(TEST_SHAPE(ROWS, 7), 6),
                    .background = tensor_random(TEST_SHAPE(11, 7), 7)};
    ln_tensor *weights = tensor_random(TEST_SHAPE(8 * 9 + 10), 5);
    for (int64_t unit = 0; unit < 9; unit++)
        ln_f32(weights)[unit * 7 + 6] = 0;
    made.model =
        network_of("dense tanh dense", (int64_t[]){7, 9, 1}, ln_f32(weights), LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    for (int64_t i = 0; i < ROWS; i++)
        made.items[i] = (ln_item){.row = i};
    return made;
}

static inline ln_request request_of(setting *it, bool background)
{
    return (ln_request){.model = it->model,
                        .x = it->x,
                        .items = it->items,
                        .item_count = ROWS,
                        .background = background ? it->background : NULL};
}

static inline void free_setting(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->background);
    ln_model_release(it->model);
}

/* Each item alone, and all of them over 1, 2 and 5 threads, with baselines and with a background. */
static inline void check_bits(const char *word, const char *given)
{
    ln_error err = {0};
    setting it = new_setting();
    for (int background = 0; background < 2; background++) {
        ln_request request = request_of(&it, background);
        ln_explanation all = explain(word, given, request, NULL);
        size_t row = 7 * sizeof(float);
        for (int64_t i = 0; i < ROWS; i++) {
            ln_request part = request;
            part.items = it.items + i;
            part.item_count = 1;
            ln_explanation got = explain(word, given, part, NULL);
            assert_same_bits(got.values, all.values + i * 7, row);
            assert_same_bits(got.baseline_output, all.baseline_output + i, sizeof(double));
            if (all.errors)
                assert_same_bits(got.errors, all.errors + i * 7, row);
            ln_explanation_free(&got);
        }
        for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
            ln_pool *pool = NULL;
            assert_ok(ln_pool_new(threads, &pool, &err));
            ln_explanation got = explain(word, given, request, pool);
            assert_same_bits(got.values, all.values, ROWS * row);
            if (all.errors)
                assert_same_bits(got.errors, all.errors, ROWS * row);
            assert_int_equal(got.evaluations, all.evaluations);
            ln_explanation_free(&got);
            ln_pool_free(pool);
        }
        ln_explanation_free(&all);
    }
    free_setting(&it);
}

static inline void check_refused(const char *word, const char *given, ln_request request,
                                 const char *message, const char *field)
{
    ln_error err = {0};
    const ln_explainer *explainer = ln_explainer_find(word);
    parameters params = parameters_of(&explainer->word, given);
    ln_job *job = NULL;
    request = completed(explainer, request);
    request.params = params.bytes;
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID, message);
    assert_string_equal(err.field, field);
    assert_null(job);
}

#endif
