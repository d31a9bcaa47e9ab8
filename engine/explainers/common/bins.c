#include "explainers/common/bins.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

#define DEPTH 3      /* of the tree */
#define CLOSE 1e-7   /* values that are no farther apart are not split */
#define MIDDLE 0.425 /* shares around 1/2 for which the quantile needs no logarithm */
#define PURE 1e-15   /* entropy below which a node is not split */

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

/* The quantile function of the standard normal distribution, to some 16 digits: algorithm AS 241 (Wichura
 * 1988), three quotients of polynomials. */
static inline double quotient(const double *above, const double *under, double r)
{
    double a = above[7], b = under[7];
#pragma GCC unroll 7
    for (int i = 6; i >= 0; i--) {
        a = a * r + above[i];
        b = b * r + under[i];
    }
    return a / b;
}

/* Of shares farther than MIDDLE from 1/2. */
static double tail_quantile(double p)
{
    static const double tail[2][8] = {
        {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
         3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
         2.27238449892691845833e-2, 7.74545014278341407640e-4},
        {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
         1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
         1.05075007164441684324e-9}};
    static const double far[2][8] = {
        {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
         2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
         2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
         7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
         2.04426310338993978564e-15}};
    double r = sqrt(-log(p < 0.5 ? p : 1 - p));
    double value = r <= 5 ? quotient(tail[0], tail[1], r - 1.6) : quotient(far[0], far[1], r - 5);
    return p < 0.5 ? -value : value;
}

void ln_bins_quantiles(const double *shares, int64_t count, double *numbers)
{
    static const double middle[2][8] = {
        {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
         1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
         3.3430575583588128105e4, 2.5090809287301226727e3},
        {1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
         2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
         5.2264952788528545610e3}};
    /* The middle's for all of them, without a branch, so that several are made at once. */
    for (int64_t i = 0; i < count; i++) {
        double q = shares[i] - 0.5;
        numbers[i] = q * quotient(middle[0], middle[1], MIDDLE * MIDDLE - q * q);
    }
    for (int64_t i = 0; i < count; i++)
        if (fabs(shares[i] - 0.5) > MIDDLE)
            numbers[i] = tail_quantile(shares[i]);
}
