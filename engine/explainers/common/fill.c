#include "explainers/common/fill.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/blur.h"

/* --- blur ------------------------------------------------------------------------------------- */

typedef struct blur_task {
    const ln_tensor *x;
    const ln_shape *shape;
    int channel_axis;
    double sigma;
    ln_tensor *out;
} blur_task;

/* Channels that come last are moved to the front, and back (`back`). */
static void swap_axes(const float *from, int64_t length, int64_t channels, bool back, float *to)
{
    for (int64_t i = 0; i < length; i++)
        for (int64_t c = 0; c < channels; c++)
            to[back ? i * channels + c : c * length + i] =
                from[back ? c * length + i : i * channels + c];
}

static ln_status blur_row(void *context, int64_t row, int worker, ln_error *err)
{
    (void)worker;
    const blur_task *task = context;
    const ln_shape *shape = task->shape;
    const int64_t width = task->x->shape.dims[1];
    const float *from = ln_f32(task->x) + row * width;
    float *to = ln_f32(task->out) + row * width;
    if (task->channel_axis <= 0)
        return ln_blur(from, shape, shape->rank - (task->channel_axis == 0), task->sigma, to, err);
    const int64_t length = shape->dims[0], channels = shape->dims[1];
    const ln_shape swapped = {.rank = 2, .dims = {channels, length}};
    float *line = ln_alloc((size_t)width * sizeof *line);
    if (!line)
        return ln_fail_memory(err, (size_t)width * sizeof *line);
    swap_axes(from, length, channels, false, line);
    ln_status status = ln_blur(line, &swapped, 1, task->sigma, line, err);
    swap_axes(line, length, channels, true, to);
    ln_free(line);
    return status;
}

ln_status ln_fill_blur(const ln_tensor *x, const ln_shape *shape, int channel_axis, double sigma,
                       ln_pool *pool, ln_tensor **out, ln_error *err)
{
    ln_status status = ln_tensor_new(LN_F32, &x->shape, out, err);
    if (status)
        return status;
    blur_task task = {
        .x = x, .shape = shape, .channel_axis = channel_axis, .sigma = sigma, .out = *out};
    status = ln_parallel(pool, x->shape.dims[0], blur_row, &task, NULL, NULL, err);
    if (status) {
        ln_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

/* --- noise ------------------------------------------------------------------------------------ */

/* Mean and deviation of some numbers. */
typedef struct spread {
    double sum, mean, squares; /* squares of the differences from the mean */
    int64_t count;
} spread;

static double deviation(const spread *of)
{
    return of->count ? sqrt(of->squares / (double)of->count) : 0;
}

/* The spread that number i of a row belongs to. */
static int64_t class_of(const ln_fill_noise_options *options, int64_t i)
{
    if (options->training)
        return i;
    if (options->channel_axis < 0)
        return 0;
    int64_t inner = 1;
    for (int axis = options->channel_axis + 1; axis < options->shape->rank; axis++)
        inner *= options->shape->dims[axis];
    return i / inner % options->shape->dims[options->channel_axis];
}

/* Over `rows` rows; in two passes, since deviations are taken from the mean. */
static void measure(const ln_fill_noise_options *options, const float *rows, int64_t count,
                    int64_t width, spread *of, int64_t classes)
{
    for (int64_t c = 0; c < classes; c++)
        of[c] = (spread){0};
    for (int64_t i = 0; i < count * width; i++) {
        spread *one = &of[class_of(options, i % width)];
        one->sum += (double)rows[i];
        one->count++;
    }
    for (int64_t c = 0; c < classes; c++)
        of[c].mean = of[c].count ? of[c].sum / (double)of[c].count : 0;
    for (int64_t i = 0; i < count * width; i++) {
        spread *one = &of[class_of(options, i % width)];
        one->squares += pow((double)rows[i] - one->mean, 2);
    }
}

ln_status ln_fill_noise(const ln_tensor *x, const int64_t *row_ids,
                        const ln_fill_noise_options *options, ln_tensor **out, ln_error *err)
{
    const int64_t rows = x->shape.dims[0], width = x->shape.dims[1];
    const ln_tensor *training = options->training;
    const int64_t classes = training ? width
                            : options->channel_axis >= 0
                                ? options->shape->dims[options->channel_axis]
                                : 1;
    spread *of = ln_calloc((size_t)classes, sizeof *of);
    if (!of)
        return ln_fail_memory(err, (size_t)classes * sizeof *of);
    ln_status status = ln_tensor_new(LN_F32, &x->shape, out, err);
    if (!status && training)
        measure(options, ln_f32(training), training->shape.dims[0], width, of, classes);
    for (int64_t r = 0; r < rows && !status; r++) {
        ln_rng rng = ln_rng_make(options->seed, "noise", options->stream, (uint64_t)row_ids[r]);
        if (!training)
            measure(options, ln_f32(x) + r * width, 1, width, of, classes);
        for (int64_t i = 0; i < width; i++) {
            const spread *one = &of[class_of(options, i)];
            ln_f32(*out)[r * width + i] =
                (float)(one->mean + options->stdev * deviation(one) * ln_rng_normal(&rng));
        }
    }
    ln_free(of);
    return status;
}
