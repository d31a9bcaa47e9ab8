/* Convolutions that skip the zeros of what they read: images behind relu, and gradients that relu has cut, are to a
 * third or a half zeros, wherever they happen to stand.
 *
 * Of each place of an image the channels that are other than 0 are listed, once; each tap then adds to a result
 * a row of weights for every entry of one list. A panel of results of one place is summed in registers, the
 * weights of a block of channels and a tap stay in the first cache while all places of a band of lines pass.
 * Every product reads its weights from there, which costs a quarter of the multipliers' speed: with less than a quarter
 * of zeros other kernels are faster.
 *
 * A result is the bias and, block by block of channels, tap by tap, a sum over what is other than 0 in the order of
 * channels (of narrow panels two, of every second one, that are added): images may come in any groups. Where weights
 * are not finite 0 times them counts: then the library's convolution stands in.
 *
 * Source of the idea that zeros are found a number at a time while registers go along the other channels: Gong et al. 2020,
 * SparseTrain, arXiv:1911.10175. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/library.h"
#include "kernels/sparse.h"
#include "kernels/turned.h"
#include "kernels/whole.h"

enum {
    WAYS = 2,              /* forward, and the gradient of x */
    BLOCK = 64,            /* channels whose weights are used together, at most */
    WOVEN_BLOCK = 32,      /* the same where three taps are */
    MOST_LISTED = 1 << 16, /* numbers that are listed together: they stay in the second cache */
    FEWEST_PLACES =
        128, /* that should pass before the next weights are read, if images are small */
    POINT_CHANNELS =
        128 /* of x and y where the kernel is a single place: each entry is used but once */
};

/* What one way computes: y from x. */
typedef struct sparse_way {
    int64_t channels, results; /* of x and y */
    int64_t from[2], to[2];    /* sizes of their images */
    int64_t block, blocks, panel, panels;
    int64_t lines;  /* of y that are computed together */
    int64_t spread; /* lines of x that these reach, at most */
    int64_t images; /* that are computed together */
    bool woven;     /* three taps along a line are taken together */
    int64_t taps;   /* that are taken one after another */
    int64_t row;    /* numbers of a channel's weights that are used together */
    float *
        weight; /* (panels, blocks, taps, block, row), owned, and a block behind them that is only read ahead */
} sparse_way;

typedef struct sparse {
    ln_convolved head;
    sparse_way ways[WAYS];
    ln_convolved *plain;   /* for weights that are not the packed ones */
    ln_convolved *library; /* where the packed ones are not finite, else NULL */
    const float *given;    /* what was packed, borrowed */
} sparse;

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

/* ---------------------------------------------------------------- shapes */

bool ln_sparse_suits(const ln_convolution *s, bool backward)
{
    const int64_t results = backward ? s->in_channels : s->out_channels;
    const int64_t channels = backward ? s->out_channels : s->in_channels;
    const int64_t taps = s->kernel[1] * s->kernel[2], strides = s->stride[1] * s->stride[2];
    if (!(s->sparse & (backward ? LN_CONVOLVE_BACKWARD_DATA : LN_CONVOLVE_FORWARD)) || !s->last ||
        s->groups != 1 || s->kernel[0] != 1 || s->in[0] != 1 || s->out[0] != 1 ||
        s->before[0] != 0 || results % LN_SPARSE_NARROWEST != 0 || channels < LN_SPARSE_STEP)
        return false;
    return choose() && (taps > 1 || (strides == 1 && channels >= POINT_CHANNELS &&
                                     results % POINT_CHANNELS == 0));
}

/* The first whole number that is not below a / b; b > 0. */
static int64_t above(int64_t a, int64_t b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* Along an axis: which places of y in [begin, end) get from which of x by a tap. Places of the convolution's input are
 * `stride` apart where those of its output are neighbours. */
typedef struct reach {
    int64_t to, to_step, from, from_step, count;
} reach;

static reach reach_of(const ln_convolution *s, bool backward, int axis, int64_t tap, int64_t begin,
                      int64_t end)
{
    const int64_t stride = s->stride[axis], off = tap * s->dilation[axis] - s->before[axis];
    const int64_t near[2] = {backward ? 0 : begin, backward ? s->out[axis] : end};
    const int64_t far[2] = {backward ? begin : 0, backward ? end : s->in[axis]};
    const int64_t first = greatest(near[0], above(far[0] - off, stride));
    const int64_t last = least(near[1], above(far[1] - off, stride));
    const int64_t count = greatest(0, last - first), place = first * stride + off;
    return backward ? (reach){place, stride, first, 1, count}
                    : (reach){first, 1, place, stride, count};
}

/* The lines of x that lines [begin, end) of y reach: [from, to). */
static void lines_of(const ln_convolution *s, bool backward, int64_t begin, int64_t end,
                     int64_t *from, int64_t *to)
{
    *from = INT64_MAX;
    *to = 0;
    for (int64_t tap = 0; tap < s->kernel[1]; tap++) {
        const reach r = reach_of(s, backward, 1, tap, begin, end);
        if (r.count == 0)
            continue;
        *from = least(*from, r.from);
        *to = greatest(*to, r.from + (r.count - 1) * r.from_step + 1);
    }
    *from = least(*from, *to);
}

/* How many lines, or images, are computed together: what fits. */
static void share_out(const ln_convolution *s, bool backward, sparse_way *w)
{
    const int64_t line = w->from[1] * w->blocks * w->block;
    int64_t from, to, bands = 0;
    do {
        w->lines = (w->to[0] + bands) / (bands + 1);
        w->spread = 0;
        for (int64_t begin = 0; begin < w->to[0]; begin += w->lines) {
            lines_of(s, backward, begin, least(begin + w->lines, w->to[0]), &from, &to);
            w->spread = greatest(w->spread, to - from);
        }
        bands++;
    } while (w->lines > 1 && w->spread * line > MOST_LISTED);
    w->images = bands > 1 ? 1 : greatest(1, MOST_LISTED / greatest(1, w->spread * line));
}

static void describe(const ln_convolution *s, bool backward, sparse_way *w)
{
    const int64_t widest = choose()->widest;
    w->channels = backward ? s->out_channels : s->in_channels;
    w->results = backward ? s->in_channels : s->out_channels;
    for (int i = 0; i < 2; i++) {
        w->from[i] = backward ? s->out[i + 1] : s->in[i + 1];
        w->to[i] = backward ? s->in[i + 1] : s->out[i + 1];
    }
    w->panel = w->results % widest == 0 ? widest : LN_SPARSE_NARROWEST;
    w->panels = w->results / w->panel;
    w->woven = choose()->weave && w->panel == LN_SPARSE_NARROWEST &&
               s->kernel[2] == LN_SPARSE_WOVEN && s->stride[2] == 1 && s->dilation[2] == 1;
    w->taps = w->woven ? s->kernel[1] : s->kernel[1] * s->kernel[2];
    w->row = w->woven ? LN_SPARSE_WOVEN * w->panel : w->panel;
    const int64_t block = w->woven ? WOVEN_BLOCK : BLOCK;
    w->blocks = (w->channels + block - 1) / block;
    w->block = up((w->channels + w->blocks - 1) / w->blocks, LN_SPARSE_STEP);
    share_out(s, backward, w);
}

/* ---------------------------------------------------------------- weights */

static bool all_finite(const float *weight, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(weight[i]))
            return false;
    return true;
}

static int64_t weight_floats(const sparse_way *w)
{
    return (w->panels * w->blocks * w->taps + 1) * w->block * w->row;
}

/* The weights of `count` results from `first` on, of channel c and a tap of the kernel. */
static float *fill_row(const ln_convolution *s, bool backward, const sparse_way *w,
                       const float *weight, int64_t c, int64_t tap, int64_t first, float *to)
{
    const int64_t taps = s->kernel[1] * s->kernel[2];
    const int64_t of_channel = backward ? s->in_channels * taps : taps;
    const int64_t of_result = backward ? taps : s->in_channels * taps;
    for (int64_t r = first; r < first + w->panel; r++)
        *to++ = c < w->channels ? weight[c * of_channel + r * of_result + tap] : 0;
    return to;
}

/* Woven taps go from the first place that one reaches to the last: of a gradient in reverse. */
static void fill(const ln_convolution *s, bool backward, const float *weight, sparse_way *w)
{
    const int64_t inner = w->row / w->panel;
    float *to = w->weight;
    for (int64_t panel = 0; panel < w->results; panel += w->panel)
        for (int64_t block = 0; block < w->blocks * w->block; block += w->block)
            for (int64_t tap = 0; tap < w->taps; tap++)
                for (int64_t c = block; c < block + w->block; c++)
                    for (int64_t i = 0; i < inner; i++)
                        to = fill_row(s, backward, w, weight, c,
                                      tap * inner + (backward ? inner - 1 - i : i), panel, to);
}

/* ---------------------------------------------------------------- passes */

static int64_t places_of(const sparse_way *w)
{
    return w->images * w->spread * w->from[1];
}

static size_t scratch_of(const sparse_way *w)
{
    const int64_t lists = places_of(w) * w->blocks;
    const int64_t each =
        w->block * (int64_t)(sizeof(float) + sizeof(uint32_t)) + (int64_t)sizeof(int32_t);
    return (size_t)up(lists * each, LN_SPARSE_STEP * sizeof(float));
}

static ln_sparse_lists lists_in(const sparse_way *w, void *scratch)
{
    const int64_t lists = places_of(w) * w->blocks;
    ln_sparse_lists made = {.channels = w->channels,
                            .block = w->block,
                            .blocks = w->blocks,
                            .places = places_of(w),
                            .step = w->row * (int64_t)sizeof(float),
                            .value = scratch};
    made.at = (uint32_t *)(void *)(made.value + lists * w->block);
    made.count = (int32_t *)(void *)(made.at + lists * w->block);
    return made;
}

static void begin_results(int64_t places, int64_t results, const float *bias, float *y)
{
    if (!bias)
        memset(y, 0, (size_t)(places * results) * sizeof *y);
    for (int64_t p = 0; p < places && bias; p++)
        memcpy(y + p * results, bias, (size_t)results * sizeof *y);
}

/* A band: lines [begin, end) of y, of `images` images, from lines [low, ...) of x that are listed. */
typedef struct band {
    int64_t images, begin, end, low, listed;
    float *y; /* of the first image */
} band;

/* One tap's weights of one block and panel. */
static void visit_tap(const ln_convolution *s, bool backward, const sparse_way *w,
                      const ln_sparse_kernels *kernels, const band *b, int64_t tap,
                      ln_sparse_visit *visit)
{
    const reach y = reach_of(s, backward, 1, tap / s->kernel[2], b->begin, b->end);
    const reach x = reach_of(s, backward, 2, tap % s->kernel[2], 0, w->to[1]);
    const int64_t places = b->images * y.count * x.count;
    const int64_t bytes = w->block * w->row * (int64_t)sizeof(float);
    if (places == 0)
        return;
    visit->lines = y.count;
    visit->count = x.count;
    visit->to = (ln_sparse_places){y.to * w->to[1] + x.to, y.to_step * w->to[1], x.to_step};
    visit->from = (ln_sparse_places){(y.from - b->low) * w->from[1] + x.from,
                                     y.from_step * w->from[1], x.from_step};
    visit->ahead_place = (bytes + places - 1) / places;
    visit->ahead = (const char *)visit->weight + bytes;
    for (int64_t i = 0; i < b->images; i++) {
        kernels->visit(visit);
        visit->ahead += y.count * x.count * visit->ahead_place;
        visit->to.first += w->to[0] * w->to[1];
        visit->from.first += b->listed * w->from[1];
    }
}

/* The same of a line of taps. The first brings place 0 of x to `before`, of a gradient the last does. */
static void weave_taps(const ln_convolution *s, bool backward, const sparse_way *w,
                       const ln_sparse_kernels *kernels, const band *b, int64_t line,
                       ln_sparse_visit *visit)
{
    const int64_t before = s->before[2];
    const reach y = reach_of(s, backward, 1, line, b->begin, b->end);
    visit->lines = y.count;
    visit->count = w->from[1];
    visit->to = (ln_sparse_places){backward ? LN_SPARSE_WOVEN - 1 - before : before,
                                   y.to_step * w->to[1], 1};
    visit->from = (ln_sparse_places){(y.from - b->low) * w->from[1], y.from_step * w->from[1], 1};
    visit->y_line = w->to[1];
    visit->y += y.to * w->to[1] * w->results;
    for (int64_t i = 0; i < b->images; i++) {
        kernels->weave(visit);
        visit->y += w->to[0] * w->to[1] * w->results;
        visit->from.first += b->listed * w->from[1];
    }
}

static void run_band(const ln_convolution *s, bool backward, const sparse_way *w,
                     const ln_sparse_kernels *kernels, const ln_sparse_lists *lists, const band *b)
{
    ln_sparse_visit visit = {
        .lists = lists, .width = w->panel, .weight = w->weight, .y_place = w->results};
    for (int64_t panel = 0; panel < w->panels; panel++)
        for (visit.block = 0; visit.block < w->blocks; visit.block++)
            for (int64_t tap = 0; tap < w->taps; tap++, visit.weight += w->block * w->row) {
                visit.y = b->y + panel * w->panel;
                (w->woven ? weave_taps : visit_tap)(s, backward, w, kernels, b, tap, &visit);
            }
}

static void run(const ln_convolution *s, bool backward, const sparse_way *w, int64_t images,
                const float *x, const float *bias, float *y, void *scratch)
{
    const ln_sparse_kernels *kernels = choose();
    const ln_sparse_lists lists = lists_in(w, scratch);
    const int64_t x_line = w->from[1] * w->channels, y_line = w->to[1] * w->results;
    for (int64_t done = 0; done < images; done += w->images)
        for (int64_t begin = 0; begin < w->to[0]; begin += w->lines) {
            band b = {.images = least(w->images, images - done),
                      .begin = begin,
                      .end = least(begin + w->lines, w->to[0]),
                      .y = y + done * w->to[0] * y_line};
            int64_t high;
            lines_of(s, backward, b.begin, b.end, &b.low, &high);
            b.listed = high - b.low;
            for (int64_t i = 0; i < b.images; i++) {
                kernels->list(&lists, i * b.listed * w->from[1], b.listed * w->from[1],
                              x + ((done + i) * w->from[0] + b.low) * x_line);
                begin_results((b.end - begin) * w->to[1], w->results, bias,
                              b.y + (i * w->to[0] + begin) * y_line);
            }
            run_band(s, backward, w, kernels, &lists, &b);
        }
}

/* ---------------------------------------------------------------- the entry */

static void release(ln_convolved *packed)
{
    sparse *own = (sparse *)packed;
    if (!own)
        return;
    ln_convolved_release(own->plain);
    ln_convolved_release(own->library);
    for (int way = 0; way < WAYS; way++)
        ln_free_aligned(own->ways[way].weight);
    ln_free(own);
}

static void need(ln_convolved *head, size_t scratch_bytes, int64_t together)
{
    if (scratch_bytes > head->scratch_bytes)
        head->scratch_bytes = scratch_bytes;
    if (together > head->together)
        head->together = together;
}

static ln_status make_ways(sparse *own, ln_error *err)
{
    static const unsigned uses[WAYS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA};
    const ln_convolution *s = &own->head.shape;
    for (int way = 0; way < WAYS; way++) {
        sparse_way *w = &own->ways[way];
        if (!(own->head.uses & uses[way]))
            continue;
        describe(s, way == 1, w);
        const size_t bytes = (size_t)weight_floats(w) * sizeof *w->weight;
        w->weight = ln_alloc_aligned(bytes);
        if (!w->weight)
            return ln_fail_memory(err, bytes);
        const int64_t places = w->to[0] * w->to[1];
        need(&own->head, scratch_of(w), (FEWEST_PLACES + places - 1) / places);
    }
    return LN_OK;
}

static ln_status make(const ln_convolution *shape, unsigned uses, const float *weight, sparse **out,
                      ln_error *err)
{
    sparse *own = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    own->head = (ln_convolved){.kernels = &ln_convolutions_sparse,
                               .shape = *shape,
                               .uses = uses,
                               .direct = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA,
                               .names = {"sparse", "sparse"}};
    ln_status status = make_ways(own, err);
    if (!status && uses & LN_CONVOLVE_OTHERS)
        status = ln_convolutions_plain.pack(shape, uses, weight, &own->plain, err);
    if (!status && own->plain)
        need(&own->head,
             own->plain->scratch_bytes + (size_t)ln_turned_floats(shape) * sizeof(float), 0);
    if (status)
        release(&own->head);
    else
        *out = own;
    return status;
}

static ln_status pack(const ln_convolution *shape, unsigned uses, const float *weight,
                      ln_convolved **packed, ln_error *err)
{
    sparse *own = (sparse *)*packed;
    ln_status status = own ? LN_OK : make(shape, uses, weight, &own, err);
    if (status)
        return status;
    *packed = &own->head;
    own->given = weight;
    ln_convolved_release(own->library);
    own->library = NULL;
    own->head.rereads = false;
    if (!all_finite(weight, ln_convolution_weights(shape))) {
        status = ln_library_convolutions()->pack(shape, uses, weight, &own->library, err);
        if (status)
            return status;
        own->head.rereads = own->library->rereads;
        need(&own->head, own->library->scratch_bytes, own->library->together);
    }
    for (int way = 0; way < WAYS; way++)
        if (own->ways[way].weight)
            fill(shape, way == 1, weight, &own->ways[way]);
    return LN_OK;
}

static ln_status forward(const ln_convolved *packed, int64_t images, const float *x,
                         const float *weight, const float *bias, float *y, void *scratch,
                         ln_error *err)
{
    const sparse *own = (const sparse *)packed;
    if (weight && weight != own->given)
        return ln_turned_forward(own->plain, &packed->shape, images, x, weight, bias, y, scratch,
                                 err);
    if (own->library)
        return own->library->kernels->forward(own->library, images, x, weight, bias, y, scratch,
                                              err);
    run(&packed->shape, false, &own->ways[0], images, x, bias, y, scratch);
    return LN_OK;
}

static ln_status backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                               const float *weight, float *dx, void *scratch, ln_error *err)
{
    const sparse *own = (const sparse *)packed;
    if (weight && weight != own->given)
        return ln_turned_backward_data(own->plain, &packed->shape, images, dy, weight, dx, scratch,
                                       err);
    if (own->library)
        return own->library->kernels->backward_data(own->library, images, dy, weight, dx, scratch,
                                                    err);
    run(&packed->shape, true, &own->ways[1], images, dy, NULL, dx, scratch);
    return LN_OK;
}

const ln_convolutions ln_convolutions_sparse = {
    .name = "sparse",
    .pack = pack,
    .release = release,
    .forward = forward,
    .backward_data = backward_data,
};
