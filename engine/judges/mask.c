#include "judges/mask.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

enum { OUTSIDE, INSIDE, UNSEEN };

/* One row of the mask; the unit that lies partly inside, or -1. */
static int64_t mask_row(const double *given, const int32_t *element_of, int64_t width,
                        const int32_t *unit_of, int64_t units, uint8_t *to)
{
    memset(to, UNSEEN, (size_t)units);
    for (int64_t i = 0; i < width; i++) {
        uint8_t side = given[element_of ? element_of[i] : i] != 0 ? INSIDE : OUTSIDE;
        if (unit_of && unit_of[i] < 0)
            continue;
        uint8_t *unit = &to[unit_of ? unit_of[i] : i];
        if (*unit != UNSEEN && *unit != side)
            return unit - to;
        *unit = side;
    }
    for (int64_t u = 0; u < units; u++)
        if (to[u] == UNSEEN)
            to[u] = OUTSIDE;
    return -1;
}

ln_status ln_mask_make(ln_tensor *given, const int32_t *element_of, int64_t width,
                       const int32_t *unit_of, int64_t units, ln_tensor **out, ln_error *err)
{
    *out = NULL;
    int64_t rows = given->shape.dims[0], elements = ln_shape_row(&given->shape), partly = -1;
    ln_tensor *numbers = NULL;
    ln_status status = ln_tensor_convert(given, LN_F64, &numbers, err);
    if (!status)
        status = ln_tensor_new(LN_U8, &(ln_shape){.rank = 2, .dims = {rows, units}}, out, err);
    for (int64_t i = 0; i < rows * elements && !status; i++)
        if (isnan(ln_f64(numbers)[i]))
            status = ln_fail(err, LN_EINVALID,
                             "the mask holds NaN: expected 0 outside, any other number inside");
    for (int64_t r = 0; r < rows && !status; r++) {
        partly = mask_row(ln_f64(numbers) + r * elements, element_of, width, unit_of, units,
                          (uint8_t *)(*out)->data + r * units);
        if (partly >= 0)
            status = ln_fail(err, LN_EINVALID,
                             "group %" PRId64 " lies partly in the mask: expected each group of "
                             "the explanation whole inside or outside",
                             partly);
    }
    ln_tensor_release(numbers);
    if (status) {
        ln_tensor_release(*out);
        *out = NULL;
    }
    return status;
}
