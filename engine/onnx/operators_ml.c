/* Operators of ai.onnx.ml: what scikit-learn's preprocessing becomes. */
#include "base/error.h"
#include "onnx/operators.h"

/* A list of one number, or one an element of the last axis, as a value of the graph. */
static ln_status column_values(ln_onnx_import *import, const char *name, float sign, int64_t width,
                               int *value, ln_error *err)
{
    ln_tensor *list;
    ln_status status = ln_onnx_floats(import, name, &list, err);
    if (status)
        return status;
    const int64_t count = list ? ln_shape_count(&list->shape) : 0;
    if (count != 1 && count != width)
        status = ln_onnx_malformed(import, err, "has %lld numbers in '%s' for %lld columns",
                                   (long long)count, name, (long long)width);
    for (int64_t i = 0; i < count && !status; i++)
        ln_f32(list)[i] *= sign;
    if (!status)
        status = ln_onnx_own_constant(import, sign < 0 ? ".offset" : ".scale", list, value, err);
    ln_tensor_release(list);
    return status;
}

/* y = (x - offset) scale */
ln_status ln_onnx_scaler(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x, moved;
    int inputs[2], axis;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && x.shape.rank == 0)
        return ln_onnx_malformed(import, err, "scales a single number");
    if (!status)
        status = ln_onnx_axis(import, &x, -1, &axis, err);
    if (status)
        return status;
    const int64_t width = x.shape.dims[x.shape.rank - 1];
    inputs[0] = x.value;
    status = column_values(import, "offset", -1, width, &inputs[1], err);
    if (!status)
        status = ln_onnx_between(import, "add", NULL, inputs, 2, x.layout, ".moved", &moved, err);
    if (status)
        return status;
    inputs[0] = moved.value;
    status = column_values(import, "scale", 1, width, &inputs[1], err);
    return status ? status : ln_onnx_finish(import, "mul", NULL, inputs, 2, x.layout, err);
}
