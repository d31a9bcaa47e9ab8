/* What the tests of explainers and judges share: small networks from lists of numbers, parameters by
 * name, requests, and one call that runs a whole job. Included by one test program each, so that
 * programs of lower rooms link without the graph. */
#ifndef LN_TESTS_NETWORKS_H
#define LN_TESTS_NETWORKS_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explainers/common/layer_rules.h"
#include "explainers/explainer.h"
#include "layers/attributes.h"
#include "tensor/npy.h"

/* Adds one node that reads value `from`; the value it makes. */
static inline int add_layer(ln_graph *graph, const char *word, int from, int number)
{
    ln_error err = {0};
    union {
        ln_dense_attributes dense;
        ln_leaky_relu_attributes leaky;
        ln_elu_attributes elu;
        ln_axis_attributes axis;
        ln_scalar_attributes scalar;
    } attributes = {0};
    if (strcmp(word, "leaky_relu") == 0)
        attributes.leaky.negative_slope = 0.01;
    if (strcmp(word, "elu") == 0)
        attributes.elu.alpha = 1;
    if (strcmp(word, "softmax") == 0)
        attributes.axis.axis = -1;
    if (strcmp(word, "hardtanh") == 0 || strcmp(word, "clip") == 0)
        attributes.scalar = (ln_scalar_attributes){.a = -0.75, .b = 0.5};
    if (strcmp(word, "softshrink") == 0)
        attributes.scalar.a = 0.25;
    if (strcmp(word, "clipped_line") == 0)
        attributes.scalar = (ln_scalar_attributes){.a = -0.5, .b = 0.25};
    char name[64], result[80];
    snprintf(name, sizeof name, "%s_%d", word, number);
    snprintf(result, sizeof result, "%s.out", name);
    const char *results[] = {result};
    int node;
    assert_ok(ln_graph_add_node(graph, ln_layer_find(word), word, name, &attributes, &from, 1,
                                results, 1, &node, &err));
    return ln_graph_find_value(graph, result);
}

/* A dense layer whose weight (out, in) and bias (out) stand one after the other in `numbers`. */
static inline int add_dense(ln_graph *graph, int from, int number, int64_t in, int64_t out,
                            const float *numbers)
{
    ln_error err = {0};
    ln_tensor *weight = tensor_f32(TEST_SHAPE(out, in), numbers);
    ln_tensor *bias = tensor_f32(TEST_SHAPE(out), numbers + in * out);
    char name[64], part[80], result[80];
    snprintf(name, sizeof name, "dense_%d", number);
    int inputs[3] = {from}, node;
    snprintf(part, sizeof part, "%s.weight", name);
    assert_ok(ln_graph_add_constant(graph, part, weight, true, &inputs[1], &err));
    snprintf(part, sizeof part, "%s.bias", name);
    assert_ok(ln_graph_add_constant(graph, part, bias, true, &inputs[2], &err));
    snprintf(result, sizeof result, "%s.out", name);
    const char *results[] = {result};
    ln_dense_attributes attributes = {.units = out, .bias = true};
    assert_ok(ln_graph_add_node(graph, ln_layer_find("dense"), "dense", name, &attributes, inputs,
                                3, results, 1, &node, &err));
    ln_tensor_release(weight);
    ln_tensor_release(bias);
    return ln_graph_find_value(graph, result);
}

/* `layers` is "relu dense dense:relu ..." in words: "dense" takes the next of `sizes` (the first is
 * the number of inputs) and its numbers from `weights`. The caller releases. */
static inline ln_model *network_of(const char *layers, const int64_t *sizes, const float *weights,
                                   ln_task task)
{
    ln_error err = {0};
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    int value = -1, number = 0;
    assert_ok(ln_graph_new(&graph, &err));
    ln_shape shape = TEST_SHAPE(-1, sizes[0]);
    assert_ok(ln_graph_add_input(graph, "x", LN_F32, &shape, &value, &err));
    char words[256], *rest = NULL;
    snprintf(words, sizeof words, "%s", layers);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, "dense") == 0) {
            value = add_dense(graph, value, number++, sizes[0], sizes[1], weights);
            weights += (sizes[0] + 1) * sizes[1];
            sizes++;
        } else {
            value = add_layer(graph, word, value, number++);
        }
    }
    assert_ok(ln_graph_add_output(graph, value, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, task, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* ---------------------------------------------------------------- parameters by name */

typedef struct parameters {
    _Alignas(16) unsigned char bytes[1024]; /* the word's parameter struct */
} parameters;

static inline const ln_param *parameter(const ln_word *word, const char *name)
{
    for (const ln_param *param = word->params; param->name; param++)
        if (strcmp(param->name, name) == 0)
            return param;
    fail_msg("%s has no parameter %s", word->name, name);
    return NULL;
}

/* From a Lua literal, as the driver writes it. */
static inline void set_parameter(const ln_word *word, parameters *into, const char *name,
                                 const char *literal)
{
    const ln_param *param = parameter(word, name);
    unsigned char *at = into->bytes + param->offset;
    int64_t whole = strtoll(literal, NULL, 10);
    double real = strcmp(literal, "nil") == 0 ? NAN : strtod(literal, NULL); /* as args.c has it */
    bool truth = strcmp(literal, "true") == 0;
    int choice;
    ln_ints whole_numbers = {0};
    switch (param->type) {
    case LN_PARAM_INT:
        if (literal[0] == '"') /* one of the texts that stand for a number */
            whole = -1 - ln_choice_index(param->choices, literal + 1, strlen(literal) - 2);
        memcpy(at, &whole, sizeof whole);
        break;
    case LN_PARAM_REAL:
    case LN_PARAM_STOP: /* its number; 0: none */
        if (literal[0] == '"')
            real = -1 - ln_choice_index(param->choices, literal + 1, strlen(literal) - 2);
        memcpy(at, &real, sizeof real);
        break;
    case LN_PARAM_BOOL:
        memcpy(at, &truth, sizeof truth);
        break;
    case LN_PARAM_CHOICE: /* with its quotes */
        choice = ln_choice_index(param->choices, literal + 1, strlen(literal) - 2);
        assert_true(choice >= 0);
        memcpy(at, &choice, sizeof choice);
        break;
    case LN_PARAM_COMPOSITE: /* one of its texts; a list is set by lrp_with */
        choice = ln_choice_index(param->choices, literal + 1, strlen(literal) - 2);
        assert_true(choice >= 0);
        memcpy(at, &(ln_entries){.choice = choice}, sizeof(ln_entries));
        break;
    case LN_PARAM_INTS: /* "2" or "1,2,2" */
        for (char *next = (char *)literal - 1; next[0] != '\0' || next < literal;)
            whole_numbers.at[whole_numbers.count++] = strtoll(next + 1, &next, 10);
        memcpy(at, &whole_numbers, sizeof whole_numbers);
        break;
    default:
        fail_msg("%s of %s is not in the parameter struct", name, word->name);
    }
}

/* Every default of the descriptor, then "name=literal" pairs separated by blanks. What is required
 * and not given is left out, which is no value that a script can give. */
static inline parameters parameters_of(const ln_word *word, const char *given)
{
    parameters made = {0};
    assert_true(word->params_size <= sizeof made.bytes);
    for (const ln_param *param = word->params; param->name; param++)
        if (param->offset != LN_NO_OFFSET && strcmp(param->fallback, LN_REQUIRED) != 0)
            set_parameter(word, &made, param->name, param->fallback);
    char text[256], *rest = NULL;
    snprintf(text, sizeof text, "%s", given);
    for (char *pair = strtok_r(text, " ", &rest); pair; pair = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(pair, '=');
        *equals = '\0';
        set_parameter(word, &made, pair, equals + 1);
    }
    return made;
}

/* ---------------------------------------------------------------- jobs */

/* The parameters that a word cannot do without, for loops over all of them. */
static inline const char *required_by(const ln_explainer *explainer)
{
    if (explainer->flags & LN_ATTACKS)
        return "epsilon=0.1";
    if (strcmp(explainer->word.name, "rise") == 0)
        return "cell=2 masks=80"; /* what fits few inputs */
    return strcmp(explainer->word.name, "occlusion") == 0 ? "window=1" : "";
}

/* Explainers of layers with places, which the networks of rows of numbers do not have. */
static inline bool needs_places(const ln_explainer *explainer)
{
    return strstr(explainer->word.name, "_cam") != NULL;
}

/* Explainers that are defined for networks of relus alone. */
static inline bool needs_relus(const ln_explainer *explainer)
{
    return strcmp(explainer->word.name, "deep_taylor") == 0;
}

/* Rows that have no numbers in a data set are their own. */
static const int64_t own_numbers[] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
};

/* A word that takes a baseline too does without one, unless it looks at how training rows are spread. */
static inline bool needs_background(const ln_explainer *explainer, const ln_request *request)
{
    if ((explainer->flags & LN_OF_TRAINING) && !request->baseline)
        return true;
    return (explainer->flags & LN_TAKES_BACKGROUND) && !(explainer->flags & LN_TAKES_BASELINE);
}

/* What a word that asks another explainer asks where a test does not care: signed saliency. */
static const parameters signed_saliency = {0};

/* What a test does not care about: an input of one axis, every input alone, rows by their place, and
 * for words that need a background the baseline or the rows themselves. */
static inline ln_request completed(const ln_explainer *explainer, ln_request request)
{
    if (!request.groups)
        request.group_count = request.model->width;
    if (!request.background && needs_background(explainer, &request))
        request.background = request.baseline ? request.baseline : request.x;
    if (explainer->flags & LN_WRAPS && !request.of) {
        request.of = ln_explainer_find("saliency");
        request.of_params = signed_saliency.bytes;
    }
    if (request.input_shape.rank == 0)
        request.input_shape = TEST_SHAPE(request.model->width);
    if (!request.row_ids) {
        assert_true(request.x->shape.dims[0] <= (int64_t)(sizeof own_numbers / sizeof(int64_t)));
        request.row_ids = own_numbers;
    }
    return request;
}

/* One job from start to end: all items of the request. The caller frees the result. */
static inline ln_explanation explain_with(const char *word, const parameters *params,
                                          ln_request request, ln_pool *pool)
{
    ln_error err = {0};
    const ln_explainer *explainer = ln_explainer_find(word);
    request = completed(explainer, request);
    request.params = params->bytes;
    ln_job *job = NULL;
    ln_explanation out = {0};
    assert_ok(ln_job_new(explainer, &request, pool, &job, &err));
    assert_ok(ln_job_run(job, 0, request.item_count, &out, &err));
    ln_job_free(job);
    return out;
}

static inline ln_explanation explain(const char *word, const char *given, ln_request request,
                                     ln_pool *pool)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    assert_non_null(explainer);
    const parameters params = parameters_of(&explainer->word, given);
    return explain_with(word, &params, request, pool);
}

/* lrp's parameters with a composite of a script's own: `count` entries, which must live as long. */
static inline parameters lrp_with(const ln_layer_rule *entries, int count, const char *given)
{
    const ln_word *word = &ln_explainer_find("lrp")->word;
    parameters made = parameters_of(word, given);
    const ln_entries list = {.choice = -1, .count = count, .at = entries};
    memcpy(made.bytes + parameter(word, "composite")->offset, &list, sizeof list);
    return made;
}

/* One row, one target, against literals; `baseline` may be NULL. */
static inline void check_one(const char *word, const char *given, ln_model *model, ln_link link,
                             const float *x, int64_t target, const float *baseline,
                             const float *wanted, double atol)
{
    ln_tensor *row = tensor_f32(TEST_SHAPE(1, model->width), x);
    ln_tensor *base = baseline ? tensor_f32(TEST_SHAPE(1, model->width), baseline) : NULL;
    ln_item item = {.row = 0, .target = target};
    ln_explanation got = explain(word, given,
                                 (ln_request){.model = model,
                                              .link = link,
                                              .x = row,
                                              .items = &item,
                                              .item_count = 1,
                                              .baseline = base},
                                 NULL);
    assert_near_f32(got.values, wanted, (size_t)model->width, atol, 1e-6);
    ln_explanation_free(&got);
    ln_tensor_release(row);
    ln_tensor_release(base);
}

/* tests/reference/explainers/<name>.npy; the caller releases. */
static inline ln_tensor *reference(const char *name)
{
    ln_error err = {0};
    char file[128];
    ln_tensor *tensor = NULL;
    snprintf(file, sizeof file, "reference/explainers/%s.npy", name);
    assert_ok(ln_npy_read(test_file(file), &tensor, NULL, &err));
    return tensor;
}

static inline ln_tensor *reference_of(const char *network, const char *part)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", network, part);
    return reference(name);
}

/* The three networks of explainers_reference.py. */
typedef struct reference_network {
    const char *name;
    const char *layers; /* in the words of network_of */
    int64_t sizes[6];
    int32_t groups[6]; /* for the grouped cases: three of them */
} reference_network;

static const reference_network reference_networks[] = {
    {"relu", "dense relu dense relu dense", {6, 8, 5, 3}, {2, 0, 1, 1, 0, 2}},
    {"tanh", "dense tanh dense tanh dense", {5, 7, 4, 3}, {0, 1, 1, 0, 2}},
    {"mixed", "dense elu dense relu dense leaky_relu dense", {6, 9, 7, 5, 2}, {0, 0, 1, 1, 2, 2}},
};
#define REFERENCE_NETWORKS (sizeof reference_networks / sizeof reference_networks[0])
#define REFERENCE_ROWS 9

static inline ln_model *reference_model(const reference_network *network)
{
    ln_tensor *weights = reference_of(network->name, "weights");
    ln_model *model =
        network_of(network->layers, network->sizes, ln_f32(weights), LN_TASK_CLASSIFICATION);
    ln_tensor_release(weights);
    return model;
}

/* A stored network's rows, an item each, its targets in turn; and their baselines, row by row and one for all. */
typedef struct stored_rows {
    ln_model *model;
    ln_tensor *x, *baselines, *one;
    ln_item items[REFERENCE_ROWS];
} stored_rows;

static inline stored_rows open_stored(const reference_network *network)
{
    ln_error err = {0};
    stored_rows made = {.model = reference_model(network),
                        .x = reference_of(network->name, "x"),
                        .baselines = reference_of(network->name, "baselines")};
    assert_ok(ln_tensor_rows(made.baselines, 0, 1, &made.one, &err));
    for (int i = 0; i < REFERENCE_ROWS; i++)
        made.items[i] = (ln_item){.row = i, .target = i % made.model->output_count};
    return made;
}

/* Of all its items; without a baseline. */
static inline ln_request stored_request(const stored_rows *it)
{
    return (ln_request){
        .model = it->model, .x = it->x, .items = it->items, .item_count = REFERENCE_ROWS};
}

static inline void close_stored(stored_rows *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->baselines);
    ln_tensor_release(it->one);
    ln_model_release(it->model);
}

#endif
