/* Guided Grad-CAM: guided backpropagation where the class activation map says that the evidence is.
 *
 *   a = guided backpropagation * max(0, map),   map that of grad_cam at the layer, enlarged to the input
 *
 * x (N, C, H, W) -> a (N, C, H, W); the channels of a pixel share its place of the map. Enlarged by the
 * nearest place, floor(i h / H), as Captum does: blocks, since the fine structure is guided
 * backpropagation's. Gradients at the layer are plain ones, so that there are two functions of the model.
 * Cost: two forward passes a row, one back to the inputs and one as far as the layer. Not complete.
 * Source: Selvaraju et al. 2017, section 3.2. */
#include "explainers/common/cam.h"
#include "explainers/common/layer.h"
#include "explainers/common/passes.h"
#include "explainers/common/rectified.h"

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    (void)job;
    return ln_rectified_composite("guided_grad_cam", &ln_rectified_guided, out, err);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    ln_shape layer, input;
    ln_function_options *at_layer;
    size_t before;
    ln_status status = ln_cam_check(job, &layer, err);
    if (!status)
        status = ln_cam_input(job, &layer, "layer", &input, err);
    if (!status)
        status = ln_job_beside(job, 1, &at_layer, err);
    if (status)
        return status;
    job->looks = false; /* its rules are for the gradient of the inputs */
    *at_layer = (ln_function_options){.gradient = true, .layer = &job->request->layer};
    status = ln_layer_prepare(job, &before, err);
    ln_cam_carve(job, NULL, before, scratch_bytes);
    return status;
}

/* values (channels, pixels) of one row, times the map's nearest place. */
static void weigh(const double *map, const ln_shape *layer, const ln_shape *input, float *values)
{
    const bool flat = input->rank == 2; /* one axis: one line */
    const int64_t rows = flat ? 1 : input->dims[1], columns = input->dims[input->rank - 1];
    const int64_t high = flat ? 1 : layer->dims[1], wide = layer->dims[layer->rank - 1];
    for (int64_t c = 0; c < input->dims[0]; c++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < columns; k++) {
                const double at = map[i * high / rows * wide + k * wide / columns];
                float *value = values + (c * rows + i) * columns + k;
                *value = (float)((double)*value * (at < 0 ? 0 : at));
            }
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    ln_shape layer, input;
    const float *activation;
    float *values = chunk->out->values;
    ln_status status = ln_cam_check(job, &layer, err);
    if (!status)
        status = ln_cam_input(job, &layer, "layer", &input, err);
    if (status)
        return status;
    const int64_t channels = layer.dims[0], places = ln_shape_count(&layer) / channels;
    ln_cam_buffers at = ln_cam_carve(job, chunk->scratch, ln_layer_scratch(job), NULL);
    status = ln_layer_gradient(job, chunk, chunk->beside[0], &activation, at.gradient, err);
    if (!status)
        status = ln_runner_gradient(chunk->runner, ln_layer_fill(job, chunk),
                                    job->targets + chunk->first, chunk->count, NULL, values, err);
    chunk->evaluations += 2 * chunk->count;
    for (int64_t i = 0; i < chunk->count && !status; i++) {
        const int64_t from = i * channels * places;
        ln_cam_gradient_map(activation + from, at.gradient + from, channels, places, at.map);
        weigh(at.map, &layer, &input, values + i * job->width);
    }
    return status;
}

static const ln_param params[] = {LN_CAM_LAYER_PARAM, LN_PARAM_END};

const ln_explainer ln_explainer_guided_grad_cam = {
    .word =
        {
            .name = "guided_grad_cam",
            .summary = "guided backpropagation where grad_cam sees the evidence for the target",
            .formula =
                "a = guided_backprop * max(0, map of grad_cam, enlarged by the nearest place)",
            .source = "Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, Grad-CAM: Visual "
                      "Explanations from Deep Networks via Gradient-based Localization, "
                      "arXiv:1610.02391; enlarged as in Captum",
            .params = params,
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_LAYER,
    .version = 1,
    .cost = "two forward passes a row, one back to the inputs and one back to the layer",
    .composite = composite,
    .prepare = prepare,
    .run = run,
};
