/* The bodies of paths.h's kernels, compiled once an instruction set; the including file defines NAME, the table's
 * name. The compiler makes vectors of all loops. */
#include <string.h>

/* Means and spreads that stay in registers or the first cache while all draws go by: lines of them would be read
 * and written anew for each. */
enum { BLOCK = 64 };

static void point(double at, int64_t count, const float *x, const float *b, float *change,
                  float *to)
{
    if (!change) {
#pragma GCC ivdep
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)((double)b[i] + at * ((double)x[i] - (double)b[i]));
        return;
    }
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const double whole = (double)x[i] - (double)b[i];
        change[i] = (float)whole;
        to[i] = (float)((double)b[i] + at * whole);
    }
}

/* `count` numbers, BLOCK at most, of each line; `b` is an array. */
static inline __attribute__((always_inline)) void take_block(int64_t done, int64_t draws,
                                                             int64_t width, int64_t count,
                                                             const float *a, const float *b,
                                                             bool products, double *mean,
                                                             double *spread)
{
    double means[BLOCK] = {0}, spreads[BLOCK] = {0};
    if (done > 0) {
        memcpy(means, mean, (size_t)count * sizeof *mean);
        memcpy(spreads, spread, (size_t)count * sizeof *spread);
    }
    for (int64_t k = 0; k < draws; k++, a += width, b += width) {
        const double number = (double)(done + k + 1);
        for (int64_t i = 0; i < count; i++) {
            const double value = products ? (double)a[i] * (double)b[i] : (double)a[i];
            const double away = value - means[i];
            means[i] += away / number;
            spreads[i] += away * (value - means[i]);
        }
    }
    memcpy(mean, means, (size_t)count * sizeof *mean);
    memcpy(spread, spreads, (size_t)count * sizeof *spread);
}

static inline __attribute__((always_inline)) void take_all(int64_t done, int64_t draws,
                                                           int64_t count, const float *a,
                                                           const float *b, bool products,
                                                           double *mean, double *spread)
{
    int64_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK)
        take_block(done, draws, count, BLOCK, a + i, b + i, products, mean + i, spread + i);
    if (i < count)
        take_block(done, draws, count, count - i, a + i, b + i, products, mean + i, spread + i);
}

static void take(int64_t done, int64_t draws, int64_t count, const float *a, const float *b,
                 double *mean, double *spread)
{
    if (b)
        take_all(done, draws, count, a, b, true, mean, spread);
    else
        take_all(done, draws, count, a, a, false, mean, spread);
}

const ln_path_kernels NAME = {.point = point, .take = take};
