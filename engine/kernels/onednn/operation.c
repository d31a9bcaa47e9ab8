/* Making the primitives of the oneDNN entry for convolutions: their shapes, the layouts they choose,
 * and the reorders into and out of them. */
#include "kernels/onednn/operation.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

ln_status ln_onednn_failed(dnnl_status_t status, const char *what, ln_error *err)
{
    if (status == dnnl_out_of_memory)
        return ln_fail(err, LN_ENOMEM, "out of memory while oneDNN was asked to %s", what);
    return ln_fail(err, LN_EFAILED, "oneDNN could not %s (its status %d)", what, (int)status);
}

void ln_onednn_operation_free(ln_onednn_operation *op)
{
    if (op->run)
        dnnl_primitive_destroy(op->run);
    for (int i = 0; i <= LN_RESULT; i++)
        if (op->turn[i])
            dnnl_primitive_destroy(op->turn[i]);
    ln_free_aligned(op->weight);
}

/* ---------------------------------------------------------------- shapes */

/* Two axes where the first is 1 long in everything, else three. */
static int axes_of(const ln_convolution *s)
{
    return s->in[0] == 1 && s->out[0] == 1 && s->kernel[0] == 1 && s->before[0] == 0 ? 2 : 3;
}

static dnnl_format_tag_t plain_tag(int rank)
{
    static const dnnl_format_tag_t tags[] = {dnnl_a,    dnnl_ab,    dnnl_abc,
                                             dnnl_abcd, dnnl_abcde, dnnl_abcdef};
    return tags[rank - 1];
}

static dnnl_format_tag_t last_tag(int rank)
{
    return rank == 5 ? dnnl_acdeb : dnnl_acdb;
}

/* A value's layouts: the caller's, and whatever the primitive likes; the same with channels last. */
static dnnl_status_t describe(int rank, const dnnl_dims_t dims, bool last,
                              dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any)
{
    const dnnl_format_tag_t own = last ? last_tag(rank) : plain_tag(rank);
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(plain, rank, dims, dnnl_f32, own);
    return status == dnnl_success ? dnnl_memory_desc_init_by_tag(any, rank, dims, dnnl_f32,
                                                                 last ? own : dnnl_format_tag_any)
                                  : status;
}

typedef struct convolution_layouts {
    dnnl_memory_desc_t plain_x, plain_w, plain_y, any_x, any_w, any_y, bias;
    dnnl_dims_t stride, dilation, before, after;
} convolution_layouts;

static dnnl_status_t describe_all(const ln_convolution *s, int64_t images, convolution_layouts *out)
{
    const int axes = axes_of(s), first = LN_SPATIAL - axes, grouped = s->groups > 1;
    dnnl_dims_t x = {images, s->in_channels}, y = {images, s->out_channels}, w = {s->groups};
    const dnnl_dims_t bias = {s->out_channels};
    w[grouped] = s->out_channels / s->groups;
    w[grouped + 1] = s->in_channels / s->groups;
    *out = (convolution_layouts){0};
    for (int i = 0; i < axes; i++) {
        const int64_t extent = s->dilation[first + i] * (s->kernel[first + i] - 1) + 1;
        const int64_t after = (s->out[first + i] - 1) * s->stride[first + i] + extent -
                              s->in[first + i] - s->before[first + i];
        x[2 + i] = s->in[first + i];
        y[2 + i] = s->out[first + i];
        w[2 + grouped + i] = s->kernel[first + i];
        out->stride[i] = s->stride[first + i];
        out->dilation[i] = s->dilation[first + i] - 1;
        out->before[i] = s->before[first + i];
        out->after[i] = after > 0 ? after : 0;
    }
    dnnl_status_t status = describe(2 + axes, x, s->last, &out->plain_x, &out->any_x);
    if (status == dnnl_success)
        status = describe(2 + axes, y, s->last, &out->plain_y, &out->any_y);
    if (status == dnnl_success)
        status = describe(2 + axes + grouped, w, false, &out->plain_w, &out->any_w);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&out->bias, 1, bias, dnnl_f32, dnnl_a);
    return status;
}

/* ---------------------------------------------------------------- primitives */

/* Scratch memory is the caller's. */
static dnnl_status_t caller_scratch(dnnl_primitive_attr_t *out)
{
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    return status == dnnl_success
               ? dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user)
               : status;
}

/* Whether this implementation is worth having: neither a reference nor gathered windows. */
static bool is_direct(const_dnnl_primitive_desc_t description)
{
    const char *name = "";
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
    return strstr(name, "ref") == NULL && strstr(name, "gemm") == NULL;
}

/* The description of one operation; *out is NULL where oneDNN has none. */
static dnnl_status_t describe_operation(dnnl_engine_t engine, int which,
                                        const convolution_layouts *l, dnnl_primitive_desc_t *out)
{
    dnnl_convolution_desc_t convolution;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = caller_scratch(&attributes);
    if (status == dnnl_success)
        status = dnnl_dilated_convolution_forward_desc_init(
            &convolution, which == LN_FORWARD ? dnnl_forward_inference : dnnl_forward_training,
            dnnl_convolution_direct, &l->any_x, &l->any_w, which == LN_FORWARD ? &l->bias : NULL,
            &l->any_y, l->stride, l->dilation, l->before, l->after);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&hint, &convolution, attributes, engine, NULL);
    if (status == dnnl_success && which == LN_FORWARD) {
        *out = hint;
        hint = NULL;
    } else if (status == dnnl_success) {
        status = which == LN_BACKWARD_DATA
                     ? dnnl_dilated_convolution_backward_data_desc_init(
                           &convolution, dnnl_convolution_direct, &l->any_x, &l->any_w, &l->any_y,
                           l->stride, l->dilation, l->before, l->after)
                     : dnnl_dilated_convolution_backward_weights_desc_init(
                           &convolution, dnnl_convolution_direct, &l->any_x, &l->any_w, NULL,
                           &l->any_y, l->stride, l->dilation, l->before, l->after);
        if (status == dnnl_success)
            status = dnnl_primitive_desc_create(out, &convolution, attributes, engine, hint);
    }
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status == dnnl_unimplemented ? dnnl_success : status;
}

dnnl_status_t ln_onednn_turn_make(dnnl_engine_t engine, const dnnl_memory_desc_t *from,
                                  const dnnl_memory_desc_t *to, dnnl_primitive_t *out)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    if (dnnl_memory_desc_equal(from, to))
        return dnnl_success;
    dnnl_status_t status = caller_scratch(&attributes);
    if (status == dnnl_success)
        status =
            dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, attributes);
    if (status == dnnl_success) {
        const dnnl_memory_desc_t *scratch =
            dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
        assert(dnnl_memory_desc_get_size(scratch) == 0);
        (void)scratch;
        status = dnnl_primitive_create(out, description);
    }
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* What an operation reads and writes, by oneDNN's names, and its plain layouts. */
static void name_arguments(ln_onednn_operation *op, int which, const convolution_layouts *l)
{
    const int names[LN_OPERATIONS][LN_RESULT + 1] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
        {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
    const dnnl_memory_desc_t *plain[LN_OPERATIONS][LN_RESULT + 1] = {
        {&l->plain_x, &l->plain_w, &l->plain_y},
        {&l->plain_y, &l->plain_w, &l->plain_x},
        {&l->plain_x, &l->plain_y, &l->plain_w}};
    for (int i = 0; i <= LN_RESULT; i++) {
        op->names[i] = names[which][i];
        op->plain[i] = *plain[which][i];
    }
    op->names[LN_BIAS] = DNNL_ARG_BIAS;
    op->names[LN_SCRATCH] = DNNL_ARG_SCRATCHPAD;
    op->at[LN_BIAS] = l->bias;
}

/* The layouts that the primitive chose, and places for what is turned into them. */
static void ask_layouts(ln_onednn_operation *op, int which, const_dnnl_primitive_desc_t description,
                        size_t *scratch)
{
    static const dnnl_query_t queries[LN_OPERATIONS][LN_RESULT + 1] = {
        {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
        {dnnl_query_diff_dst_md, dnnl_query_weights_md, dnnl_query_diff_src_md},
        {dnnl_query_src_md, dnnl_query_diff_dst_md, dnnl_query_diff_weights_md}};
    size_t used = 0;
    for (int i = 0; i <= LN_RESULT; i++)
        op->at[i] = *dnnl_primitive_desc_query_md(description, queries[which][i], 0);
    op->at[LN_SCRATCH] = *dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    for (int i = 0; i <= LN_SCRATCH; i++) {
        const bool packed = i == LN_BIAS || (i == LN_SECOND && which != LN_BACKWARD_WEIGHTS);
        op->place[i] = used;
        used += packed ? 0 : round_up(dnnl_memory_desc_get_size(&op->at[i]));
    }
    op->result = used;
    if (which == LN_BACKWARD_WEIGHTS) /* it is then added to the caller's */
        used += round_up(dnnl_memory_desc_get_size(&op->plain[LN_RESULT]));
    *scratch = used > *scratch ? used : *scratch;
}

ln_status ln_onednn_operation_make(ln_onednn_operation *op, int which, const ln_convolution *shape,
                                   int64_t images, dnnl_engine_t engine, size_t *scratch,
                                   ln_error *err)
{
    convolution_layouts layouts;
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status = describe_all(shape, images, &layouts);
    if (status == dnnl_success)
        status = describe_operation(engine, which, &layouts, &description);
    if (status == dnnl_success && description && is_direct(description)) {
        dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &op->name);
        name_arguments(op, which, &layouts);
        ask_layouts(op, which, description, scratch);
        for (int i = 0; i <= LN_RESULT && status == dnnl_success; i++)
            status = i == LN_RESULT
                         ? ln_onednn_turn_make(engine, &op->at[i], &op->plain[i], &op->turn[i])
                         : ln_onednn_turn_make(engine, &op->plain[i], &op->at[i], &op->turn[i]);
        if (status == dnnl_success)
            status = dnnl_primitive_create(&op->run, description);
    }
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (status != dnnl_success)
        return ln_onednn_failed(status, "prepare a convolution", err);
    if (op->run && which != LN_BACKWARD_WEIGHTS) {
        const size_t bytes = dnnl_memory_desc_get_size(&op->at[LN_SECOND]);
        op->weight = ln_alloc_aligned(bytes);
        if (!op->weight)
            return ln_fail_memory(err, bytes);
    }
    return LN_OK;
}
