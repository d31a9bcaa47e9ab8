/* Judges, all of them: the table, what is undefined, bits that depend on nothing but the sample, bad
 * requests and failing memory. test_judges_curves.c and test_judges_sizes.c have their values. */
#include "judging.h"

static const reference_network *const net = &reference_networks[0];

#define COUNT 70

/* Rows out of order, all targets, random attributions, masks and recorded outputs. */
typedef struct setting {
    ln_model *model;
    ln_tensor *x, *fill, *attribution, *other;
    ln_item items[COUNT];
    uint8_t mask[COUNT * 6]; /* row by row, never empty */
    double output[COUNT], baseline_output[COUNT], outside[COUNT];
    ln_judged judged;
} setting;

static void set_up(setting *it)
{
    it->model = reference_model(net);
    it->x = tensor_random(TEST_SHAPE(COUNT, 6), 1);
    it->fill = tensor_random(TEST_SHAPE(COUNT, 6), 2);
    it->attribution = tensor_random(TEST_SHAPE(COUNT, 6), 3);
    it->other = tensor_random(TEST_SHAPE(COUNT, 6), 4);
    for (int i = 0; i < COUNT; i++) {
        it->items[i] = (ln_item){.row = i * 23 % COUNT, .target = i % 3};
        it->output[i] = i;
        it->baseline_output[i] = i % 7;
        it->outside[i] = i / 100.0;
        for (int u = 0; u < 6; u++)
            it->mask[i * 6 + u] = u == i % 6 || u == i % 5;
    }
    it->judged = (ln_judged){.model = it->model,
                             .x = it->x,
                             .items = it->items,
                             .item_count = COUNT,
                             .attribution = ln_f32(it->attribution),
                             .other = ln_f32(it->other),
                             .units = 6,
                             .output = it->output,
                             .baseline_output = it->baseline_output,
                             .baseline = it->fill,
                             .outside = it->outside,
                             .mask = it->mask,
                             .mask_stride = 6};
}

static void tear_down(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->fill);
    ln_tensor_release(it->attribution);
    ln_tensor_release(it->other);
    ln_model_release(it->model);
}

static bool runs_the_model(const ln_judge *judge)
{
    return (judge->flags & LN_JUDGE_NEEDS_MODEL) != 0;
}

/* One that watches which rows are evaluated reads nothing else. */
static bool reads_attributions(const ln_judge *judge)
{
    return !(judge->flags & LN_JUDGE_WATCHES);
}

static void judges_are_found_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool higher_is_better;
    } wanted[] = {{"deletion", false},       {"insertion", true},
                  {"pixel_flipping", false}, {"sparseness", true},
                  {"complexity", false},     {"completeness", false},
                  {"relevance_mass", true},  {"relevance_rank", true},
                  {"pointing_game", true},   {"parameter_randomisation", false},
                  {"off_manifold", false}};
    size_t count = 0;
    for (const ln_judge *const *entry = ln_judges; *entry; entry++, count++) {
        const ln_word *word = &(*entry)->word;
        assert_string_equal(word->name, wanted[count].word);
        assert_ptr_equal(ln_judge_find(word->name), *entry);
        assert_int_equal((*entry)->higher_is_better, wanted[count].higher_is_better);
        assert_true(word->summary[0] && word->formula[0] && word->source[0]);
        assert_true((*entry)->version >= 1 && (*entry)->run);
    }
    assert_int_equal(count, sizeof wanted / sizeof wanted[0]);
    assert_null(ln_judge_find("deletio"));
}

static void flags_match_parameters(void **state)
{
    (void)state;
    for (const ln_judge *const *entry = ln_judges; *entry; entry++) {
        bool baseline = false, mask = false;
        for (const ln_param *param = (*entry)->word.params; param->name; param++) {
            baseline |= param->type == LN_PARAM_BASELINE;
            mask |= param->type == LN_PARAM_MASK;
            assert_true(param->offset == LN_NO_OFFSET ||
                        param->offset < (*entry)->word.params_size);
        }
        assert_int_equal(baseline, ((*entry)->flags & LN_JUDGE_TAKES_BASELINE) != 0);
        assert_int_equal(mask, ((*entry)->flags & LN_JUDGE_TAKES_MASK) != 0);
    }
}

/* NaN in an attribution or on the way: no number, a reason, and the neighbours as they were. */
static void undefined_samples_have_a_reason(void **state)
{
    (void)state;
    setting it;
    set_up(&it);
    for (const ln_judge *const *entry = ln_judges; *entry; entry++) {
        const char *word = (*entry)->word.name;
        verdict wanted = judge_all(word, "", it.judged, NULL);
        ln_tensor *spoilt = tensor_random(it.attribution->shape, 3);
        ln_tensor *x = tensor_random(it.x->shape, 1);
        ln_f32(spoilt)[5 * 6 + 1] = NAN;
        ln_f32(x)[it.items[9].row * 6] = NAN;
        ln_judged judged = it.judged;
        judged.attribution = ln_f32(spoilt);
        judged.x = x;
        verdict got = judge_all(word, "", judged, NULL);
        for (int i = 0; i < COUNT; i++) {
            bool undefined =
                reads_attributions(*entry) && (i == 5 || (i == 9 && runs_the_model(*entry)));
            if (!undefined) {
                assert_same_bits(&got.values[i], &wanted.values[i], sizeof(double));
                assert_null(got.reasons[i]);
                assert_false(isnan(got.values[i]));
                continue;
            }
            assert_true(isnan(got.values[i]));
            assert_non_null(strstr(got.reasons[i], i == 5 ? "attribution holds NaN" : "score"));
        }
        ln_tensor_release(spoilt);
        ln_tensor_release(x);
    }
    tear_down(&it);
}

static void bits_do_not_depend_on_threads_or_batches(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it;
    set_up(&it);
    for (const ln_judge *const *entry = ln_judges; *entry; entry++) {
        const char *word = (*entry)->word.name;
        verdict all = judge_all(word, "", it.judged, NULL);
        for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
            ln_pool *pool = NULL;
            assert_ok(ln_pool_new(threads, &pool, &err));
            verdict got = judge_all(word, "", it.judged, pool);
            assert_same_bits(got.values, all.values, COUNT * sizeof(double));
            ln_pool_free(pool);
        }
        for (int i = 0; i + 2 <= COUNT; i += 3) {
            ln_judged part = it.judged;
            part.items += i;
            part.item_count = i % 2 ? 1 : 2;
            part.attribution += i * 6;
            part.other += i * 6;
            part.output += i;
            part.baseline_output += i;
            part.outside += i;
            verdict got = judge_all(word, "", part, NULL);
            assert_same_bits(got.values, all.values + i, (size_t)part.item_count * sizeof(double));
        }
    }
    tear_down(&it);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    ln_error err = {0};
    setting it;
    set_up(&it);
    ln_tensor *narrow = tensor_zero(LN_F32, TEST_SHAPE(1, 5));
    ln_item item = {.row = 0, .target = 0};
    double value;
    const char *reason;
    for (const ln_judge *const *entry = ln_judges; *entry; entry++) {
        const ln_judge *judge = *entry;
        parameters params = parameters_of(&judge->word, "");
        ln_judged judged = it.judged;
        judged.items = &item;
        judged.item_count = 1;
        judged.params = params.bytes;
        if (judge->flags & LN_JUDGE_TAKES_BASELINE) {
            judged.baseline = narrow;
            assert_fails(
                judge->run(&judged, NULL, &value, &reason, &err), LN_EINVALID,
                "the baseline has shape (1, 5) and type f32: expected (1, 6) for all rows");
            assert_string_equal(err.field, "baseline");
            judged.baseline = NULL;
        }
        if (judge->flags & LN_JUDGE_TAKES_MASK) {
            judged.mask = NULL;
            assert_fails(judge->run(&judged, NULL, &value, &reason, &err), LN_EINVALID,
                         "there is no mask");
            assert_string_equal(err.field, "mask");
            judged.mask = it.mask;
        }
        if (runs_the_model(judge)) {
            item.target = 3;
            assert_fails(judge->run(&judged, NULL, &value, &reason, &err), LN_EINVALID, NULL);
            assert_string_equal(err.field, "target");
            item.target = 0;
        }
        judged.item_count = 0; /* nothing to judge is no error */
        assert_ok(judge->run(&judged, NULL, &value, &reason, &err));
    }
    ln_tensor_release(narrow);
    tear_down(&it);
}

typedef struct sweep {
    const ln_judge *judge;
    ln_judged judged;
    parameters params;
} sweep;

static ln_status whole_run(void *context, ln_error *err)
{
    sweep *it = context;
    double values[2];
    const char *reasons[2];
    it->judged.params = it->params.bytes;
    return it->judge->run(&it->judged, NULL, values, reasons, err);
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    setting it;
    set_up(&it);
    it.judged.item_count = 2;
    for (const ln_judge *const *entry = ln_judges; *entry; entry++) {
        if (strcmp((*entry)->word.name, "completeness") == 0 || !reads_attributions(*entry))
            continue; /* allocates nothing */
        for (int zero = 0; zero < 2; zero++) {
            sweep one = {
                .judge = *entry, .judged = it.judged, .params = parameters_of(&(*entry)->word, "")};
            one.judged.baseline = zero ? NULL : it.fill;
            sweep_allocation_failures(whole_run, &one);
        }
    }
    tear_down(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_are_found_by_name),
        cmocka_unit_test(flags_match_parameters),
        cmocka_unit_test(undefined_samples_have_a_reason),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_batches),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("judges", tests, NULL, NULL);
}
