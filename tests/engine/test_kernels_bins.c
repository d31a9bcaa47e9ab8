/* kernels: numbers drawn in bins are those of the formulas, in every instruction set that runs here with the same
 * bits; quantiles against SciPy's. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/bins.h"

enum { ROWS = 37, DRAWS = 1600, BINS = 5 };

static int tables(const ln_bin_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_bins_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_bins_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_bins_avx512;
#endif
    return count;
}

/* Words that also are the least and the greatest. */
static void random_words(uint64_t row, uint32_t *words)
{
    ln_rng rng = ln_rng_make(3, "test bins", 0, row);
    ln_rng_words(&rng, words, DRAWS);
    words[1] = 0;
    words[2] = UINT32_MAX;
}

/* The rows' bins, and one that is none; what a table has at them. */
static void rows_are_found_by_their_words(void **state)
{
    (void)state;
    const ln_bin_kernels *all[3];
    static uint32_t choice[DRAWS];
    static int32_t bin[DRAWS];
    static float taken[DRAWS];
    float table[LN_BIN_TABLE];
    uint8_t of_row[ROWS + 3];
    random_words(1, choice);
    for (int r = 0; r < ROWS + 3; r++)
        of_row[r] = r == 5 ? UINT8_MAX : (uint8_t)(r * 7 % 11);
    for (int k = 0; k < LN_BIN_TABLE; k++)
        table[k] = (float)(k - 7) / 3;
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        all[t]->find(of_row, ROWS, choice, DRAWS, bin);
        for (int s = 0; s < DRAWS; s++)
            assert_int_equal(bin[s], of_row[(uint64_t)choice[s] * ROWS >> 32]);
        assert_true(bin[1] == of_row[0] && bin[2] == of_row[ROWS - 1]);
        all[t]->take(table, bin, DRAWS, taken);
        for (int s = 0; s < DRAWS; s++)
            assert_same_bits(&taken[s], &table[bin[s] % LN_BIN_TABLE], sizeof taken[s]);
    }
}

/* Of bins with ends, without, of no width, and of what is no bin. */
static void numbers_are_those_of_the_formula(void **state)
{
    (void)state;
    static const ln_bin_table table = {.below = {0.1, 0, 0.5, 0.3},
                                       .within = {0.7, 1, 0, 0.6},
                                       .mean = {2, -1, 7, NAN},
                                       .deviation = {3, 0.25, 0, 1},
                                       .low = {1, -INFINITY, 7, 0},
                                       .high = {4, INFINITY, 7, 1}};
    const ln_bin_kernels *all[3];
    static uint32_t words[DRAWS];
    static int32_t bin[DRAWS];
    static double share[DRAWS], first[DRAWS], quantile[DRAWS];
    static float number[DRAWS];
    int cut[2] = {0};
    random_words(2, words);
    for (int s = 0; s < DRAWS; s++)
        bin[s] = s % BINS == BINS - 1 ? UINT8_MAX : s % BINS;
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        all[t]->shares(&table, bin, words, DRAWS, share);
        for (int s = 0; s < DRAWS; s++) {
            const int b = bin[s] % LN_BIN_TABLE;
            const double wanted =
                table.below[b] + table.within[b] * (((double)words[s] + 0.5) * 0x1p-32);
            assert_same_bits(&share[s], &wanted, sizeof wanted);
            share[s] = b == LN_BIN_TABLE - 1 ? 0.5 : share[s];
        }
        all[t]->quantiles(share, DRAWS, t == 0 ? first : quantile);
        if (t > 0)
            assert_same_bits(quantile, first, sizeof first);
        all[t]->numbers(&table, bin, first, DRAWS, number);
        for (int s = 0; s < DRAWS; s++) {
            const int b = bin[s] % LN_BIN_TABLE;
            const double free = table.mean[b] + table.deviation[b] * first[s];
            cut[0] += b == 0 && free < 1;
            cut[1] += b == 0 && free > 4;
            const float wanted = (float)(free < table.low[b]    ? table.low[b]
                                         : free > table.high[b] ? table.high[b]
                                                                : free);
            assert_true(number[s] == wanted || (b == 3 && isnan(number[s])));
        }
    }
    assert_true(cut[0] > 0 && cut[1] > 0);
}

/* Against SciPy's norm.ppf, in every range of the approximation, whatever stands beside a share. */
static void quantiles_are_those_of_scipy(void **state)
{
    (void)state;
    static const double shares[] = {0.5,  0.1,  0.9,  0.0749, 0.0751, 0.925,   0.3,
                                    1e-3, 0.75, 1e-9, 1e-20,  1e-300, 0.999999};
    static const double wanted[] = {0.0,
                                    -1.2815515655446004,
                                    1.2815515655446004,
                                    -1.4402382675279635,
                                    -1.4388253927525403,
                                    1.4395314709384563,
                                    -0.5244005127080409,
                                    -3.090232306167813,
                                    0.6744897501960817,
                                    -5.9978070150076865,
                                    -9.262340089798409,
                                    -37.0470962993612,
                                    4.753424308817087};
    enum { COUNT = sizeof shares / sizeof *shares };
    const ln_bin_kernels *all[3];
    double numbers[COUNT], first[COUNT], alone;
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        all[t]->quantiles(shares, COUNT, numbers);
        assert_near_f64(numbers, wanted, COUNT, 0, 1e-14);
        for (int i = 0; i < COUNT; i++) {
            all[t]->quantiles(shares + i, 1, &alone);
            assert_same_bits(&alone, &numbers[i], sizeof alone);
        }
        if (t == 0)
            memcpy(first, numbers, sizeof first);
        assert_same_bits(numbers, first, sizeof first);
    }
}

/* A piece of a larger array, whose lines are no whole squares. */
static void lines_become_columns(void **state)
{
    (void)state;
    enum { LINES = 32, COLUMNS = 21, WHOLE = 32, FROM = 23 };
    const ln_bin_kernels *all[3];
    static uint32_t from[LINES * FROM + WHOLE], to[WHOLE * (LINES + 5)];
    for (int i = 0; i < LINES * FROM + WHOLE; i++)
        from[i] = 0x7f800001U + (uint32_t)i; /* as floats signalling NaN: they are only moved */
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        memset(to, 0, sizeof to);
        all[t]->turn(from, LINES, FROM, COLUMNS, to, LINES + 5);
        for (int l = 0; l < LINES; l++)
            for (int c = 0; c < COLUMNS; c++)
                assert_int_equal(to[c * (LINES + 5) + l], from[l * FROM + c]);
        for (int c = 0; c < COLUMNS; c++)
            for (int l = LINES; l < LINES + 5; l++)
                assert_int_equal(to[c * (LINES + 5) + l], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_their_words),
        cmocka_unit_test(numbers_are_those_of_the_formula),
        cmocka_unit_test(quantiles_are_those_of_scipy),
        cmocka_unit_test(lines_become_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
