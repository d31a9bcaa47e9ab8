/* Convolutions and transposed ones share everything but which way they go: the node of a transposed
 * convolution is a convolution (its mirror) whose images are the results and whose results are the
 * images. */
#ifndef LN_LAYERS_CONVOLUTION_H
#define LN_LAYERS_CONVOLUTION_H

#include "kernels/convolution.h"
#include "layers/window.h"

ln_status ln_convolution_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err);
ln_status ln_convolution_prepare(ln_step *step, const void *const *constant, ln_error *err);
void ln_convolution_release(ln_step *step);
ln_status ln_convolution_forward(const ln_pass *pass, ln_error *err);
ln_status ln_convolution_backward(const ln_pass *pass, ln_error *err);
ln_status ln_convolution_parameters(const ln_pass *pass, ln_error *err);

/* What prepare packed, for layers that call the kernels themselves. */
const struct ln_convolved *ln_convolution_packed(const ln_step *step);

/* Puts the step's constant weights to sleep, where what prepare packed can stand for them and nobody else holds
 * them. */
void ln_convolution_sleep(const ln_step *step, ln_tensor *weight);

/* How many zeros a node's passes are likely to read (of ln_convolution). */
void ln_convolution_zeros(const struct ln_graph *graph, const struct ln_node *node,
                          ln_zeros zeros[2]);

/* Whether a conv2d of constant weights runs fastest on images whose channels are first. */
bool ln_convolution_stays(const struct ln_graph *graph, const struct ln_node *node);

#endif
