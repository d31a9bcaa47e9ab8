/* The words of convolutions: conv1d to conv3d, and the transposed conv_transpose1d to 3d,
 *
 *     y[o, q] = b[o] + sum of w[c, o, k] x[c, p] over all c, k, p with stride p + dilation k -
 *               padding = q
 *
 * which is the gradient of a convolution used as a layer: each input element spreads a kernel over
 * the result. x (N, C, spatial ...), w (C, O / groups, kernel ...), y (N, O, spatial ...), where a
 * spatial size is (in - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
 *
 * Source: torch.nn.Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d with their initial values:
 * uniform in +-1/sqrt(numbers of weight[0]), of the weights and of the bias. */
#include <math.h>
#include <stddef.h>

#include "layers/convolution.h"

enum { LARGEST = 1 << 24 };

/* ---------------------------------------------------------------- parameters */

/* Shared by several words. */
#define OUT_CHANNELS_PARAM                                                                         \
    {                                                                                              \
        .name = "out_channels", .type = LN_PARAM_INT,                                              \
        .offset = offsetof(ln_convolution_attributes, out_channels), .fallback = LN_REQUIRED,      \
        .min = 1, .max = LARGEST, .position = 1, .help = "channels of the result"                  \
    }
#define KERNEL_SIZE_PARAM                                                                          \
    {                                                                                              \
        .name = "kernel_size", .type = LN_PARAM_INTS,                                              \
        .offset = offsetof(ln_convolution_attributes, kernel_size), .fallback = LN_REQUIRED,       \
        .min = 1, .max = LARGEST, .help = "size of the kernel: one number an axis, or one for all" \
    }
#define GROUPS_PARAM                                                                               \
    {                                                                                              \
        .name = "groups", .type = LN_PARAM_INT,                                                    \
        .offset = offsetof(ln_convolution_attributes, groups), .fallback = "1", .min = 1,          \
        .max = LARGEST,                                                                            \
        .help = "channels are shared out to so many groups that do not see each other"             \
    }
#define BIAS_PARAM                                                                                 \
    {                                                                                              \
        .name = "bias", .type = LN_PARAM_BOOL,                                                     \
        .offset = offsetof(ln_convolution_attributes, bias), .fallback = "true",                   \
        .help = "whether a bias is added to each channel of the result"                            \
    }

static const ln_param convolution_params[] = {
    OUT_CHANNELS_PARAM,
    KERNEL_SIZE_PARAM,
    {.name = "stride",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, stride),
     .fallback = "1",
     .min = 1,
     .max = LARGEST,
     .help = "elements from one place of the kernel to the next, an axis or for all"},
    {.name = "padding",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, padding),
     .fallback = "0",
     .min = 0,
     .max = LARGEST,
     .choices = LN_PADDING_CHOICES,
     .help =
         "zeros before and after the input, an axis or for all; \"same\" (stride 1): so many that "
         "the result has the input's size"},
    {.name = "dilation",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, dilation),
     .fallback = "1",
     .min = 1,
     .max = LARGEST,
     .help = "elements of the input from one weight of the kernel to the next, an axis or for all"},
    GROUPS_PARAM,
    BIAS_PARAM,
    LN_PARAM_END,
};

static const ln_param transposed_params[] = {
    OUT_CHANNELS_PARAM,
    KERNEL_SIZE_PARAM,
    {.name = "stride",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, stride),
     .fallback = "1",
     .min = 1,
     .max = LARGEST,
     .help = "elements of the result from one place of the kernel to the next, an axis or for all"},
    {.name = "padding",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, padding),
     .fallback = "0",
     .min = 0,
     .max = LARGEST,
     .help = "elements left out at both ends of the result, an axis or for all"},
    {.name = "output_padding",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, output_padding),
     .fallback = "0",
     .min = 0,
     .max = LARGEST,
     .help =
         "elements more at the end of the result, an axis or for all; below stride or dilation"},
    GROUPS_PARAM,
    BIAS_PARAM,
    {.name = "dilation",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, dilation),
     .fallback = "1",
     .min = 1,
     .max = LARGEST,
     .help =
         "elements of the result from one weight of the kernel to the next, an axis or for all"},
    LN_PARAM_END,
};

/* What only a file's node has. */
static const ln_param stored[] = {
    {.name = "padding_after",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_convolution_attributes, padding_after),
     .fallback = "nil",
     .help = "padding of the end, where it differs from that of the start"},
    {.name = "outer",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_convolution_attributes, outer),
     .fallback = "0",
     .help = "axes between the rows and the channels that count images, too"},
    LN_PARAM_END,
};

/* Weight and bias as PyTorch makes them. */
static ln_status parameters(const void *attributes, const ln_shape *in, int axes, bool transposed,
                            ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_convolution_attributes *own = attributes;
    ln_shape weight = {.rank = 2 + axes};
    ln_status status = ln_window_check_input(in, axes, 0, err);
    if (status)
        return status;
    const int64_t channels = in->dims[1], groups = own->groups;
    if (channels % groups != 0 || own->out_channels % groups != 0)
        return ln_fail(err, LN_EINVALID,
                       "its input has %lld channels and its result %lld: both must be multiples of "
                       "groups = %lld",
                       (long long)channels, (long long)own->out_channels, (long long)groups);
    weight.dims[0] = transposed ? channels : own->out_channels;
    weight.dims[1] = (transposed ? own->out_channels : channels) / groups;
    double taps = 1;
    for (int i = 0; i < axes && !status; i++) {
        status = ln_window_axis(&own->kernel_size, "kernel_size", i, axes, 1, 1,
                                &weight.dims[2 + i], err);
        taps *= (double)weight.dims[2 + i];
    }
    if (status)
        return status;
    const double numbers = (double)weight.dims[1] * taps;
    if (numbers * (double)weight.dims[0] > (double)LN_MOST_NUMBERS)
        return ln_fail(err, LN_EINVALID,
                       "its weight would have %.0f numbers: at most %lld are possible",
                       numbers * (double)weight.dims[0], (long long)LN_MOST_NUMBERS);
    const double bound = 1 / sqrt(numbers);
    out[0] = (ln_layer_parameter){.name = "weight", .shape = weight, .bound = bound};
    out[1] =
        (ln_layer_parameter){.name = "bias", .shape = {1, {own->out_channels}}, .bound = bound};
    *count = own->bias ? 2 : 1;
    return LN_OK;
}

/* ---------------------------------------------------------------- words */

/* How many axes, and what they are called. */
#define AXES(X) X(1, "a length") X(2, "height and width") X(3, "depth, height and width")

#define CONVOLUTION(axes, called)                                                                  \
    static ln_status parameters_##axes(const void *attributes, const ln_shape *in,                 \
                                       ln_layer_parameter *out, int *count, ln_error *err)         \
    {                                                                                              \
        return parameters(attributes, in, axes, false, out, count, err);                           \
    }                                                                                              \
    const ln_layer ln_layer_conv##axes##d = {                                                      \
        .word = {.name = "conv" #axes "d",                                                         \
                 .summary = "convolution over " called ": one kernel slides over all places",      \
                 .formula = "y[o, p] = b[o] + sum over c, k of w[o, c, k] "                        \
                            "x[c, stride p + dilation k - padding]",                               \
                 .source = "PyTorch: torch.nn.Conv" #axes "d",                                     \
                 .params = convolution_params,                                                     \
                 .params_size = sizeof(ln_convolution_attributes)},                                \
        .flags = LN_LAYER_LINEAR,                                                                  \
        .min_inputs = 2,                                                                           \
        .max_inputs = 3,                                                                           \
        .stored = stored,                                                                          \
        .parameters = parameters_##axes,                                                           \
        .infer = ln_convolution_infer,                                                             \
        .prepare = ln_convolution_prepare,                                                         \
        .release = ln_convolution_release,                                                         \
        .forward = ln_convolution_forward,                                                         \
        .backward = ln_convolution_backward,                                                       \
        .backward_parameters = ln_convolution_parameters,                                          \
    };

AXES(CONVOLUTION)

#define TRANSPOSED(axes, called)                                                                   \
    static ln_status transposed_##axes(const void *attributes, const ln_shape *in,                 \
                                       ln_layer_parameter *out, int *count, ln_error *err)         \
    {                                                                                              \
        return parameters(attributes, in, axes, true, out, count, err);                            \
    }                                                                                              \
    const ln_layer ln_layer_conv_transpose##axes##d = {                                            \
        .word = {.name = "conv_transpose" #axes "d",                                               \
                 .summary = "transposed convolution over " called                                  \
                            ": each element spreads a kernel over the result",                     \
                 .formula = "y[o, stride p + dilation k - padding] += w[c, o, k] x[c, p], from "   \
                            "b[o]",                                                                \
                 .source = "PyTorch: torch.nn.ConvTranspose" #axes "d",                            \
                 .params = transposed_params,                                                      \
                 .params_size = sizeof(ln_convolution_attributes)},                                \
        .flags = LN_LAYER_LINEAR,                                                                  \
        .min_inputs = 2,                                                                           \
        .max_inputs = 3,                                                                           \
        .stored = stored,                                                                          \
        .parameters = transposed_##axes,                                                           \
        .infer = ln_convolution_infer,                                                             \
        .prepare = ln_convolution_prepare,                                                         \
        .release = ln_convolution_release,                                                         \
        .forward = ln_convolution_forward,                                                         \
        .backward = ln_convolution_backward,                                                       \
        .backward_parameters = ln_convolution_parameters,                                          \
    };

AXES(TRANSPOSED)
