/* Plans and executions: what runs and what is computed once, passes of fewer rows, training, memory.
 * Expected numbers are small integers and halves, so that they hold to the bit. */
#include "graph_support.h"

static ln_error err;

/* counted: the identity, counting how often it ran. */
static int forwards, backwards;

static ln_status counted_forward(const ln_pass *pass, ln_error *error)
{
    forwards++;
    return ln_copy_forward(pass, error);
}

static ln_status counted_backward(const ln_pass *pass, ln_error *error)
{
    backwards++;
    return ln_copy_backward(pass, error);
}

static const ln_layer counted = {.word = {.name = "counted"},
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .infer = ln_infer_same,
                                 .forward = counted_forward,
                                 .backward = counted_backward};

static int net_counted(net *n, const char *name, int from)
{
    return net_node(n, &counted, name, NULL, &from, 1);
}

/* ---------------------------------------------------------------- what runs */

static void only_what_is_needed_runs(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 1), z = net_input(&n, "z", 1);
    const int w = net_constant(&n, "w", TEST_SHAPE(1), (float[]){5}, false);
    const int a = net_counted(&n, "a", x), side = net_counted(&n, "side", z);
    const int folded = net_counted(&n, "folded", w); /* needed by `both` alone */
    net_output(&n, net_counted(&n, "y", a));
    net_output(&n, net_node(&n, ln_layer_find("add"), "both", NULL, (int[]){a, side, folded}, 3));
    ln_graph *graph = net_end(&n);
    const int y = graph->outputs[0], both = graph->outputs[1];

    forwards = backwards = 0;
    running run = run_new(graph, &(ln_plan_options){.rows = 1,
                                                    .values = &y,
                                                    .value_count = 1,
                                                    .gradients = graph->inputs,
                                                    .gradient_count = 2});
    run_forward(&run, (float[]){3}, 1, 1);
    assert_int_equal(forwards, 2); /* a and y */
    run_seed(&run, y, (float[]){2}, 1);
    run_backward(&run);
    assert_int_equal(backwards, 2);
    check_value(&run, graph, "y", (float[]){3}, 1);
    check_gradient(&run, graph, "x", (float[]){2}, 1);
    check_gradient(&run, graph, "z", (float[]){0}, 1); /* y does not depend on it */
    assert_null(ln_exec_value(run.exec, both));
    assert_null(ln_exec_gradient(run.exec, both));
    run_free(&run);

    /* Without gradients wanted nothing goes back, and gradients stop where nobody asks. */
    forwards = backwards = 0;
    run = run_new(graph, &(ln_plan_options){.rows = 1, .gradients = &a, .gradient_count = 1});
    assert_int_equal(forwards, 1); /* folded, once, while planning */
    run_forward(&run, (float[]){3}, 1, 1);
    assert_int_equal(forwards, 4);
    run_seed(&run, y, (float[]){2}, 1);
    run_backward(&run);
    assert_int_equal(backwards, 1); /* y */
    check_gradient(&run, graph, "a", (float[]){2}, 1);
    assert_null(ln_exec_gradient(run.exec, x));
    check_value(&run, graph, "both", (float[]){8}, 1);
    check_value(&run, graph, "folded", (float[]){5}, 1);
    check_value(&run, graph, "w", (float[]){5}, 1);
    run_forward(&run, (float[]){4}, 1, 1);
    assert_int_equal(forwards, 7);
    run_free(&run);
    ln_graph_release(graph);
}

/* y = v (x (w + w)^T + relu(b)) with w = (1, -2), b = -3 and v = 2. */
static ln_graph *folded_graph(bool train_weight, bool train_bias)
{
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 2);
    const int w = net_constant(&n, "w", TEST_SHAPE(1, 2), (float[]){1, -2}, train_weight);
    const int b = net_constant(&n, "b", TEST_SHAPE(1), (float[]){-3}, false);
    const int v = net_constant(&n, "v", TEST_SHAPE(1, 1), (float[]){2}, train_bias);
    const int y =
        net_dense_of(&n, "y", x, net_join(&n, "add", "double", w, w), net_word(&n, "relu", "c", b));
    net_output(&n, net_dense_of(&n, "end", y, v, -1));
    return net_end(&n);
}

static void constants_are_folded_and_not_trained(void **state)
{
    (void)state;
    ln_graph *graph = folded_graph(false, true);
    assert_true(graph->values[value_of(graph, "double")].fixed);
    assert_false(graph->values[value_of(graph, "y")].fixed);
    running run = run_new(
        graph, &(ln_plan_options){
                   .rows = 1, .gradients = graph->inputs, .gradient_count = 1, .training = true});
    run_forward(&run, (float[]){10, 100}, 1, 2);
    check_value(&run, graph, "end", (float[]){-760}, 1);
    run_seed(&run, graph->outputs[0], (float[]){1}, 1);
    run_backward(&run);
    check_gradient(&run, graph, "x", (float[]){4, -8}, 2);
    check_numbers(ln_exec_parameter_gradient(run.exec, value_of(graph, "v")), (float[]){-380}, 1);
    /* What the weights have become is packed and folded again; executions stay good. */
    ln_f32(graph->values[value_of(graph, "w")].constant)[1] = 3;
    ln_f32(graph->values[value_of(graph, "b")].constant)[0] = 4;
    ln_f32(graph->values[value_of(graph, "v")].constant)[0] = -1;
    assert_ok(ln_plan_refresh(run.plan, &err));
    run_forward(&run, (float[]){10, 100}, 1, 2);
    check_value(&run, graph, "end", (float[]){-624}, 1);
    run_seed(&run, graph->outputs[0], (float[]){1}, 1);
    run_backward(&run);
    check_gradient(&run, graph, "x", (float[]){-2, -6}, 2);
    run_free(&run);
    ln_graph_release(graph);

    graph = folded_graph(true, true);
    ln_plan *plan = NULL;
    assert_fails(ln_plan_new(graph, &(ln_plan_options){.rows = 1, .training = true}, &plan, &err),
                 LN_EUNSUPPORTED,
                 "add 'double' makes a new constant of the weights 'w': such a network cannot be "
                 "trained");
    assert_null(plan);
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = 1}, &plan, &err));
    ln_plan_free(plan);
    ln_graph_release(graph);
}

/* A layer whose parameters have no gradient must not pass as one that is trained. */
static void weights_without_a_gradient_are_not_trained(void **state)
{
    (void)state;
    static const ln_layer pair = {.word = {.name = "pair"},
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .infer = ln_infer_same,
                                  .forward = ln_copy_forward,
                                  .backward = ln_copy_backward};
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 1);
    const int w = net_constant(&n, "w", TEST_SHAPE(1), (float[]){1}, true);
    net_output(&n, net_node(&n, &pair, "p", NULL, (int[]){x, w}, 2));
    ln_graph *graph = net_end(&n);
    ln_plan *plan = NULL;
    assert_fails(ln_plan_new(graph, &(ln_plan_options){.rows = 1, .training = true}, &plan, &err),
                 LN_EUNSUPPORTED, "pair 'p' has no gradient for the weights 'w'");
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- rows and training */

/* A mask of dropout belongs to a row of the batch, not to a pass: rows 3 and 4 of five are the same
 * in one pass of five and in one of two that begins at row 3. Outside of training nothing drops. */
static void training_passes_know_their_rows(void **state)
{
    (void)state;
    enum { WIDTH = 40 };
    net n = net_begin(&err);
    net_output(&n, net_word(&n, "dropout", "drop", net_input(&n, "x", WIDTH)));
    ln_graph *graph = net_end(&n);
    const int y = graph->outputs[0];
    float ones[5 * WIDTH], first[5 * WIDTH];
    for (int i = 0; i < 5 * WIDTH; i++)
        ones[i] = 1;
    running run = run_new(graph, &(ln_plan_options){.rows = 5, .training = true});
    ln_exec_training(run.exec, 7, 3, 0);
    run_forward(&run, ones, 5, WIDTH);
    memcpy(first, ln_exec_value(run.exec, y), sizeof first);
    int dropped = 0;
    for (int i = 0; i < 5 * WIDTH; i++) {
        assert_true(first[i] == 0 || first[i] == 2);
        dropped += first[i] == 0;
    }
    assert_true(dropped > 50 && dropped < 150);
    ln_exec_training(run.exec, 7, 3, 3);
    run_forward(&run, ones, 2, WIDTH);
    assert_same_bits(ln_exec_value(run.exec, y), first + 3 * WIDTH, 2 * WIDTH * sizeof(float));
    ln_exec_training(run.exec, 7, 4, 0);
    run_forward(&run, ones, 5, WIDTH);
    assert_memory_not_equal(ln_exec_value(run.exec, y), first, sizeof first);
    run_free(&run);
    run = run_new(graph, &(ln_plan_options){.rows = 5});
    run_forward(&run, ones, 5, WIDTH);
    assert_same_bits(ln_exec_value(run.exec, y), ones, sizeof ones);
    run_free(&run);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- memory */

static ln_status plan_and_run(void *context, ln_error *error)
{
    ln_graph *const *graphs = context;
    ln_status status = LN_OK;
    for (int i = 0; i < 2 && !status; i++) {
        const ln_plan_options options = {
            .rows = 3, .gradients = graphs[i]->inputs, .gradient_count = 1, .training = true};
        ln_plan *plan = NULL;
        ln_exec *exec = NULL;
        status = ln_plan_new(graphs[i], &options, &plan, error);
        if (!status)
            status = ln_plan_refresh(plan, error);
        if (!status)
            status = ln_exec_new(plan, &exec, error);
        if (!status)
            status = ln_exec_forward(exec, 3, error);
        if (!status)
            status = ln_exec_backward(exec, error);
        ln_exec_free(exec);
        ln_plan_free(plan);
    }
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    net n = net_begin(&err);
    net_branches(&n);
    ln_graph *graphs[] = {net_end(&n), folded_graph(false, true)};
    sweep_allocation_failures(plan_and_run, graphs);
    assert_int_equal(graphs[0]->references, 1);
    ln_graph_release(graphs[0]);
    ln_graph_release(graphs[1]);
}

static void an_execution_allocates_nothing(void **state)
{
    (void)state;
    net n = net_begin(&err);
    net_branches(&n);
    ln_graph *graph = net_end(&n);
    running run = run_new(
        graph, &(ln_plan_options){
                   .rows = 3, .gradients = graph->inputs, .gradient_count = 1, .training = true});
    ln_memory_fail_at(0, true);
    run_forward(&run, (float[]){1, 2, 3, 4, 5, 6}, 3, 2);
    run_backward(&run);
    assert_int_equal(ln_memory_fail_at(0, true), 0);
    run_free(&run);
    ln_graph_release(graph);
}

/* What does not live at the same time shares memory: 40 layers need a few forward, and with gradients
 * their values and a few gradients. */
static void memory_is_shared_over_time(void **state)
{
    enum { DEEP = 40, ROWS = 8, WIDE = 1024, BYTES = ROWS * WIDE * 4 };
    ln_plan *forward, *both;
    net n = net_begin(&err);
    int x = net_input(&n, "x", WIDE);
    char name[16];
    (void)state;
    for (int i = 0; i < DEEP; i++) {
        snprintf(name, sizeof name, "y%d", i);
        x = net_word(&n, "tanh", name, x);
    }
    net_output(&n, x);
    ln_graph *graph = net_end(&n);
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = ROWS}, &forward, &err));
    assert_ok(ln_plan_new(
        graph, &(ln_plan_options){.rows = ROWS, .gradients = graph->inputs, .gradient_count = 1},
        &both, &err));
    /* Input, output, and two that take turns; the gradients of both ends and two more. */
    assert_true(ln_plan_exec_bytes(forward) <= 4 * BYTES + 4096);
    assert_true(ln_plan_exec_bytes(both) <= (DEEP + 1 + 4) * BYTES + 4096);
    ln_plan_free(forward);
    ln_plan_free(both);
    ln_graph_release(graph);
}

/* Sizes that fit in numbers but in no memory are refused when they are to be made. */
static void plans_larger_than_memory_are_refused(void **state)
{
    (void)state;
    net n = net_begin(&err);
    int v = net_input(&n, "x", (int64_t)1 << 40);
    char name[32];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "relu_%d", i);
        v = net_word(&n, "relu", name, v);
    }
    net_output(&n, v);
    ln_graph *graph = net_end(&n);
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    assert_ok(ln_plan_new(graph, &(ln_plan_options){.rows = 1 << 20}, &plan, &err));
    assert_int_equal(ln_plan_exec_bytes(plan), SIZE_MAX);
    assert_fails(ln_exec_new(plan, &exec, &err), LN_ENOMEM, NULL);
    assert_null(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_needed_runs),
        cmocka_unit_test(constants_are_folded_and_not_trained),
        cmocka_unit_test(weights_without_a_gradient_are_not_trained),
        cmocka_unit_test(training_passes_know_their_rows),
        cmocka_unit_test(failing_allocations_leave_nothing),
        cmocka_unit_test(an_execution_allocates_nothing),
        cmocka_unit_test(memory_is_shared_over_time),
        cmocka_unit_test(plans_larger_than_memory_are_refused),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
