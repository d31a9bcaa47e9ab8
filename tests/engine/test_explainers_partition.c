/* partition_shap: Owen values by all orders that a tree allows, against shap's Partition explainer, trees, budgets. */
#include "shapley_support.h"

#include "explainers/common/tree.h"

#define INPUTS 7

/* A tree of seven leaves, a pair of which stands apart. */
static const int64_t pairs[] = {6, 2, 0, 3, 7, 1, 8, 9, 10, 4, 11, 5};

static ln_tensor *tree_of(const int64_t *nodes, int64_t leaves)
{
    ln_tensor *tree = tensor_zero(LN_I64, TEST_SHAPE(leaves - 1, 2));
    memcpy(tree->data, nodes, tree->bytes);
    return tree;
}

/* ---------------------------------------------------------------- brute force */

/* Appends the leaves below a node to the order, its children as bit `node - INPUTS` of `turned` says. */
static void list_leaves(const int64_t *tree, int64_t node, unsigned turned, int64_t *order,
                        int64_t *count)
{
    if (node < INPUTS) {
        order[(*count)++] = node;
        return;
    }
    const int64_t *child = tree + 2 * (node - INPUTS);
    const int first = turned >> (node - INPUTS) & 1;
    list_leaves(tree, child[first], turned, order, count);
    list_leaves(tree, child[1 - first], turned, order, count);
}

/* The mean over the 2^6 orders in which every inner node has its leaves side by side. */
static void owen_by_orders(const double *value, const int64_t *tree, double *wanted)
{
    memset(wanted, 0, INPUTS * sizeof *wanted);
    for (unsigned turned = 0; turned < 64; turned++) {
        int64_t order[INPUTS], count = 0, seen = 0;
        list_leaves(tree, 2 * INPUTS - 2, turned, order, &count);
        assert_int_equal(count, INPUTS);
        for (int k = 0; k < INPUTS; k++) {
            const int64_t with = seen | (int64_t)1 << order[k];
            wanted[order[k]] += (value[with] - value[seen]) / 64;
            seen = with;
        }
    }
}

static void partition_shap_is_the_mean_over_its_orders(void **state)
{
    (void)state;
    static const int64_t chain[] = {0, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6};
    const int64_t *const trees[] = {pairs, chain};
    static const float zero[INPUTS];
    static double value[1 << INPUTS];
    setting it = new_setting();
    for (int t = 0; t < 2; t++) {
        ln_request request = request_of(&it, true);
        ln_tensor *tree = tree_of(trees[t], INPUTS), *none = tensor_f32(TEST_SHAPE(1, 7), zero);
        request.tree = tree;
        request.background = none;
        ln_explanation got = explain("partition_shap", "", request, NULL);
        for (int64_t row = 0; row < ROWS; row++) {
            double wanted[INPUTS];
            all_values(it.model, ln_f32(it.x) + row * INPUTS, zero, INPUTS, value);
            owen_by_orders(value, trees[t], wanted);
            for (int i = 0; i < INPUTS; i++) {
                const double number = (double)got.values[row * INPUTS + i];
                assert_near_f64(&number, &wanted[i], 1, 2e-6, 0);
                assert_true(got.errors[row * INPUTS + i] == 0);
            }
        }
        ln_explanation_free(&got);
        ln_tensor_release(tree);
        ln_tensor_release(none);
    }
    free_setting(&it);
}

/* Over a tree of their own, and over the one that correlation makes of the background. */
static void partition_shap_matches_shap(void **state)
{
    (void)state;
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        const int64_t width = network->sizes[0];
        int64_t nodes[2 * 16];
        for (int64_t i = 0; i < width - 1; i++) {
            nodes[2 * i] = i == 0 ? width - 1 : width + i - 1;
            nodes[2 * i + 1] = i;
        }
        ln_tensor *tree = tree_of(nodes, width);
        check_stored_tree(network, "partition_shap", "", "partition-given", -1, false, tree);
        check_stored(network, "partition_shap", "", "partition-correlation", -1, false);
        ln_tensor_release(tree);
    }
}

/* A game of two features is one order and its reverse: Shapley values; and a pair that stands apart from an
 * additive rest gets what it gets alone. */
static void a_product_is_shared_half_and_half(void **state)
{
    (void)state;
    static const float both[] = {1, 1, -1};
    ln_model *model = network_of("dense relu", (int64_t[]){2, 1}, both, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 1});
    ln_tensor *tree = tree_of((int64_t[]){0, 1}, 2);
    ln_item item = {0};
    ln_tensor *none = tensor_zero(LN_F32, x->shape);
    ln_request request = {
        .model = model, .x = x, .items = &item, .item_count = 1, .tree = tree, .background = none};
    ln_explanation got = explain("partition_shap", "", request, NULL);
    assert_near_f32(got.values, ((float[]){0.5F, 0.5F}), 2, 0, 0);
    assert_int_equal(got.evaluations, 1 + 2 + 1);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_tensor_release(tree);
    ln_tensor_release(none);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- trees */

/* Inputs 0 and 2 are the same but for noise, 1 and 3 opposite, 4 never varies. */
static void what_is_correlated_is_joined_first(void **state)
{
    (void)state;
    ln_error err = {0};
    static const float numbers[] = {1, 5, 1.1F, -5, 7, 2, 1, 2,    -1, 7,
                                    3, 4, 3,    -4, 7, 4, 2, 4.1F, -2, 7};
    ln_tensor *rows = tensor_f32(TEST_SHAPE(4, 5), numbers);
    ln_groups groups;
    ln_tree tree;
    assert_ok(ln_groups_make(NULL, 5, 5, &groups, &err));
    assert_ok(ln_tree_correlated(rows, &groups, &tree, &err));
    assert_true(tree.child[0] == 0 && tree.child[1] == 2);
    assert_int_equal(tree.mask[5], 1 | 4);
    assert_int_equal(tree.size[ln_tree_root(&tree)], 5);
    assert_int_equal(tree.mask[ln_tree_root(&tree)], 31);
    /* The opposite one comes after what never varied: 1 - r is 2 and 1. */
    int64_t with_3 = 0;
    while (!(tree.mask[5 + with_3] & 8))
        with_3++;
    assert_true(tree.mask[5 + with_3] & 1);
    ln_tree_free(&tree);
    ln_groups_free(&groups);
    /* A group is as near as the nearest of its inputs: {0, 3} and {1, 2}. */
    assert_ok(ln_groups_make((int32_t[]){0, 1, 1, 0, 2}, 5, 3, &groups, &err));
    assert_ok(ln_tree_correlated(rows, &groups, &tree, &err));
    assert_true(tree.child[0] == 0 && tree.child[1] == 1 && tree.child[2] == 2 &&
                tree.child[3] == 3);
    ln_tree_free(&tree);
    ln_groups_free(&groups);
    ln_tensor_release(rows);
}

static void trees_that_are_none_are_refused(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    static const struct {
        int64_t nodes[12];
        const char *message;
    } wrong[] = {
        {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12},
         "row 5 joins node 12: before it there are nodes 0 to 11"},
        {{0, 1, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11}, "row 1 joins node 1, which is joined already"},
        {{-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
         "row 0 joins node -1: before it there are nodes 0 to 6"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ln_tensor *tree = tree_of(wrong[i].nodes, INPUTS);
        request.tree = tree;
        check_refused("partition_shap", "", request, wrong[i].message, "clustering");
        ln_tensor_release(tree);
    }
    ln_tensor *small = tree_of(pairs, 5);
    request.tree = small;
    check_refused(
        "partition_shap", "", request,
        "a tree of 7 features joins two nodes 6 times: expected shape (6, 2), found (4, 2)",
        "clustering");
    ln_tensor_release(small);
    free_setting(&it);
}

/* ---------------------------------------------------------------- budgets */

/* What was not looked into is shared out alike and has no standard error; the sum is exact at any rate, and
 * a feature that does not vary gets exactly 0. */
static void a_small_budget_keeps_the_sum(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_tensor *tree = tree_of(pairs, INPUTS);
    memcpy(ln_f32(it.x) + 3, ln_f32(it.background) + 3, sizeof(float)); /* row 0, input 3 */
    for (int64_t r = 1; r < 11; r++)
        ln_f32(it.background)[r * INPUTS + 3] = ln_f32(it.background)[3];
    static const char *const budgets[] = {"evaluations=2", "evaluations=3", "evaluations=10",
                                          "evaluations=40", "evaluations=1000"};
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        ln_request request = request_of(&it, true);
        request.tree = tree;
        ln_explanation got = explain("partition_shap", budgets[b], request, NULL);
        for (int64_t row = 0; row < ROWS; row++) {
            const double change = got.output[row] - got.baseline_output[row];
            double sum = 0;
            int guessed = 0;
            for (int i = 0; i < INPUTS; i++) {
                sum += (double)got.values[row * INPUTS + i];
                guessed += isnan(got.errors[row * INPUTS + i]);
                assert_true(isnan(got.errors[row * INPUTS + i]) ||
                            got.errors[row * INPUTS + i] == 0);
            }
            assert_near_f64(&sum, &change, 1, 1e-6, 0);
            assert_true(b == 4 ? guessed == 0 : b < 2 ? guessed >= INPUTS - 2 : true);
        }
        assert_true(got.values[3] == 0 && got.errors[3] == 0);
        if (b ==
            0) { /* the two halves of the tree, each shared out alike: 4 and {6, 2, 1, 0} beside 5 */
            assert_true(got.values[0] == got.values[1] && got.values[1] == got.values[2] &&
                        got.values[2] == got.values[4] && got.values[4] == got.values[6]);
            assert_true(got.errors[5] == 0 && isnan(got.errors[0]));
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(tree);
    free_setting(&it);
}

static void bits_depend_on_the_row_alone(void **state)
{
    (void)state;
    setting it = new_setting();
    check_request_bits("partition_shap", "evaluations=30", request_of(&it, true));
    free_setting(&it);
}

static ln_status whole_job(void *request, ln_error *err)
{
    const parameters params =
        parameters_of(&ln_explainer_find("partition_shap")->word, "evaluations=30");
    return try_job("partition_shap", &params, *(const ln_request *)request, err);
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    setting it = new_setting();
    ln_request request = request_of(&it, true);
    sweep_allocation_failures(whole_job, &request);
    ln_tensor *tree = tree_of(pairs, INPUTS);
    request.tree = tree;
    sweep_allocation_failures(whole_job, &request);
    ln_tensor_release(tree);
    free_setting(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_shap_is_the_mean_over_its_orders),
        cmocka_unit_test(partition_shap_matches_shap),
        cmocka_unit_test(a_product_is_shared_half_and_half),
        cmocka_unit_test(what_is_correlated_is_joined_first),
        cmocka_unit_test(trees_that_are_none_are_refused),
        cmocka_unit_test(a_small_budget_keeps_the_sum),
        cmocka_unit_test(bits_depend_on_the_row_alone),
        cmocka_unit_test(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
