#include "explainers/common/local_model.h"

#include <math.h>
#include <string.h>

#include "explainers/common/cholesky.h"

#define FORWARD_MOST 6      /* features that LN_SELECTION_AUTO chooses one by one */
#define CHOICE_PENALTY 0.01 /* of the ridge that LN_SELECTION_HIGHEST looks at */
#define PENALTY 1.0         /* of the fit */
#define MOST_STEPS 500      /* of a path, as scikit-learn has it */
#define AHEAD 2             /* sums of a feature that stand before those of its products */
#define NOTHING_LEFT                                                                               \
    1e-10 /* of a feature's variation, once others are swept out: it is one of them */

/* Of a line of sums with so many numbers. */
static int64_t line_of(int64_t numbers)
{
    return (numbers + LN_GRAM_LINE - 1) / LN_GRAM_LINE * LN_GRAM_LINE;
}

ln_local_model ln_local_model_carve(int64_t features, ln_carver *carver)
{
    ln_local_model made = {.kernels = ln_kernels_gram()};
    const int64_t line = line_of(AHEAD + features);
    made.gram = ln_carve(carver, features * features, sizeof *made.gram);
    made.work = ln_carve(carver, features * features, sizeof *made.work);
    made.sums = ln_carve(carver, features * line, sizeof *made.sums);
    made.rows = ln_carve(carver, LN_GRAM_ROWS * line, sizeof *made.rows);
    made.scale = ln_carve(carver, LN_GRAM_ROWS * features, sizeof *made.scale);
    made.place = ln_carve(carver, features + LN_GRAM_LINE, sizeof *made.place);
    made.right = ln_carve(carver, features, sizeof *made.right);
    made.mean = ln_carve(carver, features, sizeof *made.mean);
    made.part = ln_carve(carver, features, sizeof *made.part);
    made.chosen = ln_carve(carver, features, sizeof *made.chosen);
    made.taken = ln_carve(carver, features, sizeof *made.taken);
    made.path = ln_lars_carve(features, carver);
    made.value = ln_carve(carver, features, sizeof *made.value);
    made.error = ln_carve(carver, features, sizeof *made.error);
    return made;
}

static void clear_rows(ln_local_model *model, int64_t count, int64_t line)
{
    memset(model->rows, 0, (size_t)(LN_GRAM_ROWS * line) * sizeof *model->rows);
    memset(model->scale, 0, (size_t)(LN_GRAM_ROWS * count) * sizeof *model->scale);
}

static void clear(ln_local_model *model, int64_t count, int64_t line)
{
    memset(model->sums, 0, (size_t)(count * line) * sizeof *model->sums);
    clear_rows(model, count, line);
}

/* How many of the samples from `first` on are added at once; in place of those that there are none of stand zeros,
 * which add nothing. */
static int64_t together(ln_local_model *model, const ln_local_samples *samples, int64_t first,
                        int64_t count, int64_t line)
{
    const int64_t left = samples->count - first;
    if (left < LN_GRAM_ROWS)
        clear_rows(model, count, line);
    return left < LN_GRAM_ROWS ? left : LN_GRAM_ROWS;
}

/* Sums of w off, w off y and w off off' (the lower half), where off = z - start: a line a feature. */
static void add_numbers(ln_local_model *model, const ln_local_samples *samples, const double *start)
{
    const int64_t n = samples->features, line = line_of(AHEAD + n);
    for (int64_t first = 0; first < samples->count; first += LN_GRAM_ROWS) {
        const int64_t some = together(model, samples, first, n, line);
        for (int64_t k = 0; k < some; k++) {
            const int64_t s = first + k;
            const double *z = samples->z + s * n;
            double *row = model->rows + k * line, *off = row + AHEAD;
            row[0] = 1;
            row[1] = samples->y[s] - samples->y[0];
            for (int64_t a = 0; a < n; a++)
                off[a] = z[a] - start[a];
            for (int64_t a = 0; a < n; a++)
                model->scale[k * n + a] = samples->weight[s] * off[a];
        }
        model->kernels->add_rows(model->rows, line, model->scale, n, AHEAD, model->sums);
    }
}

/* The same where z are 0 or 1 and the start is 0: what is 0 adds nothing. */
static void add_ones(ln_local_model *model, const ln_local_samples *samples)
{
    const int64_t n = samples->features, line = line_of(AHEAD + n);
    double *row = model->rows;
    row[0] = 1;
    for (int64_t s = 0; s < samples->count; s++) {
        row[1] = samples->y[s] - samples->y[0];
        memcpy(row + AHEAD, samples->z + s * n, (size_t)n * sizeof *row);
        const int64_t count = model->kernels->list(row + AHEAD, n, model->place);
        model->kernels->add(row, line, model->place, count, samples->weight[s], model->sums);
    }
}

/* Sums are taken of differences from row 0, which loses fewer digits than sums of the numbers; of ones
 * there is nothing to lose. */
static void accumulate(ln_local_model *model, const ln_local_samples *samples)
{
    const int64_t n = samples->features, line = line_of(AHEAD + n);
    double *start = model->value, total = 0, sum_y = 0, squares = 0;
    for (int64_t a = 0; a < n; a++)
        start[a] = samples->ones ? 0 : samples->z[a];
    clear(model, n, line);
    if (samples->ones)
        add_ones(model, samples);
    else
        add_numbers(model, samples, start);
    for (int64_t s = 0; s < samples->count; s++) {
        double w = samples->weight[s], y = samples->y[s] - samples->y[0];
        total += w;
        sum_y += w * y;
        squares += w * y * y;
    }
    for (int64_t a = 0; a < n; a++) {
        model->mean[a] = model->sums[a * line];
        model->right[a] = model->sums[a * line + 1];
        /* One in all samples does not vary, and no rounding may say that it does. */
        const bool fixed = samples->ones && model->mean[a] == total;
        model->right[a] = fixed ? 0 : model->right[a] - model->mean[a] * sum_y / total;
        for (int64_t b = 0; b <= a; b++) {
            double *to = &model->gram[a * n + b];
            *to = model->sums[a * line + AHEAD + b] - model->mean[a] * model->mean[b] / total;
            if (fixed || (samples->ones && model->mean[b] == total))
                *to = 0;
            model->gram[b * n + a] = *to;
        }
    }
    for (int64_t a = 0; a < n; a++)
        model->mean[a] = model->mean[a] / total + start[a];
    model->mean_output = sum_y / total + samples->y[0];
    model->variation = squares - sum_y * sum_y / total;
    if (model->variation <= 1e-14 * squares) /* what rounding leaves of nothing */
        model->variation = 0;
}

/* The coefficients of `count` chosen features into model->part; the factor stays in model->work. */
static void solve(ln_local_model *model, int64_t n, int64_t count, double penalty)
{
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j <= i; j++)
            model->work[i * count + j] = model->gram[model->chosen[i] * n + model->chosen[j]];
        model->work[i * count + i] += penalty;
        model->part[i] = model->right[model->chosen[i]];
    }
    /* Positive definite, by the penalty, but where it is lost in numbers as large as the features may be: then
     * nothing is known of them. */
    if (!ln_cholesky_factor(model->work, count))
        for (int64_t i = 0; i < count * count; i++)
            model->work[i] = NAN;
    ln_cholesky_solve(model->work, count, model->part);
}

static void take_all(ln_local_model *model, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        model->chosen[i] = i;
}

/* The index of the greatest of what is not taken yet, the lowest of equal ones. */
static int64_t greatest(const bool *taken, const double *score, int64_t n)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (!taken[i] && (best < 0 || score[i] > score[best]))
            best = i;
    return best;
}

static void choose_highest(ln_local_model *model, const double *row, int64_t n, int64_t most)
{
    take_all(model, n);
    solve(model, n, n, CHOICE_PENALTY);
    for (int64_t i = 0; i < n; i++)
        model->part[i] = fabs(model->part[i] * row[i]);
    for (int64_t k = 0; k < most; k++)
        model->taken[greatest(model->taken, model->part, n)] = true;
}

/* Sweeps feature k out of the Gram matrix `g` and the right side. */
static void sweep(double *g, double *right, int64_t n, int64_t k)
{
    double pivot = g[k * n + k];
    for (int64_t i = 0; i < n; i++) {
        if (i == k)
            continue;
        double share = g[i * n + k] / pivot;
        right[i] -= share * right[k];
        for (int64_t j = 0; j < n; j++)
            if (j != k)
                g[i * n + j] -= share * g[k * n + j];
    }
}

static void choose_forward(ln_local_model *model, int64_t n, int64_t most)
{
    double *g = model->work, *right = model->part, *gain = model->value;
    memcpy(g, model->gram, (size_t)(n * n) * sizeof *g);
    memcpy(right, model->right, (size_t)n * sizeof *right);
    for (int64_t k = 0; k < most; k++) {
        for (int64_t i = 0; i < n; i++) {
            double left = g[i * n + i];
            bool some = left > NOTHING_LEFT * model->gram[i * n + i];
            gain[i] = some ? right[i] * right[i] / left : 0;
        }
        int64_t best = greatest(model->taken, gain, n);
        model->taken[best] = true;
        if (gain[best] > 0)
            sweep(g, right, n, best);
    }
}

/* Coefficients come and go along the path: of its points with at most `most` of them the last counts. */
static void choose_lasso(ln_local_model *model, int64_t n, int64_t most)
{
    ln_lars_start(&model->path, n, model->gram, model->right, true);
    for (int step = 0; step < MOST_STEPS && ln_lars_step(&model->path, 0); step++) {
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++)
            count += model->path.coefficient[i] != 0;
        for (int64_t i = 0; i < n && count <= most; i++)
            model->taken[i] = model->path.coefficient[i] != 0;
    }
}

/* How many features are chosen; they stand in model->chosen. */
static int64_t choose(ln_local_model *model, const double *row, int64_t n, ln_selection selection,
                      int64_t most)
{
    int64_t count = 0;
    if (selection == LN_SELECTION_NONE || (most >= n && selection != LN_SELECTION_LASSO)) {
        take_all(model, n);
        return n;
    }
    if (selection == LN_SELECTION_AUTO)
        selection = most <= FORWARD_MOST ? LN_SELECTION_FORWARD : LN_SELECTION_HIGHEST;
    memset(model->taken, 0, (size_t)n * sizeof *model->taken);
    if (selection == LN_SELECTION_FORWARD)
        choose_forward(model, n, most);
    else if (selection == LN_SELECTION_LASSO)
        choose_lasso(model, n, most);
    else
        choose_highest(model, row, n, most);
    for (int64_t i = 0; i < n; i++)
        if (model->taken[i])
            model->chosen[count++] = i;
    return count;
}

/* Sample `s` as the local model sees it: its chosen features into `part`, centred; returns its residual. */
static double residual_of(const ln_local_model *model, const ln_local_samples *samples, int64_t s,
                          int64_t count, double *part)
{
    const double *z = samples->z + s * samples->features;
    double residual = samples->y[s] - model->mean_output;
    for (int64_t i = 0; i < count; i++) {
        part[i] = z[model->chosen[i]] - model->mean[model->chosen[i]];
        residual -= model->part[i] * part[i];
    }
    return residual;
}

/* Residuals sample by sample: R^2, and the middle of the standard errors into model->sums. */
static void compare(ln_local_model *model, const ln_local_samples *samples, int64_t count)
{
    const int64_t line = line_of(count);
    double lost = 0;
    clear(model, count, line);
    for (int64_t i = 0; i < count; i++)
        model->part[i] = model->value[model->chosen[i]];
    for (int64_t first = 0; first < samples->count; first += LN_GRAM_ROWS) {
        const int64_t some = together(model, samples, first, count, line);
        for (int64_t k = 0; k < some; k++) {
            double *part = model->rows + k * line;
            const double w = samples->weight[first + k];
            const double residual = residual_of(model, samples, first + k, count, part);
            lost += w * residual * residual;
            for (int64_t i = 0; i < count; i++)
                model->scale[k * count + i] = w * residual * w * residual * part[i];
        }
        model->kernels->add_rows(model->rows, line, model->scale, count, 0, model->sums);
    }
    model->r2 = model->variation > 0 ? 1 - lost / model->variation : NAN;
}

static void estimate_errors(ln_local_model *model, int64_t samples, int64_t count)
{
    double scale = samples > count + 1 ? (double)samples / (double)(samples - count - 1) : NAN;
    const int64_t line = line_of(count);
    for (int64_t i = 0; i < count; i++) /* rounding may make the halves differ */
        for (int64_t j = 0; j < i; j++)
            model->sums[j * line + i] = model->sums[i * line + j];
    ln_cholesky_invert(model->work, count);
    for (int64_t k = 0; k < count; k++) {
        const double *row = model->work + k * count;
        double sum = 0;
        for (int64_t i = 0; i < count; i++) {
            double inner = 0;
            for (int64_t j = 0; j < count; j++)
                inner += model->sums[i * line + j] * row[j];
            sum += row[i] * inner;
        }
        model->error[model->chosen[k]] = sqrt(scale * (sum > 0 || isnan(sum) ? sum : 0));
    }
}

void ln_local_model_fit(ln_local_model *model, const ln_local_samples *samples,
                        ln_selection selection, int64_t most)
{
    const int64_t n = samples->features;
    accumulate(model, samples);
    const int64_t count = model->count = choose(model, samples->z, n, selection, most);
    solve(model, n, count, PENALTY);
    model->intercept = model->mean_output;
    for (int64_t i = 0; i < n; i++) {
        model->value[i] = 0;
        model->error[i] = NAN;
    }
    for (int64_t i = 0; i < count; i++) {
        model->value[model->chosen[i]] = model->part[i];
        model->intercept -= model->part[i] * model->mean[model->chosen[i]];
    }
    compare(model, samples, count);
    estimate_errors(model, samples->count, count);
}
