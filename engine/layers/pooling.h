/* What the words of pooling_words.c share; which pooling it is, the layer's name says. */
#ifndef LN_LAYERS_POOLING_H
#define LN_LAYERS_POOLING_H

#include "kernels/last.h"
#include "layers/window.h"

/* The second output of a max_pool, where a file's node has it: the place of each maximum in the row's
 * channels and elements, counted through. */
ln_status ln_pool_types(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_dtype *in, ln_dtype *out, ln_error *err);
ln_status ln_pool_infer(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err);
ln_status ln_adaptive_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err);
ln_status ln_pool_prepare(ln_step *step, const void *const *constant, ln_error *err);
void ln_pool_release(ln_step *step);
ln_status ln_pool_forward(const ln_pass *pass, ln_error *err);
ln_status ln_pool_backward(const ln_pass *pass, ln_error *err);

/* The windows that prepare made, for images whose channels are last; `spans` (as many as the places of
 * both axes) are filled and pointed to. */
ln_last_pool ln_pool_windows(const ln_step *step, ln_last_span *spans);

/* For methods that look at maxima: the windows of a node on an input of shape `in`. Of an adaptive pooling
 * (*adaptive) only sizes; its window at place o reaches from floor(o in / out) to ceil((o + 1) in / out). */
ln_status ln_pool_sizes(const struct ln_node *node, const ln_shape *in, ln_window *out,
                        bool *adaptive, ln_error *err);

#endif
