/* A window that slides over an array: where it stands, and which inputs it covers. Along an axis of
 * `dim` inputs it begins at k * stride for k < ceil((dim - window) / stride) + 1 and is cut at the
 * end, so that with stride <= window every input is covered. Positions count in row-major order. */
#ifndef LN_EXPLAINERS_WINDOWS_H
#define LN_EXPLAINERS_WINDOWS_H

#include "base/param.h"
#include "tensor/tensor.h"

typedef struct ln_windows {
    ln_shape shape;                /* of the array, without N */
    int64_t size[LN_MAX_RANK];     /* of the window, an axis */
    int64_t stride[LN_MAX_RANK];   /* between positions, an axis */
    int64_t position[LN_MAX_RANK]; /* positions, an axis */
    int64_t count;                 /* positions of the window in all */
} ln_windows;

/* A single number of `window` or `stride` stands for all spatial axes; the first of two or more
 * axes, the channels, is then covered whole (window), or walked through one by one (stride).
 * LN_EINVALID with err->field "window" or "stride": too many numbers, a window that is larger than
 * the array, a stride that is larger than the window. */
ln_status ln_windows_make(const ln_shape *shape, const ln_ints *window, const ln_ints *stride,
                          ln_windows *out, ln_error *err);

/* The inputs of one position as runs side by side: ln_runs_of, then ln_runs_next until false. */
typedef struct ln_runs {
    const ln_windows *windows;                   /* borrowed */
    int64_t low[LN_MAX_RANK], high[LN_MAX_RANK]; /* the position's box, high excluded */
    int64_t at[LN_MAX_RANK];                     /* where the next run begins */
    bool done;                                   /* no run is left */
} ln_runs;

ln_runs ln_runs_of(const ln_windows *windows, int64_t position);
/* Inputs start .. start + length - 1; false when there is none left. */
bool ln_runs_next(ln_runs *runs, int64_t *start, int64_t *length);

#endif
