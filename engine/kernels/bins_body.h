/* The body of bins.h's kernels, compiled once an instruction set. The including file defines LANES, the type
 * `vector` (floats), NAME, the table's name, and has included bins.h; where it has a better way to look numbers up
 * and list them it defines LOOK_UP, and the functions look_up, find, take and list that stand here. */
#include <math.h>
#include <string.h>

#include "kernels/square.h"
#include "kernels/sums_body.h"

#define MIDDLE 0.425 /* shares around 1/2 for which the quantile needs no logarithm */
#define TAIL 5.0     /* roots of logarithms up to which the second quotient holds, then the third */

typedef uint32_t half_words __attribute__((vector_size(DOUBLES * 4), aligned(4), may_alias));

#ifndef LOOK_UP
/* Of DOUBLES bins. */
static inline wide look_up(const double *table, const int32_t *bin)
{
    wide out = {0};
#pragma GCC unroll 8
    for (int l = 0; l < DOUBLES; l++)
        out[l] = table[bin[l] % LN_BIN_TABLE];
    return out;
}

static void find(const uint8_t *bin_of_row, int64_t rows, const uint32_t *choice, int64_t count,
                 int32_t *bin)
{
    for (int64_t s = 0; s < count; s++)
        bin[s] = bin_of_row[(uint64_t)choice[s] * (uint64_t)rows >> 32];
}

static void take(const float *table, const int32_t *bin, int64_t count, float *out)
{
    for (int64_t s = 0; s < count; s++)
        out[s] = table[bin[s] % LN_BIN_TABLE];
}

/* The numbers of the lanes that a mask holds, counted from `first`, into `to`, which has room for all; how many. */
static inline int64_t list(wide_lanes mask, int32_t first, int32_t *to)
{
    int64_t count = 0;
#pragma GCC unroll 8
    for (int l = 0; l < DOUBLES; l++) {
        to[count] = first + l;
        count -= mask[l];
    }
    return count;
}
#endif

static inline wide magnitude(wide x)
{
    return (wide)((wide_lanes)x & INT64_MAX);
}

static inline wide pick(wide_lanes mask, wide yes, wide no)
{
    return (wide)((mask & (wide_lanes)yes) | (~mask & (wide_lanes)no));
}

static void shares(const ln_bin_table *table, const int32_t *bin, const uint32_t *words,
                   int64_t count, double *share)
{
    for (int64_t s = 0; s < count; s += DOUBLES) {
        const wide word = __builtin_convertvector(*(const half_words *)(words + s), wide);
        const wide drawn = (word + 0.5) * 0x1p-32;
        *(wide *)(share + s) =
            look_up(table->below, bin + s) + look_up(table->within, bin + s) * drawn;
    }
}

static void numbers(const ln_bin_table *table, const int32_t *bin, const double *quantile,
                    int64_t count, float *number)
{
    for (int64_t s = 0; s < count; s += DOUBLES) {
        const wide at = *(const wide *)(quantile + s);
        const wide low = look_up(table->low, bin + s), high = look_up(table->high, bin + s);
        wide value = look_up(table->mean, bin + s) + look_up(table->deviation, bin + s) * at;
        value = pick(value < low, low, pick(value > high, high, value));
        narrow(value, number + s);
    }
}

/* ---------------------------------------------------------------- quantiles */

static inline __attribute__((always_inline)) wide quotient(const double coefficient[2][8], wide r)
{
    wide a = (wide){0} + coefficient[0][7], b = (wide){0} + coefficient[1][7];
#pragma GCC unroll 7
    for (int i = 6; i >= 0; i--) {
        a = a * r + coefficient[0][i];
        b = b * r + coefficient[1][i];
    }
    return a / b;
}

/* Of DOUBLES shares. */
static inline wide middle_quantiles(wide share)
{
    static const double middle[2][8] = {
        {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
         1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
         3.3430575583588128105e4, 2.5090809287301226727e3},
        {1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
         2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
         5.2264952788528545610e3}};
    const wide q = share - 0.5;
    return q * quotient(middle, MIDDLE * MIDDLE - q * q);
}

/* Of shares farther than MIDDLE from 1/2. */
static inline wide tail_quantiles(const double *shares)
{
    static const double tail[2][8] = {
        {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
         3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
         2.27238449892691845833e-2, 7.74545014278341407640e-4},
        {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
         1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
         1.05075007164441684324e-9}};
    static const double far[2][8] = {
        {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
         2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
         2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
         7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
         2.04426310338993978564e-15}};
    double root[DOUBLES], most = 0;
    for (int l = 0; l < DOUBLES; l++)
        root[l] = -log(shares[l] < 0.5 ? shares[l] : 1 - shares[l]);
    for (int l = 0; l < DOUBLES; l++)
        root[l] = sqrt(root[l]);
    for (int l = 0; l < DOUBLES; l++)
        most = root[l] > most ? root[l] : most;
    const wide r = *(const wide *)root;
    wide value = quotient(tail, r - 1.6);
    if (most > TAIL)
        value = pick(r <= TAIL, value, quotient(far, r - 5));
    return pick(*(const wide *)shares < 0.5, -value, value);
}

/* The middle's for all of them, without a branch; those of the tails then, which are gathered. */
static void quantiles(const double *share, int64_t count, double *quantile)
{
    enum { BLOCK = 256 };
    int32_t tail[BLOCK + DOUBLES];
    for (; count > 0; count -= BLOCK, share += BLOCK, quantile += BLOCK) {
        const int64_t here = count < BLOCK ? count : BLOCK;
        int64_t tails = 0, s = 0;
        for (; s + DOUBLES <= here; s += DOUBLES) {
            const wide some = *(const wide *)(share + s);
            *(wide *)(quantile + s) = middle_quantiles(some);
            tails += list(magnitude(some - 0.5) > MIDDLE, (int32_t)s, tail + tails);
        }
        for (; s < here; s++) {
            quantile[s] = middle_quantiles((wide){0} + share[s])[0];
            tail[tails] = (int32_t)s;
            tails += fabs(share[s] - 0.5) > MIDDLE;
        }
        for (int64_t i = 0; i < tails; i += DOUBLES) {
            double some[DOUBLES];
            for (int l = 0; l < DOUBLES; l++) /* the last ones again where there are none left */
                some[l] = share[tail[i + l < tails ? i + l : tails - 1]];
            const wide value = tail_quantiles(some);
            for (int l = 0; l < DOUBLES && i + l < tails; l++)
                quantile[tail[i + l]] = value[l];
        }
    }
}

/* ---------------------------------------------------------------- turning */

static void turn(const void *from, int64_t lines, int64_t from_line, int64_t columns, void *to,
                 int64_t to_line)
{
    for (int64_t l = 0; l < lines; l += LN_BIN_SQUARE)
        for (int64_t c = 0; c < columns; c += LN_BIN_SQUARE)
            for (int64_t i = l; i < l + LN_BIN_SQUARE; i += LANES)
                for (int64_t j = c; j < c + LN_BIN_SQUARE; j += LANES)
                    turn_lines((const float *)from + i * from_line + j, from_line,
                               (float *)to + j * to_line + i, to_line);
}

const ln_bin_kernels NAME = {.find = find,
                             .shares = shares,
                             .quantiles = quantiles,
                             .numbers = numbers,
                             .take = take,
                             .turn = turn};
