/* The plain entry: a convolution as matrix products over gathered windows, on this machine's block
 * product (plain_block.h). For each image and group, with K taps (elements of the kernel), C input
 * and O output channels of the group and P output elements ("pixels"):
 *
 *     forward           y (O, P)       = W (O, C K) columns (C K, P)
 *     backward_data     columns (C K, P) = W^T dy (O, P), then each column is added where it came from
 *     backward_weights  weights.h
 *
 * Columns are made a block of pixels at a time, straight in the panels that the block product reads,
 * so that they stay in the second cache. Where each lane of a panel reads is one table of offsets a
 * panel, used by all channels; 16 pixels side by side are one copy.
 *
 * Images whose channels are last are turned, one at a time, and so are their results.
 *
 * The block size and every order of additions depend on the shapes alone, and images are computed
 * one by one: the bits are those of a fixed sum, the same for AVX2 and AVX-512. The weights are used
 * as they are, nothing is packed. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolution.h"
#include "kernels/last.h"
#include "kernels/plain.h"
#include "kernels/weights.h"
#include "kernels/whole.h"

enum { BLOCK_FLOATS = 1 << 16, MOST_PIXELS = 512, LANES = LN_PANEL, AXES = LN_SPATIAL };

typedef struct plain_convolved {
    ln_convolved head;
    ln_block_fn run;       /* this machine's block product */
    int32_t *inside[AXES]; /* (kernel, out): where a tap of an output element reads, -1: padding */
    int64_t pixels;        /* of an image */
    int64_t taps;          /* K */
    int64_t block;         /* pixels of a block, a multiple of LANES */
    size_t turned; /* where an image that was turned stands in scratch, with its result behind */
    ln_weights_product weights; /* for backward_weights */
} plain_convolved;

/* Where the lanes of one panel read, and which taps read side by side. */
typedef struct panel_offsets {
    int32_t *at;   /* (taps, LANES): offset within a channel, -1: padding */
    int8_t *whole; /* taps: 1: lane i reads at[0] + i; -1: every lane is padding */
} panel_offsets;

/* ---------------------------------------------------------------- packing */

static void plain_release(ln_convolved *packed)
{
    plain_convolved *own = (plain_convolved *)packed;
    for (int axis = 0; axis < AXES; axis++)
        ln_free(own->inside[axis]);
    ln_weights_product_free(&own->weights);
}

static ln_status make_inside(plain_convolved *own, ln_error *err)
{
    const ln_convolution *shape = &own->head.shape;
    for (int axis = 0; axis < AXES; axis++) {
        const int64_t count = shape->kernel[axis] * shape->out[axis];
        int32_t *at = own->inside[axis] = ln_calloc((size_t)count, sizeof *at);
        if (!at)
            return ln_fail_memory(err, (size_t)count * sizeof *at);
        for (int64_t k = 0; k < shape->kernel[axis]; k++)
            for (int64_t o = 0; o < shape->out[axis]; o++) {
                const int64_t from =
                    o * shape->stride[axis] + k * shape->dilation[axis] - shape->before[axis];
                *at++ = from < 0 || from >= shape->in[axis] ? -1 : (int32_t)from;
            }
    }
    return LN_OK;
}

static size_t offsets_bytes(const plain_convolved *own)
{
    return (size_t)up(own->taps * LANES * (int64_t)sizeof(int32_t) + own->taps, 64);
}

/* Pixels of a block whose panels hold `a_pixel` floats a pixel. */
static int64_t block_of(int64_t pixels, int64_t a_pixel)
{
    int64_t block = BLOCK_FLOATS / a_pixel / LANES * LANES;
    block = block < LANES ? LANES : block > MOST_PIXELS ? MOST_PIXELS : block;
    pixels = up(pixels, LANES);
    return block < pixels ? block : pixels;
}

static void decide_blocks(plain_convolved *own)
{
    const ln_convolution *shape = &own->head.shape;
    const int64_t depth = shape->in_channels / shape->groups * own->taps;
    const int64_t outputs = shape->out_channels / shape->groups;
    const unsigned uses = own->head.uses;
    int64_t floats = 0;
    own->block = block_of(own->pixels, depth > outputs ? depth : outputs);
    if (uses & LN_CONVOLVE_FORWARD)
        floats = depth * own->block;
    if (uses & LN_CONVOLVE_BACKWARD_DATA)
        floats = (depth + outputs) * own->block;
    own->head.scratch_bytes = offsets_bytes(own) + (size_t)floats * sizeof(float);
    if (uses & LN_CONVOLVE_BACKWARD_WEIGHTS) {
        const int64_t most = ln_weights_product_floats(&own->weights, shape);
        if ((size_t)most * sizeof(float) > own->head.scratch_bytes)
            own->head.scratch_bytes = (size_t)most * sizeof(float);
    }
    own->turned = own->head.scratch_bytes;
    if (shape->last)
        own->head.scratch_bytes +=
            (size_t)(ln_convolution_in_row(shape) + ln_convolution_out_row(shape)) * sizeof(float);
}

static ln_status plain_make(ln_convolved *head, const float *weight, ln_error *err)
{
    plain_convolved *own = (plain_convolved *)head;
    const ln_convolution *shape = &head->shape;
    (void)weight;
    head->direct = head->uses;
    head->rereads = true;
    own->run = ln_kernels_block();
    own->pixels = shape->out[0] * shape->out[1] * shape->out[2];
    own->taps = shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
    ln_status status = make_inside(own, err);
    if (!status && (head->uses & LN_CONVOLVE_BACKWARD_WEIGHTS))
        status = ln_weights_product_init(&own->weights, shape, err);
    if (!status)
        decide_blocks(own);
    return status;
}

/* ---------------------------------------------------------------- windows */

static panel_offsets offsets_in(const plain_convolved *own, void *scratch)
{
    int32_t *at = scratch;
    return (panel_offsets){at, (int8_t *)(at + own->taps * LANES)};
}

static float *panels_in(const plain_convolved *own, void *scratch)
{
    void *panels = (char *)scratch + offsets_bytes(own);
    return panels;
}

/* Fills the table for the pixels [first, first + LANES) of an image. */
static void find_offsets(const plain_convolved *own, int64_t first, const panel_offsets *offsets)
{
    const ln_convolution *shape = &own->head.shape;
    const int64_t *out = shape->out, *kernel = shape->kernel, *in = shape->in;
    int64_t place[LANES][AXES];
    for (int lane = 0; lane < LANES; lane++) {
        const int64_t pixel = first + lane < own->pixels ? first + lane : own->pixels - 1;
        place[lane][0] = pixel / (out[1] * out[2]);
        place[lane][1] = pixel / out[2] % out[1];
        place[lane][2] = pixel % out[2];
    }
    int64_t tap = 0;
    for (int64_t z = 0; z < kernel[0]; z++)
        for (int64_t y = 0; y < kernel[1]; y++)
            for (int64_t x = 0; x < kernel[2]; x++, tap++) {
                int32_t *at = offsets->at + tap * LANES;
                bool whole = true, none = true;
                for (int lane = 0; lane < LANES; lane++) {
                    const int32_t in_z = own->inside[0][z * out[0] + place[lane][0]];
                    const int32_t in_y = own->inside[1][y * out[1] + place[lane][1]];
                    const int32_t in_x = own->inside[2][x * out[2] + place[lane][2]];
                    const bool inside = (in_z | in_y | in_x) >= 0 && first + lane < own->pixels;
                    at[lane] = inside ? (int32_t)((in_z * in[1] + in_y) * in[2] + in_x) : -1;
                    whole = whole && inside && at[lane] == at[0] + lane;
                    none = none && !inside;
                }
                offsets->whole[tap] = whole ? 1 : none ? -1 : 0;
            }
}

/* The columns of one panel: (C K, LANES). */
static void gather_panel(const plain_convolved *own, const panel_offsets *offsets, const float *x,
                         float *panel)
{
    const ln_convolution *shape = &own->head.shape;
    const int64_t channels = shape->in_channels / shape->groups;
    const int64_t size = shape->in[0] * shape->in[1] * shape->in[2];
    for (int64_t c = 0; c < channels; c++, x += size)
        for (int64_t tap = 0; tap < own->taps; tap++, panel += LANES) {
            const int32_t *at = offsets->at + tap * LANES;
            if (offsets->whole[tap] > 0)
                memcpy(panel, x + at[0], LANES * sizeof *panel);
            else if (offsets->whole[tap] < 0)
                memset(panel, 0, LANES * sizeof *panel);
            else
                for (int lane = 0; lane < LANES; lane++)
                    panel[lane] = at[lane] < 0 ? 0 : x[at[lane]];
        }
}

/* Adds the columns of one panel, which stand `stride` apart, to where they were read. */
static void scatter_panel(const plain_convolved *own, const panel_offsets *offsets,
                          const float *columns, int64_t stride, float *dx)
{
    const ln_convolution *shape = &own->head.shape;
    const int64_t channels = shape->in_channels / shape->groups;
    const int64_t size = shape->in[0] * shape->in[1] * shape->in[2];
    for (int64_t c = 0; c < channels; c++, dx += size)
        for (int64_t tap = 0; tap < own->taps; tap++, columns += stride) {
            const int32_t *at = offsets->at + tap * LANES;
            if (offsets->whole[tap] > 0) {
                float *to = dx + at[0];
                for (int lane = 0; lane < LANES; lane++)
                    to[lane] += columns[lane];
                continue;
            }
            for (int lane = 0; lane < LANES && offsets->whole[tap] == 0; lane++)
                if (at[lane] >= 0)
                    dx[at[lane]] += columns[lane];
        }
}

/* ---------------------------------------------------------------- the three products */

/* What belongs to one group of one image. */
typedef struct group_view {
    int64_t channels, outputs, depth; /* of the group; depth = C K */
    int64_t in_size, out_size;        /* numbers of the group in x and in y */
} group_view;

static group_view view_of(const plain_convolved *own)
{
    const ln_convolution *shape = &own->head.shape;
    group_view view = {.channels = shape->in_channels / shape->groups,
                       .outputs = shape->out_channels / shape->groups};
    view.depth = view.channels * own->taps;
    view.in_size = view.channels * shape->in[0] * shape->in[1] * shape->in[2];
    view.out_size = view.outputs * own->pixels;
    return view;
}

static int64_t part_of(int64_t whole, int64_t first, int64_t block)
{
    return whole - first < block ? whole - first : block;
}

static void forward_group(const plain_convolved *own, const group_view *view, const float *x,
                          const float *weight, const float *bias, float *y, void *scratch)
{
    const panel_offsets offsets = offsets_in(own, scratch);
    float *panels = panels_in(own, scratch);
    for (int64_t o = 0; o < view->outputs && bias; o++)
        for (int64_t p = 0; p < own->pixels; p++)
            y[o * own->pixels + p] = bias[o];
    for (int64_t first = 0; first < own->pixels; first += own->block) {
        const int64_t count = part_of(own->pixels, first, own->block);
        for (int64_t p = 0; p < count; p += LANES) {
            find_offsets(own, first + p, &offsets);
            gather_panel(own, &offsets, x, panels + p * view->depth);
        }
        const ln_block block = {.rows = view->outputs,
                                .columns = count,
                                .depth = view->depth,
                                .a = weight,
                                .a_row = view->depth,
                                .a_depth = 1,
                                .b = panels,
                                .c = y + first,
                                .c_row = own->pixels,
                                .add = bias != NULL};
        own->run(&block);
    }
}

/* An image turned in scratch, or as it is, and where its result goes before it is turned. */
typedef struct turned_image {
    const float *from;
    float *to;
} turned_image;

static turned_image turn(const plain_convolved *own, int64_t channels, int64_t count,
                         const float *from, float *to, void *scratch)
{
    void *behind = (char *)scratch + own->turned;
    float *at = behind;
    if (!own->head.shape.last)
        return (turned_image){from, to};
    ln_last_turn(count / channels, channels, from, at);
    return (turned_image){at, at + count};
}

static void turn_back(const plain_convolved *own, int64_t channels, int64_t count,
                      const turned_image *image, float *to)
{
    if (own->head.shape.last)
        ln_last_turn(channels, count / channels, image->to, to);
}

static ln_status plain_forward(const ln_convolved *packed, int64_t images, const float *x,
                               const float *weight, const float *bias, float *y, void *scratch,
                               ln_error *err)
{
    const plain_convolved *own = (const plain_convolved *)packed;
    const ln_convolution *s = &packed->shape;
    const int64_t in = ln_convolution_in_row(s), out = ln_convolution_out_row(s);
    const group_view view = view_of(own);
    (void)err;
    for (int64_t i = 0; i < images; i++, x += in, y += out) {
        const turned_image image = turn(own, s->in_channels, in, x, y, scratch);
        for (int64_t g = 0; g < s->groups; g++)
            forward_group(
                own, &view, image.from + g * view.in_size, weight + g * view.outputs * view.depth,
                bias ? bias + g * view.outputs : NULL, image.to + g * view.out_size, scratch);
        turn_back(own, s->out_channels, out, &image, y);
    }
    return LN_OK;
}

/* dy's pixels [first, first + count) as panels of depth O. */
static void pack_pixels(const plain_convolved *own, const group_view *view, const float *dy,
                        int64_t first, int64_t count, float *panels)
{
    for (int64_t p = 0; p < count; p += LANES) {
        const int64_t lanes = part_of(count, p, LANES);
        for (int64_t o = 0; o < view->outputs; o++, panels += LANES) {
            const float *from = dy + o * own->pixels + first + p;
            for (int64_t lane = 0; lane < lanes; lane++)
                panels[lane] = from[lane];
            for (int64_t lane = lanes; lane < LANES; lane++)
                panels[lane] = 0;
        }
    }
}

static void backward_group(const plain_convolved *own, const group_view *view, const float *dy,
                           const float *weight, float *dx, void *scratch)
{
    const panel_offsets offsets = offsets_in(own, scratch);
    float *panels = panels_in(own, scratch), *columns = panels + view->outputs * own->block;
    memset(dx, 0, (size_t)view->in_size * sizeof *dx);
    for (int64_t first = 0; first < own->pixels; first += own->block) {
        const int64_t count = part_of(own->pixels, first, own->block);
        pack_pixels(own, view, dy, first, count, panels);
        const ln_block block = {.rows = view->depth,
                                .columns = count,
                                .depth = view->outputs,
                                .a = weight,
                                .a_row = 1,
                                .a_depth = view->depth,
                                .b = panels,
                                .c = columns,
                                .c_row = own->block};
        own->run(&block);
        for (int64_t p = 0; p < count; p += LANES) {
            find_offsets(own, first + p, &offsets);
            scatter_panel(own, &offsets, columns + p, own->block, dx);
        }
    }
}

static ln_status plain_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                     const float *weight, float *dx, void *scratch, ln_error *err)
{
    const plain_convolved *own = (const plain_convolved *)packed;
    const ln_convolution *s = &packed->shape;
    const int64_t in = ln_convolution_in_row(s), out = ln_convolution_out_row(s);
    const group_view view = view_of(own);
    (void)err;
    for (int64_t i = 0; i < images; i++, dy += out, dx += in) {
        const turned_image image = turn(own, s->out_channels, out, dy, dx, scratch);
        for (int64_t g = 0; g < s->groups; g++)
            backward_group(own, &view, image.from + g * view.out_size,
                           weight + g * view.outputs * view.depth, image.to + g * view.in_size,
                           scratch);
        turn_back(own, s->in_channels, in, &image, dx);
    }
    return LN_OK;
}

static ln_status plain_backward_weights(const ln_convolved *packed, int64_t images, const float *x,
                                        const float *dy, float *dw, void *scratch, ln_error *err)
{
    const plain_convolved *own = (const plain_convolved *)packed;
    (void)err;
    ln_weights_product_run(&own->weights, &packed->shape, own->run, images, x, dy, dw, scratch);
    return LN_OK;
}

const ln_convolutions ln_convolutions_plain = {
    .name = "plain",
    .size = sizeof(plain_convolved),
    .make = plain_make,
    .release = plain_release,
    .forward = plain_forward,
    .backward_data = plain_backward_data,
    .backward_weights = plain_backward_weights,
};
