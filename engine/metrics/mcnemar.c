/* McNemar's test (1947) in its exact form: where two classifiers err equally often, each row on which
 * just one of them is right falls to either side like a fair coin. With b and c such rows
 *
 *     p = min(1, 2 P(X <= min(b, c))),  X ~ Binomial(b + c, 1/2)
 *
 * Rows that both get right, or both wrong, say nothing about which is better. Terms are summed from
 * logarithms, so that no number of rows overflows. Cost: O(min(b, c)). */
#include "metrics/mcnemar.h"

#include <math.h>

double ln_mcnemar(int64_t only_first, int64_t only_second)
{
    const int64_t few = only_first < only_second ? only_first : only_second;
    const double n = (double)(only_first + only_second);
    double choose = 0, sum = 0; /* choose: logarithm of n over i */
    for (int64_t i = 0; i <= few; i++) {
        sum += exp(choose - n * log(2.0));
        choose += log(n - (double)i) - log((double)i + 1);
    }
    return fmin(1, 2 * sum);
}
