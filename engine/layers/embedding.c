/* embedding: the row of the weight that each id names. Ids (N, ...) are whole numbers, or numbers that
 * are whole (a script's rows are float32); the result is (N, ..., embedding_dim). The gradient of a row of the
 * weight is the sum of dy over its places, in their order.
 *
 * An id has no gradient: that of the input is 0.
 *
 * Source: torch.nn.Embedding; initial values standard normal. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/indices.h"

static const ln_param embedding_params[] = {
    {.name = "num_embeddings",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_embedding_attributes, num_embeddings),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 30,
     .position = 1,
     .help = "ids: 0 to this less 1"},
    {.name = "embedding_dim",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_embedding_attributes, embedding_dim),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 24,
     .position = 2,
     .help = "numbers an id becomes"},
    LN_PARAM_END,
};

static ln_status embedding_parameters(const void *attributes, const ln_shape *in,
                                      ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_embedding_attributes *own = attributes;
    (void)in;
    (void)err;
    out[0] = (ln_layer_parameter){.name = "weight",
                                  .shape = {2, {own->num_embeddings, own->embedding_dim}},
                                  .bound = 1,
                                  .normal = true};
    *count = 1;
    return LN_OK;
}

static ln_status embedding_types(const struct ln_graph *graph, const struct ln_node *node,
                                 const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    (void)out;
    if (in[0] == LN_BOOL || in[1] != LN_F32)
        return ln_fail(err, LN_EINVALID, "its ids hold %s and its weight %s numbers",
                       ln_dtype_name(in[0]), ln_dtype_name(in[1]));
    return LN_OK;
}

static ln_status embedding_infer(const struct ln_graph *graph, const struct ln_node *node,
                                 const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    char text[64];
    if (!ln_input_fixed(graph, node, 1) || in[1].rank != 2)
        return ln_fail(err, LN_EINVALID, "its weight has shape %s: it must be a constant matrix",
                       ln_shape_text(&in[1], text, sizeof text));
    if (row.rank + 2 > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "its result has %d axes: %d are possible",
                       row.rank + 2, LN_MAX_RANK);
    result.dims[result.rank++] = in[1].dims[1];
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status embedding_forward(const ln_pass *pass, ln_error *err)
{
    const ln_operand ids = ln_operand_in(pass->step, 0), weight = ln_operand_in(pass->step, 1);
    const int64_t width = weight.row.dims[1], count = ln_pass_rows(pass) * ids.count;
    for (int64_t i = 0; i < count; i++) {
        int64_t id = 0;
        ln_status status = ln_index_at(pass->in[0], ids.dtype, i, weight.row.dims[0], &id, err);
        if (status)
            return status;
        memcpy((float *)pass->out[0] + i * width, (const float *)pass->in[1] + id * width,
               (size_t)width * sizeof(float));
    }
    return LN_OK;
}

static ln_status embedding_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    if (pass->in_grad[0])
        memset(pass->in_grad[0], 0,
               (size_t)(pass->rows * ln_operand_in(pass->step, 0).count) * sizeof(float));
    return LN_OK;
}

static ln_status embedding_backward_parameters(const ln_pass *pass, ln_error *err)
{
    const ln_operand ids = ln_operand_in(pass->step, 0), weight = ln_operand_in(pass->step, 1);
    const int64_t width = weight.row.dims[1];
    for (int64_t i = 0; i < pass->rows * ids.count && pass->in_grad[1]; i++) {
        const float *dy = pass->out_grad[0] + i * width;
        int64_t id = 0;
        ln_status status = ln_index_at(pass->in[0], ids.dtype, i, weight.row.dims[0], &id, err);
        if (status)
            return status;
        for (int64_t j = 0; j < width; j++)
            pass->in_grad[1][id * width + j] += dy[j];
    }
    return LN_OK;
}

const ln_layer ln_layer_embedding = {
    .word = {.name = "embedding",
             .summary = "a row of numbers, learnt, for each id",
             .formula = "y = weight[x]",
             .source = "PyTorch: torch.nn.Embedding",
             .params = embedding_params,
             .params_size = sizeof(ln_embedding_attributes)},
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = embedding_parameters,
    .types = embedding_types,
    .infer = embedding_infer,
    .forward = embedding_forward,
    .backward = embedding_backward,
    .backward_parameters = embedding_backward_parameters,
};
