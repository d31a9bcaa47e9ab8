#include "explainers/common/kernel_selection.h"

#include <math.h>
#include <string.h>

#include "explainers/common/cholesky.h"

#define MOST_STEPS 500 /* of a path, as scikit-learn has it */

ln_kernel_selection ln_kernel_selection_carve(int64_t count, ln_carver *carver)
{
    ln_kernel_selection made;
    made.gram = ln_carve(carver, count * count, sizeof *made.gram);
    made.right = ln_carve(carver, count, sizeof *made.right);
    made.sum = ln_carve(carver, count, sizeof *made.sum);
    made.spread = ln_carve(carver, count, sizeof *made.spread);
    made.best = ln_carve(carver, count, sizeof *made.best);
    made.path = ln_lars_carve(count, carver);
    return made;
}

/* Sums over all rows. */
typedef struct row_sums {
    double rows, y, squares; /* how many; of y and of its squares */
} row_sums;

/* One row: `in` times the players of the mask, `out` times the others. */
static void add_row(ln_kernel_selection *at, const uint64_t *mask, const int64_t *player,
                    int64_t count, double in, double out, double y, row_sums *sums)
{
    double *x = at->best;
    for (int64_t i = 0; i < count; i++)
        x[i] = mask[player[i] / 64] >> player[i] % 64 & 1 ? in : out;
    for (int64_t i = 0; i < count; i++) {
        if (x[i] == 0)
            continue;
        double *row = at->gram + i * count;
        at->sum[i] += x[i];
        at->right[i] += x[i] * y;
        for (int64_t j = 0; j <= i; j++)
            row[j] += x[i] * x[j];
    }
    sums->rows++;
    sums->y += y;
    sums->squares += y * y;
}

static row_sums accumulate(ln_kernel_selection *at, const ln_coalitions *coalitions,
                           const int64_t *player, int64_t count, const double *values, double none,
                           double change)
{
    row_sums sums = {0};
    double total = 0;
    memset(at->gram, 0, (size_t)(count * count) * sizeof *at->gram);
    memset(at->right, 0, (size_t)count * sizeof *at->right);
    memset(at->sum, 0, (size_t)count * sizeof *at->sum);
    for (int64_t p = 0; p < coalitions->pairs; p++)
        total += 2 * coalitions->weight[p];
    for (int64_t c = 0; c < 2 * coalitions->pairs; c++) {
        const uint64_t *mask = coalitions->masks + c * coalitions->words;
        const double weight = coalitions->weight[c / 2] / total, gain = values[c] - none;
        int64_t size = 0;
        for (int64_t i = 0; i < count; i++)
            size += mask[player[i] / 64] >> player[i] % 64 & 1;
        const double in = sqrt(weight * (double)(count - size)), out = sqrt(weight * (double)size);
        add_row(at, mask, player, count, in, 0, in * gain, &sums);
        add_row(at, mask, player, count, 0, -out, out * (gain - change), &sums);
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < i; j++)
            at->gram[j * count + i] = at->gram[i * count + j];
    return sums;
}

/* Columns in their deviations, where `scaled`; then all less their means. */
static void centre(ln_kernel_selection *at, int64_t count, bool scaled, row_sums *sums)
{
    for (int64_t i = 0; i < count; i++) {
        const double mean = at->sum[i] / sums->rows;
        const double variance = at->gram[i * count + i] / sums->rows - mean * mean;
        at->spread[i] = scaled && variance > 0 ? sqrt(variance) : 1;
    }
    for (int64_t i = 0; i < count; i++) {
        at->sum[i] /= at->spread[i];
        at->right[i] = at->right[i] / at->spread[i] - at->sum[i] * sums->y / sums->rows;
        for (int64_t j = 0; j < count; j++)
            at->gram[i * count + j] /= at->spread[i] * at->spread[j];
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < count; j++)
            at->gram[i * count + j] -= at->sum[i] * at->sum[j] / sums->rows;
    sums->squares -= sums->y * sums->y / sums->rows;
}

/* The sum of squared residuals of coefficients. */
static double rest_of(const ln_kernel_selection *at, int64_t count, const double *coefficient,
                      double squares)
{
    for (int64_t i = 0; i < count; i++) {
        double fitted = 0;
        for (int64_t j = 0; j < count; j++)
            fitted += at->gram[i * count + j] * coefficient[j];
        squares += coefficient[i] * (fitted - 2 * at->right[i]);
    }
    return squares;
}

/* Of least squares with all features; 0 where they are not told apart. */
static double least_rest(ln_kernel_selection *at, int64_t count, double squares)
{
    double *factor = at->path.factor, *solution = at->best;
    memcpy(factor, at->gram, (size_t)(count * count) * sizeof *factor);
    memcpy(solution, at->right, (size_t)count * sizeof *solution);
    if (!ln_cholesky_factor(factor, count))
        return 0;
    ln_cholesky_solve(factor, count, solution);
    return rest_of(at, count, solution, squares);
}

/* The coefficients of least criterion into at->best. */
static void walk_to_best(ln_kernel_selection *at, int64_t count, const row_sums *sums,
                         double a_feature)
{
    const double rest = least_rest(at, count, sums->squares);
    /* What fits but for rounding has some noise too, or nothing could be compared. */
    const double noise = fmax(rest, 1e-15 * sums->squares) / (sums->rows - (double)count - 1);
    ln_lars *path = &at->path;
    double least = INFINITY;
    ln_lars_start(path, count, at->gram, at->right, true);
    for (int step = 0; step <= MOST_STEPS; step++) {
        int64_t features = 0;
        for (int64_t i = 0; i < count; i++)
            features += path->coefficient[i] != 0;
        const double rest_here = rest_of(at, count, path->coefficient, sums->squares);
        /* What is the same for all points is left out. */
        const double criterion = rest_here / noise + a_feature * (double)features;
        if (criterion < least || step == 0) {
            least = criterion;
            memcpy(at->best, path->coefficient, (size_t)count * sizeof *at->best);
        }
        if (!ln_lars_step(path, 0))
            break;
    }
}

int64_t ln_kernel_selection_choose(ln_kernel_selection *at, const ln_coalitions *coalitions,
                                   const int64_t *player, int64_t count, const double *values,
                                   double none, double change, ln_selection_rule rule,
                                   double amount, int64_t *kept)
{
    row_sums sums = accumulate(at, coalitions, player, count, values, none, change);
    const double *coefficient = at->path.coefficient;
    if (rule != LN_KEEP_COUNT)
        centre(at, count, rule == LN_KEEP_AIC || rule == LN_KEEP_BIC, &sums);
    if (rule == LN_KEEP_AIC || rule == LN_KEEP_BIC) {
        if (sums.rows <= (double)count + 1)
            return -1;
        walk_to_best(at, count, &sums, rule == LN_KEEP_AIC ? 2 : log(sums.rows));
        coefficient = at->best;
    } else {
        ln_lars_start(&at->path, count, at->gram, at->right, rule == LN_KEEP_PENALTY);
        const double least = rule == LN_KEEP_PENALTY ? amount * sums.rows : 0;
        for (int64_t step = 0; rule == LN_KEEP_PENALTY || step < (int64_t)amount; step++)
            if (!ln_lars_step(&at->path, least))
                break;
    }
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++)
        if (rule == LN_KEEP_COUNT ? at->path.in[i] : coefficient[i] != 0)
            kept[found++] = player[i];
    return found;
}
