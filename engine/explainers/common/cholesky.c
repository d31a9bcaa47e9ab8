#include "explainers/common/cholesky.h"

#include <math.h>

bool ln_cholesky_factor(double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n, given = row[i];
        for (int64_t j = 0; j <= i; j++) {
            const double *other = a + j * n;
            double sum = row[j];
            for (int64_t k = 0; k < j; k++)
                sum -= row[k] * other[k];
            if (j < i)
                row[j] = sum / other[j];
            else if (sum > 1e-12 * given)
                row[i] = sqrt(sum);
            else
                return false;
        }
    }
    return true;
}

void ln_cholesky_solve(const double *l, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++)
            x[i] -= l[i * n + k] * x[k];
        x[i] /= l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        x[i] /= l[i * n + i];
        for (int64_t k = 0; k < i; k++)
            x[k] -= l[i * n + k] * x[i];
    }
}

/* First L^-1 in the lower triangle, then its product with its transpose. */
void ln_cholesky_invert(double *l, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        l[j * n + j] = 1 / l[j * n + j];
        for (int64_t i = j + 1; i < n; i++) {
            double sum = 0;
            for (int64_t k = j; k < i; k++)
                sum -= l[i * n + k] * l[k * n + j];
            l[i * n + j] = sum / l[i * n + i];
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t k = i; k < n; k++)
                sum += l[k * n + i] * l[k * n + j];
            l[j * n + i] = sum; /* above the diagonal, where L^-1 is not */
            if (i == j)
                l[i * n + i] = sum;
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            l[i * n + j] = l[j * n + i];
}
