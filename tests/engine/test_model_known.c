/* Outputs that a function knows: whose they are, how many stay, and that numbers do not tell. */
#include "model_support.h"

#include "base/parallel.h"
#include "model/blackbox.h"
#include "model/kept.h"

static ln_error err;

/* Values enough a row for its outputs to be looked up. */
enum { INPUTS = 12, HIDDEN = 8300, OUTPUTS = 3, ROWS = 70 };
static const mlp net = {
    .sizes = {INPUTS, HIDDEN, OUTPUTS, 0}, .task = LN_TASK_CLASSIFICATION, .seed = 4};
static const float planted[OUTPUTS] = {11, 12, 13};

static ln_model *model_that_keeps(size_t bytes)
{
    ln_model *model = mlp_model(&net);
    model->keep_bytes = bytes;
    return model;
}

static void digest_of(const float *row, uint8_t digest[LN_SHA256_BYTES])
{
    ln_sha256(row, INPUTS * sizeof *row, digest);
}

/* Outputs of `rows` rows by a runner of the function's own; `plain`: by passes of them all. */
static void outputs_of(const ln_function *function, const float *x, int64_t rows, bool plain,
                       float *out)
{
    ln_runner *runner = NULL;
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok((plain ? ln_runner_forward : ln_runner_outputs)(runner, x, rows, out, &err));
    ln_runner_free(runner);
}

/* Whether the function takes this row's outputs from where they were planted. */
static bool takes_planted(ln_model *model, ln_function_options options, const float *row)
{
    float got[OUTPUTS], passed[OUTPUTS];
    ln_function *function = function_of(model, options);
    outputs_of(function, row, 1, false, got);
    outputs_of(function, row, 1, true, passed);
    ln_function_free(function);
    const bool took = memcmp(got, planted, sizeof got) == 0;
    if (!took)
        assert_same_bits(got, passed, sizeof got);
    return took;
}

static void plant(ln_model *model, ln_function_options options, const float *row)
{
    uint8_t digest[LN_SHA256_BYTES];
    ln_function *function = function_of(model, options);
    digest_of(row, digest);
    ln_known_add(function->known, digest, planted);
    ln_function_free(function);
}

static void numbers_are_those_of_passes(void **state)
{
    (void)state;
    ln_tensor *random = tensor_random(TEST_SHAPE(ROWS, INPUTS), 9);
    float *x = ln_f32(random), wanted[ROWS * OUTPUTS], got[ROWS * OUTPUTS];
    const int twins[][2] = {{1, 0}, {7, 0}, {30, 29}, {31, 29}, {69, 3}};
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        memcpy(x + twins[i][0] * INPUTS, x + twins[i][1] * INPUTS, INPUTS * sizeof *x);
    x[5 * INPUTS] = 0; /* 0 and -0 are not alike */
    memcpy(x + 6 * INPUTS, x + 5 * INPUTS, INPUTS * sizeof *x);
    x[6 * INPUTS] = -0.0F;
    x[8 * INPUTS + 2] = NAN;
    const size_t kept[] = {LN_KEEP_BYTES, 0};
    for (int i = 0; i < 2; i++) {
        ln_model *model = model_that_keeps(kept[i]);
        ln_function *function = function_of(model, (ln_function_options){.rows = 16});
        assert_true(function->recalls);
        assert_int_equal(function->known != NULL, kept[i] > 0);
        outputs_of(function, x, ROWS, true, wanted);
        outputs_of(function, x + 20 * INPUTS, 9, false, got); /* some are known later */
        assert_same_bits(got, wanted + 20 * OUTPUTS, 9 * OUTPUTS * sizeof *got);
        for (int64_t rows = 1; rows <= ROWS; rows += 23) {
            outputs_of(function, x, rows, false, got);
            assert_same_bits(got, wanted, (size_t)rows * OUTPUTS * sizeof *got);
        }
        ln_function_free(function);
        ln_model_release(model);
    }
    ln_tensor_release(random);
}

/* Rows that are alike are passed once, without anything that is kept too. */
static void alike_rows_are_passed_once(void **state)
{
    (void)state;
    ln_model *model = model_that_keeps(0);
    ln_profile *profile = NULL;
    assert_ok(ln_profile_new(&profile, &err));
    model->profile = profile;
    ln_tensor *x = tensor_random(TEST_SHAPE(10, INPUTS), 9);
    float out[10 * OUTPUTS];
    for (int r = 1; r < 10; r++)
        if (r != 4)
            memcpy(ln_f32(x) + r * INPUTS, x->data, INPUTS * sizeof(float));
    ln_function *function = function_of(model, (ln_function_options){.rows = 10});
    outputs_of(function, ln_f32(x), 10, false, out);
    ln_function_free(function);
    for (int i = 0; i < profile->count; i++)
        assert_int_equal(profile->lines[i].rows[LN_PROFILE_FORWARD], 2);
    assert_true(profile->count > 0);
    model->profile = NULL;
    ln_profile_free(profile);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Only the same function of the same model, with as many rows a pass as it likes. */
static void what_is_known_is_one_functions(void **state)
{
    (void)state;
    ln_model *model = model_that_keeps(LN_KEEP_BYTES), *other = model_that_keeps(LN_KEEP_BYTES);
    ln_tensor *x = tensor_random(TEST_SHAPE(2, INPUTS), 9);
    const float *row = ln_f32(x);
    const int layer = model->graph->nodes[1].outputs[0];
    plant(model, (ln_function_options){.rows = 4, .gradient = true}, row);
    assert_true(takes_planted(model, (ln_function_options){.rows = 4, .gradient = true}, row));
    assert_true(takes_planted(model, (ln_function_options){.rows = 9, .gradient = true}, row));
    assert_false(
        takes_planted(model, (ln_function_options){.rows = 4, .gradient = true}, row + INPUTS));
    const ln_function_options others[] = {
        {.rows = 4},
        {.rows = 4, .gradient = true, .link = LN_LINK_PROBABILITY},
        {.rows = 4, .gradient = true, .layer = &layer},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(takes_planted(model, others[i], row));
    assert_false(takes_planted(other, (ln_function_options){.rows = 4, .gradient = true}, row));
    model->fast = true;
    assert_false(takes_planted(model, (ln_function_options){.rows = 4, .gradient = true}, row));
    ln_tensor_release(x);
    ln_model_release(model);
    ln_model_release(other);
}

/* The first function of those that share what is known outlives them in the list, and goes with the weights. */
static void changed_weights_are_seen(void **state)
{
    (void)state;
    ln_model *model = model_that_keeps(LN_KEEP_BYTES);
    ln_tensor *x = tensor_random(TEST_SHAPE(1, INPUTS), 9);
    const ln_function_options options = {.rows = 4};
    float before[OUTPUTS], after[OUTPUTS];
    ln_function *used = function_of(model, options);
    outputs_of(used, ln_f32(x), 1, false, before);
    plant(model, options, ln_f32(x));
    assert_true(takes_planted(model, options, ln_f32(x)));
    constant_of(model, "dense_0.weight")[3] += 1;
    assert_ok(ln_model_rehash(model, &err));
    assert_false(takes_planted(model, options, ln_f32(x)));
    ln_function *made = function_of(model, options);
    outputs_of(made, ln_f32(x), 1, false, after);
    assert_memory_not_equal(before, after, sizeof before);
    ln_function_free(made);
    ln_function_free(used);
    plant(model, options, ln_f32(x));
    ln_model_forget(model);
    assert_false(takes_planted(model, options, ln_f32(x)));
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Each answer is another one. */
static ln_status answer(void *context, const float *x, int64_t rows, float *out, ln_error *error)
{
    int *asked = context;
    (void)x;
    (void)error;
    for (int64_t i = 0; i < rows * HIDDEN; i++)
        out[i] = (float)*asked;
    ++*asked;
    return LN_OK;
}

static void a_black_box_is_asked_each_time(void **state)
{
    (void)state;
    int asked = 0;
    ln_model *model = NULL;
    const float x[2 * INPUTS] = {0};
    static float out[2 * HIDDEN];
    const ln_callback callback = {
        .run = answer, .context = &asked, .inputs = INPUTS, .outputs = HIDDEN};
    assert_ok(ln_model_blackbox(&callback, "it", NULL, LN_TASK_REGRESSION, &model, &err));
    model->keep_bytes = LN_KEEP_BYTES;
    assert_true(ln_known_pays(model));
    ln_function *function = function_of(model, (ln_function_options){.rows = 1});
    for (int i = 0; i < 3; i++) {
        outputs_of(function, x, 2, false, out);
        assert_int_equal(asked, 2 * (i + 1)); /* rows that are alike, too */
        assert_true(out[0] == (float)(2 * i) && out[2 * HIDDEN - 1] == (float)(2 * i + 1));
    }
    ln_function_free(function);
    ln_model_release(model);
}

static ln_status assign_none(const ln_composite *composite, const ln_graph *graph,
                             const ln_node *node, const bool *passed, const ln_rule **out,
                             ln_error *error)
{
    (void)composite;
    (void)graph;
    (void)node;
    (void)passed;
    (void)error;
    *out = NULL;
    return LN_OK;
}

static const ln_composite no_rules = {.name = "none", .assign = assign_none};

/* Rules may look at what passes leave, and of small networks a pass is cheap. */
static void others_recall_nothing(void **state)
{
    (void)state;
    const mlp small = {.sizes = {5, 8, 3, 0}, .task = LN_TASK_CLASSIFICATION, .seed = 4};
    const mlp wide = {.sizes = {3000, 7000, 3, 0}, .task = LN_TASK_CLASSIFICATION, .seed = 4};
    const mlp *networks[] = {&small, &wide, &net};
    for (int i = 0; i < 3; i++) {
        ln_model *model = mlp_model(networks[i]);
        model->keep_bytes = LN_KEEP_BYTES;
        ln_function *function = function_of(model, (ln_function_options){.rows = 4});
        assert_int_equal(function->recalls, networks[i] == &net);
        assert_int_equal(function->known != NULL, networks[i] == &net);
        ln_function_free(function);
        const int layer = model->graph->nodes[0].outputs[0];
        const ln_function_options never[] = {{.rows = 4, .gradient = true, .composite = &no_rules},
                                             {.rows = 4, .layer = &layer},
                                             {.rows = 4, .behind = &layer}};
        for (size_t k = 0; k < sizeof never / sizeof *never; k++) {
            function = function_of(model, never[k]);
            assert_false(function->recalls);
            assert_null(function->known);
            ln_function_free(function);
        }
        ln_model_release(model);
    }
}

static void what_is_known_has_bounds(void **state)
{
    (void)state;
    enum { MORE = LN_KNOWN_ROWS + 100 };
    ln_known *known = NULL;
    uint8_t digests[MORE][LN_SHA256_BYTES];
    int found = 0;
    assert_ok(ln_known_new(2, &known, &err));
    const size_t full = ln_memory_used();
    for (int i = 0; i < MORE; i++) {
        const float numbers[] = {(float)i, (float)-i};
        ln_sha256(numbers, sizeof numbers, digests[i]);
        ln_known_add(known, digests[i], numbers);
        ln_known_add(known, digests[i], numbers); /* takes no second place */
        float got[2];
        assert_true(ln_known_find(known, digests[i], got));
        assert_same_bits(got, numbers, sizeof got);
    }
    for (int i = 0; i < MORE; i++) {
        float got[2];
        if (!ln_known_find(known, digests[i], got))
            continue;
        found++;
        assert_true(got[0] == (float)i && got[1] == (float)-i);
    }
    assert_int_equal(found, LN_KNOWN_ROWS);
    assert_int_equal(ln_memory_used(), full);
    ln_known_free(known);

    const size_t before = ln_memory_used();
    assert_ok(ln_known_new(1000, &known, &err)); /* ImageNet's classes */
    assert_true(ln_memory_used() - before <= LN_KNOWN_BYTES + 4096);
    ln_known_free(known);
    assert_ok(ln_known_new((int64_t)LN_KNOWN_BYTES / 4, &known, &err));
    assert_null(known);
    assert_int_equal(ln_memory_used(), before);
}

/* Several threads with runners of one function, each through the same rows. */
typedef struct crowd {
    const ln_function *function;
    const float *x, *wanted;
} crowd;

static ln_status join_in(void *context, int64_t chunk, int worker, ln_error *error)
{
    const crowd *all = context;
    (void)worker;
    float got[ROWS * OUTPUTS];
    ln_runner *runner = NULL;
    ln_status status = ln_runner_new(all->function, &runner, error);
    const int64_t first = chunk % 9;
    if (!status)
        status = ln_runner_outputs(runner, all->x + first * INPUTS, ROWS - first, got, error);
    ln_runner_free(runner);
    if (!status && memcmp(got, all->wanted + first * OUTPUTS,
                          (size_t)(ROWS - first) * OUTPUTS * sizeof *got) != 0)
        return ln_fail(error, LN_EINVALID, "chunk %d has other numbers", (int)chunk);
    return status;
}

static void threads_share_what_is_known(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, INPUTS), 9);
    float wanted[ROWS * OUTPUTS];
    for (int threads = 1; threads <= 5; threads += 2) {
        ln_model *model = model_that_keeps(LN_KEEP_BYTES);
        ln_pool *pool = NULL;
        ln_function *function = function_of(model, (ln_function_options){.rows = 8});
        outputs_of(function, ln_f32(x), ROWS, true, wanted);
        assert_ok(ln_pool_new(threads, &pool, &err));
        crowd all = {.function = function, .x = ln_f32(x), .wanted = wanted};
        assert_ok(ln_parallel(pool, 24, join_in, &all, NULL, NULL, &err));
        ln_pool_free(pool);
        ln_function_free(function);
        ln_model_release(model);
    }
    ln_tensor_release(x);
}

static ln_status ask_and_forget(void *context, ln_error *error)
{
    ln_model *model = context;
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    const float x[2 * INPUTS] = {1};
    float out[2 * OUTPUTS];
    const ln_function_options options = {.rows = 20, .gradient = true};
    ln_status status = ln_function_new(model, &options, &function, error);
    if (!status)
        status = ln_runner_new(function, &runner, error);
    if (!status)
        status = ln_runner_outputs(runner, x, 2, out, error);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_model_forget(model);
    return status;
}

static void knowing_survives_failing_allocations(void **state)
{
    (void)state;
    ln_model *model = model_that_keeps(LN_KEEP_BYTES);
    sweep_allocation_failures(ask_and_forget, model);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_passes),
        cmocka_unit_test(alike_rows_are_passed_once),
        cmocka_unit_test(what_is_known_is_one_functions),
        cmocka_unit_test(changed_weights_are_seen),
        cmocka_unit_test(a_black_box_is_asked_each_time),
        cmocka_unit_test(others_recall_nothing),
        cmocka_unit_test(what_is_known_has_bounds),
        cmocka_unit_test(threads_share_what_is_known),
        cmocka_unit_test(knowing_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
