/* kernels: what walks need beside layers, in every instruction set that runs here. */
#include "kernels_support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/walks.h"

enum { INPUTS = 7, GROUPS = 4, WIDEST = 70 };

static int tables(const ln_walk_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_walks_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_walks_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_walks_avx512;
#endif
    return count;
}

/* One product and one addition an input, in the order of the group's inputs; an input that is 0 is left out,
 * also where its weight is infinite, and a group without inputs has nothing. */
static void columns_are_sums_in_order(void **state)
{
    (void)state;
    static const int64_t start[GROUPS + 1] = {0, 3, 3, 4, INPUTS},
                                        member[INPUTS] = {5, 0, 2, 1, 3, 4, 6};
    const ln_walk_kernels *all[3];
    const int known = tables(all);
    float *columns = floats(INPUTS * WIDEST, 1), *x = floats(INPUTS, 2);
    float *sum = floats(GROUPS * WIDEST, 3);
    x[4] = 0;
    x[1] = -0.0F;
    for (int64_t width = 1; width <= WIDEST; width++) {
        columns[4 * width] = INFINITY;
        columns[1 * width] = -INFINITY;
        const ln_walk_columns of = {
            .groups = GROUPS, .width = width, .start = start, .member = member, .columns = columns};
        for (int t = 0; t < known; t++) {
            all[t]->columns(&of, x, sum);
            for (int64_t g = 0; g < GROUPS; g++)
                for (int64_t o = 0; o < width; o++) {
                    float wanted = 0;
                    for (int64_t m = start[g]; m < start[g + 1]; m++)
                        if (x[member[m]] != 0)
                            wanted += columns[member[m] * width + o] * x[member[m]];
                    assert_same_bits(&wanted, &sum[g * width + o], sizeof wanted);
                }
        }
    }
    ln_free_aligned(columns);
    ln_free_aligned(x);
    ln_free_aligned(sum);
}

/* A group moves where one of its numbers does, whichever it is, and one that has moved before still does. */
static void changes_are_differences(void **state)
{
    (void)state;
    const ln_walk_kernels *all[3];
    const int known = tables(all);
    float *of_x = floats(GROUPS * WIDEST, 1), *of_r = floats(GROUPS * WIDEST, 2);
    float *near = floats(GROUPS * WIDEST, 3);
    double exact[GROUPS * WIDEST];
    for (int64_t width = 1; width <= WIDEST; width++)
        for (int64_t one = 0; one < width; one += 1 + one / 3) {
            memcpy(of_r, of_x, (size_t)(GROUPS * width) * sizeof *of_r);
            of_r[2 * width + one] += 0.25F;
            for (int t = 0; t < 2 * known; t++) {
                bool moves[GROUPS] = {true, false, false, false};
                if (t % 2)
                    all[t / 2]->exact_changes(GROUPS, width, of_x, of_r, exact, moves);
                else
                    all[t / 2]->changes(GROUPS, width, of_x, of_r, near, moves);
                assert_true(moves[0] && !moves[1] && moves[2] && !moves[3]);
                for (int64_t i = 0; i < GROUPS * width; i++) {
                    const float wanted = of_x[i] - of_r[i];
                    const double wanted_exactly = (double)of_x[i] - (double)of_r[i];
                    assert_true(t % 2 ? exact[i] == wanted_exactly : near[i] == wanted);
                }
            }
        }
    ln_free_aligned(of_x);
    ln_free_aligned(of_r);
    ln_free_aligned(near);
}

/* By hand: 1, 3 and 8 have the mean 4 and the squared distances 9 + 1 + 16; 2, 2 and 2 have none. */
static void mean_and_spread_by_hand(void **state)
{
    (void)state;
    static const double numbers[] = {1, 2, 3, 2, 8, 2};
    const ln_walk_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        double mean[2] = {0}, spread[2] = {0};
        all[t]->take(3, 2, numbers, 0, mean, spread);
        assert_true(fabs(mean[0] - 4) < 1e-15 && fabs(spread[0] - 26) < 1e-13);
        assert_true(mean[1] == 2 && spread[1] == 0);
    }
}

/* Walks that come in pieces have the bits of all at once, and those of the formula one by one. */
static void pieces_of_walks_are_all_of_them(void **state)
{
    (void)state;
    enum { WALKS = 23, FIRST = 6, MOST = 35 };
    const ln_walk_kernels *all[3];
    const int known = tables(all);
    static double numbers[WALKS * MOST];
    ln_rng rng = ln_rng_make(1, "test walks", 0, 0);
    for (int i = 0; i < WALKS * MOST; i++)
        numbers[i] = ln_rng_normal(&rng);
    for (int64_t players = 1; players <= MOST; players++) {
        double wanted[2][MOST] = {{0}};
        for (int64_t i = 0; i < players; i++)
            for (int64_t w = 0; w < WALKS; w++) {
                const double number = numbers[w * players + i], off = number - wanted[0][i];
                wanted[0][i] += off * (1 / (double)(w + 1));
                wanted[1][i] += off * (number - wanted[0][i]);
            }
        for (int t = 0; t < known; t++) {
            double made[2][MOST] = {{0}};
            all[t]->take(FIRST, players, numbers, 0, made[0], made[1]);
            all[t]->take(WALKS - FIRST, players, numbers + FIRST * players, FIRST, made[0],
                         made[1]);
            assert_same_bits(wanted, made, sizeof made);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_sums_in_order),
        cmocka_unit_test(changes_are_differences),
        cmocka_unit_test(mean_and_spread_by_hand),
        cmocka_unit_test(pieces_of_walks_are_all_of_them),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
