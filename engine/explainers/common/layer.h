/* What the words share that need a layer's numbers and one gradient there a row. */
#ifndef LN_EXPLAINERS_LAYER_H
#define LN_EXPLAINERS_LAYER_H

#include "explainers/explainer.h"

/* The parameter `layer` of words that cannot do without it. */
#define LN_LAYER_PARAM                                                                             \
    {                                                                                              \
        .name = "layer", .type = LN_PARAM_LAYER, .offset = LN_NO_OFFSET, .fallback = LN_REQUIRED,  \
        .help = LN_LAYER_HELP                                                                      \
    }
#define LN_LAYER_HELP                                                                              \
    "the layer looked at: its name or number, in an ONNX model a node's or a value's name"

/* `prepare`: one row an item; scratch for the rows of a pass, and the layer's numbers at them. */
ln_status ln_layer_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err);

size_t ln_layer_scratch(const ln_job *job); /* the bytes that prepare asks for */

/* The chunk's rows (count, the model's width), side by side in that scratch, for passes of other words. */
const float *ln_layer_fill(const ln_job *job, const ln_job_chunk *chunk);

/* One forward and one backward pass over the chunk's rows: the gradient by the layer (count, its width)
 * to `gradient`, the explained numbers to chunk->out->output; *layer are the layer's numbers, the
 * worker's own until the next call. `runner`
 * is of the function that looks at the layer. */
ln_status ln_layer_gradient(const ln_job *job, ln_job_chunk *chunk, ln_runner *runner,
                            const float **layer, float *gradient, ln_error *err);

#endif
