/* The bodies of rules.h's kernels, compiled once an instruction set; the including file defines NAME, the
 * table's name. The compiler makes vectors of all loops: they are compiled with -fno-trapping-math, so that
 * it may compute what is then not chosen, and what two arrays share is the same place, hence the pragmas. */
#include <math.h>

enum { BLOCK = 256 }; /* numbers that stay in the first cache between two loops */

static inline double greater(double a, double b)
{
    return a > b ? a : b;
}

static inline double total(const double *sums)
{
    double all = 0;
    for (int lane = 0; lane < LN_RULE_LANES; lane++)
        all += sums[lane];
    return all;
}

/* `count` numbers, LN_RULE_LANES at most. */
static inline __attribute__((always_inline)) void ratio_block(const ln_ratio *how, int sign,
                                                              const float *bias, int64_t count,
                                                              const float *z, const float *r,
                                                              const float *gate, float *s,
                                                              double *sums)
{
    const float factor = how->factor;
    const double epsilon = how->epsilon;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const double at = (double)z[i];
        const float below = (float)(at + (at >= 0 ? epsilon : -epsilon));
        const float ratio = factor * r[i] / below;
        const double taken = (double)ratio * ((double)below - (at - (double)bias[i]));
        const bool open = sign == 0 || (sign > 0 ? gate[i] > 0 : gate[i] < 0);
        sums[i] += open ? taken : 0;
        s[i] = open ? ratio : 0;
    }
}

static inline __attribute__((always_inline)) double ratios_of(const ln_ratio *how, int sign,
                                                              int64_t count, const float *z,
                                                              const float *r, const float *gate,
                                                              float *s)
{
    const float none[LN_RULE_LANES] = {0};
    const float *bias = how->bias ? how->bias : none;
    const int64_t period = how->bias ? how->period : LN_RULE_LANES;
    double sums[LN_RULE_LANES] = {0};
    int64_t i = 0, at = 0;
    for (; i + LN_RULE_LANES <= count; i += LN_RULE_LANES) {
        ratio_block(how, sign, bias + at, LN_RULE_LANES, z + i, r + i, sign ? gate + i : NULL,
                    s + i, sums);
        at = at + LN_RULE_LANES == period ? 0 : at + LN_RULE_LANES;
    }
    ratio_block(how, sign, bias + at, count - i, z + i, r + i, sign ? gate + i : NULL, s + i, sums);
    return total(sums);
}

static double ratios(const ln_ratio *how, int64_t count, const float *z, const float *r,
                     const float *gate, float *s)
{
    if (how->sign == 0)
        return ratios_of(how, 0, count, z, r, NULL, s);
    return how->sign > 0 ? ratios_of(how, 1, count, z, r, gate, s)
                         : ratios_of(how, -1, count, z, r, gate, s);
}

static void multiply(int64_t count, const float *x, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] *= x[i];
}

static void multiply_add(int64_t count, const float *x, const float *c, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] += x[i] * c[i];
}

static void split(int64_t count, const float *x, float *positive, float *negative)
{
    for (int64_t i = 0; i < count; i++) {
        const float number = x[i];
        positive[i] = number > 0 ? number : 0;
        negative[i] = number < 0 ? number : 0;
    }
}

static bool all_positive(int64_t count, const float *x)
{
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t end = count - first < BLOCK ? count : first + BLOCK;
        int others = 0;
        for (int64_t i = first; i < end; i++)
            others |= !(x[i] >= 0);
        if (others)
            return false;
    }
    return true;
}

/* Of x where z is neither above nor below 0; `all`: everywhere. */
static inline __attribute__((always_inline)) void sum_block(int64_t count, bool all, const float *z,
                                                            const float *x, double *sums)
{
    for (int64_t i = 0; i < count; i++) {
        const bool taken = all || (!(z[i] > 0) && !(z[i] < 0));
        sums[i] += taken ? (double)x[i] : 0;
    }
}

static inline __attribute__((always_inline)) double sum_of(int64_t count, bool all, const float *z,
                                                           const float *x)
{
    double sums[LN_RULE_LANES] = {0};
    int64_t i = 0;
    for (; i + LN_RULE_LANES <= count; i += LN_RULE_LANES)
        sum_block(LN_RULE_LANES, all, z + i, x + i, sums);
    sum_block(count - i, all, z + i, x + i, sums);
    return total(sums);
}

static double sum(int64_t count, const float *x)
{
    return sum_of(count, true, x, x);
}

static double sum_at_zero(int64_t count, const float *z, const float *x)
{
    return sum_of(count, false, z, x);
}

static void secant(double noise, int64_t count, const float *x, const float *x_b, const float *y,
                   const float *y_b, const float *above, float *m)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const double change = (double)x[i] - (double)x_b[i];
        const double most = greater(fabs((double)x[i]), fabs((double)x_b[i]));
        const double made = (double)above[i] * ((double)y[i] - (double)y_b[i]) / change;
        m[i] = fabs(change) > noise * most ? (float)made : m[i];
    }
}

static void chord(const ln_chord *how, int64_t count, const float *x, const float *x_b,
                  const float *y, const float *y_b, const float *above, const float *other,
                  float *m)
{
    const double noise = how->noise, near = how->near, rounding = how->rounding;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const double change = (double)x[i] - (double)x_b[i];
        const double most = greater(fabs((double)x[i]), fabs((double)x_b[i]));
        const double given = (double)above[i], rise = given * ((double)y[i] - (double)y_b[i]);
        const double mean = ((double)m[i] + (double)other[i]) / 2;
        const double size = fabs(given) * (fabs((double)y[i]) + fabs((double)y_b[i]));
        const bool same =
            fabs(change) <= near * most && fabs(mean * change - rise) <= rounding * size;
        const double made = same ? mean : rise / change;
        m[i] = fabs(change) > noise * most ? (float)made : m[i];
    }
}

static void hand(bool least, int64_t count, const float *y, const float *y_b, const float *above,
                 float *to, float *to_b)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const float high = y[i] > y_b[i] ? y[i] : y_b[i], low = y[i] < y_b[i] ? y[i] : y_b[i];
        const float c = least ? low : high;
        to[i] = above[i] * (c - y_b[i]);
        to_b[i] = above[i] * (y[i] - c);
    }
}

static void share(int64_t count, const float *x, const float *x_b, const float *m_b, float *m)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
        const double change = (double)x[i] - (double)x_b[i];
        const double given = (double)m[i] + (double)m_b[i];
        m[i] = change == 0 ? 0 : (float)(given / change);
    }
}

const ln_rule_kernels NAME = {.ratios = ratios,
                              .multiply = multiply,
                              .multiply_add = multiply_add,
                              .split = split,
                              .all_positive = all_positive,
                              .sum = sum,
                              .sum_at_zero = sum_at_zero,
                              .secant = secant,
                              .chord = chord,
                              .hand = hand,
                              .share = share};
