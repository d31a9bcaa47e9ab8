/* Loops over numbers are kernels/rules.h, row by row: a row's sums depend on the row alone. */
#include "explainers/common/relevance_inside.h"

#include <string.h>

#include "graph/graph.h"
#include "kernels/rules.h"
#include "layers/attributes.h"
#include "layers/last.h"

#define MOST_INPUTS 10 /* of a node with a rule: its value and its constants */
enum { BIAS = 2 };     /* its place among them */

int64_t ln_relevance_inputs(const ln_pass *pass)
{
    return pass->rows * ln_shape_row(&pass->step->in_shape[0]);
}

/* ---------------------------------------------------------------- passes over the layer */

ln_status ln_relevance_forward(const ln_pass *pass, const ln_variant *variant, const float *bias,
                               int64_t rows, const float *x, float *z, ln_error *err)
{
    const void *in[MOST_INPUTS];
    void *out[1] = {z};
    const ln_node *node = pass->step->node;
    ln_pass own = *pass;
    memcpy(in, variant ? (const void *const *)variant->in : pass->in,
           (size_t)node->input_count * sizeof *in);
    in[0] = x;
    if (bias)
        in[BIAS] = bias;
    own.rows = rows;
    own.in = in;
    own.out = out;
    if (variant)
        own.step = &variant->step;
    return node->layer->forward(&own, err);
}

ln_status ln_relevance_back(const ln_pass *pass, const ln_variant *variant, const float *s,
                            float *c, ln_error *err)
{
    const void *in[MOST_INPUTS];
    const float *out_grad[1] = {s};
    float *in_grad[MOST_INPUTS] = {c};
    const ln_node *node = pass->step->node;
    ln_pass own = *pass;
    memcpy(in, variant ? (const void *const *)variant->in : pass->in,
           (size_t)node->input_count * sizeof *in);
    in[0] = pass->in[0];
    own.in = in;
    own.out_grad = out_grad;
    own.in_grad = in_grad;
    if (variant)
        own.step = &variant->step;
    return node->layer->backward(&own, err);
}

/* ---------------------------------------------------------------- biases */

/* What the bias adds to output j of a row: bias[j / inner % count]. Dense layers have it on the last axis,
 * convolutions on that of the channels, which may be the last. */
typedef struct bias_axis {
    int64_t count, inner; /* outputs that share one number */
} bias_axis;

static bias_axis axis_of(const ln_step *step)
{
    const ln_shape *out = &step->out_shape[0];
    int axis = out->rank - 1;
    if (step->node->layer != &ln_layer_conv2d_last &&
        strncmp(step->node->layer->word.name, "conv", 4) == 0)
        axis = 1 + (int)((const ln_convolution_attributes *)step->node->attributes)->outer;
    bias_axis made = {.count = out->dims[axis], .inner = 1};
    while (++axis < out->rank)
        made.inner *= out->dims[axis];
    return made;
}

int64_t ln_relevance_biases(const ln_step *step)
{
    const bool given = step->node->input_count > BIAS && step->node->inputs[BIAS] >= 0;
    return given ? axis_of(step).count : 0;
}

/* Neighbouring outputs have all of the biases again and again: as often as it takes to fill lanes. Where
 * they share one, lanes are full of that. */
int64_t ln_relevance_tile(const ln_step *step)
{
    const bias_axis axis = axis_of(step);
    int64_t tile = axis.count;
    while (axis.inner == 1 && tile % LN_RULE_LANES)
        tile += axis.count;
    return axis.inner == 1 ? tile : LN_RULE_LANES;
}

/* ---------------------------------------------------------------- ratios */

/* One row, whose outputs lie in stretches of `inner` that share a bias. */
static double stretched_row(const ln_rule_kernels *kernels, ln_ratio *ratio, const float *bias,
                            const bias_axis *axis, int64_t row, const float *z, const float *r,
                            const float *gate, float *tile, float *s)
{
    double absorbed = 0;
    ratio->bias = tile;
    ratio->period = LN_RULE_LANES;
    for (int64_t j = 0; j < row; j += axis->inner) {
        for (int i = 0; i < LN_RULE_LANES; i++)
            tile[i] = bias[j / axis->inner % axis->count];
        absorbed +=
            kernels->ratios(ratio, axis->inner, z + j, r + j, gate ? gate + j : NULL, s + j);
    }
    return absorbed;
}

void ln_relevance_ratios(const ln_pass *pass, const ln_shares *how, const float *z, float *s)
{
    const ln_rule_kernels *kernels = ln_rule_kernels_choose();
    const ln_step *step = pass->step;
    const int64_t row = ln_shape_row(&step->out_shape[0]);
    const float *bias = how->in && ln_relevance_biases(step) ? how->in[BIAS] : NULL;
    const bias_axis axis = bias ? axis_of(step) : (bias_axis){0};
    ln_ratio ratio = {
        .factor = (float)how->factor, .epsilon = how->epsilon, .sign = how->gate ? how->sign : 0};
    if (bias && axis.inner == 1) {
        ratio.bias = how->tile;
        ratio.period = ln_relevance_tile(step);
        for (int64_t j = 0; j < ratio.period; j += axis.count)
            memcpy(how->tile + j, bias, (size_t)axis.count * sizeof *bias);
    }
    for (int64_t n = 0; n < pass->rows; n++) {
        const float *own = how->one_row ? z : z + n * row, *r = pass->out_grad[0] + n * row;
        const float *gate = ratio.sign ? how->gate + n * row : NULL;
        const double absorbed = bias && axis.inner > 1
                                    ? stretched_row(kernels, &ratio, bias, &axis, row, own, r, gate,
                                                    how->tile, s + n * row)
                                    : kernels->ratios(&ratio, row, own, r, gate, s + n * row);
        if (pass->absorbed)
            pass->absorbed[n] += absorbed;
    }
}
