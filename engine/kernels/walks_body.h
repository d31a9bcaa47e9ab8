/* The bodies of walks.h's kernels, compiled once an instruction set; the including file defines NAME, the table's name,
 * and has LANES, the floats of a register, which is a `vector`. */
#include <string.h>

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

static void add_columns(const ln_walk_columns *of, const float *x, float *sum)
{
    const int64_t width = of->width;
    for (int64_t g = 0; g < of->groups; g++, sum += width) {
        memset(sum, 0, (size_t)width * sizeof *sum);
        for (int64_t m = of->start[g]; m < of->start[g + 1]; m++) {
            const float factor = x[of->member[m]], *column = of->columns + of->member[m] * width;
            const vector all = spread(factor);
            int64_t o = 0;
            if (factor == 0)
                continue;
            for (; o + LANES <= width; o += LANES)
                *(vector *)(sum + o) += *(const vector *)(column + o) * all;
            for (; o < width; o++)
                sum[o] += column[o] * factor;
        }
    }
}

/* Whether some lane is other than 0. */
static inline bool any_of(lanes some)
{
    int32_t lane[LANES], any = 0;
    memcpy(lane, &some, sizeof lane);
    for (int i = 0; i < LANES; i++)
        any |= lane[i];
    return any != 0;
}

static void find_changes(int64_t groups, int64_t width, const float *of_x, const float *of_r,
                         float *change, bool *moves)
{
    for (int64_t g = 0; g < groups; g++, of_x += width, of_r += width, change += width) {
        lanes some = {0};
        bool rest = false;
        int64_t o = 0;
        for (; o + LANES <= width; o += LANES) {
            const vector y = *(const vector *)(of_x + o) - *(const vector *)(of_r + o);
            *(vector *)(change + o) = y;
            some |= y != (vector){0};
        }
        for (; o < width; o++) {
            change[o] = of_x[o] - of_r[o];
            rest = rest || change[o] != 0;
        }
        moves[g] = moves[g] || rest || any_of(some);
    }
}

/* The compiler makes vectors of these loops. */
static void find_exactly(int64_t groups, int64_t width, const float *of_x, const float *of_r,
                         double *restrict change, bool *moves)
{
    for (int64_t g = 0; g < groups; g++, of_x += width, of_r += width, change += width) {
        int any = 0;
        for (int64_t o = 0; o < width; o++) {
            change[o] = (double)of_x[o] - (double)of_r[o];
            any |= change[o] != 0;
        }
        moves[g] = moves[g] || any;
    }
}

static void take_walks(int64_t walks, int64_t players, const double *numbers, int64_t done,
                       double *restrict mean, double *restrict squares)
{
    for (int64_t w = 1; w <= walks; w++, numbers += players) {
        const double part = 1 / (double)(done + w);
        for (int64_t i = 0; i < players; i++) {
            const double off = numbers[i] - mean[i];
            mean[i] += off * part;
            squares[i] += off * (numbers[i] - mean[i]);
        }
    }
}

const ln_walk_kernels NAME = {.columns = add_columns,
                              .changes = find_changes,
                              .exact_changes = find_exactly,
                              .take = take_walks};
