/* The oneDNN entry (libdnnl 2.6) for convolutions: direct ones in blocked layouts, which oneDNN
 * chooses (format_tag_any) and we ask back. Images and results are plain here, so each is reordered
 * on its way in and out, in scratch memory; the weights once, when they are packed.
 *
 * Forward and backward_data run one image at a time: an image's bits cannot depend on the others.
 * backward_weights takes all images of a plan's pass at once; a pass of fewer goes the plain way.
 *
 * Images whose channels are last are what oneDNN's primitives read as they are; the plain entry gets
 * them turned, in scratch. The gradient of such images of few channels is last.h's `thin`.
 *
 * Where oneDNN has only a reference implementation for a shape (a thousand times slower) or its
 * matrix product over gathered windows (no faster than ours), the plain entry computes that part; so
 * it does with weights other than those that were packed. Which part is whose depends on the shape
 * and the instruction set alone. Scratch memory is the caller's, see products.c. */
#include "kernels/onednn/operation.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolved.h"
#include "kernels/last.h"
#include "kernels/onednn/entries.h"
#include "kernels/thin.h"

/* Images at a time where weights are larger than the second cache, which would else take them in anew
 * for each. The bits are those of an image alone (tests/engine/test_kernels_last.c). */
enum { GROUP = 4, LARGE_WEIGHTS = 1 << 20 };

typedef struct onednn_convolved {
    ln_convolved head;
    dnnl_engine_t engine;
    float *no_bias;           /* zeros */
    ln_thin_convolution thin; /* of few channels that are last */
    ln_onednn_operation operations[LN_OPERATIONS];
    ln_onednn_operation several[2]; /* of GROUP images, with the weights of the first two */
} onednn_convolved;

static void onednn_release(ln_convolved *packed)
{
    onednn_convolved *own = (onednn_convolved *)packed;
    for (int i = 0; i < LN_OPERATIONS; i++)
        ln_onednn_operation_free(&own->operations[i]);
    for (int i = 0; i < 2; i++) {
        own->several[i].weight = NULL; /* another's */
        ln_onednn_operation_free(&own->several[i]);
    }
    if (own->engine)
        dnnl_engine_destroy(own->engine);
    ln_free(own->no_bias);
    ln_thin_free(&own->thin);
}

/* ---------------------------------------------------------------- running */

/* A call's stream and memory objects; data are set image by image. */
typedef struct call {
    dnnl_stream_t stream;
    dnnl_memory_t at[LN_ARGUMENTS];     /* in the primitive's layouts */
    dnnl_memory_t plain[LN_RESULT + 1]; /* where it is turned, the plain side */
} call;

static void end_call(call *c)
{
    for (int i = 0; i < LN_ARGUMENTS; i++)
        if (c->at[i])
            dnnl_memory_destroy(c->at[i]);
    for (int i = 0; i <= LN_RESULT; i++)
        if (c->plain[i])
            dnnl_memory_destroy(c->plain[i]);
    if (c->stream)
        dnnl_stream_destroy(c->stream);
}

static dnnl_status_t begin_call(const onednn_convolved *own, const ln_onednn_operation *op,
                                void *scratch, call *out)
{
    *out = (call){0};
    dnnl_status_t status = dnnl_stream_create(&out->stream, own->engine, dnnl_stream_default_flags);
    for (int i = 0; i < LN_ARGUMENTS && status == dnnl_success; i++) {
        void *data = (char *)scratch + op->place[i];
        if (i == LN_SECOND && op->weight)
            data = op->weight;
        status =
            dnnl_memory_create(&out->at[i], &op->at[i], own->engine, i == LN_BIAS ? NULL : data);
        if (i <= LN_RESULT && op->turn[i] && status == dnnl_success)
            status = dnnl_memory_create(&out->plain[i], &op->plain[i], own->engine, NULL);
    }
    return status;
}

static dnnl_status_t turn(const ln_onednn_operation *op, const call *c, int i)
{
    const bool back = i == LN_RESULT;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, back ? c->at[i] : c->plain[i]},
                                         {DNNL_ARG_TO, back ? c->plain[i] : c->at[i]}};
    return dnnl_primitive_execute(op->turn[i], c->stream, 2, arguments);
}

/* Gives argument `i` its plain data: read from them (turned where it must be) or written to them. */
static dnnl_status_t point(const ln_onednn_operation *op, const call *c, int i, const void *data)
{
    void *plain = (void *)(uintptr_t)data;
    return dnnl_memory_set_data_handle(op->turn[i] ? c->plain[i] : c->at[i], plain);
}

static dnnl_status_t run(const ln_onednn_operation *op, const call *c, bool bias)
{
    dnnl_exec_arg_t arguments[LN_ARGUMENTS];
    dnnl_status_t status = dnnl_success;
    int count = 0;
    for (int i = 0; i < LN_ARGUMENTS; i++)
        if (i != LN_BIAS || bias)
            arguments[count++] = (dnnl_exec_arg_t){op->names[i], c->at[i]};
    for (int i = LN_FIRST; i <= LN_SECOND && status == dnnl_success; i++)
        if (op->turn[i] && !(i == LN_SECOND && op->weight))
            status = turn(op, c, i);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(op->run, c->stream, count, arguments);
    if (status == dnnl_success && op->turn[LN_RESULT])
        status = turn(op, c, LN_RESULT);
    return status == dnnl_success ? dnnl_stream_wait(c->stream) : status;
}

/* `images` with packed weights, `step` of them at a time. */
static ln_status run_steps(const onednn_convolved *own, int which, const ln_onednn_operation *op,
                           int64_t images, int64_t step, const float *from, const float *bias,
                           float *to, void *scratch, ln_error *err)
{
    const bool forward = which == LN_FORWARD;
    const int64_t in = forward ? ln_convolution_in_row(&own->head.shape)
                               : ln_convolution_out_row(&own->head.shape);
    const int64_t out = forward ? ln_convolution_out_row(&own->head.shape)
                                : ln_convolution_in_row(&own->head.shape);
    call c;
    dnnl_status_t status = begin_call(own, op, scratch, &c);
    if (status == dnnl_success && forward)
        status = dnnl_memory_set_data_handle(c.at[LN_BIAS],
                                             (void *)(uintptr_t)(bias ? bias : own->no_bias));
    for (int64_t i = 0; i < images && status == dnnl_success; i += step) {
        status = point(op, &c, LN_FIRST, from + i * in);
        if (status == dnnl_success)
            status = point(op, &c, LN_RESULT, to + i * out);
        if (status == dnnl_success)
            status = run(op, &c, forward);
    }
    end_call(&c);
    return status == dnnl_success ? LN_OK : ln_onednn_failed(status, "convolve", err);
}

/* In groups as far as there are whole ones, the rest an image at a time. */
static ln_status run_images(const onednn_convolved *own, int which, int64_t images,
                            const float *from, const float *bias, float *to, void *scratch,
                            ln_error *err)
{
    const bool forward = which == LN_FORWARD;
    const int64_t x = ln_convolution_in_row(&own->head.shape);
    const int64_t y = ln_convolution_out_row(&own->head.shape);
    const int64_t grouped = own->several[which].run ? images / GROUP * GROUP : 0;
    ln_status status = LN_OK;
    if (grouped > 0)
        status = run_steps(own, which, &own->several[which], grouped, GROUP, from, bias, to,
                           scratch, err);
    if (!status && images > grouped)
        status = run_steps(own, which, &own->operations[which], images - grouped, 1,
                           from + grouped * (forward ? x : y), bias,
                           to + grouped * (forward ? y : x), scratch, err);
    return status;
}

/* All images of a plan's pass at once. */
static ln_status run_weights(const onednn_convolved *own, const float *x, const float *dy,
                             float *dw, void *scratch, ln_error *err)
{
    const ln_onednn_operation *op = &own->operations[LN_BACKWARD_WEIGHTS];
    const int64_t count = ln_convolution_weights(&own->head.shape);
    void *at = (char *)scratch + op->result;
    float *result = at;
    call c;
    dnnl_status_t status = begin_call(own, op, scratch, &c);
    if (status == dnnl_success)
        status = point(op, &c, LN_FIRST, x);
    if (status == dnnl_success)
        status = point(op, &c, LN_SECOND, dy);
    if (status == dnnl_success)
        status = point(op, &c, LN_RESULT, result);
    if (status == dnnl_success)
        status = run(op, &c, false);
    end_call(&c);
    if (status != dnnl_success)
        return ln_onednn_failed(status, "find the gradient of a convolution's weights", err);
    for (int64_t i = 0; i < count; i++)
        dw[i] += result[i];
    return LN_OK;
}

/* ---------------------------------------------------------------- the entry */

/* Copies weights from one layout into another, by a reorder that was made for them. */
static dnnl_status_t copy_weights(const onednn_convolved *own, dnnl_primitive_t reorder,
                                  const dnnl_memory_desc_t *from, const void *weights,
                                  const dnnl_memory_desc_t *to, void *out)
{
    const int names[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
    const dnnl_memory_desc_t *at[] = {from, to};
    void *const data[] = {(void *)(uintptr_t)weights, out};
    dnnl_exec_arg_t arguments[2] = {{0}};
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, own->engine, dnnl_stream_default_flags);
    for (int i = 0; i < 2 && status == dnnl_success; i++) {
        arguments[i].arg = names[i];
        status = dnnl_memory_create(&arguments[i].memory, at[i], own->engine, data[i]);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(reorder, stream, 2, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    for (int i = 0; i < 2; i++)
        if (arguments[i].memory)
            dnnl_memory_destroy(arguments[i].memory);
    if (stream)
        dnnl_stream_destroy(stream);
    return status;
}

/* Copies the weights into an operation's layout. */
static dnnl_status_t fill(const onednn_convolved *own, ln_onednn_operation *op, const float *weight)
{
    const dnnl_memory_desc_t *plain = &op->plain[LN_SECOND], *at = &op->at[LN_SECOND];
    if (op->turn[LN_SECOND])
        return copy_weights(own, op->turn[LN_SECOND], plain, weight, at, op->weight);
    memcpy(op->weight, weight, dnnl_memory_desc_get_size(plain));
    return dnnl_success;
}

static ln_status onednn_unpack(const ln_convolved *whole, float *weight, ln_error *err)
{
    const onednn_convolved *own = (const onednn_convolved *)whole;
    const ln_onednn_operation *op = &own->operations[LN_FORWARD];
    const dnnl_memory_desc_t *plain = &op->plain[LN_SECOND], *at = &op->at[LN_SECOND];
    dnnl_primitive_t back = NULL;
    dnnl_status_t status = ln_onednn_turn_make(own->engine, at, plain, &back);
    if (status == dnnl_success && back)
        status = copy_weights(own, back, at, op->weight, plain, weight);
    else if (status == dnnl_success)
        memcpy(weight, op->weight, dnnl_memory_desc_get_size(plain));
    if (back)
        dnnl_primitive_destroy(back);
    return status == dnnl_success
               ? LN_OK
               : ln_onednn_failed(status, "unpack the weights of a convolution", err);
}

/* Gradients of images of few channels, for which oneDNN's vectors run half empty (see convolution.c). */
static bool ours_is_faster(const ln_convolution *shape, int which)
{
    enum { BLOCK = 16, MANY_TAPS = 25 }; /* channels of one of its blocks */
    const int64_t taps = shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
    if (shape->groups != 1)
        return false;
    if (which == LN_BACKWARD_WEIGHTS)
        return shape->in_channels > LN_THIN_CHANNELS && shape->in_channels < BLOCK &&
               taps >= MANY_TAPS;
    return which == LN_BACKWARD_DATA && shape->in_channels <= LN_THIN_CHANNELS;
}

/* The operation for several images, where its weights lie as those of one do. */
static ln_status make_group(onednn_convolved *own, int which, ln_error *err)
{
    const ln_onednn_operation *one = &own->operations[which];
    ln_onednn_operation *op = &own->several[which];
    if (!one->run || !own->head.shape.last || own->head.shape.images < GROUP ||
        ln_convolution_weights(&own->head.shape) < LARGE_WEIGHTS)
        return LN_OK;
    ln_status status = ln_onednn_operation_make(op, which, &own->head.shape, GROUP, own->engine,
                                                &own->head.scratch_bytes, err);
    if (status || !op->run)
        return status;
    ln_free_aligned(op->weight);
    op->weight = one->weight;
    own->head.together = GROUP;
    if (!dnnl_memory_desc_equal(&op->at[LN_SECOND], &one->at[LN_SECOND])) {
        dnnl_primitive_destroy(op->run);
        op->run = NULL;
    }
    return LN_OK;
}

/* Whether every use of images whose channels are last runs on packed weights. */
static bool all_packed(const onednn_convolved *own)
{
    const unsigned uses = own->head.uses;
    return own->head.shape.last &&
           (!(uses & LN_CONVOLVE_FORWARD) || own->operations[LN_FORWARD].run ||
            own->thin.forward) &&
           (!(uses & LN_CONVOLVE_BACKWARD_DATA) || own->operations[LN_BACKWARD_DATA].run ||
            own->thin.backward);
}

static ln_status onednn_make(ln_convolved *head, const float *weight, ln_error *err)
{
    static const unsigned uses[LN_OPERATIONS] = {LN_CONVOLVE_FORWARD, LN_CONVOLVE_BACKWARD_DATA,
                                                 LN_CONVOLVE_BACKWARD_WEIGHTS};
    onednn_convolved *own = (onednn_convolved *)head;
    const ln_convolution *shape = &head->shape;
    head->direct = 0;
    head->names[0] = head->names[1] = ln_convolutions_plain.name;
    own->no_bias = ln_calloc((size_t)shape->out_channels, sizeof *own->no_bias);
    if (!own->no_bias)
        return ln_fail_memory(err, (size_t)shape->out_channels * sizeof *own->no_bias);
    const dnnl_status_t created = dnnl_engine_create(&own->engine, dnnl_cpu, 0);
    if (created != dnnl_success)
        return ln_onednn_failed(created, "prepare a convolution", err);
    ln_status status = LN_OK;
    if (shape->last) {
        ln_thin_decide(&own->thin, shape);
        own->head.names[0] = own->thin.forward ? "thin" : own->head.names[0];
        own->head.names[1] = own->thin.backward ? "thin" : own->head.names[1];
        own->head.scratch_bytes = (size_t)ln_thin_floats(&own->thin) * sizeof(float);
    }
    for (int i = 0; i < LN_OPERATIONS && !status; i++) {
        if (!(own->head.uses & uses[i]) || ours_is_faster(shape, i) ||
            (i == LN_FORWARD && own->thin.forward))
            continue;
        status = ln_onednn_operation_make(&own->operations[i], i, shape,
                                          i == LN_BACKWARD_WEIGHTS ? shape->images : 1, own->engine,
                                          &own->head.scratch_bytes, err);
        if (!status && i < LN_BACKWARD_WEIGHTS)
            status = make_group(own, i, err);
        own->head.direct |= own->operations[i].run ? uses[i] : 0;
        if (i < LN_BACKWARD_WEIGHTS && own->operations[i].run)
            own->head.names[i] = own->operations[i].name;
    }
    head->rereads = !all_packed(own);
    if (!status && ((head->uses & LN_CONVOLVE_OTHERS) || head->rereads))
        status = ln_convolved_leave(head, &ln_convolutions_plain, head->uses, weight, err);
    return status;
}

static ln_status onednn_fill(ln_convolved *head, const float *weight, ln_error *err)
{
    onednn_convolved *own = (onednn_convolved *)head;
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < LN_BACKWARD_WEIGHTS && status == dnnl_success; i++)
        if (own->operations[i].run)
            status = fill(own, &own->operations[i], weight);
    if (status != dnnl_success)
        return ln_onednn_failed(status, "pack the weights of a convolution", err);
    return own->thin.backward ? ln_thin_pack(&own->thin, weight, err) : LN_OK;
}

static ln_status onednn_forward(const ln_convolved *packed, int64_t images, const float *x,
                                const float *weight, const float *bias, float *y, void *scratch,
                                ln_error *err)
{
    const onednn_convolved *own = (const onednn_convolved *)packed;
    if (own->thin.forward) {
        ln_thin_run_forward(&own->thin, images, x, bias ? bias : own->no_bias, y, scratch);
        return LN_OK;
    }
    if (!own->operations[LN_FORWARD].run)
        return ln_convolved_forward(packed->stand_in, images, x, weight, bias, y, scratch, err);
    return run_images(own, LN_FORWARD, images, x, bias, y, scratch, err);
}

static ln_status onednn_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                      const float *weight, float *dx, void *scratch, ln_error *err)
{
    const onednn_convolved *own = (const onednn_convolved *)packed;
    if (own->thin.backward) {
        ln_thin_run_backward(&own->thin, images, dy, dx, scratch);
        return LN_OK;
    }
    if (!own->operations[LN_BACKWARD_DATA].run)
        return ln_convolved_backward_data(packed->stand_in, images, dy, weight, dx, scratch, err);
    return run_images(own, LN_BACKWARD_DATA, images, dy, NULL, dx, scratch, err);
}

static ln_status onednn_backward_weights(const ln_convolved *packed, int64_t images, const float *x,
                                         const float *dy, float *dw, void *scratch, ln_error *err)
{
    const onednn_convolved *own = (const onednn_convolved *)packed;
    if (!own->operations[LN_BACKWARD_WEIGHTS].run || images != packed->shape.images)
        return ln_convolved_backward_weights(packed->stand_in, images, x, dy, dw, scratch, err);
    return run_weights(own, x, dy, dw, scratch, err);
}

const ln_convolutions ln_convolutions_onednn = {
    .name = "onednn",
    .size = sizeof(onednn_convolved),
    .make = onednn_make,
    .fill = onednn_fill,
    .release = onednn_release,
    .forward = onednn_forward,
    .backward_data = onednn_backward_data,
    .backward_weights = onednn_backward_weights,
    .unpack = onednn_unpack,
};
