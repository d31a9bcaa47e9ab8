#include "explainers/common/bilinear.h"

#include <math.h>
#include <string.h>

#include "layers/attributes.h"

/* What went in and did not come out, by row: relevance at the outputs less that at the inputs. */
static void account(const ln_pass *pass)
{
    const int64_t row = ln_shape_row(&pass->step->out_shape[0]);
    if (!pass->absorbed)
        return;
    for (int64_t j = 0; j < pass->rows * row; j++)
        pass->absorbed[j / row] += (double)pass->out_grad[0][j];
    for (int i = 0; i < pass->step->node->input_count; i++) {
        const int64_t width = ln_shape_row(&pass->step->in_shape[i]);
        for (int64_t j = 0; pass->in_grad[i] && j < pass->rows * width; j++)
            pass->absorbed[j / width] -= (double)pass->in_grad[i][j];
    }
}

static bool is_live(const ln_step *step, int input)
{
    const int id = step->node->inputs[input];
    return id >= 0 && !step->graph->values[id].fixed;
}

/* ---------------------------------------------------------------- products */

static size_t out_scratch(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

/* `values`: how many share each product. */
static ln_status share_product(const ln_rule *rule, const ln_pass *pass, int64_t values,
                               ln_error *err)
{
    const ln_node *node = pass->step->node;
    const int64_t outputs = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    const double epsilon = rule->parameters[0];
    const float *z = pass->out[0], *above = pass->out_grad[0];
    float *ratio = pass->rule_scratch;
    const float *const out_grad[1] = {ratio};
    for (int64_t j = 0; j < outputs; j++) {
        const double below = z[j] >= 0 ? (double)z[j] + epsilon : (double)z[j] - epsilon;
        ratio[j] = (float)((double)above[j] / below / (double)values);
    }
    ln_pass own = *pass;
    own.out_grad = out_grad;
    ln_status status = node->layer->backward(&own, err);
    for (int i = 0; i < node->input_count && !status; i++) {
        const int64_t count = pass->rows * ln_shape_row(&pass->step->in_shape[i]);
        const float *x = pass->in[i];
        for (int64_t k = 0; pass->in_grad[i] && k < count; k++)
            pass->in_grad[i][k] *= x[k];
    }
    if (!status)
        account(pass);
    return status;
}

static ln_status product_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    int64_t values = 0;
    for (int i = 0; i < pass->step->node->input_count; i++)
        values += pass->in_grad[i] != NULL; /* a mask of truth values hands nothing on */
    return share_product(rule, pass, values, err);
}

static ln_status factors_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int64_t made = ln_shape_row(&pass->step->out_shape[0]);
    return share_product(rule, pass, made ? ln_shape_row(&pass->step->in_shape[0]) / made : 1, err);
}

ln_rule ln_relevance_factors(double stabiliser)
{
    return (ln_rule){.name = "factors",
                     .parameters = {stabiliser},
                     .scratch = out_scratch,
                     .backward = factors_backward};
}

ln_rule ln_relevance_product(double stabiliser)
{
    return (ln_rule){.name = "product",
                     .parameters = {stabiliser},
                     .scratch = out_scratch,
                     .backward = product_backward};
}

/* ---------------------------------------------------------------- quotients */

/* a dz/da = z where z = a / b, element by element: the layer's own product sums over what b was spread over. */
static ln_status quotient_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_node *node = pass->step->node;
    const int64_t outputs = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    const int64_t numerators = pass->rows * ln_shape_row(&pass->step->in_shape[0]);
    const int64_t denominators = pass->rows * ln_shape_row(&pass->step->in_shape[1]);
    const float *z = pass->out[0], *above = pass->out_grad[0], *a = pass->in[0];
    float *ratio = pass->rule_scratch;
    const float *const out_grad[1] = {ratio};
    float *in_grad[2] = {pass->in_grad[0], NULL};
    ln_status status = LN_OK;
    (void)rule;
    for (int64_t j = 0; j < outputs; j++)
        ratio[j] = z[j] != 0 ? above[j] / z[j] : 0;
    ln_pass own = *pass;
    own.out_grad = out_grad;
    own.in_grad = in_grad;
    if (in_grad[0])
        status = node->layer->backward(&own, err);
    for (int64_t k = 0; in_grad[0] && k < numerators && !status; k++)
        in_grad[0][k] *= a[k];
    if (pass->in_grad[1])
        memset(pass->in_grad[1], 0, (size_t)denominators * sizeof(float));
    if (!status)
        account(pass);
    return status;
}

const ln_rule ln_relevance_quotient = {
    .name = "quotient", .scratch = out_scratch, .backward = quotient_backward};

/* ---------------------------------------------------------------- scales */

/* The layer's own slopes say where the constant lets nothing through: x 0, x / inf. */
static ln_status scale_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const int live = is_live(pass->step, 0) ? 0 : 1;
    const int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    const float *above = pass->out_grad[0];
    float *below = pass->in_grad[live], *ones = pass->rule_scratch;
    const float *const out_grad[1] = {ones};
    (void)rule;
    if (!below)
        return LN_OK;
    for (int64_t j = 0; j < count; j++)
        ones[j] = 1;
    ln_pass own = *pass;
    own.out_grad = out_grad;
    ln_status status = pass->step->node->layer->backward(&own, err);
    for (int64_t j = 0; j < count && !status; j++)
        below[j] = below[j] == 0 ? 0 : above[j];
    if (!status)
        account(pass);
    return status;
}

const ln_rule ln_relevance_scale = {
    .name = "scale", .scratch = out_scratch, .backward = scale_backward};

/* ---------------------------------------------------------------- softmax */

/* One line of `count` elements `step` apart. */
static void softmax_line(const float *x, const float *y, const float *above, float *below,
                         int64_t count, int64_t step)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)above[i * step];
    for (int64_t i = 0; i < count; i++) {
        const double part = (double)above[i * step] - (double)y[i * step] * sum;
        below[i * step] = part == 0 ? 0 : (float)((double)x[i * step] * part); /* masked: -inf 0 */
    }
}

static ln_status softmax_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *attributes = pass->step->node->attributes;
    const ln_shape *shape = &pass->step->out_shape[0];
    const int axis =
        (int)(attributes->axis < 0 ? attributes->axis + shape->rank : attributes->axis);
    const int64_t count = shape->dims[axis], all = pass->rows * ln_shape_row(shape);
    const float *x = pass->in[0], *y = pass->out[0], *above = pass->out_grad[0];
    float *below = pass->in_grad[0];
    int64_t step = 1;
    (void)rule;
    (void)err;
    if (!below)
        return LN_OK;
    for (int i = axis + 1; i < shape->rank; i++)
        step *= shape->dims[i];
    for (int64_t first = 0; first < all; first += count * step)
        for (int64_t line = first; line < first + step; line++)
            softmax_line(x + line, y + line, above + line, below + line, count, step);
    account(pass);
    return LN_OK;
}

const ln_rule ln_relevance_softmax = {.name = "softmax", .backward = softmax_backward};

/* ---------------------------------------------------------------- what only divides */

static ln_status nothing_backward(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    for (int i = 0; i < pass->step->node->input_count; i++)
        if (pass->in_grad[i])
            memset(pass->in_grad[i], 0,
                   (size_t)(pass->rows * ln_shape_row(&pass->step->in_shape[i])) * sizeof(float));
    return LN_OK;
}

const ln_rule ln_relevance_nothing = {.name = "nothing", .backward = nothing_backward};
