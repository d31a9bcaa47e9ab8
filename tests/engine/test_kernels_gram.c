/* kernels: lines of sums are those of the formula, in every instruction set that runs here with the same bits. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/gram.h"

static int tables(const ln_gram_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_gram_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_gram_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_gram_avx512;
#endif
    return count;
}

/* Rows of any length; NaN is not 0, -0 is; what stands behind the row is not looked at. */
static void places_are_those_that_are_not_0(void **state)
{
    (void)state;
    enum { MOST = 37 };
    const ln_gram_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++)
        for (int n = 0; n <= MOST; n++) {
            double row[MOST + 1];
            int32_t place[MOST + LN_GRAM_LINE], wanted[MOST];
            int count = 0;
            for (int i = 0; i <= MOST; i++) {
                row[i] = i % 5 == 1 ? NAN : i % 3 == 0 ? -0.0 : i % 7 == 2 ? 0 : 1e-300;
                if (row[i] != 0 && i < n)
                    wanted[count++] = i;
            }
            assert_int_equal(all[t]->list(row, n, place), count);
            assert_same_bits(place, wanted, (size_t)count * sizeof *place);
        }
}

enum { LINES = 11, LINE = 2 * LN_GRAM_LINE, PLACES = 3, TURNS = 20 };

static void fill(ln_rng *rng, int count, double *numbers)
{
    for (int i = 0; i < count; i++)
        numbers[i] = ln_rng_normal(rng);
}

/* Products are rounded before they are added, and lines that are not named stay as they are. */
static void lines_are_those_of_the_formula(void **state)
{
    (void)state;
    static const int32_t place[PLACES] = {0, 2, 10};
    const ln_gram_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        double sums[LINES * LINE] = {0}, wanted[LINES * LINE] = {0}, row[LINE], scale;
        ln_rng rng = ln_rng_make(4, "test gram", 0, 0);
        for (int r = 0; r < TURNS; r++) {
            fill(&rng, LINE, row);
            fill(&rng, 1, &scale);
            for (int i = 0; i < PLACES; i++)
                for (int j = 0; j < LINE; j++)
                    wanted[place[i] * LINE + j] += row[j] * scale;
            all[t]->add(row, LINE, place, PLACES, scale, sums);
        }
        assert_true(wanted[0] != 0 && wanted[LINE] == 0);
        assert_same_bits(sums, wanted, sizeof wanted);
    }
}

/* One after the other; a triangle behind none or two others. */
static void rows_are_added_in_their_order(void **state)
{
    (void)state;
    const ln_gram_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++)
        for (int ahead = 0; ahead <= 2; ahead += 2) {
            double sums[LINES * LINE] = {0}, wanted[LINES * LINE] = {0};
            double rows[LN_GRAM_ROWS * LINE], scale[LN_GRAM_ROWS * LINES];
            ln_rng rng = ln_rng_make(4, "test gram", 0, 1);
            for (int r = 0; r < TURNS; r++) {
                fill(&rng, LN_GRAM_ROWS * LINE, rows);
                fill(&rng, LN_GRAM_ROWS * LINES, scale);
                for (int k = 0; k < LN_GRAM_ROWS; k++)
                    for (int a = 0; a < LINES; a++)
                        for (int j = 0; j < ahead + a + 1; j++)
                            wanted[a * LINE + j] += rows[k * LINE + j] * scale[k * LINES + a];
                all[t]->add_rows(rows, LINE, scale, LINES, ahead, sums);
            }
            for (int a = 0; a < LINES; a++)
                assert_same_bits(sums + a * LINE, wanted + a * LINE,
                                 (size_t)(ahead + a + 1) * sizeof *sums);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_that_are_not_0),
        cmocka_unit_test(lines_are_those_of_the_formula),
        cmocka_unit_test(rows_are_added_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
