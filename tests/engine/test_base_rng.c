/* Random numbers: the published vectors of Philox, and draws computed by an independent program
 * (tests/reference/base/rng.py). */
#include "support.h"

#include <math.h>

#include "base/rng.h"

/* Known answers of Random123 1.14, philox4x32 10. */
static void philox_gives_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t out[4];
        ln_philox4x32(cases[i].counter, cases[i].key, out);
        assert_same_bits(out, cases[i].out, sizeof out);
    }
}

static void words_follow_seed_purpose_stream_and_row(void **state)
{
    (void)state;
    static const uint32_t ten[] = {0x719cec7c, 0x290cd89d, 0xf15ddf64, 0x499209c0, 0x4e166065,
                                   0x62629119, 0xa517a867, 0xba63b3b0, 0xad2f3fa4, 0x873f034a};
    static const uint32_t far[] = {0x19e45694, 0xcb596a55, 0x5f54509e, 0xc76628d1};
    ln_rng rng = ln_rng_make(7, "lime", 0, 42);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(ln_rng_u32(&rng), ten[i]);
    rng = ln_rng_make(UINT64_MAX, "shuffle", 3, ((uint64_t)1 << 33) + 5);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ln_rng_u32(&rng), far[i]);
}

/* Any of the four parts of the name gives another stream: no word at the same place is equal. */
static void streams_are_independent(void **state)
{
    (void)state;
    ln_rng base = ln_rng_make(7, "lime", 0, 42);
    ln_rng others[] = {ln_rng_make(8, "lime", 0, 42), ln_rng_make(7, "limf", 0, 42),
                       ln_rng_make(7, "lime", 1, 42), ln_rng_make(7, "lime", 0, 43),
                       ln_rng_make(7, "lime", 0, 42 + ((uint64_t)1 << 32))};
    for (int i = 0; i < 1000; i++) {
        uint32_t word = ln_rng_u32(&base);
        for (size_t j = 0; j < sizeof others / sizeof others[0]; j++)
            assert_int_not_equal(ln_rng_u32(&others[j]), word);
    }
}

static void the_counter_carries_into_its_second_word(void **state)
{
    (void)state;
    ln_rng rng = ln_rng_make(1, "carry", 0, 9);
    rng.counter[0] = UINT32_MAX;
    for (int i = 0; i < 4; i++)
        ln_rng_u32(&rng);
    uint32_t next = ln_rng_u32(&rng), want[4];
    const uint32_t counter[4] = {0, 1, 9, 0};
    ln_philox4x32(counter, rng.key, want);
    assert_int_equal(next, want[0]);
}

static void uniform_draws_are_the_stored_ones(void **state)
{
    (void)state;
    static const double six[] = {0x1.3a96f1c845ad6p-1, 0x1.f2bbc0d499210p-1, 0x1.59fac3afd4d67p-1,
                                 0x1.1d2c5efcd1580p-4, 0x1.0e106ad292ca0p-2, 0x1.9be9a806395adp-1};
    static const float six_f32[] = {0x1.da3b8p-3f,  0x1.a5353cp-2f, 0x1.9faf08p-2f,
                                    0x1.bb214cp-2f, 0x1.8d2aaap-1f, 0x1.9afc68p-3f};
    ln_rng rng = ln_rng_make(1, "uniform", 0, 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(ln_rng_uniform(&rng) == six[i]);
    rng = ln_rng_make(1, "uniform_f32", 0, 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(ln_rng_uniform_f32(&rng) == six_f32[i]);
}

/* The largest word must not round up to 1. */
static void uniform_stays_below_one(void **state)
{
    (void)state;
    ln_rng rng = {.block = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    assert_true(ln_rng_uniform(&rng) == 1 - 0x1p-53);
    assert_true(ln_rng_uniform_f32(&rng) == 1 - 0x1p-24f);
    rng = (ln_rng){0};
    assert_true(ln_rng_uniform(&rng) == 0);
}

static void normal_draws_are_the_stored_ones(void **state)
{
    (void)state;
    static const double six[] = {-2.15760950642288,  0.10096678674086115, 1.9250392641794767,
                                 1.2340618445989067, 1.2321547776786381,  -0.7925926096649044};
    ln_rng rng = ln_rng_make(1, "normal", 0, 0);
    for (size_t i = 0; i < 6; i++) {
        double draw = ln_rng_normal(&rng);
        assert_near_f64(&draw, &six[i], 1, 0, 1e-15);
    }
    /* u = 0 and u just below 1 are the ends of the logarithm. */
    rng = (ln_rng){0};
    assert_true(ln_rng_normal(&rng) == 0);
    rng = (ln_rng){.block = {UINT32_MAX, UINT32_MAX, 0, 0}};
    double draw = ln_rng_normal(&rng), want = 8.571674348652904; /* sqrt(2 * 53 * log 2) */
    assert_near_f64(&draw, &want, 1, 0, 1e-15);
}

static void moments_of_ten_thousand_draws(void **state)
{
    (void)state;
    double sum = 0, squares = 0;
    ln_rng rng = ln_rng_make(0, "moments", 0, 0);
    for (int i = 0; i < 10000; i++) {
        double draw = ln_rng_uniform(&rng);
        sum += draw;
        squares += draw * draw;
    }
    assert_true(sum == 0x1.3b3db95edf985p+12);
    assert_true(squares == 0x1.a66fa2f344e9ep+11);

    sum = squares = 0;
    rng = ln_rng_make(0, "moments", 1, 0);
    for (int i = 0; i < 10000; i++) {
        double draw = ln_rng_normal(&rng);
        sum += draw;
        squares += draw * draw;
    }
    const double want[] = {-135.8109910895297, 9822.524451656502}, got[] = {sum, squares};
    assert_near_f64(got, want, 2, 0, 1e-12);
}

/* From wherever the generator stands. */
static void many_words_are_the_words(void **state)
{
    (void)state;
    for (int before = 0; before < 6; before++)
        for (int count = 0; count < 12; count++) {
            ln_rng one = ln_rng_make(3, "words", 0, 1), other = one;
            uint32_t words[12];
            one.counter[0] = other.counter[0] = UINT32_MAX - 1; /* over the carry */
            for (int i = 0; i < before; i++)
                assert_int_equal(ln_rng_u32(&one), ln_rng_u32(&other));
            ln_rng_words(&one, words, count);
            for (int i = 0; i < count; i++)
                assert_int_equal(words[i], ln_rng_u32(&other));
            assert_int_equal(ln_rng_u32(&one), ln_rng_u32(&other));
        }
}

static void below_is_the_stored_one_and_unbiased(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {
        1,         2, 10, 1000, (uint64_t)1 << 40, ((uint64_t)1 << 63) + 1, ((uint64_t)1 << 63) + 1,
        UINT64_MAX};
    static const uint64_t want[] = {
        0, 1, 2, 4, 282067760072, 8378593306902944440, 1681579914338939313, 13378372572246894100u};
    ln_rng rng = ln_rng_make(1, "below", 0, 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ln_rng_below(&rng, bounds[i]), want[i]);
    /* 2^64 mod 10 is 6: the numbers 0 to 5 are drawn again, 6 is taken. */
    rng = (ln_rng){.block = {5, 0, 6, 0}};
    assert_int_equal(ln_rng_below(&rng, 10), 6);
    assert_int_equal(rng.used, 4);
}

static void shuffle_is_the_stored_permutation(void **state)
{
    (void)state;
    static const int64_t want[] = {4, 0, 2, 9, 8, 11, 6, 1, 3, 5, 7, 10};
    int64_t items[12];
    for (int i = 0; i < 12; i++)
        items[i] = i;
    ln_rng rng = ln_rng_make(1, "shuffle", 0, 0);
    ln_rng_shuffle(&rng, items, 12);
    assert_same_bits(items, want, sizeof items);
    ln_rng_shuffle(&rng, items, 1);
    ln_rng_shuffle(&rng, items, 0);
    assert_same_bits(items, want, sizeof items);
}

/* A part is its key's stream from another position on, wherever the generator stands. */
static void parts_begin_elsewhere(void **state)
{
    (void)state;
    ln_rng rng = ln_rng_make(7, "test", 3, 11), moved = rng, part = ln_rng_part(&rng, 5);
    ln_rng_words(&moved, (uint32_t[6]){0}, 6);
    ln_rng same = ln_rng_part(&moved, 5);
    uint32_t wanted[4];
    ln_philox4x32((const uint32_t[]){0, 5, 11, 0}, rng.key, wanted);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ln_rng_u32(&part), wanted[i]);
        assert_int_equal(ln_rng_u32(&same), wanted[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(words_follow_seed_purpose_stream_and_row),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(the_counter_carries_into_its_second_word),
        cmocka_unit_test(uniform_draws_are_the_stored_ones),
        cmocka_unit_test(uniform_stays_below_one),
        cmocka_unit_test(normal_draws_are_the_stored_ones),
        cmocka_unit_test(moments_of_ten_thousand_draws),
        cmocka_unit_test(many_words_are_the_words),
        cmocka_unit_test(below_is_the_stored_one_and_unbiased),
        cmocka_unit_test(shuffle_is_the_stored_permutation),
        cmocka_unit_test(parts_begin_elsewhere),
    };
    return cmocka_run_group_tests_name("base_rng", tests, NULL, NULL);
}
