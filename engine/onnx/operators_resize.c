/* Resize, and Upsample before it. The sizes and scales must be constants; the rows keep theirs. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* What each logical axis becomes. */
typedef struct target {
    double scale[LN_MAX_RANK], start[LN_MAX_RANK], end[LN_MAX_RANK];
    int64_t size[LN_MAX_RANK];
} target;

/* The logical axes that scales, sizes and roi speak of. */
static ln_status read_axes(ln_onnx_import *import, int rank, ln_ints *axes, ln_error *err)
{
    ln_status status = ln_onnx_ints(import, "axes", axes, err);
    if (!status && axes->count == 0)
        for (axes->count = 0; axes->count < rank && axes->count < LN_MAX_RANK; axes->count++)
            axes->at[axes->count] = axes->count;
    for (int i = 0; i < axes->count && !status; i++)
        status = ln_onnx_check_axis(import, rank, &axes->at[i], err);
    return status;
}

/* A list of floats, one an axis named (roi: two); NULL where the input is absent or empty. */
static ln_status read_floats(ln_onnx_import *import, size_t input, int64_t wanted, ln_tensor **out,
                             ln_error *err)
{
    *out = NULL;
    if (!ln_onnx_has_input(import, input))
        return LN_OK;
    ln_status status = ln_onnx_numbers(import, input, LN_F32, out, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&(*out)->shape);
    if (count == 0)
        *out = NULL;
    else if (count != wanted)
        return ln_onnx_malformed(import, err, "has %lld numbers '%s' where it needs %lld",
                                 (long long)count, ln_onnx_input_text(import, input).at,
                                 (long long)wanted);
    return LN_OK;
}

static ln_status read_scales(ln_onnx_import *import, size_t input, const ln_ints *axes,
                             ln_tensor **out, ln_error *err)
{
    const ln_onnx_attribute *attribute = ln_onnx_find_attribute(import, "scales");
    if (attribute) {
        ln_status status = ln_onnx_decode_list(attribute, import->origin, LN_F32, out, err);
        if (!status && (*out)->shape.dims[0] != axes->count)
            status = ln_onnx_malformed(import, err, "has %lld scales for %d axes",
                                       (long long)(*out)->shape.dims[0], axes->count);
        return status;
    }
    ln_status status = read_floats(import, input, axes->count, out, err);
    if (!status && *out)
        ln_tensor_retain(*out);
    return status;
}

/* Sizes asked for: each axis its own, or (opset 18) one scale for all. */
static void take_sizes(const ln_ints *sizes, const ln_ints *axes, const ln_shape *in, int policy,
                       target *to)
{
    double common = 0;
    for (int i = 0; i < axes->count; i++) {
        const int64_t axis = axes->at[i];
        to->size[axis] = sizes->at[i];
        to->scale[axis] = (double)sizes->at[i] / (double)in->dims[axis];
        if (i == 0 || (policy == 1 ? to->scale[axis] < common : to->scale[axis] > common))
            common = to->scale[axis];
    }
    for (int i = 0; i < axes->count && policy > 0; i++) {
        const int64_t axis = axes->at[i];
        to->scale[axis] = common;
        to->size[axis] = (int64_t)floor(common * (double)in->dims[axis] + 0.5);
    }
}

static ln_status read_target(ln_onnx_import *import, const ln_onnx_operand *x, target *to,
                             ln_error *err)
{
    const bool old = strcmp(import->operator_name, "Upsample") == 0 || import->opset < 11;
    ln_ints axes = {0}, sizes = {0};
    ln_tensor *scales = NULL, *roi = NULL;
    int policy = 0;
    ln_status status = read_axes(import, x->shape.rank, &axes, err);
    for (int i = 0; i < x->shape.rank; i++) {
        to->size[i] = x->shape.dims[i];
        to->scale[i] = to->end[i] = 1;
        to->start[i] = 0;
    }
    if (!status && !old)
        status = read_floats(import, 1, 2 * axes.count, &roi, err);
    for (int i = 0; i < axes.count && roi; i++) {
        to->start[axes.at[i]] = (double)ln_f32(roi)[i];
        to->end[axes.at[i]] = (double)ln_f32(roi)[axes.count + i];
    }
    if (!status)
        status = ln_onnx_choice(import, "keep_aspect_ratio_policy",
                                "stretch|not_larger|not_smaller", "stretch", &policy, err);
    if (!status && !old && ln_onnx_has_input(import, 3))
        status = ln_onnx_list(import, 3, &sizes, err);
    if (!status && sizes.count > 0 && sizes.count != axes.count)
        return ln_onnx_malformed(import, err, "has %d sizes for %d axes", sizes.count, axes.count);
    if (!status && sizes.count > 0)
        take_sizes(&sizes, &axes, &x->shape, policy, to);
    else if (!status)
        status = read_scales(import, old ? 1 : 2, &axes, &scales, err);
    if (!status && sizes.count == 0 && !scales)
        return ln_onnx_malformed(import, err, "has neither scales nor sizes");
    const bool crop = !status && roi != NULL;
    for (int i = 0; i < axes.count && scales && !status; i++) {
        const int64_t axis = axes.at[i];
        const double part = crop ? to->end[axis] - to->start[axis] : 1;
        to->scale[axis] = (double)ln_f32(scales)[i];
        to->size[axis] = (int64_t)floor((double)x->shape.dims[axis] * part * to->scale[axis]);
    }
    ln_tensor_release(scales);
    return status;
}

static ln_status read_attributes(ln_onnx_import *import, ln_upsample_attributes *own, ln_error *err)
{
    static const int modes[] = {LN_UPSAMPLE_NEAREST, LN_UPSAMPLE_LINEAR, LN_UPSAMPLE_BICUBIC};
    const bool old = strcmp(import->operator_name, "Upsample") == 0 || import->opset < 11;
    float cubic, outside;
    int64_t exclude, antialias;
    int mode = 0;
    ln_status status =
        ln_onnx_choice(import, "mode", "nearest|linear|cubic", "nearest", &mode, err);
    if (!status)
        status = ln_onnx_choice(import, "coordinate_transformation_mode", LN_UPSAMPLE_COORDINATES,
                                old ? "asymmetric" : "half_pixel", &own->coordinates, err);
    if (!status)
        status = ln_onnx_choice(import, "nearest_mode", LN_UPSAMPLE_ROUNDINGS,
                                old ? "floor" : "round_prefer_floor", &own->rounding, err);
    if (!status)
        status = ln_onnx_float(import, "cubic_coeff_a", -0.75F, &cubic, err);
    if (!status)
        status = ln_onnx_float(import, "extrapolation_value", 0, &outside, err);
    if (!status)
        status = ln_onnx_int(import, "exclude_outside", 0, &exclude, err);
    if (!status)
        status = ln_onnx_int(import, "antialias", 0, &antialias, err);
    if (status)
        return status;
    own->mode = modes[mode];
    own->cubic = (double)cubic;
    own->extrapolation = (double)outside;
    own->exclude_outside = exclude != 0;
    own->antialias = antialias != 0;
    return LN_OK;
}

/* The table of scales as the layer takes it. */
static ln_status own_table(ln_onnx_import *import, const ln_upsample_attributes *own,
                           const double *numbers, int *value, ln_error *err)
{
    const ln_shape shape = {2, {3, own->sizes.count}};
    ln_tensor *table;
    ln_status status = ln_tensor_new(LN_F32, &shape, &table, err);
    if (status)
        return status;
    for (int64_t i = 0; i < ln_shape_count(&shape); i++)
        ln_f32(table)[i] = (float)numbers[i];
    status = ln_onnx_own_constant(import, ".scales", table, value, err);
    ln_tensor_release(table);
    return status;
}

ln_status ln_onnx_resize(ln_onnx_import *import, ln_error *err)
{
    ln_upsample_attributes own = {.scale_factor = 1};
    ln_onnx_operand x;
    ln_ints changed = {0};
    target to;
    int stored[LN_MAX_RANK], inputs[2];
    double table[3 * LN_MAX_RANK];
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = read_attributes(import, &own, err);
    if (!status)
        status = read_target(import, &x, &to, err);
    for (int i = 0; i < x.shape.rank && !status; i++)
        if (to.size[i] != x.shape.dims[i] || to.scale[i] != 1 || to.start[i] != 0 || to.end[i] != 1)
            changed.at[changed.count++] = i;
    if (!status)
        status = ln_onnx_axes(import, &x, &changed, stored, err);
    if (status)
        return status;
    const ln_shape *all = &import->graph->values[x.value].shape;
    own.sizes.count = all->rank - 1;
    for (int i = 0; i < own.sizes.count; i++) {
        own.sizes.at[i] = all->dims[i + 1];
        table[i] = table[2 * own.sizes.count + i] = 1;
        table[own.sizes.count + i] = 0;
    }
    for (int i = 0; i < changed.count; i++) {
        const int at = stored[i] - 1;
        own.sizes.at[at] = to.size[changed.at[i]];
        table[at] = to.scale[changed.at[i]];
        table[own.sizes.count + at] = to.start[changed.at[i]];
        table[2 * own.sizes.count + at] = to.end[changed.at[i]];
    }
    inputs[0] = x.value;
    status = own_table(import, &own, table, &inputs[1], err);
    return status ? status : ln_onnx_finish(import, "upsample", &own, inputs, 2, x.layout, err);
}
