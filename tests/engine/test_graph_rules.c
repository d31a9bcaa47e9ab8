/* Rules in the backward pass, and bits that depend neither on threads nor on how rows are cut. */
#include "graph_support.h"

#include <math.h>

#include "base/parallel.h"

static ln_error err;

/* ---------------------------------------------------------------- composites */

/* A composite that gives one rule to every layer of one word, and remembers what it was asked. */
typedef struct asking {
    const char *word;      /* the layers that get the rule; NULL: none */
    const ln_rule *rule;   /* theirs */
    const char *undefined; /* a word that the method is not defined for, or NULL */
    char asked[256];       /* "name " of every node, in the order asked */
} asking;

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *error)
{
    asking *own = (asking *)(uintptr_t)composite->context;
    const char *word = node->layer->word.name;
    const size_t length = strlen(own->asked);
    assert_true(node >= graph->nodes && node < graph->nodes + graph->node_count);
    snprintf(own->asked + length, sizeof own->asked - length, "%s ", node->name);
    for (int i = 0; i < graph->node_count; i++)
        if (&graph->nodes[i] == node)
            assert_true(passed[i]);
    if (own->undefined && strcmp(word, own->undefined) == 0)
        return ln_fail(error, LN_EUNSUPPORTED, "the method has no rule for %s", word);
    *out = own->word && strcmp(word, own->word) == 0 ? own->rule : NULL;
    return LN_OK;
}

/* The gradient of `seed` times the output with respect to the input, by a rule. */
static void explain(ln_graph *graph, asking *own, const float *x, int64_t rows, const float *seed,
                    float *out)
{
    const ln_composite composite = {.name = "test", .context = own, .assign = assign};
    const int y = graph->outputs[0], in = graph->inputs[0];
    const int64_t width = graph->values[in].shape.dims[1], outputs = graph->values[y].shape.dims[1];
    running run = run_new(
        graph, &(ln_plan_options){
                   .rows = rows, .gradients = &in, .gradient_count = 1, .composite = &composite});
    run_forward(&run, x, rows, width);
    run_seed(&run, y, seed ? seed : ln_exec_value(run.exec, y), (size_t)(rows * outputs));
    run_backward(&run);
    memcpy(out, ln_exec_gradient(run.exec, in), (size_t)(rows * width) * sizeof *out);
    run_free(&run);
}

/* ---------------------------------------------------------------- rules */

static ln_status only_positive(const ln_rule *rule, const ln_pass *pass, ln_error *error)
{
    const int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    ln_status status = pass->step->node->layer->backward(pass, error);
    assert_string_equal(rule->name, "guided");
    for (int64_t i = 0; i < count && !status; i++)
        if (pass->out_grad[0][i] <= 0)
            pass->in_grad[0][i] = 0;
    return status;
}

/* a = (4, 2) at (2, 1), and (1, -1) arrives at the relu: the gradient is W^T (1, -1), the guided one
 * W^T (1, 0). At (-2, 1), a = (0, -10), both are closed. */
static void a_rule_stands_in_for_the_gradient(void **state)
{
    (void)state;
    net n = net_begin(&err);
    int v = net_input(&n, "x", 2);
    v = net_dense(&n, "a", v, 2, 2, (const float[]){1, 2, 3, -4}, NULL);
    v = net_word(&n, "relu", "r", v);
    net_output(&n, net_dense(&n, "y", v, 2, 1, (const float[]){1, -1}, NULL));
    ln_graph *graph = net_end(&n);
    const ln_rule guided = {.name = "guided", .backward = only_positive};
    asking none = {0}, own = {.word = "relu", .rule = &guided};
    const float x[] = {2, 1, -2, 1}, ones[] = {1, 1};
    float got[4];
    explain(graph, &none, x, 2, ones, got);
    check_numbers(got, (float[]){-2, 6, 0, 0}, 4);
    explain(graph, &own, x, 2, ones, got);
    check_numbers(got, (float[]){1, 2, 0, 0}, 4);
    ln_graph_release(graph);
}

/* Relevance in place of the gradient: R_in = x * W^T (R_out / (z + epsilon)), by the layer's own
 * product with another gradient. */
static ln_status lrp_epsilon(const ln_rule *rule, const ln_pass *pass, ln_error *error)
{
    const ln_step *step = pass->step;
    const float *z = pass->out[0], *x = pass->in[0], *relevance = pass->out_grad[0];
    float ratio[64];
    const float *ratios[] = {ratio};
    const int64_t outputs = pass->rows * ln_shape_row(&step->out_shape[0]);
    const int64_t inputs = pass->rows * ln_shape_row(&step->in_shape[0]);
    assert_true(outputs <= 64);
    for (int64_t i = 0; i < outputs; i++)
        ratio[i] = relevance[i] / (z[i] + (float)rule->parameters[0] * (z[i] < 0 ? -1 : 1));
    ln_pass own = *pass;
    own.out_grad = ratios;
    ln_status status = step->node->layer->backward(&own, error);
    for (int64_t i = 0; i < inputs && !status; i++)
        pass->in_grad[0][i] *= x[i];
    return status;
}

/* 3 -> 3 (weights 2) -> relu -> 1 (weights 3), x = (1, 2, 3): every hidden unit is 12, the output 108,
 * and of that each input has its share: 18, 36, 54. The relu must pass relevance on as it is, which
 * its own gradient does, being open. */
static void relevance_by_the_layers_own_product(void **state)
{
    (void)state;
    net n = net_begin(&err);
    int v = net_input(&n, "x", 3);
    v = net_dense(&n, "a", v, 3, 3, (const float[]){2, 2, 2, 2, 2, 2, 2, 2, 2}, NULL);
    v = net_word(&n, "relu", "r", v);
    net_output(&n, net_dense(&n, "y", v, 3, 1, (const float[]){3, 3, 3}, NULL));
    ln_graph *graph = net_end(&n);
    const ln_rule rule = {.name = "epsilon", .parameters = {1e-9}, .backward = lrp_epsilon};
    asking own = {.word = "dense", .rule = &rule};
    float got[3];
    explain(graph, &own, (float[]){1, 2, 3}, 1, NULL, got);
    assert_near_f32(got, ((float[]){18, 36, 54}), 3, 0, 1e-6);
    ln_graph_release(graph);
}

/* z+: relevance by the positive weights alone, without bias. The layer runs forward and back with
 * weights of the rule's making; what the plan packed is not used then. */
static ln_status lrp_positive(const ln_rule *rule, const ln_pass *pass, ln_error *error)
{
    const ln_step *step = pass->step;
    const ln_layer *layer = step->node->layer;
    const int64_t count = ln_shape_count(&step->in_shape[1]);
    float weight[64], z[64];
    const void *in[] = {pass->in[0], weight, NULL};
    void *out[] = {z};
    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++)
        weight[i] = fmaxf(((const float *)pass->in[1])[i], 0);
    ln_pass own = *pass;
    own.in = in;
    own.out = out;
    ln_status status = layer->forward(&own, error);
    return status ? status : lrp_epsilon(rule, &own, error);
}

/* Against the rule written as sums: R_j = sum_k x_j w+_kj / (sum_i x_i w+_ki) R_k. */
static void a_rule_with_other_weights(void **state)
{
    (void)state;
    enum { ROWS = 5, IN = 6, HIDDEN = 7, OUT = 3 };
    const int64_t sizes[] = {IN, HIDDEN, OUT};
    ln_tensor *weights[2] = {tensor_random(TEST_SHAPE(HIDDEN, IN), 1),
                             tensor_random(TEST_SHAPE(OUT, HIDDEN), 2)};
    ln_tensor *bias = tensor_random(TEST_SHAPE(HIDDEN), 3),
              *x = tensor_random(TEST_SHAPE(ROWS, IN), 4);
    for (int i = 0; i < ROWS * IN; i++)
        ln_f32(x)[i] = fabsf(ln_f32(x)[i]) + 0.1f;
    net n = net_begin(&err);
    int v = net_input(&n, "x", IN);
    v = net_dense(&n, "a", v, IN, HIDDEN, ln_f32(weights[0]), ln_f32(bias));
    v = net_word(&n, "softplus", "h", v); /* positive throughout; relevance passes as a gradient */
    net_output(&n, net_dense(&n, "y", v, HIDDEN, OUT, ln_f32(weights[1]), NULL));
    ln_graph *graph = net_end(&n);
    const ln_rule rule = {.name = "positive", .parameters = {0}, .backward = lrp_positive};
    asking own = {.word = "dense", .rule = &rule};
    float seed[ROWS * OUT], got[ROWS * IN];
    for (int i = 0; i < ROWS * OUT; i++)
        seed[i] = (float)(i % 4) - 1;
    explain(graph, &own, ln_f32(x), ROWS, seed, got);

    int values[] = {graph->inputs[0], value_of(graph, "h"), value_of(graph, "a")};
    running run =
        run_new(graph, &(ln_plan_options){.rows = ROWS, .values = values, .value_count = 3});
    run_forward(&run, ln_f32(x), ROWS, IN);
    for (int r = 0; r < ROWS; r++) {
        double relevance[8];
        for (int k = 0; k < OUT; k++)
            relevance[k] = (double)seed[r * OUT + k];
        for (int layer = 1; layer >= 0; layer--) {
            const int64_t in = sizes[layer], out = sizes[layer + 1];
            const float *from = (const float *)ln_exec_value(run.exec, values[layer]) + r * in;
            double below[8] = {0};
            for (int64_t k = 0; k < out; k++) {
                const float *w = ln_f32(weights[layer]) + k * in;
                double z = 0;
                for (int64_t j = 0; j < in; j++)
                    z += (double)from[j] * fmax((double)w[j], 0);
                for (int64_t j = 0; j < in; j++)
                    below[j] += (double)from[j] * fmax((double)w[j], 0) / z * relevance[k];
            }
            /* Through softplus: its derivative is the sigmoid of what went in. */
            const float *a = (const float *)ln_exec_value(run.exec, values[2]) + r * HIDDEN;
            for (int64_t j = 0; j < in; j++)
                relevance[j] = layer ? below[j] / (1 + exp(-(double)a[j])) : below[j];
        }
        for (int j = 0; j < IN; j++) {
            const double number = (double)got[r * IN + j];
            assert_near_f64(&number, &relevance[j], 1, 1e-5, 1e-5);
        }
    }
    run_free(&run);
    ln_graph_release(graph);
    ln_tensor_release(weights[0]);
    ln_tensor_release(weights[1]);
    ln_tensor_release(bias);
    ln_tensor_release(x);
}

/* One place for each of the inputs, also where both are one value. */
static ln_status ten_and_one(const ln_rule *rule, const ln_pass *pass, ln_error *error)
{
    (void)rule;
    (void)error;
    for (int64_t i = 0; i < pass->rows * ln_shape_row(&pass->step->out_shape[0]); i++) {
        pass->in_grad[0][i] = 10 * pass->out_grad[0][i];
        pass->in_grad[1][i] = pass->out_grad[0][i];
    }
    return LN_OK;
}

static void a_rule_for_a_join_of_one_value(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 2);
    net_output(&n, net_join(&n, "add", "y", x, x));
    ln_graph *graph = net_end(&n);
    const ln_rule rule = {.name = "shares", .backward = ten_and_one};
    asking own = {.word = "add", .rule = &rule};
    float got[4];
    explain(graph, &own, (float[]){1, 2, 3, 4}, 2, (float[]){1, 2, 3, 4}, got);
    check_numbers(got, (float[]){11, 22, 33, 44}, 4);
    ln_graph_release(graph);
}

/* Four readers send 2^26, 1, 0.5 and -2^26, 2^26 first: float32 loses the small ones, a sum with a rest does not. Two
 * readers more of another value have no rest, nor has a sum of two. */
static void sums_of_many_readers_lose_nothing(void **state)
{
    (void)state;
    static const float weights[] = {-0x1p26F, 0.5F, 1, 0x1p26F}, two[] = {3, 0.25F};
    for (int rests = 0; rests < 2; rests++) {
        net n = net_begin(&err);
        const int x = net_input(&n, "x", 1), hidden = net_word(&n, "tanh", "hidden", x);
        int sum = net_dense(&n, "a0", x, 1, 1, &two[0], NULL);
        for (int i = 0; i < 6; i++) {
            char name[2][16];
            snprintf(name[0], sizeof name[0], "d%d", i);
            snprintf(name[1], sizeof name[1], "s%d", i);
            const float *weight = i < 4 ? &weights[i] : &two[i - 4];
            const int part = net_dense(&n, name[0], i < 4 ? x : hidden, 1, 1, weight, NULL);
            sum = net_join(&n, "add", name[1], sum, part);
        }
        net_output(&n, sum);
        ln_graph *graph = net_end(&n);
        asking own = {0};
        const ln_composite composite = {.context = &own, .rests = rests, .assign = assign};
        running run = run_new(graph, &(ln_plan_options){.rows = 1,
                                                        .gradients = graph->inputs,
                                                        .gradient_count = 1,
                                                        .composite = &composite});
        /* What is infinite stays so, and leaves nothing behind. */
        for (int pass = 0; pass < 2; pass++) {
            run_forward(&run, (float[]){0}, 1, 1);
            run_seed(&run, graph->outputs[0], (float[]){pass ? 1 : INFINITY}, 1);
            run_backward(&run);
            const float got = *ln_exec_gradient(run.exec, graph->inputs[0]);
            if (pass == 0)
                assert_false(isfinite(got));
            else /* tanh: (3 + 0.25) f'(0); a0: 3; 1.5 of the four, or nothing */
                assert_true((got - 6.25F == 1.5F) == (rests == 1));
        }
        run_free(&run);
        ln_graph_release(graph);
    }
}

/* ---------------------------------------------------------------- who is asked */

/* Those that a gradient passes, in the graph's order. */
static void nodes_that_are_asked_for(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const float one[] = {1};
    const int x = net_input(&n, "x", 1), z = net_input(&n, "z", 1);
    const int w = net_constant(&n, "w", TEST_SHAPE(1, 1), one, false);
    const int product = net_dense_of(&n, "product", w, w, -1);
    const int first = net_dense(&n, "first", x, 1, 1, one, NULL);
    const int side = net_dense(&n, "side", z, 1, 1, one, NULL);
    const int open = net_word(&n, "relu", "open", first);
    net_dense(&n, "unused", open, 1, 1, one, NULL);
    const int both = net_join(&n, "add", "both", open, side);
    net_output(&n, net_dense_of(&n, "last", both, product, -1));
    ln_graph *graph = net_end(&n);
    asking own = {0};
    float got[1];
    explain(graph, &own, one, 1, one, got);
    assert_string_equal(own.asked, "first open both last ");
    ln_graph_release(graph);
}

static ln_status refuse(const ln_rule *rule, const ln_pass *pass, ln_error *error)
{
    (void)pass;
    return ln_fail(error, LN_EFAILED, "%s gave up", rule->name);
}

static void errors_name_operator_and_node(void **state)
{
    (void)state;
    net n = net_begin(&err);
    net_hand(&n);
    ln_graph *graph = net_end(&n);
    const ln_rule rule = {.name = "it", .backward = refuse};
    asking own = {.undefined = "relu", .word = "relu", .rule = &rule};
    const ln_composite composite = {.context = &own, .assign = assign};
    ln_plan_options options = {
        .rows = 1, .gradients = graph->inputs, .gradient_count = 1, .composite = &composite};
    ln_plan *plan = NULL;
    assert_fails(ln_plan_new(graph, &options, &plan, &err), LN_EUNSUPPORTED,
                 "relu 'hidden': the method has no rule for relu");
    assert_null(plan);
    assert_int_equal(graph->references, 1);
    options.gradient_count = 0; /* no backward pass, no rules */
    own.asked[0] = '\0';
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_string_equal(own.asked, "");
    ln_plan_free(plan);

    own.undefined = NULL;
    options.gradient_count = 1;
    running run = run_new(graph, &options);
    run_forward(&run, (float[]){1, 2, 3}, 1, 3);
    assert_fails(ln_exec_backward(run.exec, &err), LN_EFAILED, "relu 'hidden': it gave up");
    run_free(&run);
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- bits */

enum { WIDTH = 7, HIDDEN = 19, CLASSES = 5, ROWS = 150 };

/* 7 -> dense 19 -> relu -> residual dense 19 -> beside tanh -> dense 5 -> softmax. */
static ln_graph *wide_graph(void)
{
    ln_tensor *w[3] = {tensor_random(TEST_SHAPE(HIDDEN, WIDTH), 1),
                       tensor_random(TEST_SHAPE(HIDDEN, HIDDEN), 2),
                       tensor_random(TEST_SHAPE(CLASSES, 2 * HIDDEN), 3)};
    ln_tensor *b = tensor_random(TEST_SHAPE(HIDDEN), 4);
    for (int i = 0; i < 3; i++) /* small, so that the softmax is not saturated */
        for (int64_t j = 0; j < ln_shape_count(&w[i]->shape); j++)
            ln_f32(w[i])[j] *= 0.2f;
    net n = net_begin(&err);
    int v = net_input(&n, "x", WIDTH);
    v = net_word(&n, "relu", "r", net_dense(&n, "a", v, WIDTH, HIDDEN, ln_f32(w[0]), ln_f32(b)));
    v = net_join(&n, "add", "s", v, net_dense(&n, "c", v, HIDDEN, HIDDEN, ln_f32(w[1]), ln_f32(b)));
    v = net_join(&n, "concat", "k", v, net_word(&n, "tanh", "t", v));
    v = net_dense(&n, "l", v, 2 * HIDDEN, CLASSES, ln_f32(w[2]), NULL);
    net_output(&n, net_word(&n, "softmax", "p", v));
    for (int i = 0; i < 3; i++)
        ln_tensor_release(w[i]);
    ln_tensor_release(b);
    return net_end(&n);
}

/* ROWS rows cut into chunks, each run by whichever worker takes it. */
typedef struct cut {
    const ln_graph *graph; /* what runs */
    ln_exec *execs[8];     /* one a worker */
    int64_t chunk;         /* rows of one */
    const float *x;        /* (ROWS, WIDTH) */
    float out[ROWS * CLASSES], gradient[ROWS * WIDTH];
} cut;

static ln_status run_chunk(void *context, int64_t chunk, int worker, ln_error *error)
{
    cut *job = context;
    ln_exec *exec = job->execs[worker];
    const int in = job->graph->inputs[0], y = job->graph->outputs[0];
    const int64_t first = chunk * job->chunk;
    const int64_t rows = ROWS - first < job->chunk ? ROWS - first : job->chunk;
    memcpy(ln_exec_input(exec, 0), job->x + first * WIDTH, (size_t)(rows * WIDTH) * sizeof(float));
    ln_status status = ln_exec_forward(exec, rows, error);
    if (status)
        return status;
    memcpy(job->out + first * CLASSES, ln_exec_value(exec, y),
           (size_t)(rows * CLASSES) * sizeof(float));
    for (int64_t r = 0; r < rows; r++)
        ln_exec_seed(exec, y)[r * CLASSES + (first + r) % CLASSES] = 1;
    status = ln_exec_backward(exec, error);
    memcpy(job->gradient + first * WIDTH, ln_exec_gradient(exec, in),
           (size_t)(rows * WIDTH) * sizeof(float));
    return status;
}

/* `planned` may be more rows than a chunk has. */
static cut *run_cut(ln_graph *graph, const float *x, int64_t planned, int64_t chunk, int threads)
{
    static cut results[2]; /* the first is what the others are compared with */
    static int made;
    cut *job = &results[made > 0];
    ln_pool *pool = NULL;
    ln_plan *plan = NULL;
    made++;
    *job = (cut){.graph = graph, .chunk = chunk, .x = x};
    const ln_plan_options options = {
        .rows = planned, .gradients = graph->inputs, .gradient_count = 1};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_pool_new(threads, &pool, &err));
    for (int i = 0; i < threads; i++)
        assert_ok(ln_exec_new(plan, &job->execs[i], &err));
    assert_ok(ln_parallel(pool, (ROWS + chunk - 1) / chunk, run_chunk, job, NULL, NULL, &err));
    for (int i = 0; i < threads; i++)
        ln_exec_free(job->execs[i]);
    ln_pool_free(pool);
    ln_plan_free(plan);
    return job;
}

static void bits_depend_on_neither_threads_nor_chunks(void **state)
{
    (void)state;
    static const int64_t chunks[] = {1, 2, 3, 7, 16, 17, 63, 64, 65, 149, 150};
    static const int threads[] = {1, 2, 5};
    ln_graph *graph = wide_graph();
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 9);
    const cut *first = run_cut(graph, ln_f32(x), 64, 64, 1);
    for (int i = 0; i < ROWS; i++) { /* there is something to compare */
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += (double)first->out[i * CLASSES + c];
        assert_near_f64(&sum, &(double){1}, 1, 1e-6, 0);
        assert_true(first->gradient[i * WIDTH] != 0);
    }
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++)
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
            for (int64_t more = 0; more < 30; more += 29) { /* passes of fewer rows than planned */
                const cut *other =
                    run_cut(graph, ln_f32(x), chunks[c] + more, chunks[c], threads[t]);
                assert_same_bits(other->out, first->out, sizeof first->out);
                assert_same_bits(other->gradient, first->gradient, sizeof first->gradient);
            }
    ln_tensor_release(x);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_stands_in_for_the_gradient),
        cmocka_unit_test(relevance_by_the_layers_own_product),
        cmocka_unit_test(a_rule_with_other_weights),
        cmocka_unit_test(a_rule_for_a_join_of_one_value),
        cmocka_unit_test(sums_of_many_readers_lose_nothing),
        cmocka_unit_test(nodes_that_are_asked_for),
        cmocka_unit_test(errors_name_operator_and_node),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_chunks),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
