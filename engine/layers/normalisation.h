/* What the words of normalisation_words.c share: which normalisation it is, the layer's name says. */
#ifndef LN_LAYERS_NORMALISATION_H
#define LN_LAYERS_NORMALISATION_H

#include "layers/common.h"

/* A row's groups of elements that lie side by side, and which weight an element has: the number
 * ((group * count + place) / inner) mod size. */
typedef struct ln_norm_layout {
    int64_t groups, count; /* of a row; elements of a group */
    int64_t inner, size;   /* elements side by side with one weight; numbers of a weight */
    double eps;
    bool centred; /* the mean is taken off (all but rms_norm) */
} ln_norm_layout;

ln_status ln_norm_infer(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err);
ln_status ln_norm_prepare(ln_step *step, const void *const *constant, ln_error *err);
void ln_norm_release(ln_step *step);
ln_status ln_norm_forward(const ln_pass *pass, ln_error *err);
ln_status ln_norm_backward(const ln_pass *pass, ln_error *err);
ln_status ln_norm_parameters(const ln_pass *pass, ln_error *err);

/* The weight's number for an element of a group. */
static inline int64_t ln_norm_weight_at(const ln_norm_layout *layout, int64_t group, int64_t i)
{
    return (group * layout->count + i) / layout->inner % layout->size;
}

/* eps as it is computed with: rounded to float32, as ONNX files hold it, so that a network and its file
 * have the same bits. */
static inline double ln_norm_eps(double eps)
{
    return (double)(float)eps;
}

#endif
