/* Grad-CAM: where in a convolution's result the evidence for the target lies.
 *
 *   map = relu(sum over channels k of  w_k A_k),   w_k the mean of d f_t / d A_k over the places
 *
 * x (N, width) -> a (N, 1, H, W) of the input (`upsample`), else of the layer. A are the layer's numbers.
 * Cost: one forward pass a row, and backward as far as the layer. Not complete. Source: Selvaraju et al.
 * 2017. The map and its enlargement are common/cam.h's. */
#include "explainers/common/cam.h"

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    return ln_cam_run(job, chunk, ln_cam_gradient_map, err);
}

static const ln_param params[] = {LN_CAM_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_grad_cam = {
    .word =
        {
            .name = "grad_cam",
            .summary = "where in a convolution's result the evidence for the target lies",
            .formula = "map = relu(sum over k of w_k A_k), w_k the mean of d f_t / d A_k over the "
                       "places",
            .source = "Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, Grad-CAM: Visual "
                      "Explanations from Deep Networks via Gradient-based Localization, "
                      "arXiv:1610.02391",
            .params = params,
            .params_size = sizeof(ln_cam_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 1,
    .cost = "one forward pass a row, and backward as far as the layer",
    .prepare = ln_cam_prepare,
    .run = run,
};
