/* Models of several inputs, one of them token ids: attributions of all words against Captum and brute force
 * (tests/reference/inputs_reference.py), ids held at the row's own, and the bits of it. */
#include "networks.h"

#include "judges/judge.h"
#include "onnx/onnx.h"

static ln_error err;

enum {
    ROWS = 6,
    IMAGE = 4,
    NUMBERS = 3,
    IDS = 4,
    WIDTH = IMAGE + NUMBERS + IDS,
    LIVE = IMAGE + NUMBERS
};

static const int32_t live[WIDTH] = {0, 1, 2, 3, 4, 5, 6, -1, -1, -1, -1};

static ln_tensor *array_of(const char *part)
{
    char file[128];
    ln_tensor *raw = NULL, *made = NULL;
    snprintf(file, sizeof file, "reference/inputs/%s.npy", part);
    assert_ok(ln_npy_read(test_file(file), &raw, NULL, &err));
    assert_ok(ln_tensor_convert(raw, LN_F32, &made, &err));
    ln_tensor_release(raw);
    return made;
}

static ln_model *the_model(void)
{
    ln_graph *graph = NULL;
    ln_onnx_info info = {0};
    ln_onnx_binding bindings[] = {{.name = "ids", .shape = TEST_SHAPE(-1, IDS)}};
    const ln_onnx_options options = {.bindings = bindings, .binding_count = 1};
    ln_model *model = NULL;
    assert_ok(
        ln_onnx_read(test_file("reference/inputs/model.onnx"), &options, &graph, &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* Rows of the two arrays and of ids (NULL: zeros, which are not read) side by side. */
static ln_tensor *side_by_side(const char *image, const char *numbers, const char *ids)
{
    ln_tensor *of[3] = {array_of(image), array_of(numbers), ids ? array_of(ids) : NULL};
    const int64_t rows = of[0]->shape.dims[0], width[] = {IMAGE, NUMBERS, IDS};
    ln_tensor *made = tensor_zero(LN_F32, TEST_SHAPE(rows, WIDTH));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t p = 0, at = 0; p < 3; at += width[p++])
            for (int64_t i = 0; i < width[p] && of[p]; i++)
                ln_f32(made)[r * WIDTH + at + i] = ln_f32(of[p])[r * width[p] + i];
    for (int p = 0; p < 3; p++)
        ln_tensor_release(of[p]);
    return made;
}

typedef struct setting {
    ln_model *model;
    ln_tensor *x, *baseline, *background;
    ln_item items[ROWS];
} setting;

static setting new_setting(void)
{
    setting made = {.model = the_model(),
                    .x = side_by_side("image", "numbers", "ids"),
                    .baseline = tensor_zero(LN_F32, TEST_SHAPE(1, WIDTH)),
                    .background = side_by_side("background_image", "background_numbers", NULL)};
    for (int i = 0; i < NUMBERS; i++)
        ln_f32(made.baseline)[IMAGE + i] = 0.5F;
    for (int i = 0; i < ROWS; i++)
        made.items[i] = (ln_item){.row = i, .target = 1};
    return made;
}

static void free_setting(setting *it)
{
    ln_model_release(it->model);
    ln_tensor_release(it->x);
    ln_tensor_release(it->baseline);
    ln_tensor_release(it->background);
}

/* As the driver asks for it: groups for words that take them, else the numbers of held inputs left out. */
static ln_explanation explained(setting *it, const char *word, const char *given, bool background,
                                int64_t first, int64_t count, ln_pool *pool)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    const bool grouped = explainer->flags & LN_TAKES_GROUPS;
    ln_explanation got = explain(word, given,
                                 (ln_request){.model = it->model,
                                              .x = it->x,
                                              .items = it->items + first,
                                              .item_count = count,
                                              .baseline = background ? NULL : it->baseline,
                                              .background = background ? it->background : NULL,
                                              .groups = grouped ? live : NULL,
                                              .group_count = grouped ? LIVE : 0},
                                 pool);
    if (!grouped)
        assert_ok(ln_explanation_by_column(&got, live, LIVE, &err));
    assert_int_equal(got.width, LIVE);
    return got;
}

static const struct {
    const char *word, *given, *array;
    bool background;
    double tolerance;
} cases[] = {
    {"saliency", "", "saliency", false, 1e-6},
    {"integrated_gradients", "", "integrated_gradients", false, 1e-6},
    {"deeplift", "", "deeplift", false, 2e-6},
    {"shapley_exact", "", "shapley", true, 2e-6},
    {"kernel_shap", "samples=\"all\"", "shapley", true, 5e-6},
};
#define CASES (sizeof cases / sizeof cases[0])

static void attributions_are_those_of_captum_and_brute_force(void **state)
{
    (void)state;
    setting it = new_setting();
    for (size_t c = 0; c < CASES; c++) {
        ln_explanation got =
            explained(&it, cases[c].word, cases[c].given, cases[c].background, 0, ROWS, NULL);
        for (int p = 0; p < 2; p++) {
            const int64_t at = p ? IMAGE : 0, width = p ? NUMBERS : IMAGE;
            char name[64];
            snprintf(name, sizeof name, "%s.%s", cases[c].array, p ? "numbers" : "image");
            ln_tensor *wanted = array_of(name);
            for (int64_t r = 0; r < ROWS; r++)
                for (int64_t i = 0; i < width; i++) {
                    const double value = (double)got.values[r * LIVE + at + i];
                    const double number = (double)ln_f32(wanted)[r * width + i];
                    if (!(fabs(value - number) <= cases[c].tolerance * 0.1))
                        fail_msg("%s, %s: row %d, number %d is %.9g, the reference says %.9g",
                                 cases[c].word, name, (int)r, (int)i, value, number);
                }
            ln_tensor_release(wanted);
        }
        ln_explanation_free(&got);
    }
    free_setting(&it);
}

/* What stands in a reference where ids are is never read: also ids that the table does not have. */
static void held_inputs_are_the_rows_own(void **state)
{
    (void)state;
    static const char *const words[] = {"integrated_gradients", "deeplift",      "feature_ablation",
                                        "shapley_exact",        "deeplift_shap", "shapley_sampling",
                                        "permutation_shap",     "gradient_shap", "lime",
                                        "feature_permutation",  "anchors"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        for (int background = 0; background < 2; background++) {
            const unsigned flags = ln_explainer_find(words[w])->flags;
            if (!(flags & (background ? LN_TAKES_BACKGROUND : LN_TAKES_BASELINE)))
                continue;
            setting it = new_setting();
            ln_explanation plain = explained(&it, words[w], "", background, 0, ROWS, NULL);
            for (int64_t i = LIVE; i < WIDTH; i++) {
                ln_f32(it.baseline)[i] = 1000;
                for (int64_t r = 0; r < it.background->shape.dims[0]; r++)
                    ln_f32(it.background)[r * WIDTH + i] = 1000;
            }
            ln_explanation odd = explained(&it, words[w], "", background, 0, ROWS, NULL);
            assert_same_bits(plain.values, odd.values, sizeof(float[ROWS * LIVE]));
            assert_same_bits(plain.baseline_output, odd.baseline_output, sizeof(double[ROWS]));
            ln_explanation_free(&plain);
            ln_explanation_free(&odd);
            free_setting(&it);
        }
}

static void bits_do_not_depend_on_threads_or_batches(void **state)
{
    (void)state;
    setting it = new_setting();
    for (size_t c = 0; c < CASES; c++) {
        const bool background = cases[c].background;
        ln_explanation all =
            explained(&it, cases[c].word, cases[c].given, background, 0, ROWS, NULL);
        for (int64_t r = 0; r < ROWS; r++) {
            ln_explanation one =
                explained(&it, cases[c].word, cases[c].given, background, r, 1, NULL);
            assert_same_bits(one.values, all.values + r * LIVE, sizeof(float[LIVE]));
            ln_explanation_free(&one);
        }
        for (int threads = 2; threads <= 5; threads += 3) {
            ln_pool *pool = NULL;
            assert_ok(ln_pool_new(threads, &pool, &err));
            ln_explanation got =
                explained(&it, cases[c].word, cases[c].given, background, 0, ROWS, pool);
            assert_same_bits(got.values, all.values, sizeof(float[ROWS * LIVE]));
            ln_explanation_free(&got);
            ln_pool_free(pool);
        }
        ln_explanation_free(&all);
    }
    free_setting(&it);
}

/* Units of a judge are the explained numbers: a curve has as many points as they are, and ends at the
 * baseline with the row's ids. */
static void judges_replace_what_is_explained(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_explanation got = explained(&it, "feature_ablation", "", false, 0, ROWS, NULL);
    const ln_judge *judge = ln_judge_find("deletion");
    parameters params = parameters_of(&judge->word, "score=\"output\"");
    const ln_judged judged = {.model = it.model,
                              .x = it.x,
                              .items = it.items,
                              .item_count = ROWS,
                              .attribution = got.values,
                              .units = LIVE,
                              .unit_of = live,
                              .output = got.output,
                              .baseline_output = got.baseline_output,
                              .baseline = it.baseline,
                              .params = params.bytes};
    double values[ROWS];
    const char *reasons[ROWS] = {0};
    assert_ok(judge->run(&judged, NULL, values, reasons, &err));
    for (int64_t r = 0; r < ROWS;
         r++) { /* the curve by hand: row LIVE - k has the least k attributions */
        ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(LIVE + 1, WIDTH)), *out = NULL;
        float *current = ln_f32(rows);
        bool gone[LIVE] = {false};
        double area = 0;
        memcpy(current, ln_f32(it.x) + r * WIDTH, sizeof(float[WIDTH]));
        for (int k = 1; k <= LIVE; k++) {
            int best = -1;
            for (int i = 0; i < LIVE; i++)
                if (!gone[i] &&
                    (best < 0 || got.values[r * LIVE + i] > got.values[r * LIVE + best]))
                    best = i;
            gone[best] = true;
            memcpy(current + k * WIDTH, current + (k - 1) * WIDTH, sizeof(float[WIDTH]));
            current[k * WIDTH + best] = ln_f32(it.baseline)[best];
        }
        assert_ok(ln_model_forward(it.model, LN_LINK_RAW, rows, NULL, &out, &err));
        for (int k = 0; k < LIVE; k++)
            area += ((double)ln_f32(out)[k * 3 + 1] + (double)ln_f32(out)[k * 3 + 4]) / 2 / LIVE;
        assert_near_f64(&values[r], &area, 1, 1e-7, 0);
        ln_tensor_release(rows);
        ln_tensor_release(out);
    }
    ln_explanation_free(&got);
    free_setting(&it);
}

/* What was made of it keeps the inputs of real numbers. */
static void a_row_is_given_its_own_whole_numbers(void **state)
{
    (void)state;
    ln_model *model = the_model();
    assert_true(model->holds);
    assert_true(model->held[2] && !model->held[0] && !model->held[1]);
    float row[WIDTH] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9},
          x[WIDTH] = {0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    ln_model_hold(model, x, row);
    for (int i = 0; i < WIDTH; i++)
        assert_true(row[i] == (i < LIVE ? 9 : x[i]));
    ln_model_release(model);
}

static ln_status references_step(void *context, ln_error *e)
{
    setting *it = context;
    ln_tensor *made = NULL;
    ln_status status = ln_model_references(it->model, it->x, it->baseline, &made, e);
    if (!status)
        ln_tensor_release(made);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    setting it = new_setting();
    sweep_allocation_failures(references_step, &it);
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributions_are_those_of_captum_and_brute_force),
        cmocka_unit_test(held_inputs_are_the_rows_own),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_batches),
        cmocka_unit_test(judges_replace_what_is_explained),
        cmocka_unit_test(a_row_is_given_its_own_whole_numbers),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
