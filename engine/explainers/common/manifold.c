#include "explainers/common/manifold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"

#define TRAINING_CHUNK 64 /* training rows whose nearest others are found at once */

struct ln_watcher {
    const ln_manifold *watch;
    const ln_request *request;
    int64_t width;
    int64_t first;       /* item of the request that is entry 0 */
    ln_explanation *out; /* whose `outside` is filled */
    int64_t entry;       /* the present one, or -1 */
    int64_t seen, kept;  /* of its rows */
    ln_rng rng;
    float *rows; /* (watch->rows, width) */
};

/* Squared distance of the nearest of the training rows but number `but` (-1: of all). */
static double nearest(const ln_tensor *training, const float *row, int64_t but)
{
    const int64_t count = training->shape.dims[0], width = training->shape.dims[1];
    double least = INFINITY;
    for (int64_t k = 0; k < count; k++) {
        const float *other = ln_f32(training) + k * width;
        double sum = 0;
        for (int64_t i = 0; i < width && sum < least; i++) {
            const double t = (double)row[i] - (double)other[i];
            sum += t * t;
        }
        if (k != but && sum < least)
            least = sum;
    }
    return least;
}

/* --- the watch -------------------------------------------------------------------------------- */

typedef struct spacing {
    const ln_tensor *training;
    double *nearest; /* of each training row */
} spacing;

static ln_status space_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)worker, (void)err;
    const spacing *task = context;
    const int64_t count = task->training->shape.dims[0], width = task->training->shape.dims[1];
    for (int64_t k = chunk * TRAINING_CHUNK; k < count && k < (chunk + 1) * TRAINING_CHUNK; k++)
        task->nearest[k] = nearest(task->training, ln_f32(task->training) + k * width, k);
    return LN_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile of distances whose squares are sorted, squared again. */
static double quantile_of(const double *squares, int64_t count, double quantile)
{
    const double at = quantile * (double)(count - 1);
    const int64_t below = (int64_t)floor(at), above = below + 1 < count ? below + 1 : below;
    const double low = sqrt(squares[below]), high = sqrt(squares[above]);
    const double distance = low + (at - (double)below) * (high - low);
    return distance * distance;
}

ln_status ln_manifold_new(ln_tensor *training, double quantile, int64_t rows, ln_pool *pool,
                          ln_manifold **out, ln_error *err)
{
    *out = NULL;
    const int64_t count = training->shape.dims[0];
    if (count < 2)
        return ln_fail(err, LN_EINVALID,
                       "what is near the training rows is told by their distances from each other, "
                       "and there are fewer than two");
    ln_manifold *watch = ln_calloc(1, sizeof *watch);
    double *squares = ln_calloc((size_t)count, sizeof *squares);
    ln_status status = LN_OK;
    if (!watch || !squares)
        status = ln_fail_memory(err, (size_t)count * sizeof *squares);
    if (!status) {
        spacing task = {.training = training, .nearest = squares};
        status = ln_parallel(pool, (count + TRAINING_CHUNK - 1) / TRAINING_CHUNK, space_chunk,
                             &task, NULL, NULL, err);
    }
    if (!status) {
        qsort(squares, (size_t)count, sizeof *squares, by_size);
        watch->training = ln_tensor_retain(training);
        watch->rows = rows;
        watch->threshold = quantile_of(squares, count, quantile);
        *out = watch;
        watch = NULL;
    }
    ln_free(watch);
    ln_free(squares);
    return status;
}

void ln_manifold_free(ln_manifold *watch)
{
    if (!watch)
        return;
    ln_tensor_release((ln_tensor *)watch->training);
    ln_free(watch);
}

/* --- a worker's ------------------------------------------------------------------------------- */

ln_status ln_watcher_new(const ln_request *request, ln_watcher **out, ln_error *err)
{
    *out = NULL;
    if (!request->watch)
        return LN_OK;
    ln_watcher *watcher = ln_calloc(1, sizeof *watcher);
    const size_t numbers = (size_t)(request->watch->rows * request->model->width);
    float *rows = ln_alloc(numbers * sizeof *rows);
    if (!watcher || !rows) {
        ln_free(watcher);
        ln_free(rows);
        return ln_fail_memory(err, numbers * sizeof *rows);
    }
    watcher->watch = request->watch;
    watcher->width = request->model->width;
    watcher->rows = rows;
    *out = watcher;
    return LN_OK;
}

void ln_watcher_free(ln_watcher *watcher)
{
    if (!watcher)
        return;
    ln_free(watcher->rows);
    ln_free(watcher);
}

void ln_watcher_start(ln_watcher *watcher, const ln_request *request, int64_t first,
                      ln_explanation *out)
{
    if (!watcher)
        return;
    watcher->request = request;
    watcher->first = first;
    watcher->out = out;
    watcher->entry = -1;
    watcher->kept = 0;
    for (int64_t i = 0; i < out->count; i++)
        out->outside[i] = NAN;
}

void ln_watcher_finish(ln_watcher *watcher)
{
    if (!watcher || watcher->kept == 0)
        return;
    int64_t outside = 0;
    for (int64_t r = 0; r < watcher->kept; r++)
        outside += nearest(watcher->watch->training, watcher->rows + r * watcher->width, -1) >
                   watcher->watch->threshold;
    watcher->out->outside[watcher->entry] = (double)outside / (double)watcher->kept;
    watcher->kept = 0;
}

/* A reservoir (Vitter's algorithm R): each of the rows seen is in the sample with the same probability. */
float *ln_manifold_place(const ln_job_chunk *chunk, int64_t entry)
{
    ln_watcher *watcher = chunk->watcher;
    if (!watcher)
        return NULL;
    if (entry != watcher->entry) {
        ln_watcher_finish(watcher);
        const ln_request *request = watcher->request;
        const int64_t row = request->items[watcher->first + entry].row;
        watcher->entry = entry;
        watcher->seen = 0;
        watcher->rng = ln_rng_make(request->seed, "off_manifold", request->stream,
                                   (uint64_t)request->row_ids[row]);
    }
    int64_t place = watcher->seen++;
    if (place >= watcher->watch->rows)
        place = (int64_t)ln_rng_below(&watcher->rng, (uint64_t)place + 1);
    if (place >= watcher->watch->rows)
        return NULL;
    if (place >= watcher->kept)
        watcher->kept = place + 1;
    return watcher->rows + place * watcher->width;
}

void ln_manifold_row(const ln_job_chunk *chunk, int64_t entry, const float *row)
{
    float *to = ln_manifold_place(chunk, entry);
    if (to)
        memcpy(to, row, (size_t)chunk->watcher->width * sizeof *to);
}
