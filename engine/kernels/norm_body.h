/* The bodies of norm.h's kernels, compiled once an instruction set; the including file defines LANES, the
 * floats of a register, and NAME, the table's name. */
#include <string.h>

#include "kernels/sums_body.h"

static double sum(int64_t count, const float *x)
{
    wide sums[SUM_REGISTERS] = {{0}};
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
#pragma GCC unroll 8
        for (int r = 0; r < SUM_REGISTERS; r++)
            sums[r] += widen(x + i + r * DOUBLES);
    for (int64_t lane = 0; lane < count - i; lane++)
        *lane_of(sums, lane) += (double)x[i + lane];
    return total(sums);
}

static double squares(int64_t count, double mean, const float *x)
{
    wide sums[SUM_REGISTERS] = {{0}};
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
#pragma GCC unroll 8
        for (int r = 0; r < SUM_REGISTERS; r++) {
            const wide at = widen(x + i + r * DOUBLES) - mean;
            sums[r] += at * at;
        }
    for (int64_t lane = 0; lane < count - i; lane++) {
        const double at = (double)x[i + lane] - mean;
        *lane_of(sums, lane) += at * at;
    }
    return total(sums);
}

/* The functions below, with `weighted` and `biased` as constants. */
static inline __attribute__((always_inline)) void apply_of(const ln_norm_group *group,
                                                           bool weighted, bool biased, float *y)
{
    const float *x = group->x, *weight = group->weight, *bias = group->bias;
    const double mean = group->mean, scale = group->scale;
    const double factor = group->factor, offset = group->offset;
#pragma GCC ivdep
    for (int64_t i = 0; i < group->count; i++) {
        const double w = weighted ? (double)weight[i] : factor;
        const double b = biased ? (double)bias[i] : offset;
        y[i] = (float)(((double)x[i] - mean) * scale * w + b);
    }
}

static void apply(const ln_norm_group *group, float *y)
{
    if (group->weight && group->bias)
        apply_of(group, true, true, y);
    else if (group->weight)
        apply_of(group, true, false, y);
    else if (group->bias)
        apply_of(group, false, true, y);
    else
        apply_of(group, false, false, y);
}

static inline __attribute__((always_inline)) void sums_of(const ln_norm_group *group, bool weighted,
                                                          const float *dy, double out[2])
{
    const float *x = group->x, *weight = group->weight;
    const double mean = group->mean, scale = group->scale, factor = group->factor;
    wide of_g[SUM_REGISTERS] = {{0}}, of_gn[SUM_REGISTERS] = {{0}};
    int64_t i = 0;
    for (; i + SUMS <= group->count; i += SUMS)
#pragma GCC unroll 8
        for (int r = 0; r < SUM_REGISTERS; r++) {
            const int64_t at = i + r * DOUBLES;
            const wide d = widen(dy + at), g = weighted ? d * widen(weight + at) : d * factor;
            of_g[r] += g;
            of_gn[r] += g * ((widen(x + at) - mean) * scale);
        }
    for (int64_t lane = 0; i < group->count; lane++, i++) {
        const double g = (double)dy[i] * (weighted ? (double)weight[i] : factor);
        *lane_of(of_g, lane) += g;
        *lane_of(of_gn, lane) += g * (((double)x[i] - mean) * scale);
    }
    out[0] += total(of_g);
    out[1] += total(of_gn);
}

static void both_sums(const ln_norm_group *group, const float *dy, double out[2])
{
    if (group->weight)
        sums_of(group, true, dy, out);
    else
        sums_of(group, false, dy, out);
}

static inline __attribute__((always_inline)) void back_of(const ln_norm_group *group, bool weighted,
                                                          const float *dy, double level,
                                                          double slope, float *dx)
{
    const float *x = group->x, *weight = group->weight;
    const double mean = group->mean, scale = group->scale, factor = group->factor;
#pragma GCC ivdep
    for (int64_t i = 0; i < group->count; i++) {
        const double g = (double)dy[i] * (weighted ? (double)weight[i] : factor);
        const double normal = ((double)x[i] - mean) * scale;
        dx[i] = (float)(scale * g - level - slope * normal);
    }
}

static void back(const ln_norm_group *group, const float *dy, double level, double slope, float *dx)
{
    if (group->weight)
        back_of(group, true, dy, level, slope, dx);
    else
        back_of(group, false, dy, level, slope, dx);
}

const ln_norm_kernels NAME = {
    .sum = sum, .squares = squares, .apply = apply, .sums = both_sums, .back = back};
