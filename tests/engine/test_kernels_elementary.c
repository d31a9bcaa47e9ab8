/* kernels: exp and its kin against libm in float64, in every instruction set that runs here; the same bits
 * with AVX2 and AVX-512 and at every place; the lstm cell against its formulas. */
#include "support.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/elementary.h"

static int tables(const ln_elementary *out[3])
{
    int count = 0;
    out[count++] = &ln_elementary_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_elementary_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_elementary_avx512;
#endif
    return count;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double normal_below(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double gelu(double x)
{
    return x * normal_below(x);
}

static double erf_slope(double x)
{
    return 2 / sqrt(M_PI) * exp(-x * x);
}

static double gelu_slope(double x)
{
    return normal_below(x) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* Units of the last place between a result and the exact number. */
static double ulps(float got, double wanted)
{
    const double size = fabs(wanted);
    if (size > FLT_MAX)
        return isinf(got) && (got > 0) == (wanted > 0) ? 0 : INFINITY;
    const double unit = nextafterf((float)size, INFINITY) - (double)(float)size;
    return fabs((double)got - wanted) / fmax(unit, 1.4e-45);
}

enum { COUNT = 20011 };

typedef void (*each_fn)(int64_t count, const float *x, float *y);

static void check(const char *name, int table, each_fn f, double (*exact)(double), double reach,
                  double most)
{
    static float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++) { /* evenly, and in powers of two around 0 */
        const double t = 2.0 * i / (COUNT - 1) - 1;
        x[i] = (float)(i % 3 ? t * reach : copysign(exp2(-30 * fabs(t)), t) * reach);
    }
    f(COUNT, x, y);
    for (int i = 0; i < COUNT; i++)
        if (!(ulps(y[i], exact((double)x[i])) <= most))
            fail_msg("%s of %.9g, table %d: %.9g, not %.9g (%g units)", name, (double)x[i], table,
                     (double)y[i], exact((double)x[i]), ulps(y[i], exact((double)x[i])));
}

static void functions_are_those_of_libm(void **state)
{
    const ln_elementary *table[3];
    (void)state;
    for (int t = 0; t < tables(table); t++) {
        const double most = t == 0 ? 6 : 4; /* without fused multiply-adds */
        check("exp", t, table[t]->exp, exp, 110, most);
        check("tanh", t, table[t]->tanh, tanh, 12, most);
        check("sigmoid", t, table[t]->sigmoid, sigmoid, 80, most);
        check("erf", t, table[t]->erf, erf, 5, most);
        check("normal_below", t, table[t]->normal_below, normal_below, 1.5, 9);
        check("gelu", t, table[t]->gelu, gelu, 1.5, 10);
    }
}

/* The tail of the normal distribution: the rounding of x / sqrt(2) counts x^2 times in it. */
static void tails_keep_their_digits(void **state)
{
    const ln_elementary *table[3];
    (void)state;
    for (int t = 0; t < tables(table); t++)
        for (float x = -13; x < 13; x += 0.01F) {
            float y;
            table[t]->normal_below(1, &x, &y);
            const double wanted = normal_below((double)x);
            const double most = wanted * (4e-7 + 1.5e-7 * (double)x * (double)x) + 1e-44;
            if (!(fabs((double)y - wanted) <= most))
                fail_msg("table %d, %g: %.9g, not %.9g", t, (double)x, (double)y, wanted);
        }
}

static void ends_and_what_is_no_number(void **state)
{
    const ln_elementary *table[3];
    const float x[] = {INFINITY, -INFINITY, NAN, 0, -0.0F, 88.73F, -104, 3e38F, -3e38F};
    const float of_exp[] = {INFINITY, 0, NAN, 1, 1, INFINITY, 0, INFINITY, 0};
    const float of_tanh[] = {1, -1, NAN, 0, -0.0F, 1, -1, 1, -1};
    const float of_sigmoid[] = {1, 0, NAN, 0.5F, 0.5F, 1, 0, 1, 0};
    const float of_normal[] = {1, 0, NAN, 0.5F, 0.5F, 1, 0, 1, 0};
    (void)state;
    for (int t = 0; t < tables(table); t++) {
        float y[9];
        table[t]->exp(9, x, y);
        assert_near_f32(y, of_exp, 9, 0, 0);
        table[t]->tanh(9, x, y);
        assert_near_f32(y, of_tanh, 9, 0, 0);
        assert_true(signbit(y[4]) && !signbit(y[3]));
        table[t]->erf(9, x, y);
        assert_near_f32(y, of_tanh, 9, 0, 0);
        table[t]->sigmoid(9, x, y);
        assert_near_f32(y, of_sigmoid, 9, 1e-38, 0);
        table[t]->normal_below(9, x, y);
        assert_near_f32(y, of_normal, 9, 0, 2e-7);
    }
}

/* Where a number stands and how many there are changes nothing; nor does the width of registers. */
static void places_and_widths_change_nothing(void **state)
{
    const ln_elementary *table[3];
    float x[70], all[70], one[70];
    ln_rng rng = ln_rng_make(3, "test elementary", 0, 0);
    (void)state;
    for (int i = 0; i < 70; i++)
        x[i] = 3 * (float)ln_rng_normal(&rng);
    const int count = tables(table);
    for (int t = 0; t < count; t++) {
        const each_fn each[] = {table[t]->exp, table[t]->tanh,         table[t]->sigmoid,
                                table[t]->erf, table[t]->normal_below, table[t]->gelu};
        for (int f = 0; f < 6; f++) {
            each[f](70, x, all);
            for (int first = 0; first < 70; first += 7) {
                each[f](70 - first, x + first, one);
                assert_same_bits(one, all + first, (size_t)(70 - first) * sizeof *one);
            }
            memcpy(one, x, sizeof one); /* in its place */
            each[f](70, one, one);
            assert_same_bits(one, all, sizeof one);
            if (t == 2) {
                const each_fn narrow[] = {table[1]->exp, table[1]->tanh,         table[1]->sigmoid,
                                          table[1]->erf, table[1]->normal_below, table[1]->gelu};
                narrow[f](70, x, one);
                assert_same_bits(one, all, sizeof one);
            }
        }
    }
}

/* 21 units: whole registers of every width and a rest. Back is compared with differences. */
static void the_cell_follows_its_formulas(void **state)
{
    enum { H = 21 };
    const ln_elementary *table[3];
    float x[4 * H], part[4 * H], before[H], dh[H], dm[H];
    ln_rng rng = ln_rng_make(4, "test elementary", 0, 0);
    (void)state;
    float *const random[] = {x, part, before, dh, dm};
    const int sizes[] = {4 * H, 4 * H, H, H, H};
    for (int a = 0; a < 5; a++)
        for (int i = 0; i < sizes[a]; i++)
            random[a][i] = (float)ln_rng_normal(&rng);
    for (int t = 0; t < tables(table); t++) {
        float gate[4 * H], memory[H], hidden[H], d[4 * H], back[H];
        memcpy(gate, x, sizeof gate);
        memcpy(memory, before, sizeof memory);
        memcpy(back, dm, sizeof back);
        table[t]->lstm(H, gate, part, memory, hidden);
        table[t]->lstm_back(H, gate, before, dh, back, d);
        for (int k = 0; k < H; k++) {
            double z[4], c0 = (double)before[k];
            for (int g = 0; g < 4; g++)
                z[g] = (double)x[g * H + k] + (double)part[g * H + k];
            const double i = sigmoid(z[0]), f = sigmoid(z[1]), g = tanh(z[2]), o = sigmoid(z[3]);
            const double c = f * c0 + i * g, a = tanh(c);
            const double dc = (double)dm[k] + (double)dh[k] * o * (1 - a * a);
            const double wanted[] = {c,
                                     o * a,
                                     i,
                                     f,
                                     g,
                                     o,
                                     dc * g * i * (1 - i),
                                     dc * c0 * f * (1 - f),
                                     dc * i * (1 - g * g),
                                     (double)dh[k] * a * o * (1 - o),
                                     dc * f};
            const float got[] = {memory[k],       hidden[k],       gate[k], gate[H + k],
                                 gate[2 * H + k], gate[3 * H + k], d[k],    d[H + k],
                                 d[2 * H + k],    d[3 * H + k],    back[k]};
            for (int n = 0; n < 11; n++)
                if (!(fabs((double)got[n] - wanted[n]) <= 1e-6 * (1 + fabs(wanted[n]))))
                    fail_msg("table %d, unit %d, number %d: %g, not %g", t, k, n, (double)got[n],
                             wanted[n]);
        }
    }
}

/* Slopes times dy, to what float32 of their largest values can hold. */
static void slopes_are_those_of_the_functions(void **state)
{
    const ln_elementary *table[3];
    (void)state;
    for (int t = 0; t < tables(table); t++)
        for (int i = 0; i < 2001; i++) {
            const float x = 0.01F * (float)(i - 1000), dy = -1.5F;
            float of_erf, of_gelu = dy;
            table[t]->erf_back(1, &x, &dy, &of_erf);
            table[t]->gelu_back(1, &x, &of_gelu, &of_gelu); /* in its place */
            const double wanted[] = {erf_slope((double)x), gelu_slope((double)x)};
            const float got[] = {of_erf, of_gelu};
            for (int f = 0; f < 2; f++)
                if (!(fabs((double)got[f] + 1.5 * wanted[f]) <= 1e-6))
                    fail_msg("table %d, slope %d at %g: %.9g, not %.9g", t, f, (double)x,
                             (double)got[f], -1.5 * wanted[f]);
        }
}

enum { LINES = 19, LONGEST = 67 }; /* more than a register has lanes */

static void exact_softmax(int count, const float *x, double *y)
{
    double most = (double)x[0], sum = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, (double)x[i]);
    for (int i = 0; i < count; i++)
        sum += y[i] = exp((double)x[i] - most);
    for (int i = 0; i < count; i++)
        y[i] /= sum;
}

/* Lines of every length up to some registers; the gradient against its formula in float64. */
static void softmax_is_that_of_each_line(void **state)
{
    const ln_elementary *table[3];
    float x[LINES * LONGEST], dy[LINES * LONGEST];
    ln_rng rng = ln_rng_make(5, "test elementary", 0, 0);
    (void)state;
    for (int i = 0; i < LINES * LONGEST; i++) {
        x[i] = 5 * (float)ln_rng_normal(&rng);
        dy[i] = (float)ln_rng_normal(&rng);
    }
    const int count = tables(table);
    for (int n = 1; n <= LONGEST; n++) {
        float y[3][LINES * LONGEST], dx[3][LINES * LONGEST], one[LONGEST];
        for (int t = 0; t < count; t++) {
            table[t]->softmax(LINES, n, x, y[t]);
            table[t]->softmax_back(LINES, n, y[t], dy, dx[t]);
            for (int line = 0; line < LINES; line++) {
                double wanted[LONGEST], mean = 0;
                exact_softmax(n, x + line * n, wanted);
                for (int i = 0; i < n; i++)
                    mean += wanted[i] * (double)dy[line * n + i];
                for (int i = 0; i < n; i++) {
                    const int at = line * n + i;
                    /* The rounding of x - max x counts as often as that is large. */
                    const double digits = 4e-7 - 6e-8 * log(wanted[i]);
                    assert_true(fabs((double)y[t][at] - wanted[i]) <= digits * wanted[i]);
                    assert_true(fabs((double)dx[t][at] - wanted[i] * ((double)dy[at] - mean)) <=
                                4e-7);
                }
                table[t]->softmax(1, n, x + line * n, one);
                assert_same_bits(one, y[t] + line * n, (size_t)n * sizeof *one);
                table[t]->softmax_back(1, n, one, dy + line * n, one);
                assert_same_bits(one, dx[t] + line * n, (size_t)n * sizeof *one);
            }
        }
        for (int t = 2; t < count; t++) {
            assert_same_bits(y[1], y[2], (size_t)(LINES * n) * sizeof(float));
            assert_same_bits(dx[1], dx[2], (size_t)(LINES * n) * sizeof(float));
        }
    }
}

static void softmax_of_what_is_no_number(void **state)
{
    const ln_elementary *table[3];
    (void)state;
    for (int t = 0; t < tables(table); t++)
        for (int at = 0; at < 37; at += 6) {
            float x[2 * 37] = {0}, y[2 * 37];
            x[at] = NAN;
            x[37 + at] = -INFINITY;
            table[t]->softmax(2, 37, x, y);
            for (int i = 0; i < 37; i++) {
                assert_true(isnan(y[i]));
                assert_true(i == at ? y[37 + i] == 0 : y[37 + i] == 1 / 36.0F);
            }
        }
    /* Short lines that share registers: each is its own. */
    for (int t = 0; t < tables(table); t++)
        for (int at = 0; at < LINES; at++) {
            float x[LINES * 3] = {0}, y[LINES * 3];
            x[at * 3 + at % 3] = NAN;
            x[(at + 1) % LINES * 3 + at % 3] = -INFINITY;
            x[(at + 2) % LINES * 3] = INFINITY;
            table[t]->softmax(LINES, 3, x, y);
            for (int i = 0; i < LINES * 3; i++) {
                const int after = (i / 3 - at + LINES) % LINES;
                const float wanted = after == 1 ? i % 3 == at % 3 ? 0 : 0.5F : 1 / 3.0F;
                assert_true(after == 0 || after == 2 ? isnan(y[i]) : y[i] == wanted);
            }
        }
}

/* Nothing is read, neither of one line nor of lines that share registers; nor is anything computed of what the stack
 * holds: no exception of floating point is raised. */
static void softmax_of_no_numbers(void **state)
{
    const ln_elementary *table[3];
    (void)state;
    for (int t = 0; t < tables(table); t++)
        for (int lines = 0; lines <= LINES; lines++) {
            feclearexcept(FE_ALL_EXCEPT);
            table[t]->softmax(lines, 0, NULL, NULL);
            table[t]->softmax_back(lines, 0, NULL, NULL, NULL);
            assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_those_of_libm),
        cmocka_unit_test(tails_keep_their_digits),
        cmocka_unit_test(ends_and_what_is_no_number),
        cmocka_unit_test(places_and_widths_change_nothing),
        cmocka_unit_test(the_cell_follows_its_formulas),
        cmocka_unit_test(slopes_are_those_of_the_functions),
        cmocka_unit_test(softmax_is_that_of_each_line),
        cmocka_unit_test(softmax_of_what_is_no_number),
        cmocka_unit_test(softmax_of_no_numbers),
    };
    return cmocka_run_group_tests_name("kernels elementary", tests, NULL, NULL);
}
