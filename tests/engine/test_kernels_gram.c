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

/* Products are rounded before they are added, and lines that are not named stay as they are. */
static void lines_are_those_of_the_formula(void **state)
{
    (void)state;
    enum { LINES = 5, LINE = 3 * LN_GRAM_LINE, COUNT = 3, ROWS = 20 };
    static const int32_t place[COUNT] = {0, 2, 3};
    const ln_gram_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        double sums[LINES * LINE] = {0}, wanted[LINES * LINE] = {0}, row[LINE], scale[COUNT];
        ln_rng rng = ln_rng_make(4, "test gram", 0, 0);
        for (int r = 0; r < ROWS; r++) {
            for (int j = 0; j < LINE; j++)
                row[j] = ln_rng_normal(&rng);
            for (int i = 0; i < COUNT; i++) {
                scale[i] = ln_rng_normal(&rng);
                for (int j = 0; j < LINE; j++)
                    wanted[place[i] * LINE + j] += row[j] * scale[i];
            }
            all[t]->add(row, LINE, place, scale, COUNT, sums);
        }
        assert_true(wanted[0] != 0 && wanted[LINE] == 0);
        assert_same_bits(sums, wanted, sizeof wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_that_are_not_0),
        cmocka_unit_test(lines_are_those_of_the_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
