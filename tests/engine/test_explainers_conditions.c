/* What conditions decide: DeepLIFT through comparisons, logic, casts and choices, through products of more than
 * two values and through masks that are infinite; LRP beside values that hand nothing on. */
#include "contrasting.h"

#include "explainers/common/relevance.h"

/* ---------------------------------------------------------------- graphs */

/* Column `at` of x (N, columns), as (N, 1). */
static int column(ln_graph *graph, int x, int64_t at)
{
    const ln_slice_attributes own = {
        .starts = {1, {at}}, .ends = {1, {at + 1}}, .axes = {1, {1}}, .steps = {1, {1}}};
    return add_node(graph, "slice", &own, x, -1);
}

static int cast(ln_graph *graph, int x, int to)
{
    const ln_cast_attributes own = {.to = to};
    return add_node(graph, "cast", &own, x, -1);
}

static int constant(ln_graph *graph, const char *name, ln_shape shape, const float *numbers)
{
    ln_tensor *tensor = tensor_f32(shape, numbers);
    int value;
    assert_ok(ln_graph_add_constant(graph, name, tensor, false, &value, &err));
    ln_tensor_release(tensor);
    return value;
}

static void check(ln_model *model, const float *x, const float *base, const float *wanted)
{
    check_one("deeplift", "", model, LN_LINK_RAW, x, 0, base, wanted, 1e-6);
}

/* ---------------------------------------------------------------- by hand */

/* x0 > x1 ? x2 : x3 from (0, 2, 1, 4) to (3, 1, 5, 7): the condition turns over, its difference goes from -2 to 2.
 * It brings (5 + 1) / 2 - (7 + 4) / 2 = -5/2, a fourth of it a step of the difference, which x0 moves by 3 and x1
 * by 1; either branch brings half of its change. From (2, 0, ...) the condition stays. */
static void a_condition_has_its_share(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool turned; /* the values change places */
    } cases[] = {
        {"greater", false}, {"greater_or_equal", false}, {"less", true}, {"less_or_equal", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 4), &x);
        const int first = column(graph, x, cases[i].turned), yes = column(graph, x, 2);
        const int second = column(graph, x, !cases[i].turned), no = column(graph, x, 3);
        const int condition = add_node(graph, cases[i].word, NULL, first, second);
        ln_model *model = finish(graph, add_node_of(graph, "where", NULL, condition, yes, no));
        const float row[] = {3, 1, 5, 7};
        check(model, row, (float[]){0, 2, 1, 4}, (float[]){-1.875F, -0.625F, 2, 1.5F});
        check(model, row, (float[]){2, 0, 1, 4}, (float[]){0, 0, 4, 0});
        check(model, (float[]){0, 2, 1, 4}, (float[]){0, 3, 5, 6}, (float[]){0, 0, 0, -2});
        ln_model_release(model);
    }
}

/* x0 == x1 ? 1 : 0 from (1, 3) to (2, 2): the difference goes from -2 to 0, half of it by each. */
static void equality_by_hand(void **state)
{
    (void)state;
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
    const int same = add_node(graph, "equal", NULL, column(graph, x, 0), column(graph, x, 1));
    ln_model *model = finish(graph, cast(graph, same, LN_CAST_F32));
    check(model, (float[]){2, 2}, (float[]){1, 3}, (float[]){0.5F, 0.5F});
    check(model, (float[]){2, 1}, (float[]){1, 3}, (float[]){0, 0});
    ln_model_release(model);
}

/* Two conditions x0 > 0, x1 > 0 joined: from both shut to both open "and" and "or" have half of 1 each; exclusive,
 * they cancel. From one open: "or" stays, exclusive it shuts. */
static void logic_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        float open[2], one[2]; /* from (-1, -1) and from (1, -3) to (3, 1) */
    } cases[] = {{"logical_and", {0.5F, 0.5F}, {0, 1}},
                 {"logical_or", {0.5F, 0.5F}, {0, 0}},
                 {"logical_xor", {0, 0}, {0, -1}}};
    const float zero = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int turned = 0; turned < 2; turned++) {
            int x;
            ln_graph *graph = new_graph(TEST_SHAPE(-1, 2), &x);
            const int level = constant(graph, "level", TEST_SHAPE(1), &zero);
            const int a = add_node(graph, "greater", NULL, column(graph, x, 0), level);
            const int b = add_node(graph, "greater", NULL, column(graph, x, 1), level);
            int joined = add_node(graph, cases[i].word, NULL, a, b);
            joined = turned ? add_node(graph, "not", NULL, joined, -1) : joined;
            ln_model *model = finish(graph, cast(graph, joined, LN_CAST_F32));
            const float sign = turned ? -1 : 1;
            check(model, (float[]){3, 1}, (float[]){-1, -1},
                  (float[]){sign * cases[i].open[0], sign * cases[i].open[1]});
            check(model, (float[]){3, 1}, (float[]){1, -3},
                  (float[]){sign * cases[i].one[0], sign * cases[i].one[1]});
            ln_model_release(model);
        }
}

/* As whole numbers 2.75 is 2 and -1.5 is -1; x0 as bfloat16 is itself where it is 1 or 0.5. */
static void casts_by_hand(void **state)
{
    (void)state;
    for (int real = 0; real < 2; real++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
        const int to = cast(graph, x, real ? LN_CAST_BF16 : LN_CAST_I64);
        ln_model *model = finish(graph, cast(graph, to, LN_CAST_F32));
        check(model, real ? (float[]){1} : (float[]){2.75F},
              real ? (float[]){0.5F} : (float[]){-1.5F}, real ? (float[]){0.5F} : (float[]){3});
        check(model, (float[]){0.75F}, (float[]){0.75F}, (float[]){0});
        ln_model_release(model);
    }
}

/* x (x > 0), from -1 to 3: x has (3 + 1) (0 + 1) / 2, the mask (1 - 0) (3 - 1) / 2, both are x's. */
static void a_mask_times_its_value(void **state)
{
    (void)state;
    int x;
    const float zero = 0;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
    const int level = constant(graph, "level", TEST_SHAPE(1), &zero);
    const int mask = cast(graph, add_node(graph, "greater", NULL, x, level), LN_CAST_F32);
    ln_model *model = finish(graph, add_node(graph, "mul", NULL, x, mask));
    check(model, (float[]){3}, (float[]){-1}, (float[]){3});
    /* All relevance stays with the value that the mask lets through. */
    check_one("lrp", "", model, LN_LINK_RAW, (float[]){3}, 0, NULL, (float[]){3}, 1e-6);
    ln_model_release(model);
}

/* 2 * 3 * 4 from 1 * 1 * 1: 23 by the Shapley values, which enumeration of the six orders gives; and with a factor that
 * is 0 at one end. Einsum of three values is the same product. */
static void products_of_three_by_hand(void **state)
{
    (void)state;
    const ln_reduce_attributes along = {.operation = LN_REDUCE_prod, .keepdims = true};
    const ln_einsum_attributes own = {.of = {{1, {0}}, {1, {0}}, {1, {0}}}, .result = {1, {0}}};
    for (int summed = 0; summed < 2; summed++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 3), &x);
        const int product = summed ? add_node_of(graph, "einsum", &own, column(graph, x, 0),
                                                 column(graph, x, 1), column(graph, x, 2))
                                   : add_node(graph, "reduce", &along, x, -1);
        ln_model *model = finish(graph, product);
        check(model, (float[]){2, 3, 4}, (float[]){1, 1, 1}, (float[]){5.5F, 8, 9.5F});
        check(model, (float[]){2, 3, 4}, (float[]){0, 3, 4}, (float[]){24, 0, 0});
        check(model, (float[]){2, 3, 4}, NULL, (float[]){8, 8, 8});
        ln_model_release(model);
    }
}

/* The same as files spell it: rows of a constant by ids that a cast makes. */
static ln_model *gathering_model(const float *table, const float *weights)
{
    const ln_axis_attributes first = {.axis = 1};
    const ln_reshape_attributes flat = {.shape = {1, {2}}};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
    const int rows = constant(graph, "table", TEST_SHAPE(3, 2), table);
    const int found = add_node(graph, "gather", &first, rows, cast(graph, x, LN_CAST_I64));
    return finish(graph,
                  add_dense(graph, add_node(graph, "reshape", &flat, found, -1), 9, 2, 1, weights));
}

/* Rows (1, -2), (0.5, 3), (-1, 0.25) of an embedding times (1, 2): -3, 6.5 and -0.5. The change is the id's, and so is
 * all relevance. */
static void an_id_has_what_its_row_brings(void **state)
{
    (void)state;
    const ln_embedding_attributes rows = {.num_embeddings = 3, .embedding_dim = 2};
    const float table[] = {1, -2, 0.5F, 3, -1, 0.25F}, weights[] = {1, 2, 0};
    const ln_reshape_attributes flat = {.shape = {1, {2}}};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 1), &x);
    const int found =
        add_node(graph, "embedding", &rows, x, constant(graph, "table", TEST_SHAPE(3, 2), table));
    const int row = add_node(graph, "reshape", &flat, found, -1);
    ln_model *model = finish(graph, add_dense(graph, row, 9, 2, 1, weights));
    check(model, (float[]){2}, (float[]){0}, (float[]){2.5F});
    check(model, (float[]){0}, (float[]){1}, (float[]){-9.5F});
    check(model, (float[]){1}, (float[]){1}, (float[]){0});
    ln_model *gathering = gathering_model(table, weights);
    check(gathering, (float[]){2.25F}, (float[]){0.75F}, (float[]){2.5F});
    check(gathering, (float[]){0.5F}, (float[]){1.5F}, (float[]){-9.5F});
    check(gathering, (float[]){1.75F}, (float[]){1.25F}, (float[]){0});
    ln_model_release(gathering);
    static const char *const words[] = {"lrp", "deep_taylor", "excitation_backprop"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        check_one(words[i], "", model, LN_LINK_RAW, (float[]){1}, 0, NULL,
                  (float[]){i < 2 ? 6.5F : 1}, 1e-5);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- what is infinite */

/* softmax of x whose third element a mask takes away, spelt as a choice or as a sum: that of the other two. */
static void masked_elements_have_no_part(void **state)
{
    (void)state;
    const ln_axis_attributes last = {.axis = -1};
    const float shut[] = {0, 0, -INFINITY}, row[] = {1, -0.5F, 2}, base[] = {0.25F, 0, -1};
    float wanted[3] = {0};
    for (int spelt = 0; spelt < 3; spelt++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, spelt ? 3 : 2), &x);
        int scores = x;
        if (spelt > 0) {
            const int mask = constant(graph, "mask", TEST_SHAPE(3), shut);
            const int open = spelt == 1 ? cast(graph, mask, LN_CAST_BOOL) : -1;
            scores = spelt == 1 ? add_node_of(graph, "where", NULL, open, mask, x)
                                : add_node(graph, "add", NULL, x, mask);
        }
        ln_model *model = finish(graph, add_node(graph, "softmax", &last, scores, -1));
        ln_tensor *given = tensor_f32(TEST_SHAPE(1, model->width), row);
        ln_tensor *from = tensor_f32(TEST_SHAPE(1, model->width), base);
        const ln_item item = {0, 0};
        ln_explanation got = explain(
            "deeplift", "",
            (ln_request){
                .model = model, .x = given, .items = &item, .item_count = 1, .baseline = from},
            NULL);
        if (spelt == 0)
            memcpy(wanted, got.values, 2 * sizeof *wanted);
        assert_true(wanted[0] != 0 && wanted[1] != 0);
        assert_near_f32(got.values, wanted, model->width, 1e-7, 1e-6);
        ln_explanation_free(&got);
        ln_tensor_release(given);
        ln_tensor_release(from);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- whole networks */

/* Gates by comparisons with constants and with each other, joined, broadcast, moved and counted; a product along an
 * axis. */
static ln_model *conditional_model(void)
{
    const ln_reshape_attributes square = {.shape = {2, {3, 2}}}, flat = {.shape = {1, {6}}};
    const ln_transpose_attributes turned = {.order = {3, {0, 2, 1}}};
    const ln_reduce_attributes along = {
        .operation = LN_REDUCE_prod, .axes = {1, {2}}, .keepdims = true};
    const ln_reduce_attributes mean = {
        .operation = LN_REDUCE_mean, .axes = {1, {1}}, .keepdims = true};
    const float quarter = 0.25F;
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 6), &x);
    const int level = constant(graph, "level", TEST_SHAPE(1), &quarter);
    const int a = dense(graph, x, 6, 1),
              b = add_node(graph, "tanh", NULL, dense(graph, x, 6, 2), -1);
    const int over = add_node(graph, "greater", NULL, a, b);
    const int under = add_node(graph, "less", NULL, dense(graph, x, 1, 3), level); /* (N, 1) */
    const int either = add_node(graph, "logical_or", NULL, over, under);
    const int chosen = add_node_of(graph, "where", NULL, either, a, b);
    const int mask = cast(graph, add_node(graph, "greater_or_equal", NULL, b, level), LN_CAST_F32);
    const int counted = add_node(graph, "reduce", &mean, mask, -1);
    const int gated =
        add_node(graph, "mul", NULL, chosen, add_node(graph, "add", NULL, mask, counted));
    const int moved =
        add_node(graph, "transpose", &turned, add_node(graph, "reshape", &square, over, -1), -1);
    const int back = add_node(graph, "reshape", &flat, moved, -1);
    const int both = add_node_of(graph, "where", NULL, back, gated, level);
    const int products =
        add_node(graph, "reduce", &along, add_node(graph, "reshape", &square, b, -1), -1);
    const int widened =
        add_node(graph, "mul", NULL, products, add_node(graph, "reshape", &square, both, -1));
    const int sum =
        add_node(graph, "add", NULL, gated, add_node(graph, "reshape", &flat, widened, -1));
    return finish(graph, dense(graph, sum, 3, 4));
}

static void conditions_are_complete(void **state)
{
    (void)state;
    ln_model *model = conditional_model();
    ln_tensor *background = tensor_random(TEST_SHAPE(70, 6), 23);
    for (int r = 0; r < 2; r++) {
        check_complete(model, "deeplift", r ? REVEAL : "", NULL);
        check_complete(model, "deeplift_shap", r ? REVEAL : "", background);
    }
    ln_tensor_release(background);
    ln_model_release(model);
}

static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    ln_model *model = conditional_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(50, 6), 41),
              *base = tensor_random(TEST_SHAPE(50, 6), 42);
    ln_item items[50];
    for (int n = 0; n < 50; n++)
        items[n] = (ln_item){n, n % 3};
    for (int r = 0; r < 2; r++) {
        ln_request request = {
            .model = model, .x = x, .items = items, .item_count = 50, .baseline = base};
        ln_explanation all = explain("deeplift", r ? REVEAL : "", request, NULL);
        request.items = &items[33];
        request.item_count = 1;
        ln_explanation one = explain("deeplift", r ? REVEAL : "", request, NULL);
        assert_same_bits(one.values, all.values + (ptrdiff_t)33 * 6, 6 * sizeof(float));
        ln_explanation_free(&all);
        ln_explanation_free(&one);
    }
    ln_tensor_release(x);
    ln_tensor_release(base);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- what has no rule */

/* Indices that depend on the inputs: what a gather by them brings is nobody's, and so it is refused. */
static void indices_are_refused(void **state)
{
    (void)state;
    const ln_argument_attributes greatest = {.axis = 1, .keepdims = true};
    const ln_axis_attributes first = {.axis = 1};
    for (int casted = 0; casted < 2; casted++) {
        int x;
        ln_graph *graph = new_graph(TEST_SHAPE(-1, 4), &x);
        const int index = casted ? cast(graph, column(graph, x, 0), LN_CAST_I64)
                                 : add_node(graph, "argument", &greatest, x, -1);
        ln_model *model = finish(graph, add_node(graph, "gather_elements", &first, x, index));
        assert_fails(try("deeplift", model, NULL), LN_EUNSUPPORTED,
                     casted ? "gather_elements 'gather_elements.2': deeplift has no rule for a "
                              "layer (gather_elements) of indices that depend on the network's "
                              "inputs"
                            : "argument 'argument.0': deeplift has no rule for this layer "
                              "(argument)");
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- relevance */

/* What lrp gives the inputs and what it says is absorbed are the output together, by each of its rules. */
static void check_absorbed(ln_model *model, bool all)
{
    ln_tensor *given = tensor_random(TEST_SHAPE(9, 3), 5);
    ln_item items[9];
    for (int n = 0; n < 9; n++)
        items[n] = (ln_item){n, n % 2};
    static const char *const rules[] = {"", "rule=\"z_plus\"", "rule=\"w_square\""};
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        ln_explanation got = explain(
            "lrp", rules[r],
            (ln_request){.model = model, .x = given, .items = items, .item_count = 9}, NULL);
        for (int n = 0; n < 9; n++) {
            double sum = got.absorbed[n], size = fabs(got.output[n]);
            for (int i = 0; i < 3; i++) {
                sum += (double)got.values[n * 3 + i];
                size += fabs((double)got.values[n * 3 + i]);
            }
            assert_true(size > 0);
            assert_true(fabs(sum - got.output[n]) <= 1e-5 * size);
            if (all)
                assert_true(size == fabs(got.output[n])); /* the inputs have nothing */
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(given);
    ln_model_release(model);
}

/* A row of two numbers that an embedding has for a whole number that depends on the input. */
static int looked_up(ln_graph *graph, int x)
{
    static const float table[] = {1, -2, 0.5F, 3, -1, 0.25F};
    const ln_embedding_attributes rows = {.num_embeddings = 3, .embedding_dim = 2};
    const ln_reshape_attributes flat = {.shape = {1, {2}}};
    const int index =
        cast(graph, add_node(graph, "abs", NULL, column(graph, x, 0), -1), LN_CAST_I64);
    const int found = add_node(graph, "embedding", &rows, index,
                               constant(graph, "table", TEST_SHAPE(3, 2), table));
    return add_node(graph, "reshape", &flat, found, -1);
}

/* Beside a dense layer's values stand an embedding's: nothing goes through that, and what its row gets is absorbed. */
static void an_embedding_absorbs_what_it_gets(void **state)
{
    (void)state;
    const ln_axis_attributes side = {.axis = 1};
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 3), &x);
    const int values = add_node(graph, "relu", NULL, dense(graph, x, 4, 1), -1);
    const int joined = add_node(graph, "concat", &side, values, looked_up(graph, x));
    check_absorbed(finish(graph, dense(graph, joined, 2, 2)), false);
}

/* The same with nothing beside it: all of the output is absorbed. */
static void what_depends_on_ids_alone_is_absorbed(void **state)
{
    (void)state;
    int x;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 3), &x);
    check_absorbed(finish(graph, dense(graph, looked_up(graph, x), 2, 2)), true);
}

/* 2 a + b of the two greatest, a and b, of (3, -1, 5, 2): who was chosen has all of it. What would have been chosen
 * at a baseline no rule of deeplift says. */
static void an_order_gives_all_to_its_choice(void **state)
{
    (void)state;
    const ln_topk_attributes two = {.k = 2, .axis = 1};
    const float weights[] = {2, 1, 0};
    const char *names[] = {"values", "places"};
    int x, node;
    ln_graph *graph = new_graph(TEST_SHAPE(-1, 4), &x);
    assert_ok(ln_graph_add_node(graph, ln_layer_find("topk"), "TopK", "order", &two, &x, 1, names,
                                2, &node, &err));
    const int values = graph->nodes[node].outputs[0];
    ln_model *model = finish(graph, add_dense(graph, values, 9, 2, 1, weights));
    check_one("lrp", "", model, LN_LINK_RAW, (float[]){3, -1, 5, 2}, 0, NULL,
              (float[]){3, 0, 10, 0}, 1e-5);
    check_one("excitation_backprop", "", model, LN_LINK_RAW, (float[]){3, -1, 5, 2}, 0, NULL,
              (float[]){3 / 13.0F, 0, 10 / 13.0F, 0}, 1e-5);
    assert_fails(try("deeplift", model, NULL), LN_EUNSUPPORTED,
                 "TopK 'order': deeplift has no rule for this layer (topk)");
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_has_its_share),
        cmocka_unit_test(equality_by_hand),
        cmocka_unit_test(logic_by_hand),
        cmocka_unit_test(casts_by_hand),
        cmocka_unit_test(a_mask_times_its_value),
        cmocka_unit_test(products_of_three_by_hand),
        cmocka_unit_test(an_id_has_what_its_row_brings),
        cmocka_unit_test(masked_elements_have_no_part),
        cmocka_unit_test(conditions_are_complete),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(indices_are_refused),
        cmocka_unit_test(an_order_gives_all_to_its_choice),
        cmocka_unit_test(an_embedding_absorbs_what_it_gets),
        cmocka_unit_test(what_depends_on_ids_alone_is_absorbed),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
