/* Groups that each row has of its own: a row is explained as it is alone with these groups, by every explainer
 * that takes groups, for any number of threads; judges see each row's own units; superpixels of a lime
 * explanation are the lime package's. */
#include "judging.h"

#include "judges/by_row.h"

#define SIDE 6
#define WIDTH (2 * SIDE * SIDE) /* two channels */
#define ITEMS 7

/* Rows of two channels of 6 x 6; items of one row stand side by side, row 1 has two of them. */
typedef struct setting {
    ln_model *model;
    ln_tensor *x, *background, *baseline; /* the last only where a test makes it */
    int32_t given[5 * WIDTH];             /* of row r: r + 2 groups */
    ln_row_groups own;
    ln_item items[ITEMS];
    ln_request request;
    const ln_explainer *explainer; /* that is swept */
    const char *params;            /* its */
} setting;

static void set_up(setting *it)
{
    static const ln_item items[ITEMS] = {{.row = 0}, {.row = 1}, {.row = 1, .target = 1},
                                         {.row = 2}, {.row = 4}, {.row = 3},
                                         {.row = 0}};
    ln_tensor *weights = tensor_random(TEST_SHAPE((WIDTH + 1) * 5 + 12), 5);
    it->model = network_of("dense tanh dense", (int64_t[]){WIDTH, 5, 2}, ln_f32(weights),
                           LN_TASK_CLASSIFICATION);
    ln_tensor_release(weights);
    it->x = tensor_random(TEST_SHAPE(5, WIDTH), 6);
    it->background = tensor_random(TEST_SHAPE(4, WIDTH), 7);
    for (int r = 0; r < 5; r++)
        for (int i = 0; i < WIDTH; i++)
            it->given[r * WIDTH + i] = (i % (SIDE * SIDE) * 7 + r) % (r + 2);
    it->baseline = NULL;
    it->own = (ln_row_groups){.given = it->given};
    memcpy(it->items, items, sizeof items);
    it->request = (ln_request){.model = it->model,
                               .x = it->x,
                               .items = it->items,
                               .item_count = ITEMS,
                               .input_shape = ln_shape_of(3, (int64_t[]){2, SIDE, SIDE}),
                               .row_groups = &it->own};
}

static void tear_down(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->background);
    ln_tensor_release(it->baseline);
    ln_model_release(it->model);
}

/* The request of item i with its row's groups as those of all rows. */
static ln_request alone(const setting *it, const ln_request *request, int i)
{
    ln_request one = *request;
    one.items = it->items + i;
    one.item_count = 1;
    one.row_groups = NULL;
    one.groups = it->given + it->items[i].row * WIDTH;
    one.group_count = it->items[i].row + 2;
    return one;
}

static void check_item(const setting *it, const ln_explanation *all, int at, int i,
                       const ln_explanation *one)
{
    const size_t bytes = (size_t)one->width * sizeof(float);
    assert_int_equal(all->units[at], it->items[i].row + 2);
    assert_int_equal(one->width, it->items[i].row + 2);
    assert_same_bits(all->values + at * all->width, one->values, bytes);
    if (one->errors)
        assert_same_bits(all->errors + at * all->width, one->errors, bytes);
    if (one->fit)
        assert_same_bits(all->fit + at, one->fit, sizeof *one->fit);
    if (one->rules) {
        assert_string_equal(all->rules[at].text, one->rules[0].text);
        assert_same_bits(&all->rules[at].coverage, &one->rules[0].coverage, sizeof(double));
        assert_int_equal(all->rules[at].draws, one->rules[0].draws);
    }
    assert_same_bits(all->output + at, one->output, sizeof(double));
    assert_same_bits(all->baseline_output + at, one->baseline_output, sizeof(double));
    assert_same_bits(all->groups + at * WIDTH, it->given + it->items[i].row * WIDTH,
                     WIDTH * sizeof(int32_t));
    for (int64_t u = one->width; u < all->width; u++)
        assert_true(all->values[at * all->width + u] == 0);
}

enum { NONE, BACKGROUND, BASELINE };

static void check_word(const char *word, const char *given, int reference)
{
    ln_error err = {0};
    setting it;
    set_up(&it);
    if (reference == BACKGROUND)
        it.request.background = it.background;
    if (reference == BASELINE)
        assert_ok(ln_tensor_rows(it.background, 0, 1, &it.baseline, &err));
    it.request.baseline = it.baseline;
    ln_explanation ones[ITEMS], all = explain(word, given, it.request, NULL);
    assert_int_equal(all.width, 6); /* row 4 has the most groups */
    for (int i = 0; i < ITEMS; i++) {
        ones[i] = explain(word, given, alone(&it, &it.request, i), NULL);
        check_item(&it, &all, i, i, &ones[i]);
    }
    for (int threads = 2; threads <= 5; threads += 3) {
        ln_pool *pool = NULL;
        assert_ok(ln_pool_new(threads, &pool, &err));
        ln_explanation got = explain(word, given, it.request, pool);
        for (int i = 0; i < ITEMS; i++)
            check_item(&it, &got, i, i, &ones[i]);
        assert_int_equal(got.evaluations, all.evaluations);
        ln_explanation_free(&got);
        ln_pool_free(pool);
    }
    ln_request single = it.request; /* whose passes the threads share */
    ln_pool *pool = NULL;
    single.item_count = 1;
    assert_ok(ln_pool_new(3, &pool, &err));
    ln_explanation first = explain(word, given, single, pool);
    check_item(&it, &first, 0, 0, &ones[0]);
    ln_explanation_free(&first);
    ln_pool_free(pool);
    ln_request part = it.request; /* items 2 and 3: the second target of row 1 by itself */
    part.items += 2;
    part.item_count = 2;
    ln_explanation got = explain(word, given, part, NULL);
    check_item(&it, &got, 0, 2, &ones[2]);
    check_item(&it, &got, 1, 3, &ones[3]);
    ln_explanation_free(&got);
    for (int i = 0; i < ITEMS; i++)
        ln_explanation_free(&ones[i]);
    ln_explanation_free(&all);
    tear_down(&it);
}

static void rows_are_explained_as_they_are_alone(void **state)
{
    (void)state;
    check_word("feature_ablation", "", NONE);
    check_word("feature_permutation", "samples=3", BACKGROUND);
    check_word("shapley_exact", "", BACKGROUND);
    check_word("shapley_sampling", "permutations=4", BASELINE);
    check_word("permutation_shap", "evaluations=40", BACKGROUND);
    check_word("kernel_shap", "samples=30", BACKGROUND);
    check_word("lime", "samples=40", BACKGROUND);
    check_word("lime", "samples=40", BASELINE);
    check_word("anchors", "samples=2000 batch=20", BACKGROUND);
    check_word("anchors", "samples=2000 batch=20", BASELINE);
}

/* Labels that ln_superpixels_of gives are the groups, whole channels. */
static void superpixels_are_found_in_each_row(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it;
    set_up(&it);
    it.own = (ln_row_groups){.superpixels = {.method = LN_SLIC,
                                             .segments = 4,
                                             .compactness = 5,
                                             .channels = 2,
                                             .height = SIDE,
                                             .width = SIDE}};
    ln_explanation all = explain("feature_ablation", "", it.request, NULL);
    for (int i = 0; i < ITEMS; i++) {
        int32_t label[SIDE * SIDE];
        int64_t count;
        const int32_t *group = all.groups + i * WIDTH;
        assert_ok(ln_superpixels_of(&it.own.superpixels, ln_f32(it.x) + it.items[i].row * WIDTH,
                                    label, &count, &err));
        assert_int_equal(all.units[i], count);
        assert_same_bits(group, label, sizeof label);
        assert_same_bits(group + SIDE * SIDE, label, sizeof label);
    }
    ln_explanation_free(&all);
    tear_down(&it);
}

/* A row without superpixels has no values, and why; the others have the bits that they have without it. Where it
 * is the first the next one tells whether the explainer can explain at all; where all are, nothing runs. */
static void rows_that_cannot_be_explained_are_left_out(void **state)
{
    (void)state;
    static const char why[] = "an image holds a number that is not finite: it has no superpixels";
    ln_error err = {0};
    setting it;
    set_up(&it);
    it.own = (ln_row_groups){.superpixels = {.method = LN_SLIC,
                                             .segments = 4,
                                             .compactness = 5,
                                             .channels = 2,
                                             .height = SIDE,
                                             .width = SIDE}};
    it.request.baseline = it.baseline = tensor_zero(LN_F32, TEST_SHAPE(1, WIDTH));
    const char *const words[] = {"feature_ablation", "shapley_sampling", "lime"};
    for (int w = 0; w < 3; w++) {
        ln_explanation whole = explain(words[w], "", it.request, NULL);
        for (int64_t row = 0; row < 4; row += 3) {
            float *number = ln_f32(it.x) + row * WIDTH + 5, kept = *number;
            *number = INFINITY;
            ln_explanation got = explain(words[w], "", it.request, NULL);
            int failed = 0;
            for (int64_t i = 0; i < ITEMS; i++) {
                const float *values = got.values + i * got.width;
                if (it.items[i].row != row) {
                    assert_null(got.reasons[i]);
                    assert_same_bits(values, whole.values + i * whole.width,
                                     (size_t)whole.units[i] * sizeof *values);
                    continue;
                }
                failed++;
                assert_non_null(strstr(got.reasons[i], why));
                assert_int_equal(got.units[i], 1);
                assert_true(isnan(values[0]) && isnan(got.output[i]));
                assert_true(!got.errors || isnan(got.errors[i * got.width]));
                assert_true(!got.fit || isnan(got.fit[i]));
            }
            assert_true(failed > 0 && failed < ITEMS);
            ln_explanation_free(&got);
            *number = kept;
        }
        ln_explanation_free(&whole);
    }
    for (int64_t i = 0; i < it.x->shape.dims[0]; i++)
        ln_f32(it.x)[i * WIDTH] = NAN;
    const ln_explainer *ablation = ln_explainer_find("feature_ablation");
    parameters params = parameters_of(&ablation->word, "");
    ln_request request = completed(ablation, it.request);
    ln_job *job = NULL;
    request.params = params.bytes;
    assert_fails(ln_job_new(ablation, &request, NULL, &job, &err), LN_EINVALID, why);
    assert_string_equal(err.field, "groups");
    tear_down(&it);
}

static void mistakes_are_told_before_the_run(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it;
    set_up(&it);
    const ln_explainer *exact = ln_explainer_find("shapley_exact");
    parameters params = parameters_of(&exact->word, "");
    ln_job *job = NULL;
    ln_request request = completed(exact, it.request);
    request.params = params.bytes;
    for (int i = 0; i < WIDTH; i++)
        it.given[i] = i % 30;
    assert_fails(ln_job_new(exact, &request, NULL, &job, &err), LN_EINVALID, "30");
    assert_null(job);
    tear_down(&it);
    set_up(&it);
    it.items[6].target = 2;
    request = completed(exact, it.request);
    request.params = params.bytes;
    assert_fails(ln_job_new(exact, &request, NULL, &job, &err), LN_EINVALID, "2");
    assert_string_equal(err.field, "target");
    tear_down(&it);
}

static ln_status run_once(void *context, ln_error *err)
{
    setting *it = context;
    parameters params = parameters_of(&it->explainer->word, it->params);
    ln_request request = completed(it->explainer, it->request);
    request.params = params.bytes;
    request.item_count = 3;
    ln_job *job = NULL;
    ln_explanation out = {0};
    ln_status status = ln_job_new(it->explainer, &request, NULL, &job, err);
    if (!status)
        status = ln_job_run(job, 0, 3, &out, err);
    ln_explanation_free(&out);
    ln_job_free(job);
    return status;
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    setting it;
    set_up(&it);
    it.request.background = it.background;
    for (int k = 0; k < 2; k++) { /* one number an item, and a rule */
        it.explainer = ln_explainer_find(k == 0 ? "shapley_exact" : "anchors");
        it.params = k == 0 ? "" : "samples=500 batch=20";
        sweep_allocation_failures(run_once, &it);
    }
    tear_down(&it);
}

/* ---------------------------------------------------------------- judges */

static void judges_see_each_rows_own_units(void **state)
{
    (void)state;
    static const char *const words[] = {"deletion",     "insertion",      "sparseness",
                                        "completeness", "relevance_mass", "pointing_game"};
    ln_error err = {0};
    setting it;
    set_up(&it);
    ln_explanation all = explain("shapley_exact", "", it.request, NULL);
    ln_tensor *mask = tensor_zero(LN_U8, TEST_SHAPE(5, WIDTH));
    for (int i = 0; i < 5 * WIDTH; i++) /* groups 0 of each row, but row 2's is cut */
        ((uint8_t *)mask->data)[i] = it.given[i] == 0 && i != 2 * WIDTH + 10;
    assert_int_equal(it.given[2 * WIDTH + 10], 0);
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        const ln_judge *judge = ln_judge_find(words[w]);
        const bool masked = judge->flags & LN_JUDGE_TAKES_MASK;
        parameters params = parameters_of(&judge->word, "");
        double values[ITEMS];
        const char *reasons[ITEMS] = {0};
        ln_judged judged = {.model = it.model,
                            .x = it.x,
                            .items = it.items,
                            .item_count = ITEMS,
                            .attribution = all.values,
                            .output = all.output,
                            .baseline_output = all.baseline_output,
                            .params = params.bytes};
        ln_pool *pool = NULL;
        assert_ok(ln_pool_new(2, &pool, &err));
        assert_ok(ln_judge_by_row(judge, &judged, &all, masked ? mask : NULL, pool, values, reasons,
                                  &err));
        ln_pool_free(pool);
        for (int i = 0; i < ITEMS; i++) {
            if (masked && it.items[i].row == 2) {
                assert_true(isnan(values[i]));
                assert_string_equal(reasons[i], "a group lies partly in the mask");
                continue;
            }
            const uint8_t first[8] = {1};
            ln_judged one = judged;
            one.items += i;
            one.item_count = 1;
            one.attribution += i * all.width;
            one.units = all.units[i];
            one.unit_of = it.given + it.items[i].row * WIDTH;
            one.output += i;
            one.baseline_output += i;
            one.mask = masked ? first : NULL;
            verdict wanted = judge_all(words[w], "", one, NULL);
            assert_same_bits(&values[i], wanted.values, sizeof(double));
        }
    }
    ln_tensor_release(mask);
    ln_explanation_free(&all);
    tear_down(&it);
}

/* ---------------------------------------------------------------- against the lime package */

#define PICTURES 10
#define PICTURE (3 * 24 * 24)

static ln_tensor *stored(const char *name, const char *part)
{
    ln_error err;
    char path[96];
    ln_tensor *out;
    snprintf(path, sizeof path, "reference/explainers/lime.pictures-%s%s.npy", name, part);
    assert_ok(ln_npy_read(test_file(path), &out, NULL, &err));
    return out;
}

/* Mean over the pictures of the Euclidean distance of two (10, segments), the places with NaN left out. */
static double distance(const float *a, int64_t a_width, const float *b, int64_t width)
{
    double mean = 0;
    for (int64_t i = 0; i < PICTURES; i++) {
        double sum = 0;
        for (int64_t s = 0; s < width && !isnan(b[i * width + s]); s++)
            sum += pow((double)a[i * a_width + s] - (double)b[i * width + s], 2);
        mean += sqrt(sum) / PICTURES;
    }
    return mean;
}

/* In segments that the explainer finds, which must be the package's, or in the package's. */
static void check_pictures(const char *name, const ln_superpixels *how)
{
    ln_tensor *x = stored("x", ""), *weights = stored("weights", "");
    ln_tensor *label = stored(name, "-label"), *peer[6];
    ln_model *model = network_of("dense relu dense", (int64_t[]){PICTURE, 6, 2}, ln_f32(weights),
                                 LN_TASK_CLASSIFICATION);
    ln_item items[PICTURES];
    for (int i = 0; i < PICTURES; i++)
        items[i] = (ln_item){.row = i, .target = 1};
    static int32_t given[PICTURES * PICTURE];
    for (int i = 0; i < PICTURES * PICTURE; i++)
        given[i] = ((int32_t *)label->data)[i / PICTURE * 576 + i % 576];
    ln_row_groups own = {.given = how ? NULL : given};
    if (how)
        own.superpixels = *how;
    ln_error err = {0};
    ln_tensor *flat = NULL;
    assert_ok(ln_tensor_reshape(x, &(ln_shape){2, {PICTURES, PICTURE}}, &flat, &err));
    const ln_explainer *lime = ln_explainer_find("lime");
    parameters params = parameters_of(&lime->word, "");
    static const int64_t numbers[PICTURES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const ln_request request = {.model = model,
                                .link = LN_LINK_PROBABILITY,
                                .x = flat,
                                .row_ids = numbers,
                                .items = items,
                                .item_count = PICTURES,
                                .input_shape = ln_shape_of(3, (int64_t[]){3, 24, 24}),
                                .row_groups = &own,
                                .params = params.bytes};
    ln_job *job = NULL;
    ln_explanation got;
    assert_ok(ln_job_new(lime, &request, NULL, &job, &err));
    assert_ok(ln_job_run(job, 0, PICTURES, &got, &err));
    ln_job_free(job);
    assert_same_bits(got.groups, given, sizeof given);
    double ours = 0, theirs = 0;
    for (int s = 0; s < 6; s++) {
        char part[8];
        snprintf(part, sizeof part, "-%d", s);
        peer[s] = stored(name, part);
        const int64_t width = peer[s]->shape.dims[1];
        ours += distance(got.values, got.width, ln_f32(peer[s]), width) / 6;
        for (int t = 0; t < s; t++)
            theirs += distance(ln_f32(peer[t]), width, ln_f32(peer[s]), width) / 15;
    }
    print_message("%s: %.3g from the lime package, its seeds %.3g from each other: %.3f\n", name,
                  ours, theirs, ours / theirs);
    assert_true(theirs > 0 && ours <= 1.2 * theirs);
    for (int s = 0; s < 6; s++)
        ln_tensor_release(peer[s]);
    ln_explanation_free(&got);
    ln_tensor_release(flat);
    ln_tensor_release(x);
    ln_tensor_release(weights);
    ln_tensor_release(label);
    ln_model_release(model);
}

static void lime_of_superpixels_is_near_the_lime_package(void **state)
{
    (void)state;
    check_pictures("whole", &(ln_superpixels){.kernel_size = 4,
                                              .max_dist = 200,
                                              .ratio = 0.2,
                                              .channels = 3,
                                              .height = 24,
                                              .width = 24,
                                              .deviation = {1, 1, 1}});
    check_pictures("fine", NULL); /* one of 5760 pixels is where noise below 1e-5 decides */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_explained_as_they_are_alone),
        cmocka_unit_test(superpixels_are_found_in_each_row),
        cmocka_unit_test(rows_that_cannot_be_explained_are_left_out),
        cmocka_unit_test(mistakes_are_told_before_the_run),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(judges_see_each_rows_own_units),
        cmocka_unit_test(lime_of_superpixels_is_near_the_lime_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
