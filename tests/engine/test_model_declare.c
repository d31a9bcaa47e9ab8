/* Declaring networks: names, initial values, branches, and what errors say. */
#include "model_support.h"

#include "base/rng.h"

static void begin(ln_declaration *declaration, uint64_t seed)
{
    ln_error err;
    const ln_shape input = TEST_SHAPE(6);
    assert_ok(ln_declare_begin(&input, seed, declaration, &err));
}

static ln_status dense(ln_declaration *declaration, int64_t units, const char *name, ln_error *err)
{
    const ln_dense_attributes attributes = {.units = units, .bias = true};
    return ln_declare_layer(declaration, ln_layer_find("dense"), &attributes, name, err);
}

static void names_and_shapes(void **state)
{
    (void)state;
    ln_error err;
    ln_declaration declaration;
    begin(&declaration, 1);
    assert_ok(dense(&declaration, 8, NULL, &err));
    declare_word(&declaration, "relu");
    assert_ok(dense(&declaration, 3, "head", &err));
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    const ln_graph *graph = model->graph;
    assert_null(declaration.graph);
    assert_int_equal(graph->node_count, 3);
    assert_string_equal(graph->nodes[0].name, "dense_0");
    assert_string_equal(graph->nodes[1].name, "relu_1");
    assert_string_equal(graph->nodes[2].name, "head");
    assert_string_equal(graph->nodes[2].operator_name, "dense");
    assert_string_equal(graph->values[graph->inputs[0]].name, "input");
    const struct {
        const char *name;
        ln_shape shape;
    } constants[] = {{"dense_0.weight", TEST_SHAPE(8, 6)},
                     {"dense_0.bias", TEST_SHAPE(8)},
                     {"head.weight", TEST_SHAPE(3, 8)},
                     {"head.bias", TEST_SHAPE(3)}};
    for (int i = 0; i < 4; i++) {
        int id = ln_graph_find_value(graph, constants[i].name);
        assert_true(id >= 0);
        assert_true(graph->values[id].trainable);
        assert_true(ln_shape_equal(&graph->values[id].shape, &constants[i].shape));
    }
    /* A layer's number, as `layer =` reads it, is the one in its name. */
    int value = -1;
    assert_ok(ln_graph_find_layer(graph, "1", &value, &err));
    assert_int_equal(value, graph->nodes[1].outputs[0]);
    ln_model_release(model);
}

/* Uniform in +-1/sqrt(inputs), by the seed and the parameter's number. */
static void initial_values(void **state)
{
    (void)state;
    ln_error err;
    ln_declaration declaration;
    static const char *const names[] = {"dense_0.weight", "dense_0.bias", "dense_1.weight",
                                        "dense_1.bias"};
    static const int64_t counts[] = {16 * 6, 16, 4 * 16, 4};
    static const double inputs[] = {6, 6, 16, 16};
    begin(&declaration, 42);
    assert_ok(dense(&declaration, 16, NULL, &err));
    assert_ok(dense(&declaration, 4, NULL, &err));
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    for (int p = 0; p < 4; p++) {
        ln_rng rng = ln_rng_make(42, "initialise", (uint64_t)p, 0);
        const float *got = constant_of(model, names[p]);
        float wanted[96], least = 1, most = -1;
        for (int64_t i = 0; i < counts[p]; i++) {
            wanted[i] = (float)((2 * ln_rng_uniform(&rng) - 1) / sqrt(inputs[p]));
            least = fminf(least, got[i]);
            most = fmaxf(most, got[i]);
        }
        assert_near_f32(got, wanted, (size_t)counts[p], 0, 1e-6);
        if (counts[p] > 50) { /* the range is filled, and not left */
            assert_true(least > -1 / sqrt(inputs[p]) && least < -0.9 / sqrt(inputs[p]));
            assert_true(most < 1 / sqrt(inputs[p]) && most > 0.9 / sqrt(inputs[p]));
        }
    }
    ln_model_release(model);
}

/* y = x + relu(dense x), then concat of dense 2 and the value itself: 2 + 6 numbers. */
static void branches_join(void **state)
{
    (void)state;
    ln_error err;
    ln_declaration declaration;
    begin(&declaration, 3);
    int ends[2] = {declaration.value, -1};
    assert_ok(dense(&declaration, 6, NULL, &err));
    declare_word(&declaration, "relu");
    ends[1] = declaration.value;
    assert_ok(ln_declare_join(&declaration, "add", ends, 2, &err));
    const int joined = declaration.value;
    assert_ok(dense(&declaration, 2, NULL, &err));
    assert_ok(ln_declare_join(&declaration, "concat", (int[]){declaration.value, joined}, 2, &err));
    /* One branch alone joins nothing. */
    const int before = declaration.value;
    assert_ok(ln_declare_join(&declaration, "concat", &before, 1, &err));
    assert_int_equal(declaration.value, before);
    ln_model *model = model_of(&declaration, LN_TASK_REGRESSION);
    assert_string_equal(model->graph->nodes[2].name, "add_2");
    assert_string_equal(model->graph->nodes[4].name, "concat_4");
    assert_int_equal(model->graph->node_count, 5);
    assert_int_equal(model->output_count, 8);

    ln_tensor *x = tensor_random(TEST_SHAPE(1, 6), 1), *y = NULL;
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &y, &err));
    float wanted[8] = {0};
    const float *w0 = constant_of(model, "dense_0.weight"),
                *b0 = constant_of(model, "dense_0.bias");
    const float *w3 = constant_of(model, "dense_3.weight"),
                *b3 = constant_of(model, "dense_3.bias");
    for (int o = 0; o < 6; o++) {
        double h = (double)b0[o];
        for (int k = 0; k < 6; k++)
            h += (double)w0[6 * o + k] * (double)ln_f32(x)[k];
        wanted[2 + o] = (float)((double)ln_f32(x)[o] + fmax(h, 0));
    }
    for (int o = 0; o < 2; o++) {
        double h = (double)b3[o];
        for (int k = 0; k < 6; k++)
            h += (double)w3[6 * o + k] * (double)wanted[2 + k];
        wanted[o] = (float)h;
    }
    assert_near_f32(ln_f32(y), wanted, 8, 1e-6, 1e-6);
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_model_release(model);
}

static void joins_that_do_not_fit(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_declaration declaration;
    begin(&declaration, 0);
    int input = declaration.value;
    assert_ok(dense(&declaration, 4, NULL, &err));
    int four = declaration.value;
    assert_fails(ln_declare_join(&declaration, "add", (int[]){input, four}, 2, &err), LN_EINVALID,
                 "layer 1 (add): the branches make (N, 6) and (N, 4)");
    declaration.value = input;
    assert_ok(dense(&declaration, 1, NULL, &err));
    /* numpy would broadcast it */
    assert_fails(ln_declare_join(&declaration, "add", (int[]){input, declaration.value}, 2, &err),
                 LN_EINVALID, "(N, 6) and (N, 1): to be added");
    declaration.value = input;
    const ln_reshape_attributes pairs = {.shape = {2, {3, 2}}}, triples = {.shape = {2, {2, 3}}};
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("reshape"), &pairs, NULL, &err));
    int three = declaration.value;
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("reshape"), &triples, NULL, &err));
    assert_fails(
        ln_declare_join(&declaration, "concat", (int[]){three, declaration.value}, 2, &err),
        LN_EINVALID, "(N, 3, 2) and (N, 2, 3): to be concatenated");
    assert_fails(ln_declare_join(&declaration, "concat", (int[]){three, input}, 2, &err),
                 LN_EINVALID, "(N, 3, 2) and (N, 6)");
    assert_fails(ln_declare_join(&declaration, "contact", (int[]){input, input}, 2, &err),
                 LN_EINVALID, "'contact'");
    assert_string_equal(err.hint, "did you mean 'concat'?");
    assert_fails(ln_declare_join(&declaration, "add", NULL, 0, &err), LN_EINVALID, "no branches");
    ln_declare_abandon(&declaration);
    ln_declare_abandon(&declaration);
}

static void errors_name_the_layer(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_declaration declaration;
    char name[200];
    const ln_reshape_attributes shape = {.shape = {2, {4, 5}}};
    begin(&declaration, 0);
    assert_ok(dense(&declaration, 8, "fc", &err));
    assert_fails(ln_declare_layer(&declaration, ln_layer_find("reshape"), &shape, NULL, &err),
                 LN_EINVALID, "layer 1 (reshape): ");
    assert_null(strstr(err.message, "reshape_1"));
    assert_fails(dense(&declaration, 8, "fc", &err), LN_EINVALID,
                 "layer 1 (dense): another layer is named 'fc'");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_fails(dense(&declaration, 8, name, &err), LN_EINVALID, "199 bytes: at most 120");
    assert_fails(ln_declare_layer(&declaration, ln_layer_find("class_loss"), NULL, NULL, &err),
                 LN_EINVALID, "cannot stand alone");
    /* A failed layer leaves no trace but is as if it had not been asked for. */
    assert_ok(dense(&declaration, 2, NULL, &err));
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    assert_string_equal(model->graph->nodes[1].name, "dense_1");
    ln_model_release(model);

    ln_graph *graph = NULL;
    const ln_shape scalar = {0}, deep = {.rank = LN_MAX_RANK}, empty = TEST_SHAPE(3, 0);
    begin(&declaration, 0);
    assert_fails(ln_declare_finish(&declaration, &graph, &err), LN_EINVALID, "no layers");
    assert_null(declaration.graph);
    assert_fails(ln_declare_begin(&scalar, 0, &declaration, &err), LN_EINVALID, "1 to 7 axes");
    assert_fails(ln_declare_begin(&deep, 0, &declaration, &err), LN_EINVALID, "1 to 7 axes");
    assert_fails(ln_declare_begin(&empty, 0, &declaration, &err), LN_EUNSUPPORTED, "(N, 3, 0)");
}

static ln_status declare_whole(void *context, ln_error *err)
{
    (void)context;
    ln_declaration declaration = {0};
    ln_graph *graph = NULL;
    const ln_shape input = TEST_SHAPE(3);
    int ends[2];
    ln_status status = ln_declare_begin(&input, 1, &declaration, err);
    ends[0] = declaration.value;
    if (!status)
        status = dense(&declaration, 3, "fc", err);
    if (!status)
        status = ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, err);
    ends[1] = declaration.value;
    if (!status)
        status = ln_declare_join(&declaration, "concat", ends, 2, err);
    if (!status)
        status = ln_declare_finish(&declaration, &graph, err);
    ln_declare_abandon(&declaration);
    ln_graph_release(graph);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    sweep_allocation_failures(declare_whole, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(branches_join),
        cmocka_unit_test(joins_that_do_not_fit),
        cmocka_unit_test(errors_name_the_layer),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
