/* Merging: what files spell out becomes the layer that it is, where nobody reads what is in between, and
 * outputs and gradients stay what they are. */
#include "graph_support.h"

#include <math.h>

#include "base/rng.h"
#include "graph/merge.h"

enum { ROWS = 3, TOKENS = 4, WIDTH = 6, ROW = TOKENS * WIDTH };

static int numbers(net *n, const char *name, ln_shape shape)
{
    float values[64];
    for (int64_t i = 0; i < ln_shape_count(&shape); i++) {
        ln_rng rng = ln_rng_make(3, name, 0, (uint64_t)i);
        values[i] = (float)ln_rng_normal(&rng);
    }
    return net_constant(n, name, shape, values, true);
}

static int number(net *n, const char *name, float value)
{
    return net_constant(n, name, (ln_shape){0}, &value, false);
}

static int two(net *n, const char *word, const char *name, int a, int b)
{
    const ln_matmul_attributes product = {.scale = 0.5, .transpose_b = true};
    const ln_dense_attributes dense = {.in_out = true};
    return net_node(n, ln_layer_find(word), name,
                    strcmp(word, "matmul") == 0  ? (const void *)&product
                    : strcmp(word, "dense") == 0 ? (const void *)&dense
                                                 : NULL,
                    (const int[]){a, b}, 2);
}

static int one(net *n, const char *word, const char *name, int a)
{
    return net_node(n, ln_layer_find(word), name, NULL, &a, 1);
}

/* How gelu's factors are put together, and the same three of its approximation by tanh. */
enum { X_PART_HALF, HALF_X_PART, X_HALF_PART, FORMS, ALL_FORMS = 2 * FORMS };

/* The cube as a product or a power. */
static int spelt_cubic(net *n, bool power, int x)
{
    const int cube = power ? two(n, "pow", "cube", x, number(n, "three", 3))
                           : two(n, "mul", "cube", x, two(n, "mul", "square", x, x));
    const int small = two(n, "mul", "small", number(n, "little", 0.044715F), cube);
    return power ? two(n, "add", "cubic", small, x) : two(n, "add", "cubic", x, small);
}

static int spelt_gelu(net *n, int form, bool divided, int x)
{
    const bool tanh = form >= FORMS;
    const double root = tanh ? 0.7978845608 : M_SQRT1_2;
    const int inner = tanh ? spelt_cubic(n, divided, x) : x;
    const int scaled = divided
                           ? two(n, "div", "scaled", inner, number(n, "root", (float)(1 / root)))
                           : two(n, "mul", "scaled", number(n, "root", (float)root), inner);
    const int bent = one(n, tanh ? "tanh" : "erf", "erf", scaled);
    const int part = two(n, "add", "part", bent, number(n, "one", 1));
    form %= FORMS;
    const int half = number(n, "half", 0.5F);
    if (form == X_PART_HALF)
        return two(n, "mul", "gelu", two(n, "mul", "inner", x, part), half);
    if (form == HALF_X_PART)
        return two(n, "mul", "gelu", two(n, "mul", "inner", half, x), part);
    return two(n, "mul", "gelu", x, two(n, "mul", "inner", half, part));
}

/* x (4, 6) -> dense, bias -> gelu -> product with itself, factor. */
static ln_graph *network(int form, ln_error *err)
{
    net n = net_begin(err);
    int x = -1;
    const ln_shape shape = TEST_SHAPE(-1, TOKENS, WIDTH);
    if (!n.status)
        n.status = ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, err);
    x = two(&n, "dense", "product", x, numbers(&n, "w", TEST_SHAPE(WIDTH, WIDTH)));
    x = two(&n, "add", "biased", numbers(&n, "b", TEST_SHAPE(WIDTH)), x);
    x = spelt_gelu(&n, form, form % FORMS != HALF_X_PART, x);
    x = two(&n, "matmul", "pairs", x, x);
    x = two(&n, form == 0 ? "div" : "mul", "y", x, number(&n, "factor", 3));
    if (!n.status)
        n.status = ln_graph_add_output(n.graph, x, err);
    if (n.status) {
        ln_graph_release(n.graph);
        return NULL;
    }
    return n.graph;
}

/* Outputs and gradients of a few rows. */
static void run(ln_graph *graph, float y[ROWS * TOKENS * TOKENS], float dx[ROWS * ROW])
{
    ln_error err;
    ln_plan *plan;
    ln_exec *exec;
    const int x = graph->inputs[0], out = graph->outputs[0];
    const ln_plan_options options = {.rows = ROWS, .gradients = &x, .gradient_count = 1};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    float *in = ln_exec_input(exec, 0);
    for (int i = 0; i < ROWS * ROW; i++) {
        ln_rng rng = ln_rng_make(4, "rows", 0, (uint64_t)i);
        in[i] = (float)ln_rng_normal(&rng);
    }
    assert_ok(ln_exec_forward(exec, ROWS, &err));
    memcpy(y, ln_exec_value(exec, out), ROWS * TOKENS * TOKENS * sizeof *y);
    float *seed = ln_exec_seed(exec, out);
    for (int i = 0; i < ROWS * TOKENS * TOKENS; i++)
        seed[i] = (float)(i % 5) - 2;
    assert_ok(ln_exec_backward(exec, &err));
    memcpy(dx, ln_exec_gradient(exec, x), ROWS * ROW * sizeof *dx);
    ln_exec_free(exec);
    ln_plan_free(plan);
}

static void assert_same_function(ln_graph *merged, ln_graph *graph)
{
    float y[2][ROWS * TOKENS * TOKENS], dx[2][ROWS * ROW];
    run(graph, y[0], dx[0]);
    run(merged, y[1], dx[1]);
    assert_near_f32(y[1], y[0], ROWS * TOKENS * TOKENS, 2e-5, 2e-5);
    assert_near_f32(dx[1], dx[0], ROWS * ROW, 2e-4, 2e-4);
}

static void what_is_spelt_out_becomes_a_layer(void **state)
{
    (void)state;
    ln_error err;
    for (int form = 0; form < ALL_FORMS; form++) {
        ln_graph *graph = network(form, &err), *merged;
        assert_non_null(graph);
        assert_ok(ln_graph_merge(graph, NULL, 0, &merged, &err));
        assert_int_equal(merged->node_count, 3);
        assert_string_equal(merged->nodes[0].layer->word.name, "dense");
        assert_int_equal(merged->nodes[0].input_count, 3);
        assert_string_equal(merged->nodes[1].layer->word.name, "gelu");
        const ln_scalar_attributes *own = merged->nodes[1].attributes;
        assert_int_equal(own->approximate, form >= FORMS);
        assert_string_equal(merged->nodes[2].layer->word.name, "matmul");
        assert_same_function(merged, graph);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

/* Each value in between, kept: what would take it up stays apart. */
static void kept_values_stay(void **state)
{
    const char *const names[] = {"product", "biased", "scaled", "erf",
                                 "part",    "inner",  "gelu",   "pairs"};
    const int nodes[] = {4, 3, 7, 7, 7, 7, 3, 4};
    (void)state;
    ln_error err;
    for (int i = 0; i < 8; i++) {
        ln_graph *graph = network(0, &err), *merged;
        const int value = ln_graph_find_value(graph, names[i]);
        assert_ok(ln_graph_merge(graph, &value, 1, &merged, &err));
        assert_int_equal(merged->node_count, nodes[i]);
        assert_true(ln_graph_find_value(merged, names[i]) >= 0);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

/* The same within the approximation: its cubic, and the parts of that. */
static void kept_values_of_the_approximation_stay(void **state)
{
    const char *const names[] = {"square", "cube", "small", "cubic", "scaled"};
    (void)state;
    ln_error err;
    for (int i = 0; i < 5; i++) {
        ln_graph *graph = network(FORMS + HALF_X_PART, &err), *merged;
        const int value = ln_graph_find_value(graph, names[i]);
        assert_ok(ln_graph_merge(graph, &value, 1, &merged, &err));
        assert_int_equal(merged->node_count, 11); /* all but the bias and the last factor */
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

/* A half that is none, a root of another number: no gelu. */
static void others_are_left_alone(void **state)
{
    (void)state;
    ln_error err;
    for (int wrong = 0; wrong < 3; wrong++) {
        net n = net_begin(&err);
        int x = net_input(&n, "x", WIDTH);
        const int scaled =
            two(&n, "div", "scaled", x, number(&n, "root", wrong == 0 ? 2 : 1.4142135F));
        const int part = two(&n, "add", "part", one(&n, "erf", "erf", scaled),
                             number(&n, "one", wrong == 1 ? 2 : 1));
        const int inner = two(&n, "mul", "inner", x, part);
        x = two(&n, "mul", "y", inner, number(&n, "half", wrong == 2 ? 1 : 0.5F));
        assert_ok(n.status);
        assert_ok(ln_graph_add_output(n.graph, x, &err));
        ln_graph *merged;
        assert_ok(ln_graph_merge(n.graph, NULL, 0, &merged, &err));
        assert_ptr_equal(merged, n.graph);
        ln_graph_release(merged);
        ln_graph_release(n.graph);
    }
}

/* ---------------------------------------------------------------- layer_norm */

enum { PLAIN, WEIGHTED, BIASED, ENDS };

/* x (4, 6) -> layer_norm, spelt with a power or a product -> as `end` says. */
static ln_graph *spelt_norm(bool power, int end)
{
    ln_error err;
    net n = net_begin(&err);
    const ln_shape shape = TEST_SHAPE(-1, TOKENS, WIDTH);
    const ln_reduce_attributes mean = {
        .operation = LN_REDUCE_mean, .axes = {1, {-1}}, .keepdims = true};
    const ln_layer *reduce = ln_layer_find("reduce");
    int x = -1;
    assert_ok(ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err));
    const int level = net_node(&n, reduce, "level", &mean, &x, 1);
    const int c = two(&n, "sub", "c", x, level);
    const int square =
        power ? two(&n, "pow", "square", c, number(&n, "two", 2)) : two(&n, "mul", "square", c, c);
    const int variance = net_node(&n, reduce, "variance", &mean, &square, 1);
    const int sum = two(&n, "add", "sum", variance, number(&n, "eps", 1e-3F));
    x = two(&n, "div", "normal", c, one(&n, "sqrt", "root", sum));
    if (end != PLAIN)
        x = two(&n, "mul", "scaled", x, numbers(&n, "w", TEST_SHAPE(WIDTH)));
    if (end == BIASED)
        x = two(&n, "add", "moved", numbers(&n, "b", TEST_SHAPE(WIDTH)), x);
    x = two(&n, "matmul", "y", x, x); /* as many outputs as the network above */
    assert_ok(n.status);
    assert_ok(ln_graph_add_output(n.graph, x, &err));
    return n.graph;
}

static void a_spelt_layer_norm_is_one(void **state)
{
    (void)state;
    ln_error err;
    for (int form = 0; form < 2 * ENDS; form++) {
        ln_graph *graph = spelt_norm(form % 2, form / 2), *merged;
        assert_ok(ln_graph_merge(graph, NULL, 0, &merged, &err));
        assert_int_equal(merged->node_count, 2);
        assert_string_equal(merged->nodes[0].layer->word.name, "layer_norm");
        assert_int_equal(merged->nodes[0].input_count, 1 + form / 2);
        assert_same_function(merged, graph);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

static void kept_values_of_a_norm_stay(void **state)
{
    const struct {
        const char *name;
        int nodes; /* what is behind a kept normal or scaled value stays apart */
    } kept[] = {{"level", 10}, {"c", 10},     {"square", 10}, {"variance", 10}, {"sum", 10},
                {"root", 10},  {"normal", 4}, {"scaled", 3},  {"moved", 2}};
    (void)state;
    ln_error err;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        ln_graph *graph = spelt_norm(i % 2, BIASED), *merged;
        const int value = ln_graph_find_value(graph, kept[i].name);
        assert_ok(ln_graph_merge(graph, &value, 1, &merged, &err));
        assert_int_equal(merged->node_count, kept[i].nodes);
        assert_true(ln_graph_find_value(merged, kept[i].name) >= 0);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

/* ---------------------------------------------------------------- functions of one number */

enum { SILU, HARDSWISH, MISH, SOFTSIGN, SOFTPLUS, SHARP_SOFTPLUS, FUNCTIONS };

/* x (4, 6) -> a function, spelt; `turned`: its factors or terms the other way round. */
static int spelt_function(net *n, int function, bool turned, int x)
{
    const ln_softplus_attributes plain = {.beta = 1, .threshold = 20};
    const ln_layer *softplus = ln_layer_find("softplus");
    if (function == SOFTSIGN) {
        const int size = one(n, "abs", "size", x), level = number(n, "one", 1);
        const int sum =
            turned ? two(n, "add", "sum", level, size) : two(n, "add", "sum", size, level);
        return two(n, "div", "bent", x, sum);
    }
    if (function == SOFTPLUS || function == SHARP_SOFTPLUS) {
        const bool sharp = function == SHARP_SOFTPLUS;
        const int beta = number(n, "beta", 3);
        const int z = !sharp   ? x
                      : turned ? two(n, "mul", "z", beta, x)
                               : two(n, "mul", "z", x, beta);
        const int above = two(n, "greater", "above", z, number(n, "limit", turned ? 30 : 2));
        int plus = net_node(n, softplus, "plus", &plain, &z, 1);
        if (sharp)
            plus = two(n, "div", "part", plus, beta);
        return net_node(n, ln_layer_find("where"), "bent", NULL, (const int[]){above, x, plus}, 3);
    }
    const int plus = function == MISH ? net_node(n, softplus, "plus", &plain, &x, 1) : -1;
    const int gate = function == SILU        ? one(n, "sigmoid", "gate", x)
                     : function == HARDSWISH ? one(n, "hardsigmoid", "gate", x)
                                             : one(n, "tanh", "gate", plus);
    return turned ? two(n, "mul", "bent", gate, x) : two(n, "mul", "bent", x, gate);
}

static ln_graph *with_function(int function, bool turned)
{
    ln_error err;
    net n = net_begin(&err);
    const ln_shape shape = TEST_SHAPE(-1, TOKENS, WIDTH);
    int x = -1;
    assert_ok(ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err));
    x = spelt_function(&n, function, turned, x);
    x = two(&n, "matmul", "y", x, x);
    assert_ok(n.status);
    assert_ok(ln_graph_add_output(n.graph, x, &err));
    return n.graph;
}

static void a_spelt_function_is_one(void **state)
{
    static const char *const words[] = {"silu",     "hardswish", "mish",
                                        "softsign", "softplus",  "softplus"};
    (void)state;
    ln_error err;
    for (int form = 0; form < 2 * FUNCTIONS; form++) {
        ln_graph *graph = with_function(form / 2, form % 2), *merged;
        assert_ok(ln_graph_merge(graph, NULL, 0, &merged, &err));
        assert_int_equal(merged->node_count, 2);
        assert_string_equal(merged->nodes[0].layer->word.name, words[form / 2]);
        if (form / 2 >= SOFTPLUS) {
            const ln_softplus_attributes *own = merged->nodes[0].attributes;
            assert_true(own->beta == (form / 2 == SOFTPLUS ? 1 : 3));
            assert_true(own->threshold == (form % 2 ? 20 : 2));
        }
        assert_same_function(merged, graph);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
}

/* What somebody reads beside, and functions of another number, stay. */
static void other_products_are_left_alone(void **state)
{
    static const struct {
        int function;
        const char *kept;
    } cases[] = {{SILU, "gate"},     {HARDSWISH, "gate"},   {MISH, "plus"},
                 {MISH, "gate"},     {SOFTSIGN, "sum"},     {SOFTSIGN, "size"},
                 {SOFTPLUS, "plus"}, {SHARP_SOFTPLUS, "z"}, {SHARP_SOFTPLUS, "part"}};
    (void)state;
    ln_error err;
    ln_graph *merged;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ln_graph *graph = with_function(cases[i].function, false);
        const int value = ln_graph_find_value(graph, cases[i].kept);
        assert_ok(ln_graph_merge(graph, &value, 1, &merged, &err));
        assert_ptr_equal(merged, graph);
        ln_graph_release(merged);
        ln_graph_release(graph);
    }
    net n = net_begin(&err);
    int x = net_input(&n, "x", WIDTH);
    const int gate = one(&n, "sigmoid", "gate", two(&n, "mul", "double", x, number(&n, "two", 2)));
    x = two(&n, "mul", "y", x, gate);
    assert_ok(n.status);
    assert_ok(ln_graph_add_output(n.graph, x, &err));
    assert_ok(ln_graph_merge(n.graph, NULL, 0, &merged, &err));
    assert_ptr_equal(merged, n.graph);
    ln_graph_release(merged);
    ln_graph_release(n.graph);
}

/* ---------------------------------------------------------------- group_norm */

/* x (4, 6) -> two groups of its four channels as torch writes them -> y. `scale`: of the normalisation itself. */
static ln_graph *spelt_groups(float scale)
{
    ln_error err;
    net n = net_begin(&err);
    const ln_shape shape = TEST_SHAPE(-1, TOKENS, WIDTH);
    const ln_reshape_attributes there = {.shape = {2, {2, 2 * WIDTH}}},
                                back = {.shape = {2, {TOKENS, WIDTH}}};
    const ln_channel_norm_attributes norm = {.eps = 1e-3, .affine = true};
    const float scales[] = {scale, scale}, zeros[2] = {0};
    int x = -1;
    assert_ok(ln_graph_add_input(n.graph, "x", LN_F32, &shape, &x, &err));
    x = net_node(&n, ln_layer_find("reshape"), "there", &there, &x, 1);
    const int w = net_constant(&n, "scales", TEST_SHAPE(2), scales, true);
    const int b = net_constant(&n, "zeros", TEST_SHAPE(2), zeros, true);
    x = net_node(&n, ln_layer_find("instance_norm1d"), "norm", &norm, (const int[]){x, w, b}, 3);
    x = net_node(&n, ln_layer_find("reshape"), "back", &back, &x, 1);
    x = two(&n, "mul", "scaled", x, numbers(&n, "weight", TEST_SHAPE(TOKENS, 1)));
    x = two(&n, "add", "moved", numbers(&n, "bias", TEST_SHAPE(1, TOKENS, 1)), x);
    x = two(&n, "matmul", "y", x, x);
    assert_ok(n.status);
    assert_ok(ln_graph_add_output(n.graph, x, &err));
    return n.graph;
}

static void a_spelt_group_norm_is_one(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = spelt_groups(1), *merged;
    assert_ok(ln_graph_merge(graph, NULL, 0, &merged, &err));
    assert_int_equal(merged->node_count, 2);
    assert_string_equal(merged->nodes[0].layer->word.name, "group_norm");
    const ln_group_norm_attributes *own = merged->nodes[0].attributes;
    assert_int_equal(own->num_groups, 2);
    assert_same_function(merged, graph);
    ln_graph_release(merged);
    const int value = ln_graph_find_value(graph, "scaled");
    assert_ok(ln_graph_merge(graph, &value, 1, &merged, &err));
    assert_ptr_equal(merged, graph);
    ln_graph_release(merged);
    ln_graph_release(graph);
    graph = spelt_groups(2); /* it does more than normalise */
    assert_ok(ln_graph_merge(graph, NULL, 0, &merged, &err));
    assert_ptr_equal(merged, graph);
    ln_graph_release(merged);
    ln_graph_release(graph);
}

static ln_status merge(void *context, ln_error *err)
{
    ln_graph *merged = NULL;
    ln_status status = ln_graph_merge(context, NULL, 0, &merged, err);
    ln_graph_release(merged);
    return status;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    ln_error err;
    ln_graph *graph = network(FORMS, &err);
    sweep_allocation_failures(merge, graph);
    ln_graph_release(graph);
    graph = spelt_norm(true, BIASED);
    sweep_allocation_failures(merge, graph);
    ln_graph_release(graph);
    graph = with_function(MISH, false);
    sweep_allocation_failures(merge, graph);
    ln_graph_release(graph);
    graph = spelt_groups(1);
    sweep_allocation_failures(merge, graph);
    ln_graph_release(graph);
}

/* Forty powers in a row are 3^40 factors, which nobody may count. */
static void a_row_of_powers_ends(void **state)
{
    char name[16];
    ln_error err = {0};
    net n = net_begin(&err);
    const int three = number(&n, "three", 3);
    int x = numbers(&n, "x", TEST_SHAPE(WIDTH));
    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "cube%d", i);
        x = two(&n, "pow", name, x, three);
    }
    two(&n, "mul", "y", x, number(&n, "half", 0.5F));
    assert_ok(n.status);
    assert_ok(merge(n.graph, &err));
    ln_graph_release(n.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_spelt_out_becomes_a_layer),
        cmocka_unit_test(kept_values_stay),
        cmocka_unit_test(kept_values_of_the_approximation_stay),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(a_spelt_layer_norm_is_one),
        cmocka_unit_test(kept_values_of_a_norm_stay),
        cmocka_unit_test(a_spelt_function_is_one),
        cmocka_unit_test(other_products_are_left_alone),
        cmocka_unit_test(a_spelt_group_norm_is_one),
        cmocka_unit_test(a_row_of_powers_ends),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("graph merge", tests, NULL, NULL);
}
