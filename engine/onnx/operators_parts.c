/* Operators that take parts of axes or add to them: Slice, Split, Pad, CenterCropPad, Tile, DepthToSpace,
 * SpaceToDepth. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- Slice */

/* An axis that is cut; all of the rows' axis is left alone. */
static bool is_whole(int64_t start, int64_t end, int64_t step, int64_t size)
{
    return step == 1 && (start == 0 || start <= -size) && end >= size;
}

typedef struct cuts {
    ln_ints starts, ends, axes, steps;
} cuts;

static ln_status read_cuts(ln_onnx_import *import, const ln_onnx_operand *x, cuts *out,
                           ln_error *err)
{
    bool starts, ends, axes;
    ln_status status = ln_onnx_ints_of(import, "starts", 1, &out->starts, &starts, err);
    if (!status)
        status = ln_onnx_ints_of(import, "ends", 2, &out->ends, &ends, err);
    if (!status)
        status = ln_onnx_ints_of(import, "axes", 3, &out->axes, &axes, err);
    out->steps = (ln_ints){0};
    if (!status && ln_onnx_has_input(import, 4))
        status = ln_onnx_list(import, 4, &out->steps, err);
    if (status)
        return status;
    if (!starts || !ends)
        return ln_onnx_malformed(import, err, "has no starts or no ends");
    for (int i = 0; !axes && i < out->starts.count; i++)
        out->axes.at[out->axes.count++] = i;
    for (int i = 0; out->steps.count < out->axes.count && i < out->axes.count; i++)
        out->steps.at[out->steps.count++] = 1;
    if (out->starts.count != out->axes.count || out->ends.count != out->axes.count ||
        out->steps.count != out->axes.count || out->axes.count > x->shape.rank)
        return ln_onnx_malformed(import, err, "has %d starts, %d ends and %d axes",
                                 out->starts.count, out->ends.count, out->axes.count);
    return LN_OK;
}

ln_status ln_onnx_slice(ln_onnx_import *import, ln_error *err)
{
    ln_slice_attributes own = {0};
    ln_onnx_operand x;
    cuts all;
    int stored[LN_MAX_RANK];
    ln_ints axes = {0};
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = read_cuts(import, &x, &all, err);
    for (int i = 0; !status && i < all.axes.count; i++) {
        int64_t axis = all.axes.at[i];
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
        if (status)
            return status;
        if (is_whole(all.starts.at[i], all.ends.at[i], all.steps.at[i], x.shape.dims[axis]))
            continue;
        own.starts.at[own.starts.count++] = all.starts.at[i];
        own.ends.at[own.ends.count++] = all.ends.at[i];
        own.steps.at[own.steps.count++] = all.steps.at[i];
        axes.at[axes.count++] = axis;
    }
    if (!status)
        status = ln_onnx_axes(import, &x, &axes, stored, err);
    if (status)
        return status;
    if (axes.count == 0)
        return ln_onnx_finish_one(import, "identity", NULL, &x, err);
    for (int i = 0; i < axes.count; i++)
        own.axes.at[own.axes.count++] = stored[i];
    return ln_onnx_finish_one(import, "slice", &own, &x, err);
}

/* ---------------------------------------------------------------- Split */

/* The size of each part: as the file says, or as equal as possible. */
static ln_status part_sizes(ln_onnx_import *import, int64_t size, int64_t *out, ln_error *err)
{
    const int64_t parts = (int64_t)import->node.outputs.count;
    ln_tensor *given = NULL;
    ln_ints attribute;
    ln_status status = LN_OK;
    int64_t number = parts, sum = 0;
    if (ln_onnx_has_input(import, 1)) {
        status = ln_onnx_numbers(import, 1, LN_I64, &given, err);
    } else if (ln_onnx_find_attribute(import, "split")) {
        status = ln_onnx_ints(import, "split", &attribute, err);
        if (!status && attribute.count != parts)
            return ln_onnx_malformed(import, err, "splits into %d parts and names %lld",
                                     attribute.count, (long long)parts);
        for (int64_t i = 0; i < parts && !status; i++)
            sum += out[i] = attribute.at[i];
    } else {
        status = ln_onnx_int(import, "num_outputs", parts, &number, err);
        const int64_t each = (size + number - 1) / (number > 0 ? number : 1);
        for (int64_t i = 0; i < parts && !status; i++)
            sum += out[i] = i + 1 < parts ? each : size - each * (parts - 1);
    }
    if (status)
        return status;
    if (given && ln_shape_count(&given->shape) != parts)
        return ln_onnx_malformed(import, err, "splits into %lld parts and names %lld",
                                 (long long)ln_shape_count(&given->shape), (long long)parts);
    for (int64_t i = 0; i < parts && given; i++)
        sum += out[i] = ln_i64(given)[i];
    bool fits = sum == size;
    for (int64_t i = 0; i < parts; i++)
        fits = fits && out[i] >= 0;
    if (!fits)
        return ln_onnx_malformed(import, err, "splits an axis of %lld into parts of %lld in all",
                                 (long long)size, (long long)sum);
    return LN_OK;
}

/* Output `output` without numbers: of axis `axis` nothing is left. */
static ln_status finish_nothing(ln_onnx_import *import, size_t output, const ln_onnx_operand *x,
                                int64_t axis, ln_error *err)
{
    ln_shape shape = x->shape;
    ln_tensor *tensor;
    shape.dims[axis] = 0;
    ln_status status = ln_tensor_new(x->dtype, &shape, &tensor, err);
    if (status)
        return status;
    status = ln_onnx_finish_constant(import, output, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

ln_status ln_onnx_split(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    int64_t axis, first = 0;
    int stored;
    const size_t parts = import->node.outputs.count;
    int64_t *sizes = ln_arena_calloc(&import->scratch, parts, sizeof *sizes);
    ln_status status = sizes ? LN_OK : ln_fail_memory(err, parts * sizeof *sizes);
    if (!status)
        status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "axis", 0, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status)
        status = part_sizes(import, x.shape.dims[axis], sizes, err);
    if (!status && parts == 1)
        return ln_onnx_finish_one(import, "identity", NULL, &x, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    for (size_t i = 0; i < parts && !status; first += sizes[i++]) {
        if (sizes[i] == 0 && !import->folding) {
            status = finish_nothing(import, i, &x, axis, err);
            continue;
        }
        const ln_slice_attributes own = {
            .axes = {1, {stored}}, .starts = {1, {first}}, .ends = {1, {first + sizes[i]}}};
        status = ln_onnx_finish_output(import, i, "slice", &own, &x.value, 1, x.layout, err);
    }
    return status;
}

/* ---------------------------------------------------------------- Pad */

/* Numbers before and after each logical axis. */
typedef struct pads {
    int64_t before[LN_MAX_RANK], after[LN_MAX_RANK];
} pads;

static ln_status read_pads(ln_onnx_import *import, const ln_onnx_operand *x, pads *out,
                           ln_error *err)
{
    const int rank = x->shape.rank;
    ln_ints axes = {0};
    ln_tensor *tensor = NULL;
    ln_status status;
    *out = (pads){0};
    if (ln_onnx_has_input(import, 1)) {
        status = ln_onnx_numbers(import, 1, LN_I64, &tensor, err);
        if (status)
            return status;
        ln_tensor_retain(tensor);
    } else {
        const ln_onnx_attribute *attribute = ln_onnx_find_attribute(import, "pads");
        if (!attribute)
            attribute = ln_onnx_find_attribute(import, "paddings");
        if (!attribute)
            return ln_onnx_malformed(import, err, "has no pads");
        status = ln_onnx_decode_list(attribute, import->origin, LN_I64, &tensor, err);
    }
    if (!status && ln_onnx_has_input(import, 3))
        status = ln_onnx_list(import, 3, &axes, err);
    for (int i = 0; i < rank && axes.count == 0 && !status && !ln_onnx_has_input(import, 3); i++)
        axes.at[i] = i;
    if (!ln_onnx_has_input(import, 3))
        axes.count = rank;
    if (!status && ln_shape_count(&tensor->shape) != 2 * axes.count)
        status = ln_onnx_malformed(import, err, "pads %d axes by %lld numbers", axes.count,
                                   (long long)ln_shape_count(&tensor->shape));
    for (int i = 0; i < axes.count && !status; i++) {
        int64_t axis = axes.at[i];
        status = ln_onnx_check_axis(import, rank, &axis, err);
        if (status)
            break;
        out->before[axis] = ln_i64(tensor)[i];
        out->after[axis] = ln_i64(tensor)[axes.count + i];
    }
    ln_tensor_release(tensor);
    return status;
}

/* Pads in the order of the stored axes, refusing the rows' own. */
static ln_status place_pads(ln_onnx_import *import, ln_onnx_operand *x, const pads *p,
                            ln_pad_attributes *out, ln_error *err)
{
    ln_ints axes = {0};
    int stored[LN_MAX_RANK];
    for (int i = 0; i < x->shape.rank; i++)
        if (p->before[i] != 0 || p->after[i] != 0)
            axes.at[axes.count++] = i;
    ln_status status = ln_onnx_axes(import, x, &axes, stored, err);
    if (status)
        return status;
    out->before.count = out->after.count = import->graph->values[x->value].shape.rank - 1;
    for (int i = 0; i < axes.count; i++) {
        out->before.at[stored[i] - 1] = p->before[axes.at[i]];
        out->after.at[stored[i] - 1] = p->after[axes.at[i]];
    }
    return LN_OK;
}

ln_status ln_onnx_pad(ln_onnx_import *import, ln_error *err)
{
    ln_pad_attributes own = {0};
    ln_onnx_operand x;
    float value = 0;
    pads p;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = read_pads(import, &x, &p, err);
    if (!status)
        status = ln_onnx_choice(import, "mode", LN_PAD_MODES, "constant", &own.mode, err);
    if (!status && ln_onnx_has_input(import, 2))
        status = ln_onnx_scalar(import, 2, &own.value, err);
    else if (!status && import->opset < 11) {
        status = ln_onnx_float(import, "value", 0, &value, err);
        own.value = (double)value;
    }
    if (!status)
        status = place_pads(import, &x, &p, &own, err);
    return status ? status : ln_onnx_finish_one(import, "pad", &own, &x, err);
}

/* Each axis to its size: what is too long is cut in the middle, what is too short is padded. */
ln_status ln_onnx_center_crop_pad(ln_onnx_import *import, ln_error *err)
{
    ln_pad_attributes own = {0};
    ln_onnx_operand x;
    ln_ints sizes, axes;
    pads p = {{0}, {0}};
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_list(import, 1, &sizes, err);
    if (!status)
        status = ln_onnx_ints(import, "axes", &axes, err);
    if (status)
        return status;
    const bool all = !ln_onnx_find_attribute(import, "axes");
    if (sizes.count != (all ? x.shape.rank : axes.count))
        return ln_onnx_malformed(import, err, "has %d sizes for %d axes", sizes.count,
                                 all ? x.shape.rank : axes.count);
    for (int i = 0; i < sizes.count && !status; i++) {
        int64_t axis = all ? i : axes.at[i];
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
        if (status)
            return status;
        const int64_t more = sizes.at[i] - x.shape.dims[axis];
        /* Of an odd number the smaller half comes first, of cuts and of pads. */
        p.before[axis] = more < 0 ? -(-more / 2) : more / 2;
        p.after[axis] = more - p.before[axis];
    }
    status = place_pads(import, &x, &p, &own, err);
    return status ? status : ln_onnx_finish_one(import, "pad", &own, &x, err);
}

/* ---------------------------------------------------------------- Tile */

ln_status ln_onnx_tile(ln_onnx_import *import, ln_error *err)
{
    ln_tile_attributes own = {0};
    ln_onnx_operand x;
    ln_ints repeats, axes = {0};
    int stored[LN_MAX_RANK];
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_list(import, 1, &repeats, err);
    if (!status && repeats.count != x.shape.rank)
        return ln_onnx_malformed(import, err, "repeats %d axes, but its input has %d",
                                 repeats.count, x.shape.rank);
    for (int i = 0; !status && i < repeats.count; i++)
        if (repeats.at[i] != 1)
            axes.at[axes.count++] = i;
    if (!status)
        status = ln_onnx_axes(import, &x, &axes, stored, err);
    if (status)
        return status;
    own.repeats.count = import->graph->values[x.value].shape.rank - 1;
    for (int i = 0; i < own.repeats.count; i++)
        own.repeats.at[i] = 1;
    for (int i = 0; i < axes.count; i++)
        own.repeats.at[stored[i] - 1] = repeats.at[axes.at[i]];
    return ln_onnx_finish_one(import, "tile", &own, &x, err);
}

/* ---------------------------------------------------------------- DepthToSpace, SpaceToDepth */

ln_status ln_onnx_shuffle(ln_onnx_import *import, ln_error *err)
{
    const bool up = strcmp(import->operator_name, "DepthToSpace") == 0;
    ln_shuffle_attributes own = {0};
    ln_onnx_operand x;
    int channels_first = 0;
    if (!ln_onnx_find_attribute(import, "blocksize"))
        return ln_onnx_malformed(import, err, "has no blocksize");
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "blocksize", 0, &own.factor, err);
    if (!status)
        status = ln_onnx_choice(import, "mode", "DCR|CRD", "DCR", &channels_first, err);
    if (!status && x.shape.rank != 4)
        return ln_onnx_malformed(import, err, "has an input with %d axes, not 4", x.shape.rank);
    if (!status)
        status = ln_onnx_rows_before(import, &x, 1, err);
    if (status)
        return status;
    own.block_first = !channels_first;
    return ln_onnx_finish_one(import, up ? "pixel_shuffle" : "pixel_unshuffle", &own, &x, err);
}
