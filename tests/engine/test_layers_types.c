/* layers: whole numbers and truth values, as files compute their shapes and conditions with. Each case
 * is a small one computed by hand. */
#include "layers_support.h"

enum { MOST = 12 };

/* A value as whole numbers: its type, the shape of a row or of a constant, its numbers. */
typedef struct typed {
    ln_dtype dtype;
    ln_shape shape;
    double numbers[MOST];
} typed;

static void fill(void *to, ln_dtype dtype, const double *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        switch (dtype) {
        case LN_F32:
            ((float *)to)[i] = (float)from[i];
            break;
        case LN_I64:
            ((int64_t *)to)[i] = (int64_t)from[i];
            break;
        case LN_I32:
            ((int32_t *)to)[i] = (int32_t)from[i];
            break;
        default:
            ((uint8_t *)to)[i] = (uint8_t)from[i];
        }
}

static double number_at(const void *from, ln_dtype dtype, int64_t i)
{
    switch (dtype) {
    case LN_F32:
        return (double)((const float *)from)[i];
    case LN_I64:
        return (double)((const int64_t *)from)[i];
    case LN_I32:
        return ((const int32_t *)from)[i];
    default:
        return ((const uint8_t *)from)[i];
    }
}

static ln_shape rows_of(const ln_shape *row)
{
    ln_shape shape = {.rank = row->rank + 1, .dims = {-1}};
    memcpy(shape.dims + 1, row->dims, (size_t)row->rank * sizeof(int64_t));
    return shape;
}

/* One row through the layer; the first `live` inputs are rows, the others constants. */
static void check_types(const char *word, const void *attributes, int live, int count,
                        const typed *in, const typed *wanted)
{
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    int values[4], node;
    const char *result = "y";
    char name[8];
    print_message("%s\n", word);
    assert_ok(ln_graph_new(&graph, &err));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "x%d", i);
        const ln_shape shape = rows_of(&in[i].shape);
        if (i < live) {
            assert_ok(ln_graph_add_input(graph, name, in[i].dtype, &shape, &values[i], &err));
            continue;
        }
        ln_tensor *constant = tensor_zero(in[i].dtype, in[i].shape);
        fill(constant->data, in[i].dtype, in[i].numbers, ln_shape_count(&in[i].shape));
        assert_ok(ln_graph_add_constant(graph, name, constant, true, &values[i], &err));
        ln_tensor_release(constant);
    }
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, "node", attributes, values, count,
                                &result, 1, &node, &err));
    const int y = graph->nodes[node].outputs[0];
    assert_ok(ln_graph_add_output(graph, y, &err));
    const ln_shape shape = live ? rows_of(&wanted->shape) : wanted->shape;
    assert_true(ln_shape_equal(&graph->values[y].shape, &shape));
    assert_int_equal(graph->values[y].dtype, wanted->dtype);
    const ln_plan_options options = {.rows = 1};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    for (int i = 0; i < live; i++)
        fill(ln_exec_input(exec, i), in[i].dtype, in[i].numbers, ln_shape_count(&in[i].shape));
    assert_ok(ln_exec_forward(exec, 1, &err));
    for (int64_t i = 0; i < ln_shape_count(&wanted->shape); i++) {
        const double got = number_at(ln_exec_value(exec, y), wanted->dtype, i);
        const double number = wanted->numbers[i];
        if (isnan(number) ? !isnan(got) : got != number)
            fail_msg("%s: element %d is %g, not %g", word, (int)i, got, number);
    }
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
}

#define VALUE(type, dims, ...)                                                                     \
    {                                                                                              \
        type, dims,                                                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define VECTOR(n)                                                                                  \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }

/* Two vectors of four, live, then as constants, and what comes out. */
static void check_pair(const char *word, ln_dtype type, const double *a, const double *b,
                       ln_dtype result, const double *y)
{
    typed in[2] = {{type, VECTOR(4), {0}}, {type, VECTOR(4), {0}}}, out = {result, VECTOR(4), {0}};
    memcpy(in[0].numbers, a, 4 * sizeof *a);
    memcpy(in[1].numbers, b, 4 * sizeof *b);
    memcpy(out.numbers, y, 4 * sizeof *y);
    for (int live = 0; live <= 2; live++)
        check_types(word, NULL, live, 2, in, &out);
}
#define FOUR(...) ((const double[4]){__VA_ARGS__})

static void comparisons_of_all_types(void **state)
{
    static const ln_dtype types[] = {LN_F32, LN_I64, LN_I32};
    (void)state;
    for (int i = 0; i < 3; i++) {
        const double *a = FOUR(1, 2, -3, 4), *b = FOUR(1, 3, -4, 4);
        check_pair("equal", types[i], a, b, LN_BOOL, FOUR(1, 0, 0, 1));
        check_pair("less", types[i], a, b, LN_BOOL, FOUR(0, 1, 0, 0));
        check_pair("less_or_equal", types[i], a, b, LN_BOOL, FOUR(1, 1, 0, 1));
        check_pair("greater", types[i], a, b, LN_BOOL, FOUR(0, 0, 1, 0));
        check_pair("greater_or_equal", types[i], a, b, LN_BOOL, FOUR(1, 0, 1, 1));
    }
    check_pair("less", LN_F32, FOUR(NAN, NAN, 0, -INFINITY), FOUR(NAN, 1, NAN, INFINITY), LN_BOOL,
               FOUR(0, 0, 0, 1));
    check_pair("equal", LN_F32, FOUR(NAN, 0, INFINITY, 1), FOUR(NAN, -0.0, INFINITY, 2), LN_BOOL,
               FOUR(0, 1, 1, 0));
}

static void truth_and_bits(void **state)
{
    (void)state;
    check_pair("logical_and", LN_BOOL, FOUR(0, 0, 1, 1), FOUR(0, 1, 0, 1), LN_BOOL,
               FOUR(0, 0, 0, 1));
    check_pair("logical_or", LN_BOOL, FOUR(0, 0, 1, 1), FOUR(0, 1, 0, 1), LN_BOOL,
               FOUR(0, 1, 1, 1));
    check_pair("logical_xor", LN_BOOL, FOUR(0, 0, 1, 1), FOUR(0, 1, 0, 1), LN_BOOL,
               FOUR(0, 1, 1, 0));
    check_pair("bitwise_and", LN_I64, FOUR(12, 7, -1, 0), FOUR(10, 8, 5, 3), LN_I64,
               FOUR(8, 0, 5, 0));
    check_pair("bitwise_or", LN_I32, FOUR(12, 7, -1, 0), FOUR(10, 8, 5, 3), LN_I32,
               FOUR(14, 15, -1, 3));
    check_pair("bitwise_xor", LN_I64, FOUR(12, 7, -1, 0), FOUR(10, 8, 5, 3), LN_I64,
               FOUR(6, 15, -6, 3));
    check_pair("shift_left", LN_U8, FOUR(16, 4, 1, 255), FOUR(1, 2, 3, 1), LN_U8,
               FOUR(32, 16, 8, 254));
    check_pair("shift_right", LN_I64, FOUR(-16, -1, -7, -9), FOUR(1, 2, 1, 64), LN_I64,
               FOUR(-8, -1, -4, -1));
    check_pair("shift_right", LN_I64, FOUR(16, 4, 1, 9), FOUR(1, 2, 3, 64), LN_I64,
               FOUR(8, 1, 0, 0));
    check_types("not", NULL, 1, 1, &(typed){LN_BOOL, VECTOR(2), {0, 1}},
                &(typed){LN_BOOL, VECTOR(2), {1, 0}});
    check_types("not", NULL, 1, 1, &(typed){LN_I32, VECTOR(3), {0, 5, -1}},
                &(typed){LN_I32, VECTOR(3), {-1, -6, 0}});
}

static void numbers_that_are_none(void **state)
{
    const typed x = {LN_F32, VECTOR(4), {NAN, INFINITY, -INFINITY, 0}};
    (void)state;
    check_types("is_nan", NULL, 1, 1, &x, &(typed){LN_BOOL, VECTOR(4), {1, 0, 0, 0}});
    check_types("is_inf", &(ln_is_inf_attributes){true, true}, 1, 1, &x,
                &(typed){LN_BOOL, VECTOR(4), {0, 1, 1, 0}});
    check_types("is_inf", &(ln_is_inf_attributes){false, true}, 1, 1, &x,
                &(typed){LN_BOOL, VECTOR(4), {0, 1, 0, 0}});
}

static void arithmetic_of_whole_numbers(void **state)
{
    const double *a = FOUR(7, -7, 7, -7), *b = FOUR(2, 2, -2, -2);
    (void)state;
    check_pair("add", LN_I64, a, b, LN_I64, FOUR(9, -5, 5, -9));
    check_pair("sub", LN_I32, a, b, LN_I32, FOUR(5, -9, 9, -5));
    check_pair("mul", LN_I64, a, b, LN_I64, FOUR(14, -14, -14, 14));
    check_pair("div", LN_I64, a, b, LN_I64, FOUR(3, -3, -3, 3));
    check_pair("div", LN_I64, FOUR(1, 5, 0, 9), FOUR(0, -1, 3, 4), LN_I64, FOUR(0, -5, 0, 2));
    check_pair("mod", LN_I64, a, b, LN_I64, FOUR(1, 1, -1, -1));
    check_pair("fmod", LN_I64, a, b, LN_I64, FOUR(1, -1, 1, -1));
    check_pair("pow", LN_I64, FOUR(2, -3, 5, 2), FOUR(10, 3, 0, -1), LN_I64, FOUR(1024, -27, 1, 0));
    check_pair("maximum", LN_I32, a, b, LN_I32, FOUR(7, 2, 7, -2));
    check_pair("minimum", LN_I64, a, b, LN_I64, FOUR(2, -7, -2, -7));
    check_pair("add", LN_U8, FOUR(200, 1, 2, 3), FOUR(100, 1, 1, 1), LN_U8, FOUR(44, 2, 3, 4));
    check_types("abs", NULL, 1, 1, &(typed){LN_I64, VECTOR(3), {-4, 0, 5}},
                &(typed){LN_I64, VECTOR(3), {4, 0, 5}});
    check_types("neg", NULL, 0, 1, &(typed){LN_I32, VECTOR(3), {-4, 0, 5}},
                &(typed){LN_I32, VECTOR(3), {4, 0, -5}});
    check_types("sign", NULL, 1, 1, &(typed){LN_I64, VECTOR(3), {-4, 0, 5}},
                &(typed){LN_I64, VECTOR(3), {-1, 0, 1}});
    /* The exponent may have another type. */
    check_types("pow", NULL, 1, 2,
                (typed[]){{LN_F32, VECTOR(2), {1.5, 4}}, {LN_I64, VECTOR(2), {2, -1}}},
                &(typed){LN_F32, VECTOR(2), {2.25, 0.25}});
    check_types("pow", NULL, 2, 2,
                (typed[]){{LN_I32, VECTOR(2), {4, 2}}, {LN_F32, VECTOR(2), {0.5, 3}}},
                &(typed){LN_I32, VECTOR(2), {2, 8}});
}

static void nan_is_the_greater_and_the_lesser(void **state)
{
    (void)state;
    check_pair("maximum", LN_F32, FOUR(NAN, 1, NAN, 1), FOUR(1, NAN, NAN, 2), LN_F32,
               FOUR(NAN, NAN, NAN, 2));
    check_pair("minimum", LN_F32, FOUR(NAN, 1, NAN, 1), FOUR(1, NAN, NAN, 2), LN_F32,
               FOUR(NAN, NAN, NAN, 1));
}

static void where_chooses(void **state)
{
    const typed in[3] = {
        {LN_BOOL, VECTOR(3), {1, 0, 1}}, {LN_I64, VECTOR(3), {1, 2, 3}}, {LN_I64, {0}, {9}}};
    (void)state;
    for (int live = 0; live <= 2; live++)
        check_types("where", NULL, live, 3, in, &(typed){LN_I64, VECTOR(3), {1, 9, 3}});
}

static void places_of_the_greatest(void **state)
{
    const typed x = {LN_F32, {2, {2, 3}}, {3, 9, 9, -1, NAN, 7}};
    (void)state;
    check_types("argument", &(ln_argument_attributes){.axis = -1}, 1, 1, &x,
                &(typed){LN_I64, VECTOR(2), {1, 1}});
    check_types("argument", &(ln_argument_attributes){.axis = 2, .last = true, .keepdims = true}, 1,
                1, &x, &(typed){LN_I64, {2, {2, 1}}, {2, 1}});
    check_types("argument", &(ln_argument_attributes){.axis = 1, .least = true}, 1, 1, &x,
                &(typed){LN_I64, VECTOR(3), {1, 0, 1}});
    check_types("argument", &(ln_argument_attributes){.axis = 1}, 0, 1,
                &(typed){LN_I64, VECTOR(4), {1, 4, 4, 2}}, &(typed){LN_I64, {0}, {1}});
}

static void reductions_of_whole_numbers(void **state)
{
    static const struct {
        int operation;
        double wanted[2];
    } cases[] = {
        {LN_REDUCE_sum, {2, 5}},          {LN_REDUCE_mean, {0, 1}},   {LN_REDUCE_max, {4, 3}},
        {LN_REDUCE_min, {-3, 0}},         {LN_REDUCE_prod, {-12, 0}}, {LN_REDUCE_l1, {8, 5}},
        {LN_REDUCE_sum_square, {26, 13}},
    };
    const typed x = {LN_I64, {2, {2, 3}}, {1, -3, 4, 0, 3, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int live = 0; live < 2; live++) {
            typed wanted = {LN_I64, VECTOR(2), {cases[i].wanted[0], cases[i].wanted[1]}};
            check_types("reduce", &(ln_reduce_attributes){cases[i].operation, {1, {2}}, false},
                        live, 1, &x, &wanted);
        }
    check_types("cumsum", &(ln_cumsum_attributes){.axis = 2}, 1, 1, &x,
                &(typed){LN_I64, {2, {2, 3}}, {1, -2, 2, 0, 3, 5}});
    check_types("trilu", &(ln_trilu_attributes){true, 1}, 1, 1, &x,
                &(typed){LN_I64, {2, {2, 3}}, {0, -3, 4, 0, 0, 2}});
    check_types("topk", &(ln_topk_attributes){2, 2, false}, 1, 1, &x,
                &(typed){LN_I64, {2, {2, 2}}, {4, 1, 3, 2}});
}

/* x = 0 1 2 / 3 4 5, by indices that are a constant, or come with the row. */
static void elements_by_indices(void **state)
{
    const typed x = {LN_F32, {2, {2, 3}}, {0, 1, 2, 3, 4, 5}};
    const ln_axis_attributes last = {.axis = -1}, first = {.axis = 1};
    (void)state;
    for (int live = 0; live <= 2; live++) {
        check_types("gather", &last, live, 2, (typed[]){x, {LN_I64, VECTOR(2), {2, -3}}},
                    &(typed){LN_F32, {2, {2, 2}}, {2, 0, 5, 3}});
        check_types("gather", &first, live, 2, (typed[]){x, {LN_I32, {0}, {1}}},
                    &(typed){LN_F32, VECTOR(3), {3, 4, 5}});
        check_types("gather", &first, live, 2, (typed[]){x, {LN_I64, {2, {1, 2}}, {1, 0}}},
                    &(typed){LN_F32, {3, {1, 2, 3}}, {3, 4, 5, 0, 1, 2}});
        check_types("gather_elements", &last, live, 2,
                    (typed[]){x, {LN_I64, {2, {2, 2}}, {2, 2, 0, -2}}},
                    &(typed){LN_F32, {2, {2, 2}}, {2, 2, 3, 4}});
        check_types("gather_elements", &first, live, 2,
                    (typed[]){x, {LN_I64, {2, {1, 3}}, {1, 0, 1}}},
                    &(typed){LN_F32, {2, {1, 3}}, {3, 1, 5}});
        check_types("gather_nd", &(ln_gather_nd_attributes){0}, live, 2,
                    (typed[]){x, {LN_I64, {2, {2, 2}}, {1, 2, 0, 0}}},
                    &(typed){LN_F32, VECTOR(2), {5, 0}});
        check_types("gather_nd", &(ln_gather_nd_attributes){0}, live, 2,
                    (typed[]){x, {LN_I64, {2, {1, 1}}, {1}}},
                    &(typed){LN_F32, {2, {1, 3}}, {3, 4, 5}});
        check_types("gather_nd", &(ln_gather_nd_attributes){1}, live, 2,
                    (typed[]){x, {LN_I64, {2, {2, 1}}, {2, 1}}},
                    &(typed){LN_F32, VECTOR(2), {2, 4}});
        check_types("gather", &last, live, 2,
                    (typed[]){{LN_I64, VECTOR(3), {7, 8, 9}}, {LN_I64, VECTOR(2), {1, 1}}},
                    &(typed){LN_I64, VECTOR(2), {8, 8}});
    }
}

static void ids_become_rows(void **state)
{
    const typed weight = {LN_F32, {2, {3, 2}}, {1, 2, 3, 4, 5, 6}};
    (void)state;
    check_types("embedding", &(ln_embedding_attributes){3, 2}, 1, 2,
                (typed[]){{LN_F32, VECTOR(3), {2, 0, 2}}, weight},
                &(typed){LN_F32, {2, {3, 2}}, {5, 6, 1, 2, 5, 6}});
    check_types("embedding", &(ln_embedding_attributes){3, 2}, 1, 2,
                (typed[]){{LN_I64, {0}, {1}}, weight}, &(typed){LN_F32, VECTOR(2), {3, 4}});
}

/* Two rows of ids (1, 1) and (0, 1), dy = 1 to 8: what each row of the weight is given. */
static void embeddings_are_trained(void **state)
{
    const ln_shape shape = {2, {-1, 2}};
    ln_tensor *weight = tensor_zero(LN_F32, TEST_SHAPE(3, 2));
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    int ids, values;
    (void)state;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "ids", LN_F32, &shape, &ids, &err));
    assert_ok(ln_graph_add_constant(graph, "weight", weight, true, &values, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find("embedding"), "embedding", "e",
                                &(ln_embedding_attributes){3, 2}, (int[]){ids, values}, 2,
                                (const char *[]){"y"}, 1, NULL, &err));
    const int y = ln_graph_find_value(graph, "y");
    assert_ok(ln_graph_add_output(graph, y, &err));
    const ln_plan_options options = {
        .rows = 2, .gradients = &ids, .gradient_count = 1, .training = true};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), ((float[]){1, 1, 0, 1}), 4 * sizeof(float));
    assert_ok(ln_exec_forward(exec, 2, &err));
    for (int i = 0; i < 8; i++)
        ln_exec_seed(exec, y)[i] = (float)(i + 1);
    assert_ok(ln_exec_backward(exec, &err));
    assert_near_f32(ln_exec_gradient(exec, ids), ((float[]){0, 0, 0, 0}), 4, 0, 0);
    assert_near_f32(ln_exec_parameter_gradient(exec, values),
                    ((float[]){5, 6, 1 + 3 + 7, 2 + 4 + 8, 0, 0}), 6, 0, 0);
    memcpy(ln_exec_input(exec, 0), ((float[]){0, 3, 0, 0}), 4 * sizeof(float));
    assert_fails(ln_exec_forward(exec, 2, &err), LN_EINVALID,
                 "embedding 'e': the index 3 is outside of 0 to 2");
    memcpy(ln_exec_input(exec, 0), ((float[]){0.5F, 0, 0, 0}), 4 * sizeof(float));
    assert_fails(ln_exec_forward(exec, 2, &err), LN_EINVALID, "the id 0.5 is no whole number");
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
    ln_tensor_release(weight);
}

static void sequences_are_reversed(void **state)
{
    const typed x = {LN_I64, {2, {2, 3}}, {0, 1, 2, 3, 4, 5}};
    (void)state;
    for (int live = 0; live < 2; live++) {
        check_types("reverse_sequence", &(ln_reverse_attributes){2, 1}, live, 2,
                    (typed[]){x, {LN_I64, VECTOR(2), {2, 3}}},
                    &(typed){LN_I64, {2, {2, 3}}, {1, 0, 2, 5, 4, 3}});
        check_types("reverse_sequence", &(ln_reverse_attributes){1, 2}, live, 2,
                    (typed[]){x, {LN_I64, VECTOR(3), {2, 1, 0}}},
                    &(typed){LN_I64, {2, {2, 3}}, {3, 1, 2, 0, 4, 5}});
        check_types("reverse_sequence", &(ln_reverse_attributes){2, 0}, live, 2,
                    (typed[]){x, {LN_I64, VECTOR(1), {2}}},
                    &(typed){LN_I64, {2, {2, 3}}, {1, 0, 2, 4, 3, 5}});
    }
}

static void elements_put_by_indices(void **state)
{
    const typed x = {LN_F32, {2, {2, 3}}, {0, 1, 2, 3, 4, 5}};
    (void)state;
    for (int live = 0; live <= 3; live++) {
        check_types("scatter_elements", &(ln_scatter_attributes){2, LN_SCATTER_NONE}, live, 3,
                    (typed[]){x,
                              {LN_I64, {2, {2, 2}}, {2, 0, -1, 1}},
                              {LN_F32, {2, {2, 2}}, {10, 20, 30, 40}}},
                    &(typed){LN_F32, {2, {2, 3}}, {20, 1, 10, 3, 40, 30}});
        check_types("scatter_elements", &(ln_scatter_attributes){1, LN_SCATTER_ADD}, live, 3,
                    (typed[]){x, {LN_I64, {2, {2, 1}}, {1, 1}}, {LN_F32, {2, {2, 1}}, {10, 20}}},
                    &(typed){LN_F32, {2, {2, 3}}, {0, 1, 2, 33, 4, 5}});
        check_types("scatter_nd", &(ln_scatter_attributes){0, LN_SCATTER_NONE}, live, 3,
                    (typed[]){x, {LN_I64, {2, {1, 1}}, {1}}, {LN_F32, {2, {1, 3}}, {7, 8, 9}}},
                    &(typed){LN_F32, {2, {2, 3}}, {0, 1, 2, 7, 8, 9}});
        check_types("scatter_nd", &(ln_scatter_attributes){0, LN_SCATTER_MUL}, live, 3,
                    (typed[]){x, {LN_I64, {2, {2, 2}}, {1, 2, 1, 2}}, {LN_F32, VECTOR(2), {2, 3}}},
                    &(typed){LN_F32, {2, {2, 3}}, {0, 1, 2, 3, 4, 30}});
        check_types("scatter_nd", &(ln_scatter_attributes){0, LN_SCATTER_MAX}, live, 3,
                    (typed[]){x, {LN_I64, {2, {2, 2}}, {0, 0, 1, 2}}, {LN_F32, VECTOR(2), {2, 3}}},
                    &(typed){LN_F32, {2, {2, 3}}, {2, 1, 2, 3, 4, 5}});
    }
    check_types("one_hot", &(ln_one_hot_attributes){3, -1, 0, 1, 0}, 1, 1,
                &(typed){LN_I64, VECTOR(2), {2, -3}},
                &(typed){LN_F32, {2, {2, 3}}, {0, 0, 1, 1, 0, 0}});
    check_types("one_hot", &(ln_one_hot_attributes){3, 1, 5, 7, 1}, 0, 1,
                &(typed){LN_F32, VECTOR(2), {2, 9}},
                &(typed){LN_I64, {2, {3, 2}}, {5, 5, 5, 5, 7, 5}});
}

/* y = where(x > 0, x, 2 x) with a gradient of 1, 10, 100, 1000: through the branch that was taken. */
static void where_sends_the_gradient_to_the_chosen(void **state)
{
    const float x[2][2] = {{-1, 3}, {4, -2}}, dy[2][2] = {{1, 10}, {100, 1000}};
    const ln_shape shape = {2, {-1, 2}}, number = {0};
    ln_graph *graph = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    int in, zero, two;
    ln_tensor *constants[2] = {tensor_f32(number, (float[]){0}), tensor_f32(number, (float[]){2})};
    (void)state;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &in, &err));
    assert_ok(ln_graph_add_constant(graph, "0", constants[0], false, &zero, &err));
    assert_ok(ln_graph_add_constant(graph, "2", constants[1], true, &two, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find("greater"), "Greater", "g", NULL,
                                (int[]){in, zero}, 2, (const char *[]){"c"}, 1, NULL, &err));
    assert_ok(ln_graph_add_node(graph, ln_layer_find("mul"), "Mul", "m", NULL, (int[]){in, two}, 2,
                                (const char *[]){"d"}, 1, NULL, &err));
    assert_ok(ln_graph_add_node(
        graph, ln_layer_find("where"), "Where", "w", NULL,
        (int[]){ln_graph_find_value(graph, "c"), in, ln_graph_find_value(graph, "d")}, 3,
        (const char *[]){"y"}, 1, NULL, &err));
    const int y = ln_graph_find_value(graph, "y");
    assert_ok(ln_graph_add_output(graph, y, &err));
    const ln_plan_options options = {
        .rows = 2, .gradients = &in, .gradient_count = 1, .training = true};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), x, sizeof x);
    assert_ok(ln_exec_forward(exec, 2, &err));
    assert_near_f32((const float *)ln_exec_value(exec, y), ((float[]){-2, 3, 4, -4}), 4, 0, 0);
    memcpy(ln_exec_seed(exec, y), dy, sizeof dy);
    assert_ok(ln_exec_backward(exec, &err));
    assert_near_f32(ln_exec_gradient(exec, in), ((float[]){2, 10, 100, 2000}), 4, 0, 0);
    /* 2: -1 times 1 and -2 times 1000. */
    assert_near_f32(ln_exec_parameter_gradient(exec, two), ((float[]){-2001}), 1, 0, 0);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
    ln_tensor_release(constants[0]);
    ln_tensor_release(constants[1]);
}

static void wrong_types_are_refused_by_name(void **state)
{
    const ln_shape shape = {2, {-1, 2}};
    const char *result = "y";
    ln_graph *graph = NULL;
    ln_error err;
    int real, whole;
    (void)state;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "real", LN_F32, &shape, &real, &err));
    assert_ok(ln_graph_add_input(graph, "whole", LN_I64, &shape, &whole, &err));
#define REFUSED(word, a, b, part)                                                                  \
    assert_fails(ln_graph_add_node(graph, ln_layer_find(word), "Op", "here", NULL, (int[]){a, b},  \
                                   2, &result, 1, NULL, &err),                                     \
                 LN_EINVALID, "Op 'here': " part)
    REFUSED("add", real, whole, "its inputs hold f32 and i64 numbers: they must be of one type");
    REFUSED("equal", whole, real, "its inputs hold i64 and f32 numbers");
    REFUSED("logical_and", real, real, "its input holds f32 numbers: it must hold truth values");
    REFUSED("bitwise_or", real, real, "its input holds f32 numbers: it must hold whole numbers");
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_of_all_types),
        cmocka_unit_test(truth_and_bits),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(arithmetic_of_whole_numbers),
        cmocka_unit_test(nan_is_the_greater_and_the_lesser),
        cmocka_unit_test(where_chooses),
        cmocka_unit_test(places_of_the_greatest),
        cmocka_unit_test(reductions_of_whole_numbers),
        cmocka_unit_test(elements_by_indices),
        cmocka_unit_test(ids_become_rows),
        cmocka_unit_test(embeddings_are_trained),
        cmocka_unit_test(sequences_are_reversed),
        cmocka_unit_test(elements_put_by_indices),
        cmocka_unit_test(where_sends_the_gradient_to_the_chosen),
        cmocka_unit_test(wrong_types_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("layers of whole numbers", tests, NULL, NULL);
}
