/* kernels: many draws at once are those of the generator one by one, in every instruction set that runs here
 * with the same bits. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/draws.h"

enum { MOST = 20000 };

static int tables(const ln_draw_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_draws_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_draws_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_draws_avx512;
#endif
    return count;
}

static void normals_are_those_of_one_by_one(void **state)
{
    (void)state;
    static double first[MOST], made[MOST];
    const ln_draw_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        ln_rng rng = ln_rng_make(11, "test draws", 3, 1234567890123ULL);
        all[t]->normals(&rng, MOST, t == 0 ? first : made);
        if (t > 0)
            assert_same_bits(made, first, sizeof first);
    }
    ln_rng rng = ln_rng_make(11, "test draws", 3, 1234567890123ULL);
    for (int i = 0; i < MOST; i++) {
        const double wanted = ln_rng_normal(&rng);
        if (!(fabs(first[i] - wanted) <= 4e-15 * (1 + fabs(wanted))))
            fail_msg("draw %d: %.17g is not %.17g", i, first[i], wanted);
    }
}

/* Pieces of any size go on where the last one ended, also where the position's lower half is full. */
static void pieces_follow_one_another(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 63, 64, 65, 3, 200};
    double whole[396], piece[200];
    ln_rng rng = ln_rng_make(5, "test draws", 0, 0);
    rng.counter[0] = 0xffffffffU - 70;
    rng.counter[1] = 6;
    ln_rng again = rng, one = rng;
    int done = 0;
    ln_draw_normals(&rng, 396, whole);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; done += sizes[k], k++) {
        ln_draw_normals(&again, sizes[k], piece);
        assert_same_bits(piece, whole + done, (size_t)sizes[k] * sizeof *piece);
    }
    assert_int_equal(done, 396);
    for (int i = 0; i < done; i++)
        assert_true(fabs(ln_rng_normal(&one) - whole[i]) <= 1e-13);
    assert_int_equal(rng.counter[1], 7);
    assert_true(ln_rng_u32(&rng) == ln_rng_u32(&one));
}

/* Words are the generator's own, however many at a time, from wherever it stands. */
static void words_are_those_of_one_by_one(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 2, 255, 256, 257, 3, 1000, 5};
    static uint32_t made[1000], wanted[1000];
    ln_rng rng = ln_rng_make(5, "test draws", 0, 9);
    rng.counter[0] = 0xffffffffU - 70;
    ln_rng one = rng;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        ln_draw_words(&rng, sizes[k], made);
        for (int i = 0; i < sizes[k]; i++)
            wanted[i] = ln_rng_u32(&one);
        assert_same_bits(made, wanted, (size_t)sizes[k] * sizeof *made);
        assert_int_equal(rng.used, one.used);
    }
    const ln_draw_kernels *all[3];
    const int known = tables(all);
    for (int t = 0; t < known; t++) {
        all[t]->words(&rng, 250, t == 0 ? wanted : made);
        if (t > 0)
            assert_same_bits(made, wanted, sizeof made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normals_are_those_of_one_by_one),
        cmocka_unit_test(pieces_follow_one_another),
        cmocka_unit_test(words_are_those_of_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
