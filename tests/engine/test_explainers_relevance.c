/* Layer-wise relevance propagation, layer by layer: every rule over every kind of linear layer against its
 * formula written out over the layer's matrix (found by probing it with unit vectors), cases by hand.
 * Whole networks and composites: test_explainers_composites.c. */
#include "networks.h"

#include "graph/simplify.h"
#include "model/declare.h"

#define MOST 160 /* inputs or outputs of a probed layer */

static ln_error err;

/* ---------------------------------------------------------------- probed layers */

/* y = W x + b in double precision. */
typedef struct matrix {
    int64_t in, out;
    double w[MOST][MOST]; /* [input][output] */
    double b[MOST];
} matrix;

/* The model's outputs from value `before` on, with `value` as its output; all of one row. */
static void outputs_at(ln_graph *graph, int from, int to, const float *x, float *y)
{
    const ln_plan_options options = {.rows = 1, .values = &to, .value_count = 1};
    ln_plan *plan;
    ln_exec *exec;
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), x, (size_t)ln_shape_row(&graph->values[from].shape) * sizeof *x);
    assert_ok(ln_exec_forward(exec, 1, &err));
    memcpy(y, ln_exec_value(exec, to), (size_t)ln_shape_row(&graph->values[to].shape) * sizeof *y);
    ln_exec_free(exec);
    ln_plan_free(plan);
}

/* A graph of one layer. */
static ln_graph *single_layer(const ln_shape *input, const char *word, const void *attributes)
{
    ln_declaration declaration;
    ln_graph *graph;
    assert_ok(ln_declare_begin(input, 7, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find(word), attributes, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    return graph;
}

static void probe(const ln_shape *input, const char *word, const void *attributes, matrix *out)
{
    ln_graph *graph = single_layer(input, word, attributes);
    float x[MOST] = {0}, y[MOST];
    const int from = graph->inputs[0], to = graph->outputs[0];
    out->in = ln_shape_row(&graph->values[from].shape);
    out->out = ln_shape_row(&graph->values[to].shape);
    assert_true(out->in <= MOST && out->out <= MOST);
    outputs_at(graph, from, to, x, y);
    for (int64_t j = 0; j < out->out; j++)
        out->b[j] = (double)y[j];
    for (int64_t i = 0; i < out->in; i++) {
        x[i] = 1024; /* a power of two that leaves the bias behind */
        outputs_at(graph, from, to, x, y);
        x[i] = 0;
        for (int64_t j = 0; j < out->out; j++)
            out->w[i][j] = ((double)y[j] - out->b[j]) / 1024;
    }
    ln_graph_release(graph);
}

/* ---------------------------------------------------------------- the rules by their formulas */

static double plus(double x)
{
    return x > 0 ? x : 0;
}

static double minus(double x)
{
    return x < 0 ? x : 0;
}

static double pushed(double z, double epsilon)
{
    return z >= 0 ? z + epsilon : z - epsilon;
}

/* The part that input i has in output j, and the bias's, by the rule; two of them for alpha-beta. */
typedef struct setting {
    const char *rule;
    double epsilon, gamma, alpha, beta, low, high;
} setting;

/* Shares of one output: part[i] for every input and the bias's own, whose sum is stabilised; all zero
 * where the rule sends nothing. Returns the factor. */
static double shares(const setting *s, const matrix *m, const double *x, int64_t j, int side,
                     double *part, double *bias)
{
    double z = m->b[j];
    for (int64_t i = 0; i < m->in; i++)
        z += m->w[i][j] * x[i];
    for (int64_t i = 0; i < m->in; i++) {
        const double w = m->w[i][j];
        const double agree = plus(x[i]) * plus(w) + minus(x[i]) * minus(w);
        const double against = plus(x[i]) * minus(w) + minus(x[i]) * plus(w);
        if (strcmp(s->rule, "epsilon") == 0)
            part[i] = x[i] * w;
        else if (strcmp(s->rule, "gamma") == 0)
            part[i] = x[i] * w + s->gamma * (z > 0 ? agree : against);
        else if (strcmp(s->rule, "z_box") == 0)
            part[i] = x[i] * w - s->low * plus(w) - s->high * minus(w);
        else if (strcmp(s->rule, "w_square") == 0)
            part[i] = w * w;
        else if (strcmp(s->rule, "flat") == 0)
            part[i] = w != 0;
        else
            part[i] = side == 0 ? agree : against;
    }
    *bias = m->b[j];
    if (strcmp(s->rule, "gamma") == 0)
        *bias += s->gamma * (z > 0 ? plus(m->b[j]) : minus(m->b[j]));
    else if (strcmp(s->rule, "w_square") == 0)
        *bias = m->b[j] * m->b[j];
    else if (strcmp(s->rule, "z_box") == 0 || strcmp(s->rule, "flat") == 0)
        *bias = 0;
    else if (strcmp(s->rule, "epsilon") != 0)
        *bias = side == 0 ? plus(m->b[j]) : minus(m->b[j]);
    return side == 0 ? s->alpha : -s->beta;
}

/* R at the inputs; what was absorbed is added to. */
static void propagate(const setting *s, const matrix *m, const double *x, const double *above,
                      double *below, double *absorbed)
{
    double part[MOST], bias;
    const int sides = strcmp(s->rule, "alpha_beta") == 0 || strcmp(s->rule, "z_plus") == 0 ? 2 : 1;
    memset(below, 0, (size_t)m->in * sizeof *below);
    for (int64_t j = 0; j < m->out; j++)
        for (int side = 0; side < sides; side++) {
            const double factor = shares(s, m, x, j, side, part, &bias) * above[j];
            double sum = bias, given = 0;
            for (int64_t i = 0; i < m->in; i++)
                sum += part[i];
            const double divisor = pushed(sum, s->epsilon);
            for (int64_t i = 0; i < m->in; i++) {
                below[i] += factor * part[i] / divisor;
                given += factor * part[i] / divisor;
            }
            *absorbed += factor - given;
        }
}

/* ---------------------------------------------------------------- rules over layers */

typedef struct layer_case {
    const char *word;
    ln_shape input;
    union {
        ln_dense_attributes dense;
        ln_convolution_attributes convolution;
    } attributes;
} layer_case;

static const setting settings[] = {
    {"epsilon", 1e-6, 0, 1, 0, 0, 0},    {"epsilon", 0.25, 0, 1, 0, 0, 0},
    {"gamma", 1e-6, 0.25, 1, 0, 0, 0},   {"gamma", 1e-6, 2, 1, 0, 0, 0},
    {"alpha_beta", 1e-6, 0, 2, 1, 0, 0}, {"alpha_beta", 1e-6, 0, 1.5, 0.5, 0, 0},
    {"z_plus", 1e-6, 0, 1, 0, 0, 0},     {"z_box", 1e-6, 0, 1, 0, -1, 2},
    {"w_square", 1e-6, 0, 1, 0, 0, 0},   {"flat", 1e-6, 0, 1, 0, 0, 0},
};

#define SETTINGS ((int)(sizeof settings / sizeof *settings))

static void text_of(const setting *s, char *text, size_t size)
{
    int used = snprintf(text, size, "rule=\"%s\" gamma=%g alpha=%g beta=%g low=%g high=%g", s->rule,
                        s->gamma, s->alpha, s->beta, s->low, s->high);
    if (strcmp(s->rule, "epsilon") == 0)
        snprintf(text + used, size - (size_t)used, " epsilon=%g", s->epsilon);
}

/* layer -> relu -> flatten -> dense 2, explained for output 1: two linear layers by the same rule. */
static ln_model *case_model(const layer_case *c)
{
    ln_declaration declaration;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    const ln_dense_attributes two = {.units = 2, .bias = true};
    const ln_flatten_attributes flat = {.start = 1};
    assert_ok(ln_declare_begin(&c->input, 7, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find(c->word), &c->attributes, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("flatten"), &flat, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("dense"), &two, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* The last layer's matrix from the model's own constants. */
static void last_matrix(const ln_model *model, matrix *out)
{
    const ln_value *weight =
        &model->graph->values[ln_graph_find_value(model->graph, "dense_3.weight")];
    const ln_value *bias = &model->graph->values[ln_graph_find_value(model->graph, "dense_3.bias")];
    out->out = 2;
    out->in = weight->shape.dims[1];
    for (int64_t j = 0; j < 2; j++) {
        out->b[j] = (double)ln_f32(bias->constant)[j];
        for (int64_t i = 0; i < out->in; i++)
            out->w[i][j] = (double)ln_f32(weight->constant)[j * out->in + i];
    }
}

static void apply(const matrix *m, const double *x, bool relu, double *y)
{
    for (int64_t j = 0; j < m->out; j++) {
        y[j] = m->b[j];
        for (int64_t i = 0; i < m->in; i++)
            y[j] += m->w[i][j] * x[i];
        y[j] = relu ? plus(y[j]) : y[j];
    }
}

static matrix first, last; /* too large for the stack */

/* The first layer by the rule s, the last one by the rule `upper`. */
static void check_relevance(const layer_case *c, const setting *s, const setting *upper,
                            const parameters *params)
{
    ln_model *model = case_model(c);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, model->width), 11);
    const ln_item items[] = {{0, 1}, {1, 1}, {2, 1}};
    ln_explanation got = explain_with(
        "lrp", params, (ln_request){.model = model, .x = x, .items = items, .item_count = 3}, NULL);
    for (int64_t n = 0; n < 3; n++) {
        double row[MOST], hidden[MOST], y[2], above[2] = {0}, middle[MOST], below[MOST];
        double absorbed = 0;
        float wanted[MOST];
        for (int64_t i = 0; i < model->width; i++)
            row[i] = (double)ln_f32(x)[n * model->width + i];
        apply(&first, row, true, hidden);
        apply(&last, hidden, false, y);
        above[1] = y[1];
        propagate(upper, &last, hidden, above, middle, &absorbed);
        propagate(s, &first, row, middle, below, &absorbed);
        double size = 0;
        for (int64_t i = 0; i < model->width; i++) {
            wanted[i] = (float)below[i];
            size = fmax(size, fabs(below[i]));
        }
        assert_near_f32(got.values + n * model->width, wanted, (size_t)model->width, 2e-4 * size,
                        2e-4);
        assert_near_f64(&got.absorbed[n], &absorbed, 1, 2e-4 * (size + fabs(y[1])), 2e-4);
        assert_near_f64(&got.output[n], &y[1], 1, 1e-5, 1e-5);
    }
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

static void check_rule(const layer_case *c, const setting *s)
{
    char given[160];
    text_of(s, given, sizeof given);
    const parameters params = parameters_of(&ln_explainer_find("lrp")->word, given);
    check_relevance(c, s, s, &params);
}

static ln_layer_rule entry_of(const setting *s)
{
    return (ln_layer_rule){.place = LN_LAYER_ANYWHERE,
                           .rule = ln_choice_index(LN_LAYER_RULES, s->rule, strlen(s->rule)),
                           .epsilon = s->epsilon,
                           .gamma = s->gamma,
                           .alpha = s->alpha,
                           .beta = s->beta,
                           .low = s->low,
                           .high = s->high};
}

/* A rule below another one, by a composite that says the first layer's by its place, its number or
 * its type, and the last one's by what it is not, its name or its place. */
static void check_pair(const layer_case *c, int below, int above)
{
    ln_layer_rule entries[] = {entry_of(&settings[below]), entry_of(&settings[above])};
    const int way = (below + above) % 3;
    const parameters params = lrp_with(entries, 2, "");
    entries[0].place = way == 1 ? LN_LAYER_ANYWHERE : LN_LAYER_FIRST;
    entries[0].layer = way == 1 ? "0" : NULL;
    entries[0].type = way == 2 ? c->word : NULL;
    entries[1].layer = way == 1 ? "dense_3" : NULL;
    entries[1].place = way == 2 ? LN_LAYER_LAST : LN_LAYER_ANYWHERE;
    check_relevance(c, &settings[below], &settings[above], &params);
}

static void rules_are_their_formulas(void **state)
{
    (void)state;
    const layer_case cases[] = {
        {"dense", TEST_SHAPE(7), {.dense = {.units = 6, .bias = true}}},
        {"dense", TEST_SHAPE(7), {.dense = {.units = 6}}},
        {"conv2d",
         TEST_SHAPE(2, 5, 6),
         {.convolution = {.out_channels = 3,
                          .kernel_size = {2, {3, 2}},
                          .stride = {1, {2}},
                          .padding = {1, {1}},
                          .groups = 1,
                          .bias = true}}},
        {"conv2d",
         TEST_SHAPE(4, 5, 5),
         {.convolution = {.out_channels = 4,
                          .kernel_size = {1, {2}},
                          .dilation = {1, {2}},
                          .groups = 2,
                          .bias = true}}},
        {"conv2d",
         TEST_SHAPE(3, 4, 4),
         {.convolution = {.out_channels = 3, .kernel_size = {1, {3}}, .groups = 3, .bias = true}}},
        {"conv1d",
         TEST_SHAPE(3, 9),
         {.convolution =
              {.out_channels = 4, .kernel_size = {1, {3}}, .stride = {1, {2}}, .groups = 1}}},
        {"conv_transpose2d",
         TEST_SHAPE(2, 3, 3),
         {.convolution = {.out_channels = 2,
                          .kernel_size = {1, {3}},
                          .stride = {1, {2}},
                          .padding = {1, {1}},
                          .output_padding = {1, {1}},
                          .groups = 1,
                          .bias = true}}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ln_model *model = case_model(&cases[c]);
        probe(&cases[c].input, cases[c].word, &cases[c].attributes, &first);
        last_matrix(model, &last);
        ln_model_release(model);
        for (int s = 0; s < SETTINGS; s++) {
            check_rule(&cases[c], &settings[s]);
            for (int above = 1; above < SETTINGS; above += 4)
                check_pair(&cases[c], s, (s + above) % SETTINGS);
        }
    }
}

/* ---------------------------------------------------------------- by hand */

/* 3 -> 3 (all weights 2, no bias), relu, -> 1 (weights 3): relevance is in proportion to the inputs. */
static void epsilon_by_hand(void **state)
{
    (void)state;
    const float weights[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 3, 3, 3, 0};
    ln_model *model =
        network_of("dense relu dense", (int64_t[]){3, 3, 1}, weights, LN_TASK_REGRESSION);
    check_one("lrp", "", model, LN_LINK_RAW, (float[]){1, 2, 3}, 0, NULL, (float[]){18, 36, 54},
              1e-4);
    ln_model_release(model);
}

/* f = relu(x0 - x1 + 1) at (2, 1): R = 2; x0 gets 2 * 2 / 2, x1 -1 * 2 / 2, and the bias took 1 * 2 / 2. */
static void biases_absorb_their_share(void **state)
{
    (void)state;
    const float weights[] = {1, -1, 1};
    ln_model *model = network_of("dense relu", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 2), (float[]){2, 1});
    const ln_item item = {0, 0};
    ln_explanation got = explain(
        "lrp", "", (ln_request){.model = model, .x = x, .items = &item, .item_count = 1}, NULL);
    assert_near_f32(got.values, ((float[]){2, -1}), 2, 1e-6, 0);
    assert_near_f64(got.absorbed, (double[]){1}, 1, 1e-6, 0);
    assert_near_f64(got.output, (double[]){2}, 1, 0, 0);
    ln_explanation_free(&got);
    /* Twice as much of positive shares, once of negative ones: 2 * 2 / 3 * 2 - 1 * 1 * 2. */
    got = explain("lrp", "rule=\"alpha_beta\"",
                  (ln_request){.model = model, .x = x, .items = &item, .item_count = 1}, NULL);
    assert_near_f32(got.values, ((float[]){8.0F / 3, -2}), 2, 1e-5, 0);
    assert_near_f64(got.absorbed, (double[]){4.0 / 3}, 1, 1e-5, 0);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_their_formulas),
        cmocka_unit_test(epsilon_by_hand),
        cmocka_unit_test(biases_absorb_their_share),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
