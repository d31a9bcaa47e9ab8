/* Equality is that of bits: -0 and 0 differ, a NaN equals itself. Sizes of differences are those of
 * numbers: -0 and 0 are 0 apart. One pass over both, O(elements). */
#include "tensor/difference.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* The elements of a row, or of all: their place and number. */
static ln_status span(const ln_tensor *tensor, int64_t row, const void **data, int64_t *count,
                      ln_error *err)
{
    *data = tensor->data;
    *count = ln_shape_count(&tensor->shape);
    if (row < 0)
        return LN_OK;
    if (tensor->shape.rank < 1 || row >= tensor->shape.dims[0])
        return ln_fail(err, LN_EINVALID, "a tensor of %lld rows has no row %lld",
                       (long long)(tensor->shape.rank < 1 ? 0 : tensor->shape.dims[0]),
                       (long long)row);
    *count = ln_shape_row(&tensor->shape);
    *data = (const char *)tensor->data + (size_t)(row * *count) * ln_dtype_size(tensor->dtype);
    return LN_OK;
}

static double number_at(ln_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case LN_F32:
        return ((const float *)data)[i];
    case LN_F64:
        return ((const double *)data)[i];
    case LN_I64:
        return (double)((const int64_t *)data)[i];
    case LN_I32:
        return ((const int32_t *)data)[i];
    case LN_U8:
    case LN_BOOL:
        return ((const uint8_t *)data)[i];
    }
    return 0;
}

static double apart(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return 0;
    return isfinite(a) && isfinite(b) ? fabs(a - b) : INFINITY;
}

ln_status ln_tensor_difference(const ln_tensor *a, int64_t row_a, const ln_tensor *b, int64_t row_b,
                               ln_difference *out, ln_error *err)
{
    const void *x, *y;
    int64_t count, other;
    *out = (ln_difference){.first = -1};
    ln_status status = span(a, row_a, &x, &count, err);
    if (status == LN_OK)
        status = span(b, row_b, &y, &other, err);
    if (status != LN_OK)
        return status;
    out->comparable = a->dtype == b->dtype && count == other;
    if (!out->comparable)
        return LN_OK;
    size_t size = ln_dtype_size(a->dtype);
    out->elements = count;
    for (int64_t i = 0; i < count; i++) {
        double p = number_at(a->dtype, x, i), q = number_at(b->dtype, y, i);
        if (isfinite(p))
            out->scale = fmax(out->scale, fabs(p));
        if (isfinite(q))
            out->scale = fmax(out->scale, fabs(q));
        if (memcmp((const char *)x + (size_t)i * size, (const char *)y + (size_t)i * size, size) ==
            0)
            continue;
        if (out->count++ == 0) {
            out->first = i;
            out->a = p;
            out->b = q;
        }
        out->greatest = fmax(out->greatest, apart(p, q));
    }
    return LN_OK;
}
