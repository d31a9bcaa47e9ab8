/* The oneDNN entry (libdnnl 2.6), for products whose operand is larger than the caches.
 *
 * Which primitive computes Y = X B + bias depends on what was measured about bits. With AVX-512,
 * matmul is "brg", a packed product whose rows have the same bits in any batch. Below it, matmul is
 * "gemm:jit", whose bits depend on the number of rows and on a row's position; a 1x1 convolution
 * over an image one row high and `rows` wide is the same product and has neither fault.
 *
 * The layout of B is left to the primitive (format_tag_any) and asked back; a layout forced upon it
 * may silently pick a reference implementation, a thousand times slower, so its name is asserted.
 * The number of rows is fixed when B is packed: rows beyond those of a call are computed and mean
 * nothing. Scratch memory is the caller's: memory that a primitive keeps of its own is not safe to
 * use from another thread.
 *
 * Primitives may be executed by several threads at once; what a call needs besides (a stream and
 * four memory objects) is made in the call, about a microsecond. */
#include <assert.h>
#include <dnnl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/last.h"
#include "kernels/onednn/entries.h"

enum { X, B, BIAS, Y, SCRATCH, ARGUMENTS };

typedef struct onednn_packed {
    ln_packed head;
    bool convolution;                 /* a 1x1 convolution in matmul's place */
    dnnl_engine_t engine;             /* the processor */
    dnnl_primitive_t run[2];          /* without and with bias */
    dnnl_memory_desc_t at[ARGUMENTS]; /* layout of each argument */
    void *data;                       /* B as the primitive wants it, 64-aligned */
} onednn_packed;

static ln_status failed(dnnl_status_t status, const char *what, ln_error *err)
{
    if (status == dnnl_out_of_memory)
        return ln_fail(err, LN_ENOMEM, "out of memory while oneDNN was asked to %s", what);
    return ln_fail(err, LN_EFAILED, "oneDNN could not %s (its status %d)", what, (int)status);
}

static void onednn_release(ln_packed *packed)
{
    onednn_packed *own = (onednn_packed *)packed;
    if (!own)
        return;
    for (int i = 0; i < 2; i++)
        if (own->run[i])
            dnnl_primitive_destroy(own->run[i]);
    if (own->engine)
        dnnl_engine_destroy(own->engine);
    ln_free_aligned(own->data);
    ln_free(own);
}

static dnnl_status_t describe(dnnl_memory_desc_t *at, int rank, const dnnl_dims_t dims,
                              dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(at, rank, dims, dnnl_f32, tag);
}

static dnnl_status_t matmul_of(const ln_product *p, bool bias, dnnl_memory_desc_t *at,
                               dnnl_matmul_desc_t *out)
{
    const dnnl_dims_t x = {p->rows, p->inputs}, b = {p->inputs, p->outputs};
    const dnnl_dims_t start = {1, p->outputs}, y = {p->rows, p->outputs};
    dnnl_status_t status = describe(&at[X], 2, x, dnnl_ab);
    if (status == dnnl_success)
        status = describe(&at[B], 2, b, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = describe(&at[BIAS], 2, start, dnnl_ab);
    if (status == dnnl_success)
        status = describe(&at[Y], 2, y, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(out, &at[X], &at[B], bias ? &at[BIAS] : NULL, &at[Y]);
    return status;
}

static dnnl_status_t convolution_of(const ln_product *p, bool bias, dnnl_memory_desc_t *at,
                                    dnnl_convolution_desc_t *out)
{
    const dnnl_dims_t x = {1, p->inputs, 1, p->rows}, b = {p->outputs, p->inputs, 1, 1};
    const dnnl_dims_t start = {p->outputs}, y = {1, p->outputs, 1, p->rows};
    const dnnl_dims_t stride = {1, 1}, padding = {0, 0};
    dnnl_status_t status = describe(&at[X], 4, x, dnnl_nhwc);
    if (status == dnnl_success)
        status = describe(&at[B], 4, b, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = describe(&at[BIAS], 1, start, dnnl_a);
    if (status == dnnl_success)
        status = describe(&at[Y], 4, y, dnnl_nhwc);
    if (status == dnnl_success)
        status = dnnl_convolution_forward_desc_init(
            out, dnnl_forward_inference, dnnl_convolution_direct, &at[X], &at[B],
            bias ? &at[BIAS] : NULL, &at[Y], stride, padding, padding);
    return status;
}

/* The primitive, and the layouts it chose for B and its scratch memory. */
static dnnl_status_t make_primitive(onednn_packed *own, bool bias)
{
    const ln_product *product = &own->head.product;
    dnnl_matmul_desc_t matmul;
    dnnl_convolution_desc_t convolution;
    const void *operation = own->convolution ? (const void *)&convolution : (const void *)&matmul;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    const char *implementation = "";

    dnnl_status_t status = own->convolution ? convolution_of(product, bias, own->at, &convolution)
                                            : matmul_of(product, bias, own->at, &matmul);
    if (status != dnnl_success)
        goto out;
    status = dnnl_primitive_attr_create(&attributes);
    if (status != dnnl_success)
        goto out;
    status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status != dnnl_success)
        goto out;
    status = dnnl_primitive_desc_create(&description, operation, attributes, own->engine, NULL);
    if (status != dnnl_success)
        goto out;
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &implementation);
    assert(strstr(implementation, "ref") == NULL);
    own->at[B] = *dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    own->at[SCRATCH] = *dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    if (own->head.scratch_bytes < dnnl_memory_desc_get_size(&own->at[SCRATCH]))
        own->head.scratch_bytes = dnnl_memory_desc_get_size(&own->at[SCRATCH]);
    status = dnnl_primitive_create(&own->run[bias], description);
out:
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* Runs `primitive` on data in the layouts of `at`; `names` are oneDNN's names of the arguments. */
static dnnl_status_t execute(dnnl_engine_t engine, dnnl_primitive_t primitive, int count,
                             const int *names, const dnnl_memory_desc_t *const *at,
                             void *const *data)
{
    dnnl_exec_arg_t arguments[ARGUMENTS] = {{0}};
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    for (int i = 0; i < count && status == dnnl_success; i++) {
        arguments[i].arg = names[i];
        status = dnnl_memory_create(&arguments[i].memory, at[i], engine, data[i]);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, count, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    for (int i = 0; i < count; i++)
        if (arguments[i].memory)
            dnnl_memory_destroy(arguments[i].memory);
    if (stream)
        dnnl_stream_destroy(stream);
    return status;
}

/* Copies B into own->data in the primitive's layout. */
static dnnl_status_t fill(onednn_packed *own, const float *b, int64_t input_step,
                          int64_t output_step)
{
    const ln_product *p = &own->head.product;
    const dnnl_dims_t dims = {p->inputs, p->outputs}, steps = {input_step, output_step};
    const dnnl_dims_t image = {p->outputs, p->inputs, 1, 1};
    const dnnl_dims_t image_steps = {output_step, input_step, 1, 1};
    const int names[2] = {DNNL_ARG_FROM, DNNL_ARG_TO};
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t reorder = NULL;

    dnnl_status_t status =
        own->convolution ? dnnl_memory_desc_init_by_strides(&plain, 4, image, dnnl_f32, image_steps)
                         : dnnl_memory_desc_init_by_strides(&plain, 2, dims, dnnl_f32, steps);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&description, &plain, own->engine, &own->at[B],
                                                    own->engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&reorder, description);
    if (status == dnnl_success) {
        const dnnl_memory_desc_t *const at[2] = {&plain, &own->at[B]};
        void *const data[2] = {(void *)(uintptr_t)b, own->data};
        status = execute(own->engine, reorder, 2, names, at, data);
    }
    if (reorder)
        dnnl_primitive_destroy(reorder);
    if (description)
        dnnl_primitive_desc_destroy(description);
    return status;
}

static ln_status make(const ln_product *product, onednn_packed **out, ln_error *err)
{
    onednn_packed *own = ln_calloc(1, sizeof *own);
    dnnl_memory_desc_t layout;
    size_t bytes;
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    own->head.kernels = &ln_kernels_onednn;
    own->head.product = *product;
    own->convolution = !ln_cpu_has("avx512");
    dnnl_status_t status = dnnl_engine_create(&own->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = make_primitive(own, false);
    layout = own->at[B];
    if (status == dnnl_success)
        status = make_primitive(own, true);
    if (status != dnnl_success) {
        onednn_release(&own->head);
        return failed(status, "prepare a matrix product", err);
    }
    assert(dnnl_memory_desc_equal(&layout, &own->at[B])); /* one B serves both */
    (void)layout;
    bytes = dnnl_memory_desc_get_size(&own->at[B]);
    own->data = ln_alloc_aligned(bytes);
    if (!own->data) {
        onednn_release(&own->head);
        return ln_fail_memory(err, bytes);
    }
    *out = own;
    return LN_OK;
}

static ln_status onednn_pack(const ln_product *product, const float *b, int64_t input_step,
                             int64_t output_step, ln_packed **packed, ln_error *err)
{
    onednn_packed *own = (onednn_packed *)*packed;
    if (!own) {
        ln_status status = make(product, &own, err);
        if (status)
            return status;
    }
    dnnl_status_t status = fill(own, b, input_step, output_step);
    if (status != dnnl_success) {
        if (!*packed)
            onednn_release(&own->head);
        return failed(status, "pack the weights of a layer", err);
    }
    *packed = &own->head;
    return LN_OK;
}

static ln_status onednn_multiply(const ln_packed *packed, int64_t rows, const float *x,
                                 const float *bias, float *y, void *scratch, ln_error *err)
{
    const onednn_packed *own = (const onednn_packed *)packed;
    const int names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD,
                         DNNL_ARG_BIAS};
    const dnnl_memory_desc_t *const at[] = {&own->at[X], &own->at[B], &own->at[Y],
                                            &own->at[SCRATCH], &own->at[BIAS]};
    void *const data[] = {(void *)(uintptr_t)x, own->data, y, scratch, (void *)(uintptr_t)bias};
    dnnl_status_t status =
        execute(own->engine, own->run[bias != NULL], bias ? 5 : 4, names, at, data);
    if (own->head.product.cut)
        ln_last_kernels_choose()->finish(&(ln_finish){.kind = LN_FINISH_RELU},
                                         rows * own->head.product.outputs, NULL, y);
    return status == dnnl_success ? LN_OK : failed(status, "multiply matrices", err);
}

const ln_kernels ln_kernels_onednn = {
    .name = "onednn",
    .pack = onednn_pack,
    .release = onednn_release,
    .multiply = onednn_multiply,
};
