/* kernels: points of paths and means of draws against what they are one number at a time, in every instruction set
 * that runs here: the same bits in all. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/paths.h"

enum { MOST = 200, DRAWS = 5 };

static const int counts[] = {0, 1, 15, 16, 17, 63, 64, 65, 130, MOST};
#define COUNTS (sizeof counts / sizeof *counts)

static int tables(const ln_path_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_paths_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_paths_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_paths_avx512;
#endif
    return count;
}

/* Numbers of both signs, 0 and -0 among them. */
static void fill(float *a, int count, uint64_t which)
{
    for (int i = 0; i < count; i++) {
        ln_rng rng = ln_rng_make(7, "test paths", which, (uint64_t)i);
        a[i] = i % 9 == 4 ? -0.0F : i % 7 == 3 ? 0 : (float)ln_rng_normal(&rng);
    }
}

static void points_of_a_path(void **state)
{
    (void)state;
    const ln_path_kernels *all[3];
    const int known = tables(all);
    float x[MOST], b[MOST];
    fill(x, MOST, 1);
    fill(b, MOST, 2);
    for (int t = 0; t < known; t++)
        for (size_t c = 0; c < COUNTS; c++) {
            float change[MOST + 1], to[MOST + 1], alone[MOST + 1];
            const int count = counts[c];
            change[count] = to[count] = alone[count] = 77;
            all[t]->point(0.3, count, x, b, change, to);
            all[t]->point(0.3, count, x, b, NULL, alone);
            for (int i = 0; i < count; i++) {
                const double away = (double)x[i] - (double)b[i];
                const double part = 0.3 * away, at = (double)b[i] + part;
                const float wanted[] = {(float)away, (float)at};
                assert_same_bits(&change[i], &wanted[0], sizeof *wanted);
                assert_same_bits(&to[i], &wanted[1], sizeof *wanted);
                assert_same_bits(&alone[i], &wanted[1], sizeof *wanted);
            }
            assert_true(change[count] == 77 && to[count] == 77 && alone[count] == 77);
        }
}

/* Draws taken one by one, all at once, and in two parts; what stood there before the first is not read. */
static void means_of_draws(void **state)
{
    (void)state;
    static float a[DRAWS * MOST], b[DRAWS * MOST];
    const ln_path_kernels *all[3];
    const int known = tables(all);
    fill(a, DRAWS * MOST, 3);
    fill(b, DRAWS * MOST, 4);
    for (int t = 0; t < known; t++)
        for (size_t c = 0; c < COUNTS; c++)
            for (int alone = 0; alone < 2; alone++)
                for (int first = 0; first <= DRAWS; first++) {
                    const int count = counts[c];
                    const float *other = alone ? NULL : b;
                    double mean[MOST + 1], spread[MOST + 1];
                    for (int i = 0; i <= MOST; i++)
                        mean[i] = spread[i] = NAN;
                    mean[count] = spread[count] = 77;
                    if (first > 0)
                        all[t]->take(0, first, count, a, other, mean, spread);
                    if (first < DRAWS)
                        all[t]->take(first, DRAWS - first, count, a + first * count,
                                     other ? other + first * count : NULL, mean, spread);
                    for (int i = 0; i < count; i++) {
                        double wanted[2] = {0, 0};
                        for (int k = 0; k < DRAWS; k++) {
                            const double one = (double)a[k * count + i];
                            const double value = alone ? one : one * (double)b[k * count + i];
                            const double away = value - wanted[0];
                            wanted[0] += away / (double)(k + 1);
                            const double rest = value - wanted[0];
                            wanted[1] += away * rest;
                        }
                        assert_same_bits(&mean[i], &wanted[0], sizeof *wanted);
                        assert_same_bits(&spread[i], &wanted[1], sizeof *wanted);
                    }
                    assert_true(mean[count] == 77 && spread[count] == 77);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_a_path),
        cmocka_unit_test(means_of_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
