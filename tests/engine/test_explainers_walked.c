/* Networks as torch exports them, and recurrent layers in all their forms, against a walker of our own in float64
 * that goes through torch's modules, recurrent ones step by step (tests/reference/walked_reference.py): lrp and
 * deeplift number by number, what they promise to sum to, and the same bits alone and in a batch. */
#include "explainer_checks.h"

#include "onnx/onnx.h"

enum { ROWS = 4, OUTPUTS = 3 };

static ln_error err;

static const struct {
    const char *name;
    bool lrp;      /* it has rules for all layers */
    bool gamma;    /* and an array for that rule */
    bool deeplift; /* it has rules for all layers */
} networks[] = {
    {"gelu", true, true, true},
    {"places", true, true, true},
    {"margins", true, true, true},
    {"turned", true, true, true},
    {"layer_norm", true, true, true},
    {"group_norm", true, true, true},
    {"instance_norm", true, true, true},
    {"log_softmax", false, false, true},
    {"attention", true, true, true},
    {"lstm", true, true, true},
    {"lstm_both", true, true, true},
    {"gru", true, true, true},
    {"gru_both", true, true, true},
    {"rnn", true, true, true},
    {"rnn_relu", true, true, true},
    {"onnx_lstm", true, false, true},
    {"l1", true, true, true},
    {"l2", true, true, true},
    {"log_sum_exp", true, true, true},
    {"attention_spelt", true, true, true},
    {"scaled", true, true, true},
    {"factors", true, true, false},
    {"norms_before", true, true, true},
    {"norm_before", true, true, true},
    {"branch", true, true, false},
    {"onnx_gru", true, false, true},
    {"onnx_lengths", true, false, true},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

static ln_tensor *array_of(const char *network, const char *part)
{
    char file[160];
    ln_tensor *tensor = NULL;
    snprintf(file, sizeof file, "reference/walked/%s.%s.npy", network, part);
    assert_ok(ln_npy_read(test_file(file), &tensor, NULL, &err));
    return tensor;
}

typedef struct setting {
    ln_model *model;
    ln_tensor *x, *baseline;
    ln_item items[ROWS];
} setting;

static setting open_network(const char *network)
{
    char file[160];
    ln_graph *graph = NULL;
    ln_onnx_info info = {0};
    const ln_onnx_options options = {0};
    setting at = {.x = array_of(network, "x"), .baseline = array_of(network, "baseline")};
    snprintf(file, sizeof file, "reference/walked/%s.onnx", network);
    assert_ok(ln_onnx_read(test_file(file), &options, &graph, &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &at.model, &err));
    ln_graph_release(graph);
    for (int i = 0; i < ROWS; i++)
        at.items[i] = (ln_item){.row = i, .target = i % OUTPUTS};
    return at;
}

static void close_network(setting *at)
{
    ln_tensor_release(at->x);
    ln_tensor_release(at->baseline);
    ln_model_release(at->model);
}

static ln_explanation explained(const setting *at, const char *word, const char *given, int first,
                                int count, ln_pool *pool)
{
    const bool compared = strcmp(word, "deeplift") == 0;
    return explain(word, given,
                   (ln_request){.model = at->model,
                                .x = at->x,
                                .items = at->items + first,
                                .item_count = count,
                                .baseline = compared ? at->baseline : NULL},
                   pool);
}

static void check(const char *network, const char *part, const ln_explanation *got)
{
    ln_tensor *array = array_of(network, part);
    const int64_t numbers = ln_shape_count(&array->shape);
    double scale = 0;
    assert_int_equal(got->count * got->width, numbers);
    for (int64_t i = 0; i < numbers; i++)
        scale = fmax(scale, fabs(ln_f64(array)[i]));
    assert_true(scale > 1e-3);
    for (int64_t i = 0; i < numbers; i++)
        if (!(fabs((double)got->values[i] - ln_f64(array)[i]) <=
              1e-5 * scale + 1e-5 * fabs(ln_f64(array)[i])))
            fail_msg("%s, %s: number %d is %.9g, the reference says %.9g (of up to %g)", network,
                     part, (int)i, (double)got->values[i], ln_f64(array)[i], scale);
    ln_tensor_release(array);
}

static void check_sums(const char *network, const ln_explanation *got, const double *rest)
{
    for (int64_t i = 0; i < got->count; i++) {
        const ln_summary summary =
            ln_summarise(got->values + i * got->width, got->width, got->output[i], rest[i]);
        if (!ln_residual_holds(&summary, got->output[i], rest[i], 1e-5))
            fail_msg("%s: row %d sums to %g, not %g less %g", network, (int)i, summary.total,
                     got->output[i], rest[i]);
    }
}

static void multipliers_as_written_out(void **state)
{
    (void)state;
    for (int n = 0; n < NETWORKS; n++) {
        if (!networks[n].deeplift)
            continue;
        setting at = open_network(networks[n].name);
        ln_explanation got = explained(&at, "deeplift", "", 0, ROWS, NULL);
        check(networks[n].name, "deeplift", &got);
        check_sums(networks[n].name, &got, got.baseline_output);
        ln_explanation_free(&got);
        got = explained(&at, "deeplift", "rule=\"reveal_cancel\"", 0, ROWS, NULL);
        check_sums(networks[n].name, &got, got.baseline_output);
        ln_explanation_free(&got);
        close_network(&at);
    }
}

/* Their steps have an epsilon whatever the rule; where nothing has, lrp refuses one. */
static bool is_recurrent(const setting *at)
{
    const ln_graph *graph = at->model->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const char *word = graph->nodes[i].layer->word.name;
        if (strcmp(word, "lstm") == 0 || strcmp(word, "gru") == 0 || strcmp(word, "rnn") == 0)
            return true;
    }
    return false;
}

static void relevance_as_written_out(void **state)
{
    (void)state;
    static const char *const words[] = {"epsilon", "gamma"};
    for (int n = 0; n < NETWORKS; n++) {
        setting at = open_network(networks[n].name);
        for (int r = 0; r < (networks[n].gamma ? 2 : networks[n].lrp ? 1 : 0); r++) {
            const char *given = r == 0              ? "epsilon=1e-6"
                                : is_recurrent(&at) ? "rule=\"gamma\" epsilon=1e-6"
                                                    : "rule=\"gamma\"";
            ln_explanation got = explained(&at, "lrp", given, 0, ROWS, NULL);
            check(networks[n].name, words[r], &got);
            check_sums(networks[n].name, &got, got.absorbed);
            ln_explanation_free(&got);
        }
        close_network(&at);
    }
}

static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (int n = 0; n < 2 * NETWORKS; n++) {
        const char *word = n % 2 ? "lrp" : "deeplift";
        if (!(n % 2 ? networks[n / 2].lrp : networks[n / 2].deeplift))
            continue;
        setting at = open_network(networks[n / 2].name);
        ln_explanation all = explained(&at, word, "", 0, ROWS, pool);
        ln_explanation one = explained(&at, word, "", 2, 1, NULL);
        assert_same_bits(one.values, all.values + 2 * all.width, (size_t)all.width * sizeof(float));
        ln_explanation_free(&all);
        ln_explanation_free(&one);
        close_network(&at);
    }
    ln_pool_free(pool);
}

static ln_status relevance_of(void *context, ln_error *error)
{
    const setting *at = context;
    const parameters params = parameters_of(&ln_explainer_find("lrp")->word, "");
    const ln_request request = {
        .model = at->model, .x = at->x, .items = at->items, .item_count = ROWS};
    return try_job("lrp", &params, request, error);
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    setting at = open_network("lstm_both");
    sweep_allocation_failures(relevance_of, &at);
    close_network(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multipliers_as_written_out),
        cmocka_unit_test(relevance_as_written_out),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("explainers walked", tests, NULL, NULL);
}
