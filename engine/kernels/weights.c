#include "kernels/weights.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/plain.h"

enum { LANES = LN_WINDOW_LANES, BLOCK_FLOATS = 1 << 16, MOST_PLACES = 512 };

static int64_t up(int64_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

static int64_t depth_of(const ln_weights_product *own)
{
    return own->taps * own->channels;
}

static int64_t image_floats(const ln_weights_product *own)
{
    return own->padded[0] * own->padded[1] * own->padded[2] * own->channels;
}

/* The segments of all panels: a line of a window is one piece where its taps are neighbours, else each
 * tap is; pieces end where a panel does. Returns how many; with `from` NULL it only counts. */
static int64_t find_segments(const ln_weights_product *own, const ln_convolution *s,
                             int32_t *segments, int32_t *from, int32_t *to)
{
    const bool lines = s->dilation[2] == 1;
    const int64_t pieces = s->kernel[0] * s->kernel[1] * (lines ? 1 : s->kernel[2]);
    const int64_t length = own->channels * (lines ? s->kernel[2] : 1);
    int64_t count = 0, number = 0;
    for (int64_t piece = 0; piece < pieces; piece++) {
        const int64_t row = lines ? piece : piece / s->kernel[2];
        const int64_t z = row / s->kernel[1], y = row % s->kernel[1];
        const int64_t x = lines ? 0 : piece % s->kernel[2] * s->dilation[2];
        const int64_t at =
            (z * s->dilation[0] * own->padded[1] + y * s->dilation[1]) * own->padded[2] + x;
        for (int64_t done = 0, part; done < length; done += part, number += part, count++) {
            const int64_t lane = number % LANES;
            part = length - done < LANES - lane ? length - done : LANES - lane;
            if (!from)
                continue;
            if (lane == 0)
                segments[number / LANES] = (int32_t)count;
            from[count] = (int32_t)(at * own->channels + done);
            to[count] = (int32_t)lane;
        }
    }
    if (from)
        segments[own->windows.panels] = (int32_t)count;
    return count;
}

static void find_places(const ln_weights_product *own, const ln_convolution *s)
{
    int32_t *first = own->first;
    for (int64_t z = 0; z < s->out[0]; z++)
        for (int64_t y = 0; y < s->out[1]; y++)
            for (int64_t x = 0; x < s->out[2]; x++)
                *first++ = (int32_t)(((z * s->stride[0] * own->padded[1] + y * s->stride[1]) *
                                          own->padded[2] +
                                      x * s->stride[2]) *
                                     own->channels);
}

ln_status ln_weights_product_init(ln_weights_product *own, const ln_convolution *s, ln_error *err)
{
    own->channels = s->in_channels / s->groups;
    own->results = s->out_channels / s->groups;
    own->taps = own->places = 1;
    for (int i = 0; i < LN_SPATIAL; i++) {
        own->taps *= s->kernel[i];
        own->places *= s->out[i];
        own->padded[i] = (s->out[i] - 1) * s->stride[i] + (s->kernel[i] - 1) * s->dilation[i] + 1;
    }
    own->block = BLOCK_FLOATS / up(depth_of(own));
    own->block = own->block < LANES ? LANES : own->block > MOST_PLACES ? MOST_PLACES : own->block;
    own->block = own->block < own->places ? own->block : own->places;
    own->windows.panels = up(depth_of(own)) / LANES;
    if (image_floats(own) > INT32_MAX)
        return ln_fail(err, LN_EINVALID, "an image of a convolution has over 2^31 numbers");
    const int64_t segments = find_segments(own, s, NULL, NULL, NULL);
    const int64_t numbers = own->windows.panels + 1 + 2 * segments + own->places;
    own->numbers = ln_calloc((size_t)numbers, sizeof *own->numbers);
    if (!own->numbers)
        return ln_fail_memory(err, (size_t)numbers * sizeof *own->numbers);
    int32_t *from = own->numbers + own->windows.panels + 1, *to = from + segments;
    own->first = to + segments;
    find_segments(own, s, own->numbers, from, to);
    find_places(own, s);
    own->windows.segments = own->numbers;
    own->windows.from = from;
    own->windows.to = to;
    return LN_OK;
}

void ln_weights_product_free(ln_weights_product *own)
{
    ln_free(own->numbers);
}

static int64_t panel_floats(const ln_weights_product *own)
{
    return up(depth_of(own)) * own->block + LANES;
}

/* A group of an image as it is, turned, before it stands between zeros. */
static int64_t inside_floats(const ln_convolution *s)
{
    return s->in_channels / s->groups * s->in[0] * s->in[1] * s->in[2];
}

int64_t ln_weights_product_floats(const ln_weights_product *own, const ln_convolution *s)
{
    return up(own->results * depth_of(own)) + panel_floats(own) + up(image_floats(own) + LANES) +
           up(inside_floats(s));
}

/* Where one axis of an image lies in the turned one: [*first, *end) of the image. */
static void reach(const ln_weights_product *own, const ln_convolution *s, int axis, int64_t *first,
                  int64_t *end)
{
    const int64_t last = own->padded[axis] - s->before[axis];
    *first = s->before[axis] < 0 ? -s->before[axis] : 0;
    *end = last < s->in[axis] ? last : s->in[axis];
}

/* x (C, spatial) to its place between the zeros of `image`, channels last. */
static void turn_image(const ln_weights_product *own, const ln_convolution *s, const float *x,
                       float *turned, float *image)
{
    int64_t first[LN_SPATIAL], end[LN_SPATIAL];
    ln_last_turn(own->channels, s->in[0] * s->in[1] * s->in[2], x, turned);
    for (int i = 0; i < LN_SPATIAL; i++)
        reach(own, s, i, &first[i], &end[i]);
    if (end[2] <= first[2])
        return;
    for (int64_t z = first[0]; z < end[0]; z++)
        for (int64_t y = first[1]; y < end[1]; y++) {
            const int64_t from = (z * s->in[1] + y) * s->in[2] + first[2];
            const int64_t line = (z + s->before[0]) * own->padded[1] + y + s->before[1];
            memcpy(image + (line * own->padded[2] + first[2] + s->before[2]) * own->channels,
                   turned + from * own->channels,
                   (size_t)((end[2] - first[2]) * own->channels) * sizeof *image);
        }
}

/* dw (O, C, K) += sums (O, K, C). */
static void add_turned(const ln_weights_product *own, const float *sums, float *dw)
{
    for (int64_t o = 0; o < own->results; o++, sums += depth_of(own), dw += depth_of(own))
        for (int64_t k = 0; k < own->taps; k++)
            for (int64_t c = 0; c < own->channels; c++)
                dw[c * own->taps + k] += sums[k * own->channels + c];
}

void ln_weights_product_run(const ln_weights_product *own, const ln_convolution *s, ln_block_fn run,
                            int64_t images, const float *x, const float *dy, float *dw,
                            float *scratch)
{
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const int64_t depth = depth_of(own), in = inside_floats(s), out = own->results * own->places;
    float *sums = scratch, *panels = sums + up(own->results * depth);
    float *image = panels + panel_floats(own), *turned = image + up(image_floats(own) + LANES);
    memset(image, 0, (size_t)up(image_floats(own) + LANES) * sizeof *image);
    for (int64_t group = 0; group < s->groups; group++, dw += own->results * depth) {
        memset(sums, 0, (size_t)(own->results * depth) * sizeof *sums);
        for (int64_t i = 0; i < images; i++) {
            const float *slope = dy + (i * s->groups + group) * out;
            turn_image(own, s, x + (i * s->groups + group) * in, turned, image);
            for (int64_t p = 0, count; p < own->places; p += count) {
                count = own->places - p < own->block ? own->places - p : own->block;
                kernels->windows(&own->windows, own->first + p, count, image, panels);
                const ln_block block = {.rows = own->results,
                                        .columns = depth,
                                        .depth = count,
                                        .a = slope + p,
                                        .a_row = own->places,
                                        .a_depth = 1,
                                        .b = panels,
                                        .c = sums,
                                        .c_row = depth,
                                        .add = true};
                run(&block);
            }
        }
        add_turned(own, sums, dw);
    }
}
