/* Which copy of the cascade this machine runs, and the packing of its layers. */
#include "kernels/cascade.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/choose.h"

ln_cascade_fn ln_kernels_cascade(void)
{
    return LN_CHOOSE(ln_cascade);
}

static float *zeros(int64_t count)
{
    float *made = ln_alloc_aligned((size_t)count * sizeof *made);
    if (made)
        memset(made, 0, (size_t)count * sizeof *made);
    return made;
}

/* -0 becomes 0: whether zeros are added to a sum that begins so must not show. */
static void copy_bias(const ln_cascade_dense *from, float *to)
{
    for (int64_t o = 0; from->bias && o < from->outputs; o++)
        to[o] = from->bias[o] + 0.0F;
}

static ln_status pack(const ln_cascade_dense *from, ln_cascade_layer *to, ln_error *err)
{
    to->inputs = ln_cascade_padded(from->inputs);
    to->outputs = ln_cascade_padded(from->outputs);
    to->ending = from->ending;
    to->ending.numbers = from->outputs;
    to->weight = zeros(to->inputs * to->outputs);
    to->bias = zeros(to->outputs);
    if (!to->weight || !to->bias)
        return ln_fail_memory(err, (size_t)(to->inputs * to->outputs) * sizeof *to->weight);
    for (int64_t o = 0; o < from->outputs; o++) {
        float *panel = to->weight + o / LN_CASCADE_PANEL * to->inputs * LN_CASCADE_PANEL;
        for (int64_t i = 0; i < from->inputs; i++)
            panel[i * LN_CASCADE_PANEL + o % LN_CASCADE_PANEL] =
                from->weight[o * from->output_step + i * from->input_step];
    }
    copy_bias(from, to->bias);
    return LN_OK;
}

static ln_status pack_last(const ln_cascade_dense *from, ln_cascade *to, ln_error *err)
{
    to->last_inputs = ln_cascade_padded(from->inputs);
    to->outputs = from->outputs;
    to->last = zeros(to->outputs * to->last_inputs);
    to->last_bias = zeros(to->outputs);
    if (!to->last || !to->last_bias)
        return ln_fail_memory(err, (size_t)(to->outputs * to->last_inputs) * sizeof *to->last);
    for (int64_t o = 0; o < from->outputs; o++)
        for (int64_t i = 0; i < from->inputs; i++)
            to->last[o * to->last_inputs + i] =
                from->weight[o * from->output_step + i * from->input_step];
    copy_bias(from, to->last_bias);
    return LN_OK;
}

ln_status ln_cascade_make(int64_t width, ln_cascade_ending ending, const ln_cascade_dense *layers,
                          int64_t count, ln_cascade *out, ln_error *err)
{
    *out =
        (ln_cascade){.width = ln_cascade_padded(width), .ending = ending, .layer_count = count - 1};
    out->ending.numbers = width;
    out->layers = ln_calloc((size_t)count, sizeof *out->layers);
    if (!out->layers)
        return ln_fail_memory(err, (size_t)count * sizeof *out->layers);
    ln_status status = pack_last(&layers[count - 1], out, err);
    for (int64_t l = 0; l + 1 < count && !status; l++)
        status = pack(&layers[l], &out->layers[l], err);
    return status;
}

void ln_cascade_free(ln_cascade *cascade)
{
    for (int64_t l = 0; cascade->layers && l < cascade->layer_count; l++) {
        ln_free_aligned(cascade->layers[l].weight);
        ln_free_aligned(cascade->layers[l].bias);
    }
    ln_free(cascade->layers);
    ln_free_aligned(cascade->last);
    ln_free_aligned(cascade->last_bias);
    *cascade = (ln_cascade){0};
}
