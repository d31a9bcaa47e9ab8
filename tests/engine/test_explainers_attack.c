/* Attacks: what Captum makes of them, bounds, success, and draws. */
#include "layer_networks.h"

static ln_error err;

static ln_request request_of(ln_model *model, const ln_tensor *x, ln_item *items)
{
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % 3};
    return (ln_request){.model = model, .x = x, .items = items, .item_count = ROWS};
}

static void attacks_as_captum_has_them(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"fgsm", "fgsm", "epsilon=0.3"},
        {"fgsm-targeted", "fgsm", "epsilon=0.3 targeted=true low=-1.5 high=1.25"},
        {"pgd", "pgd", "epsilon=0.25 alpha=0.1 steps=7"},
        {"pgd-targeted", "pgd", "epsilon=0.25 alpha=0.1 steps=7 targeted=true low=-1.5 high=1.25"},
        {"pgd-l2", "pgd", "epsilon=0.8 alpha=0.3 steps=7 norm=\"l2\""},
    };
    static const char *const networks[] = {"dense", "images"};
    for (int n = 0; n < 2; n++) {
        ln_model *model = model_of(networks[n]);
        ln_tensor *x = array_of(networks[n], "x");
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            ln_item items[ROWS];
            ln_explanation got =
                explain(cases[c][1], cases[c][2], request_of(model, x, items), NULL);
            check_array(networks[n], cases[c][0], &got);
            ln_explanation_free(&got);
        }
        ln_tensor_release(x);
        ln_model_release(model);
    }
}

/* Two logits x and -x: the class is the sign of x. */
static void moves_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {0, 3, 0, -3, 0, 0};
    static const struct {
        const char *word, *given;
        int64_t target;
        float wanted[2];
        double success;
    } cases[] = {
        {"fgsm", "epsilon=0.25", 0, {1, 0.25F}, 0},
        {"fgsm", "epsilon=0.75", 0, {1, -0.25F}, 1},
        {"fgsm", "epsilon=0.75", 1, {1, 1.25F}, 1}, /* it was no 1 before */
        {"fgsm", "epsilon=0.75 targeted=true", 1, {1, -0.25F}, 1},
        {"fgsm", "epsilon=0.75 targeted=true low=0.125", 1, {1, 0.125F}, 0},
        {"pgd", "epsilon=0.75 alpha=0.5 steps=3", 0, {1, -0.25F}, 1},
        {"pgd", "epsilon=0.75 steps=2 high=0.25", 1, {0.25F, 0.25F}, 1},
        {"pgd", "epsilon=0.75 norm=\"l2\" steps=5", 0, {1, -0.25F}, 1},
        {"fgsm", "epsilon=0.75 norm=\"l2\"", 0, {1, -0.25F}, 1},
    };
    ln_model *model = network_of("dense", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 0.5F});
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        ln_item item = {.target = cases[c].target};
        ln_explanation got =
            explain(cases[c].word, cases[c].given,
                    (ln_request){.model = model, .x = x, .items = &item, .item_count = 1}, NULL);
        const double margin = 6 * (double)got.values[1] * (cases[c].target == 0 ? 1 : -1);
        assert_near_f32(got.values, cases[c].wanted, 2, 1e-7, 1e-6);
        assert_true(got.fit[0] == cases[c].success);
        assert_true(fabs(got.output[0] - log1p(exp(-margin))) < 1e-6); /* the loss there */
        assert_true(isnan(got.baseline_output[0]));
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Whatever is asked: no input, or no row, is moved farther than epsilon, nor out of its bounds. */
static void moves_stay_within_bounds(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    for (int i = 0; i < ROWS * 144; i++)
        ln_f32(x)[i] *= 0.4F; /* within the bounds */
    for (int l2 = 0; l2 < 2; l2++)
        for (int random = 0; random < 2; random++) {
            char given[160];
            ln_item items[ROWS];
            snprintf(given, sizeof given,
                     "epsilon=0.5 steps=9 alpha=0.3 low=-2 high=2 norm=\"%s\" random_start=%s",
                     l2 ? "l2" : "linf", random ? "true" : "false");
            ln_request request = request_of(model, x, items);
            request.seed = 3;
            ln_explanation got = explain("pgd", given, request, NULL);
            double farthest = 0;
            for (int i = 0; i < ROWS; i++) {
                double sum = 0;
                for (int k = 0; k < 144; k++) {
                    const double at = (double)got.values[i * 144 + k];
                    const double from = (double)ln_f32(x)[i * 144 + k];
                    const double far = fabs(at - from);
                    assert_true(at >= -2 && at <= 2);
                    sum += l2 ? far * far : 0;
                    farthest = fmax(farthest, l2 ? sqrt(sum) : far);
                }
            }
            assert_true(farthest <= 0.5 + 1e-6 && farthest > 0.45);
            ln_explanation_free(&got);
        }
    ln_tensor_release(x);
    ln_model_release(model);
}

static void starts_depend_on_seed_and_row_alone(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 144), 4);
    ln_item items[100];
    ln_pool *pool = NULL;
    for (int i = 0; i < 100; i++)
        items[i] = (ln_item){.row = i * 7 % 60, .target = i % 3};
    ln_request request = {.model = model, .x = x, .items = items, .item_count = 100, .seed = 5};
    static const char *const given = "epsilon=0.5 steps=3 random_start=true";
    assert_ok(ln_pool_new(3, &pool, &err));
    ln_explanation all = explain("pgd", given, request, pool);
    request.seed = 6;
    ln_explanation other = explain("pgd", given, request, pool);
    request.seed = 5;
    assert_true(memcmp(all.values, other.values, 144 * sizeof(float)) != 0);
    for (int i = 0; i < 100; i += 9) {
        request.items = items + i;
        request.item_count = 1;
        ln_explanation one = explain("pgd", given, request, NULL);
        assert_same_bits(one.values, all.values + (size_t)i * 144, 144 * sizeof(float));
        assert_true(one.fit[0] == all.fit[i] && one.output[0] == all.output[i]);
        ln_explanation_free(&one);
    }
    ln_explanation_free(&all);
    ln_explanation_free(&other);
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void attacks_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 0};
    ln_model *numbers = network_of("dense", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 0.5F});
    ln_item item = {0};
    const ln_explainer *word = ln_explainer_find("fgsm");
    parameters params = parameters_of(&word->word, "epsilon=1");
    ln_job *job = NULL;
    ln_request request =
        completed(word, (ln_request){.model = numbers, .x = x, .items = &item, .item_count = 1});
    request.params = params.bytes;
    assert_fails(ln_job_new(word, &request, NULL, &job, &err), LN_EINVALID,
                 "link = \"loss\" needs a classifier");
    params = parameters_of(&word->word, "epsilon=1 low=2 high=1");
    assert_fails(ln_job_new(word, &request, NULL, &job, &err), LN_EINVALID, "low is 2 and high 1");
    assert_string_equal(err.field, "low");
    ln_tensor_release(x);
    ln_model_release(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacks_as_captum_has_them),
        cmocka_unit_test(moves_by_hand),
        cmocka_unit_test(moves_stay_within_bounds),
        cmocka_unit_test(starts_depend_on_seed_and_row_alone),
        cmocka_unit_test(attacks_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
