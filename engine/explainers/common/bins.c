#include "explainers/common/bins.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

#define DEPTH 3    /* of the tree */
#define CLOSE 1e-7 /* values that are no farther apart are not split */
#define PURE 1e-15 /* entropy below which a node is not split */

static void place(double value, int64_t label, double *values, int64_t *labels, int64_t at)
{
    values[at] = value;
    if (labels)
        labels[at] = label;
}

/* Heapsort, values ascending, each with its label: in place, and no order of equal values matters. */
static void sort(double *values, int64_t *labels, int64_t count)
{
    for (int64_t start = count / 2, end = count; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            end--;
            double value = values[end];
            int64_t label = labels ? labels[end] : 0;
            place(values[0], labels ? labels[0] : 0, values, labels, end);
            place(value, label, values, labels, 0);
        }
        double value = values[start];
        int64_t label = labels ? labels[start] : 0, at = start;
        for (int64_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && values[child + 1] > values[child])
                child++;
            if (!(values[child] > value))
                break;
            place(values[child], labels ? labels[child] : 0, values, labels, at);
        }
        place(value, label, values, labels, at);
    }
}

/* Of sorted values, between the two nearest. */
static double percentile(const double *values, int64_t count, double percent)
{
    double at = percent / 100 * (double)(count - 1);
    int64_t below = (int64_t)floor(at), above = below + 1 < count ? below + 1 : below;
    return values[below] + (values[above] - values[below]) * (at - (double)below);
}

static void add_bound(ln_bins *bins, double bound)
{
    int at = bins->count - 1;
    while (at > 0 && bins->bound[at - 1] > bound)
        at--;
    if (at > 0 && bins->bound[at - 1] == bound)
        return;
    for (int i = bins->count - 1; i > at; i--)
        bins->bound[i] = bins->bound[i - 1];
    bins->bound[at] = bound;
    bins->count++;
}

/* ---------------------------------------------------------------- the tree */

typedef struct node {
    const double *values;   /* sorted */
    const int64_t *labels;  /* (count) */
    int64_t count, classes; /* values, classes */
    int64_t *left, *right;  /* (classes) scratch: how many of each class */
} node;

/* count * entropy, in bits. */
static double impurity(const int64_t *of_class, int64_t classes, int64_t count)
{
    double sum = 0;
    for (int64_t c = 0; c < classes; c++)
        if (of_class[c] > 0)
            sum -= (double)of_class[c] * log2((double)of_class[c] / (double)count);
    return sum;
}

static void count_classes(const node *it)
{
    for (int64_t c = 0; c < it->classes; c++)
        it->left[c] = it->right[c] = 0;
    for (int64_t i = 0; i < it->count; i++)
        it->right[it->labels[i]]++;
}

/* How many values go left where the entropy is lowest, the first of equal ones; 0: no split. */
static int64_t best_split(const node *it)
{
    double best = INFINITY;
    int64_t at = 0;
    count_classes(it);
    if (it->count < 2 || impurity(it->right, it->classes, it->count) <= PURE * (double)it->count)
        return 0;
    for (int64_t i = 1; i < it->count; i++) {
        it->left[it->labels[i - 1]]++;
        it->right[it->labels[i - 1]]--;
        if (it->values[i] <= it->values[i - 1] + CLOSE)
            continue;
        double left =
            impurity(it->left, it->classes, i) + impurity(it->right, it->classes, it->count - i);
        if (left < best - 1e-12 * (double)it->count) {
            best = left;
            at = i;
        }
    }
    return at;
}

static void grow(node it, int depth, ln_bins *out)
{
    int64_t at = depth < DEPTH ? best_split(&it) : 0;
    if (at == 0)
        return;
    add_bound(out, it.values[at - 1] / 2 + it.values[at] / 2);
    node right = it;
    right.values += at;
    right.labels += at;
    right.count -= at;
    it.count = at;
    grow(it, depth + 1, out);
    grow(right, depth + 1, out);
}

static ln_status split_by_entropy(const double *values, const int64_t *labels, int64_t count,
                                  int64_t classes, ln_bins *out, ln_error *err)
{
    int64_t *of_class = ln_calloc((size_t)(2 * classes), sizeof *of_class);
    if (!of_class)
        return ln_fail_memory(err, (size_t)(2 * classes) * sizeof *of_class);
    node root = {.values = values,
                 .labels = labels,
                 .count = count,
                 .classes = classes,
                 .left = of_class,
                 .right = of_class + classes};
    grow(root, 0, out);
    ln_free(of_class);
    return LN_OK;
}

/* ---------------------------------------------------------------- bins */

/* Where a bin's normal distribution is cut off; `within` stays 0 where it has no width. */
static void cut(ln_bins *out, int b)
{
    double width = out->high[b] - out->low[b], deviation = out->deviation[b];
    if (!(width > 0 && deviation > 1e-9 * width))
        return;
    out->below[b] = erfc((out->mean[b] - out->low[b]) / deviation * M_SQRT1_2) / 2;
    out->within[b] =
        1 - erfc((out->high[b] - out->mean[b]) / deviation * M_SQRT1_2) / 2 - out->below[b];
}

/* Mean, deviation and ends of each bin, from the sorted values. */
static void describe(const double *values, int64_t count, ln_bins *out)
{
    int64_t first = 0;
    for (int b = 0; b < out->count; b++) {
        int64_t end = first;
        double sum = 0, squares = 0;
        while (end < count && (b == out->count - 1 || values[end] <= out->bound[b]))
            sum += values[end++];
        double mean = end > first ? sum / (double)(end - first) : 0;
        for (int64_t i = first; i < end; i++)
            squares += (values[i] - mean) * (values[i] - mean);
        out->mean[b] = mean;
        out->deviation[b] = end > first ? sqrt(squares / (double)(end - first)) : 0;
        out->low[b] = b > 0 ? out->bound[b - 1] : values[0];
        out->high[b] = b < out->count - 1 ? out->bound[b] : values[count - 1];
        cut(out, b);
        first = end;
    }
}

ln_status ln_bins_make(double *values, int64_t *labels, int64_t count, int64_t classes,
                       ln_discretize how, ln_bins *out, ln_error *err)
{
    *out = (ln_bins){.count = 1};
    ln_status status = LN_OK;
    sort(values, labels, count);
    if (how == LN_DISCRETIZE_ENTROPY) {
        status = split_by_entropy(values, labels, count, classes, out, err);
        if (!status && out->count == 1)
            add_bound(out, percentile(values, count, 50));
    } else if (how != LN_DISCRETIZE_NONE) {
        double step = how == LN_DISCRETIZE_QUARTILE ? 25 : 10;
        for (double percent = step; percent < 100; percent += step)
            add_bound(out, percentile(values, count, percent));
    }
    describe(values, count, out);
    return status;
}

int ln_bins_find(const ln_bins *bins, double value)
{
    int bin = 0;
    while (bin < bins->count - 1 && bins->bound[bin] < value)
        bin++;
    return bin;
}

void ln_bins_table(const ln_bins *bins, bool cut_off, const float *point, ln_bin_table *out)
{
    for (int b = 0; b < LN_BIN_TABLE; b++) {
        out->below[b] = 0.5; /* also of what is no bin: a share that costs little */
        out->within[b] = out->mean[b] = out->deviation[b] = out->low[b] = out->high[b] = 0;
    }
    for (int b = 0; b < bins->count; b++) {
        const bool wide = !cut_off || bins->within[b] > 0;
        out->mean[b] = out->low[b] = out->high[b] = bins->mean[b];
        if (wide) {
            out->below[b] = cut_off ? bins->below[b] : 0;
            out->within[b] = cut_off ? bins->within[b] : 1;
            out->deviation[b] = bins->deviation[b];
            out->low[b] = cut_off ? bins->low[b] : -INFINITY;
            out->high[b] = cut_off ? bins->high[b] : INFINITY;
        } else if (point && bins->low[b] == bins->high[b]) {
            out->mean[b] = out->low[b] = out->high[b] = (double)*point;
        }
    }
}
