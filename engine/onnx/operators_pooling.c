/* MaxPool, AveragePool, LpPool and the global poolings. */
#include "base/error.h"
#include "onnx/operators.h"
#include "onnx/operators_window.h"

static ln_status read_pool(ln_onnx_import *import, ln_onnx_images *images, ln_pool_attributes *out,
                           ln_error *err)
{
    const ln_ints none = {0};
    ln_onnx_window window;
    int64_t ceil_mode = 0;
    ln_status status = ln_onnx_images_of(import, 1, 3, images, err);
    if (!status)
        status = ln_onnx_window_of(import, images, &none, false, &window, err);
    if (!status)
        status = ln_onnx_int(import, "ceil_mode", 0, &ceil_mode, err);
    if (status)
        return status;
    *out = (ln_pool_attributes){.kernel_size = window.kernel,
                                .stride = window.stride,
                                .padding = window.before,
                                .padding_after = window.after,
                                .dilation = window.dilation,
                                .ceil_mode = ceil_mode != 0,
                                .outer = images->outer};
    return LN_OK;
}

static ln_status finish(ln_onnx_import *import, const char *stem, const void *attributes,
                        const ln_onnx_images *images, ln_error *err)
{
    return ln_onnx_finish_one(import, ln_onnx_spatial_word(stem, images->axes).at, attributes,
                              &images->x, err);
}

/* The second output is the place of each maximum, counted through the whole input: where it is one
 * row only. */
ln_status ln_onnx_max_pool(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_pool_attributes attributes;
    int64_t order = 0;
    ln_status status = read_pool(import, &images, &attributes, err);
    if (!status)
        status = ln_onnx_int(import, "storage_order", 0, &order, err);
    if (status || !ln_onnx_has_output(import, 1))
        return status ? status : finish(import, "max_pool", &attributes, &images, err);
    if (!import->single && !import->folding)
        return ln_onnx_refuse(import, err,
                              "gives the places of its maxima ('%s'), which count through all rows "
                              "of a batch",
                              ln_bytes_text(import->node.outputs.at[1]).at);
    attributes.by_columns = order != 0;
    const ln_onnx_layout layouts[] = {images.x.layout, images.x.layout};
    return ln_onnx_finish_outputs(import, ln_onnx_spatial_word("max_pool", images.axes).at,
                                  &attributes, &images.x.value, 1, layouts, 2, err);
}

ln_status ln_onnx_average_pool(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_pool_attributes attributes;
    int64_t padding = 0;
    ln_status status = read_pool(import, &images, &attributes, err);
    if (!status)
        status = ln_onnx_int(import, "count_include_pad", 0, &padding, err);
    attributes.count_include_pad = padding != 0;
    return status ? status : finish(import, "avg_pool", &attributes, &images, err);
}

static ln_status read_norm(ln_onnx_import *import, double *out, ln_error *err)
{
    int64_t p;
    ln_status status = ln_onnx_int(import, "p", 2, &p, err);
    if (!status && p < 1)
        status = ln_onnx_malformed(import, err, "has p = %lld", (long long)p);
    *out = (double)p;
    return status;
}

ln_status ln_onnx_lp_pool(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_pool_attributes attributes;
    ln_status status = read_pool(import, &images, &attributes, err);
    if (!status)
        status = read_norm(import, &attributes.norm_type, err);
    attributes.absolute = true;
    return status ? status : finish(import, "lp_pool", &attributes, &images, err);
}

/* ---------------------------------------------------------------- global */

static ln_status global(ln_onnx_import *import, const char *stem, ln_error *err)
{
    ln_onnx_images images;
    ln_status status = ln_onnx_images_of(import, 1, 3, &images, err);
    if (status)
        return status;
    const ln_adaptive_attributes attributes = {.output_size = {1, {1}}, .outer = images.outer};
    return finish(import, stem, &attributes, &images, err);
}

ln_status ln_onnx_global_average_pool(ln_onnx_import *import, ln_error *err)
{
    return global(import, "adaptive_avg_pool", err);
}

ln_status ln_onnx_global_max_pool(ln_onnx_import *import, ln_error *err)
{
    return global(import, "adaptive_max_pool", err);
}

ln_status ln_onnx_global_lp_pool(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_pool_attributes attributes = {.absolute = true};
    ln_status status = ln_onnx_images_of(import, 1, 3, &images, err);
    if (!status)
        status = read_norm(import, &attributes.norm_type, err);
    if (status)
        return status;
    attributes.outer = images.outer;
    attributes.kernel_size.count = images.axes;
    for (int i = 0; i < images.axes; i++)
        attributes.kernel_size.at[i] = images.x.shape.dims[2 + i];
    return finish(import, "lp_pool", &attributes, &images, err);
}
