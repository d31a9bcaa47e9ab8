/* Layer-wise relevance propagation: every rule over every kind of linear layer against its formula
 * written out over the layer's matrix (found by probing it with unit vectors), cases by hand,
 * conservation with what biases absorb, composites, and what has no rule. */
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

static void check_rule(const layer_case *c, const setting *s)
{
    ln_model *model = case_model(c);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, model->width), 11);
    const ln_item items[] = {{0, 1}, {1, 1}, {2, 1}};
    char given[160];
    text_of(s, given, sizeof given);
    ln_explanation got = explain(
        "lrp", given, (ln_request){.model = model, .x = x, .items = items, .item_count = 3}, NULL);
    for (int64_t n = 0; n < 3; n++) {
        double row[MOST], hidden[MOST], y[2], above[2] = {0}, middle[MOST], below[MOST];
        double absorbed = 0;
        float wanted[MOST];
        for (int64_t i = 0; i < model->width; i++)
            row[i] = (double)ln_f32(x)[n * model->width + i];
        apply(&first, row, true, hidden);
        apply(&last, hidden, false, y);
        above[1] = y[1];
        propagate(s, &last, hidden, above, middle, &absorbed);
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
        for (size_t s = 0; s < sizeof settings / sizeof *settings; s++)
            check_rule(&cases[c], &settings[s]);
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

/* ---------------------------------------------------------------- graphs and composites */

/* conv -> relu -> [conv] + itself -> max pool -> avg pool -> flatten -> dense: all kinds at once. */
static ln_model *branching_model(void)
{
    ln_declaration declaration;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    const ln_shape input = TEST_SHAPE(2, 8, 8);
    const ln_convolution_attributes conv = {
        .out_channels = 4, .kernel_size = {1, {3}}, .padding = {1, {1}}, .groups = 1, .bias = true};
    const ln_pool_attributes pool = {.kernel_size = {1, {2}}};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes dense = {.units = 3, .bias = true};
    assert_ok(ln_declare_begin(&input, 3, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    int branches[2] = {declaration.value};
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    branches[1] = declaration.value;
    assert_ok(ln_declare_join(&declaration, "add", branches, 2, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("max_pool2d"), &pool, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("avg_pool2d"), &pool, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("flatten"), &flat, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("dense"), &dense, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static const char *const everything[] = {"rule=\"epsilon\"",
                                         "rule=\"epsilon\" epsilon=0.25",
                                         "rule=\"gamma\"",
                                         "rule=\"alpha_beta\"",
                                         "rule=\"z_plus\"",
                                         "rule=\"z_box\" low=-3 high=3",
                                         "rule=\"w_square\"",
                                         "rule=\"flat\"",
                                         "composite=\"epsilon_plus\"",
                                         "composite=\"epsilon_alpha2_beta1\"",
                                         "composite=\"epsilon_gamma_box\" low=-3 high=3",
                                         "composite=\"epsilon_plus_flat\"",
                                         "composite=\"epsilon_alpha2_beta1_flat\""};
#define EVERYTHING (sizeof everything / sizeof *everything)

/* What comes in and what was absorbed on the way are what went out. */
static void relevance_is_conserved(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(5, 128), 5);
    const ln_item items[] = {{0, 0}, {1, 1}, {2, 2}, {3, 0}, {4, 1}};
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_explanation got =
            explain("lrp", everything[s],
                    (ln_request){.model = model, .x = x, .items = items, .item_count = 5}, NULL);
        for (int64_t n = 0; n < 5; n++) {
            const ln_summary summary =
                ln_summarise(got.values + n * 128, 128, got.output[n], got.absorbed[n]);
            assert_true(fabs(got.absorbed[n]) > 0 && summary.l1 > 0);
            if (!ln_residual_holds(&summary, got.output[n], 0, 1e-4))
                fail_msg("%s: %g + %g is not %g", everything[s], summary.total, got.absorbed[n],
                         got.output[n]);
        }
        ln_explanation_free(&got);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* A composite is its rules: on two dense layers epsilon_plus is epsilon 1e-6, and with _flat the first
 * layer spreads evenly. */
static void composites_choose_by_kind_and_place(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(2, 128), 6);
    const ln_item items[] = {{0, 0}, {1, 2}};
    ln_request request = {.model = model, .x = x, .items = items, .item_count = 2};
    ln_explanation one = explain("lrp", "composite=\"epsilon_plus\"", request, NULL);
    ln_explanation two = explain("lrp", "composite=\"epsilon_plus_flat\"", request, NULL);
    /* The flat layer hands the same to all inputs of a window: both input channels alike. */
    for (int64_t n = 0; n < 2; n++)
        for (int64_t p = 0; p < 64; p++)
            assert_true(fabsf(two.values[n * 128 + p] - two.values[n * 128 + 64 + p]) <= 1e-6F);
    assert_true(fabsf(one.values[9] - one.values[64 + 9]) > 1e-4F);
    ln_explanation_free(&one);
    ln_explanation_free(&two);
    ln_tensor_release(x);
    ln_model_release(model);
    const float weights[] = {1, -2, 3, 1, 0.5F, -1, 2, 0, 1, 0.25F, 1, -1, 0.5F};
    model = network_of("dense relu dense", (int64_t[]){2, 3, 1}, weights, LN_TASK_REGRESSION);
    ln_tensor *row = tensor_f32(TEST_SHAPE(1, 2), (float[]){1.5F, -0.5F});
    request = (ln_request){.model = model, .x = row, .items = items, .item_count = 1};
    one = explain("lrp", "composite=\"epsilon_plus\"", request, NULL);
    two = explain("lrp", "epsilon=1e-6", request, NULL);
    assert_same_bits(one.values, two.values, 2 * sizeof(float));
    ln_explanation_free(&one);
    ln_explanation_free(&two);
    ln_tensor_release(row);
    ln_model_release(model);
}

/* Batch normalisation behind a convolution goes into its weights: the relevance of the network is that of
 * the folded one, and conserved; alone it has no rule. */
static void batch_normalisation_is_folded(void **state)
{
    (void)state;
    ln_declaration declaration;
    ln_graph *graph = NULL, *folded;
    ln_model *models[2];
    const ln_shape input = TEST_SHAPE(2, 6, 6);
    const ln_convolution_attributes conv = {
        .out_channels = 3, .kernel_size = {1, {3}}, .groups = 1, .bias = true};
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes two = {.units = 2, .bias = true};
    assert_ok(ln_declare_begin(&input, 9, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("conv2d"), &conv, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("batch_norm2d"), &norm, "norm", &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("flatten"), &flat, NULL, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("dense"), &two, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    static const char *const parts[] = {"norm.weight", "norm.bias", "norm.running_mean",
                                        "norm.running_var"};
    for (int p = 0; p < 4; p++)
        for (int c = 0; c < 3; c++)
            ln_f32(graph->values[ln_graph_find_value(graph, parts[p])].constant)[c] =
                0.5F + 0.3F * (float)p - 0.4F * (float)c * (p < 3 ? 1 : -1);
    assert_ok(ln_graph_simplify(graph, LN_SIMPLIFY_BATCH_NORM, NULL, 0, &folded, &err));
    assert_int_equal(folded->node_count, graph->node_count - 1);
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &models[0], &err));
    assert_ok(
        ln_model_new("network", folded, NULL, NULL, LN_TASK_CLASSIFICATION, &models[1], &err));
    ln_graph_release(graph);
    ln_graph_release(folded);
    ln_tensor *x = tensor_random(TEST_SHAPE(3, 72), 10);
    const ln_item items[] = {{0, 0}, {1, 1}, {2, 0}};
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_explanation got[2];
        for (int m = 0; m < 2; m++)
            got[m] = explain(
                "lrp", everything[s],
                (ln_request){.model = models[m], .x = x, .items = items, .item_count = 3}, NULL);
        assert_same_bits(got[0].values, got[1].values, 3 * 72 * sizeof(float));
        for (int64_t n = 0; n < 3; n++) {
            const ln_summary summary =
                ln_summarise(got[0].values + n * 72, 72, got[0].output[n], got[0].absorbed[n]);
            assert_true(ln_residual_holds(&summary, got[0].output[n], 0, 1e-4));
        }
        ln_explanation_free(&got[0]);
        ln_explanation_free(&got[1]);
    }
    ln_tensor_release(x);
    ln_model_release(models[0]);
    ln_model_release(models[1]);
}

/* A row's relevance has the same bits alone, in a batch and on any number of threads. */
static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(40, 128), 8);
    ln_item items[40];
    for (int i = 0; i < 40; i++)
        items[i] = (ln_item){i, i % 3};
    ln_pool *pool;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t s = 0; s < EVERYTHING; s++) {
        ln_request request = {.model = model, .x = x, .items = items, .item_count = 40};
        ln_explanation all = explain("lrp", everything[s], request, pool);
        request.items = &items[17];
        request.item_count = 1;
        ln_explanation one = explain("lrp", everything[s], request, NULL);
        assert_same_bits(one.values, all.values + 17 * 128, 128 * sizeof(float));
        assert_same_bits(one.absorbed, all.absorbed + 17, sizeof(double));
        ln_explanation_free(&all);
        ln_explanation_free(&one);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* ---------------------------------------------------------------- refusals */

static ln_status try(ln_model *model, const char *given)
{
    const ln_explainer *explainer = ln_explainer_find("lrp");
    parameters params = parameters_of(&explainer->word, given);
    ln_tensor *x = tensor_random(TEST_SHAPE(1, model->width), 1);
    const ln_item item = {0, 0};
    ln_request request =
        completed(explainer, (ln_request){.model = model, .x = x, .items = &item, .item_count = 1});
    request.params = params.bytes;
    ln_job *job = NULL;
    ln_status status = ln_job_new(explainer, &request, NULL, &job, &err);
    ln_job_free(job);
    ln_tensor_release(x);
    return status;
}

static void what_has_no_rule_is_refused(void **state)
{
    (void)state;
    const float weights[] = {1, -2, 3, 1, 0.5F, -1};
    ln_model *model =
        network_of("dense softmax", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    assert_fails(try(model, ""), LN_EUNSUPPORTED, "softmax 'softmax_1': lrp has no rule");
    assert_non_null(strstr(err.hint, "link = \"logit\""));
    ln_model_release(model);
    model = network_of("dense relu", (int64_t[]){2, 2}, weights, LN_TASK_CLASSIFICATION);
    assert_fails(try(model, "rule=\"alpha_beta\" alpha=2 beta=0.5"), LN_EINVALID, "must be 1");
    assert_string_equal(err.field, "alpha");
    assert_fails(try(model, "rule=\"z_box\" low=1 high=-1"), LN_EINVALID, "low is 1 and high -1");
    assert_ok(try(model, "rule=\"epsilon\" low=1 high=-1"));
    ln_model_release(model);
    /* Batch normalisation that stands in front of everything cannot be folded. */
    ln_declaration declaration;
    ln_graph *graph = NULL;
    const ln_shape input = TEST_SHAPE(3);
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    assert_ok(ln_declare_begin(&input, 9, &declaration, &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("batch_norm1d"), &norm, "norm", &err));
    assert_ok(ln_declare_layer(&declaration, ln_layer_find("relu"), NULL, NULL, &err));
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    assert_fails(try(model, ""), LN_EUNSUPPORTED,
                 "batch_norm1d 'norm': lrp has no rule for this layer (batch_norm1d)");
    assert_non_null(strstr(err.hint, "folded"));
    ln_model_release(model);
}

static ln_status relevance_once(void *context, ln_error *error)
{
    const ln_explainer *explainer = ln_explainer_find("lrp");
    ln_model *model = context;
    parameters params = parameters_of(&explainer->word, "composite=\"epsilon_gamma_box\"");
    static float numbers[128];
    const ln_item item = {0, 0};
    ln_tensor *x = NULL;
    ln_job *job = NULL;
    ln_explanation out = {0};
    const ln_shape shape = TEST_SHAPE(1, 128);
    ln_status status = ln_tensor_copy_of(LN_F32, &shape, numbers, &x, error);
    if (status)
        return status;
    ln_request request =
        completed(explainer, (ln_request){.model = model, .x = x, .items = &item, .item_count = 1});
    request.params = params.bytes;
    status = ln_job_new(explainer, &request, NULL, &job, error);
    if (!status)
        status = ln_job_run(job, 0, 1, &out, error);
    ln_explanation_free(&out);
    ln_job_free(job);
    ln_tensor_release(x);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_model *model = branching_model();
    sweep_allocation_failures(relevance_once, model);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_their_formulas),
        cmocka_unit_test(epsilon_by_hand),
        cmocka_unit_test(biases_absorb_their_share),
        cmocka_unit_test(relevance_is_conserved),
        cmocka_unit_test(composites_choose_by_kind_and_place),
        cmocka_unit_test(batch_normalisation_is_folded),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(what_has_no_rule_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
