/* Gradient methods that draw: gradient_shap and smooth_grad. Their draws are those that the pages tell
 * (seed, word, stream, row), so that a test makes the same ones and computes the mean on its own. */
#include "explainer_checks.h"

#include "base/rng.h"

static ln_error err;

/* Rows, baselines and the model of a reference network. */
typedef struct setting {
    ln_model *model;
    ln_tensor *x, *rows; /* (REFERENCE_ROWS, width) */
    ln_item items[REFERENCE_ROWS];
    ln_request request;
} setting;

static setting setting_of(const reference_network *network)
{
    setting it = {.model = reference_model(network),
                  .x = reference_of(network->name, "x"),
                  .rows = reference_of(network->name, "baselines")};
    for (int i = 0; i < REFERENCE_ROWS; i++)
        it.items[i] = (ln_item){.row = i, .target = i % it.model->output_count};
    it.request = (ln_request){.model = it.model,
                              .x = it.x,
                              .item_count = REFERENCE_ROWS,
                              .background = it.rows,
                              .seed = 11,
                              .stream = 2};
    return it;
}

static void free_setting(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->rows);
    ln_model_release(it->model);
}

/* What a word says of rows `x`, all for one target. */
static ln_explanation of_rows(const char *word, const char *given, const setting *it,
                              const ln_tensor *x, int64_t target, const ln_tensor *baseline)
{
    ln_item items[64];
    assert_true(x->shape.dims[0] <= 60);
    for (int i = 0; i < 64; i++)
        items[i] = (ln_item){.row = i, .target = target};
    return explain(word, given,
                   (ln_request){.model = it->model,
                                .x = x,
                                .items = items,
                                .item_count = x->shape.dims[0],
                                .baseline = baseline},
                   NULL);
}

static double sample_error(const double *draws, int64_t count, int64_t step)
{
    double mean = 0, spread = 0;
    for (int64_t k = 0; k < count; k++)
        mean += draws[k * step] / (double)count;
    for (int64_t k = 0; k < count; k++)
        spread += (draws[k * step] - mean) * (draws[k * step] - mean);
    return sqrt(spread / (double)(count - 1) / (double)count);
}

/* ---------------------------------------------------------------- gradient_shap */

#define DRAWS 7

/* The draws of one row, one after the other, and signed saliency at their points. */
static void check_gradient_shap(const setting *it, int64_t row, double stdev,
                                const ln_explanation *got)
{
    const int64_t width = it->model->width;
    ln_tensor *points = tensor_zero(LN_F32, TEST_SHAPE(DRAWS, width));
    double change[DRAWS * 8], draws[DRAWS * 8];
    ln_rng rng = ln_rng_make(11, "gradient_shap", 2, (uint64_t)row);
    for (int64_t k = 0; k < DRAWS; k++) {
        const int64_t from = (int64_t)ln_rng_below(&rng, REFERENCE_ROWS);
        const double u = ln_rng_uniform(&rng);
        for (int64_t i = 0; i < width; i++) {
            const double b = (double)ln_f32(it->rows)[from * width + i];
            const double noise = stdev > 0 ? stdev * ln_rng_normal(&rng) : 0;
            change[k * width + i] = (double)ln_f32(it->x)[row * width + i] + noise - b;
            ln_f32(points)[k * width + i] = (float)(b + u * change[k * width + i]);
        }
    }
    ln_explanation gradient =
        of_rows("saliency", "absolute=false", it, points, it->items[row].target, NULL);
    for (int64_t i = 0; i < width; i++) {
        double mean = 0;
        for (int64_t k = 0; k < DRAWS; k++) {
            draws[k * width + i] = change[k * width + i] * (double)gradient.values[k * width + i];
            mean += draws[k * width + i] / DRAWS;
        }
        const double error = sample_error(draws + i, DRAWS, width);
        assert_true(fabs((double)got->values[row * width + i] - mean) <= 1e-6 * (fabs(mean) + 1));
        assert_true(fabs((double)got->errors[row * width + i] - error) <= 1e-5 * (error + 1e-3));
    }
    ln_explanation_free(&gradient);
    ln_tensor_release(points);
}

static void gradient_shap_is_the_mean_of_its_draws(void **state)
{
    (void)state;
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        setting it = setting_of(&reference_networks[n]);
        it.request.items = it.items;
        for (int noisy = 0; noisy < 2; noisy++) {
            ln_explanation got = explain(
                "gradient_shap", noisy ? "samples=7 stdev=0.3" : "samples=7", it.request, NULL);
            for (int64_t row = 0; row < REFERENCE_ROWS; row++)
                check_gradient_shap(&it, row, noisy ? 0.3 : 0, &got);
            assert_int_equal(got.evaluations, REFERENCE_ROWS * (2 * DRAWS + 1) + REFERENCE_ROWS);
            ln_explanation_free(&got);
        }
        free_setting(&it);
    }
}

/* What is estimated: integrated gradients towards every row of the background, on average; the sum then
 * comes to the output less the background's mean output. */
static void gradient_shap_estimates_integrated_gradients(void **state)
{
    (void)state;
    setting it = setting_of(&reference_networks[1]);
    it.request.items = it.items;
    const int64_t width = it.model->width, numbers = REFERENCE_ROWS * width;
    ln_explanation got = explain("gradient_shap", "samples=4000", it.request, NULL);
    double *wanted = calloc((size_t)numbers, sizeof *wanted);
    for (int64_t b = 0; b < REFERENCE_ROWS; b++) {
        ln_request request = it.request;
        ln_tensor *one = NULL;
        assert_ok(ln_tensor_rows(it.rows, b, 1, &one, &err));
        request.background = NULL;
        request.baseline = one;
        ln_explanation path = explain("integrated_gradients", "steps=200", request, NULL);
        for (int64_t i = 0; i < numbers; i++)
            wanted[i] += (double)path.values[i] / REFERENCE_ROWS;
        ln_explanation_free(&path);
        ln_tensor_release(one);
    }
    for (int64_t i = 0; i < numbers; i++) {
        const double away = fabs((double)got.values[i] - wanted[i]), error = (double)got.errors[i];
        if (!(away <= 4.5 * error + 1e-6) || error > 0.1)
            fail_msg("number %d is %g from its expectation, standard error %g", (int)i, away,
                     error);
    }
    free(wanted);
    ln_explanation_free(&got);
    free_setting(&it);
}

/* ---------------------------------------------------------------- smooth_grad */

/* The copies of one row: signed gradients (or integrated gradients from the row's own baseline). */
static ln_explanation of_copies(const setting *it, int64_t row, bool path, const double *range,
                                int64_t samples)
{
    const int64_t width = it->model->width;
    ln_tensor *copies = tensor_zero(LN_F32, TEST_SHAPE(samples, width)), *base = NULL;
    ln_rng rng = ln_rng_make(11, "smooth_grad", 2, (uint64_t)row);
    for (int64_t i = 0; i < samples * width; i++)
        ln_f32(copies)[i] = (float)((double)ln_f32(it->x)[row * width + i % width] +
                                    0.2 * range[i % width] * ln_rng_normal(&rng));
    assert_ok(ln_tensor_rows(it->rows, row, 1, &base, &err));
    ln_explanation made =
        path ? of_rows("integrated_gradients", "steps=6", it, copies, it->items[row].target, base)
             : of_rows("saliency", "absolute=false", it, copies, it->items[row].target, NULL);
    ln_tensor_release(copies);
    ln_tensor_release(base);
    return made;
}

static void check_smooth_grad(const setting *it, int mode, bool path, bool of_columns)
{
    enum { SAMPLES = 9 };
    static const char *const given[] = {"samples=9 stdev=0.2",
                                        "samples=9 stdev=0.2 mode=\"squared\"",
                                        "samples=9 stdev=0.2 mode=\"variance\""};
    const int64_t width = it->model->width;
    parameters inside = parameters_of(&ln_explainer_find("integrated_gradients")->word, "steps=6");
    ln_tensor *columns = tensor_random(TEST_SHAPE(1, width), 3);
    ln_request request = it->request;
    request.items = it->items;
    request.range = of_columns ? columns : NULL;
    if (path) {
        request.of = ln_explainer_find("integrated_gradients");
        request.of_params = inside.bytes;
        request.baseline = it->rows;
    }
    ln_explanation got = explain("smooth_grad", given[mode], request, NULL);
    ln_explanation own = of_rows("saliency", "", it, it->x, 0, NULL);
    for (int64_t row = 0; row < REFERENCE_ROWS; row++) {
        double range[8], low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < width; i++) {
            low = fmin(low, (double)ln_f32(it->x)[row * width + i]);
            high = fmax(high, (double)ln_f32(it->x)[row * width + i]);
        }
        for (int64_t i = 0; i < width; i++)
            range[i] = of_columns ? (double)ln_f32(columns)[i] : high - low;
        ln_explanation one = of_copies(it, row, path, range, SAMPLES);
        for (int64_t i = 0; i < width; i++) {
            double mean = 0, squares = 0, draws[SAMPLES];
            for (int64_t k = 0; k < SAMPLES; k++) {
                const double value = (double)one.values[k * width + i];
                mean += value / SAMPLES;
                squares += value * value / SAMPLES;
                draws[k] = mode == 1 ? value * value : value;
            }
            const double wanted[] = {mean, squares, squares - mean * mean};
            const double value = (double)got.values[row * width + i];
            const double error = (double)got.errors[row * width + i];
            assert_true(fabs(value - wanted[mode]) <= 2e-6 * (squares + fabs(mean)) + 1e-9);
            assert_true(mode == 2 ? isnan(error)
                                  : fabs(error - sample_error(draws, SAMPLES, 1)) <= 1e-5 * error);
        }
        if (it->items[row].target == 0)
            assert_true(got.output[row] == own.output[row]);
        ln_explanation_free(&one);
    }
    ln_explanation_free(&got);
    ln_explanation_free(&own);
    ln_tensor_release(columns);
}

static void smooth_grad_is_what_its_copies_say(void **state)
{
    (void)state;
    setting it = setting_of(&reference_networks[2]);
    for (int mode = 0; mode < 3; mode++)
        for (int other = 0; other < 4; other++)
            check_smooth_grad(&it, mode, other & 1, other & 2);
    free_setting(&it);
}

/* One copy without noise is the row: every explainer that can be asked says what it says alone. */
static void without_noise_it_is_the_other_explainer(void **state)
{
    (void)state;
    setting it = setting_of(&reference_networks[0]);
    int asked = 0;
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++) {
        if ((*entry)->flags & (LN_WRAPS | LN_NO_TARGET) || needs_places(*entry))
            continue;
        for (int own = 0; own < 2; own++) {
            parameters inside = parameters_of(&(*entry)->word, required_by(*entry));
            ln_request request = it.request;
            request.items = it.items;
            request.layer = it.model->graph->nodes[1].outputs[0];
            request.groups = own ? reference_networks[0].groups : NULL;
            request.group_count = 3;
            request.baseline = own ? it.rows : NULL;
            request.background = (*entry)->flags & LN_TAKES_BASELINE ? NULL : it.rows;
            ln_explanation alone = explain((*entry)->word.name, required_by(*entry), request, NULL);
            request.of = *entry;
            request.of_params = inside.bytes;
            request = completed(*entry, request);
            ln_explanation got = explain("smooth_grad", "samples=1 stdev=0", request, NULL);
            assert_int_equal(got.width, alone.width);
            for (int64_t i = 0; i < got.count * got.width; i++) /* the mean of -0 is 0 */
                if (got.values[i] != alone.values[i])
                    fail_msg("%s: number %d", (*entry)->word.name, (int)i);
            ln_explanation_free(&alone);
            ln_explanation_free(&got);
        }
        asked++;
    }
    assert_true(asked > 15);
    free_setting(&it);
}

/* ---------------------------------------------------------------- both */

/* More rows than one job inside holds, by several threads, in any pieces. */
static void draws_depend_on_the_row_alone(void **state)
{
    (void)state;
    static const char *const words[] = {"gradient_shap", "smooth_grad"};
    setting it = setting_of(&reference_networks[2]);
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 6), 8);
    ln_item items[130];
    ln_pool *pool = NULL;
    for (int i = 0; i < 130; i++)
        items[i] = (ln_item){.row = i * 7 % 60, .target = i % 2};
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t w = 0; w < 2; w++) {
        ln_request request = it.request;
        request.x = x;
        request.items = items;
        request.item_count = 130;
        ln_explanation all = explain(words[w], "samples=80", request, pool);
        request.seed = 12;
        ln_explanation other = explain(words[w], "samples=80", request, pool);
        request.seed = 11;
        for (int i = 0; i < 130; i += 9) {
            request.items = items + i;
            request.item_count = 1;
            ln_explanation one = explain(words[w], "samples=80", request, NULL);
            assert_same_bits(one.values, all.values + (size_t)i * 6, 6 * sizeof(float));
            assert_same_bits(one.errors, all.errors + (size_t)i * 6, 6 * sizeof(float));
            assert_true(memcmp(one.values, other.values + (size_t)i * 6, 6 * sizeof(float)) != 0);
            ln_explanation_free(&one);
        }
        ln_explanation_free(&all);
        ln_explanation_free(&other);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    free_setting(&it);
}

/* A row ends at the first look whose errors are small enough, with the bits of as many draws asked for: also of
 * copies whose explainer draws itself. */
static void check_stops(const setting *it, const char *word, const char *rest, double stop,
                        int64_t each, int64_t once)
{
    int64_t fewest = 2000, most = 0;
    for (int row = 0; row < REFERENCE_ROWS; row++) {
        char text[96];
        ln_request request = it->request;
        request.items = it->items + row;
        request.item_count = 1;
        snprintf(text, sizeof text, "%ssamples=2000 stop=%g", rest, stop);
        ln_explanation got = explain(word, text, request, NULL);
        const int64_t samples = (got.evaluations - once) / each;
        assert_int_equal(once + samples * each, got.evaluations);
        if (!(samples % 10 == 0 && samples > 10 && samples < 2000))
            fail_msg("%s %s, row %d: %d samples", word, rest, row, (int)samples);
        snprintf(text, sizeof text, "%ssamples=", rest);
        check_end(word, text, request, &got, samples, 10, stop);
        ln_explanation_free(&got);
        fewest = samples < fewest ? samples : fewest;
        most = samples > most ? samples : most;
    }
    assert_true(fewest < most); /* each row by itself */
    char text[96];
    ln_request request = it->request;
    request.items = it->items;
    snprintf(text, sizeof text, "%ssamples=2000 stop=%g", rest, stop);
    check_request_bits(word, text, request);
    snprintf(text, sizeof text, "%ssamples=33", rest);
    assert_int_equal(check_no_end(word, text, request), 0);
}

static void rows_stop_where_errors_are_small(void **state)
{
    (void)state;
    setting it = setting_of(&reference_networks[2]);
    check_stops(&it, "gradient_shap", "", 0.05, 2, 1 + REFERENCE_ROWS);
    check_stops(&it, "gradient_shap", "stdev=0.3 ", 0.05, 2, 1 + REFERENCE_ROWS);
    check_stops(&it, "smooth_grad", "", 0.02, 2, 1);
    check_stops(&it, "smooth_grad", "mode=\"squared\" ", 0.02, 2, 1);
    parameters inside = parameters_of(&ln_explainer_find("gradient_shap")->word, "samples=2");
    it.request.of = ln_explainer_find("gradient_shap");
    it.request.of_params = inside.bytes;
    check_stops(&it, "smooth_grad", "", 0.05, 5, 1 + REFERENCE_ROWS);
    it.request.items = it.items;
    check_refused("smooth_grad", "mode=\"variance\" stop=0.1", it.request,
                  "the variance of the copies' explanations has no standard error", "stop");
    free_setting(&it);
}

/* What the explainer inside says of its parameters is said of `of`. */
static void mistakes_inside_are_named(void **state)
{
    (void)state;
    setting it = setting_of(&reference_networks[0]);
    const ln_explainer *word = ln_explainer_find("smooth_grad");
    parameters own = parameters_of(&word->word, "");
    parameters inside = parameters_of(&ln_explainer_find("integrated_gradients")->word,
                                      "steps=1 method=\"riemann_trapezoid\"");
    ln_request request = it.request;
    ln_job *job = NULL;
    request.items = it.items;
    request.of = ln_explainer_find("integrated_gradients");
    request.of_params = inside.bytes;
    request.background = NULL;
    request.params = own.bytes;
    request = completed(word, request);
    assert_fails(ln_job_new(word, &request, NULL, &job, &err), LN_EINVALID, "trapezoid");
    assert_string_equal(err.field, "of.steps");
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_shap_is_the_mean_of_its_draws),
        cmocka_unit_test(gradient_shap_estimates_integrated_gradients),
        cmocka_unit_test(smooth_grad_is_what_its_copies_say),
        cmocka_unit_test(without_noise_it_is_the_other_explainer),
        cmocka_unit_test(draws_depend_on_the_row_alone),
        cmocka_unit_test(rows_stop_where_errors_are_small),
        cmocka_unit_test(mistakes_inside_are_named),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
