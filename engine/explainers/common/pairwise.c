#include "explainers/common/pairwise.h"

#include <math.h>
#include <string.h>

#include "explainers/common/cholesky.h"

#define MOST_TERMS 780 /* that are fitted: those of 40 players */

ln_pairwise ln_pairwise_carve(int64_t count, int64_t capacity, ln_carver *carver)
{
    const int64_t terms = count * (count - 1) / 2;
    ln_pairwise made = {.most_terms = terms <= MOST_TERMS && 2 * terms <= capacity ? terms : 0};
    made.value = ln_carve(carver, count * count, sizeof *made.value);
    made.error = ln_carve(carver, count * count, sizeof *made.error);
    made.sum = ln_carve(carver, count * count, sizeof *made.sum);
    made.squares = ln_carve(carver, count * count, sizeof *made.squares);
    made.mean = ln_carve(carver, capacity, sizeof *made.mean);
    made.inside = ln_carve(carver, count, sizeof *made.inside);
    made.gram = ln_carve(carver, made.most_terms * made.most_terms, sizeof *made.gram);
    made.effect = ln_carve(carver, terms, sizeof *made.effect);
    made.apart = ln_carve(carver, terms, sizeof *made.apart);
    return made;
}

/* Who is in the first of a pair; how many. */
static int64_t list_inside(const ln_coalitions *coalitions, const int64_t *player, int64_t n,
                           int64_t pair, bool *inside)
{
    const uint64_t *mask = coalitions->masks + 2 * pair * coalitions->words;
    int64_t size = 0;
    for (int64_t i = 0; i < n; i++) {
        inside[i] = mask[player[i] / 64] >> player[i] % 64 & 1;
        size += inside[i];
    }
    return size;
}

/* The end of the size that begins with pair `first`. */
static int64_t end_of_layer(const ln_coalitions *coalitions, int64_t first)
{
    int64_t end = first;
    while (end < coalitions->pairs && coalitions->layer[end] == coalitions->layer[first])
        end++;
    return end;
}

/* ---------------------------------------------------------------- the fit */

/* The terms, (0, 1), (0, 2) ... (1, 2) ..., whose players are apart in a pair; how many. */
static int64_t list_apart(const bool *inside, int64_t n, int64_t *apart)
{
    int64_t count = 0, term = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++, term++)
            if (inside[i] != inside[j])
                apart[count++] = term;
    return count;
}

/* Fits u = - sum of effect / 2 over the terms apart, every size with the same weight, and takes it out of
 * at->mean. False, all effects 0, where it is not determined. */
static bool take_out(const ln_pairwise *at, const ln_coalitions *coalitions, const int64_t *player,
                     int64_t n)
{
    const int64_t terms = n * (n - 1) / 2;
    memset(at->effect, 0, (size_t)terms * sizeof *at->effect);
    if (terms > at->most_terms || coalitions->pairs < 2 * terms ||
        coalitions->pairs == ln_coalitions_pairs(n, INT64_MAX))
        return false;
    memset(at->gram, 0, (size_t)(terms * terms) * sizeof *at->gram);
    for (int64_t first = 0, end; first < coalitions->pairs; first = end) {
        end = end_of_layer(coalitions, first);
        const double weight = 1 / (double)(end - first);
        for (int64_t p = first; p < end; p++) {
            list_inside(coalitions, player, n, p, at->inside);
            const int64_t count = list_apart(at->inside, n, at->apart);
            for (int64_t a = 0; a < count; a++) {
                double *row = at->gram + at->apart[a] * terms;
                at->effect[at->apart[a]] -= 2 * weight * at->mean[p];
                for (int64_t b = 0; b <= a; b++)
                    row[at->apart[b]] += weight;
            }
        }
    }
    if (!ln_cholesky_factor(at->gram, terms)) {
        memset(at->effect, 0, (size_t)terms * sizeof *at->effect);
        return false;
    }
    ln_cholesky_solve(at->gram, terms, at->effect);
    for (int64_t p = 0; p < coalitions->pairs; p++) {
        list_inside(coalitions, player, n, p, at->inside);
        const int64_t count = list_apart(at->inside, n, at->apart);
        for (int64_t a = 0; a < count; a++)
            at->mean[p] += at->effect[at->apart[a]] / 2;
    }
    return true;
}

/* ---------------------------------------------------------------- what it leaves */

/* How much u counts for two players both on the smaller side, both on the larger, and apart: twice (apart: less
 * four times) the number of pairs of the size, over the number of those. */
typedef struct shares {
    double smaller, larger, apart;
} shares;

static shares shares_of(int64_t n, int64_t size)
{
    const double s = (double)size, rest = (double)(n - size), all = (double)(n * (n - 1));
    if (2 * size == n) {
        const double together = size > 1 ? all / (s * (s - 1)) : 0;
        return (shares){together, together, -all / (s * rest)};
    }
    return (shares){.smaller = size > 1 ? 2 * all / (s * (s - 1)) : 0,
                    .larger = 2 * all / (rest * (rest - 1)),
                    .apart = -2 * all / (s * rest)};
}

/* Adds what one pair says of all terms, and of each player's terms together, to the sums of its size. */
static void add_pair(const ln_pairwise *at, int64_t n, double inside, double outside, double apart,
                     bool squares)
{
    for (int64_t i = 0; i < n; i++) {
        double *sum = at->sum + i * n, *square = at->squares + i * n, whole = 0;
        const double same = at->inside[i] ? inside : outside;
        for (int64_t j = 0; j < n; j++) {
            if (j == i)
                continue;
            const double part = at->inside[j] == at->inside[i] ? same : apart;
            whole += part;
            if (j > i) {
                sum[j] += part;
                if (squares)
                    square[j] += part * part;
            }
        }
        sum[i] += whole;
        if (squares)
            square[i] += whole * whole;
    }
}

/* What makes a size's mean, taken less the level of the pairs that were drawn, one without bias: as with a
 * covariance from a sample, of which one is lost to the level. */
static double unbiased(int64_t n, int64_t size, double count)
{
    double pairs = 2 * size == n ? 0.5 : 1;
    for (int64_t s = 0; s < size; s++)
        pairs *= (double)(n - s) / (double)(s + 1);
    return size > 1 && count > 1 ? count / (count - 1) * (pairs - 1) / pairs : 1;
}

/* One size, pairs [first, end): its mean into at->value, its variance into at->error. */
static void add_layer(const ln_pairwise *at, const ln_coalitions *coalitions, const int64_t *player,
                      int64_t n, int64_t first, int64_t end)
{
    const int64_t size = coalitions->layer[first];
    const double count = (double)(end - first), unseen = coalitions->unseen[first];
    const double scale = unseen > 0 ? unbiased(n, size, count) : 1;
    const shares of = shares_of(n, size);
    double level = 0; /* of size 1 that of all and none, which its shares do not cancel */
    for (int64_t p = first; p < end && size > 1; p++)
        level += at->mean[p] / count;
    memset(at->sum, 0, (size_t)(n * n) * sizeof *at->sum);
    memset(at->squares, 0, (size_t)(n * n) * sizeof *at->squares);
    for (int64_t p = first; p < end; p++) {
        const double u = scale * (at->mean[p] - level);
        const bool smaller = list_inside(coalitions, player, n, p, at->inside) == size;
        add_pair(at, n, u * (smaller ? of.smaller : of.larger),
                 u * (smaller ? of.larger : of.smaller), u * of.apart, unseen > 0);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i; j < n; j++) {
            const double mean = at->sum[i * n + j] / count;
            at->value[i * n + j] += mean;
            if (!(unseen > 0))
                continue;
            /* One pair says nothing of a spread: NaN. */
            double spread = (at->squares[i * n + j] - mean * at->sum[i * n + j]) / (count - 1);
            spread = spread > 0 || isnan(spread) ? spread : 0;
            at->error[i * n + j] += unseen * spread / count;
        }
}

void ln_pairwise_estimate(const ln_pairwise *at, const ln_coalitions *coalitions,
                          const int64_t *player, int64_t count, const double *values, double none,
                          double all)
{
    const int64_t n = count, pairs = coalitions->pairs, terms = n * (n - 1) / 2;
    for (int64_t p = 0; p < pairs; p++)
        at->mean[p] = (values[2 * p] + values[2 * p + 1]) / 2 - (none + all) / 2;
    const bool fitted = take_out(at, coalitions, player, n);
    memset(at->value, 0, (size_t)(n * n) * sizeof *at->value);
    memset(at->error, 0, (size_t)(n * n) * sizeof *at->error);
    int64_t layers = 0;
    for (int64_t first = 0, end; first < pairs; first = end, layers++) {
        end = end_of_layer(coalitions, first);
        add_layer(at, coalitions, player, n, first, end);
    }
    /* A fit follows the draws it is made from: what it leaves of a pair is smaller by a share terms / pairs
     * than what a fit without that pair would, which is what errors are about (as by a jackknife). A size
     * without a pair leaves errors unknown. */
    const double followed = fitted ? (double)pairs / (double)(pairs - terms) : 1;
    const double scale = layers < n / 2 ? NAN : followed * followed / (double)((n - 1) * (n - 1));
    for (int64_t i = 0; i < n; i++) {
        at->value[i * n + i] /= (double)(n - 1);
        at->error[i * n + i] = sqrt(at->error[i * n + i] * scale);
    }
    for (int64_t i = 0, term = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++, term++) {
            const double effect = at->effect[term];
            at->value[i * n + j] = at->value[i * n + j] / (double)(n - 1) + effect;
            at->value[i * n + i] += effect;
            at->value[j * n + j] += effect;
            at->value[j * n + i] = at->value[i * n + j];
            at->error[i * n + j] = sqrt(at->error[i * n + j] * scale);
            at->error[j * n + i] = at->error[i * n + j];
        }
}
