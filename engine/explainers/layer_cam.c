/* LayerCAM: every place of every channel weighed by its own gradient, where that speaks for the target.
 *
 *   map = relu(sum over channels k of  max(0, d f_t / d A_k) * A_k)
 *
 * x (N, width) -> a (N, 1, H, W) of the input (`upsample`), else of the layer. Without a mean over places
 * it stays sharp at early layers, where Grad-CAM's weights mean little. Cost: that of grad_cam. Not
 * complete. Source: Jiang et al. 2021. */
#include "explainers/common/cam.h"

static void make(const float *activation, const float *gradient, int64_t channels, int64_t places,
                 double *map)
{
    for (int64_t p = 0; p < places; p++)
        map[p] = 0;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t p = 0; p < places; p++) {
            const float g = gradient[c * places + p];
            map[p] += (g <= 0 ? 0 : (double)g) * (double)activation[c * places + p];
        }
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    return ln_cam_run(job, chunk, make, err);
}

static const ln_param params[] = {LN_CAM_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_layer_cam = {
    .word =
        {
            .name = "layer_cam",
            .summary = "a layer's numbers where their own gradient speaks for the target",
            .formula = "map = relu(sum over k of max(0, d f_t / d A_k) * A_k)",
            .source = "Jiang, Zhang, Hou, Cheng and Wei 2021, LayerCAM: Exploring Hierarchical "
                      "Class Activation Maps for Localization, doi:10.1109/TIP.2021.3089943",
            .params = params,
            .params_size = sizeof(ln_cam_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 1,
    .cost = "one forward pass a row, and backward as far as the layer",
    .prepare = ln_cam_prepare,
    .run = run,
};
