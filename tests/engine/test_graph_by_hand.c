/* Values and gradients of branching graphs by hand. Expected numbers are small integers and halves, so
 * that they hold to the bit. */
#include "graph_support.h"

static ln_error err;

/* The network of the peers' tests at (20, 50, 30): what is lost when a feature is taken away, alone
 * or in groups, by 0 or by 4, is 80, 200, 120 and so on. */
static void the_hand_network(void **state)
{
    (void)state;
    net n = net_begin(&err);
    net_hand(&n);
    ln_graph *graph = net_end(&n);
    const float rows[9][3] = {{20, 50, 30}, {0, 50, 30}, {20, 0, 30}, {20, 50, 0}, {0, 0, 30},
                              {4, 50, 30},  {20, 4, 30}, {20, 50, 4}, {4, 4, 30}};
    const float lost[9] = {0, 80, 200, 120, 280, 64, 184, 104, 248};
    const int y = graph->outputs[0];
    running run = run_new(
        graph, &(ln_plan_options){.rows = 9, .gradients = graph->inputs, .gradient_count = 1});
    run_forward(&run, rows[0], 9, 3);
    const float *out = ln_exec_value(run.exec, y);
    check_numbers(out, (float[]){392, 394}, 2);
    for (int r = 0; r < 9; r++)
        check_numbers(&out[2 * r], (float[]){392 - lost[r], 394 - lost[r]}, 2);
    const float *seed = ln_exec_seed(run.exec, y);
    for (int i = 0; i < 18; i++)
        assert_true(seed[i] == 0);
    /* The first row for target 0, the second for twice target 1; the others send nothing. */
    run_seed(&run, y, (float[]){1, 0, 0, 2}, 4);
    run_backward(&run);
    check_gradient(&run, graph, "x", (float[]){4, 4, 4, 8, 8, 8, 0, 0, 0}, 9);
    /* Where the first hidden unit is closed (3 - 10 < 0) three weights are left. */
    run_forward(&run, (float[]){1, 1, 1}, 1, 3);
    check_value(&run, graph, "second", (float[]){11, 13}, 2);
    run_seed(&run, y, (float[]){1, 0}, 2);
    run_backward(&run);
    check_gradient(&run, graph, "x", (float[]){3, 3, 3}, 3);
    run_free(&run);
    ln_graph_release(graph);
}

/* At (1, 2): r = (6, 10), s = (28, 59), y = -14; at (-2, 1): r = (1, 0), s = (0, 3), y = -1. With
 * the gradient g = (2, 0.5) + W^T (1, -1) = (0, -1.5) at r, that of x is (1, -1) + W^T (g where a is
 * open), of W it is (1, -1)^T r + g^T x, of b it is (1, -1) + g, of V it is (s, r). */
static void branches_joins_and_shared_weights(void **state)
{
    (void)state;
    net n = net_begin(&err);
    net_branches(&n);
    ln_graph *graph = net_end(&n);
    const int y = graph->outputs[0], r = value_of(graph, "r"), x = graph->inputs[0];
    const int gradients[] = {x, r};
    running run = run_new(
        graph, &(ln_plan_options){
                   .rows = 2, .gradients = gradients, .gradient_count = 2, .training = true});
    for (int pass = 0; pass < 2; pass++) { /* the second must not add to the first */
        run_forward(&run, (float[]){1, 2, -2, 1}, 2, 2);
        check_value(&run, graph, "r", (float[]){6, 10, 1, 0}, 4);
        check_value(&run, graph, "k", (float[]){28, 59, 6, 10, 0, 3, 1, 0}, 8);
        check_value(&run, graph, "y", (float[]){-14, -1}, 2);
        run_seed(&run, y, (float[]){1, 1}, 2);
        run_backward(&run);
        check_gradient(&run, graph, "x", (float[]){-3.5, -7, 1, -1}, 4);
        check_gradient(&run, graph, "r", (float[]){0, -1.5, 0, -1.5}, 4);
        check_numbers(ln_exec_parameter_gradient(run.exec, value_of(graph, "w")),
                      (float[]){7, 10, -8.5, -13}, 4);
        check_numbers(ln_exec_parameter_gradient(run.exec, value_of(graph, "b")),
                      (float[]){2, -3.5}, 2);
        check_numbers(ln_exec_parameter_gradient(run.exec, value_of(graph, "y.weight")),
                      (float[]){28, 62, 7, 10}, 4);
    }
    run_free(&run);
    ln_graph_release(graph);
}

static void a_value_twice_in_one_node_and_in_several(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 2);
    const int d = net_join(&n, "add", "d", x, x);
    const int c = net_join(&n, "concat", "c", x, d);
    const int e = net_node(&n, ln_layer_find("add"), "e", NULL, (int[]){d, x, d}, 3);
    const int all = net_join(&n, "concat", "all", c, e);
    net_output(&n, all);
    ln_graph *graph = net_end(&n);
    const int gradients[] = {x, d};
    running run =
        run_new(graph, &(ln_plan_options){.rows = 1, .gradients = gradients, .gradient_count = 2});
    run_forward(&run, (float[]){1, 10}, 1, 2);
    check_value(&run, graph, "all", (float[]){1, 10, 2, 20, 5, 50}, 6);
    run_seed(&run, all, (float[]){1, 2, 3, 4, 5, 6}, 6);
    run_backward(&run);
    check_gradient(&run, graph, "d", (float[]){3 + 2 * 5, 4 + 2 * 6}, 2);
    check_gradient(&run, graph, "x", (float[]){1 + 2 * 13 + 5, 2 + 2 * 16 + 6}, 2);
    run_free(&run);
    ln_graph_release(graph);
}

/* p = a + b, y = (1, 2) p, z = p + b. */
static ln_graph *two_by_two(void)
{
    net n = net_begin(&err);
    const int a = net_input(&n, "a", 2), b = net_input(&n, "b", 2);
    const int p = net_join(&n, "add", "p", a, b);
    net_output(&n, net_dense(&n, "y", p, 2, 1, (const float[]){1, 2}, NULL));
    net_output(&n, net_join(&n, "add", "z", p, b));
    return net_end(&n);
}

static void several_inputs_outputs_and_a_value_between(void **state)
{
    (void)state;
    ln_graph *graph = two_by_two();
    const int p = value_of(graph, "p"), y = graph->outputs[0], z = graph->outputs[1];
    const int gradients[] = {graph->inputs[0], graph->inputs[1], p}, values[] = {y, z, p};
    running run =
        run_new(graph, &(ln_plan_options){.rows = 1, .gradients = gradients, .gradient_count = 3});
    memcpy(ln_exec_input(run.exec, 0), (float[]){1, 2}, 8);
    memcpy(ln_exec_input(run.exec, 1), (float[]){10, 20}, 8);
    assert_ok(ln_exec_forward(run.exec, 1, &err));
    check_value(&run, graph, "y", (float[]){55}, 1);
    check_value(&run, graph, "z", (float[]){21, 42}, 2);
    run_seed(&run, y, (float[]){3}, 1);
    run_seed(&run, z, (float[]){5, 7}, 2);
    run_backward(&run);
    check_gradient(&run, graph, "p", (float[]){8, 13}, 2);
    check_gradient(&run, graph, "a", (float[]){8, 13}, 2);
    check_gradient(&run, graph, "b", (float[]){13, 20}, 2);
    run_free(&run);

    /* A value that is wanted itself, too: its seed and what y sends; z sends nothing. */
    run = run_new(graph, &(ln_plan_options){.rows = 1,
                                            .values = values,
                                            .value_count = 3,
                                            .gradients = gradients,
                                            .gradient_count = 3});
    assert_ok(ln_exec_forward(run.exec, 1, &err));
    run_seed(&run, y, (float[]){3}, 1);
    run_seed(&run, p, (float[]){10, 20}, 2);
    run_backward(&run);
    check_gradient(&run, graph, "p", (float[]){13, 26}, 2);
    check_gradient(&run, graph, "b", (float[]){13, 26}, 2);
    run_free(&run);
    ln_graph_release(graph);
}

static void results_of_one_node_each_have_a_gradient(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 4);
    const char *results[] = {"left", "right"};
    if (!n.status)
        n.status = ln_graph_add_node(n.graph, &halves, "Split", "cut", NULL, &x, 1, results, 2,
                                     NULL, &err);
    net_output(&n, net_word(&n, "identity", "y", value_of(n.graph, "right")));
    ln_graph *graph = net_end(&n);
    running run = run_new(
        graph, &(ln_plan_options){.rows = 2, .gradients = graph->inputs, .gradient_count = 1});
    run_forward(&run, (float[]){1, 2, 3, 4, 5, 6, 7, 8}, 2, 4);
    check_value(&run, graph, "y", (float[]){3, 4, 7, 8}, 4);
    check_value(&run, graph, "left", (float[]){1, 2, 5, 6}, 4); /* nobody reads it */
    run_seed(&run, graph->outputs[0], (float[]){1, 2, 3, 4}, 4);
    run_backward(&run);
    check_gradient(&run, graph, "x", (float[]){0, 0, 1, 2, 0, 0, 3, 4}, 8);
    run_free(&run);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hand_network),
        cmocka_unit_test(branches_joins_and_shared_weights),
        cmocka_unit_test(a_value_twice_in_one_node_and_in_several),
        cmocka_unit_test(several_inputs_outputs_and_a_value_between),
        cmocka_unit_test(results_of_one_node_each_have_a_gradient),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
