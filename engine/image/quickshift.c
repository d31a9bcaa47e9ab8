/* Quick shift: each pixel, a point of its place and colour, is linked to the nearest one that has more points
 * around it, and the trees of links are the pieces.
 *
 *   density(p) = sum over q in the window of exp(-d(p, q)^2 / (2 kernel_size^2))
 *   d(p, q)^2  = |place(p) - place(q)|^2 + |ratio * (colour(p) - colour(q))|^2
 *
 * The window reaches 3 kernel_size pixels, for the density and for the links. Links longer than max_dist are
 * cut. Of pixels of one density the one that comes first, row by row, counts as denser: so a region of one
 * colour is one piece, where a draw (as in scikit-image) would crumble it. Cost: height x width x
 * (6 kernel_size + 1)^2. Source: Vedaldi and Soatto 2008; window, units and numbering as in
 * scikit-image. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "image/superpixels.h"

typedef struct field {
    double *colour; /* (height x width, depth), times ratio */
    int depth;
    int64_t height, width;
    int64_t reach; /* of the window */
    double *density;
} field;

/* Rows or columns of the window around `at`. */
static int64_t window_start(const field *f, int64_t at)
{
    return at > f->reach ? at - f->reach : 0;
}

static int64_t window_end(const field *f, int64_t at, int64_t size)
{
    return at + f->reach + 1 < size ? at + f->reach + 1 : size;
}

static double distance(const field *f, int64_t p, int64_t q)
{
    const double rows = (double)(p / f->width - q / f->width);
    const double columns = (double)(p % f->width - q % f->width);
    double sum = 0;
    for (int c = 0; c < f->depth; c++) {
        const double t = f->colour[p * f->depth + c] - f->colour[q * f->depth + c];
        sum += t * t;
    }
    return sum + rows * rows + columns * columns;
}

/* Adds what the pixels from p on in its window, itself too, are to p, and p is to them. */
static void add_density(field *f, int64_t row, int64_t column, double scale)
{
    const int64_t p = row * f->width + column, end = window_end(f, column, f->width);
    f->density[p] += 1;
    for (int64_t r = row; r < window_end(f, row, f->height); r++)
        for (int64_t c = r == row ? column + 1 : window_start(f, column); c < end; c++) {
            const int64_t q = r * f->width + c;
            const double part = exp(distance(f, p, q) * scale);
            f->density[p] += part;
            f->density[q] += part;
        }
}

/* The nearest denser pixel in the window, the first of several; p itself where there is none near enough. */
static int32_t parent_of(const field *f, int64_t row, int64_t column, double max_dist)
{
    const int64_t p = row * f->width + column;
    const int64_t last = window_end(f, row, f->height), end = window_end(f, column, f->width);
    double closest = INFINITY;
    int32_t parent = (int32_t)p;
    for (int64_t r = window_start(f, row); r < last; r++)
        for (int64_t c = window_start(f, column); c < end; c++) {
            const int64_t q = r * f->width + c;
            const bool denser =
                q < p ? f->density[q] >= f->density[p] : f->density[q] > f->density[p];
            const double away = denser ? distance(f, p, q) : INFINITY;
            if (away < closest) {
                closest = away;
                parent = (int32_t)q;
            }
        }
    return sqrt(closest) > max_dist ? (int32_t)p : parent;
}

/* Trees to labels: roots are numbered as they come, and every pixel gets its root's number. `parent` is
 * shortened on the way. */
static int64_t label_trees(int32_t *parent, int64_t plane, int32_t *label)
{
    int64_t count = 0;
    for (int64_t p = 0; p < plane; p++)
        if (parent[p] == p)
            label[p] = (int32_t)count++;
    for (int64_t p = 0; p < plane; p++) {
        int32_t root = (int32_t)p;
        while (parent[root] != root)
            root = parent[root];
        for (int32_t q = (int32_t)p; parent[q] != root;) {
            const int32_t next = parent[q];
            parent[q] = root;
            q = next;
        }
        label[p] = label[root];
    }
    return count;
}

ln_status ln_quickshift(const ln_superpixels *how, const double *colour, int depth, int32_t *label,
                        int64_t *count, ln_error *err)
{
    const int64_t plane = how->height * how->width;
    const double reach = ceil(3 * how->kernel_size), most = (double)(how->height + how->width);
    const size_t numbers = (size_t)plane * (size_t)(1 + depth);
    field f = {.depth = depth,
               .height = how->height,
               .width = how->width,
               .reach = (int64_t)fmin(reach, most)};
    f.density = ln_calloc(numbers, sizeof *f.density);
    int32_t *parent = ln_alloc((size_t)plane * sizeof *parent);
    ln_status status = LN_OK;
    if (!f.density || !parent)
        status = ln_fail_memory(err, numbers * sizeof *f.density);
    f.colour = f.density ? f.density + plane : NULL;
    for (int64_t i = 0; i < plane * depth && !status; i++)
        f.colour[i] = how->ratio * colour[i];
    for (int64_t p = 0; p < plane && !status; p++) {
        add_density(&f, p / f.width, p % f.width, -0.5 / (how->kernel_size * how->kernel_size));
        if (p % f.width == 0)
            status = ln_check_interrupt(err);
    }
    for (int64_t p = 0; p < plane && !status; p++) {
        parent[p] = parent_of(&f, p / f.width, p % f.width, how->max_dist);
        if (p % f.width == 0)
            status = ln_check_interrupt(err);
    }
    if (!status)
        *count = label_trees(parent, plane, label);
    ln_free(f.density);
    ln_free(parent);
    return status;
}
