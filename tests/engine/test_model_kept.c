/* Functions kept between calls: who gets which, for how long, and that numbers do not tell. */
#include "model_support.h"

static ln_error err;

static const mlp net = {.sizes = {5, 8, 3, 0}, .task = LN_TASK_CLASSIFICATION, .seed = 4};

static ln_model *keeping_model(size_t bytes)
{
    ln_model *model = mlp_model(&net);
    model->keep_bytes = bytes;
    return model;
}

/* Whether this function is made for the asking, not one that was kept. */
static bool is_made(ln_model *model, ln_function_options options)
{
    ln_memory_fail_at(0, true); /* restarts the count of allocations */
    ln_function_free(function_of(model, options));
    return ln_memory_fail_at(0, true) > 0;
}

static void the_same_is_given_again_and_nothing_else(void **state)
{
    (void)state;
    ln_model *model = keeping_model(LN_KEEP_BYTES);
    const int layer = model->graph->nodes[0].outputs[0];
    const ln_function_options asked[] = {{.rows = 4},
                                         {.rows = 5},
                                         {.rows = 4, .gradient = true},
                                         {.rows = 4, .link = LN_LINK_PROBABILITY},
                                         {.rows = 4, .layer = &layer},
                                         {.rows = 4, .layer = &layer, .gradient = true},
                                         {.rows = 4, .explained = &layer}};
    enum { KINDS = sizeof asked / sizeof *asked };
    ln_function *first[KINDS];
    for (int i = 0; i < KINDS; i++) {
        first[i] = function_of(model, asked[i]);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(first[i], first[k]);
    }
    for (int i = 0; i < KINDS; i++) { /* shared while in use, and kept when nobody uses it */
        ln_function *second = function_of(model, asked[i]);
        assert_ptr_equal(second, first[i]);
        ln_function_free(first[i]);
        ln_function_free(second);
        assert_false(is_made(model, asked[i]));
    }
    model->fast = true;
    ln_function *fast = function_of(model, asked[0]);
    assert_ptr_not_equal(fast, first[0]);
    ln_function_free(fast);
    ln_model_release(model);
}

static void what_is_kept_has_bounds(void **state)
{
    (void)state;
    const ln_function_options options = {.rows = 4};
    ln_model *model = keeping_model(0);
    assert_true(is_made(model, options));
    assert_true(is_made(model, options));
    model->keep_bytes = 64; /* less than any function */
    assert_true(is_made(model, options));
    assert_true(is_made(model, options));

    model->keep_bytes = LN_KEEP_BYTES;
    const size_t before = ln_memory_used();
    assert_true(is_made(model, options));
    const size_t one = ln_memory_used() - before;
    model->keep_bytes = 3 * one;
    for (int link = LN_LINK_LOGIT; link <= LN_LINK_LOSS; link++)
        assert_true(is_made(model, (ln_function_options){.rows = 4, .link = (ln_link)link}));
    assert_true(ln_memory_used() - before <= 3 * one);
    assert_false(is_made(model, (ln_function_options){.rows = 4, .link = LN_LINK_LOSS}));
    assert_true(is_made(model, options)); /* went when there was no room for all four */

    /* However small they are, their number has an end; the one in use outlives it. */
    model->keep_bytes = LN_KEEP_BYTES;
    ln_function *used = function_of(model, options);
    for (int64_t rows = 10; rows < 110; rows++)
        ln_function_free(function_of(model, (ln_function_options){.rows = rows}));
    assert_true(is_made(model, (ln_function_options){.rows = 10}));
    assert_false(is_made(model, (ln_function_options){.rows = 109}));
    assert_false(is_made(model, options));
    ln_function_free(used);
    ln_model_forget(model);
    assert_int_equal(ln_memory_used(), before);
    ln_model_release(model);
}

/* Functions of other rows are based on the first, which stays as long as they do. */
static void rows_share_what_does_not_depend_on_them(void **state)
{
    (void)state;
    ln_model *model = keeping_model(LN_KEEP_BYTES);
    ln_function *one = function_of(model, (ln_function_options){.rows = 1, .gradient = true});
    ln_function *ten = function_of(model, (ln_function_options){.rows = 10, .gradient = true});
    ln_function *two = function_of(model, (ln_function_options){.rows = 2, .gradient = true});
    ln_function *other = function_of(model, (ln_function_options){.rows = 2});
    ln_function_free(one);
    ln_model_forget(model); /* in use by the others still */
    ln_function *anew = function_of(model, (ln_function_options){.rows = 1, .gradient = true});
    ln_function *of[] = {ten, two, anew};
    ln_tensor *x = tensor_random(TEST_SHAPE(10, 5), 9);
    ln_target targets[10];
    for (int r = 0; r < 10; r++)
        targets[r] = (ln_target){r % 3, 1, 0};
    float rows[3][5 * 10] = {{0}};
    for (int i = 0; i < 3; i++) {
        ln_runner *runner = NULL;
        assert_ok(ln_runner_new(of[i], &runner, &err));
        assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, 10, NULL, rows[i], &err));
        assert_same_bits(rows[i], rows[0], sizeof rows[0]);
        ln_runner_free(runner);
    }
    ln_function_free(two);
    ln_function_free(other);
    ln_function_free(anew);
    ln_function_free(ten); /* and with it the first */
    ln_tensor_release(x);
    ln_model_release(model);
}

/* A runner's arena holds what its last user left, NaN and more rows: the next one's numbers are the same. */
static void a_used_runner_is_as_good_as_new(void **state)
{
    (void)state;
    enum { ROWS = 6, WIDTH = 5 };
    ln_model *fresh = keeping_model(0), *model = keeping_model(LN_KEEP_BYTES);
    const ln_function_options options = {.rows = ROWS, .gradient = true};
    const ln_target targets[ROWS] = {{0, 1, 0}, {1, 1, 0}, {2, -1, 1},
                                     {0, 2, 0}, {1, 1, 0}, {2, 1, 0}};
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 9);
    float bad[ROWS * WIDTH], wanted[ROWS * WIDTH], got[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        bad[i] = i % 2 ? NAN : INFINITY;
    ln_function *function = function_of(fresh, options);
    ln_runner *runner = NULL, *first = NULL;
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, 4, NULL, wanted, &err));
    ln_runner_free(runner);
    ln_function_free(function);

    function = function_of(model, options);
    assert_ok(ln_runner_new(function, &first, &err));
    assert_ok(ln_runner_gradient(first, bad, targets, ROWS, NULL, got, &err));
    ln_runner_free(first);
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ptr_equal(runner, first); /* freed memory is not given out: the model has it */
    assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, 4, NULL, got, &err));
    assert_same_bits(got, wanted, 4 * WIDTH * sizeof *got);
    assert_ok(ln_runner_new(function, &first, &err)); /* two users have two */
    assert_ptr_not_equal(runner, first);
    ln_runner_free(first);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_tensor_release(x);
    ln_model_release(fresh);
    ln_model_release(model);
}

/* One that was in use when the weights changed is nobody's afterwards. */
static void changed_weights_are_seen(void **state)
{
    (void)state;
    ln_model *model = keeping_model(LN_KEEP_BYTES), *other = keeping_model(0);
    ln_tensor *x = tensor_random(TEST_SHAPE(4, 5), 9), *before, *after, *wanted;
    const ln_function_options options = {.rows = 4};
    ln_function *used = function_of(model, options);
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &before, &err));
    ln_model *both[] = {model, other};
    for (int i = 0; i < 2; i++) {
        constant_of(both[i], "dense_0.weight")[3] += 1;
        assert_ok(ln_model_rehash(both[i], &err));
    }
    ln_function *made = function_of(model, options);
    assert_ptr_not_equal(made, used);
    ln_function_free(made);
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &after, &err));
    assert_ok(ln_model_forward(other, LN_LINK_RAW, x, NULL, &wanted, &err));
    assert_same_bits(after->data, wanted->data, wanted->bytes);
    assert_memory_not_equal(after->data, before->data, before->bytes);
    ln_function_free(used);
    ln_tensor_release(before);
    ln_tensor_release(after);
    ln_tensor_release(wanted);
    ln_tensor_release(x);
    ln_model_release(model);
    ln_model_release(other);
}

/* Making fails as before, and a function that was not made whole is not kept. */
static ln_status ask_and_forget(void *context, ln_error *error)
{
    ln_model *model = context;
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    const ln_function_options options = {.rows = 20, .gradient = true};
    ln_status status = ln_function_new(model, &options, &function, error);
    if (!status)
        status = ln_runner_new(function, &runner, error);
    ln_runner_free(runner);
    ln_function_free(function);
    ln_model_forget(model);
    return status;
}

static void keeping_survives_failing_allocations(void **state)
{
    (void)state;
    ln_model *model = keeping_model(LN_KEEP_BYTES);
    sweep_allocation_failures(ask_and_forget, model);
    ln_model_release(model);
}

static void what_fits_follows_the_limit(void **state)
{
    (void)state;
    assert_int_equal(ln_model_keep_bytes(), LN_KEEP_BYTES);
    ln_memory_limit((size_t)800 << 20);
    assert_int_equal(ln_model_keep_bytes(), (size_t)100 << 20);
    ln_memory_limit((size_t)8 << 30);
    assert_int_equal(ln_model_keep_bytes(), LN_KEEP_BYTES);
    ln_memory_limit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_given_again_and_nothing_else),
        cmocka_unit_test(what_is_kept_has_bounds),
        cmocka_unit_test(rows_share_what_does_not_depend_on_them),
        cmocka_unit_test(a_used_runner_is_as_good_as_new),
        cmocka_unit_test(changed_weights_are_seen),
        cmocka_unit_test(keeping_survives_failing_allocations),
        cmocka_unit_test(what_fits_follows_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
