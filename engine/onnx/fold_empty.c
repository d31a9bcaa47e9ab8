/* Folding lists that are or become empty, as the shape arithmetic of exporters has them
 * (Concat(shape[:0], [2, 8])): layers know no empty values, so these two operators are answered here. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"

static bool is_empty(const ln_tensor *tensor)
{
    return ln_shape_count(&tensor->shape) == 0;
}

/* Concat: empty parts add nothing. All of them empty: so is the result, which has the first one's shape. */
static ln_status drop_empty_parts(ln_onnx_import *import, bool *done, ln_error *err)
{
    ln_bytes_list *inputs = &import->node.inputs;
    size_t kept = 0;
    ln_tensor *part, *first = NULL;
    ln_status status = LN_OK;
    for (size_t i = 0; i < inputs->count && !status; i++) {
        if (!ln_onnx_has_input(import, i))
            return LN_OK;
        status = ln_onnx_constant(import, i, &part, err);
        if (status)
            return status;
        first = first ? first : part;
        if (!is_empty(part))
            inputs->at[kept++] = inputs->at[i];
    }
    if (kept > 0) {
        inputs->count = kept;
        return LN_OK;
    }
    *done = first != NULL;
    return first ? ln_onnx_finish_constant(import, 0, first, err) : LN_OK;
}

static int64_t clamped(int64_t at, int64_t count, int64_t least, int64_t most)
{
    at += at < 0 ? count : 0;
    return at < least ? least : at > most ? most : at;
}

/* Slice of a list of which nothing is left. */
static ln_status slice_to_nothing(ln_onnx_import *import, bool *done, ln_error *err)
{
    ln_tensor *list, *none;
    ln_ints starts = {.count = 0}, ends = {.count = 0}, steps = {.count = 0};
    if (!ln_onnx_has_input(import, 1) || !ln_onnx_has_input(import, 2))
        return LN_OK;
    ln_status status = ln_onnx_constant(import, 0, &list, err);
    if (!status)
        status = ln_onnx_list(import, 1, &starts, err);
    if (!status)
        status = ln_onnx_list(import, 2, &ends, err);
    if (!status && ln_onnx_has_input(import, 4))
        status = ln_onnx_list(import, 4, &steps, err);
    if (status || list->shape.rank != 1 || starts.count != 1 || ends.count != 1)
        return status;
    const int64_t count = list->shape.dims[0], step = steps.count == 1 ? steps.at[0] : 1;
    const bool left =
        step > 0 ? clamped(starts.at[0], count, 0, count) < clamped(ends.at[0], count, 0, count)
                 : clamped(starts.at[0], count, -1, count - 1) >
                       clamped(ends.at[0], count, -1, count - 1);
    if (left)
        return LN_OK;
    status = ln_tensor_new(list->dtype, &(ln_shape){1, {0}}, &none, err);
    if (status)
        return status;
    *done = true;
    status = ln_onnx_finish_constant(import, 0, none, err);
    ln_tensor_release(none);
    return status;
}

ln_status ln_onnx_fold_empty(ln_onnx_import *import, bool *done, ln_error *err)
{
    *done = false;
    if (strcmp(import->operator_name, "Concat") == 0)
        return drop_empty_parts(import, done, err);
    if (strcmp(import->operator_name, "Slice") == 0)
        return slice_to_nothing(import, done, err);
    return LN_OK;
}
