/* The planes entry: convolutions of images of few channels, which are first, with stride 1, on planes.h's
 * kernels. With K x L taps, C channels, O results:
 *
 *     forward        x is copied L times, moved by a tap each and as wide as y, (c, l, line): what a tap reads of
 *                    neighbouring places of y, over the ends of lines too, lies together then, and y (O, places)
 *                    is one product of depth C K L with the copy's numbers as they are
 *     backward_data  z (K L, places) = w[:, c]^T dy, a channel c at a time; each line of z, moved by its tap, is
 *                    added to the line of dx that it belongs to. Or, "tall", where dx has few lines more than
 *                    dy: z (L, lines of dx) of depth O K, with zeros around dy's lines
 *
 * so little is multiplied but what counts. Both go over bands of lines of y which with their operands stay in
 * the nearest caches. What others can do better (gradients of weights) or what was not packed (weights
 * that a rule made) goes to the library's or the plain entry. */
#include "kernels/planes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/choose.h"
#include "kernels/convolved.h"
#include "kernels/library.h"
#include "kernels/whole.h"

enum {
    COPY_FLOATS = 1 << 15,  /* of x's copy: an eighth of the second cache, read near by near */
    BAND_FLOATS = 12 << 10, /* of dy and z: the first cache */
    TURNS =
        2 /* numbers that were written just now are slow to read otherwise than they were: z is read a turn later */
};

typedef struct planes_convolved {
    ln_convolved head;
    const ln_planes_kernels *kernels;
    float *forward;      /* (C, K, L, O), owned */
    float *backward;     /* (C, O, K, L), owned */
    int32_t *copy_at;    /* (C, K, L): where a tap begins in the copy */
    int32_t *dy_at;      /* (O) or (O, K): where it begins in dy */
    int64_t band[2];     /* lines of y, and of z */
    int64_t copy_lines;  /* of a plane of the copy */
    bool tall;           /* see above */
    int64_t rows, lines; /* of z, in all */
    int64_t zeros[2];    /* lines around those of dy in its copy */
} planes_convolved;

const ln_planes_kernels *ln_planes_kernels_choose(void)
{
    return LN_CHOOSE(ln_planes);
}

bool ln_planes_possible(const ln_convolution *s)
{
    return !s->last && s->groups == 1 && s->in[0] == 1 && s->out[0] == 1 && s->kernel[0] == 1 &&
           s->before[0] == 0 && s->stride[1] == 1 && s->stride[2] == 1 &&
           s->kernel[2] <= LN_PLANES_TAPS &&
           s->dilation[2] <= LN_PLANES_LANES; /* a tap is not farther back than a row of z */
}

/* Measured (convolution.c): at full registers the library is better by a quarter forward and by two fifths back,
 * so what counts is how full its registers of channels are. Many channels make long sums that leave the first
 * cache, and so do many results of large images. Without it there is the plain entry, which is slower. */
bool ln_planes_pays(const ln_convolution *s)
{
    enum { FEW_PLACES = 16, FEW_RESULTS = 32, MANY_NUMBERS = 1 << 17, CHANNELS = 16, MOST = 24 };
    const int64_t block = ln_cpu_has("avx512") ? 16 : 8; /* channels of the library's registers */
    const double forward = (double)up(s->out_channels, block) / (double)s->out_channels;
    const double back = (double)up(s->in_channels, block) / (double)s->in_channels;
    if (!ln_planes_possible(s) || s->kernel[2] == 1 || s->out[1] * s->out[2] < FEW_PLACES)
        return false;
    if (!ln_library_convolutions())
        return s->in_channels <= MOST;
    if (s->out_channels > FEW_RESULTS && ln_convolution_out_row(s) > MANY_NUMBERS)
        return false;
    if (s->in_channels >= CHANNELS)
        return s->in_channels <= MOST && s->out_channels >= block / 2 && forward + back > 3;
    return forward + back > 2.7;
}

/* ---------------------------------------------------------------- packing */

static void release(ln_convolved *packed)
{
    planes_convolved *own = (planes_convolved *)packed;
    ln_free_aligned(own->forward);
    ln_free_aligned(own->backward);
    ln_free(own->copy_at);
    ln_free(own->dy_at);
}

/* `lines` in bands of about one size, each of no more than `fit`. */
static int64_t band_of(int64_t lines, int64_t fit)
{
    const int64_t bands = up(lines, greatest(fit, 1)) / greatest(fit, 1);
    return up(lines, bands) / bands;
}

/* Lines of x that those of y read beyond their own. */
static int64_t beyond(const ln_convolution *s)
{
    return (s->kernel[1] - 1) * s->dilation[1];
}

static int64_t copy_floats(const planes_convolved *own)
{
    const ln_convolution *s = &own->head.shape;
    return s->in_channels * s->kernel[2] * own->copy_lines * s->out[2] + LN_PLANES_LANES;
}

/* Numbers of a row of z. */
static int64_t z_row(const planes_convolved *own)
{
    return up(own->band[1] * own->head.shape.out[2], LN_PLANES_LANES);
}

static int64_t z_floats(const planes_convolved *own)
{
    return TURNS * own->rows * z_row(own);
}

/* Of a line of dx while it is summed up. */
static int64_t sum_width(const ln_convolution *s)
{
    return up(s->in[2], LN_PLANES_LANES);
}

/* Of a plane of dy's copy. */
static int64_t dy_plane(const planes_convolved *own)
{
    const ln_convolution *s = &own->head.shape;
    return (own->zeros[0] + s->out[1] + own->zeros[1]) * s->out[2];
}

/* Whether dy is read beyond its end, from a copy then: what is read of a plane are whole registers from the begin of
 * a band on, or from a line that a tap moves it to. */
static bool copies_dy(const planes_convolved *own)
{
    const int64_t width = own->head.shape.out[2];
    return own->tall || dy_plane(own) % LN_PLANES_LANES != 0 ||
           (own->band[1] < own->lines && own->band[1] * width % LN_PLANES_LANES != 0);
}

static int64_t back_floats(const planes_convolved *own)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t dy = copies_dy(own) ? s->out_channels * dy_plane(own) + LN_PLANES_LANES : 0;
    /* Sums of lines read z where their masks are empty, too: farther on than it goes by what is before x. */
    return z_floats(own) + s->in[1] * sum_width(s) + dy + s->before[2];
}

/* Storing a number of z and adding it to dx costs as much as so many multiplications. */
static void decide_back(planes_convolved *own)
{
    enum { AROUND = 5 };
    const ln_convolution *s = &own->head.shape;
    const int64_t taps = s->kernel[1] * s->kernel[2];
    const int64_t tall = s->in[1] * (s->out_channels * taps + AROUND * s->kernel[2]);
    own->tall = tall <= s->out[1] * taps * (s->out_channels + AROUND);
    own->rows = own->tall ? s->kernel[2] : taps;
    own->lines = own->tall ? s->in[1] : s->out[1];
    if (own->tall) {
        own->zeros[0] = greatest(beyond(s) - s->before[1], 0);
        own->zeros[1] = greatest(s->in[1] + s->before[1] - s->out[1], 0);
    }
    own->band[1] = band_of(own->lines, BAND_FLOATS / ((own->rows + s->out_channels) * s->out[2]));
}

static void decide(planes_convolved *own)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t line = s->in_channels * s->kernel[2] * s->out[2];
    own->band[0] = band_of(s->out[1], COPY_FLOATS / line - beyond(s));
    decide_back(own);
    own->copy_lines = own->band[0] + beyond(s);
    ln_convolved_need(&own->head,
                      (size_t)greatest(copy_floats(own), back_floats(own)) * sizeof(float), 0);
}

static ln_status allocate(planes_convolved *own, ln_error *err)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t depth = ln_convolution_weights(s) / s->out_channels;
    const size_t bytes = (size_t)ln_convolution_weights(s) * sizeof(float);
    own->forward = ln_alloc_aligned(bytes);
    own->backward = ln_alloc_aligned(bytes);
    own->copy_at = ln_calloc((size_t)depth, sizeof *own->copy_at);
    own->dy_at = ln_calloc((size_t)(s->out_channels * s->kernel[1]), sizeof *own->dy_at);
    if (!own->forward || !own->backward || !own->copy_at || !own->dy_at)
        return ln_fail_memory(err, bytes);
    for (int64_t o = 0; o < s->out_channels; o++) {
        int32_t *at = own->dy_at + (own->tall ? o * s->kernel[1] : o);
        *at = (int32_t)(o * dy_plane(own));
        for (int64_t k = 0; k < s->kernel[1] && own->tall; k++)
            at[k] = (int32_t)(o * dy_plane(own) +
                              (own->zeros[0] + s->before[1] - k * s->dilation[1]) * s->out[2]);
    }
    for (int64_t k = 0; k < depth; k++) {
        const int64_t l = k % s->kernel[2], line = k / s->kernel[2] % s->kernel[1];
        const int64_t c = k / s->kernel[2] / s->kernel[1];
        own->copy_at[k] =
            (int32_t)(((c * s->kernel[2] + l) * own->copy_lines + line * s->dilation[1]) *
                      s->out[2]);
    }
    return LN_OK;
}

/* What rules bring goes through the plain entry in the end; a gradient of weights wants the library's. */
static ln_status leave_rest(ln_convolved *head, const float *weight, ln_error *err)
{
    const unsigned gradient = head->uses & LN_CONVOLVE_BACKWARD_WEIGHTS;
    const ln_convolutions *library = gradient ? ln_library_convolutions() : NULL;
    const unsigned rest = head->uses & LN_CONVOLVE_OTHERS ? head->uses : gradient;
    return rest ? ln_convolved_leave(head, library ? library : &ln_convolutions_plain, rest, weight,
                                     err)
                : LN_OK;
}

static ln_status fill(ln_convolved *head, const float *weight, ln_error *err)
{
    const planes_convolved *own = (const planes_convolved *)head;
    const ln_convolution *s = &own->head.shape;
    const int64_t results = s->out_channels, taps = s->kernel[1] * s->kernel[2];
    const int64_t depth = ln_convolution_weights(s) / results;
    for (int64_t o = 0; o < results; o++)
        for (int64_t k = 0; k < depth; k++) {
            own->forward[k * results + o] = weight[o * depth + k];
            own->backward[(k / taps * results + o) * taps + k % taps] = weight[o * depth + k];
        }
    (void)err;
    return LN_OK;
}

static ln_status make(ln_convolved *head, const float *weight, ln_error *err)
{
    planes_convolved *own = (planes_convolved *)head;
    own->kernels = ln_planes_kernels_choose();
    decide(own);
    ln_status status = allocate(own, err);
    return status ? status : leave_rest(head, weight, err);
}

/* ---------------------------------------------------------------- forward */

/* The lines of the copy that lines of y from `first` on read. */
static void copy_lines(const planes_convolved *own, int64_t first, int64_t lines, const float *x,
                       float *copy)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t width = s->out[2], top = first - s->before[1]; /* line of x of the first one */
    const int64_t from = least(greatest(-top, 0), lines);
    const int64_t to = greatest(least(s->in[1] - top, lines), from);
    for (int64_t c = 0; c < s->in_channels; c++, x += s->in[1] * s->in[2])
        for (int64_t l = 0; l < s->kernel[2]; l++, copy += own->copy_lines * width) {
            const ln_planes_move move = {.lines = to - from,
                                         .from_width = s->in[2],
                                         .to_width = width,
                                         .shift = l * s->dilation[2] - s->before[2]};
            memset(copy, 0, (size_t)(from * width) * sizeof *copy);
            own->kernels->move(&move, x + (top + from) * s->in[2], copy + from * width);
            memset(copy + to * width, 0, (size_t)((lines - to) * width) * sizeof *copy);
        }
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    const planes_convolved *own = (const planes_convolved *)packed;
    const ln_convolution *s = &packed->shape;
    const int64_t width = s->out[2], band = own->band[0];
    (void)weight;
    (void)err;
    ln_planes_product product = {.rows = s->out_channels,
                                 .depth = s->in_channels * s->kernel[1] * s->kernel[2],
                                 .weight = own->forward,
                                 .bias = bias,
                                 .from = scratch,
                                 .at = own->copy_at,
                                 .to_row = s->out[1] * width};
    for (int64_t i = 0; i < images; i++) {
        for (int64_t first = 0; first < s->out[1]; first += band) {
            const int64_t lines = least(band, s->out[1] - first);
            copy_lines(own, first, lines + beyond(s), x, scratch);
            product.places = lines * width;
            product.to = y + first * width;
            own->kernels->product(&product);
        }
        x += ln_convolution_in_row(s);
        y += ln_convolution_out_row(s);
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- backward */

/* What is computed at a time: lines [first, first + lines) of z, of channel `channel` of dx. */
typedef struct back_turn {
    int64_t channel, first, lines;
    float *z;
} back_turn;

static int64_t bands_of(const planes_convolved *own)
{
    return (own->lines + own->band[1] - 1) / own->band[1];
}

static back_turn turn_of(const planes_convolved *own, int64_t number, float *z)
{
    const int64_t first = number % bands_of(own) * own->band[1];
    return (back_turn){.channel = number / bands_of(own),
                       .first = first,
                       .lines = least(own->band[1], own->lines - first),
                       .z = z + number % TURNS * own->rows * z_row(own)};
}

static void multiply_turn(const planes_convolved *own, const back_turn *turn, const float *dy)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t weights = s->out_channels * s->kernel[1] * s->kernel[2]; /* of a channel */
    const ln_planes_product product = {.rows = own->rows,
                                       .places = turn->lines * s->out[2],
                                       .depth = weights / own->rows,
                                       .weight = own->backward + turn->channel * weights,
                                       .from = dy + turn->first * s->out[2],
                                       .at = own->dy_at,
                                       .to = turn->z,
                                       .to_row = z_row(own)};
    own->kernels->product(&product);
}

/* `sum` is a channel of dx, its lines rounded up. */
static void fold_turn(const planes_convolved *own, const back_turn *turn, float *sum, float *dx)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t width = sum_width(s), up_to = turn->first + turn->lines;
    const int64_t before = own->tall ? 0 : s->before[1], more = own->tall ? 0 : beyond(s);
    const int64_t top = greatest(turn->first - before, 0); /* lines of dx: from here to the end */
    const int64_t end = least(up_to - before + more, s->in[1]);
    const ln_planes_fold fold = {.from = {turn->lines, s->out[2]},
                                 .to = {end - top, width},
                                 .taps = {own->rows / s->kernel[2], s->kernel[2]},
                                 .shift = {top + before - turn->first, s->before[2]},
                                 .step = {s->dilation[1], s->dilation[2]},
                                 .row = z_row(own)};
    if (turn->first == 0)
        memset(sum, 0, (size_t)(s->in[1] * width) * sizeof *sum);
    own->kernels->fold(&fold, turn->z, sum + top * width);
    if (up_to == own->lines) {
        const ln_planes_move move = {.lines = s->in[1], .from_width = width, .to_width = s->in[2]};
        own->kernels->move(&move, sum, dx + turn->channel * s->in[1] * s->in[2]);
    }
}

/* With zeros around its lines. */
static void copy_dy(const planes_convolved *own, const float *dy, float *copy)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t plane = s->out[1] * s->out[2];
    const int64_t before = own->zeros[0] * s->out[2], after = own->zeros[1] * s->out[2];
    for (int64_t o = 0; o < s->out_channels; o++, dy += plane) {
        memset(copy, 0, (size_t)before * sizeof *copy);
        memcpy(copy + before, dy, (size_t)plane * sizeof *copy);
        memset(copy + before + plane, 0, (size_t)after * sizeof *copy);
        copy += dy_plane(own);
    }
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    const planes_convolved *own = (const planes_convolved *)packed;
    const ln_convolution *s = &packed->shape;
    const int64_t turns = bands_of(own) * s->in_channels;
    float *z = scratch, *sum = z + z_floats(own), *copy = sum + s->in[1] * sum_width(s);
    (void)weight;
    (void)err;
    for (int64_t i = 0; i < images; i++) {
        back_turn before = {0};
        if (copies_dy(own))
            copy_dy(own, dy, copy);
        for (int64_t number = 0; number <= turns; number++) {
            const back_turn turn = turn_of(own, number, z);
            if (number < turns)
                multiply_turn(own, &turn, copies_dy(own) ? copy : dy);
            if (number > 0)
                fold_turn(own, &before, sum, dx);
            before = turn;
        }
        dy += ln_convolution_out_row(s);
        dx += ln_convolution_in_row(s);
    }
    return LN_OK;
}

const ln_convolutions ln_convolutions_planes = {
    .name = "planes",
    .size = sizeof(planes_convolved),
    .make = make,
    .fill = fill,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
};
