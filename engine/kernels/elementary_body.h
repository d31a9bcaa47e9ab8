/* The body, compiled once an instruction set. The including file defines LANES, the types `vector` (floats)
 * and `whole` (int32_t), spread(x), fused(a, b, c) = a b + c, and ELEMENTARY, the name of its table.
 *
 *     exp x = 2^n exp r, n = round(x / ln 2), |r| <= ln 2 / 2, exp r = 1 + r + r^2 P(r)
 *     tanh x = x + x^3 P(x^2) below 0.625, else 1 - 2 / (exp 2|x| + 1) with the sign of x
 *     erfc z = u exp(-z^2 + P(u)), u = 1 / (1 + z / 2), z >= 0      erf x = x + x P(x^2) below 0.9
 *     gelu x = x P(Z <= x)
 *
 * Polynomials are minimax fits of float64 values (tests/reference/elementary_fit.py). What is left of a row
 * behind its last whole register goes through a register that is filled up with zeros. */
#include <math.h>
#include <string.h>

#include "kernels/sums_body.h"

static inline whole lane_numbers(void)
{
    static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    whole lanes;
    memcpy(&lanes, numbers, sizeof lanes);
    return lanes;
}

static inline vector choose(whole mask, vector yes, vector no)
{
    return (vector)((mask & (whole)yes) | (~mask & (whole)no));
}

static inline vector magnitude(vector x)
{
    return (vector)((whole)x & 0x7fffffff);
}

static inline vector with_sign_of(vector x, vector sign)
{
    return (vector)((whole)x | ((whole)sign & (int32_t)0x80000000));
}

/* 2^n for n in [-126, 127]. */
static inline vector power_of_two(whole n)
{
    return (vector)((n + 127) << 23);
}

/* x / ln 2, rounded to a whole number. */
static inline vector twos_in(vector x)
{
    const float whole_bits = 12582912.0F; /* adding it rounds to a whole number */
    return fused(x, spread(1.44269504F), spread(whole_bits)) - whole_bits;
}

/* 2^n exp r */
static inline vector exp_in_parts(vector n, vector r)
{
    vector p = fused(spread(1.39504892e-3F), r, spread(8.36888980e-3F));
    p = fused(p, r, spread(4.16662060e-2F));
    p = fused(p, r, spread(1.66665182e-1F));
    p = fused(p, r, spread(0.5F));
    const vector y = fused(p, r * r, r) + 1;
    /* In two factors, since n goes from -151 to 128. */
    const whole power = __builtin_convertvector(choose(n == n, n, spread(0)), whole);
    const whole half = power >> 1;
    return y * power_of_two(half) * power_of_two(power - half);
}

static inline vector exp_of(vector x)
{
    const vector most = spread(89), least = spread(-104.5F);
    vector at = choose(x > most, most, x);
    at = choose(x < least, least, at); /* NaN stays */
    const vector n = twos_in(at);
    vector r = fused(n, spread(-0.693359375F), at);
    r = fused(n, spread(2.12194440e-4F), r);
    return exp_in_parts(n, r);
}

/* exp(x + more), x in [-125, 1] and |more| < 2: the sum is not rounded at the size of x. */
static inline vector exp_of_sum(vector x, vector more)
{
    const vector n = twos_in(x + more);
    vector r = fused(n, spread(-0.693359375F), x) + more;
    r = fused(n, spread(2.12194440e-4F), r);
    return exp_in_parts(n, r);
}

static inline vector tanh_of(vector x)
{
    const vector a = magnitude(x), s = x * x;
    vector p = fused(spread(-5.71703678e-3F), s, spread(2.06505786e-2F));
    p = fused(p, s, spread(-5.37434965e-2F));
    p = fused(p, s, spread(1.33314908e-1F));
    p = fused(p, s, spread(-3.33332837e-1F));
    const vector small = fused(p * s, x, x);
    const vector large = 1 - 2 / (exp_of(a + a) + 1);
    return with_sign_of(choose(a < spread(0.625F), small, large), x);
}

static inline vector sigmoid_of(vector x)
{
    return 1 / (1 + exp_of(-x));
}

/* z >= 0. z^2 is taken in two parts, the second of which is its rounding error. */
static inline vector erfc_of(vector z)
{
    const vector u = 1 / fused(z, spread(0.5F), spread(1));
    vector p = fused(spread(1.42194912e-1F), u, spread(-6.66066647e-1F));
    p = fused(p, u, spread(1.12240922F));
    p = fused(p, u, spread(-6.51259184e-1F));
    p = fused(p, u, spread(-1.16778880e-1F));
    p = fused(p, u, spread(2.01915372e-2F));
    p = fused(p, u, spread(2.83585619e-2F));
    p = fused(p, u, spread(3.87899429e-1F));
    p = fused(p, u, spread(9.98492539e-1F));
    p = fused(p, u, spread(-1.26544142F));
    const vector far = spread(11); /* erfc is 0 from here on, and squares stay finite */
    z = choose(z > far, far, z);
    const vector square = z * z, rest = fused(z, z, -square);
    return u * exp_of_sum(-square, p - rest);
}

static inline vector erf_of(vector x)
{
    const vector a = magnitude(x), s = x * x;
    vector p = fused(spread(-6.11129159e-4F), s, spread(5.01622818e-3F));
    p = fused(p, s, spread(-2.67819576e-2F));
    p = fused(p, s, spread(1.12822302e-1F));
    p = fused(p, s, spread(-3.76125336e-1F));
    p = fused(p, s, spread(1.28379151e-1F));
    return choose(a < spread(0.9F), fused(p, x, x), with_sign_of(1 - erfc_of(a), x));
}

static inline vector normal_below_of(vector x)
{
    const vector tail = 0.5F * erfc_of(magnitude(x) * 0.70710678F);
    return choose(x > spread(0), 1 - tail, tail);
}

static inline vector gelu_of(vector x)
{
    return x * normal_below_of(x);
}

/* ---------------------------------------------------------------- slopes, times dy */

static inline vector erf_slope(vector x, vector dy)
{
    return dy * (1.1283792F * exp_of(-(x * x)));
}

static inline vector gelu_slope(vector x, vector dy)
{
    const vector density = 0.39894228F * exp_of(-0.5F * x * x);
    return dy * fused(x, density, normal_below_of(x));
}

/* ---------------------------------------------------------------- loops */

/* As many numbers as a register has, or fewer. */
static inline vector load(const float *from, int64_t count)
{
    vector x = {0};
    if (count >= LANES)
        return *(const vector *)from;
    memcpy(&x, from, (size_t)count * sizeof *from);
    return x;
}

static inline void store(vector x, float *to, int64_t count)
{
    if (count >= LANES)
        *(vector *)to = x;
    else
        memcpy(to, &x, (size_t)count * sizeof *to);
}

#define EACH(name)                                                                                 \
    static void name##_each(int64_t count, const float *x, float *y)                               \
    {                                                                                              \
        for (int64_t i = 0; i < count; i += LANES)                                                 \
            store(name##_of(load(x + i, count - i)), y + i, count - i);                            \
    }
EACH(exp)
EACH(tanh)
EACH(sigmoid)
EACH(erf)
EACH(normal_below)
EACH(gelu)
#undef EACH

#define EACH(name)                                                                                 \
    static void name##_back(int64_t count, const float *x, const float *dy, float *dx)             \
    {                                                                                              \
        for (int64_t i = 0; i < count; i += LANES)                                                 \
            store(name##_slope(load(x + i, count - i), load(dy + i, count - i)), dx + i,           \
                  count - i);                                                                      \
    }
EACH(erf)
EACH(gelu)
#undef EACH

/* ---------------------------------------------------------------- softmax */

/* The greatest of a line, or NaN where there is one. */
static inline vector greatest_of(int64_t count, const float *x)
{
    vector most = spread(x[0]);
    whole ill = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const vector at = load(x + i, LANES);
        ill |= (whole)(at != at);
        most = choose(at > most, at, most);
    }
    if (i < count) {
        vector at = most;
        memcpy(&at, x + i, (size_t)(count - i) * sizeof *x);
        ill |= (whole)(at != at);
        most = choose(at > most, at, most);
    }
#pragma GCC unroll 4
    for (int step = LANES / 2; step > 0; step /= 2) {
        const whole other = lane_numbers() ^ step;
        const vector across = __builtin_shuffle(most, other);
        most = choose(across > most, across, most);
        ill |= __builtin_shuffle(ill, other);
    }
    return choose(ill, spread(NAN), most);
}

static inline double softmax_line(int64_t count, const float *x, float *y)
{
    const vector most = greatest_of(count, x);
    wide sums[SUM_REGISTERS] = {{0}};
    int64_t i = 0;
    for (; i < count; i += LANES)
        store(exp_of(load(x + i, count - i) - most), y + i, count - i);
    for (i = 0; i + SUMS <= count; i += SUMS)
#pragma GCC unroll 8
        for (int r = 0; r < SUM_REGISTERS; r++)
            sums[r] += widen(y + i + r * DOUBLES);
    for (int64_t lane = 0; lane < count - i; lane++)
        *lane_of(sums, lane) += (double)y[i + lane];
    return total(sums);
}

/* LANES short lines at once, up to SUMS numbers each: a line a lane, a register a place. */
static inline void turn_lines_in(int64_t count, const float *x, float turned[SUMS][LANES])
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t l = 0; l < LANES; l++)
            turned[i][l] = x[l * count + i];
}

static inline void turn_lines_out(int64_t count, float turned[SUMS][LANES], float *x)
{
    for (int64_t l = 0; l < LANES; l++)
        for (int64_t i = 0; i < count; i++)
            x[l * count + i] = turned[i][l];
}

/* In the order of `total`, into the first. */
static inline void add_in_pairs(int64_t count, wide sums[SUMS][2])
{
    for (int64_t half = SUMS / 2; half > 0; half /= 2)
        for (int64_t i = 0; i < half && i + half < count; i++) {
            sums[i][0] += sums[i + half][0];
            sums[i][1] += sums[i + half][1];
        }
}

static inline void softmax_short(int64_t count, const float *x, float *y)
{
    float turned[SUMS][LANES];
    wide sums[SUMS][2], share[2];
    whole ill = {0};
    turn_lines_in(count, x, turned);
    vector most = load(turned[0], LANES);
    for (int64_t i = 0; i < count; i++) {
        const vector at = load(turned[i], LANES);
        ill |= (whole)(at != at);
        most = choose(at > most, at, most);
    }
    most = choose(ill, spread(NAN), most);
    for (int64_t i = 0; i < count; i++) {
        store(exp_of(load(turned[i], LANES) - most), turned[i], LANES);
        sums[i][0] = widen(turned[i]);
        sums[i][1] = widen(turned[i] + DOUBLES);
    }
    add_in_pairs(count, sums);
    share[0] = 1 / sums[0][0];
    share[1] = 1 / sums[0][1];
    for (int64_t i = 0; i < count; i++) {
        narrow(widen(turned[i]) * share[0], turned[i]);
        narrow(widen(turned[i] + DOUBLES) * share[1], turned[i] + DOUBLES);
    }
    turn_lines_out(count, turned, y);
}

static void softmax_each(int64_t lines, int64_t count, const float *x, float *y)
{
    if (count == 0)
        return; /* no greatest number, no sum */
    for (; lines >= LANES && count <= SUMS; lines -= LANES, x += LANES * count, y += LANES * count)
        softmax_short(count, x, y);
    for (; lines > 0; lines--, x += count, y += count) {
        const double share = 1 / softmax_line(count, x, y);
        int64_t i = 0;
        for (; i + DOUBLES <= count; i += DOUBLES)
            narrow(widen(y + i) * share, y + i);
        for (; i < count; i++)
            y[i] = (float)((double)y[i] * share);
    }
}

static inline void softmax_back_short(int64_t count, const float *y, const float *dy, float *dx)
{
    float given[SUMS][LANES], slope[SUMS][LANES];
    wide sums[SUMS][2];
    turn_lines_in(count, y, given);
    turn_lines_in(count, dy, slope);
    for (int64_t i = 0; i < count; i++)
        for (int half = 0; half < 2; half++) /* from +0 on, as the sums of a longer line */
            sums[i][half] =
                0.0 + widen(slope[i] + half * DOUBLES) * widen(given[i] + half * DOUBLES);
    add_in_pairs(count, sums);
    for (int64_t i = 0; i < count; i++)
        for (int half = 0; half < 2; half++) {
            const wide off = widen(slope[i] + half * DOUBLES) - sums[0][half];
            narrow(widen(given[i] + half * DOUBLES) * off, given[i] + half * DOUBLES);
        }
    turn_lines_out(count, given, dx);
}

static void softmax_back(int64_t lines, int64_t count, const float *y, const float *dy, float *dx)
{
    if (count == 0)
        return;
    for (; lines >= LANES && count <= SUMS; lines -= LANES) {
        softmax_back_short(count, y, dy, dx);
        y += LANES * count;
        dy += LANES * count;
        dx += LANES * count;
    }
    for (; lines > 0; lines--, y += count, dy += count, dx += count) {
        wide sums[SUM_REGISTERS] = {{0}};
        int64_t i = 0;
        for (; i + SUMS <= count; i += SUMS)
#pragma GCC unroll 8
            for (int r = 0; r < SUM_REGISTERS; r++)
                sums[r] += widen(dy + i + r * DOUBLES) * widen(y + i + r * DOUBLES);
        for (int64_t lane = 0; lane < count - i; lane++)
            *lane_of(sums, lane) += (double)dy[i + lane] * (double)y[i + lane];
        const double mean = total(sums);
        for (i = 0; i + DOUBLES <= count; i += DOUBLES)
            narrow(widen(y + i) * (widen(dy + i) - mean), dx + i);
        for (; i < count; i++)
            dx[i] = (float)((double)y[i] * ((double)dy[i] - mean));
    }
}

/* ---------------------------------------------------------------- lstm */

static void lstm_step(int64_t units, float *gate, const float *part, float *memory, float *hidden)
{
    float *ig = gate, *fg = ig + units, *gg = fg + units, *og = gg + units;
    for (int64_t k = 0; k < units; k += LANES) {
        const int64_t left = units - k;
        const vector i = sigmoid_of(load(ig + k, left) + load(part + k, left));
        const vector f = sigmoid_of(load(fg + k, left) + load(part + units + k, left));
        const vector g = tanh_of(load(gg + k, left) + load(part + 2 * units + k, left));
        const vector o = sigmoid_of(load(og + k, left) + load(part + 3 * units + k, left));
        const vector c = fused(f, load(memory + k, left), i * g);
        store(c, memory + k, left);
        store(o * tanh_of(c), hidden + k, left);
        store(i, ig + k, left);
        store(f, fg + k, left);
        store(g, gg + k, left);
        store(o, og + k, left);
    }
}

static void lstm_step_back(int64_t units, const float *gate, const float *before,
                           const float *d_hidden, float *d_memory, float *d)
{
    for (int64_t k = 0; k < units; k += LANES) {
        const int64_t left = units - k;
        const vector i = load(gate + k, left), f = load(gate + units + k, left);
        const vector g = load(gate + 2 * units + k, left), o = load(gate + 3 * units + k, left);
        const vector c = load(before + k, left), dh = load(d_hidden + k, left);
        const vector after = tanh_of(fused(f, c, i * g));
        const vector dc = fused(dh * o, 1 - after * after, load(d_memory + k, left));
        store(dc * g * i * (1 - i), d + k, left);
        store(dc * c * f * (1 - f), d + units + k, left);
        store(dc * i * (1 - g * g), d + 2 * units + k, left);
        store(dh * after * o * (1 - o), d + 3 * units + k, left);
        store(dc * f, d_memory + k, left);
    }
}

const ln_elementary ELEMENTARY = {.exp = exp_each,
                                  .tanh = tanh_each,
                                  .sigmoid = sigmoid_each,
                                  .erf = erf_each,
                                  .normal_below = normal_below_each,
                                  .gelu = gelu_each,
                                  .erf_back = erf_back,
                                  .gelu_back = gelu_back,
                                  .softmax = softmax_each,
                                  .softmax_back = softmax_back,
                                  .lstm = lstm_step,
                                  .lstm_back = lstm_step_back};
