/* SQL functions of two lists of equal length: tensor_cosine, tensor_pearson, tensor_spearman,
 * tensor_maxdiff, tensor_topk_iou(a, b, k).
 *
 *   cosine   sum(ab) / sqrt(sum(aa) sum(bb))            NULL where one list is all zeros
 *   pearson  cosine of the lists less their means       NULL where one list is constant
 *   spearman pearson of the ranks, equal values share their mean rank
 *   maxdiff  greatest |a - b|
 *   topk_iou |A and B| / |A or B| of the index sets A = topk(a, k), B = topk(b, k); NULL where both
 *            are empty
 *
 * NULL in gives NULL, lists of different length are an error, NaN in a list gives NULL. Sums are in
 * index order in float64. Cost: one or two passes; spearman sorts. */
#include "store/sqlite.h"

#include <math.h>
#include <stdlib.h>

#include "store/topk.h"

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS)

/* Both lists of a call. False: the result is set. */
static bool both(sqlite3_context *context, const char *function, sqlite3_value **argv, ln_floats *a,
                 ln_floats *b)
{
    if (!ln_sql_floats(context, function, argv[0], a) ||
        !ln_sql_floats(context, function, argv[1], b))
        return false;
    if (a->count != b->count) {
        ln_sql_error(context,
                     "%s expects two lists of equal length and was given %lld and %lld numbers",
                     function, (long long)a->count, (long long)b->count);
        return false;
    }
    return true;
}

/* ab / sqrt(aa bb), kept within [-1, 1]; NULL where it is not defined. */
static void give_ratio(sqlite3_context *context, double ab, double aa, double bb)
{
    double below = sqrt(aa) * sqrt(bb);
    if (!(below > 0) || isnan(ab))
        return;
    double ratio = ab / below;
    sqlite3_result_double(context, ratio > 1 ? 1 : ratio < -1 ? -1 : ratio);
}

static void call_cosine(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats a, b;
    if (!both(context, "tensor_cosine", argv, &a, &b))
        return;
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < a.count; i++) {
        double x = ln_float_at(&a, i), y = ln_float_at(&b, i);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    give_ratio(context, ab, aa, bb);
}

static void call_pearson(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats a, b;
    if (!both(context, "tensor_pearson", argv, &a, &b))
        return;
    double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < a.count; i++) {
        mean_a += ln_float_at(&a, i);
        mean_b += ln_float_at(&b, i);
    }
    mean_a /= (double)a.count;
    mean_b /= (double)a.count;
    for (int64_t i = 0; i < a.count; i++) {
        double x = ln_float_at(&a, i) - mean_a, y = ln_float_at(&b, i) - mean_b;
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    give_ratio(context, ab, aa, bb);
}

static void call_maxdiff(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats a, b;
    if (!both(context, "tensor_maxdiff", argv, &a, &b) || a.count == 0)
        return;
    double greatest = 0;
    for (int64_t i = 0; i < a.count; i++) {
        double gap = fabs((double)ln_float_at(&a, i) - (double)ln_float_at(&b, i));
        if (isnan(gap))
            return;
        greatest = gap > greatest ? gap : greatest;
    }
    sqlite3_result_double(context, greatest);
}

/* A number and where it stood, for sorting. */
typedef struct ranked {
    float value;   /* never NaN */
    int64_t index; /* in the list */
} ranked;

static int by_value(const void *a, const void *b)
{
    float x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return x < y ? -1 : x > y;
}

/* ranks[i] = rank of element i from 0; equal values share the mean of theirs. False: a NaN. */
static bool rank_list(const ln_floats *floats, ranked *sorted, double *ranks)
{
    int64_t n = floats->count;
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = (ranked){ln_float_at(floats, i), i};
        if (isnan(sorted[i].value))
            return false;
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && sorted[end].value == sorted[first].value; end++) {
        }
        for (int64_t i = first; i < end; i++)
            ranks[sorted[i].index] = (double)(first + end - 1) / 2;
    }
    return true;
}

static void call_spearman(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats a, b;
    if (!both(context, "tensor_spearman", argv, &a, &b))
        return;
    sqlite3_uint64 n = (sqlite3_uint64)a.count;
    ranked *sorted = sqlite3_malloc64((n + 1) * sizeof *sorted);
    double *ranks_a = sqlite3_malloc64((2 * n + 1) * sizeof *ranks_a);
    if (!sorted || !ranks_a) {
        sqlite3_result_error_nomem(context);
        goto out;
    }
    double *ranks_b = ranks_a + n;
    if (!rank_list(&a, sorted, ranks_a) || !rank_list(&b, sorted, ranks_b))
        goto out;
    double mean = ((double)n - 1) / 2, ab = 0, aa = 0, bb = 0;
    for (sqlite3_uint64 i = 0; i < n; i++) {
        double x = ranks_a[i] - mean, y = ranks_b[i] - mean;
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    give_ratio(context, ab, aa, bb);
out:
    sqlite3_free(sorted);
    sqlite3_free(ranks_a);
}

static int by_index(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t count_common(int64_t *a, int64_t count_a, int64_t *b, int64_t count_b)
{
    qsort(a, (size_t)count_a, sizeof *a, by_index);
    qsort(b, (size_t)count_b, sizeof *b, by_index);
    int64_t common = 0;
    for (int64_t i = 0, j = 0; i < count_a && j < count_b;) {
        common += a[i] == b[j];
        int64_t x = a[i], y = b[j];
        i += x <= y;
        j += y <= x;
    }
    return common;
}

static void call_topk_iou(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    ln_floats a, b;
    int64_t *top_a = NULL, *top_b = NULL, count_a = 0, count_b = 0;
    if (both(context, "tensor_topk_iou", argv, &a, &b) &&
        ln_topk(context, "tensor_topk_iou", &a, argv[2], &top_a, &count_a) &&
        ln_topk(context, "tensor_topk_iou", &b, argv[2], &top_b, &count_b) &&
        count_a + count_b > 0) {
        int64_t common = count_common(top_a, count_a, top_b, count_b);
        sqlite3_result_double(context, (double)common / (double)(count_a + count_b - common));
    }
    sqlite3_free(top_a);
    sqlite3_free(top_b);
}

int ln_sql_register_pairs(sqlite3 *db)
{
    static const struct {
        const char *name; /* as in SQL */
        int arguments;    /* how many */
        void (*call)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        {"tensor_cosine", 2, call_cosine},     {"tensor_pearson", 2, call_pearson},
        {"tensor_spearman", 2, call_spearman}, {"tensor_maxdiff", 2, call_maxdiff},
        {"tensor_topk_iou", 3, call_topk_iou},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof functions / sizeof *functions && code == SQLITE_OK; i++)
        code = sqlite3_create_function(db, functions[i].name, functions[i].arguments, FLAGS, NULL,
                                       functions[i].call, NULL, NULL);
    return code;
}
