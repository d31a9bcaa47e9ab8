/* flatten, reshape and identity: elements stay as they are and in their order, so that forward and
 * backward are copies. The rows stay the first axis.
 *
 * Source: torch.nn.Flatten, numpy.reshape and ONNX's Reshape. */
#include <stddef.h>
#include <stdio.h>

#include "layers/operand.h"

static const ln_param flatten_params[] = {
    {.name = "start",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_flatten_attributes, start),
     .fallback = "1",
     .min = 1,
     .max = LN_MAX_RANK - 1,
     .position = 1,
     .help = "first axis of those that become one"},
    LN_PARAM_END,
};

static ln_status flatten_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_flatten_attributes *own = node->attributes;
    const int start = (int)own->start;
    char text[64];
    (void)graph;
    if (own->start < 1 || own->start > in[0].rank || own->start >= LN_MAX_RANK)
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s: there is no axis %lld to start at",
                       ln_shape_text(&in[0], text, sizeof text), (long long)own->start);
    out[0] = in[0];
    out[0].rank = start + 1;
    out[0].dims[start] = 1;
    for (int i = start; i < in[0].rank; i++)
        out[0].dims[start] *= in[0].dims[i];
    return LN_OK;
}

const ln_layer ln_layer_flatten = {
    .word = {.name = "flatten",
             .summary = "makes one axis of several",
             .formula = "(N, C, H, W) becomes (N, C H W)",
             .source = "PyTorch: torch.nn.Flatten",
             .params = flatten_params,
             .params_size = sizeof(ln_flatten_attributes)},
    .flags = LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = flatten_infer,
    .types = ln_types_same,
    .forward = ln_copy_forward,
    .backward = ln_copy_backward,
};

/* ---------------------------------------------------------------- reshape */

static const ln_param reshape_params[] = {
    {.name = "shape",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_reshape_attributes, shape),
     .fallback = LN_REQUIRED,
     .min = -1,
     .max = 1 << 30,
     .position = 1,
     .help = "shape of a row, without N; one entry may be -1: what is left"},
    LN_PARAM_END,
};

static const ln_param reshape_stored[] = {
    {.name = "whole",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_reshape_attributes, whole),
     .fallback = "false",
     .help = "the shape names the rows' axis too"},
    LN_PARAM_END,
};

static ln_status misfit(const ln_shape *in, const ln_ints *wanted, ln_error *err)
{
    char from[64], to[192] = "";
    size_t length = 0;
    for (int i = 0; i < wanted->count && length < sizeof to; i++)
        length += (size_t)snprintf(to + length, sizeof to - length, i ? ", %lld" : "%lld",
                                   (long long)wanted->at[i]);
    return ln_fail(err, LN_EINVALID, "its input has shape %s: that does not fit shape (%s)",
                   ln_shape_text(in, from, sizeof from), to);
}

/* Fills dims[first..] from `wanted`: `count` elements; -1 once, 0 copies where `whole`. */
static bool fit(const ln_shape *in, const ln_ints *wanted, int from, int first, bool whole,
                int64_t count, ln_shape *out)
{
    int64_t known = 1;
    int open = -1;
    for (int i = from; i < wanted->count; i++) {
        int64_t dim = wanted->at[i];
        const int to = first + i - from;
        if (dim == 0 && whole && i < in->rank)
            dim = in->dims[i];
        if (dim == -1 && open < 0) {
            open = to;
            continue;
        }
        if (dim < 1 || dim > count)
            return false;
        if (known > count / dim)
            return false;
        known *= dim;
        out->dims[to] = dim;
    }
    if (open >= 0)
        out->dims[open] = count / known;
    return open >= 0 ? count % known == 0 : known == count;
}

static ln_status reshape_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_reshape_attributes *own = node->attributes;
    const ln_ints *wanted = &own->shape;
    const int added = own->whole ? 0 : 1;
    int64_t row = 1;
    if (wanted->count + added < 1 || wanted->count + added > LN_MAX_RANK)
        return misfit(&in[0], wanted, err);
    out[0].rank = wanted->count + added;
    if (graph->values[node->inputs[0]].fixed && own->whole)
        return fit(&in[0], wanted, 0, 0, true, ln_shape_count(&in[0]), &out[0])
                   ? LN_OK
                   : misfit(&in[0], wanted, err);
    for (int i = 1; i < in[0].rank; i++)
        row *= in[0].dims[i];
    out[0].dims[0] = in[0].rank > 0 ? in[0].dims[0] : 1;
    /* A row keeps its elements. Where the shape names the rows as well, their entry may be any
     * number: a file that was written for one batch serves every other. Only where the rows are -1
     * may no other entry be. */
    if (own->whole && (wanted->at[0] < -1 || (wanted->at[0] == 0 && in[0].rank < 1)))
        return misfit(&in[0], wanted, err);
    if (own->whole && wanted->at[0] == -1)
        for (int i = 1; i < wanted->count; i++)
            if (wanted->at[i] == -1)
                return misfit(&in[0], wanted, err);
    return fit(&in[0], wanted, own->whole ? 1 : 0, 1, own->whole, row, &out[0])
               ? LN_OK
               : misfit(&in[0], wanted, err);
}

const ln_layer ln_layer_reshape = {
    .word = {.name = "reshape",
             .summary = "gives each row another shape of as many elements",
             .formula = "",
             .source = "PyTorch: torch.nn.Unflatten; ONNX: Reshape",
             .params = reshape_params,
             .params_size = sizeof(ln_reshape_attributes)},
    .flags = LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .stored = reshape_stored,
    .infer = reshape_infer,
    .types = ln_types_same,
    .forward = ln_copy_forward,
    .backward = ln_copy_backward,
};

/* ---------------------------------------------------------------- identity */

const ln_layer ln_layer_identity = {
    .word = {.name = "identity",
             .summary = "changes nothing",
             .formula = "y = x",
             .source = "PyTorch: torch.nn.Identity"},
    .flags = LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .types = ln_types_same,
    .forward = ln_copy_forward,
    .backward = ln_copy_backward,
};
