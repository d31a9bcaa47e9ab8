#include "draw/decimate.h"

#include <math.h>
#include <string.h>

static bool finite_at(const double *points, int64_t i)
{
    return isfinite(points[2 * i]) && isfinite(points[2 * i + 1]);
}

int64_t ln_decimate(double *points, int64_t count, double step)
{
    int64_t kept = 0;
    for (int64_t first = 0, end; first < count; first = end) {
        int64_t low = first, high = first;
        end = first + 1;
        if (finite_at(points, first)) {
            const double column = floor(points[2 * first] / step);
            while (end < count && finite_at(points, end) &&
                   floor(points[2 * end] / step) == column) {
                low = points[2 * end + 1] < points[2 * low + 1] ? end : low;
                high = points[2 * end + 1] > points[2 * high + 1] ? end : high;
                end++;
            }
        }
        const int64_t chosen[4] = {first, low < high ? low : high, low < high ? high : low,
                                   end - 1};
        for (int k = 0; k < 4; k++)
            if (k == 0 || chosen[k] != chosen[k - 1]) {
                memmove(points + 2 * kept, points + 2 * chosen[k], 2 * sizeof *points);
                kept++;
            }
    }
    return kept;
}
