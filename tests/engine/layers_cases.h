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

/* A constant of (1, 3) between rows of (2, 3). */
REFERENCE(concat_constant_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 9; i++)
            out[r * 9 + i] = i < 6 ? in[0][r * 6 + i] : in[1][i - 6];
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

/* Rows of shape (2, 3, 4) become (4, 2, 3). */
REFERENCE(transpose_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 4; i++)
            for (int64_t j = 0; j < 2; j++)
                for (int64_t k = 0; k < 3; k++)
                    out[((r * 4 + i) * 2 + j) * 3 + k] = in[0][((r * 2 + j) * 3 + k) * 4 + i];
}

/* Rows of shape (1, 3, 1) become (2, 3, 4). */
REFERENCE(expand_reference)
{
    (void)layer;
    for (int64_t i = 0; i < rows * 24; i++)
        out[i] = in[0][i / 24 * 3 + i / 4 % 3];
}

REFERENCE(repeat_reference)
{
    const int64_t count = ln_shape_count(&layer->shapes[1]);
    for (int64_t i = 0; i < rows * count; i++)
        out[i] = in[1][i % count];
}

/* ---------------------------------------------------------------- cases */

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
    {"transpose",
     "transpose",
     &(ln_transpose_attributes){.order = {4, {0, 3, 1, 2}}},
     1,
     1,
     {ROW(2, 3, 4)},
     transpose_reference},
    {"expand",
     "expand",
     &(ln_expand_attributes){.shape = {3, {2, 3, 4}}},
     1,
     1,
     {ROW(1, 3, 1)},
     expand_reference},
    {"repeat", "repeat", NULL, 1, 2, {ROW(5), ROW(2, 3)}, repeat_reference},
    {"cast", "cast", &(ln_cast_attributes){LN_CAST_F32}, 1, 1, {ROW(2, 3)}, same_reference},
    {"identity", "identity", NULL, 1, 1, {ROW(5)}, same_reference},
    {"concat",
     "concat",
     &(ln_axis_attributes){1},
     3,
     3,
     {ROW(2, 3), ROW(1, 3), ROW(4, 3)},
     concat_reference},
    {"concat a constant",
     "concat",
     &(ln_axis_attributes){1},
     1,
     2,
     {ROW(2, 3), ROW(1, 3)},
     concat_constant_reference},
    {"concat of the last axis",
     "concat",
     &(ln_axis_attributes){-1},
     2,
     2,
     {ROW(2, 3), ROW(2, 1)},
     concat_reference},
};
enum { CASES = sizeof cases / sizeof cases[0] };

#endif
