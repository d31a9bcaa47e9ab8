/* Samples of a neighbourhood (neighbourhood.h), many drawn at once. */
#include <string.h>

#include "explainers/common/neighbourhood.h"
#include "kernels/draws.h"

enum { TOGETHER = LN_NEAR_TOGETHER };

/* z of numbers, in units of their columns' deviations. */
static void scale_numbers(const ln_neighbourhood *near, const float *row, double *z)
{
    const double *mean = near->scale, *unit = near->scale + near->groups;
    for (int64_t g = 0; g < near->groups && near->plain; g++)
        z[g] = ((double)row[g] - mean[g]) / unit[g];
    for (int64_t g = 0; g < near->groups && !near->plain; g++) {
        const ln_near_column *column = &near->columns[near->start[g]];
        if (near->start[g + 1] > near->start[g] && column->number >= 0)
            z[g] = ((double)row[column->number] - mean[g]) / unit[g];
    }
}

void ln_neighbourhood_of(const ln_neighbourhood *near, const float *x, uint8_t *bins, double *z)
{
    for (int64_t c = 0; c < near->column_count; c++)
        bins[c] = ln_near_bin_of(near, c, x);
    for (int64_t g = 0; g < near->groups; g++)
        z[g] = 1;
    if (!near->binned)
        scale_numbers(near, x, z);
}

/* Of a sample. */
static int64_t words_of(const ln_neighbourhood *near)
{
    return near->groups + near->column_count;
}

static int64_t padded(int64_t count)
{
    return (count + LN_BIN_SQUARE - 1) / LN_BIN_SQUARE * LN_BIN_SQUARE;
}

ln_near_buffers ln_near_carve(const ln_neighbourhood *near, ln_carver *carver)
{
    const int64_t words = words_of(near), width = near->width, groups = near->groups;
    ln_near_buffers made;
    made.words = ln_carve(carver, TOGETHER * words + LN_BIN_SQUARE, sizeof *made.words);
    made.turned = ln_carve(carver, TOGETHER * padded(words), sizeof *made.turned);
    made.bin = ln_carve(carver, TOGETHER * near->column_count, sizeof *made.bin);
    made.share = ln_carve(carver, TOGETHER * near->slots, sizeof *made.share);
    made.quantile = ln_carve(carver, TOGETHER * near->slots, sizeof *made.quantile);
    made.input = ln_carve(carver, TOGETHER * padded(width), sizeof *made.input);
    made.inputs = ln_carve(carver, TOGETHER * padded(width), sizeof *made.inputs);
    made.same = ln_carve(carver, TOGETHER * padded(groups), sizeof *made.same);
    made.sames = ln_carve(carver, TOGETHER * padded(groups), sizeof *made.sames);
    return made;
}

/* The inputs of a column in the training row that a sample chose by its word: of so few rows that makes some more
 * likely than others by 2^-32 times their number. */
static const float *chosen(const ln_neighbourhood *near, const ln_near_buffers *at,
                           const ln_near_column *column, int64_t s)
{
    const uint64_t word = at->turned[column->group * TOGETHER + s];
    return near->training + (int64_t)(word * (uint64_t)near->rows >> 32) * near->width +
           column->first;
}

/* Column c of all samples, but for the numbers that lie at shares; what is not in the row's bin or category takes
 * the 1 from `same`. */
static void draw_column(const ln_neighbourhood *near, const ln_near_buffers *at, int64_t c,
                        const float *x, uint8_t bin_of_x, int32_t *same)
{
    const ln_near_column *column = &near->columns[c];
    const size_t bytes = (size_t)column->count * sizeof *x;
    int32_t *bin = at->bin + c * TOGETHER;
    if (column->loose) {
        for (int64_t s = 0; s < TOGETHER; s++)
            same[s] &= memcmp(chosen(near, at, column, s), x + column->first, bytes) == 0;
        return;
    }
    near->kernels->find(near->bin + c * near->rows, near->rows,
                        at->turned + column->group * TOGETHER, TOGETHER, bin);
    for (int64_t s = 0; s < TOGETHER; s++)
        same[s] &= bin[s] == bin_of_x;
    if (column->number >= 0)
        near->kernels->shares(&column->table, bin, at->turned + (near->groups + c) * TOGETHER,
                              TOGETHER, at->share + column->slot * TOGETHER);
    for (int64_t i = column->first; i < column->first + column->count && column->number < 0; i++)
        near->kernels->take(near->pattern + i * LN_BIN_TABLE, bin, TOGETHER,
                            at->input + i * TOGETHER);
}

/* The numbers of column c, where their quantiles lie; where one misses, what stands in its place, and the input that
 * says so. */
static void place_numbers(const ln_neighbourhood *near, const ln_near_buffers *at, int64_t c)
{
    const ln_near_column *column = &near->columns[c];
    const int32_t *bin = at->bin + c * TOGETHER;
    near->kernels->numbers(&column->table, bin, at->quantile + column->slot * TOGETHER, TOGETHER,
                           at->input + column->number * TOGETHER);
    for (int64_t s = 0; s < TOGETHER && column->count > 1; s++) {
        const float *from = chosen(near, at, column, s);
        for (int64_t i = 0; i < column->count; i++)
            if (column->first + i != column->number || bin[s] == LN_NEAR_MISSING)
                at->input[(column->first + i) * TOGETHER + s] = from[i];
    }
}

static void draw_together(const ln_neighbourhood *near, const ln_near_buffers *at, const float *x,
                          const uint8_t *bins, ln_rng *rng)
{
    const ln_bin_kernels *kernels = near->kernels;
    const int64_t words = words_of(near);
    ln_draw_words(rng, TOGETHER * words, at->words);
    kernels->turn(at->words, TOGETHER, words, words, at->turned, TOGETHER);
    for (int64_t g = 0; g < near->groups; g++) {
        int32_t *same = at->same + g * TOGETHER;
        for (int64_t s = 0; s < TOGETHER; s++)
            same[s] = 1;
        for (int64_t c = near->start[g]; c < near->start[g + 1]; c++)
            draw_column(near, at, c, x, bins[c], same);
    }
    kernels->quantiles(at->share, near->slots * TOGETHER, at->quantile);
    for (int64_t c = 0; c < near->column_count; c++)
        if (near->columns[c].number >= 0)
            place_numbers(near, at, c);
    kernels->turn(at->input, near->width, TOGETHER, TOGETHER, at->inputs, padded(near->width));
    kernels->turn(at->same, near->groups, TOGETHER, TOGETHER, at->sames, padded(near->groups));
}

/* The columns of sample s of those drawn together. */
static void place_columns(const ln_neighbourhood *near, const ln_near_buffers *at, int64_t s,
                          float *row)
{
    const float *inputs = at->inputs + s * padded(near->width);
    if (near->whole) {
        memcpy(row, inputs, (size_t)near->width * sizeof *row);
        return;
    }
    for (int64_t c = 0; c < near->column_count; c++) {
        const ln_near_column *column = &near->columns[c];
        const float *from = column->loose ? chosen(near, at, column, s) : inputs + column->first;
        memcpy(row + column->first, from, (size_t)column->count * sizeof *row);
    }
}

double ln_neighbourhood_draw(const ln_neighbourhood *near, const ln_near_buffers *at,
                             int64_t number, const float *x, const uint8_t *bins,
                             const double *z_of_x, ln_rng *rng, float *row, double *z)
{
    const int64_t s = number % TOGETHER;
    const int32_t *same = at->sames + s * padded(near->groups);
    double distance = 0;
    int64_t others = near->groups;
    if (s == 0)
        draw_together(near, at, x, bins, rng);
    place_columns(near, at, s, row);
    for (int64_t g = 0; g < near->groups; g++) {
        z[g] = same[g];
        others -= same[g];
    }
    if (near->binned)
        return (double)others;
    scale_numbers(near, row, z);
    for (int64_t g = 0; g < near->groups; g++)
        distance += (z[g] - z_of_x[g]) * (z[g] - z_of_x[g]);
    return distance;
}
