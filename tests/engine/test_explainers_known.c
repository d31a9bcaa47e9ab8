/* Explainers of a model that knows outputs of rows it has passed: numbers and counts are those of one that knows
 * none, in the first call and in later ones, with any number of threads. */
#include "explainer_checks.h"

#include "model/kept.h"

/* Values enough a row for its outputs to be looked up. */
enum { INPUTS = 12, HIDDEN = 8300, OUTPUTS = 3, ROWS = 7, BACKGROUND = 11 };

static ln_model *model_that_keeps(size_t bytes, uint64_t seed)
{
    const int64_t sizes[] = {INPUTS, HIDDEN, OUTPUTS};
    const int64_t numbers = (INPUTS + 1) * HIDDEN + (HIDDEN + 1) * OUTPUTS;
    ln_tensor *weights = tensor_random(TEST_SHAPE(numbers), seed);
    ln_model *model =
        network_of("dense tanh dense", sizes, ln_f32(weights), LN_TASK_CLASSIFICATION);
    model->keep_bytes = bytes;
    ln_tensor_release(weights);
    return model;
}

/* Rows of a background some of which are alike, and items some of which explain one row twice. */
typedef struct setting {
    ln_tensor *x, *background, *other;
    ln_item items[2 * ROWS];
} setting;

static setting make_setting(void)
{
    setting made = {.x = tensor_random(TEST_SHAPE(ROWS, INPUTS), 5),
                    .background = tensor_random(TEST_SHAPE(BACKGROUND, INPUTS), 6),
                    .other = tensor_random(TEST_SHAPE(BACKGROUND, INPUTS), 7)};
    for (int r = 2; r < BACKGROUND; r += 3)
        memset(ln_f32(made.background) + r * INPUTS, 0, INPUTS * sizeof(float));
    for (int i = 0; i < 2 * ROWS; i++)
        made.items[i] = (ln_item){.row = i / 2, .target = i % OUTPUTS};
    return made;
}

static void free_setting(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->background);
    ln_tensor_release(it->other);
}

static ln_request request_of(const setting *it, ln_model *model, bool other)
{
    return (ln_request){.model = model,
                        .x = it->x,
                        .items = it->items,
                        .item_count = 2 * ROWS,
                        .background = other ? it->other : it->background,
                        .seed = 3};
}

static void assert_same(const ln_explanation *got, const ln_explanation *wanted)
{
    const size_t items = (size_t)wanted->count, numbers = items * (size_t)wanted->width;
    assert_same_bits(got->values, wanted->values, numbers * sizeof *got->values);
    assert_same_bits(got->output, wanted->output, items * sizeof *got->output);
    assert_same_bits(got->baseline_output, wanted->baseline_output,
                     items * sizeof *got->baseline_output);
    if (wanted->errors)
        assert_same_bits(got->errors, wanted->errors, numbers * sizeof *got->errors);
    assert_int_equal(got->evaluations, wanted->evaluations);
}

static const struct {
    const char *word, *given;
    bool background;
} words[] = {
    {"gradient_shap", "samples=3", true},
    {"gradient_shap", "samples=3 stdev=0.1", true},
    {"integrated_gradients", "steps=4", false},
    {"smooth_grad", "samples=3", false},
    {"random_attribution", "", false},
    {"deeplift_shap", "", true},
    {"permutation_shap", "evaluations=60", true},
};

static void numbers_and_counts_do_not_tell(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it = make_setting();
    ln_model *none = model_that_keeps(0, 4);
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        ln_pool *pool = NULL;
        ln_model *model = model_that_keeps(LN_KEEP_BYTES, 4);
        assert_ok(ln_pool_new(threads, &pool, &err));
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            for (int call = 0; call < 4; call++) { /* again, another background, and the first */
                ln_request request = request_of(&it, model, call == 2);
                if (!words[w].background)
                    request.background = NULL;
                ln_explanation got = explain(words[w].word, words[w].given, request, pool);
                request.model = none;
                ln_explanation wanted = explain(words[w].word, words[w].given, request, NULL);
                assert_same(&got, &wanted);
                ln_explanation_free(&got);
                ln_explanation_free(&wanted);
            }
        ln_pool_free(pool);
        ln_model_release(model);
    }
    ln_model_release(none);
    free_setting(&it);
}

/* Where outputs were planted in place of the background's, they are what gradient_shap takes: it asks for them
 * through what is known. With other weights nothing is left of them. */
static void a_background_is_passed_once(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it = make_setting();
    ln_model *model = model_that_keeps(LN_KEEP_BYTES, 4);
    const float planted[OUTPUTS] = {100, 200, 300};
    uint8_t digest[LN_SHA256_BYTES];
    ln_explanation first = explain("gradient_shap", "", request_of(&it, model, false), NULL);
    ln_function *function = NULL;
    const ln_function_options options = {.rows = 1, .gradient = true};
    assert_ok(ln_function_new(model, &options, &function, &err));
    for (int r = 0; r < BACKGROUND; r++) {
        float known[OUTPUTS];
        ln_sha256(ln_f32(it.background) + r * INPUTS, INPUTS * sizeof(float), digest);
        assert_true(ln_known_find(function->known, digest, known));
        ln_known_add(function->known, digest, planted);
        ln_sha256(ln_f32(it.other) + r * INPUTS, INPUTS * sizeof(float), digest);
        assert_false(ln_known_find(function->known, digest, known));
    }
    ln_function_free(function);
    ln_explanation second = explain("gradient_shap", "", request_of(&it, model, false), NULL);
    for (int i = 0; i < second.count; i++) {
        const double wanted = (double)planted[it.items[i].target];
        assert_near_f64(&second.baseline_output[i], &wanted, 1, 1e-9, 0);
    }
    assert_same_bits(second.values, first.values,
                     (size_t)(first.count * first.width) * sizeof *first.values);

    for (int v = 0; v < model->graph->value_count; v++)
        if (model->graph->values[v].trainable)
            ln_f32(model->graph->values[v].constant)[0] += 1;
    assert_ok(ln_model_rehash(model, &err));
    ln_explanation third = explain("gradient_shap", "", request_of(&it, model, false), NULL);
    for (int i = 0; i < third.count; i++) {
        assert_true(fabs(third.baseline_output[i] - (double)planted[it.items[i].target]) > 1);
        assert_true(third.baseline_output[i] != first.baseline_output[i]);
    }
    ln_explanation_free(&first);
    ln_explanation_free(&second);
    ln_explanation_free(&third);
    ln_model_release(model);
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_counts_do_not_tell),
        cmocka_unit_test(a_background_is_passed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
