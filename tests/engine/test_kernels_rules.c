/* kernels: loops of rules against what they are one number at a time, in every instruction set that runs
 * here: the same bits in all. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/rules.h"

enum { MOST = 300, ARRAYS = 5 };

static int tables(const ln_rule_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_rules_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_rules_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_rules_avx512;
#endif
    return count;
}

/* Numbers of both signs, zeros among them, and some that two arrays share. */
static void fill(float a[ARRAYS][MOST])
{
    for (int k = 0; k < ARRAYS; k++)
        for (int i = 0; i < MOST; i++) {
            ln_rng rng = ln_rng_make(7, "test rules", (uint64_t)k, (uint64_t)i);
            const float number = (float)ln_rng_normal(&rng);
            a[k][i] = i % 7 == 3 ? 0 : i % 11 == 5 && k > 0 ? a[0][i] : number;
        }
}

static const int counts[] = {0, 1, 15, 16, 17, 32, 100, 255, 256, 257, MOST};
#define COUNTS (sizeof counts / sizeof *counts)

/* A sum in float64 over so few numbers has an error far below this. */
#define NEAR 1e-12

static void ratios_and_what_they_absorb(void **state)
{
    (void)state;
    float a[ARRAYS][MOST], bias[48], s[MOST], first[MOST];
    const ln_rule_kernels *all[3];
    const int known = tables(all);
    fill(a);
    for (int i = 0; i < 48; i++)
        bias[i] = a[4][i % 12];
    for (size_t c = 0; c < COUNTS; c++)
        for (int sign = -1; sign <= 1; sign++)
            for (int biased = 0; biased < 2; biased++) {
                const ln_ratio how = {.factor = -1.5F,
                                      .epsilon = 0.25,
                                      .sign = sign,
                                      .bias = biased ? bias : NULL,
                                      .period = 48};
                double wanted = 0, least = 0, sum_first = 0;
                for (int t = 0; t < known; t++) {
                    const bool aside = t % 2 == 0; /* or in place */
                    memcpy(s, a[0], sizeof s);
                    const double sum =
                        all[t]->ratios(&how, counts[c], aside ? a[0] : s, a[1], a[2], s);
                    wanted = least = 0;
                    for (int j = 0; j < counts[c]; j++) {
                        const double z = (double)a[0][j];
                        const float below = (float)(z >= 0 ? z + 0.25 : z - 0.25);
                        const bool open = sign == 0 || (sign > 0 ? a[2][j] > 0 : a[2][j] < 0);
                        const float ratio = open ? -1.5F * a[1][j] / below : 0;
                        const double part =
                            (double)below - (z - (biased ? (double)bias[j % 48] : 0));
                        assert_same_bits(&s[j], &ratio, sizeof ratio);
                        wanted += (double)ratio * part;
                        least += fabs((double)ratio * part);
                    }
                    assert_true(fabs(sum - wanted) <= NEAR * least);
                    if (t == 0) {
                        memcpy(first, s, sizeof first);
                        sum_first = sum;
                    }
                    assert_same_bits(s, first, sizeof first);
                    assert_same_bits(&sum, &sum_first, sizeof sum);
                }
            }
}

static void products_parts_and_sums(void **state)
{
    (void)state;
    float a[ARRAYS][MOST], to[MOST], parts[2][MOST];
    const ln_rule_kernels *all[3];
    const int known = tables(all);
    fill(a);
    for (int t = 0; t < known; t++)
        for (size_t c = 0; c < COUNTS; c++) {
            const int count = counts[c];
            double sum = 0, at_zero = 0, most = 0;
            memcpy(to, a[0], sizeof to);
            all[t]->multiply(count, a[1], to);
            all[t]->multiply_add(count, a[2], a[3], to);
            all[t]->split(count, a[0], parts[0], parts[1]);
            for (int i = 0; i < count; i++) {
                const float product = a[0][i] * a[1][i], wanted = product + a[2][i] * a[3][i];
                assert_same_bits(&to[i], &wanted, sizeof wanted);
                assert_true(parts[0][i] == (a[0][i] > 0 ? a[0][i] : 0));
                assert_true(parts[1][i] == (a[0][i] < 0 ? a[0][i] : 0));
                sum += (double)a[1][i];
                most += fabs((double)a[1][i]);
                at_zero += a[0][i] == 0 ? (double)a[1][i] : 0;
            }
            assert_true(fabs(all[t]->sum(count, a[1]) - sum) <= NEAR * most);
            assert_true(fabs(all[t]->sum_at_zero(count, a[0], a[1]) - at_zero) <= NEAR * most);
            assert_true(all[t]->all_positive(count, parts[0]));
            for (int i = 0; i < count; i++) {
                const float kept = parts[0][i];
                parts[0][i] = i % 2 ? -1 : NAN;
                assert_false(all[t]->all_positive(count, parts[0]));
                parts[0][i] = kept;
            }
        }
}

/* Changes that are noise, near or far, whose mean slope makes the change that is seen or does not. */
static void check_chord(const ln_rule_kernels *kernels, int count, float a[ARRAYS][MOST])
{
    const ln_chord how = {.noise = 0.01, .near = 1, .rounding = 0.125};
    float y[MOST], m[MOST];
    int means = 0, secants = 0;
    for (int i = 0; i < MOST; i++) { /* every second change is made by the mean slope, nearly */
        const float change = (a[3][i] + a[2][i]) / 2 * (a[0][i] - a[1][i]);
        y[i] = i % 2 ? a[4][i] : a[4][i] + 1.03125F * change;
        m[i] = a[3][i];
    }
    float ones[MOST];
    for (int i = 0; i < MOST; i++)
        ones[i] = 1;
    kernels->chord(&how, count, a[0], a[1], y, a[4], ones, a[2], m);
    for (int i = 0; i < count; i++) {
        const double x = (double)a[0][i], b = (double)a[1][i], most = fmax(fabs(x), fabs(b));
        const double rise = (double)y[i] - (double)a[4][i];
        const double mean = ((double)a[3][i] + (double)a[2][i]) / 2;
        const bool same =
            fabs(x - b) <= most &&
            fabs(mean * (x - b) - rise) <= 0.125 * (fabs((double)y[i]) + fabs((double)a[4][i]));
        const float wanted = !(fabs(x - b) > 0.01 * most) ? a[3][i]
                             : same                       ? (float)mean
                                                          : (float)(rise / (x - b));
        means += fabs(x - b) > 0.01 * most && same;
        secants += fabs(x - b) > 0.01 * most && !same;
        assert_same_bits(&m[i], &wanted, sizeof wanted);
    }
    assert_true(count < MOST || (means > 20 && secants > 20));
}

static void differences(void **state)
{
    (void)state;
    float a[ARRAYS][MOST], m[MOST], pair[2][MOST];
    const ln_rule_kernels *all[3];
    const int known = tables(all);
    fill(a);
    for (int t = 0; t < known; t++)
        for (size_t c = 0; c < COUNTS; c++) {
            const int count = counts[c];
            memcpy(m, a[3], sizeof m);
            all[t]->secant(0.5, count, a[0], a[1], a[2], a[3], a[4], m);
            for (int i = 0; i < count; i++) {
                const double x = (double)a[0][i], b = (double)a[1][i];
                const double rise = (double)a[2][i] - (double)a[3][i];
                const float wanted = fabs(x - b) > 0.5 * fmax(fabs(x), fabs(b))
                                         ? (float)((double)a[4][i] * rise / (x - b))
                                         : a[3][i];
                assert_same_bits(&m[i], &wanted, sizeof wanted);
            }
            check_chord(all[t], count, a);
            for (int least = 0; least < 2; least++) {
                all[t]->hand(least, count, a[0], a[1], a[2], pair[0], pair[1]);
                for (int i = 0; i < count; i++) {
                    const float high = fmaxf(a[0][i], a[1][i]), low = fminf(a[0][i], a[1][i]);
                    const float chosen = least ? low : high;
                    assert_true(pair[0][i] == a[2][i] * (chosen - a[1][i]));
                    assert_true(pair[1][i] == a[2][i] * (a[0][i] - chosen));
                }
            }
            memcpy(m, a[3], sizeof m);
            all[t]->share(count, a[0], a[1], a[2], m);
            for (int i = 0; i < count; i++) {
                const double change = (double)a[0][i] - (double)a[1][i];
                const double given = (double)a[3][i] + (double)a[2][i];
                const float wanted = a[0][i] == a[1][i] ? 0 : (float)(given / change);
                assert_same_bits(&m[i], &wanted, sizeof wanted);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_and_what_they_absorb),
        cmocka_unit_test(products_parts_and_sums),
        cmocka_unit_test(differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
