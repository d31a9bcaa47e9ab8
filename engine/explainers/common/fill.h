/* Rows that stand for what is covered, made from the rows themselves: baselines (N, width), row by row. What a
 * row gets depends on that row, its number and the seed alone. */
#ifndef LN_EXPLAINERS_FILL_H
#define LN_EXPLAINERS_FILL_H

#include "base/parallel.h"
#include "model/model.h"

/* Each row of x (N, width), an array of `shape`, blurred (blur.h) along all axes but that of channels
 * (-1: none). Caller releases. */
ln_status ln_fill_blur(const ln_tensor *x, const ln_shape *shape, int channel_axis, double sigma,
                       ln_pool *pool, ln_tensor **out, ln_error *err);

/* Normal numbers, drawn by seed, stream and each row's number `row_ids`: of the mean and stdev times the
 * deviation (of all, as NumPy's default) of the same input over the rows of `training` (K, width); where
 * that is NULL of the row's own numbers, along channel_axis channel by channel. Caller releases. */
typedef struct ln_fill_noise_options {
    const ln_shape *shape; /* of a row; without training */
    int channel_axis;      /* -1: all of a row together */
    const ln_tensor *training;
    double stdev;
    uint64_t seed, stream;
} ln_fill_noise_options;
ln_status ln_fill_noise(const ln_tensor *x, const int64_t *row_ids,
                        const ln_fill_noise_options *options, ln_tensor **out, ln_error *err);

#endif
