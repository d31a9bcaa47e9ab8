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

static int64_t mark_floats(const ln_sparse_way *w)
{
    return up(2 * places_of(w) * w->blocks, LN_SPARSE_STEP);
}

size_t ln_sparse_scratch(const ln_convolution *s, const ln_sparse_way *w)
{
    const int64_t sums = w->windows ? sum_line(s, w) * sum_lines(s, w) : 0;
    return (size_t)(mark_floats(w) + sums) * sizeof(float);
}

static ln_sparse_marks marks_in(const ln_sparse_way *w, void *scratch)
{
    return (ln_sparse_marks){.channels = w->channels,
                             .block = w->block,
                             .blocks = w->blocks,
                             .places = places_of(w),
                             .some = scratch};
}

static void begin_results(int64_t places, int64_t results, const float *bias, float *y)
{
    if (!bias)
        memset(y, 0, (size_t)(places * results) * sizeof *y);
    for (int64_t p = 0; p < places && bias; p++)
        memcpy(y + p * results, bias, (size_t)results * sizeof *y);
}

/* A band: lines [begin, end) of y, of `images` images, from lines [low, ...) of x that are marked. */
typedef struct band {
    int64_t images, begin, end, low, marked;
    const float *x; /* line `low` of the first image */
    float *y;       /* the first image */
} band;

static void next_image(const ln_sparse_way *w, const band *b, ln_sparse_visit *visit)
{
    visit->x += w->from[0] * w->from[1] * w->channels;
    visit->some += b->marked * w->from[1];
    visit->y += w->to[0] * w->to[1] * w->results;
}

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
        next_image(w, b, visit);
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
        next_image(w, b, visit);
    }
}

static void run_band(const ln_convolution *s, bool backward, const ln_sparse_way *w,
                     const ln_sparse_marks *marks, const float *bias, const band *b)
{
    static const float nothing[LN_SPARSE_WIDEST];
    ln_sparse_visit visit = {
        .x_place = w->channels, .width = w->panel, .weight = w->weight, .y_place = w->results};
    for (int64_t panel = 0; panel < w->panels; panel++)
        for (int64_t block = 0; block < w->blocks; block++)
            for (int64_t turn = 0; turn < w->taps; turn++, visit.weight += w->block * w->row) {
                const int64_t tap = (w->first + turn) % w->taps;
                visit.start = NULL;
                if (w->whole && block == 0 && turn == 0)
                    visit.start = bias ? bias + panel * w->panel : nothing;
                visit.x = b->x + block * w->block;
                visit.some = marks->some + block * marks->places;
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
    const ln_sparse_marks marks = marks_in(w, scratch);
    const int64_t line = sum_line(s, w), lines = sum_lines(s, w);
    float *sum = (float *)scratch + mark_floats(w);
    ln_sparse_windows windows = {.x_place = w->channels,
                                 .places = w->from[1],
                                 .lines = s->kernel[1],
                                 .length = s->kernel[2] * w->results,
                                 .y_place = s->stride[2] * w->results,
                                 .y_line = line};
    for (int64_t i = 0; i < images; i++, y += w->to[0] * w->to[1] * w->results) {
        memset(sum, 0, (size_t)(lines * line) * sizeof *sum);
        for (int64_t l = 0; l < w->from[0]; l++, x += w->from[1] * w->channels) {
            w->kernels->mark(&marks, 0, w->from[1], x);
            windows.y = sum + l * s->stride[1] * line;
            windows.weight = w->weight;
            for (int64_t block = 0; block < w->blocks; block++) {
                windows.x = x + block * w->block;
                windows.some = marks.some + block * marks.places;
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
    const ln_sparse_marks marks = marks_in(w, scratch);
    const int64_t x_line = w->from[1] * w->channels, y_line = w->to[1] * w->results;
    for (int64_t done = 0; done < images; done += w->images)
        for (int64_t begin = 0; begin < w->to[0]; begin += w->lines) {
            band b = {.images = least(w->images, images - done),
                      .begin = begin,
                      .end = least(begin + w->lines, w->to[0]),
                      .y = y + done * w->to[0] * y_line};
            int64_t high;
            ln_sparse_lines(s, backward, b.begin, b.end, &b.low, &high);
            b.marked = high - b.low;
            b.x = x + (done * w->from[0] + b.low) * x_line;
            for (int64_t i = 0; i < b.images; i++) {
                w->kernels->mark(&marks, i * b.marked * w->from[1], b.marked * w->from[1],
                                 b.x + i * w->from[0] * x_line);
                if (!w->whole)
                    begin_results((b.end - begin) * w->to[1], w->results, bias,
                                  b.y + (i * w->to[0] + begin) * y_line);
            }
            run_band(s, backward, w, &marks, bias, &b);
        }
}
