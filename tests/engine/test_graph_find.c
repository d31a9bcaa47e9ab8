/* Finding values, nodes and what a script calls a layer, in graphs of any size. */
#include "graph_support.h"

static ln_error err;

/* ---------------------------------------------------------------- names */

/* Steps of a look-up, counted in the tree itself. */
static int steps_to(const ln_name_index *index, const char *name)
{
    const size_t length = strlen(name);
    int at = index->root, steps = 0;
    for (; at >= 0; steps++) {
        const ln_name_entry *fork = &index->entries[at];
        const unsigned byte = fork->byte < length ? (unsigned char)name[fork->byte] : 0;
        at = fork->child[(byte & fork->bit) != 0];
    }
    return steps;
}

/* A look-up takes a few steps, whatever the number of names: six decimal digits tell a hundred
 * thousand apart, each in at most four bits and the end. */
static void a_hundred_thousand_nodes_are_found_in_few_steps(void **state)
{
    (void)state;
    const int count = 100000;
    int most = 0;
    char name[32];
    net n = net_begin(&err);
    int v = net_input(&n, "x", 1);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "layer_%d", i);
        v = net_word(&n, "identity", name, v);
    }
    net_output(&n, v);
    ln_graph *graph = net_end(&n);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "layer_%d", i);
        if (ln_graph_find_node(graph, name) != i || ln_graph_find_value(graph, name) != i + 1)
            fail_msg("%s is not found", name);
        const int steps = steps_to(&graph->value_names, name);
        most = steps > most ? steps : most;
    }
    assert_true(most <= 30);
    assert_int_equal(ln_graph_find_node(graph, "layer_100000"), -1);
    /* Nothing else is quadratic either: it can be described, copied, planned and run. */
    ln_graph *copy = NULL;
    char *json = NULL;
    assert_ok(ln_graph_copy(graph, &copy, &err));
    assert_int_equal(ln_graph_find_node(copy, "layer_99999"), 99999);
    assert_ok(ln_graph_json(graph, &json, &err));
    running run = run_new(copy, &(ln_plan_options){.rows = 1});
    run_forward(&run, (float[]){7}, 1, 1);
    assert_near_f32(ln_exec_value(run.exec, v), (float[]){7}, 1, 0, 0);
    run_free(&run);
    ln_free(json);
    ln_graph_release(copy);
    ln_graph_release(graph);
}

/* Names that a stranger would choose: each the beginning of the next. A look-up may take a step a
 * bit of the name it looks for, so that all of them together take time in proportion to the file. */
static void names_chosen_to_be_slow_are_not(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    static char names[COUNT][COUNT + 1];
    ln_name_index index = {0};
    for (int i = 0; i < COUNT; i++) {
        memset(names[i], 'a', (size_t)i);
        assert_ok(ln_name_index_add(&index, names[i], &err));
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ln_name_index_find(&index, names[i]), i);
        assert_true(steps_to(&index, names[i]) <= i + 1);
    }
    assert_int_equal(ln_name_index_find(&index, "aab"), -1);
    ln_name_index_free(&index);
}

/* Against comparing with every name, while names come and the last ones go again. */
static void names_are_found_as_by_comparing_all(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    static char names[COUNT][8];
    ln_name_index index = {0};
    uint64_t random = 1;
    for (int round = 0; round < 4000; round++) {
        char name[8] = "";
        random = random * 6364136223846793005u + 1442695040888963407u;
        const int length = (int)(random >> 33) % 6;
        for (int i = 0; i < length; i++) /* few letters, high bits and low ones */
            name[i] = "ab\x7f\x80\xff\x01"[(random >> (35 + 4 * i)) % 6];
        int known = -1;
        for (int i = 0; i < index.count; i++)
            if (strcmp(names[i], name) == 0)
                known = i;
        assert_int_equal(ln_name_index_find(&index, name), known);
        if (known < 0 && index.count < COUNT) {
            memcpy(names[index.count], name, sizeof name);
            assert_ok(ln_name_index_add(&index, names[index.count], &err));
        }
        for (int i = (int)(random >> 60) % 5; round % 9 == 0 && i > 0 && index.count > 0; i--)
            ln_name_index_remove_last(&index);
    }
    assert_true(index.count > 300);
    while (index.count > 0)
        ln_name_index_remove_last(&index);
    assert_int_equal(ln_name_index_find(&index, "a"), -1);
    ln_name_index_free(&index);
}

/* ---------------------------------------------------------------- layers of a script */

static void check_layer(const ln_graph *graph, const char *name, const char *wanted)
{
    int value = -1;
    assert_ok(ln_graph_find_layer(graph, name, &value, &err));
    assert_string_equal(graph->values[value].name, wanted);
}

static void refuse_layer(const ln_graph *graph, const char *name, const char *part,
                         const char *hint)
{
    int value = -7;
    err = (ln_error){0};
    assert_fails(ln_graph_find_layer(graph, name, &value, &err), LN_EINVALID, part);
    assert_string_equal(err.hint, hint);
    assert_int_equal(value, -7);
}

static void layers_are_found_by_name_and_number(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 2);
    const int w = net_constant(&n, "w", TEST_SHAPE(2, 2), (float[]){1, 2, 3, 4}, false);
    net_word(&n, "relu", "scaled", w); /* made from a constant alone */
    net_output(&n, net_dense_of(&n, "head", x, w, -1));
    const char *results[] = {"17", "left"};
    if (!n.status)
        n.status = ln_graph_add_node(n.graph, &halves, "Split", "cut", NULL, &x, 1, results, 2,
                                     NULL, &err);
    net_word(&n, "tanh", "1", x); /* a node that is called like a number */
    ln_graph *graph = net_end(&n);
    check_layer(graph, "head", "head");
    check_layer(graph, "cut", "17"); /* of several results the first */
    check_layer(graph, "left", "left");
    check_layer(graph, "x", "x");
    check_layer(graph, "2", "17");
    check_layer(graph, "3", "1");
    check_layer(graph, "1", "1");   /* names go before numbers */
    check_layer(graph, "17", "17"); /* no such number: the value */
    refuse_layer(graph, "4", "there is no layer 4: the network has 4, numbered from 0", "");
    refuse_layer(graph, "-1", "there is no layer -1", "");
    refuse_layer(graph, "99999999999999999999", "there is no layer 99999999999999999999", "");
    refuse_layer(graph, "haed", "no layer and no value named 'haed'", "did you mean 'head'?");
    refuse_layer(graph, "lefd", "named 'lefd'", "did you mean 'left'?");
    refuse_layer(graph, "3x", "named '3x'", "its layers: head, cut, 1");
    refuse_layer(graph, "", "named ''", "its layers: head, cut, 1");
    refuse_layer(graph, "w", "'w' does not depend on the network's input: it is a constant", "");
    refuse_layer(graph, "scaled", "it is made from constants alone", "");
    refuse_layer(graph, "0", "'0' does not depend on the network's input", "");
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_nodes_are_found_in_few_steps),
        cmocka_unit_test(names_chosen_to_be_slow_are_not),
        cmocka_unit_test(names_are_found_as_by_comparing_all),
        cmocka_unit_test(layers_are_found_by_name_and_number),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
