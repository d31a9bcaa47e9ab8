/* The samples of lime on tables, one by one, against what the generator's words say: columns of few categories, of
 * many, of numbers, and of numbers that may miss. */
#include "networks.h"

#include "base/alloc.h"
#include "explainers/common/neighbourhood.h"

/* Columns in the order of their inputs; each is a group of its own. */
enum { FEW, MISSING, MANY, NUMBER, COLUMNS };
enum { FEW_COUNT = 3, MANY_COUNT = 20, WIDTH = FEW_COUNT + 2 + MANY_COUNT + 1 };
enum { ROWS = 90, SAMPLES = 70 }; /* samples: more than are drawn at once, twice */

static ln_encoded_column columns[] = {
    [FEW] = {.kind = LN_COLUMN_CATEGORICAL, .count = FEW_COUNT, .missing_input = -1},
    [MISSING] = {.first = FEW_COUNT, .count = 2, .center = 1, .scale = 2, .missing_input = 1},
    [MANY] = {.kind = LN_COLUMN_CATEGORICAL,
              .first = FEW_COUNT + 2,
              .count = MANY_COUNT,
              .missing_input = -1},
    [NUMBER] = {.first = WIDTH - 1, .count = 1, .center = 3, .scale = 4, .missing_input = -1},
};

/* Rows whose categories are of `few` and of `many`; every seventh misses a number. */
static ln_tensor *make_rows(int64_t rows, uint64_t few, uint64_t many, uint64_t seed)
{
    ln_tensor *x = tensor_zero(LN_F32, TEST_SHAPE(rows, WIDTH));
    ln_rng rng = ln_rng_make(seed, "test neighbourhood", 0, 0);
    for (int64_t r = 0; r < rows; r++) {
        float *row = ln_f32(x) + r * WIDTH;
        const uint64_t place = ln_rng_below(&rng, few);
        if (place < FEW_COUNT)
            row[place] = 1;
        row[(uint64_t)columns[MANY].first + ln_rng_below(&rng, many)] = 1;
        row[columns[MISSING].first] = r % 7 == 3 ? 0.25F : (float)ln_rng_normal(&rng);
        row[columns[MISSING].first + 1] = r % 7 == 3;
        row[WIDTH - 1] = r % 3 == 0 ? 1 : (float)ln_rng_normal(&rng); /* some bins are points */
    }
    return x;
}

typedef struct setting {
    ln_encoding encoding;
    ln_model model;
    ln_request request;
    ln_job job;
    ln_neighbourhood near;
    void *scratch;
    ln_near_buffers at;
} setting;

static void begin(setting *it, ln_tensor *training, ln_discretize how, bool zero_points)
{
    static const int32_t groups[WIDTH] = {
        FEW,  FEW,  FEW,  MISSING, MISSING, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY,
        MANY, MANY, MANY, MANY,    MANY,    MANY, MANY, MANY, MANY, MANY, MANY, MANY, NUMBER};
    ln_error err = {0};
    ln_carver carver = {0};
    it->encoding = (ln_encoding){.column_count = COLUMNS, .columns = columns, .width = WIDTH};
    it->model = (ln_model){.encoding = &it->encoding, .width = WIDTH};
    it->request = (ln_request){
        .model = &it->model, .background = training, .groups = groups, .group_count = COLUMNS};
    it->job = (ln_job){.request = &it->request, .width = COLUMNS};
    assert_ok(ln_neighbourhood_make(&it->job, how, zero_points, &it->near, &err));
    ln_near_carve(&it->near, &carver);
    it->scratch = ln_alloc_aligned(carver.used);
    carver = (ln_carver){.base = it->scratch};
    it->at = ln_near_carve(&it->near, &carver);
}

static void end(setting *it)
{
    ln_free_aligned(it->scratch);
    ln_neighbourhood_free(&it->near);
}

/* The number of a column by its word, in the bin of a training row, by the formulas. */
static float number_by_hand(const setting *it, int c, const float *from, uint32_t word)
{
    const ln_near_column *column = &it->near.columns[c];
    const ln_bins *bins = &column->bins;
    const int b = ln_bins_find(bins, (double)from[columns[c].first]);
    const double u = ((double)word + 0.5) * 0x1p-32;
    double share = it->near.binned ? bins->below[b] + bins->within[b] * u : u, quantile;
    if (it->near.binned && !(bins->within[b] > 0)) {
        const double zero = -columns[c].center / columns[c].scale;
        return (float)(it->near.zero_points && bins->low[b] == bins->high[b] ? zero
                                                                             : bins->mean[b]);
    }
    ln_bins_baseline.quantiles(&share, 1, &quantile);
    const double value = bins->mean[b] + bins->deviation[b] * quantile;
    if (!it->near.binned)
        return (float)value;
    return (float)fmin(fmax(value, bins->low[b]), bins->high[b]);
}

/* Column c of a sample by its two words: the inputs into `row`; its z. */
static double column_by_hand(const setting *it, int c, uint32_t choice, uint32_t word,
                             const float *x, float *row)
{
    const ln_encoded_column *about = &columns[c];
    const int64_t r = (int64_t)((uint64_t)choice * ROWS >> 32);
    const float *from = ln_f32(it->request.background) + r * WIDTH;
    const size_t bytes = (size_t)about->count * sizeof *row;
    memcpy(row + about->first, from + about->first, bytes);
    if (about->kind == LN_COLUMN_CATEGORICAL)
        return memcmp(from + about->first, x + about->first, bytes) == 0;
    const bool misses = c == MISSING && from[about->first + 1] != 0;
    const bool x_misses = c == MISSING && x[about->first + 1] != 0;
    if (!misses)
        row[about->first] = number_by_hand(it, c, from, word);
    const ln_bins *bins = &it->near.columns[c].bins;
    if (!it->near.binned)
        return ((double)row[about->first] - bins->mean[0]) / bins->deviation[0];
    if (misses || x_misses)
        return misses && x_misses;
    return ln_bins_find(bins, (double)from[about->first]) ==
           ln_bins_find(bins, (double)x[about->first]);
}

static void check_samples(setting *it, const float *x)
{
    uint8_t bins[COLUMNS];
    double z_of_x[COLUMNS];
    ln_rng rng = ln_rng_make(1, "test samples", 0, 0), one = rng;
    ln_neighbourhood_of(&it->near, x, bins, z_of_x);
    for (int s = 0; s < SAMPLES; s++) {
        float row[WIDTH], wanted[WIDTH];
        double z[COLUMNS], wanted_z[COLUMNS], wanted_distance = 0;
        uint32_t words[2 * COLUMNS];
        memcpy(row, x, sizeof row);
        const double distance =
            ln_neighbourhood_draw(&it->near, &it->at, s, x, bins, z_of_x, &rng, row, z);
        ln_rng_words(&one, words, 2 * COLUMNS);
        for (int c = 0; c < COLUMNS; c++) {
            wanted_z[c] = column_by_hand(it, c, words[c], words[COLUMNS + c], x, wanted);
            wanted_distance += (wanted_z[c] - z_of_x[c]) * (wanted_z[c] - z_of_x[c]);
        }
        assert_same_bits(row, wanted, sizeof row);
        assert_same_bits(z, wanted_z, sizeof z);
        assert_same_bits(&distance, &wanted_distance, sizeof distance);
    }
}

/* With more categories than a table holds, and without. */
static void samples_are_those_of_their_words(void **state)
{
    (void)state;
    enum { EXPLAINED = 8, NOT_LOOSE = 10 };
    /* Some have a category that no training row has. */
    ln_tensor *x = make_rows(EXPLAINED, FEW_COUNT + 4, NOT_LOOSE, 2);
    int others = 0;
    for (int mode = 0; mode < 8; mode++) {
        const bool loose = mode % 2;
        const ln_discretize how = mode / 2 == 3 ? LN_DISCRETIZE_NONE : (ln_discretize)(mode / 4);
        ln_tensor *training = make_rows(ROWS, FEW_COUNT, loose ? MANY_COUNT : NOT_LOOSE, 1);
        setting it;
        begin(&it, training, how, mode / 2 == 1);
        assert_true(it.near.columns[MANY].loose == loose && it.near.whole == !loose);
        for (int r = 0; r < EXPLAINED; r++) {
            others += ln_near_bin_of(&it.near, FEW, ln_f32(x) + r * WIDTH) == LN_NEAR_OTHER;
            check_samples(&it, ln_f32(x) + r * WIDTH);
        }
        end(&it);
        ln_tensor_release(training);
    }
    assert_true(others > 0);
    ln_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_those_of_their_words),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
