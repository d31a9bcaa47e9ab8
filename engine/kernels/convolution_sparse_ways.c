/* The geometry of convolution_sparse.h: which shapes, which places a tap brings together, how much is computed together,
 * and how weights are packed. */
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/convolution_sparse.h"
#include "kernels/whole.h"

enum {
    BLOCK = 64,          /* channels whose weights are used together, at most */
    WOVEN_BLOCK = 32,    /* the same where three taps are */
    MOST_READ = 1 << 17, /* numbers of x that are read together: they stay in the second cache */
    POINT_CHANNELS =
        128 /* of x and y where the kernel is a single place: each entry is used but once */
};

static const ln_sparse_kernels *choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_sparse_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_sparse_avx2;
#endif
    return NULL;
}

/* Whether the results, of few channels, are windows that the registers hold. */
static bool as_windows(const ln_convolution *s, bool backward)
{
    const int64_t length = s->kernel[2] * s->in_channels, lines = s->kernel[1];
    return backward && choose()->scatter && s->dilation[1] == 1 && s->dilation[2] == 1 &&
           s->before[1] >= 0 && s->before[2] >= 0 &&
           (lines == 7 ? length > LN_SPARSE_STEP && length <= 2 * LN_SPARSE_STEP
                       : (lines == 3 || lines == 5) && length <= LN_SPARSE_STEP);
}

bool ln_sparse_suits(const ln_convolution *s, bool backward)
{
    const int64_t results = backward ? s->in_channels : s->out_channels;
    const int64_t channels = backward ? s->out_channels : s->in_channels;
    const int64_t taps = s->kernel[1] * s->kernel[2], strides = s->stride[1] * s->stride[2];
    if (!s->last || s->groups != 1 || s->kernel[0] != 1 || s->in[0] != 1 || s->out[0] != 1 ||
        s->before[0] != 0 || channels < LN_SPARSE_STEP || !choose() ||
        s->zeros[backward] < (taps > 1 ? choose()->fewest : LN_ZEROS_HALF))
        return false;
    if (results % LN_SPARSE_NARROWEST != 0)
        return as_windows(s, backward);
    return taps > 1 ||
           (strides == 1 && channels >= POINT_CHANNELS && results % POINT_CHANNELS == 0);
}

/* The first whole number that is not below a / b; b > 0. */
static int64_t above(int64_t a, int64_t b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

ln_sparse_reach ln_sparse_reach_of(const ln_convolution *s, bool backward, int axis, int64_t tap,
                                   int64_t begin, int64_t end)
{
    const int64_t stride = s->stride[axis], off = tap * s->dilation[axis] - s->before[axis];
    const int64_t near[2] = {backward ? 0 : begin, backward ? s->out[axis] : end};
    const int64_t far[2] = {backward ? begin : 0, backward ? end : s->in[axis]};
    const int64_t first = greatest(near[0], above(far[0] - off, stride));
    const int64_t last = least(near[1], above(far[1] - off, stride));
    const int64_t count = greatest(0, last - first), place = first * stride + off;
    return backward ? (ln_sparse_reach){place, stride, first, 1, count}
                    : (ln_sparse_reach){first, 1, place, stride, count};
}

void ln_sparse_lines(const ln_convolution *s, bool backward, int64_t begin, int64_t end,
                     int64_t *from, int64_t *to)
{
    *from = INT64_MAX;
    *to = 0;
    for (int64_t tap = 0; tap < s->kernel[1]; tap++) {
        const ln_sparse_reach r = ln_sparse_reach_of(s, backward, 1, tap, begin, end);
        if (r.count == 0)
            continue;
        *from = least(*from, r.from);
        *to = greatest(*to, r.from + (r.count - 1) * r.from_step + 1);
    }
    *from = least(*from, *to);
}

/* How many lines, or images, are computed together: what fits. */
static void share_out(const ln_convolution *s, bool backward, ln_sparse_way *w)
{
    const int64_t line = w->from[1] * w->blocks * w->block;
    int64_t from, to, bands = 1;
    for (;; bands = (w->to[0] + w->lines - 2) / (w->lines - 1)) { /* the fewest of fewer lines */
        w->lines = (w->to[0] + bands - 1) / bands;
        w->spread = 0;
        for (int64_t begin = 0; begin < w->to[0]; begin += w->lines) {
            ln_sparse_lines(s, backward, begin, least(begin + w->lines, w->to[0]), &from, &to);
            w->spread = greatest(w->spread, to - from);
        }
        if (w->lines == 1 || w->spread * line <= MOST_READ)
            break;
    }
    w->images = bands > 1 ? 1 : greatest(1, MOST_READ / greatest(1, w->spread * line));
}

/* Sums begin with the tap that leaves places where they are, if it reaches all results. */
static void begin(const ln_convolution *s, bool backward, ln_sparse_way *w)
{
    int64_t tap[2]; /* a line of taps, and which of it */
    bool whole = true;
    for (int i = 0; i < 2; i++) {
        tap[i] = greatest(0, least(s->before[i + 1] / s->dilation[i + 1], s->kernel[i + 1] - 1));
        const ln_sparse_reach r = ln_sparse_reach_of(s, backward, i + 1, tap[i], 0, w->to[i]);
        whole = whole && r.to == 0 && r.to_step == 1 && r.count == w->to[i];
    }
    w->first = whole ? (w->woven ? tap[0] : tap[0] * s->kernel[2] + tap[1]) : 0;
    w->whole = whole;
}

void ln_sparse_describe(const ln_convolution *s, bool backward, ln_sparse_way *w)
{
    w->kernels = choose();
    const int64_t widest = w->kernels->widest;
    w->channels = backward ? s->out_channels : s->in_channels;
    w->results = backward ? s->in_channels : s->out_channels;
    for (int i = 0; i < 2; i++) {
        w->from[i] = backward ? s->out[i + 1] : s->in[i + 1];
        w->to[i] = backward ? s->in[i + 1] : s->out[i + 1];
    }
    w->windows = w->results % LN_SPARSE_NARROWEST != 0;
    w->panel = w->results % widest == 0 ? widest : LN_SPARSE_NARROWEST;
    w->panels = w->results / w->panel;
    w->woven = w->kernels->weave && w->panel == LN_SPARSE_NARROWEST &&
               s->kernel[2] == LN_SPARSE_WOVEN && s->stride[2] == 1 && s->dilation[2] == 1;
    w->taps = w->woven ? s->kernel[1] : s->kernel[1] * s->kernel[2];
    w->row = w->woven ? LN_SPARSE_WOVEN * w->panel : w->panel;
    if (w->windows) {
        w->panels = w->taps = 1;
        w->row = s->kernel[1] * up(s->kernel[2] * w->results, LN_SPARSE_STEP);
    }
    const int64_t block = w->woven ? WOVEN_BLOCK : BLOCK;
    w->blocks = (w->channels + block - 1) / block;
    w->block = up((w->channels + w->blocks - 1) / w->blocks, LN_SPARSE_STEP);
    w->images = w->lines = w->spread = 1;
    if (!w->windows) {
        share_out(s, backward, w);
        begin(s, backward, w);
    }
}

int64_t ln_sparse_weight_floats(const ln_sparse_way *w)
{
    return (w->panels * w->blocks * w->taps + 1) * w->block * w->row;
}

/* Where the weight of a channel of x, the first result of a panel and a tap stands; those of the panel's other results
 * follow. Woven taps go from the first place that one reaches to the last, of a gradient in reverse; those of a
 * window line by line, as it lies in an image. */
static int64_t place_of(const ln_convolution *s, bool backward, const ln_sparse_way *w,
                        int64_t channel, int64_t result, int64_t tap)
{
    if (w->windows)
        return channel * w->row + tap / s->kernel[2] * (w->row / s->kernel[1]) +
               tap % s->kernel[2] * w->results;
    const int64_t inner = w->row / w->panel, last = backward ? inner - 1 : 0;
    const int64_t turn = result / w->panel * w->blocks + channel / w->block;
    const int64_t after = (tap / inner + w->taps - w->first) % w->taps;
    const int64_t row = (turn * w->taps + after) * w->block + channel % w->block;
    return row * w->row + llabs(last - tap % inner) * w->panel;
}

void ln_sparse_fill(const ln_convolution *s, bool backward, const float *weight, ln_sparse_way *w)
{
    const int64_t taps = s->kernel[1] * s->kernel[2],
                  step = backward ? taps : s->in_channels * taps;
    const int64_t of_channel = backward ? s->in_channels * taps : taps;
    memset(w->weight, 0, (size_t)ln_sparse_weight_floats(w) * sizeof *w->weight);
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t first = 0; first < w->results; first += w->panel)
            for (int64_t tap = 0; tap < taps; tap++) {
                const float *given = weight + c * of_channel + first * step + tap;
                float *to = w->weight + place_of(s, backward, w, c, first, tap);
                for (int64_t r = 0; r < least(w->panel, w->results - first); r++)
                    to[r] = given[r * step];
            }
}

void ln_sparse_read(const ln_convolution *s, const ln_sparse_way *w, float *weight)
{
    const int64_t taps = s->kernel[1] * s->kernel[2], step = s->in_channels * taps;
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t first = 0; first < w->results; first += w->panel)
            for (int64_t tap = 0; tap < taps; tap++) {
                const float *from = w->weight + place_of(s, false, w, c, first, tap);
                for (int64_t r = 0; r < w->panel; r++)
                    weight[c * taps + (first + r) * step + tap] = from[r];
            }
}
