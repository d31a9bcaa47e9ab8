/* Batch normalisation: batch_norm1d to batch_norm3d on x (N, C, ...), channel by channel.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * Outside of training mean and variance are the running ones, constants of the node, and the layer
 * is a scale and an offset a channel. In training they are those of the batch (over rows and space,
 * the biased variance), and the running ones move: running = (1 - momentum) running + momentum
 * batch's, with the unbiased variance. There, and only there, rows see each other: the sums of a
 * batch go through ln_layer.collect, float64, so that a batch may be computed in parts.
 *
 * With n the normalised x, s = 1 / sqrt(...), M the numbers of a channel in the batch: dweight = sum
 * of dy n, dbias = sum of dy, and dx = weight s (dy - dbias / M - n dweight / M) in training, weight
 * s dy else.
 *
 * Source: Ioffe & Szegedy 2015; torch.nn.BatchNorm1d to BatchNorm3d. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "layers/normalisation.h"
#include "layers/weight.h"
#include "layers/window.h"

enum { WEIGHT = 1, BIAS, MEAN, VARIANCE };

/* What prepare makes. */
typedef struct batch_norm {
    int64_t outer;    /* images of a row */
    int64_t channels; /* of an image */
    int64_t inner;    /* numbers of a channel */
    bool live;        /* a weight or a statistic is computed: a set of them a row */
    double *factor;   /* a channel: y = factor x + offset, unless live or in training */
    double *offset;
} batch_norm;

/* ---------------------------------------------------------------- shapes */

/* PyTorch's BatchNorm1d also takes (N, C). A file's node (its operator has another name) has any
 * number of axes. */
static ln_status check_input(const struct ln_node *node, const ln_shape *in, ln_error *err)
{
    const ln_channel_norm_attributes *own = node->attributes;
    const int axes = ln_window_axes(node->layer);
    char text[64];
    if (in->rank == 2 + own->outer && axes == 1)
        return LN_OK;
    if (strcmp(node->operator_name, node->layer->word.name) == 0)
        return ln_window_check_input(in, axes, (int)own->outer, err);
    if (in->rank < 2 + own->outer)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, channels, ...)",
                       ln_shape_text(in, text, sizeof text));
    return LN_OK;
}

static ln_status batch_norm_infer(const struct ln_graph *graph, const struct ln_node *node,
                                  const ln_shape *in, ln_shape *out, ln_error *err)
{
    static const char *const names[] = {"", "weight", "bias", "running mean", "running variance"};
    const ln_channel_norm_attributes *own = node->attributes;
    ln_status status = check_input(node, &in[0], err);
    if (status)
        return status;
    if (!ln_weight_given(node, MEAN) || !ln_weight_given(node, VARIANCE))
        return ln_fail(err, LN_EINVALID, "it has no running mean and variance");
    for (int i = WEIGHT; i <= VARIANCE && !status; i++) {
        status = ln_weight_vector(graph, node, in, i, names[i], in[0].dims[1 + own->outer], err);
        if (!status && graph->values[node->inputs[0]].fixed && ln_weight_live(graph, node, i))
            status = ln_fail(err, LN_EUNSUPPORTED,
                             "its input is a constant and its %s is computed: that is not possible",
                             names[i]);
    }
    out[0] = in[0];
    return status;
}

static ln_status batch_norm_parameters(const void *attributes, const ln_shape *in,
                                       ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_channel_norm_attributes *own = attributes;
    char text[64];
    if (in->rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, channels, ...)",
                       ln_shape_text(in, text, sizeof text));
    const ln_shape vector = {1, {in->dims[1]}};
    out[0] =
        (ln_layer_parameter){.name = "weight", .shape = vector, .start = 1, .absent = !own->affine};
    out[1] = (ln_layer_parameter){.name = "bias", .shape = vector, .absent = !own->affine};
    out[2] = (ln_layer_parameter){.name = "running_mean", .shape = vector, .constant = true};
    out[3] =
        (ln_layer_parameter){.name = "running_var", .shape = vector, .start = 1, .constant = true};
    *count = 4;
    return LN_OK;
}

/* ---------------------------------------------------------------- preparing */

static void batch_norm_release(ln_step *step)
{
    batch_norm *own = step->prepared;
    if (!own)
        return;
    ln_free(own->factor);
    ln_free(own);
    step->prepared = NULL;
}

/* y = factor x + offset of one channel. */
static void scale_of(const float *weight, const float *bias, const float *mean,
                     const float *variance, int64_t c, double eps, double *factor, double *offset)
{
    *factor = (weight ? (double)weight[c] : 1) / sqrt((double)variance[c] + eps);
    *offset = (bias ? (double)bias[c] : 0) - (double)mean[c] * *factor;
}

static ln_status batch_norm_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_channel_norm_attributes *attributes = step->node->attributes;
    const ln_shape *in = &step->in_shape[0];
    batch_norm *own = step->prepared;
    if (!own) {
        step->prepared = own = ln_calloc(1, sizeof *own);
        if (!own)
            return ln_fail_memory(err, sizeof *own);
        own->outer = own->inner = 1;
        own->channels = in->dims[1 + attributes->outer];
        for (int i = 1; i < in->rank; i++)
            if (i != 1 + attributes->outer)
                *(i <= attributes->outer ? &own->outer : &own->inner) *= in->dims[i];
        for (int i = WEIGHT; i <= VARIANCE; i++)
            own->live = own->live || ln_weight_live(step->graph, step->node, i);
        own->factor = ln_calloc((size_t)own->channels, 2 * sizeof *own->factor);
        if (!own->factor)
            return ln_fail_memory(err, (size_t)own->channels * 2 * sizeof *own->factor);
        own->offset = own->factor + own->channels;
    }
    if (step->training)
        step->statistics = 1 + 2 * own->channels;
    for (int64_t c = 0; c < own->channels && !own->live; c++)
        scale_of(ln_weight_given(step->node, WEIGHT) ? constant[WEIGHT] : NULL,
                 ln_weight_given(step->node, BIAS) ? constant[BIAS] : NULL, constant[MEAN],
                 constant[VARIANCE], c, ln_norm_eps(attributes->eps), &own->factor[c],
                 &own->offset[c]);
    return LN_OK;
}

/* ---------------------------------------------------------------- outside of training */

static const float *operand_of(const ln_pass *pass, int input, int64_t row, int64_t channels)
{
    const struct ln_node *node = pass->step->node;
    if (!ln_weight_given(node, input))
        return NULL;
    const float *at = pass->in[input];
    return at + (ln_weight_live(pass->step->graph, node, input) ? row * channels : 0);
}

/* The factor and offset of a row's channel. */
static void row_scale(const ln_pass *pass, int64_t row, int64_t c, double *factor, double *offset)
{
    const ln_channel_norm_attributes *attributes = pass->step->node->attributes;
    const batch_norm *own = pass->step->prepared;
    *factor = own->factor[c];
    *offset = own->offset[c];
    if (own->live)
        scale_of(operand_of(pass, WEIGHT, row, own->channels),
                 operand_of(pass, BIAS, row, own->channels),
                 operand_of(pass, MEAN, row, own->channels),
                 operand_of(pass, VARIANCE, row, own->channels), c, ln_norm_eps(attributes->eps),
                 factor, offset);
}

/* The gradients of a row's own weights and statistics: those that are wanted are written. */
static void live_gradients(const ln_pass *pass)
{
    const ln_channel_norm_attributes *attributes = pass->step->node->attributes;
    const batch_norm *own = pass->step->prepared;
    const struct ln_node *node = pass->step->node;
    float *to[VARIANCE + 1] = {NULL};
    for (int i = WEIGHT; i <= VARIANCE; i++)
        if (ln_weight_live(pass->step->graph, node, i))
            to[i] = pass->in_grad[i];
    const int64_t images = own->outer, inner = own->inner, channels = own->channels;
    for (int64_t r = 0; r < pass->rows; r++)
        for (int64_t c = 0; c < channels; c++) {
            const double mean = (double)operand_of(pass, MEAN, r, channels)[c];
            const double variance = (double)operand_of(pass, VARIANCE, r, channels)[c];
            const float *weight = operand_of(pass, WEIGHT, r, channels);
            const double scale = 1 / sqrt(variance + ln_norm_eps(attributes->eps));
            const double factor = scale * (weight ? (double)weight[c] : 1);
            double sum = 0, product = 0;
            for (int64_t i = 0; i < images; i++) {
                const int64_t at = ((r * images + i) * channels + c) * inner;
                const float *x = (const float *)pass->in[0] + at, *dy = pass->out_grad[0] + at;
                for (int64_t p = 0; p < inner; p++) {
                    sum += (double)dy[p];
                    product += (double)dy[p] * ((double)x[p] - mean);
                }
            }
            const double written[] = {0, product * scale, sum, -sum * factor,
                                      -product * factor * scale * scale / 2};
            for (int i = WEIGHT; i <= VARIANCE; i++)
                if (to[i])
                    to[i][r * channels + c] = (float)written[i];
        }
}

/* ---------------------------------------------------------------- in training */

/* The batch's mean of a channel and 1 / sqrt(variance + eps), from the collected sums. */
static void batch_moments(const ln_pass *pass, int64_t c, double *mean, double *scale)
{
    const ln_channel_norm_attributes *attributes = pass->step->node->attributes;
    const batch_norm *own = pass->step->prepared;
    const double count = pass->statistics[0];
    *mean = pass->statistics[1 + c] / count;
    const double variance = pass->statistics[1 + own->channels + c] / count - *mean * *mean;
    *scale = 1 / sqrt((variance > 0 ? variance : 0) + attributes->eps);
}

/* Sums are kept in LANES parts, added up at the end: a chain of additions would wait for each. The
 * order is fixed, whatever vectors the machine has. */
enum { LANES = 8 };

static double add_up(const double *lanes)
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* Adds the sum of x and that of its squares. */
static void add_moments(const float *x, int64_t count, double *sum, double *square)
{
    double sums[LANES] = {0}, squares[LANES] = {0};
    int64_t p = 0;
    for (; p + LANES <= count; p += LANES)
        for (int i = 0; i < LANES; i++) {
            sums[i] += (double)x[p + i];
            squares[i] += (double)x[p + i] * (double)x[p + i];
        }
    for (int i = 0; p + i < count; i++) {
        sums[i] += (double)x[p + i];
        squares[i] += (double)x[p + i] * (double)x[p + i];
    }
    *sum += add_up(sums);
    *square += add_up(squares);
}

/* The sum of dy, and that of dy (x - mean). */
static void find_products(const float *x, const float *dy, int64_t count, double mean, double *sum,
                          double *product)
{
    double sums[LANES] = {0}, products[LANES] = {0};
    int64_t p = 0;
    for (; p + LANES <= count; p += LANES)
        for (int i = 0; i < LANES; i++) {
            sums[i] += (double)dy[p + i];
            products[i] += (double)dy[p + i] * ((double)x[p + i] - mean);
        }
    for (int i = 0; p + i < count; i++) {
        sums[i] += (double)dy[p + i];
        products[i] += (double)dy[p + i] * ((double)x[p + i] - mean);
    }
    *sum = add_up(sums);
    *product = add_up(products);
}

/* statistics: numbers of a channel, then the sum of each channel, then the sum of squares. */
static ln_status batch_norm_collect(const ln_pass *pass, ln_error *err)
{
    const batch_norm *own = pass->step->prepared;
    const float *x = pass->in[0];
    double *sums = pass->statistics + 1, *squares = sums + own->channels;
    (void)err;
    memset(pass->statistics, 0, (size_t)pass->step->statistics * sizeof *sums);
    pass->statistics[0] = (double)(pass->rows * own->outer * own->inner);
    for (int64_t i = 0; i < pass->rows * own->outer; i++)
        for (int64_t c = 0; c < own->channels; c++, x += own->inner)
            add_moments(x, own->inner, &sums[c], &squares[c]);
    return LN_OK;
}

/* back_statistics: the sum of dy of each channel, then that of dy n. */
static ln_status batch_norm_collect_backward(const ln_pass *pass, ln_error *err)
{
    const batch_norm *own = pass->step->prepared;
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    double *sums = pass->back_statistics, *products = sums + own->channels;
    (void)err;
    memset(sums, 0, (size_t)pass->step->statistics * sizeof *sums);
    for (int64_t i = 0; i < pass->rows * own->outer; i++)
        for (int64_t c = 0; c < own->channels; c++, x += own->inner, dy += own->inner) {
            double mean, scale, sum, product;
            batch_moments(pass, c, &mean, &scale);
            find_products(x, dy, own->inner, mean, &sum, &product);
            sums[c] += sum;
            products[c] += product * scale;
        }
    return LN_OK;
}

static void batch_norm_settle(const struct ln_graph *graph, const struct ln_node *node,
                              const double *statistics)
{
    const ln_channel_norm_attributes *attributes = node->attributes;
    const ln_tensor *means = graph->values[node->inputs[MEAN]].constant;
    float *mean = ln_f32(means);
    float *variance = ln_f32(graph->values[node->inputs[VARIANCE]].constant);
    const int64_t channels = ln_shape_count(&means->shape);
    const double count = statistics[0], kept = 1 - attributes->momentum;
    for (int64_t c = 0; c < channels; c++) {
        const double own = statistics[1 + c] / count;
        double spread = statistics[1 + channels + c] / count - own * own;
        spread = (spread > 0 ? spread : 0) * (count > 1 ? count / (count - 1) : 1);
        mean[c] = (float)(kept * (double)mean[c] + attributes->momentum * own);
        variance[c] = (float)(kept * (double)variance[c] + attributes->momentum * spread);
    }
}

/* ---------------------------------------------------------------- passes */

static ln_status batch_norm_forward(const ln_pass *pass, ln_error *err)
{
    const batch_norm *own = pass->step->prepared;
    const float *x = pass->in[0];
    float *y = pass->out[0];
    (void)err;
    for (int64_t i = 0; i < pass->rows * own->outer; i++)
        for (int64_t c = 0; c < own->channels; c++, x += own->inner, y += own->inner) {
            double factor, offset, mean, scale;
            row_scale(pass, i / own->outer, c, &factor, &offset);
            if (pass->step->training) {
                const float *weight = operand_of(pass, WEIGHT, 0, own->channels);
                const float *bias = operand_of(pass, BIAS, 0, own->channels);
                batch_moments(pass, c, &mean, &scale);
                factor = scale * (weight ? (double)weight[c] : 1);
                offset = (bias ? (double)bias[c] : 0) - mean * factor;
            }
            for (int64_t p = 0; p < own->inner; p++)
                y[p] = (float)((double)x[p] * factor + offset);
        }
    return LN_OK;
}

/* dx of one channel of one image in training. */
static void train_channel(const ln_pass *pass, int64_t c, const float *x, const float *dy,
                          float *dx)
{
    const batch_norm *own = pass->step->prepared;
    const float *weight = operand_of(pass, WEIGHT, 0, own->channels);
    const double count = pass->statistics[0];
    double mean, scale;
    batch_moments(pass, c, &mean, &scale);
    const double level = pass->back_statistics[c] / count;
    const double slope = pass->back_statistics[own->channels + c] / count;
    const double factor = scale * (weight ? (double)weight[c] : 1);
    for (int64_t p = 0; p < own->inner; p++)
        dx[p] = (float)(factor * ((double)dy[p] - level - ((double)x[p] - mean) * scale * slope));
}

static ln_status batch_norm_backward(const ln_pass *pass, ln_error *err)
{
    const batch_norm *own = pass->step->prepared;
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    (void)err;
    if (own->live)
        live_gradients(pass);
    for (int64_t i = 0; i < pass->rows * own->outer && dx; i++)
        for (int64_t c = 0; c < own->channels; c++) {
            double factor, offset;
            if (pass->step->training)
                train_channel(pass, c, x, dy, dx);
            row_scale(pass, i / own->outer, c, &factor, &offset);
            for (int64_t p = 0; p < own->inner && !pass->step->training; p++)
                dx[p] = (float)((double)dy[p] * factor);
            x += own->inner;
            dy += own->inner;
            dx += own->inner;
        }
    return LN_OK;
}

static ln_status batch_norm_backward_parameters(const ln_pass *pass, ln_error *err)
{
    const batch_norm *own = pass->step->prepared;
    const struct ln_node *node = pass->step->node;
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dw = ln_weight_given(node, WEIGHT) ? pass->in_grad[WEIGHT] : NULL;
    float *db = ln_weight_given(node, BIAS) ? pass->in_grad[BIAS] : NULL;
    (void)err;
    for (int64_t i = 0; i < pass->rows * own->outer; i++)
        for (int64_t c = 0; c < own->channels; c++, x += own->inner, dy += own->inner) {
            double mean, scale, sum, product;
            batch_moments(pass, c, &mean, &scale);
            find_products(x, dy, own->inner, mean, &sum, &product);
            if (dw)
                dw[c] += (float)(product * scale);
            if (db)
                db[c] += (float)sum;
        }
    return LN_OK;
}

/* ---------------------------------------------------------------- words */

static const ln_param batch_norm_params[] = {
    {.name = "eps",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_channel_norm_attributes, eps),
     .fallback = "1e-5",
     .min = 0,
     .max = HUGE_VAL,
     .help = "added to the variance"},
    {.name = "momentum",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_channel_norm_attributes, momentum),
     .fallback = "0.1",
     .min = 0,
     .max = 1,
     .help = "share of each batch in the running mean and variance"},
    {.name = "affine",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_channel_norm_attributes, affine),
     .fallback = "true",
     .help = "whether each channel has a weight and a bias, which are trained"},
    LN_PARAM_END,
};

static const ln_param stored[] = {
    {.name = "outer",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_channel_norm_attributes, outer),
     .fallback = "0",
     .help = "axes between the rows and the channels that count images, too"},
    LN_PARAM_END,
};

/* How many axes, and what they are called. */
#define AXES(X) X(1, "a length") X(2, "height and width") X(3, "depth, height and width")

#define BATCH_NORM(axes, called)                                                                   \
    const ln_layer ln_layer_batch_norm##axes##d = {                                                \
        .word = {.name = "batch_norm" #axes "d",                                                   \
                 .summary = "normalises each channel: by the batch in training, by running mean "  \
                            "and variance else",                                                   \
                 .formula = "y = (x - mean) / sqrt(variance + eps) weight + bias",                 \
                 .source = "PyTorch: torch.nn.BatchNorm" #axes "d; Ioffe & Szegedy 2015",          \
                 .params = batch_norm_params,                                                      \
                 .params_size = sizeof(ln_channel_norm_attributes)},                               \
        .min_inputs = 1,                                                                           \
        .max_inputs = 5,                                                                           \
        .stored = stored,                                                                          \
        .parameters = batch_norm_parameters,                                                       \
        .infer = batch_norm_infer,                                                                 \
        .prepare = batch_norm_prepare,                                                             \
        .release = batch_norm_release,                                                             \
        .forward = batch_norm_forward,                                                             \
        .backward = batch_norm_backward,                                                           \
        .backward_parameters = batch_norm_backward_parameters,                                     \
        .collect = batch_norm_collect,                                                             \
        .collect_backward = batch_norm_collect_backward,                                           \
        .settle = batch_norm_settle,                                                               \
    };

AXES(BATCH_NORM)
