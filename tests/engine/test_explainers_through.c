/* Mixtures that go through all layers at once (explainers/common/factored.h): the values of coalitions are
 * those of the model's own passes. */
#include "explainers/common/factored.h"

#include "explainer_checks.h"
#include "shapley_support.h"

#define PLAYERS 7
#define REFERENCES 6

static const struct {
    const char *layers;
    int64_t sizes[5];
    bool through; /* or one of the layers is of another kind */
} kinds[] = {
    {"dense relu dense", {PLAYERS, 19, 3}, true},
    {"dense relu dense relu dense", {PLAYERS, 64, 32, 2}, true},
    {"dense tanh dense relu dense", {PLAYERS, 33, 10, 2}, true},
    {"dense relu dense sigmoid dense gelu dense", {PLAYERS, 16, 15, 17, 1}, true},
    {"dense dense relu dense", {PLAYERS, 20, 12, 2}, true},
    {"dense elu dense relu dense", {PLAYERS, 20, 12, 2}, false},
    {"dense relu dense relu", {PLAYERS, 20, 2}, false},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static ln_model *model_of(size_t kind)
{
    int64_t count = 0;
    for (int l = 0; l + 1 < 5 && kinds[kind].sizes[l + 1] > 0; l++)
        count += (kinds[kind].sizes[l] + 1) * kinds[kind].sizes[l + 1];
    ln_tensor *weights = tensor_random(TEST_SHAPE(count), 60 + (uint64_t)kind);
    for (int64_t i = 0; i < count; i++)
        ln_f32(weights)[i] *= 0.3F;
    ln_model *model =
        network_of(kinds[kind].layers, kinds[kind].sizes, ln_f32(weights), LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    return model;
}

static void which_networks_go_through(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_groups groups = {0};
    assert_ok(ln_groups_make(NULL, PLAYERS, PLAYERS, &groups, &err));
    for (size_t k = 0; k < KINDS; k++) {
        ln_model *model = model_of(k);
        ln_factored factored;
        assert_ok(ln_factored_make(model, LN_LINK_RAW, &groups, 128, 64, &factored, &err));
        assert_true(factored.on);
        assert_int_equal(factored.through, kinds[k].through);
        ln_factored_free(&factored);
        ln_model_release(model);
    }
    ln_groups_free(&groups);
}

/* v(S) of one output from the model's own passes, the mean over the references; players as groups say. */
static void mean_values(ln_model *model, int64_t output, const float *x,
                        const ln_tensor *references, const int32_t *groups, int64_t players,
                        double *value)
{
    ln_error err = {0};
    const int64_t count = references->shape.dims[0], sets = (int64_t)1 << players;
    ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(sets * count, PLAYERS)), *out = NULL;
    for (int64_t s = 0; s < sets; s++)
        for (int64_t r = 0; r < count; r++)
            for (int64_t i = 0; i < PLAYERS; i++)
                ln_f32(rows)[(s * count + r) * PLAYERS + i] =
                    s >> groups[i] & 1 ? x[i] : ln_f32(references)[r * PLAYERS + i];
    assert_ok(ln_model_forward(model, LN_LINK_RAW, rows, NULL, &out, &err));
    for (int64_t s = 0; s < sets; s++) {
        value[s] = 0;
        for (int64_t r = 0; r < count; r++)
            value[s] +=
                (double)ln_f32(out)[(s * count + r) * model->output_count + output] / (double)count;
    }
    ln_tensor_release(rows);
    ln_tensor_release(out);
}

/* Every word that takes all coalitions, every output, inputs alone and in groups. */
static void values_are_those_of_the_model(void **state)
{
    (void)state;
    static const int32_t alone[] = {0, 1, 2, 3, 4, 5, 6}, grouped[] = {2, 0, 1, 1, 3, 2, 0};
    static const char *const words[][2] = {{"shapley_exact", ""},
                                           {"kernel_shap", "samples=\"all\""}};
    ln_tensor *x = tensor_random(TEST_SHAPE(1, PLAYERS), 1);
    ln_tensor *references = tensor_random(TEST_SHAPE(REFERENCES, PLAYERS), 2), *one = NULL;
    ln_error err = {0};
    assert_ok(ln_tensor_rows(references, 0, 1, &one, &err));
    for (size_t k = 0; k < KINDS; k++)
        for (int variant = 0; variant < 8; variant++) {
            const bool several = variant & 1, in_groups = variant & 2;
            const char *const *word = words[variant / 4];
            const int64_t players = in_groups ? 4 : PLAYERS;
            ln_model *model = model_of(k);
            ln_item items[3];
            for (int64_t o = 0; o < model->output_count; o++)
                items[o] = (ln_item){.target = o};
            ln_explanation got = explain(word[0], word[1],
                                         (ln_request){.model = model,
                                                      .x = x,
                                                      .items = items,
                                                      .item_count = model->output_count,
                                                      .background = several ? references : NULL,
                                                      .baseline = several ? NULL : one,
                                                      .groups = in_groups ? grouped : NULL,
                                                      .group_count = players},
                                         NULL);
            for (int64_t o = 0; o < model->output_count; o++) {
                double value[1 << PLAYERS], phi[PLAYERS];
                mean_values(model, o, ln_f32(x), several ? references : one,
                            in_groups ? grouped : alone, players, value);
                by_counting(value, players, phi);
                assert_true(fabs(got.baseline_output[o] - value[0]) < 1e-6);
                assert_true(fabs(got.output[o] - value[(1 << players) - 1]) < 1e-6);
                for (int64_t i = 0; i < players; i++)
                    if (!(fabs((double)got.values[o * players + i] - phi[i]) < 1e-6))
                        fail_msg("%s of %s, output %d, player %d: %.9g, not %.9g", word[0],
                                 kinds[k].layers, (int)o, (int)i,
                                 (double)got.values[o * players + i], phi[i]);
            }
            ln_explanation_free(&got);
            ln_model_release(model);
        }
    ln_tensor_release(one);
    ln_tensor_release(references);
    ln_tensor_release(x);
}

/* What a walk comes by is worth what the coalitions are; a group that changes nothing is told. */
static void walks_are_coalitions(void **state)
{
    (void)state;
    enum { WALK = PLAYERS - 1, WALKS = 5, COUNT = WALK * WALKS };
    ln_error err = {0};
    ln_groups groups = {0};
    ln_factored factored;
    ln_tensor *rows = tensor_random(TEST_SHAPE(REFERENCES + 1, PLAYERS), 3);
    for (int64_t r = 0; r <= REFERENCES; r++) /* input 5 never varies */
        ln_f32(rows)[r * PLAYERS + 5] = 0.5F;
    assert_ok(ln_groups_make(NULL, PLAYERS, PLAYERS, &groups, &err));
    for (size_t k = 0; k < KINDS && kinds[k].through; k++) {
        ln_model *model = model_of(k);
        assert_ok(ln_factored_make(model, LN_LINK_RAW, &groups, COUNT, 64, &factored, &err));
        ln_carver carver = {0};
        ln_factored_carve(&factored, &carver);
        carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
        const ln_factored_buffers at = ln_factored_carve(&factored, &carver);
        int32_t joins[COUNT];
        uint64_t masks[COUNT];
        double walked[COUNT];
        for (int64_t i = 0; i < COUNT; i++) {
            joins[i] = (int32_t)((i % WALK * (1 + i / WALK) + i / WALK) % PLAYERS);
            masks[i] = (i % WALK ? masks[i - 1] : 0) | (uint64_t)1 << joins[i];
        }
        /* Behind tanh, too, a reference far away: what it has must not be left in sums from which it has gone. */
        ln_f32(rows)[PLAYERS + 2] = k == 2 ? 1e5F : 1;
        ln_factored_take(&factored, &at, ln_f32(rows));
        ln_factored_walks(&factored, &at, joins, COUNT);
        ln_factored_clear(&at, COUNT);
        for (int64_t r = 1; r <= REFERENCES; r++) {
            ln_factored_walk_from(&factored, &at, ln_f32(rows) + r * PLAYERS);
            ln_factored_walk(&factored, &at, COUNT, WALK, 0);
        }
        memcpy(walked, at.sum, sizeof walked);
        for (int64_t g = 0; g < PLAYERS; g++)
            assert_int_equal(at.moves[g], g != 5);
        for (int64_t i = 1; i < COUNT; i++)
            if (i % WALK && joins[i] == 5)
                assert_same_bits(&walked[i], &walked[i - 1], sizeof *walked);
        ln_factored_row(&factored, &at, ln_f32(rows));
        ln_factored_masks_through(&factored, &at, masks, 1, COUNT, false);
        ln_factored_clear(&at, COUNT);
        for (int64_t r = 1; r <= REFERENCES; r++) {
            ln_factored_other(&factored, &at, ln_f32(rows) + r * PLAYERS);
            ln_factored_add(&factored, &at, COUNT, 0);
        }
        for (int64_t i = 0; i < COUNT; i++)
            assert_true(fabs(walked[i] - at.sum[i]) < 1e-6 * REFERENCES);
        ln_free_aligned(carver.base);
        ln_factored_free(&factored);
        ln_model_release(model);
    }
    ln_groups_free(&groups);
    ln_tensor_release(rows);
}

/* A reference that is the only one is prepared once, to the same walks. */
static void what_is_kept_changes_no_bit(void **state)
{
    (void)state;
    enum { WALK = PLAYERS - 1, WALKS = 5, COUNT = WALK * WALKS };
    ln_error err = {0};
    ln_groups groups = {0};
    ln_factored factored;
    ln_tensor *rows = tensor_random(TEST_SHAPE(2, PLAYERS), 4);
    const float *x = ln_f32(rows), *reference = x + PLAYERS;
    assert_ok(ln_groups_make(NULL, PLAYERS, PLAYERS, &groups, &err));
    for (size_t k = 0; k < KINDS && kinds[k].through; k++) {
        ln_model *model = model_of(k);
        assert_ok(ln_factored_make(model, LN_LINK_RAW, &groups, COUNT, 64, &factored, &err));
        ln_carver carver = {0};
        ln_factored_carve(&factored, &carver);
        carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
        const ln_factored_buffers at = ln_factored_carve(&factored, &carver);
        int32_t joins[COUNT];
        double sum[2][COUNT];
        for (int i = 0; i < COUNT; i++)
            joins[i] = (i % WALK + i / WALK) % PLAYERS;
        ln_factored_take(&factored, &at, x);
        for (int kept = 0; kept < 2; kept++) {
            if (kept)
                assert_ok(ln_factored_keep(&factored, reference, &err));
            ln_factored_walks(&factored, &at, joins, COUNT);
            ln_factored_clear(&at, COUNT);
            ln_factored_walk_from(&factored, &at, reference);
            ln_factored_walk(&factored, &at, COUNT, WALK, 0);
            memcpy(sum[kept], at.sum, sizeof sum[kept]);
        }
        assert_same_bits(sum[0], sum[1], sizeof sum[0]);
        ln_free_aligned(carver.base);
        ln_factored_free(&factored);
        ln_model_release(model);
    }
    ln_groups_free(&groups);
    ln_tensor_release(rows);
}

/* A profile changes no bit, and counts every mixture that the explanation says it evaluated, whatever the threads, with
 * the products of PLAYERS -> 64 -> 32 -> 1 behind the first layer; `beside` counts items. */
static void a_profile_counts_mixtures(void **state)
{
    (void)state;
    static const char *const words[] = {"kernel_shap", "shapley_sampling"};
    ln_error err = {0};
    ln_model *model = model_of(1);
    ln_tensor *x = tensor_random(TEST_SHAPE(4, PLAYERS), 1);
    ln_tensor *references = tensor_random(TEST_SHAPE(REFERENCES, PLAYERS), 2);
    const ln_item items[] = {{0, 0}, {1, 0}, {2, 1}, {3, 1}};
    ln_request request = {
        .model = model, .x = x, .items = items, .item_count = 4, .background = references};
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (int w = 0; w < 2; w++) {
        ln_explanation plain = explain(words[w], "", request, NULL);
        assert_ok(ln_profile_new(&model->profile, &err));
        ln_explanation got = explain(words[w], "", request, pool);
        assert_same_items(&got, &plain, 0);
        int found = 0;
        for (int i = 0; i < model->profile->count; i++) {
            const ln_profile_line *line = &model->profile->lines[i];
            assert_string_equal(line->node, words[w]); /* there were no passes */
            const bool mixtures = strcmp(line->operator_name, "mixtures") == 0;
            const int64_t rows = mixtures ? got.evaluations - REFERENCES : 4;
            assert_int_equal(line->rows[0], rows);
            assert_true(line->operations[0] ==
                        (mixtures ? 2.0 * (64 * 32 + 32) * (double)rows : 0));
            assert_true(line->nanoseconds[0] > 0);
            found += mixtures ? 1 : 2;
        }
        assert_int_equal(found, 1 + 2);
        ln_profile_free(model->profile);
        model->profile = NULL;
        ln_explanation_free(&plain);
        ln_explanation_free(&got);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_tensor_release(references);
    ln_model_release(model);
}

/* In the order asked for and sorted, with several references. */
static void neighbours_change_no_bit(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    ln_error err = {0};
    ln_groups groups = {0};
    ln_factored factored;
    ln_model *model = model_of(1);
    ln_tensor *rows = tensor_random(TEST_SHAPE(REFERENCES + 1, PLAYERS), 3);
    assert_ok(ln_groups_make(NULL, PLAYERS, PLAYERS, &groups, &err));
    assert_ok(ln_factored_make(model, LN_LINK_RAW, &groups, COUNT, 64, &factored, &err));
    ln_carver carver = {0};
    ln_factored_carve(&factored, &carver);
    carver = (ln_carver){.base = ln_alloc_aligned(carver.used)};
    const ln_factored_buffers at = ln_factored_carve(&factored, &carver);
    uint64_t masks[COUNT];
    double sum[2][COUNT];
    for (uint64_t c = 0; c < COUNT; c++)
        masks[c] = c * 37 % 128;
    ln_factored_row(&factored, &at, ln_f32(rows));
    for (int sorted = 0; sorted < 2; sorted++) {
        ln_factored_masks_through(&factored, &at, masks, 1, COUNT, sorted);
        ln_factored_clear(&at, COUNT);
        for (int64_t r = 1; r <= REFERENCES; r++) {
            ln_factored_other(&factored, &at, ln_f32(rows) + r * PLAYERS);
            ln_factored_add(&factored, &at, COUNT, 0);
        }
        for (int64_t i = 0; i < COUNT; i++)
            sum[sorted][at.order[i]] = at.sum[i];
        for (int64_t i = 1; i < COUNT; i++)
            assert_true(!sorted || masks[at.order[i - 1]] < masks[at.order[i]]);
    }
    assert_same_bits(sum[0], sum[1], sizeof sum[0]);
    ln_free_aligned(carver.base);
    ln_factored_free(&factored);
    ln_groups_free(&groups);
    ln_tensor_release(rows);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_networks_go_through),
        cmocka_unit_test(values_are_those_of_the_model),
        cmocka_unit_test(walks_are_coalitions),
        cmocka_unit_test(what_is_kept_changes_no_bit),
        cmocka_unit_test(neighbours_change_no_bit),
        cmocka_unit_test(a_profile_counts_mixtures),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
