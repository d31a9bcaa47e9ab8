/* What explainers stand on (engine/explainers/common): quadrature, order, groups, and full passes. */
#include "networks.h"

#include "base/parallel.h"
#include "explainers/common/groups.h"
#include "explainers/common/order.h"
#include "explainers/common/passes.h"
#include "explainers/common/quadrature.h"

static void gauss_legendre_nodes_are_right_to_the_last_bits(void **state)
{
    (void)state;
    ln_error err = {0};
    static const int64_t counts[] = {1, 2, 3, 4, 5, 20, 50, 101, 1000};
    static double nodes[1000], weights[1000];
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        char name[32];
        snprintf(name, sizeof name, "quadrature-%d", (int)counts[c]);
        ln_tensor *wanted = reference(name);
        assert_ok(
            ln_quadrature_make(LN_QUADRATURE_GAUSS_LEGENDRE, counts[c], nodes, weights, &err));
        size_t n = (size_t)counts[c];
        assert_near_f64(nodes, ln_f64(wanted), n, 1e-17, 3e-16);
        assert_near_f64(weights, ln_f64(wanted) + n, n, 1e-17, 3e-16);
        ln_tensor_release(wanted);
    }
}

/* n nodes integrate t^d over [0, 1] for every d up to 2n - 1, and not for 2n. */
static void gauss_legendre_is_exact_to_its_degree(void **state)
{
    (void)state;
    ln_error err = {0};
    static double nodes[200], weights[200];
    for (int64_t n = 1; n <= 200; n = n < 12 ? n + 1 : n * 2) {
        assert_ok(ln_quadrature_make(LN_QUADRATURE_GAUSS_LEGENDRE, n, nodes, weights, &err));
        for (int64_t degree = 0; degree <= 2 * n; degree++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++)
                sum += weights[i] * pow(nodes[i], (double)degree);
            double error = fabs(sum - 1 / (double)(degree + 1));
            if (degree < 2 * n && error > 4e-15)
                fail_msg("%d nodes, degree %d: error %g", (int)n, (int)degree, error);
            if (degree == 2 * n && n <= 8 && error < 1e-12)
                fail_msg("%d nodes are exact for degree %d", (int)n, (int)degree);
        }
    }
}

static void riemann_nodes_and_weights(void **state)
{
    (void)state;
    ln_error err = {0};
    static const struct {
        ln_quadrature rule;
        double nodes[4], weights[4];
    } cases[] = {
        {LN_QUADRATURE_RIEMANN_LEFT, {0, 0.25, 0.5, 0.75}, {0.25, 0.25, 0.25, 0.25}},
        {LN_QUADRATURE_RIEMANN_RIGHT, {0.25, 0.5, 0.75, 1}, {0.25, 0.25, 0.25, 0.25}},
        {LN_QUADRATURE_RIEMANN_MIDDLE, {0.125, 0.375, 0.625, 0.875}, {0.25, 0.25, 0.25, 0.25}},
        {LN_QUADRATURE_RIEMANN_TRAPEZOID,
         {0, 1.0 / 3, 2.0 / 3, 1},
         {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}},
    };
    double nodes[4], weights[4];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ok(ln_quadrature_make(cases[i].rule, 4, nodes, weights, &err));
        assert_near_f64(nodes, cases[i].nodes, 4, 0, 1e-16);
        assert_near_f64(weights, cases[i].weights, 4, 0, 1e-16);
    }
    assert_fails(ln_quadrature_make(LN_QUADRATURE_RIEMANN_TRAPEZOID, 1, nodes, weights, &err),
                 LN_EINVALID, "found 1 steps: method = \"riemann_trapezoid\"");
    assert_fails(ln_quadrature_make(LN_QUADRATURE_RIEMANN_LEFT, 0, nodes, weights, &err),
                 LN_EINVALID, "found 0 steps");
}

static void order_is_descending_and_stable(void **state)
{
    (void)state;
    static const float values[] = {1, 3, -2, 3, 0, -0.0F, INFINITY, 1, -INFINITY};
    static const int32_t wanted[] = {6, 1, 3, 0, 7, 4, 5, 2, 8};
    int32_t order[9], spare[9];
    ln_order_by_value(values, 9, order, spare);
    assert_memory_equal(order, wanted, sizeof wanted);
    ln_order_by_value(values, 1, order, spare);
    assert_int_equal(order[0], 0);

    enum { COUNT = 1000 };
    ln_tensor *many = tensor_random(TEST_SHAPE(COUNT), 3);
    static int32_t place[COUNT], other[COUNT];
    float *numbers = ln_f32(many);
    for (int i = 0; i < COUNT; i++)
        numbers[i] = roundf(numbers[i] * 4); /* many ties */
    ln_order_by_value(numbers, COUNT, place, other);
    for (int i = 1; i < COUNT; i++) {
        float before = numbers[place[i - 1]], here = numbers[place[i]];
        assert_true(before > here || (before == here && place[i - 1] < place[i]));
    }
    ln_tensor_release(many);
}

static void groups_list_their_inputs(void **state)
{
    (void)state;
    ln_error err = {0};
    static const int32_t of[] = {2, 0, 2, 4, 0};
    static const int64_t start[] = {0, 2, 2, 4, 4, 5}, member[] = {1, 4, 0, 2, 3};
    ln_groups groups;
    assert_ok(ln_groups_make(of, 5, 5, &groups, &err));
    assert_memory_equal(groups.start, start, sizeof start);
    assert_memory_equal(groups.member, member, sizeof member);
    float row[] = {1, 1, 1, 1, 1};
    ln_groups_fill(&groups, 2, (float[]){5, 6, 7, 8, 9}, row);
    assert_true(row[0] == 5 && row[1] == 1 && row[2] == 7 && row[3] == 1 && row[4] == 1);
    ln_groups_free(&groups);
    assert_ok(ln_groups_make(NULL, 3, 3, &groups, &err));
    for (int64_t g = 0; g < 3; g++)
        assert_true(groups.start[g] == g && groups.start[g + 1] == g + 1 && groups.member[g] == g);
    ln_groups_free(&groups);
    assert_fails(ln_groups_make(of, 5, 4, &groups, &err), LN_EINVALID,
                 "input 3 is in group 4: expected 0 to 3");
    assert_ok(ln_groups_make((int32_t[]){1, -1, 0, -1, 1}, 5, 2, &groups, &err)); /* -1: in none */
    assert_memory_equal(groups.start, ((const int64_t[]){0, 1, 3}), sizeof(int64_t[3]));
    assert_memory_equal(groups.member, ((const int64_t[]){2, 0, 4}), sizeof(int64_t[3]));
    ln_groups_free(&groups);
    assert_fails(ln_groups_make((int32_t[]){0, -2}, 2, 2, &groups, &err), LN_EINVALID,
                 "input 1 is in group -2");
    assert_fails(ln_groups_make(NULL, 3, 2, &groups, &err), LN_EINVALID, "2 groups for 3 inputs");
}

static void passes_are_full(void **state)
{
    (void)state;
    static const struct {
        int64_t rows_per_item, items, rows, chunk;
    } cases[] = {{1, 1000, 63, 63}, {1, 3, 3, 3},    {51, 9, 51, 1},  {21, 100, 63, 3},
                 {21, 2, 42, 2},    {64, 5, 64, 1},  {65, 5, 33, 1},  {785, 1, 61, 1},
                 {151, 9, 51, 1},   {33, 10, 33, 1}, {32, 10, 64, 2}, {1, 0, 1, 1}};
    ln_model *model = reference_model(&reference_networks[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_passes got = ln_passes_of(model, cases[i].rows_per_item, cases[i].items, 1);
        assert_int_equal(got.rows, cases[i].rows);
        assert_int_equal(got.items, cases[i].chunk);
    }
    ln_model_release(model);
}

/* Every thread has a chunk where the rows are work enough, and all have about the same number of them. */
static void chunks_are_for_all_threads(void **state)
{
    (void)state;
    ln_tensor *weights = tensor_random(TEST_SHAPE(17 * 8192), 3);
    ln_model *wide =
        network_of("dense", (int64_t[]){16, 8192}, ln_f32(weights), LN_TASK_REGRESSION);
    ln_model *small = reference_model(&reference_networks[0]);
    static const struct {
        int64_t count, rows;
        int threads;
        int64_t wide, small;
    } cases[] = {{4, 1, 1, 4, 4},     {4, 1, 2, 2, 4},  {4, 1, 3, 2, 4},     {3, 1, 8, 3, 3},
                 {1, 1, 2, 1, 1},     {0, 1, 2, 1, 1},  {100, 1, 1, 25, 50}, {100, 1, 2, 25, 50},
                 {100, 1, 7, 15, 50}, {3, 17, 2, 1, 3}, {33, 1, 2, 17, 33}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ln_model_chunk(wide, cases[i].count, cases[i].rows, cases[i].threads),
                         cases[i].wide);
        assert_int_equal(ln_model_chunk(small, cases[i].count, cases[i].rows, cases[i].threads),
                         cases[i].small);
    }
    ln_model_release(wide);
    ln_model_release(small);
    ln_tensor_release(weights);
}

/* A row of 6 2^20 numbers: 5 of them are what a pass may hold; its bits are those of
 * the row alone. */
static void large_rows_make_short_passes(void **state)
{
    (void)state;
    const int64_t wide = (int64_t)6 << 20;
    ln_tensor *weights = tensor_random(TEST_SHAPE(2 * wide + wide + 1), 3);
    ln_model *model =
        network_of("dense dense", (int64_t[]){1, wide, 1}, ln_f32(weights), LN_TASK_REGRESSION);
    const bool tiles = ln_cpu_has("amx"); /* 64 MB and two images at a time, else 128 and four */
    const ln_passes got = ln_passes_of(model, 1, 1000, 1);
    assert_int_equal(got.rows, tiles ? 2 : 5);
    assert_int_equal(got.items, tiles ? 2 : 5);
    assert_int_equal(ln_passes_of(model, 31, 2, 1).rows, tiles ? 2 : 5);
    assert_int_equal(ln_model_chunk(model, 4, 1, 1), tiles ? 2 : 4);
    assert_int_equal(ln_model_chunk(model, 4, 1, 2),
                     tiles ? 2 : 1); /* what is less gains nothing */
    assert_int_equal(ln_model_chunk(model, 3, 1, 1), tiles ? 2 : 1);
    assert_int_equal(ln_model_chunk(model, 4, 2, 2), 1);
    ln_tensor *x = tensor_random(TEST_SHAPE(17, 1), 4), *row;
    ln_tensor *all, *one;
    ln_error err = {0};
    assert_ok(ln_model_forward(model, LN_LINK_RAW, x, NULL, &all, &err));
    assert_ok(ln_tensor_rows(x, 16, 1, &row, &err));
    assert_ok(ln_model_forward(model, LN_LINK_RAW, row, NULL, &one, &err));
    assert_same_bits(ln_f32(all) + 16, one->data, sizeof(float));
    ln_tensor_release(all);
    ln_tensor_release(one);
    ln_tensor_release(row);
    ln_tensor_release(x);
    ln_tensor_release(weights);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauss_legendre_nodes_are_right_to_the_last_bits),
        cmocka_unit_test(gauss_legendre_is_exact_to_its_degree),
        cmocka_unit_test(riemann_nodes_and_weights),
        cmocka_unit_test(order_is_descending_and_stable),
        cmocka_unit_test(groups_list_their_inputs),
        cmocka_unit_test(passes_are_full),
        cmocka_unit_test(chunks_are_for_all_threads),
        cmocka_unit_test(large_rows_make_short_passes),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
