/* Grad-CAM++: Grad-CAM whose channel weights count only places that speak for the target, each by how
 * often its evidence occurs.
 *
 *   map = relu(sum over channels k of  w_k A_k),
 *   w_k = sum over places p of  alpha_kp max(0, G_kp),   alpha_kp = 1 / (2 + G_kp sum over q of A_kq)
 *
 * G = d f_t / d A. The paper's alpha = G^2 / (2 G^2 + G^3 sum A), divided by G^2; it follows from the
 * second and third derivative of exp(f_t) in a network of relus. The factor exp(f_t) of all weights of a
 * row is left off: it overflows, and only stretches the map. Where 2 + G sum A is 0 the place counts
 * nothing.
 *
 * x (N, width) -> a (N, 1, H, W) of the input, else of the layer. Cost: that of grad_cam. Not complete.
 * Source: Chattopadhay et al. 2018. */
#include "explainers/common/cam.h"

static void make(const float *activation, const float *gradient, int64_t channels, int64_t places,
                 double *map)
{
    for (int64_t p = 0; p < places; p++)
        map[p] = 0;
    for (int64_t c = 0; c < channels; c++) {
        const float *a = activation + c * places, *g = gradient + c * places;
        double sum = 0, weight = 0;
        for (int64_t p = 0; p < places; p++)
            sum += (double)a[p];
        for (int64_t p = 0; p < places; p++) {
            const double below = 2 + (double)g[p] * sum;
            if (!(g[p] <= 0) && below != 0)
                weight += (double)g[p] / below;
        }
        for (int64_t p = 0; p < places; p++)
            map[p] += weight * (double)a[p];
    }
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    return ln_cam_run(job, chunk, make, err);
}

static const ln_param params[] = {LN_CAM_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_grad_cam_pp = {
    .word =
        {
            .name = "grad_cam_pp",
            .summary = "grad_cam whose weights count every occurrence of the evidence alike",
            .formula = "map = relu(sum over k of w_k A_k), w_k = sum over p of max(0, G_kp) / "
                       "(2 + G_kp sum_q A_kq), G = d f_t / d A",
            .source = "Chattopadhay, Sarkar, Howlader and Balasubramanian 2018, Grad-CAM++: "
                      "Improved Visual Explanations for Deep Convolutional Networks, "
                      "arXiv:1710.11063",
            .params = params,
            .params_size = sizeof(ln_cam_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 1,
    .cost = "one forward pass a row, and backward as far as the layer",
    .prepare = ln_cam_prepare,
    .run = run,
};
