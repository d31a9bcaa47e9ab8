/* What the tests of deeplift share: graphs built node by node, and completeness. Included by one test program
 * each. */
#ifndef LN_TESTS_CONTRASTING_H
#define LN_TESTS_CONTRASTING_H

#include "networks.h"

static ln_error err;

/* A node of up to three values; the second and the third may be missing, -1. Its result. */
static inline int add_node_of(ln_graph *graph, const char *word, const void *attributes, int a,
                              int b, int c)
{
    char name[64];
    const char *names[1] = {name};
    const int inputs[3] = {a, b, c};
    int node;
    snprintf(name, sizeof name, "%s.%d", word, graph->node_count);
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, name, attributes, inputs,
                                b < 0   ? 1
                                : c < 0 ? 2
                                        : 3,
                                names, 1, &node, &err));
    return graph->nodes[node].outputs[0];
}

static inline int add_node(ln_graph *graph, const char *word, const void *attributes, int a, int b)
{
    return add_node_of(graph, word, attributes, a, b, -1);
}

static inline ln_graph *new_graph(ln_shape shape, int *input)
{
    ln_graph *graph;
    assert_ok(ln_graph_new(&graph, &err));
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, input, &err));
    return graph;
}

static inline ln_model *finish(ln_graph *graph, int output)
{
    ln_model *model;
    assert_ok(ln_graph_add_output(graph, output, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* A dense layer of drawn numbers. */
static inline int dense(ln_graph *graph, int from, int64_t out, uint64_t seed)
{
    const ln_shape *shape = &graph->values[from].shape;
    const int64_t in = shape->dims[shape->rank - 1];
    ln_tensor *numbers = tensor_random(TEST_SHAPE((in + 1) * out), seed);
    const int value = add_dense(graph, from, graph->node_count, in, out, ln_f32(numbers));
    ln_tensor_release(numbers);
    return value;
}

#define REVEAL "rule=\"reveal_cancel\""

/* Twelve drawn rows add up to the change from their baselines, or from a background. */
static inline void check_complete(ln_model *model, const char *word, const char *given,
                                  const ln_tensor *background)
{
    ln_tensor *x = tensor_random(TEST_SHAPE(12, model->width), 21);
    ln_tensor *baseline = tensor_random(TEST_SHAPE(12, model->width), 22);
    ln_item items[12];
    for (int i = 0; i < 12; i++)
        items[i] = (ln_item){i, i % 3};
    ln_explanation got = explain(word, given,
                                 (ln_request){.model = model,
                                              .x = x,
                                              .items = items,
                                              .item_count = 12,
                                              .baseline = background ? NULL : baseline,
                                              .background = background},
                                 NULL);
    for (int64_t n = 0; n < 12; n++) {
        const ln_summary summary = ln_summarise(got.values + n * model->width, model->width,
                                                got.output[n], got.baseline_output[n]);
        assert_true(summary.l1 > 0);
        if (!ln_residual_holds(&summary, got.output[n], got.baseline_output[n], 1e-5))
            fail_msg("row %d: %g is not %g - %g", (int)n, summary.total, got.output[n],
                     got.baseline_output[n]);
    }
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_tensor_release(baseline);
}

/* A job of one drawn row. */
static inline ln_status try(const char *word, ln_model *model, const ln_tensor *background)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    parameters params = parameters_of(&explainer->word, "");
    ln_tensor *x = tensor_random(TEST_SHAPE(1, model->width), 1);
    const ln_item item = {0, 0};
    ln_request request = completed(
        explainer,
        (ln_request){
            .model = model, .x = x, .items = &item, .item_count = 1, .background = background});
    request.params = params.bytes;
    request.background = background;
    ln_job *job = NULL;
    ln_status status = ln_job_new(explainer, &request, NULL, &job, &err);
    ln_job_free(job);
    ln_tensor_release(x);
    return status;
}

#endif
