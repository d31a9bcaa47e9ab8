/* The words of the normalisations within a row; normalisation.c computes them. Weights start at 1 and
 * biases at 0, as torch.nn's. */
#include <math.h>
#include <stddef.h>

#include "layers/normalisation.h"

enum { LARGEST = 1 << 24 };

static int weights(const ln_shape *shape, bool weight, bool bias, ln_layer_parameter *out)
{
    out[0] = (ln_layer_parameter){.name = "weight", .shape = *shape, .start = 1};
    out[1] = (ln_layer_parameter){.name = "bias", .shape = *shape};
    return weight && bias ? 2 : weight ? 1 : 0;
}

/* ---------------------------------------------------------------- layer_norm, rms_norm */

/* Shared by several words. */
#define NORMALIZED_SHAPE_PARAM                                                                     \
    {                                                                                              \
        .name = "normalized_shape", .type = LN_PARAM_INTS,                                         \
        .offset = offsetof(ln_layer_norm_attributes, normalized_shape), .fallback = "nil",         \
        .min = 1, .max = LARGEST, .position = 1,                                                   \
        .help = "sizes of the last axes, which are normalised together; by default the last axis " \
                "alone"                                                                            \
    }
#define ELEMENTWISE_AFFINE_PARAM                                                                   \
    {                                                                                              \
        .name = "elementwise_affine", .type = LN_PARAM_BOOL,                                       \
        .offset = offsetof(ln_layer_norm_attributes, elementwise_affine), .fallback = "true",      \
        .help = "whether each element has a weight, which is trained"                              \
    }

static const ln_param layer_norm_params[] = {
    NORMALIZED_SHAPE_PARAM,
    {.name = "eps",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_layer_norm_attributes, eps),
     .fallback = "1e-5",
     .min = 0,
     .max = HUGE_VAL,
     .help = "added to the variance"},
    ELEMENTWISE_AFFINE_PARAM,
    {.name = "bias",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_layer_norm_attributes, bias),
     .fallback = "true",
     .help = "whether it has a bias, too"},
    LN_PARAM_END,
};

static const ln_param rms_norm_params[] = {
    NORMALIZED_SHAPE_PARAM,
    {.name = "eps",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_layer_norm_attributes, eps),
     .fallback = "nil",
     .min = 0,
     .max = HUGE_VAL,
     .help = "added to the mean square; by default float32's 2^-23"},
    ELEMENTWISE_AFFINE_PARAM,
    LN_PARAM_END,
};

/* What only a file's node has. */
static const ln_param layer_stored[] = {
    {.name = "axes",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_layer_norm_attributes, axes),
     .fallback = "0",
     .help = "how many of the last axes are normalised, where their sizes are not said"},
    LN_PARAM_END,
};

static ln_status layer_parameters(const void *attributes, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_layer_norm_attributes *own = attributes;
    const ln_ints *axes = &own->normalized_shape;
    ln_shape shape = ln_shape_of(axes->count, axes->at);
    if (in->rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has no axis beside the rows");
    if (axes->count == 0)
        shape = (ln_shape){1, {in->dims[in->rank - 1]}};
    *count = weights(&shape, own->elementwise_affine, own->bias, out);
    return LN_OK;
}

const ln_layer ln_layer_layer_norm = {
    .word = {.name = "layer_norm",
             .summary = "normalises the last axes of each row to mean 0 and variance 1",
             .formula = "y = (x - mean) / sqrt(variance + eps) weight + bias",
             .source = "PyTorch: torch.nn.LayerNorm; Ba, Kiros & Hinton 2016",
             .params = layer_norm_params,
             .params_size = sizeof(ln_layer_norm_attributes)},
    .min_inputs = 1,
    .max_inputs = 3,
    .stored = layer_stored,
    .parameters = layer_parameters,
    .infer = ln_norm_infer,
    .prepare = ln_norm_prepare,
    .release = ln_norm_release,
    .forward = ln_norm_forward,
    .backward = ln_norm_backward,
    .backward_parameters = ln_norm_parameters,
};

const ln_layer ln_layer_rms_norm = {
    .word = {.name = "rms_norm",
             .summary = "scales the last axes of each row to mean square 1",
             .formula = "y = x / sqrt(mean of x^2 + eps) weight",
             .source = "PyTorch: torch.nn.RMSNorm; Zhang & Sennrich 2019",
             .params = rms_norm_params,
             .params_size = sizeof(ln_layer_norm_attributes)},
    .min_inputs = 1,
    .max_inputs = 2,
    .stored = layer_stored,
    .parameters = layer_parameters,
    .infer = ln_norm_infer,
    .prepare = ln_norm_prepare,
    .release = ln_norm_release,
    .forward = ln_norm_forward,
    .backward = ln_norm_backward,
    .backward_parameters = ln_norm_parameters,
};

/* ---------------------------------------------------------------- group_norm */

static const ln_param group_norm_params[] = {
    {.name = "num_groups",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_group_norm_attributes, num_groups),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = LARGEST,
     .position = 1,
     .help = "channels are shared out to so many groups, each normalised on its own"},
    {.name = "eps",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_group_norm_attributes, eps),
     .fallback = "1e-5",
     .min = 0,
     .max = HUGE_VAL,
     .help = "added to the variance"},
    {.name = "affine",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_group_norm_attributes, affine),
     .fallback = "true",
     .help = "whether each channel has a weight and a bias, which are trained"},
    LN_PARAM_END,
};

static const ln_param group_stored[] = {
    {.name = "by_group",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_group_norm_attributes, by_group),
     .fallback = "false",
     .help = "weight and bias have a number a group"},
    {.name = "outer",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_group_norm_attributes, outer),
     .fallback = "0",
     .help = "axes between the rows and the channels that count images, too"},
    LN_PARAM_END,
};

static ln_status group_parameters(const void *attributes, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_group_norm_attributes *own = attributes;
    if (in->rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has no axis of channels");
    const ln_shape shape = {1, {in->dims[1]}};
    *count = weights(&shape, own->affine, own->affine, out);
    return LN_OK;
}

const ln_layer ln_layer_group_norm = {
    .word = {.name = "group_norm",
             .summary = "normalises groups of channels of each row to mean 0 and variance 1",
             .formula = "y = (x - mean) / sqrt(variance + eps) weight + bias",
             .source = "PyTorch: torch.nn.GroupNorm; Wu & He 2018",
             .params = group_norm_params,
             .params_size = sizeof(ln_group_norm_attributes)},
    .min_inputs = 1,
    .max_inputs = 3,
    .stored = group_stored,
    .parameters = group_parameters,
    .infer = ln_norm_infer,
    .prepare = ln_norm_prepare,
    .release = ln_norm_release,
    .forward = ln_norm_forward,
    .backward = ln_norm_backward,
    .backward_parameters = ln_norm_parameters,
};

/* ---------------------------------------------------------------- instance_norm */

static const ln_param instance_norm_params[] = {
    {.name = "eps",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_channel_norm_attributes, eps),
     .fallback = "1e-5",
     .min = 0,
     .max = HUGE_VAL,
     .help = "added to the variance"},
    {.name = "affine",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_channel_norm_attributes, affine),
     .fallback = "false",
     .help = "whether each channel has a weight and a bias, which are trained"},
    LN_PARAM_END,
};

static const ln_param instance_stored[] = {
    {.name = "outer",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_channel_norm_attributes, outer),
     .fallback = "0",
     .help = "axes between the rows and the channels that count images, too"},
    LN_PARAM_END,
};

static ln_status instance_parameters(const void *attributes, const ln_shape *in,
                                     ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_channel_norm_attributes *own = attributes;
    if (in->rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has no axis of channels");
    const ln_shape shape = {1, {in->dims[1]}};
    *count = weights(&shape, own->affine, own->affine, out);
    return LN_OK;
}

/* How many axes, and what they are called. */
#define AXES(X) X(1, "a length") X(2, "height and width") X(3, "depth, height and width")

#define INSTANCE_NORM(axes, called)                                                                \
    const ln_layer ln_layer_instance_norm##axes##d = {                                             \
        .word = {.name = "instance_norm" #axes "d",                                                \
                 .summary = "normalises each channel of each row to mean 0 and variance 1",        \
                 .formula = "y = (x - mean) / sqrt(variance + eps) weight + bias",                 \
                 .source = "PyTorch: torch.nn.InstanceNorm" #axes "d; Ulyanov et al. 2016",        \
                 .params = instance_norm_params,                                                   \
                 .params_size = sizeof(ln_channel_norm_attributes)},                               \
        .min_inputs = 1,                                                                           \
        .max_inputs = 3,                                                                           \
        .stored = instance_stored,                                                                 \
        .parameters = instance_parameters,                                                         \
        .infer = ln_norm_infer,                                                                    \
        .prepare = ln_norm_prepare,                                                                \
        .release = ln_norm_release,                                                                \
        .forward = ln_norm_forward,                                                                \
        .backward = ln_norm_backward,                                                              \
        .backward_parameters = ln_norm_parameters,                                                 \
    };

AXES(INSTANCE_NORM)
