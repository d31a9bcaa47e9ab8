/* The attribute struct of each layer: what a script's options, an import or a link set, and what
 * ln_node.attributes points to. Start from zeroed memory; fields that are not named here as having
 * another default mean their usual thing at zero. The descriptors' parameter lists point into them. */
#ifndef LN_LAYERS_ATTRIBUTES_H
#define LN_LAYERS_ATTRIBUTES_H

#include "base/param.h"
#include "tensor/tensor.h"

/* "dense": inputs x (N, ..., in), weight, optional bias (out). Acts on the last axis. */
typedef struct ln_dense_attributes {
    int64_t units; /* out; 0: as the weight says (imports) */
    bool bias;     /* declare makes one; of a node the third input says it */
    bool in_out;   /* the weight is stored (in, out), as ONNX's MatMul has it; else (out, in) */
    bool cut;      /* relu follows at once: simplifying sets it (LN_SIMPLIFY_CUTS); no gradient */
} ln_dense_attributes;

/* "leaky_relu" */
typedef struct ln_leaky_relu_attributes {
    double negative_slope; /* PyTorch and ONNX: 0.01 */
} ln_leaky_relu_attributes;

/* "elu" */
typedef struct ln_elu_attributes {
    double alpha; /* 1 */
} ln_elu_attributes;

/* "softplus" */
typedef struct ln_softplus_attributes {
    double beta;      /* 1 */
    double threshold; /* 20: above it (times beta) the function is x itself */
} ln_softplus_attributes;

/* "dropout" */
typedef struct ln_dropout_attributes {
    double p; /* 0.5 */
} ln_dropout_attributes;

/* "softmax", "concat": an axis counted from the rows (axis 0), negative from the end. */
typedef struct ln_axis_attributes {
    int64_t axis; /* softmax -1, concat 1 */
} ln_axis_attributes;

/* "flatten": axes start.. become one (PyTorch's Flatten; ONNX's with axis = 1). */
typedef struct ln_flatten_attributes {
    int64_t start; /* 1 */
} ln_flatten_attributes;

/* "reshape": of a row; one entry may be -1. With `whole` the first entry stands for the rows (ONNX:
 * -1, 0 or any number whose row then fits) and 0 copies an axis of the input. */
typedef struct ln_reshape_attributes {
    ln_ints shape;
    bool whole; /* the shape names the rows' axis too */
} ln_reshape_attributes;

/* The functions of scalar.c that have parameters: a and b are the first two of each descriptor. */
typedef struct ln_scalar_attributes {
    double a, b;
    int approximate; /* "gelu": 0 none, 1 tanh */
} ln_scalar_attributes;

/* "is_inf" */
typedef struct ln_is_inf_attributes {
    bool negative, positive; /* which infinities count */
} ln_is_inf_attributes;

/* "transpose": result axis i is the input's axis order.at[i]; order.at[0] is 0, the rows. */
typedef struct ln_transpose_attributes {
    ln_ints order;
} ln_transpose_attributes;

/* "expand": the shape of a row, of as many axes as the input's. */
typedef struct ln_expand_attributes {
    ln_ints shape;
} ln_expand_attributes;

/* "cast" */
enum { LN_CAST_F32, LN_CAST_F16, LN_CAST_BF16, LN_CAST_I64, LN_CAST_I32, LN_CAST_BOOL };
#define LN_CAST_CHOICES "f32|f16|bf16|i64|i32|bool"
typedef struct ln_cast_attributes {
    int to; /* one of those */
} ln_cast_attributes;
/* What the layer makes of numbers of this type; `out` holds what `to` is kept in. */
void ln_cast_numbers(const void *from, ln_dtype dtype, int64_t count, int to, void *out);

/* "slice": as ONNX's operator */
typedef struct ln_slice_attributes {
    ln_ints axes, starts, ends;
    ln_ints steps; /* none: 1 */
} ln_slice_attributes;

/* "pad" */
#define LN_PAD_MODES "constant|reflect|edge|wrap"
enum { LN_PAD_CONSTANT, LN_PAD_REFLECT, LN_PAD_EDGE, LN_PAD_WRAP };
typedef struct ln_pad_attributes {
    ln_ints before, after; /* one an axis of a row */
    int mode;              /* one of those */
    double value;
} ln_pad_attributes;

/* "tile" */
typedef struct ln_tile_attributes {
    ln_ints repeats; /* one an axis of a row */
} ln_tile_attributes;

/* "pixel_shuffle", "pixel_unshuffle" */
typedef struct ln_shuffle_attributes {
    int64_t factor;
    bool block_first; /* ONNX's DCR and SpaceToDepth */
} ln_shuffle_attributes;

/* "gather_nd" */
typedef struct ln_gather_nd_attributes {
    int64_t batch; /* axes of a row that both share */
} ln_gather_nd_attributes;

/* "scatter_elements", "scatter_nd" */
#define LN_SCATTER_REDUCTIONS "none|add|mul|max|min"
enum { LN_SCATTER_NONE, LN_SCATTER_ADD, LN_SCATTER_MUL, LN_SCATTER_MAX, LN_SCATTER_MIN };
typedef struct ln_scatter_attributes {
    int64_t axis;  /* of scatter_elements */
    int reduction; /* one of those */
} ln_scatter_attributes;

/* "one_hot" */
typedef struct ln_one_hot_attributes {
    int64_t depth, axis;
    double off, on;
    int type; /* of the result: 0 f32, 1 i64, 2 i32 */
} ln_one_hot_attributes;

/* "matmul" */
typedef struct ln_matmul_attributes {
    double scale; /* 1 */
    bool transpose_a, transpose_b;
} ln_matmul_attributes;

/* "einsum": a label an axis of a row */
typedef struct ln_einsum_attributes {
    ln_ints of[3]; /* of each input */
    ln_ints result;
} ln_einsum_attributes;

/* "reverse_sequence" */
typedef struct ln_reverse_attributes {
    int64_t time;
    int64_t batch; /* 0: one length for all */
} ln_reverse_attributes;

/* "lstm", "gru", "rnn" */
enum { LN_RECURRENT_ROWS, LN_RECURRENT_STEPS_FIRST, LN_RECURRENT_BATCH_FIRST };
typedef struct ln_recurrent_attributes {
    int64_t hidden_size;
    bool bias, bidirectional;
    bool last;        /* only the state after all steps */
    int nonlinearity; /* "rnn": 0 tanh, 1 relu */
    int layout;       /* a row is one sequence, or a batch of them in one of two orders */
    bool backwards;   /* the one direction goes from the last step to the first */
    bool apart;       /* the directions are an axis of the results, not side by side */
    bool reset_first; /* "gru": ONNX's linear_before_reset = 0 */
    double clip;      /* 0: none */
} ln_recurrent_attributes;

/* "upsample" */
#define LN_UPSAMPLE_MODES "nearest|linear|bilinear|trilinear|bicubic"
enum {
    LN_UPSAMPLE_NEAREST,
    LN_UPSAMPLE_LINEAR,
    LN_UPSAMPLE_BILINEAR,
    LN_UPSAMPLE_TRILINEAR,
    LN_UPSAMPLE_BICUBIC
};
#define LN_UPSAMPLE_COORDINATES                                                                    \
    "pytorch|half_pixel|half_pixel_symmetric|pytorch_half_pixel|align_corners|asymmetric|"         \
    "tf_half_pixel_for_nn|tf_crop_and_resize"
enum {
    LN_UPSAMPLE_PYTORCH,
    LN_UPSAMPLE_HALF_PIXEL,
    LN_UPSAMPLE_SYMMETRIC,
    LN_UPSAMPLE_PYTORCH_HALF_PIXEL,
    LN_UPSAMPLE_ALIGN_CORNERS,
    LN_UPSAMPLE_ASYMMETRIC,
    LN_UPSAMPLE_TF_HALF_PIXEL,
    LN_UPSAMPLE_TF_CROP
};
#define LN_UPSAMPLE_ROUNDINGS "floor|ceil|round_prefer_floor|round_prefer_ceil"
enum { LN_UPSAMPLE_FLOOR, LN_UPSAMPLE_CEIL, LN_UPSAMPLE_PREFER_FLOOR, LN_UPSAMPLE_PREFER_CEIL };
typedef struct ln_upsample_attributes {
    double scale_factor;
    int mode; /* one of those, and so on below */
    bool align_corners;
    ln_ints sizes; /* of files: one an axis of a row */
    int coordinates, rounding;
    double cubic, extrapolation;
    bool exclude_outside, antialias;
} ln_upsample_attributes;

/* "embedding" */
typedef struct ln_embedding_attributes {
    int64_t num_embeddings, embedding_dim;
} ln_embedding_attributes;

/* "prelu" */
typedef struct ln_prelu_attributes {
    int64_t
        num_parameters; /* declared: 1, or one a channel (axis 1); 0: as the slope says (ONNX) */
    double init;        /* 0.25 */
} ln_prelu_attributes;

/* "reduce" */
#define LN_REDUCE_OPERATIONS "sum|mean|max|min|prod|l1|l2|log_sum|log_sum_exp|sum_square"
enum {
    LN_REDUCE_sum,
    LN_REDUCE_mean,
    LN_REDUCE_max,
    LN_REDUCE_min,
    LN_REDUCE_prod,
    LN_REDUCE_l1,
    LN_REDUCE_l2,
    LN_REDUCE_log_sum,
    LN_REDUCE_log_sum_exp,
    LN_REDUCE_sum_square
};
typedef struct ln_reduce_attributes {
    int operation; /* one of those */
    ln_ints axes;  /* none: all axes of a row */
    bool keepdims; /* false */
} ln_reduce_attributes;

/* "argument" */
typedef struct ln_argument_attributes {
    int64_t axis;
    bool least, last, keepdims; /* false */
} ln_argument_attributes;

/* "topk" */
typedef struct ln_topk_attributes {
    int64_t k, axis;
    bool least;
} ln_topk_attributes;

/* "cumsum" */
typedef struct ln_cumsum_attributes {
    int64_t axis;
    bool exclusive, reverse;
} ln_cumsum_attributes;

/* "trilu" */
typedef struct ln_trilu_attributes {
    bool upper;
    int64_t k;
} ln_trilu_attributes;

/* "conv1d" to "conv3d": inputs x (N, channels, spatial ...), weight (out, channels / groups,
 * kernel ...), optional bias (out). "conv_transpose1d" to "conv_transpose3d": weight (channels,
 * out / groups, kernel ...). Lists have one number an axis, or one for all. */
typedef struct ln_convolution_attributes {
    int64_t out_channels;   /* 0: as the weight says (imports) */
    ln_ints kernel_size;    /* the same */
    ln_ints stride;         /* empty: 1 */
    ln_ints padding;        /* before and after; empty: 0; count LN_PADDING_SAME: "same" */
    ln_ints padding_after;  /* after, where a file pads the two ends differently; else empty */
    ln_ints output_padding; /* conv_transpose: added to the size of the result; empty: 0 */
    ln_ints dilation;       /* empty: 1 */
    int64_t groups;         /* 1; 0 means 1, too */
    bool bias;              /* declare makes one; of a node the third input says it */
    int64_t outer;          /* axes between rows and channels that count images, too */
} ln_convolution_attributes;

/* "max_pool1d" to "max_pool3d", "avg_pool...", "lp_pool...": x (N, channels, spatial ...). */
typedef struct ln_pool_attributes {
    ln_ints kernel_size;
    ln_ints stride;           /* empty: the kernel's size */
    ln_ints padding;          /* before and after; empty: 0 */
    ln_ints padding_after;    /* as of convolutions */
    ln_ints dilation;         /* empty: 1 */
    bool ceil_mode;           /* also windows that the end of the input cuts */
    bool count_include_pad;   /* avg_pool: padding counts in the mean */
    int64_t divisor_override; /* avg_pool: the divisor of every window; 0: its size */
    double norm_type;         /* lp_pool: p */
    bool absolute;            /* lp_pool: of |x|, as ONNX has it */
    bool by_columns;          /* max_pool: its places count the first axis of an image fastest */
    int64_t outer;            /* as of convolutions */
} ln_pool_attributes;

/* "adaptive_avg_pool1d" to 3d, "adaptive_max_pool1d" to 3d */
typedef struct ln_adaptive_attributes {
    ln_ints output_size; /* one number an axis, or one for all */
    int64_t outer;       /* as of convolutions */
} ln_adaptive_attributes;

/* "batch_norm1d" to 3d: inputs x (N, channels, ...), weight, bias, running mean, running variance
 * (channels), weight and bias may be absent. "instance_norm1d" to 3d: x, weight, bias. */
typedef struct ln_channel_norm_attributes {
    double eps;      /* 1e-5 */
    double momentum; /* batch_norm: 0.1; how much of a batch goes into the running statistics */
    bool affine;     /* declare makes weight and bias */
    int64_t outer;   /* as of convolutions */
} ln_channel_norm_attributes;

/* "group_norm": inputs x (N, channels, ...), weight, bias (channels). */
typedef struct ln_group_norm_attributes {
    int64_t num_groups;
    double eps;    /* 1e-5 */
    bool affine;   /* declare makes weight and bias */
    bool by_group; /* weight and bias have a number a group, as ONNX had it before opset 21 */
    int64_t outer; /* as of convolutions */
} ln_group_norm_attributes;

/* "layer_norm": inputs x, weight, bias of the normalised shape; up to three outputs: y, and of each
 * group its mean and 1 / standard deviation. "rms_norm": x, weight. */
typedef struct ln_layer_norm_attributes {
    ln_ints normalized_shape; /* the last axes; empty: `axes` of them (imports) */
    int64_t axes;             /* how many of the last axes, where the shape is empty */
    double eps;               /* 1e-5; rms_norm: 0 means float32's epsilon */
    bool elementwise_affine;  /* declare makes a weight */
    bool bias;                /* declare makes a bias */
} ln_layer_norm_attributes;

/* "local_response_norm" */
typedef struct ln_response_norm_attributes {
    int64_t size;  /* channels in the sum */
    double alpha;  /* 1e-4 */
    double beta;   /* 0.75 */
    double k;      /* 1 */
    bool later;    /* of an even size the odd channel comes after (ONNX), not before (PyTorch) */
    int64_t outer; /* as of convolutions */
} ln_response_norm_attributes;

/* "relu", "sigmoid", "tanh", "identity", "add", "class_loss" have none. */

#endif
