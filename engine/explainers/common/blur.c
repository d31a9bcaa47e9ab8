/* Separable: one pass an axis, each along lines of that axis, rounded to float32 once, at the end. As
 * scipy.ndimage.gaussian_filter with mode "reflect" and its own reach. Cost: numbers x axes x (8 sigma + 1). */
#include "explainers/common/blur.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define REACH 4.0 /* deviations */

/* The place of i behind the borders of 0 .. size - 1, mirrored as often as needed. */
static int64_t mirrored(int64_t i, int64_t size)
{
    int64_t at = i % (2 * size);
    if (at < 0)
        at += 2 * size;
    return at < size ? at : 2 * size - 1 - at;
}

/* One line of `size` numbers, `stride` apart, in place; `line` has room for them. */
static void blur_line(double *numbers, int64_t size, int64_t stride, const double *kernel,
                      int64_t reach, double *line)
{
    for (int64_t i = 0; i < size; i++)
        line[i] = numbers[i * stride];
    for (int64_t i = 0; i < size; i++) {
        double sum = kernel[0] * line[i];
        for (int64_t k = 1; k <= reach; k++)
            sum += kernel[k] * (line[mirrored(i - k, size)] + line[mirrored(i + k, size)]);
        numbers[i * stride] = sum;
    }
}

/* Weights of distance 0 .. reach, those of both sides adding up to 1. */
static void make_kernel(double sigma, int64_t reach, double *kernel)
{
    double sum = 0;
    for (int64_t k = 0; k <= reach; k++) {
        kernel[k] = exp(-0.5 * (double)(k * k) / (sigma * sigma));
        sum += k ? 2 * kernel[k] : kernel[k];
    }
    for (int64_t k = 0; k <= reach; k++)
        kernel[k] /= sum;
}

ln_status ln_blur(const float *from, const ln_shape *shape, int axes, double sigma, float *to,
                  ln_error *err)
{
    int64_t count = 1, longest = 1;
    for (int axis = 0; axis < shape->rank; axis++) {
        count *= shape->dims[axis];
        longest = shape->dims[axis] > longest ? shape->dims[axis] : longest;
    }
    const int64_t reach = (int64_t)(REACH * sigma + 0.5);
    const size_t bytes = (size_t)(count + longest + reach + 1) * sizeof(double);
    double *numbers = ln_alloc(bytes);
    if (!numbers)
        return ln_fail_memory(err, bytes);
    double *line = numbers + count, *kernel = line + longest;
    make_kernel(sigma, reach, kernel);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = (double)from[i];
    int64_t stride = 1;
    for (int axis = shape->rank - 1; axis >= shape->rank - axes; axis--) {
        const int64_t size = shape->dims[axis];
        for (int64_t i = 0; i < count; i++)
            if (i / stride % size == 0)
                blur_line(numbers + i, size, stride, kernel, reach, line);
        stride *= size;
    }
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)numbers[i];
    ln_free(numbers);
    return LN_OK;
}
