/* The passes of convolution_sparse.h. */
#include <string.h>

#include "kernels/convolution_sparse.h"
#include "kernels/whole.h"

static int64_t places_of(const ln_sparse_way *w)
{
    return w->images * w->spread * w->from[1];
}

/* Of windows: all that those of an image cover. */
static int64_t sum_line(const ln_convolution *s, const ln_sparse_way *w)
{
    return up(((w->from[1] - 1) * s->stride[2] + s->kernel[2]) * w->results, LN_SPARSE_STEP);
}

static int64_t sum_lines(const ln_convolution *s, const ln_sparse_way *w)
{
    return (w->from[0] - 1) * s->stride[1] + s->kernel[1];
}

static size_t lists_bytes(const ln_sparse_way *w)
{
    const int64_t lists = places_of(w) * w->blocks;
    const int64_t each =
        w->block * (int64_t)(sizeof(float) + sizeof(uint32_t)) + (int64_t)sizeof(int32_t);
    return (size_t)up(lists * each, LN_SPARSE_STEP * sizeof(float));
}

size_t ln_sparse_scratch(const ln_convolution *s, const ln_sparse_way *w)
{
    const int64_t sums = w->windows ? sum_line(s, w) * sum_lines(s, w) : 0;
    return lists_bytes(w) + (size_t)sums * sizeof(float);
}

static ln_sparse_lists lists_in(const ln_sparse_way *w, void *scratch)
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
static void visit_tap(const ln_convolution *s, bool backward, const ln_sparse_way *w, const band *b,
                      int64_t tap, ln_sparse_visit *visit)
{
    const ln_sparse_reach y =
        ln_sparse_reach_of(s, backward, 1, tap / s->kernel[2], b->begin, b->end);
    const ln_sparse_reach x = ln_sparse_reach_of(s, backward, 2, tap % s->kernel[2], 0, w->to[1]);
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
        w->kernels->visit(visit);
        visit->ahead += y.count * x.count * visit->ahead_place;
        visit->to.first += w->to[0] * w->to[1];
        visit->from.first += b->listed * w->from[1];
    }
}

/* The same of a line of taps. The first brings place 0 of x to `before`, of a gradient the last does. */
static void weave_taps(const ln_convolution *s, bool backward, const ln_sparse_way *w,
                       const band *b, int64_t line, ln_sparse_visit *visit)
{
    const int64_t before = s->before[2];
    const ln_sparse_reach y = ln_sparse_reach_of(s, backward, 1, line, b->begin, b->end);
    visit->lines = y.count;
    visit->count = w->from[1];
    visit->to = (ln_sparse_places){backward ? LN_SPARSE_WOVEN - 1 - before : before,
                                   y.to_step * w->to[1], 1};
    visit->from = (ln_sparse_places){(y.from - b->low) * w->from[1], y.from_step * w->from[1], 1};
    visit->y_line = w->to[1];
    visit->y += y.to * w->to[1] * w->results;
    for (int64_t i = 0; i < b->images; i++) {
        w->kernels->weave(visit);
        visit->y += w->to[0] * w->to[1] * w->results;
        visit->from.first += b->listed * w->from[1];
    }
}

static void run_band(const ln_convolution *s, bool backward, const ln_sparse_way *w,
                     const ln_sparse_lists *lists, const band *b)
{
    ln_sparse_visit visit = {
        .lists = lists, .width = w->panel, .weight = w->weight, .y_place = w->results};
    for (int64_t panel = 0; panel < w->panels; panel++)
        for (visit.block = 0; visit.block < w->blocks; visit.block++)
            for (int64_t tap = 0; tap < w->taps; tap++, visit.weight += w->block * w->row) {
                visit.y = b->y + panel * w->panel;
                (w->woven ? weave_taps : visit_tap)(s, backward, w, b, tap, &visit);
            }
}

/* What lies in the image of the sums of its windows. */
static void copy_sums(const ln_convolution *s, const ln_sparse_way *w, const float *sum, float *y)
{
    const int64_t line = sum_line(s, w), lines = sum_lines(s, w), width = w->to[1] * w->results;
    const int64_t before = s->before[2] * w->results;
    const int64_t covered = greatest(
        0, least(((w->from[1] - 1) * s->stride[2] + s->kernel[2]) * w->results - before, width));
    for (int64_t l = 0; l < w->to[0]; l++, y += width) {
        const int64_t from = l + s->before[1], count = from < lines ? covered : 0;
        memcpy(y, sum + least(from, lines - 1) * line + before, (size_t)count * sizeof *y);
        memset(y + count, 0, (size_t)(width - count) * sizeof *y);
    }
}

static void run_windows(const ln_convolution *s, const ln_sparse_way *w, int64_t images,
                        const float *x, float *y, void *scratch)
{
    const ln_sparse_lists lists = lists_in(w, scratch);
    const int64_t line = sum_line(s, w), lines = sum_lines(s, w);
    float *sum = (float *)(void *)((char *)scratch + lists_bytes(w));
    ln_sparse_windows windows = {.lists = &lists,
                                 .places = w->from[1],
                                 .lines = s->kernel[1],
                                 .length = s->kernel[2] * w->results,
                                 .y_place = s->stride[2] * w->results,
                                 .y_line = line};
    for (int64_t i = 0; i < images; i++, y += w->to[0] * w->to[1] * w->results) {
        memset(sum, 0, (size_t)(lines * line) * sizeof *sum);
        for (int64_t l = 0; l < w->from[0]; l++, x += w->from[1] * w->channels) {
            w->kernels->list(&lists, 0, w->from[1], x);
            windows.y = sum + l * s->stride[1] * line;
            windows.weight = w->weight;
            for (windows.block = 0; windows.block < w->blocks; windows.block++) {
                w->kernels->scatter(&windows);
                windows.weight += w->block * w->row;
            }
        }
        copy_sums(s, w, sum, y);
    }
}

void ln_sparse_run(const ln_convolution *s, bool backward, const ln_sparse_way *w, int64_t images,
                   const float *x, const float *bias, float *y, void *scratch)
{
    if (w->windows) {
        run_windows(s, w, images, x, y, scratch);
        return;
    }
    const ln_sparse_lists lists = lists_in(w, scratch);
    const int64_t x_line = w->from[1] * w->channels, y_line = w->to[1] * w->results;
    for (int64_t done = 0; done < images; done += w->images)
        for (int64_t begin = 0; begin < w->to[0]; begin += w->lines) {
            band b = {.images = least(w->images, images - done),
                      .begin = begin,
                      .end = least(begin + w->lines, w->to[0]),
                      .y = y + done * w->to[0] * y_line};
            int64_t high;
            ln_sparse_lines(s, backward, b.begin, b.end, &b.low, &high);
            b.listed = high - b.low;
            for (int64_t i = 0; i < b.images; i++) {
                w->kernels->list(&lists, i * b.listed * w->from[1], b.listed * w->from[1],
                                 x + ((done + i) * w->from[0] + b.low) * x_line);
                begin_results((b.end - begin) * w->to[1], w->results, bias,
                              b.y + (i * w->to[0] + begin) * y_line);
            }
            run_band(s, backward, w, &lists, &b);
        }
}
