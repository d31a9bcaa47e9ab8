/* A model that is a function: it is asked for outputs and has nothing else, no layers and no gradients.
 *
 * Its graph is what comes after the function: one input that the function's outputs are written into,
 * and the identity. So links add their softmax, sigmoid or loss to it as to any network, and a pass is
 * the function's call followed by that graph's. Width and encoding are those of the function's inputs. */
#include "model/blackbox.h"

#include "base/alloc.h"
#include "base/error.h"
#include "layers/layer.h"
#include "model/declare.h"
#include "model/head.h"

static ln_status make_graph(int64_t outputs, ln_graph **out, ln_error *err)
{
    const ln_shape shape = {1, {outputs}};
    ln_declaration declaration = {0};
    ln_status status = ln_declare_begin(&shape, 0, &declaration, err);
    if (!status)
        status = ln_declare_layer(&declaration, ln_layer_find("identity"), NULL, "output", err);
    if (!status)
        status = ln_declare_finish(&declaration, out, err);
    ln_declare_abandon(&declaration);
    return status;
}

static ln_status check_width(const ln_callback *callback, const ln_encoding *encoding,
                             ln_error *err)
{
    if (!encoding || encoding->width == callback->inputs)
        return LN_OK;
    return ln_fail(err, LN_EINVALID,
                   "the blackbox takes %lld numbers a row, but the encoded data have %d",
                   (long long)callback->inputs, encoding->width);
}

ln_status ln_model_blackbox(const ln_callback *callback, const char *identity,
                            ln_encoding *encoding, ln_task task, ln_model **out, ln_error *err)
{
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    ln_status status = check_width(callback, encoding, err);
    if (!status)
        status = make_graph(callback->outputs, &graph, err);
    if (!status)
        status = ln_model_new("blackbox", graph, NULL, NULL, task, &model, err);
    ln_graph_release(graph);
    if (!status) {
        model->callback_identity = ln_strdup(identity);
        if (!model->callback_identity)
            status = ln_fail_memory(err, 0);
    }
    if (status) {
        ln_model_release(model);
        ln_encoding_free(encoding);
        if (callback->release)
            callback->release(callback->context);
        return status;
    }
    model->callback = *callback;
    model->encoding = encoding;
    model->width = callback->inputs;
    model->input_offset[1] = callback->inputs;
    status = ln_model_rehash(model, err);
    if (status)
        ln_model_release(model);
    else
        *out = model;
    return status;
}

ln_pool *ln_model_pool(const ln_model *model, ln_pool *pool)
{
    return model->callback.run ? NULL : pool;
}

ln_head ln_model_head(const ln_model *model)
{
    if (model->callback.run && model->callback.probabilities)
        return (ln_head){model->callback.outputs == 1 ? LN_HEAD_SIGMOID : LN_HEAD_SOFTMAX, true,
                         -1};
    return ln_head_find(model->graph, model->output_value);
}
