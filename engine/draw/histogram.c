#include "draw/histogram.h"

#include <math.h>
#include <string.h>

void ln_histogram_of(const ln_tensor *values, double most, int64_t bins, int64_t *counts)
{
    const int64_t count = ln_shape_count(&values->shape);
    const float *x = ln_f32(values);
    memset(counts, 0, (size_t)bins * sizeof *counts);
    for (int64_t i = 0; i < count; i++) {
        const double at = most > 0 ? ((double)x[i] + most) / (2 * most) : x[i] == 0 ? 0.5 : NAN;
        if (!(at >= 0 && at <= 1))
            continue;
        const int64_t bin = (int64_t)(at * (double)bins);
        counts[bin < bins ? bin : bins - 1]++;
    }
}
