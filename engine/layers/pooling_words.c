/* The words of poolings; pooling.c computes them.
 *
 * Source: torch.nn.MaxPool1d to MaxPool3d, AvgPool1d to AvgPool3d, LPPool1d to LPPool3d,
 * AdaptiveAvgPool1d to 3d, AdaptiveMaxPool1d to 3d. With ceil_mode PyTorch's LPPool scales the windows
 * that are cut; here, as its formula says, they are the sum of what they hold. */
#include <math.h>
#include <stddef.h>

#include "layers/pooling.h"

enum { LARGEST = 1 << 24 };

/* ---------------------------------------------------------------- parameters */

/* Shared by several words. */
#define KERNEL_SIZE_PARAM                                                                          \
    {                                                                                              \
        .name = "kernel_size", .type = LN_PARAM_INTS,                                              \
        .offset = offsetof(ln_pool_attributes, kernel_size), .fallback = LN_REQUIRED, .min = 1,    \
        .max = LARGEST, .position = 1,                                                             \
        .help = "size of the window: one number an axis, or one for all"                           \
    }
#define STRIDE_PARAM                                                                               \
    {                                                                                              \
        .name = "stride", .type = LN_PARAM_INTS, .offset = offsetof(ln_pool_attributes, stride),   \
        .fallback = "nil", .min = 1, .max = LARGEST,                                               \
        .help = "elements from one window to the next, an axis or for all; by default the "        \
                "window's size"                                                                    \
    }
#define PADDING_PARAM                                                                              \
    {                                                                                              \
        .name = "padding", .type = LN_PARAM_INTS, .offset = offsetof(ln_pool_attributes, padding), \
        .fallback = "0", .min = 0, .max = LARGEST,                                                 \
        .help = "elements before and after the input, an axis or for all; less than the window"    \
    }
#define CEIL_MODE_PARAM                                                                            \
    {                                                                                              \
        .name = "ceil_mode", .type = LN_PARAM_BOOL,                                                \
        .offset = offsetof(ln_pool_attributes, ceil_mode), .fallback = "false",                    \
        .help = "whether there are windows, too, that the end of the input cuts"                   \
    }
#define DILATION_PARAM                                                                             \
    {                                                                                              \
        .name = "dilation", .type = LN_PARAM_INTS,                                                 \
        .offset = offsetof(ln_pool_attributes, dilation), .fallback = "1", .min = 1,               \
        .max = LARGEST, .help = "elements of the input from one element of the window to the next" \
    }

static const ln_param max_params[] = {
    KERNEL_SIZE_PARAM,
    STRIDE_PARAM,
    PADDING_PARAM,
    {.name = "dilation",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_pool_attributes, dilation),
     .fallback = "1",
     .min = 1,
     .max = LARGEST,
     .help =
         "elements of the input from one element of the window to the next, an axis or for all"},
    CEIL_MODE_PARAM,
    LN_PARAM_END,
};

static const ln_param average_params[] = {
    KERNEL_SIZE_PARAM,
    STRIDE_PARAM,
    PADDING_PARAM,
    CEIL_MODE_PARAM,
    {.name = "count_include_pad",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_pool_attributes, count_include_pad),
     .fallback = "true",
     .help = "whether padding counts in the mean"},
    {.name = "divisor_override",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_pool_attributes, divisor_override),
     .fallback = "nil",
     .min = 1,
     .max = LARGEST,
     .help = "what every sum is divided by, in place of the window's size"},
    LN_PARAM_END,
};

static const ln_param lp_params[] = {
    {.name = "norm_type",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_pool_attributes, norm_type),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = HUGE_VAL,
     .above_min = true,
     .position = 1,
     .help = "p"},
    {.name = "kernel_size",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_pool_attributes, kernel_size),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = LARGEST,
     .help = "size of the window: one number an axis, or one for all"},
    STRIDE_PARAM,
    CEIL_MODE_PARAM,
    LN_PARAM_END,
};

static const ln_param adaptive_params[] = {
    {.name = "output_size",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_adaptive_attributes, output_size),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = LARGEST,
     .position = 1,
     .help = "windows along each axis, or one number for all; 1: one over everything"},
    LN_PARAM_END,
};

/* What only a file's node has. */
#define STORED_PADDING                                                                             \
    {                                                                                              \
        .name = "padding_after", .type = LN_PARAM_INTS,                                            \
        .offset = offsetof(ln_pool_attributes, padding_after), .fallback = "nil",                  \
        .help = "padding of the end, where it differs from that of the start"                      \
    }
#define STORED_OUTER(size)                                                                         \
    {                                                                                              \
        .name = "outer", .type = LN_PARAM_INT, .offset = offsetof(size, outer), .fallback = "0",   \
        .help = "axes between the rows and the channels that count images, too"                    \
    }

static const ln_param max_stored[] = {
    STORED_PADDING,
    {.name = "by_columns",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_pool_attributes, by_columns),
     .fallback = "false",
     .help = "places of the maxima count the first axis of an image fastest"},
    STORED_OUTER(ln_pool_attributes),
    LN_PARAM_END,
};
static const ln_param average_stored[] = {
    STORED_PADDING,
    DILATION_PARAM,
    STORED_OUTER(ln_pool_attributes),
    LN_PARAM_END,
};
static const ln_param lp_stored[] = {
    PADDING_PARAM,
    STORED_PADDING,
    DILATION_PARAM,
    {.name = "absolute",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_pool_attributes, absolute),
     .fallback = "false",
     .help = "powers of |x|, not of x"},
    STORED_OUTER(ln_pool_attributes),
    LN_PARAM_END,
};
static const ln_param adaptive_stored[] = {
    STORED_OUTER(ln_adaptive_attributes),
    LN_PARAM_END,
};

/* ---------------------------------------------------------------- words */

/* How many axes, and what they are called. */
#define AXES(X) X(1, "a length") X(2, "height and width") X(3, "depth, height and width")

/* One pooling of `axes` axes; `module` is PyTorch's name of it. */
#define POOL(word_, module, axes, summary_, formula_, params_, stored_, size, infer_)              \
    const ln_layer ln_layer_##word_##axes##d = {                                                   \
        .word = {.name = #word_ #axes "d",                                                         \
                 .summary = summary_,                                                              \
                 .formula = formula_,                                                              \
                 .source = "PyTorch: torch.nn." module #axes "d",                                  \
                 .params = params_,                                                                \
                 .params_size = sizeof(size)},                                                     \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .stored = stored_,                                                                         \
        .types = ln_pool_types,                                                                    \
        .infer = infer_,                                                                           \
        .prepare = ln_pool_prepare,                                                                \
        .release = ln_pool_release,                                                                \
        .forward = ln_pool_forward,                                                                \
        .backward = ln_pool_backward,                                                              \
    };

#define MAX(axes, called)                                                                          \
    POOL(max_pool, "MaxPool", axes, "the greatest element of each window over " called,            \
         "y[c, p] = max over k of x[c, stride p + dilation k - padding]", max_params, max_stored,  \
         ln_pool_attributes, ln_pool_infer)
#define AVERAGE(axes, called)                                                                      \
    POOL(avg_pool, "AvgPool", axes, "the mean of each window over " called,                        \
         "y[c, p] = mean over k of x[c, stride p + k - padding]", average_params, average_stored,  \
         ln_pool_attributes, ln_pool_infer)
#define LP(axes, called)                                                                           \
    POOL(lp_pool, "LPPool", axes, "the p-norm of each window over " called,                        \
         "y[c, p] = (sum over k of x[c, stride p + k]^norm_type)^(1/norm_type)", lp_params,        \
         lp_stored, ln_pool_attributes, ln_pool_infer)
#define ADAPTIVE_AVERAGE(axes, called)                                                             \
    POOL(adaptive_avg_pool, "AdaptiveAvgPool", axes,                                               \
         "means of windows over " called ", so placed that the result has a given size",           \
         "windows from floor(p in / out) to ceil((p + 1) in / out)", adaptive_params,              \
         adaptive_stored, ln_adaptive_attributes, ln_adaptive_infer)
#define ADAPTIVE_MAX(axes, called)                                                                 \
    POOL(adaptive_max_pool, "AdaptiveMaxPool", axes,                                               \
         "greatest elements of windows over " called                                               \
         ", so placed that the result has a given size",                                           \
         "windows from floor(p in / out) to ceil((p + 1) in / out)", adaptive_params,              \
         adaptive_stored, ln_adaptive_attributes, ln_adaptive_infer)

AXES(MAX)
AXES(AVERAGE)
AXES(LP)
AXES(ADAPTIVE_AVERAGE)
AXES(ADAPTIVE_MAX)
