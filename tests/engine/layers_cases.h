/* The cases of the layer tests: every layer of the table with its naive reference in float64, written
 * for being read, index by index. */
#ifndef LN_TESTS_LAYERS_CASES_H
#define LN_TESTS_LAYERS_CASES_H

#include "layers_support.h"

/* ---------------------------------------------------------------- references */

static void each(int64_t count, const double *x, double *y, double (*function)(double))
{
    for (int64_t i = 0; i < count; i++)
        y[i] = function(x[i]);
}

static int64_t elements(const layer_case *layer, int64_t rows)
{
    return rows * ln_shape_count(&layer->shapes[0]);
}

#define REFERENCE(name)                                                                            \
    static void name(const layer_case *layer, int64_t rows, const double *const *in, double *out)

static double relu(double x)
{
    return x > 0 ? x : 0;
}
static double leaky(double x)
{
    return x > 0 ? x : 0.2 * x;
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double elu(double x)
{
    return x > 0 ? x : 1.5 * (exp(x) - 1);
}
static double softplus(double x)
{
    return log(1 + exp(2 * x)) / 2;
}
static double softplus_cut(double x)
{
    return x > 0.5 ? x : log(1 + exp(x));
}
static double same(double x)
{
    return x;
}

REFERENCE(relu_reference)
{
    each(elements(layer, rows), in[0], out, relu);
}
REFERENCE(leaky_reference)
{
    each(elements(layer, rows), in[0], out, leaky);
}
REFERENCE(sigmoid_reference)
{
    each(elements(layer, rows), in[0], out, sigmoid);
}
REFERENCE(tanh_reference)
{
    each(elements(layer, rows), in[0], out, tanh);
}
REFERENCE(elu_reference)
{
    each(elements(layer, rows), in[0], out, elu);
}
REFERENCE(softplus_reference)
{
    each(elements(layer, rows), in[0], out, softplus);
}
REFERENCE(softplus_cut_reference)
{
    each(elements(layer, rows), in[0], out, softplus_cut);
}
REFERENCE(same_reference)
{
    each(elements(layer, rows), in[0], out, same);
}

/* On the last axis; the weight (out, in) or (in, out). */
REFERENCE(dense_reference)
{
    const ln_dense_attributes *own = layer->attributes;
    const ln_shape *weight = &layer->shapes[1];
    const int64_t inputs = weight->dims[own->in_out ? 0 : 1];
    const int64_t outputs = weight->dims[own->in_out ? 1 : 0];
    for (int64_t r = 0; r < elements(layer, rows) / inputs; r++)
        for (int64_t o = 0; o < outputs; o++) {
            double sum = layer->count > 2 ? in[2][o] : 0;
            for (int64_t i = 0; i < inputs; i++)
                sum +=
                    in[0][r * inputs + i] * in[1][own->in_out ? i * outputs + o : o * inputs + i];
            out[r * outputs + o] = sum;
        }
}

/* Along axis 1 (of three) or the last. */
REFERENCE(softmax_reference)
{
    const ln_axis_attributes *own = layer->attributes;
    const ln_shape *shape = &layer->shapes[0];
    const int axis = own->axis < 0 ? shape->rank - 1 : (int)own->axis - 1;
    int64_t step = 1;
    for (int i = axis + 1; i < shape->rank; i++)
        step *= shape->dims[i];
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t first = i / (step * shape->dims[axis]) * step * shape->dims[axis] + i % step;
        double sum = 0;
        for (int64_t j = 0; j < shape->dims[axis]; j++)
            sum += exp(in[0][first + j * step]);
        out[i] = exp(in[0][i]) / sum;
    }
}

REFERENCE(class_loss_reference)
{
    const int64_t count = layer->shapes[0].dims[0];
    for (int64_t r = 0; r < rows && count == 1; r++) {
        out[2 * r] = -log(1 - sigmoid(in[0][r]));
        out[2 * r + 1] = -log(sigmoid(in[0][r]));
    }
    for (int64_t i = 0; i < rows * count && count > 1; i++) {
        double sum = 0;
        for (int64_t j = 0; j < count; j++)
            sum += exp(in[0][i / count * count + j]);
        out[i] = -log(exp(in[0][i]) / sum);
    }
}

/* Every operand broadcast to (rows, 2, 3) or (rows, 3): by the rules of numpy, index by index. */
REFERENCE(add_reference)
{
    int64_t dims[3] = {rows, 1, 1};
    int rank = 0;
    for (int k = 0; k < layer->count; k++) {
        const int own = layer->shapes[k].rank + (k < layer->live);
        rank = own > rank ? own : rank;
    }
    for (int k = 0; k < layer->count; k++)
        for (int i = 0; i < layer->shapes[k].rank; i++) {
            const int at = rank - layer->shapes[k].rank + i;
            if (at > 0 && layer->shapes[k].dims[i] > dims[at])
                dims[at] = layer->shapes[k].dims[i];
        }
    for (int64_t i = 0; i < dims[0] * dims[1] * dims[2]; i++) {
        int64_t index[3] = {i / (dims[1] * dims[2]), i / dims[2] % dims[1], i % dims[2]};
        if (rank == 2)
            index[1] = i % dims[1], index[0] = i / dims[1];
        out[i] = 0;
        for (int k = 0; k < layer->count; k++) {
            const ln_shape *shape = &layer->shapes[k];
            int64_t at = k < layer->live ? index[0] : 0;
            for (int j = 0; j < shape->rank; j++)
                at = at * shape->dims[j] + (shape->dims[j] > 1 ? index[rank - shape->rank + j] : 0);
            out[i] += in[k][at];
        }
    }
}

/* Along axis 1 or the last of shapes (a, b). */
REFERENCE(concat_reference)
{
    const ln_axis_attributes *own = layer->attributes;
    int64_t to = 0;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t outer = own->axis == -1 ? layer->shapes[0].dims[0] : 1;
        for (int64_t i = 0; i < outer; i++)
            for (int k = 0; k < layer->count; k++) {
                const int64_t run = ln_shape_count(&layer->shapes[k]) / outer;
                for (int64_t j = 0; j < run; j++)
                    out[to++] = in[k][(r * outer + i) * run + j];
            }
    }
}

/* ---------------------------------------------------------------- cases */

#define ROW(...)                                                                                   \
    {                                                                                              \
        sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const layer_case cases[] = {
    {"dense",
     "dense",
     &(ln_dense_attributes){0},
     1,
     3,
     {ROW(7), ROW(5, 7), ROW(5)},
     dense_reference},
    {"dense in_out",
     "dense",
     &(ln_dense_attributes){.in_out = true},
     1,
     3,
     {ROW(7), ROW(7, 18), ROW(18)},
     dense_reference},
    {"dense without bias",
     "dense",
     &(ln_dense_attributes){0},
     1,
     2,
     {ROW(33), ROW(17, 33)},
     dense_reference},
    {"dense on the last axis",
     "dense",
     &(ln_dense_attributes){0},
     1,
     3,
     {ROW(4, 6), ROW(3, 6), ROW(3)},
     dense_reference},
    {"relu", "relu", NULL, 1, 1, {ROW(11)}, relu_reference},
    {"relu of images", "relu", NULL, 1, 1, {ROW(2, 3, 4)}, relu_reference},
    {"leaky_relu",
     "leaky_relu",
     &(ln_leaky_relu_attributes){0.2},
     1,
     1,
     {ROW(11)},
     leaky_reference},
    {"sigmoid", "sigmoid", NULL, 1, 1, {ROW(11)}, sigmoid_reference},
    {"tanh", "tanh", NULL, 1, 1, {ROW(11)}, tanh_reference},
    {"elu", "elu", &(ln_elu_attributes){1.5}, 1, 1, {ROW(11)}, elu_reference},
    {"softplus", "softplus", &(ln_softplus_attributes){2, 20}, 1, 1, {ROW(11)}, softplus_reference},
    {"softplus above threshold",
     "softplus",
     &(ln_softplus_attributes){1, 0.5},
     1,
     1,
     {ROW(11)},
     softplus_cut_reference},
    {"softmax", "softmax", &(ln_axis_attributes){-1}, 1, 1, {ROW(6)}, softmax_reference},
    {"softmax of axis 1",
     "softmax",
     &(ln_axis_attributes){1},
     1,
     1,
     {ROW(3, 4)},
     softmax_reference},
    {"class_loss", "class_loss", NULL, 1, 1, {ROW(4)}, class_loss_reference},
    {"class_loss of one output", "class_loss", NULL, 1, 1, {ROW(1)}, class_loss_reference},
    {"dropout outside of training",
     "dropout",
     &(ln_dropout_attributes){0.5},
     1,
     1,
     {ROW(6)},
     same_reference},
    {"flatten", "flatten", &(ln_flatten_attributes){1}, 1, 1, {ROW(2, 3, 4)}, same_reference},
    {"reshape",
     "reshape",
     &(ln_reshape_attributes){.shape = {2, {4, -1}}},
     1,
     1,
     {ROW(2, 6)},
     same_reference},
    {"identity", "identity", NULL, 1, 1, {ROW(5)}, same_reference},
    {"add", "add", NULL, 2, 2, {ROW(2, 3), ROW(2, 3)}, add_reference},
    {"add three", "add", NULL, 3, 3, {ROW(4), ROW(4), ROW(4)}, add_reference},
    {"add a bias", "add", NULL, 1, 2, {ROW(2, 3), ROW(3)}, add_reference},
    {"add a bias with a rows' axis", "add", NULL, 1, 2, {ROW(4), ROW(1, 4)}, add_reference},
    {"add a number", "add", NULL, 1, 2, {ROW(2, 3), {0}}, add_reference},
    {"add a column", "add", NULL, 1, 2, {ROW(2, 3), ROW(2, 1)}, add_reference},
    {"add branches of other shapes", "add", NULL, 2, 2, {ROW(2, 1), ROW(1, 3)}, add_reference},
    {"concat",
     "concat",
     &(ln_axis_attributes){1},
     3,
     3,
     {ROW(2, 3), ROW(1, 3), ROW(4, 3)},
     concat_reference},
    {"concat of the last axis",
     "concat",
     &(ln_axis_attributes){-1},
     2,
     2,
     {ROW(2, 3), ROW(2, 1)},
     concat_reference},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* The fixed numbers of one input in float64. */
static inline double *case_input(const layer_bed *bed, int i, int64_t rows)
{
    const bool live = i < bed->layer->live;
    const int64_t count = (live ? rows : 1) * bed->widths[i];
    double *out = ln_calloc((size_t)count, sizeof *out);
    for (int64_t j = 0; j < count; j++)
        out[j] = layer_number(live ? (uint64_t)i : 100 + (uint64_t)i, j);
    return out;
}

/* sum of seeds * output, the number whose gradient is taken. */
static inline double reference_sum(const layer_bed *bed, int64_t rows, double *const *in,
                                   double *out)
{
    double sum = 0;
    bed->layer->reference(bed->layer, rows, (const double *const *)in, out);
    for (int64_t i = 0; i < rows * bed->width; i++)
        sum += layer_number(50, i) * out[i];
    return sum;
}

static inline void check_case(const layer_case *layer, int64_t rows)
{
    layer_bed bed = layer_bed_make(layer);
    /* Dropout is the one layer that training changes, and has no parameters. */
    layer_results got = layer_run(&bed, rows, 0, rows, strcmp(layer->word, "dropout") != 0);
    double *in[LAYER_MOST_INPUTS], *out = ln_calloc((size_t)(rows * bed.width), sizeof *out);
    for (int i = 0; i < layer->count; i++)
        in[i] = case_input(&bed, i, rows);
    reference_sum(&bed, rows, in, out);
    print_message("%s, %d rows\n", layer->label, (int)rows);
    for (int64_t i = 0; i < rows * bed.width; i++) {
        const float wanted = (float)out[i];
        assert_near_f32(&got.out[i], &wanted, 1, 2e-6, 2e-6);
    }
    for (int i = 0; i < layer->count; i++) {
        const int64_t count = (i < layer->live ? rows : 1) * bed.widths[i];
        for (int64_t j = 0; j < count; j++) {
            const double kept = in[i][j], h = 1e-5;
            in[i][j] = kept + h;
            const double above = reference_sum(&bed, rows, in, out);
            in[i][j] = kept - h;
            const double below = reference_sum(&bed, rows, in, out);
            in[i][j] = kept;
            const float wanted = (float)((above - below) / (2 * h));
            assert_near_f32(&got.gradient[i][j], &wanted, 1, 5e-6, 5e-6);
        }
    }
    for (int i = 0; i < layer->count; i++)
        ln_free(in[i]);
    ln_free(out);
    layer_results_free(&bed, &got);
    ln_graph_release(bed.graph);
}

#endif
