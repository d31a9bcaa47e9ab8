/* The body, compiled once an instruction set. The including file defines LANES, the types `vector` (floats)
 * and `whole` (int32_t), fused(a, b, c) = a b + c, and ELEMENTARY, the name of its table.
 *
 *     exp x = 2^n exp r, n = round(x / ln 2), |r| <= ln 2 / 2, exp r = 1 + r + r^2 P(r)
 *     tanh x = x + x^3 P(x^2) below 0.625, else 1 - 2 / (exp 2|x| + 1) with the sign of x
 *     erfc z = u exp(-z^2 + P(u)), u = 1 / (1 + z / 2), z >= 0      erf x = x + x P(x^2) below 0.9
 *
 * Polynomials are minimax fits of float64 values (tests/reference/elementary_fit.py). What is left of a row
 * behind its last whole register goes through a register that is filled up with zeros. */
#include <string.h>

typedef vector (*one_fn)(vector);

static inline vector spread(float x)
{
    return (vector){0} + x;
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

static inline vector exp_of(vector x)
{
    const float whole_bits = 12582912.0F; /* adding it rounds to a whole number */
    const vector most = spread(89), least = spread(-104.5F);
    vector at = choose(x > most, most, x);
    at = choose(x < least, least, at); /* NaN stays */
    const vector n = fused(at, spread(1.44269504F), spread(whole_bits)) - whole_bits;
    vector r = fused(n, spread(-0.693359375F), at);
    r = fused(n, spread(2.12194440e-4F), r);
    vector p = fused(spread(1.39504892e-3F), r, spread(8.36888980e-3F));
    p = fused(p, r, spread(4.16662060e-2F));
    p = fused(p, r, spread(1.66665182e-1F));
    p = fused(p, r, spread(0.5F));
    const vector y = fused(p, r * r, r) + 1;
    /* In two factors, since n goes from -151 to 128. */
    const whole power = __builtin_convertvector(choose(x == x, n, spread(0)), whole);
    const whole half = power >> 1;
    return y * power_of_two(half) * power_of_two(power - half);
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
    return u * exp_of(-square) * exp_of(p - rest);
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
#undef EACH

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
                                  .lstm = lstm_step,
                                  .lstm_back = lstm_step_back};
