#include "kernels/thin.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/whole.h"

/* Wide lines, of which registers of places waste little; blocks of as many rows exist. */
static void decide_across(ln_thin_convolution *own)
{
    const ln_thin *thin = &own->thin;
    ln_across *across = &own->across;
    const int64_t rows = thin->stride[1] * thin->channels;
    const int64_t places = up(thin->in[1] + thin->before[1], thin->stride[1]) / thin->stride[1];
    across->thin = *thin;
    across->places = up(places, LN_ACROSS_PLACES);
    for (int i = 0; i < 2; i++)
        across->shifts[i] = up(thin->kernel[i], thin->stride[i]) / thin->stride[i];
    const int64_t turned = up(thin->out[1], LN_THIN_LANES);
    across->width = across->shifts[1] - 1 + (turned > across->places ? turned : across->places);
    own->wide = (rows == 3 || rows == 4 || rows == 6 || rows == LN_ACROSS_ROWS) &&
                4 * places >= 3 * across->places;
}

/* The axes in use are the last two of three. Forward, oneDNN is better from a register of output
 * channels on. */
void ln_thin_decide(ln_thin_convolution *own, const ln_convolution *s)
{
    ln_thin *thin = &own->thin;
    if (!s->last || s->groups != 1 || s->in_channels > LN_THIN_CHANNELS || s->in[0] != 1 ||
        s->out[0] != 1 || s->kernel[0] != 1 || s->before[0] != 0 || s->dilation[1] != 1 ||
        s->dilation[2] != 1 || s->kernel[1] * s->kernel[2] > LN_THIN_TAPS)
        return;
    thin->channels = s->in_channels;
    thin->results = s->out_channels;
    thin->lanes = (s->out_channels + LN_THIN_LANES - 1) / LN_THIN_LANES * LN_THIN_LANES;
    for (int i = 0; i < 2; i++) {
        thin->in[i] = s->in[i + 1];
        thin->out[i] = s->out[i + 1];
        thin->kernel[i] = s->kernel[i + 1];
        thin->stride[i] = s->stride[i + 1];
        thin->before[i] = s->before[i + 1];
    }
    own->backward = true;
    decide_across(own);
    own->forward = s->out_channels < LN_THIN_LANES;
    /* Where places are copied anyway, so that they fill their lanes, zeros stand around the lines. */
    if (!own->wide && thin->lanes > s->out_channels) {
        own->copied = true;
        thin->left = thin->kernel[1] - 1;
        thin->right = thin->kernel[1] - 1 + LN_THIN_PLACES;
    }
}

/* Lines and places that forward reads of an image: those before and behind it are zeros. */
static int64_t padded_size(const ln_thin *thin, int axis)
{
    const int64_t read = (thin->out[axis] - 1) * thin->stride[axis] + thin->kernel[axis];
    const int64_t whole = thin->before[axis] + thin->in[axis];
    return read > whole ? read : whole;
}

static int64_t back_floats(const ln_thin_convolution *own)
{
    const ln_thin *thin = &own->thin;
    const ln_across *across = &own->across;
    if (own->wide)
        return across->shifts[0] * thin->results * across->width +
               2 * thin->stride[1] * thin->channels * across->places;
    return thin->lanes * thin->out[0] * (thin->left + thin->out[1] + thin->right);
}

/* The weights of `across`: of a place of the stride, shift j is tap j * stride + phase. */
static ln_status pack_across(ln_thin_convolution *own, const float *weight, ln_error *err)
{
    const ln_thin *thin = &own->thin;
    const int64_t channels = thin->channels, rows = thin->stride[1] * channels;
    const int64_t shifts = own->across.shifts[1], taps = thin->kernel[0] * thin->kernel[1];
    const size_t bytes =
        (size_t)(thin->kernel[0] * shifts * thin->results * rows) * sizeof *own->across_weight;
    if (!own->across_weight)
        own->across_weight = ln_alloc_aligned(bytes);
    if (!own->across_weight)
        return ln_fail_memory(err, bytes);
    memset(own->across_weight, 0, bytes);
    own->across.weight = own->across_weight;
    for (int64_t o = 0; o < thin->results; o++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t tap = 0; tap < taps; tap++) {
                const int64_t ky = tap / thin->kernel[1], kx = tap % thin->kernel[1];
                const int64_t j = kx / thin->stride[1], phase = kx % thin->stride[1];
                own->across_weight[((ky * shifts + j) * thin->results + o) * rows +
                                   phase * channels + c] = weight[(o * channels + c) * taps + tap];
            }
    return LN_OK;
}

ln_status ln_thin_pack(ln_thin_convolution *own, const float *weight, ln_error *err)
{
    ln_thin *thin = &own->thin;
    if (own->wide) {
        ln_status status = pack_across(own, weight, err);
        if (status || !own->forward)
            return status;
    }
    const int64_t taps = thin->kernel[0] * thin->kernel[1], channels = thin->channels;
    const size_t bytes = (size_t)(taps * channels * thin->lanes) * sizeof *own->weight;
    if (!own->weight)
        own->weight = ln_alloc_aligned(bytes);
    if (!own->weight)
        return ln_fail_memory(err, bytes);
    memset(own->weight, 0, bytes);
    for (int64_t o = 0; o < own->thin.results; o++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t tap = 0; tap < taps; tap++) {
                const int64_t block = tap * thin->lanes / LN_THIN_LANES + o / LN_THIN_LANES;
                own->weight[(block * channels + c) * LN_THIN_LANES + o % LN_THIN_LANES] =
                    weight[(o * channels + c) * taps + tap];
            }
    thin->weight = own->weight;
    return LN_OK;
}

int64_t ln_thin_floats(const ln_thin_convolution *own)
{
    const ln_thin *thin = &own->thin;
    const int64_t back = own->backward ? back_floats(own) : 0;
    const int64_t forward =
        own->forward ? padded_size(thin, 0) * padded_size(thin, 1) * thin->channels : 0;
    return back > forward ? back : forward;
}

void ln_thin_free(ln_thin_convolution *own)
{
    ln_free_aligned(own->weight);
    ln_free_aligned(own->across_weight);
}

void ln_thin_run_backward(const ln_thin_convolution *own, int64_t images, const float *dy,
                          float *dx, float *padded)
{
    const ln_thin *thin = &own->thin;
    const int64_t channels = own->thin.results, lanes = thin->lanes;
    const int64_t in = thin->in[0] * thin->in[1] * thin->channels;
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    if (own->copied)
        memset(padded, 0, (size_t)back_floats(own) * sizeof *padded);
    for (int64_t i = 0; i < images; i++, dx += in, dy += thin->out[0] * thin->out[1] * channels) {
        if (own->wide) {
            kernels->across(&own->across, dy, dx, padded);
            continue;
        }
        const int64_t line = (thin->left + thin->out[1] + thin->right) * lanes;
        for (int64_t row = 0; row < thin->out[0] && own->copied; row++)
            kernels->widen(thin->out[1], channels, lanes, dy + row * thin->out[1] * channels,
                           padded + row * line + thin->left * lanes);
        kernels->thin(thin, own->copied ? padded : dy, dx);
    }
}

void ln_thin_run_forward(const ln_thin_convolution *own, int64_t images, const float *x,
                         const float *bias, float *y, float *padded)
{
    const ln_thin *thin = &own->thin;
    const int64_t lines = padded_size(thin, 0), line = padded_size(thin, 1) * thin->channels;
    const int64_t width = thin->in[1] * thin->channels;
    const bool copied = lines > thin->in[0] || line > width;
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    if (copied)
        memset(padded, 0, (size_t)(lines * line) * sizeof *padded);
    for (int64_t i = 0; i < images; i++, x += thin->in[0] * width) {
        float *to = padded + thin->before[0] * line + thin->before[1] * thin->channels;
        for (int64_t row = 0; row < thin->in[0] && copied; row++)
            memcpy(to + row * line, x + row * width, (size_t)width * sizeof *x);
        kernels->thin_forward(thin, copied ? padded : x, line, bias, y);
        y += thin->out[0] * thin->out[1] * thin->results;
    }
}
