/* From one dtype to another. Integers go through int64, reals through double; both hold every value
 * of the dtypes they serve, so a conversion is exact or refused, but for the rounding that a float
 * always brings: f64 to f32 and large integers to f32 or f64 take the nearest value. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "tensor/tensor.h"

/* One element: `whole` where it is of an integer dtype, else `real`. */
typedef struct element {
    bool is_real;  /* which of the two holds it */
    double real;   /* f32 and f64 */
    int64_t whole; /* i64, i32, u8 and bool */
} element;

static element load(ln_dtype dtype, const void *data, int64_t at)
{
    switch (dtype) {
    case LN_F32:
        return (element){.is_real = true, .real = ((const float *)data)[at]};
    case LN_F64:
        return (element){.is_real = true, .real = ((const double *)data)[at]};
    case LN_I64:
        return (element){.whole = ((const int64_t *)data)[at]};
    case LN_I32:
        return (element){.whole = ((const int32_t *)data)[at]};
    case LN_U8:
    case LN_BOOL:
        return (element){.whole = ((const uint8_t *)data)[at]};
    }
    return (element){0};
}

/* The element as a whole number; false when it is none, or outside low .. high. */
static bool as_whole(element from, int64_t low, int64_t high, int64_t *out)
{
    if (from.is_real) {
        /* -2^63 and 2^63 are doubles; NaN fails the comparison. */
        const double limit = 9223372036854775808.0;
        if (!(from.real >= -limit && from.real < limit) || from.real != trunc(from.real))
            return false;
        from.whole = (int64_t)from.real;
    }
    *out = from.whole;
    return from.whole >= low && from.whole <= high;
}

/* False when the value does not fit. */
static bool store(ln_dtype dtype, void *data, int64_t at, element from)
{
    int64_t whole = 0;
    bool fits = false;
    switch (dtype) {
    case LN_F64:
        ((double *)data)[at] = from.is_real ? from.real : (double)from.whole;
        return true;
    case LN_F32: {
        float value = from.is_real ? (float)from.real : (float)from.whole;
        ((float *)data)[at] = value;
        return !(from.is_real && isinf(value) && !isinf(from.real));
    }
    case LN_I64:
        fits = as_whole(from, INT64_MIN, INT64_MAX, &whole);
        ((int64_t *)data)[at] = whole;
        return fits;
    case LN_I32:
        fits = as_whole(from, INT32_MIN, INT32_MAX, &whole);
        ((int32_t *)data)[at] = (int32_t)whole;
        return fits;
    case LN_U8:
    case LN_BOOL:
        fits = as_whole(from, 0, dtype == LN_BOOL ? 1 : UINT8_MAX, &whole);
        ((uint8_t *)data)[at] = (uint8_t)whole;
        return fits;
    }
    return false;
}

static ln_status fail_fit(element from, int64_t at, ln_dtype dtype, ln_error *err)
{
    char value[40];
    if (from.is_real)
        snprintf(value, sizeof value, "%.9g", from.real);
    else
        snprintf(value, sizeof value, "%" PRId64, from.whole);
    return ln_fail(err, LN_EINVALID, "element %" PRId64 " is %s, which %s cannot hold", at, value,
                   ln_dtype_name(dtype));
}

ln_status ln_tensor_convert(ln_tensor *tensor, ln_dtype dtype, ln_tensor **out, ln_error *err)
{
    *out = NULL;
    if (tensor->dtype == dtype) {
        *out = ln_tensor_retain(tensor);
        return LN_OK;
    }
    ln_status status = ln_tensor_new(dtype, &tensor->shape, out, err);
    if (status)
        return status;
    int64_t count = ln_shape_count(&tensor->shape);
    for (int64_t i = 0; i < count; i++) {
        element from = load(tensor->dtype, tensor->data, i);
        if (!store(dtype, (*out)->data, i, from)) {
            ln_tensor_release(*out);
            *out = NULL;
            return fail_fit(from, i, dtype, err);
        }
    }
    return LN_OK;
}
