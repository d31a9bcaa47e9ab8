/* Cases of batch normalisation, by its running statistics; test_layers_batch_norm.c has what training
 * makes of them. */
#ifndef LN_TESTS_LAYERS_CASES_BATCH_NORM_H
#define LN_TESTS_LAYERS_CASES_BATCH_NORM_H

#include "layers_support.h"

static const ln_channel_norm_attributes batch_norm = {.eps = 1e-2, .momentum = 0.3};

/* Running statistics: a scale and an offset a channel. */
REFERENCE(running_reference)
{
    const int64_t channels = layer->shapes[0].dims[0];
    const int64_t inner = ln_shape_count(&layer->shapes[0]) / channels;
    for (int64_t i = 0; i < elements(layer, rows); i++) {
        const int64_t c = i / inner % channels;
        const int64_t at = c + (layer->live > 1 ? i / (channels * inner) * channels : 0);
        out[i] = (in[0][i] - in[3][at]) / sqrt(in[4][at] + 1e-2) * in[1][at] + in[2][at];
    }
}

static const layer_case batch_norms[] = {
    {"batch_norm1d of vectors",
     "batch_norm1d",
     &batch_norm,
     1,
     5,
     {ROW(3), ROW(3), ROW(3), ROW(3), ROW(3)},
     running_reference},
    {"batch_norm1d",
     "batch_norm1d",
     &batch_norm,
     1,
     5,
     {ROW(3, 4), ROW(3), ROW(3), ROW(3), ROW(3)},
     running_reference},
    {"batch_norm2d",
     "batch_norm2d",
     &batch_norm,
     1,
     5,
     {ROW(2, 3, 2), ROW(2), ROW(2), ROW(2), ROW(2)},
     running_reference},
    {"batch_norm3d",
     "batch_norm3d",
     &batch_norm,
     1,
     5,
     {ROW(2, 2, 2, 2), ROW(2), ROW(2), ROW(2), ROW(2)},
     running_reference},
    {"batch_norm2d with weights and statistics a row",
     "batch_norm2d",
     &batch_norm,
     5,
     5,
     {ROW(2, 3, 2), ROW(2), ROW(2), ROW(2), ROW(2)},
     running_reference},
};
enum { BATCH_NORMS = sizeof batch_norms / sizeof batch_norms[0] };

#endif
