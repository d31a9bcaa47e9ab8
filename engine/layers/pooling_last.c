/* Poolings of images whose channels are last: kernels/last.h on the windows that pooling.c finds for
 * shapes with the channels first. */
#include <string.h>

#include "base/alloc.h"
#include "layers/last.h"
#include "layers/pooling.h"

/* What prepare makes. */
typedef struct pool_last {
    void *first; /* what pooling.c prepared */
    ln_last_pool pool;
    ln_last_span *spans; /* what pool.spans point into */
    const ln_last_kernels *kernels;
    bool greatest; /* a max_pool */
} pool_last;

static bool is_adaptive(const struct ln_node *node)
{
    return strncmp(node->layer->word.name, "adaptive", 8) == 0;
}

static ln_status infer(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                       ln_shape *out, ln_error *err)
{
    const ln_shape first = ln_shape_first(in[0]);
    ln_status status = is_adaptive(node) ? ln_adaptive_infer(graph, node, &first, out, err)
                                         : ln_pool_infer(graph, node, &first, out, err);
    if (!status)
        out[0] = ln_shape_last(out[0]);
    return status;
}

static void release(ln_step *step)
{
    pool_last *own = step->prepared;
    if (!own)
        return;
    ln_step first = *step;
    first.prepared = own->first;
    ln_pool_release(&first);
    ln_free(own->spans);
    ln_free(own);
    step->prepared = NULL;
}

static ln_status prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    if (step->prepared)
        return LN_OK;
    pool_last *own = step->prepared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    const ln_shape in = ln_shape_first(step->in_shape[0]), *out = &step->out_shape[0];
    const size_t places = (size_t)(out->dims[1] + out->dims[2]);
    ln_step first = *step;
    first.in_shape = &in;
    first.prepared = NULL;
    ln_status status = ln_pool_prepare(&first, constant, err);
    own->first = first.prepared;
    own->spans = ln_calloc(places, sizeof *own->spans);
    if (!status && !own->spans)
        status = ln_fail_memory(err, places * sizeof *own->spans);
    if (status)
        return status;
    own->pool = ln_pool_windows(&first, own->spans);
    own->kernels = ln_last_kernels_choose();
    own->greatest = strstr(step->node->layer->word.name, "max") != NULL;
    return LN_OK;
}

static ln_status forward(const ln_pass *pass, ln_error *err)
{
    const pool_last *own = pass->step->prepared;
    const int64_t in = ln_shape_row(&pass->step->in_shape[0]);
    const int64_t out = ln_shape_row(&pass->step->out_shape[0]);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    (void)err;
    for (int64_t r = 0; r < pass->rows; r++, x += in, y += out)
        (own->greatest ? own->kernels->max_forward : own->kernels->mean_forward)(&own->pool, x, y);
    return LN_OK;
}

static ln_status backward(const ln_pass *pass, ln_error *err)
{
    const pool_last *own = pass->step->prepared;
    const int64_t in = ln_shape_row(&pass->step->in_shape[0]);
    const int64_t out = ln_shape_row(&pass->step->out_shape[0]);
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    (void)err;
    for (int64_t r = 0; r < pass->rows && dx; r++, x += in, dx += in, dy += out)
        if (own->greatest)
            own->kernels->max_backward(&own->pool, x, dy, dx);
        else
            own->kernels->mean_backward(&own->pool, dy, dx);
    return LN_OK;
}

#define POOL(name_, attributes)                                                                    \
    const ln_layer ln_layer_##name_##_last = {                                                     \
        .word = {.name = #name_,                                                                   \
                 .summary = "a pooling, channels last",                                            \
                 .source = "",                                                                     \
                 .params_size = sizeof(attributes)},                                               \
        .flags = LN_LAYER_INTERNAL,                                                                \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .infer = infer,                                                                            \
        .prepare = prepare,                                                                        \
        .release = release,                                                                        \
        .forward = forward,                                                                        \
        .backward = backward,                                                                      \
    }

/* The names say which pooling it is, and of how many axes. */
POOL(max_pool2d, ln_pool_attributes);
POOL(avg_pool2d, ln_pool_attributes);
POOL(adaptive_max_pool2d, ln_adaptive_attributes);
POOL(adaptive_avg_pool2d, ln_adaptive_attributes);
