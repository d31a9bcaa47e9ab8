/* Class activation maps: one number a place of a convolution's result, from its numbers A (C, places) and
 * the gradient G at them; a word says how they become a map. Then, as the parameters say, what is negative
 * goes, and the map is enlarged to the input.
 *
 * `upsample`: "bilinear" between the centres of places (as PyTorch's interpolate without align_corners),
 * for one or two axes: a number a pixel of the input, shared by its channels; or false: the layer's own
 * places, shape (1, H, W). */
#ifndef LN_EXPLAINERS_CAM_H
#define LN_EXPLAINERS_CAM_H

#include "explainers/explainer.h"

typedef struct ln_cam_params {
    bool relu;    /* negative numbers of the map become 0 */
    int upsample; /* LN_CAM_UPSAMPLE */
} ln_cam_params;

#define LN_CAM_UPSAMPLE "bilinear|false"
#define LN_CAM_BILINEAR 0 /* its place in LN_CAM_UPSAMPLE */
#define LN_CAM_LAYER_PARAM                                                                         \
    {                                                                                              \
        .name = "layer", .type = LN_PARAM_LAYER, .offset = LN_NO_OFFSET, .fallback = "nil",        \
        .help = "the layer looked at, of shape (C, H, W): its name or number, in an ONNX model a " \
                "node's or a value's name; without it the last convolution"                        \
    }
#define LN_CAM_PARAMS                                                                              \
    LN_CAM_LAYER_PARAM,                                                                            \
        {.name = "relu",                                                                           \
         .type = LN_PARAM_BOOL,                                                                    \
         .offset = offsetof(ln_cam_params, relu),                                                  \
         .fallback = "true",                                                                       \
         .help = "what speaks against the target becomes 0"},                                      \
    {                                                                                              \
        .name = "upsample", .type = LN_PARAM_CHOICE, .offset = offsetof(ln_cam_params, upsample),  \
        .fallback = "\"bilinear\"", .choices = LN_CAM_UPSAMPLE,                                    \
        .help = "how the map is enlarged to the input; false: it stays as large as the layer"      \
    }

/* activation, gradient (channels, places) -> map (places). */
typedef void ln_cam_map(const float *activation, const float *gradient, int64_t channels,
                        int64_t places, double *map);

/* Channel weights: mean of the gradient over the places. */
void ln_cam_gradient_map(const float *activation, const float *gradient, int64_t channels,
                         int64_t places, double *map);

/* The layer's shape (C, H, W) or alike, without the rows; LN_EINVALID of field "layer" where it has no
 * places. */
ln_status ln_cam_check(const ln_job *job, ln_shape *layer, ln_error *err);
/* The shape of the model's input where it has as many axes as the layer; LN_EINVALID of field `field`
 * ("upsample", or "layer" where enlarging is no choice) where it has none that a map could be enlarged
 * to. */
ln_status ln_cam_input(const ln_job *job, const ln_shape *layer, const char *field, ln_shape *input,
                       ln_error *err);
/* A map of the layer's places as large as the input, bilinear. */
void ln_cam_enlarge(const double *map, const ln_shape *layer, const ln_shape *input, float *out);
/* The end of every map, as the parameters say: what is negative goes, and it is enlarged to `to`. */
void ln_cam_finish(const ln_job *job, const ln_shape *layer, double *map, float *to);

/* A worker's scratch, behind `before` bytes of something else (common/layer.h's). */
typedef struct ln_cam_buffers {
    float *gradient; /* (rows_per_pass, layer) */
    double *map;     /* (places) */
} ln_cam_buffers;
ln_cam_buffers ln_cam_carve(const ln_job *job, void *scratch, size_t before, size_t *bytes);

ln_status ln_cam_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err);
ln_status ln_cam_run(const ln_job *job, ln_job_chunk *chunk, ln_cam_map *make, ln_error *err);

/* The value of the last convolution in the model; LN_EINVALID where there is none. */
ln_status ln_cam_last_convolution(const ln_model *model, int *value, ln_error *err);

#endif
