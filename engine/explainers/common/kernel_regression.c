#include "explainers/common/kernel_regression.h"

#include <math.h>
#include <string.h>

#include "explainers/common/cholesky.h"

#define FEW_PAIRS 8 /* a stratum has at least so many, where there are */

/* Whether the second of a pair is the one without the last player: where players that vary were left out,
 * the last of those kept may be in the first. */
static int64_t without_last(const ln_coalitions *coalitions, int64_t last, int64_t pair)
{
    const uint64_t *mask = coalitions->masks + 2 * pair * coalitions->words;
    return mask[last / 64] >> last % 64 & 1;
}

/* The unknowns' places in the coalition of a pair without the last player; how many. `place` (64 a word) has the
 * place of each player, -1 of those that are no unknowns: players ascend, so places do. */
static int64_t list_members(const ln_coalitions *coalitions, const int64_t *place, int64_t last,
                            int64_t pair, int64_t *members)
{
    const int64_t which = 2 * pair + without_last(coalitions, last, pair);
    const uint64_t *mask = coalitions->masks + which * coalitions->words;
    int64_t size = 0;
    for (int64_t w = 0; w < coalitions->words; w++)
        for (uint64_t left = mask[w]; left; left &= left - 1) {
            members[size] = place[w * 64 + __builtin_ctzll(left)];
            size += members[size] >= 0;
        }
    return size;
}

static void list_places(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                        const int64_t *player, int64_t unknowns)
{
    for (int64_t p = 0; p < coalitions->words * 64; p++)
        at->place[p] = -1;
    for (int64_t i = 0; i < unknowns; i++)
        at->place[player[i]] = i;
}

/* What that coalition and its complement say of the unknowns in it. */
static double contrast(const ln_coalitions *coalitions, int64_t last, const double *values,
                       int64_t pair, double change)
{
    const double apart = values[2 * pair] - values[2 * pair + 1];
    return (without_last(coalitions, last, pair) ? -apart : apart) + change;
}

/* The lower triangle of A, and b. */
static void accumulate(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                       const int64_t *player, int64_t n, const double *values, double change)
{
    memset(at->inverse, 0, (size_t)(n * n) * sizeof *at->inverse);
    memset(at->right, 0, (size_t)n * sizeof *at->right);
    for (int64_t p = 0; p < coalitions->pairs; p++) {
        int64_t size = list_members(coalitions, at->place, player[n], p, at->members);
        double weight = coalitions->weight[p],
               d = contrast(coalitions, player[n], values, p, change);
        for (int64_t a = 0; a < size; a++) {
            double *row = at->inverse + at->members[a] * n;
            at->right[at->members[a]] += weight * d;
            for (int64_t b = 0; b <= a; b++)
                row[at->members[b]] += 2 * weight;
        }
    }
}

/* How far pair p moves each unknown, and the last player against them: (n + 1) numbers. */
static void move(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                 const int64_t *player, int64_t n, int64_t p, double residual, double *moved)
{
    int64_t size = list_members(coalitions, at->place, player[n], p, at->members);
    memset(moved, 0, (size_t)(n + 1) * sizeof *moved);
    for (int64_t m = 0; m < size; m++) {
        const double *row = at->inverse + at->members[m] * n;
        for (int64_t i = 0; i < n; i++)
            moved[i] += row[i];
    }
    for (int64_t i = 0; i < n; i++) {
        moved[i] *= residual;
        moved[n] -= moved[i];
    }
}

/* The end of the stratum that begins with pair `first`: whole layers, as few as have FEW_PAIRS; what
 * is left at the end goes with the last. */
static int64_t end_of_stratum(const ln_coalitions *coalitions, int64_t first)
{
    int64_t end = first;
    while (end < coalitions->pairs &&
           (end - first < FEW_PAIRS || coalitions->layer[end] == coalitions->layer[end - 1]))
        end++;
    return coalitions->pairs - end < FEW_PAIRS ? coalitions->pairs : end;
}

/* Variances of all n + 1 players into error; then their roots. */
static void estimate_errors(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                            const int64_t *player, int64_t n, const double *values, double change,
                            const double *phi, double *error)
{
    memset(error, 0, (size_t)(n + 1) * sizeof *error);
    int64_t drawn = coalitions->pairs - coalitions->pairs_in_full;
    for (int64_t first = coalitions->pairs_in_full, end; first < coalitions->pairs; first = end) {
        end = end_of_stratum(coalitions, first);
        double count = (double)(end - first), unseen = 0;
        memset(at->sum, 0, (size_t)(n + 1) * sizeof *at->sum);
        memset(at->squares, 0, (size_t)(n + 1) * sizeof *at->squares);
        for (int64_t p = first; p < end; p++) {
            int64_t size = list_members(coalitions, at->place, player[n], p, at->members);
            double residual = contrast(coalitions, player[n], values, p, change);
            for (int64_t m = 0; m < size; m++)
                residual -= 2 * phi[at->members[m]];
            move(at, coalitions, player, n, p, coalitions->weight[p] * residual, at->moved);
            unseen += coalitions->unseen[p] / count;
            for (int64_t i = 0; i <= n; i++) {
                at->sum[i] += at->moved[i];
                at->squares[i] += at->moved[i] * at->moved[i];
            }
        }
        /* A single pair says nothing of a spread: its own size stands for it. */
        double scale = count > 1 ? count / (count - 1) : 1, mean = count > 1 ? 1 / count : 0;
        for (int64_t i = 0; i <= n; i++) {
            double spread = at->squares[i] - at->sum[i] * at->sum[i] * mean;
            error[i] += spread > 0 || isnan(spread) ? unseen * scale * spread : 0;
        }
    }
    /* Residuals are smaller than errors by what was fitted to them. */
    double fitted = coalitions->pairs > n
                        ? (double)coalitions->pairs / (double)(coalitions->pairs - n)
                        : INFINITY;
    for (int64_t i = 0; i <= n; i++)
        error[i] = drawn > 0 ? sqrt(error[i] * fitted) : 0;
}

ln_kernel_regression ln_kernel_regression_carve(int64_t count, ln_carver *carver)
{
    ln_kernel_regression made = {0};
    made.inverse = ln_carve(carver, count * count, sizeof *made.inverse);
    made.right = ln_carve(carver, count, sizeof *made.right);
    made.moved = ln_carve(carver, count, sizeof *made.moved);
    made.sum = ln_carve(carver, count, sizeof *made.sum);
    made.squares = ln_carve(carver, count, sizeof *made.squares);
    made.members = ln_carve(carver, count + 1, sizeof *made.members); /* one is tried in vain */
    made.place = ln_carve(carver, (count + 63) / 64 * 64, sizeof *made.place);
    return made;
}

bool ln_kernel_regression_solve(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                                const int64_t *player, int64_t count, const double *values,
                                double change, double *phi, double *error)
{
    int64_t n = count - 1;
    list_places(at, coalitions, player, n);
    accumulate(at, coalitions, player, n, values, change);
    if (!ln_cholesky_factor(at->inverse, n))
        return false;
    memcpy(phi, at->right, (size_t)n * sizeof *phi);
    ln_cholesky_solve(at->inverse, n, phi);
    phi[n] = change;
    for (int64_t i = 0; i < n; i++)
        phi[n] -= phi[i];
    if (coalitions->pairs > coalitions->pairs_in_full)
        ln_cholesky_invert(at->inverse, n);
    estimate_errors(at, coalitions, player, n, values, change, phi, error);
    return true;
}
