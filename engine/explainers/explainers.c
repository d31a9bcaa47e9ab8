/* The table of explainers: one line here, one file beside this one, one test, one page. */
#include "explainers/explainer.h"

#include <string.h>

#define EXPLAINERS(X)                                                                              \
    X(saliency)                                                                                    \
    X(input_x_gradient)                                                                            \
    X(integrated_gradients)                                                                        \
    X(gradient_shap)                                                                               \
    X(smooth_grad)                                                                                 \
    X(fgsm)                                                                                        \
    X(pgd)                                                                                         \
    X(guided_backprop)                                                                             \
    X(deconvnet)                                                                                   \
    X(lrp)                                                                                         \
    X(deep_taylor)                                                                                 \
    X(excitation_backprop)                                                                         \
    X(deeplift)                                                                                    \
    X(deeplift_shap)                                                                               \
    X(feature_ablation)                                                                            \
    X(feature_permutation)                                                                         \
    X(occlusion)                                                                                   \
    X(rise)                                                                                        \
    X(grad_cam)                                                                                    \
    X(grad_cam_pp)                                                                                 \
    X(layer_cam)                                                                                   \
    X(score_cam)                                                                                   \
    X(guided_grad_cam)                                                                             \
    X(layer_activation)                                                                            \
    X(layer_gradient_x_activation)                                                                 \
    X(internal_influence)                                                                          \
    X(layer_conductance)                                                                           \
    X(layer_integrated_gradients)                                                                  \
    X(shapley_exact)                                                                               \
    X(shapley_interaction)                                                                         \
    X(kernel_shap)                                                                                 \
    X(shapley_sampling)                                                                            \
    X(permutation_shap)                                                                            \
    X(partition_shap)                                                                              \
    X(lime)                                                                                        \
    X(anchors)                                                                                     \
    X(random_attribution)

#define DECLARE(name) extern const ln_explainer ln_explainer_##name;
EXPLAINERS(DECLARE)

#define ENTRY(name) &ln_explainer_##name,
const ln_explainer *const ln_explainers[] = {EXPLAINERS(ENTRY) NULL};

const ln_explainer *ln_explainer_find(const char *word)
{
    for (const ln_explainer *const *entry = ln_explainers; *entry; entry++)
        if (strcmp((*entry)->word.name, word) == 0)
            return *entry;
    return NULL;
}
