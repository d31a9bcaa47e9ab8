/* pixel_shuffle and pixel_unshuffle, as tables of offsets (move.h).
 *
 * pixel_shuffle    (C r r, H, W) to (C, H r, W r): element (c, h r + i, w r + j) is element
 *                  (c r r + i r + j, h, w) of the input; as ONNX's DCR order ((i r + j) C + c, h, w)
 * pixel_unshuffle  the inverse
 *
 * Source: torch.nn.PixelShuffle, torch.nn.PixelUnshuffle; ONNX's DepthToSpace, SpaceToDepth. */
#include <stddef.h>

#include "layers/move.h"

static const ln_param shuffle_params[] = {
    {.name = "upscale_factor",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_shuffle_attributes, factor),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 20,
     .position = 1,
     .help = "r: how much larger height and width become"},
    LN_PARAM_END,
};
static const ln_param unshuffle_params[] = {
    {.name = "downscale_factor",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_shuffle_attributes, factor),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 20,
     .position = 1,
     .help = "r: how much smaller height and width become"},
    LN_PARAM_END,
};
static const ln_param shuffle_stored[] = {
    {.name = "block_first",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_shuffle_attributes, block_first),
     .fallback = "false",
     .help = "the channels of one pixel of a block lie together"},
    LN_PARAM_END,
};

/* Channels, height and width of the large picture, whichever side it is on. */
static ln_status large_of(const ln_shape *row, int64_t factor, bool up, int64_t large[3],
                          const ln_shape *shown, ln_error *err)
{
    char text[64];
    if (row->rank < 3)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, C, H, W)",
                       ln_shape_text(shown, text, sizeof text));
    const int64_t *dims = row->dims + row->rank - 3; /* axes before these stay as they are */
    if (factor < 1 || factor > 1 << 20)
        return ln_fail(err, LN_EINVALID, "its factor is %lld: it must be 1 to %d",
                       (long long)factor, 1 << 20);
    if (up && dims[0] % (factor * factor) != 0)
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s: the channels must be a multiple of %lld",
                       ln_shape_text(shown, text, sizeof text), (long long)(factor * factor));
    if (!up && (dims[1] % factor != 0 || dims[2] % factor != 0))
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s: height and width must be multiples of %lld",
                       ln_shape_text(shown, text, sizeof text), (long long)factor);
    large[0] = up ? dims[0] / (factor * factor) : dims[0];
    large[1] = up ? dims[1] * factor : dims[1];
    large[2] = up ? dims[2] * factor : dims[2];
    return LN_OK;
}

static ln_status infer(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                       bool up, ln_shape *out, ln_error *err)
{
    const ln_shuffle_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    const int64_t r = own->factor;
    int64_t large[3] = {0};
    ln_status status = large_of(&row, r, up, large, &in[0], err);
    if (status)
        return status;
    ln_shape result = row;
    int64_t *dims = result.dims + row.rank - 3;
    dims[0] = up ? large[0] : large[0] * r * r;
    dims[1] = up ? large[1] : large[1] / r;
    dims[2] = up ? large[2] : large[2] / r;
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status shuffle_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    return infer(graph, node, in, true, out, err);
}

static ln_status unshuffle_infer(const struct ln_graph *graph, const struct ln_node *node,
                                 const ln_shape *in, ln_shape *out, ln_error *err)
{
    return infer(graph, node, in, false, out, err);
}

/* Where channel c of pixel (i, j) of a block lies among the channels of the small picture. */
static int64_t channel(const ln_shuffle_attributes *own, int64_t channels, int64_t c, int64_t ij)
{
    return own->block_first ? ij * channels + c : c * own->factor * own->factor + ij;
}

/* The offsets of the axes before channels; returns the first of the channels' axis. */
static int keep_front(const ln_shape *row, ln_move *move)
{
    const int first = row->rank - 3;
    int64_t step = row->dims[first] * row->dims[first + 1] * row->dims[first + 2];
    for (int axis = first - 1; axis >= 0; axis--) {
        for (int64_t i = 0; i < row->dims[axis]; i++)
            move->axes[axis].offset[i] = i * step;
        step *= row->dims[axis];
    }
    return first;
}

static ln_status shuffle_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_shuffle_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    const int64_t *in = x.row.dims + x.row.rank - 3, *out = y.row.dims + y.row.rank - 3;
    const int64_t r = own->factor, width = in[2], area = in[1] * width;
    const int64_t channels = out[0];
    ln_move *move;
    (void)constant;
    ln_status status = ln_move_start(step, &y.row, &move, err);
    if (status)
        return status;
    ln_move_axis *axes = move->axes + keep_front(&x.row, move);
    for (int64_t c = 0; c < channels; c++)
        axes[0].offset[c] = channel(own, channels, c, 0) * area;
    for (int64_t h = 0; h < out[1]; h++)
        axes[1].offset[h] = h / r * width + channel(own, channels, 0, h % r * r) * area;
    for (int64_t w = 0; w < out[2]; w++)
        axes[2].offset[w] = w / r + channel(own, channels, 0, w % r) * area;
    ln_move_finish(step, move);
    return LN_OK;
}

static ln_status unshuffle_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_shuffle_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    const int64_t *in = x.row.dims + x.row.rank - 3, *out = y.row.dims + y.row.rank - 3;
    const int64_t r = own->factor, width = in[2], area = in[1] * width;
    const int64_t channels = in[0];
    ln_move *move;
    (void)constant;
    ln_status status = ln_move_start(step, &y.row, &move, err);
    if (status)
        return status;
    ln_move_axis *axes = move->axes + keep_front(&x.row, move);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t ij = 0; ij < r * r; ij++)
            axes[0].offset[channel(own, channels, c, ij)] = c * area + ij / r * width + ij % r;
    for (int64_t h = 0; h < out[1]; h++)
        axes[1].offset[h] = h * r * width;
    for (int64_t w = 0; w < out[2]; w++)
        axes[2].offset[w] = w * r;
    ln_move_finish(step, move);
    return LN_OK;
}

const ln_layer ln_layer_pixel_shuffle = {
    .word = {.name = "pixel_shuffle",
             .summary = "makes larger pictures of fewer channels",
             .formula = "(N, C r r, H, W) becomes (N, C, H r, W r)",
             .source = "PyTorch: torch.nn.PixelShuffle; Shi et al. 2016",
             .params = shuffle_params,
             .params_size = sizeof(ln_shuffle_attributes)},
    .flags = LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .stored = shuffle_stored,
    .types = ln_types_same,
    .infer = shuffle_infer,
    .prepare = shuffle_prepare,
    .release = ln_move_release,
    .forward = ln_move_forward,
    .backward = ln_move_backward,
};

const ln_layer ln_layer_pixel_unshuffle = {
    .word = {.name = "pixel_unshuffle",
             .summary = "makes smaller pictures of more channels",
             .formula = "(N, C, H r, W r) becomes (N, C r r, H, W)",
             .source = "PyTorch: torch.nn.PixelUnshuffle",
             .params = unshuffle_params,
             .params_size = sizeof(ln_shuffle_attributes)},
    .flags = LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .stored = shuffle_stored,
    .types = ln_types_same,
    .infer = unshuffle_infer,
    .prepare = unshuffle_prepare,
    .release = ln_move_release,
    .forward = ln_move_forward,
    .backward = ln_move_backward,
};
