/* The bins of a column of numbers: (-inf, b_0], (b_0, b_1], ... (b_last, inf). Bounds are
 *
 *   quartile, decile  the percentiles 25, 50, 75 or 10, 20 ... 90, interpolated as NumPy does
 *   entropy           the splits of a tree of depth 3 that predicts the class from the column alone, each
 *                     where it lowers the entropy most; the median where there is none
 *
 * each once. A bin knows the mean and deviation (ddof 0) of its training values and the least and
 * greatest value that it may stand for; numbers are drawn in it from the normal distribution of its
 * mean and deviation, cut off there. All as the LIME package has it, but for bins whose ends are equal:
 * it gives these the number 0, here they keep their value. */
#ifndef LN_EXPLAINERS_BINS_H
#define LN_EXPLAINERS_BINS_H

#include "kernels/bins.h"
#include "lunette.h"

typedef enum ln_discretize {
    LN_DISCRETIZE_QUARTILE,
    LN_DISCRETIZE_DECILE,
    LN_DISCRETIZE_ENTROPY,
    LN_DISCRETIZE_NONE, /* no bounds: one bin */
} ln_discretize;
#define LN_DISCRETIZE_CHOICES "quartile|decile|entropy|none" /* in the order of ln_discretize */

#define LN_BINS_MOST 10

typedef struct ln_bins {
    int count;                      /* of bins; bounds are one fewer */
    double bound[LN_BINS_MOST - 1]; /* ascending */
    double mean[LN_BINS_MOST], deviation[LN_BINS_MOST];
    double low[LN_BINS_MOST], high[LN_BINS_MOST];     /* of what is drawn */
    double below[LN_BINS_MOST], within[LN_BINS_MOST]; /* shares of the normal distribution there */
} ln_bins;

/* `values`: `count` of them, at least one; sorted in place. `labels`: class of each as it was given, for
 * LN_DISCRETIZE_ENTROPY only, moved along with its value; below `classes`. */
ln_status ln_bins_make(double *values, int64_t *labels, int64_t count, int64_t classes,
                       ln_discretize how, ln_bins *out, ln_error *err);

int ln_bins_find(const ln_bins *bins, double value);
/* What numbers are drawn from in each bin: of a bin of no width its mean, or `point` where one is given and the
 * bin's ends are one number. `cut`: off at the bin's ends, else nowhere. */
void ln_bins_table(const ln_bins *bins, bool cut, const float *point, ln_bin_table *out);

#endif
