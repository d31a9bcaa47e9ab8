/* kernels: loops of normalisation against their formulas in float64, in every instruction set that runs
 * here: the same bits in all, wherever a group stands. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/norm.h"

enum { MOST = 100 };

static int tables(const ln_norm_kernels *out[3])
{
    int count = 0;
    out[count++] = &ln_norm_baseline;
#ifdef __x86_64__
    if (ln_cpu_has("avx2"))
        out[count++] = &ln_norm_avx2;
    if (ln_cpu_has("avx512"))
        out[count++] = &ln_norm_avx512;
#endif
    return count;
}

/* What the kernels make of a group. */
typedef struct results {
    double sum, squares, sums[2];
    float y[MOST], dx[MOST];
} results;

static void run(const ln_norm_kernels *kernels, const ln_norm_group *group, const float *dy,
                results *out)
{
    memset(out, 0, sizeof *out);
    out->sum = kernels->sum(group->count, group->x);
    out->squares = kernels->squares(group->count, group->mean, group->x);
    out->sums[0] = 3; /* is added to */
    kernels->apply(group, out->y);
    kernels->sums(group, dy, out->sums);
    kernels->back(group, dy, 0.25, -0.5, out->dx);
}

static void by_formula(const ln_norm_group *group, const float *dy, double *sum, double *squares,
                       double sums[2], double *y, double *dx)
{
    *sum = *squares = sums[1] = 0;
    sums[0] = 3;
    for (int64_t i = 0; i < group->count; i++) {
        const double from_mean = (double)group->x[i] - group->mean, n = from_mean * group->scale;
        const double w = group->weight ? (double)group->weight[i] : group->factor;
        const double b = group->bias ? (double)group->bias[i] : group->offset;
        *sum += (double)group->x[i];
        *squares += from_mean * from_mean;
        sums[0] += (double)dy[i] * w;
        sums[1] += (double)dy[i] * w * n;
        y[i] = n * w + b;
        dx[i] = group->scale * (double)dy[i] * w - 0.25 + 0.5 * n;
    }
}

static void groups_of_every_kind(void **state)
{
    const ln_norm_kernels *table[3];
    const int count = tables(table);
    float x[MOST + 7], dy[MOST + 7], weight[MOST + 7], bias[MOST + 7];
    float *const random[] = {x, dy, weight, bias};
    ln_rng rng = ln_rng_make(8, "test norm", 0, 0);
    (void)state;
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < MOST + 7; i++)
            random[a][i] = (float)ln_rng_normal(&rng);
    for (int64_t n = 1; n <= MOST; n += n < 40 ? 1 : 15)
        for (int kind = 0; kind < 4; kind++) {
            ln_norm_group group = {.count = n,
                                   .x = x,
                                   .mean = 0.3,
                                   .scale = 1.7,
                                   .weight = kind & 1 ? weight : NULL,
                                   .factor = 0.6,
                                   .bias = kind & 2 ? bias : NULL,
                                   .offset = -2};
            double sum, squares, sums[2], y[MOST], dx[MOST];
            by_formula(&group, dy, &sum, &squares, sums, y, dx);
            results first;
            for (int t = 0; t < count; t++) {
                results got, moved;
                run(table[t], &group, dy, &got);
                assert_true(fabs(got.sum - sum) <= 1e-12 && fabs(got.squares - squares) <= 1e-12);
                assert_true(fabs(got.sums[0] - sums[0]) <= 1e-12);
                assert_true(fabs(got.sums[1] - sums[1]) <= 1e-12);
                for (int64_t i = 0; i < n; i++) {
                    assert_true(fabs((double)got.y[i] - y[i]) <= 6e-8 * fabs(y[i]) + 1e-15);
                    assert_true(fabs((double)got.dx[i] - dx[i]) <= 6e-8 * fabs(dx[i]) + 1e-15);
                }
                if (t == 0)
                    first = got;
                assert_same_bits(&got, &first, sizeof got);
                /* The same group at another place. */
                float there[MOST + 7], back[MOST + 7];
                memcpy(there + 3, x, (size_t)n * sizeof *x);
                memcpy(back + 5, dy, (size_t)n * sizeof *dy);
                ln_norm_group other = group;
                other.x = there + 3;
                run(table[t], &other, back + 5, &moved);
                assert_same_bits(&moved, &first, sizeof moved);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_every_kind),
    };
    return cmocka_run_group_tests_name("kernels norm", tests, NULL, NULL);
}
