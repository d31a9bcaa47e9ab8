#include "explainers/common/windows.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

static ln_status fail_field(ln_error *err, const char *field, ln_status status)
{
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return status;
}

/* One number an axis; `channels` is what a single number means for the first of several axes. */
static ln_status spread(const ln_ints *given, const ln_shape *shape, int64_t channels,
                        const char *field, int64_t *out, ln_error *err)
{
    char text[128];
    if (given->count != 1 && given->count != shape->rank)
        return fail_field(err, field,
                          ln_fail(err, LN_EINVALID,
                                  "found %d numbers: expected one for all spatial axes, or one an "
                                  "axis of the input's shape without N, %s",
                                  given->count, ln_shape_text(shape, text, sizeof text)));
    for (int axis = 0; axis < shape->rank; axis++) {
        bool whole = given->count == 1 && shape->rank > 1 && axis == 0;
        out[axis] = whole ? channels : given->at[given->count == 1 ? 0 : axis];
    }
    return LN_OK;
}

static ln_status check_axis(const ln_windows *windows, int axis, ln_error *err)
{
    int64_t dim = windows->shape.dims[axis], size = windows->size[axis];
    int64_t stride = windows->stride[axis];
    if (size < 1 || size > dim)
        return fail_field(err, "window",
                          ln_fail(err, LN_EINVALID,
                                  "the window is %" PRId64 " along axis %d of the input, which has "
                                  "%" PRId64 " there: expected 1 to %" PRId64,
                                  size, axis, dim, dim));
    if (stride < 1 || stride > size)
        return fail_field(err, "stride",
                          ln_fail(err, LN_EINVALID,
                                  "the stride is %" PRId64 " along axis %d, where the window is "
                                  "%" PRId64 ": expected 1 to %" PRId64
                                  ", so that every input is covered",
                                  stride, axis, size, size));
    return LN_OK;
}

ln_status ln_windows_make(const ln_shape *shape, const ln_ints *window, const ln_ints *stride,
                          ln_windows *out, ln_error *err)
{
    *out = (ln_windows){.shape = *shape, .count = 1};
    ln_status status = spread(window, shape, shape->dims[0], "window", out->size, err);
    if (!status)
        status = spread(stride, shape, 1, "stride", out->stride, err);
    for (int axis = 0; axis < shape->rank && !status; axis++) {
        status = check_axis(out, axis, err);
        if (status)
            break;
        int64_t rest = shape->dims[axis] - out->size[axis];
        out->position[axis] = (rest + out->stride[axis] - 1) / out->stride[axis] + 1;
        out->count *= out->position[axis];
    }
    return status;
}

ln_runs ln_runs_of(const ln_windows *windows, int64_t position)
{
    ln_runs runs = {.windows = windows};
    for (int axis = windows->shape.rank - 1; axis >= 0; axis--) {
        int64_t dim = windows->shape.dims[axis];
        runs.low[axis] = position % windows->position[axis] * windows->stride[axis];
        runs.high[axis] = runs.low[axis] + windows->size[axis];
        if (runs.high[axis] > dim)
            runs.high[axis] = dim;
        runs.at[axis] = runs.low[axis];
        position /= windows->position[axis];
    }
    return runs;
}

bool ln_runs_next(ln_runs *runs, int64_t *start, int64_t *length)
{
    if (runs->done)
        return false;
    int last = runs->windows->shape.rank - 1, axis = last - 1;
    *start = 0;
    for (int i = 0; i <= last; i++)
        *start = *start * runs->windows->shape.dims[i] + runs->at[i];
    *length = runs->high[last] - runs->low[last];
    for (; axis >= 0 && ++runs->at[axis] == runs->high[axis]; axis--)
        runs->at[axis] = runs->low[axis];
    runs->done = axis < 0;
    return true;
}
