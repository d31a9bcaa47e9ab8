/* SLIC: k-means of places and colours, each centre looking only at pixels near it, then pieces that do not hang
 * together mended.
 *
 *   d(pixel, centre)^2 = |places|^2 / step^2 + |colours|^2 / compactness^2
 *
 * Centres start on a regular grid of about `segments` places, `step` apart, by place alone, and see two steps
 * along each axis; ten rounds. Then connected pieces are numbered row by row: one of
 * less than half the pixels that a segment has on average goes to a neighbour, one of more than three times
 * as many is cut. Cost: about 25 distances a pixel and round. Source: Achanta, Shaji, Smith, Lucchi, Fua
 * and Süsstrunk 2012; start, rounds and mending as in scikit-image, which leaves out that centres start where
 * the gradient is least. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "image/superpixels.h"

#define ROUNDS 10
#define LEAST 0.5 /* of a segment's pixels on average */
#define MOST 3.0

/* Where centres start along one axis, and how far apart. */
typedef struct axis {
    int64_t start, step;
} axis;

typedef struct clusters {
    const ln_superpixels *how;
    const double *colour; /* (height x width, depth) */
    int depth;
    int64_t count;  /* centres */
    axis y, x;      /* of the grid */
    double *centre; /* (count, 2 + depth): y, x, colour */
    int64_t *size;  /* (count) pixels */
    double *best;   /* (height x width) squared distance of the nearest centre */
} clusters;

/* Steps along the two axes that cut the image into about so many squares; an axis shorter than a square has
 * one. */
static void lay_grid(const ln_superpixels *how, double segments, axis *y, axis *x)
{
    const double height = (double)how->height, width = (double)how->width;
    *y = *x = (axis){0, 1};
    if (height * width <= segments)
        return;
    double step_y = sqrt(height * width / segments), step_x = step_y;
    if (height < step_y && height <= width) {
        step_y = height;
        step_x = width / segments;
    } else if (width < step_x) {
        step_x = width;
        step_y = height / segments;
    }
    *y = (axis){(int64_t)floor(step_y / 2), (int64_t)rint(step_y)};
    *x = (axis){(int64_t)floor(step_x / 2), (int64_t)rint(step_x)};
}

static int64_t places(axis at, int64_t size)
{
    return (size - at.start + at.step - 1) / at.step;
}

static ln_status start(clusters *k, ln_error *err)
{
    const ln_superpixels *how = k->how;
    lay_grid(how, (double)how->segments, &k->y, &k->x);
    const int64_t across = places(k->x, how->width);
    k->count = places(k->y, how->height) * across;
    const size_t numbers =
        (size_t)k->count * (size_t)(2 + k->depth) + (size_t)(how->height * how->width);
    k->centre = ln_calloc(numbers, sizeof *k->centre);
    k->size = ln_calloc((size_t)k->count, sizeof *k->size);
    if (!k->centre || !k->size)
        return ln_fail_memory(err, numbers * sizeof *k->centre);
    k->best = k->centre + k->count * (2 + k->depth);
    for (int64_t c = 0; c < k->count; c++) {
        k->centre[c * (2 + k->depth)] = (double)(k->y.start + c / across * k->y.step);
        k->centre[c * (2 + k->depth) + 1] = (double)(k->x.start + c % across * k->x.step);
        k->size[c] = 1;
    }
    return LN_OK;
}

static double squared(double v)
{
    return v * v;
}

/* First and last + 1 of what a centre sees along an axis. */
static int64_t sees_from(double centre, int64_t step)
{
    return (int64_t)fmax(centre - 2 * (double)step, 0);
}

static int64_t sees_to(double centre, int64_t step, int64_t size)
{
    return (int64_t)fmin(centre + 2 * (double)step + 1, (double)size);
}

/* Gives centre c the pixels that it sees and that no centre before it is as near to. */
static void claim(clusters *k, int64_t c, axis y, axis x, double by_place, int32_t *label)
{
    const int64_t height = k->how->height, width = k->how->width;
    const double *centre = k->centre + c * (2 + k->depth);
    const double by_colour = 1 / k->how->compactness;
    for (int64_t r = sees_from(centre[0], y.step); r < sees_to(centre[0], y.step, height); r++)
        for (int64_t i = r * width + sees_from(centre[1], x.step);
             i < r * width + sees_to(centre[1], x.step, width); i++) {
            double away =
                (squared(centre[0] - (double)r) + squared(centre[1] - (double)(i % width))) *
                by_place;
            double colours = 0;
            for (int d = 0; d < k->depth; d++)
                colours += squared(k->colour[i * k->depth + d] * by_colour - centre[2 + d]);
            away += colours;
            if (away < k->best[i]) {
                k->best[i] = away;
                label[i] = (int32_t)c;
            }
        }
}

/* Centres become the means of their pixels; one without pixels stays without. */
static void move(clusters *k, const int32_t *label)
{
    const int64_t width = k->how->width, plane = k->how->height * width;
    const int numbers = 2 + k->depth;
    const double by_colour = 1 / k->how->compactness;
    memset(k->centre, 0, (size_t)(k->count * numbers) * sizeof *k->centre);
    memset(k->size, 0, (size_t)k->count * sizeof *k->size);
    for (int64_t i = 0; i < plane; i++) {
        double *centre = k->centre + label[i] * numbers;
        k->size[label[i]]++;
        centre[0] += (double)(i / width);
        centre[1] += (double)(i % width);
        for (int d = 0; d < k->depth; d++)
            centre[2 + d] += k->colour[i * k->depth + d] * by_colour;
    }
    for (int64_t c = 0; c < k->count; c++)
        for (int d = 0; d < numbers && k->size[c]; d++)
            k->centre[c * numbers + d] /= (double)k->size[c];
}

static ln_status cluster(clusters *k, int32_t *label, ln_error *err)
{
    const int64_t plane = k->how->height * k->how->width;
    const double step = (double)(k->y.step > k->x.step ? k->y.step : k->x.step);
    axis y, x; /* what a centre sees is measured by the grid of as many centres as there are */
    lay_grid(k->how, (double)k->count, &y, &x);
    memset(label, 0, (size_t)plane * sizeof *label);
    for (int round = 0; round < ROUNDS; round++) {
        ln_status status = ln_check_interrupt(err);
        if (status)
            return status;
        for (int64_t i = 0; i < plane; i++)
            k->best[i] = INFINITY;
        for (int64_t c = 0; c < k->count; c++)
            if (k->size[c])
                claim(k, c, y, x, 1 / (step * step), label);
        move(k, label);
    }
    return LN_OK;
}

/* The pixels of one connected piece, found from its first one on. */
typedef struct piece {
    int32_t *pixel; /* `most` places */
    int64_t count, most;
    int32_t beside; /* the piece that it touched last, or its own number */
} piece;

/* Looks at the neighbour at row r, column c of a piece of cluster `own`. */
static void look(const ln_superpixels *how, const int32_t *label, int64_t r, int64_t c, int32_t own,
                 int32_t number, int32_t *made, piece *p)
{
    if (r < 0 || c < 0 || r >= how->height || c >= how->width)
        return;
    const int64_t i = r * how->width + c;
    if (label[i] == own && made[i] < 0) {
        made[i] = number;
        p->pixel[p->count++] = (int32_t)i;
    } else if (made[i] >= 0 && made[i] != number) {
        p->beside = made[i];
    }
}

static void grow(const ln_superpixels *how, const int32_t *label, int64_t first, int32_t number,
                 int32_t *made, piece *p)
{
    static const int down[] = {0, 0, 1, -1}, right[] = {1, -1, 0, 0};
    p->pixel[0] = (int32_t)first;
    p->count = 1;
    p->beside = made[first] = number;
    for (int64_t at = 0; at < p->count && p->count < p->most; at++)
        for (int n = 0; n < 4 && p->count < p->most; n++)
            look(how, label, p->pixel[at] / how->width + down[n],
                 p->pixel[at] % how->width + right[n], label[first], number, made, p);
}

/* Pieces that hang together in place of clusters, into label; `made` is as large. */
static int64_t connect(const ln_superpixels *how, double average, int32_t *label, int32_t *made,
                       piece *p)
{
    const int64_t plane = how->height * how->width, least = (int64_t)(LEAST * average);
    int32_t number = 0, greatest = 0;
    for (int64_t i = 0; i < plane; i++)
        made[i] = -1;
    for (int64_t i = 0; i < plane; i++) {
        if (made[i] >= 0)
            continue;
        grow(how, label, i, number, made, p);
        if (p->count >= least)
            number++;
        for (int64_t at = 0; at < p->count && p->count < least; at++)
            made[p->pixel[at]] = p->beside;
    }
    for (int64_t i = 0; i < plane; i++) {
        label[i] = made[i];
        greatest = made[i] > greatest ? made[i] : greatest;
    }
    return greatest + 1;
}

ln_status ln_slic(const ln_superpixels *how, const double *colour, int depth, int32_t *label,
                  int64_t *count, ln_error *err)
{
    const int64_t plane = how->height * how->width;
    clusters k = {.how = how, .colour = colour, .depth = depth};
    int32_t *room = NULL;
    ln_status status = start(&k, err);
    if (!status)
        status = cluster(&k, label, err);
    const double average = status ? 0 : (double)plane / (double)k.count;
    piece p = {.most = (int64_t)(MOST * average)};
    if (!status) {
        room = ln_alloc((size_t)(plane + p.most + 1) * sizeof *room);
        if (!room)
            status = ln_fail_memory(err, (size_t)(plane + p.most + 1) * sizeof *room);
    }
    p.pixel = room ? room + plane : NULL;
    if (!status)
        *count = connect(how, average, label, room, &p);
    ln_free(k.centre);
    ln_free(k.size);
    ln_free(room);
    return status;
}
