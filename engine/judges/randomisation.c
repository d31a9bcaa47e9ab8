/* Randomisation: does an explanation change when the model forgets what it has learnt? The explainer explains
 * the same rows and targets of a model whose weights are drawn anew, in one layer or in several
 * (ln_model_randomise); this judge gets both attributions and says how alike they are.
 *
 *   spearman   correlation of ranks, equal values share their mean rank
 *   pearson    correlation
 *   ssim       structural similarity: both maps divided by their own greatest |a|; over all 7 x 7 windows the mean of
 *              (2 ma mb + c1)(2 sab + c2) / ((ma^2 + mb^2 + c1)(sa + sb + c2)), with means m, (co)variances s of n - 1,
 *              c1 = (0.01 R)^2, c2 = (0.03 R)^2, R = 2, or 1 for sizes; planes of a map with channels on average
 *
 * of a, or with `absolute` of |a|. Lower is better: a map that stays the same says nothing of what was learnt.
 * attribution, other (items, units) -> one value an item, in float64. Undefined where an attribution is the same
 * everywhere or something is not finite. Cost: explaining once more; a sort an item.
 * Sources: Adebayo et al. 2018 (cascading and independent randomisation); Wang et al. 2004 (SSIM). */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "judges/attribution.h"

#define SIMILARITIES "spearman|pearson|ssim"
enum { SPEARMAN, PEARSON, SSIM };
#define WINDOW 7

typedef struct randomisation_params {
    int order; /* read by the driver */
    int similarity;
    bool absolute;
} randomisation_params;

/* ---------------------------------------------------------------- correlation */

typedef struct ranked {
    double value;
    int64_t index;
} ranked;

static int by_value(const void *a, const void *b)
{
    const double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* In place: numbers become their ranks from 0. */
static void rank_all(double *a, ranked *sorted, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        sorted[i] = (ranked){a[i], i};
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    for (int64_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && sorted[end].value == sorted[first].value;)
            end++;
        for (int64_t i = first; i < end; i++)
            a[sorted[i].index] = (double)(first + end - 1) / 2;
    }
}

static double correlation(const double *a, const double *b, int64_t count)
{
    double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < count; i++) {
        mean_a += a[i] / (double)count;
        mean_b += b[i] / (double)count;
    }
    for (int64_t i = 0; i < count; i++) {
        const double x = a[i] - mean_a, y = b[i] - mean_b;
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return ab / sqrt(aa * bb);
}

/* ---------------------------------------------------------------- structural similarity */

static double window_similarity(const double *a, const double *b, int64_t stride, double range)
{
    const double n = WINDOW * WINDOW, c1 = 1e-4 * range * range, c2 = 9e-4 * range * range;
    double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
    for (int y = 0; y < WINDOW; y++)
        for (int x = 0; x < WINDOW; x++) {
            mean_a += a[y * stride + x] / n;
            mean_b += b[y * stride + x] / n;
        }
    for (int y = 0; y < WINDOW; y++)
        for (int x = 0; x < WINDOW; x++) {
            const double p = a[y * stride + x] - mean_a, q = b[y * stride + x] - mean_b;
            aa += p * p / (n - 1);
            bb += q * q / (n - 1);
            ab += p * q / (n - 1);
        }
    return (2 * mean_a * mean_b + c1) * (2 * ab + c2) /
           ((mean_a * mean_a + mean_b * mean_b + c1) * (aa + bb + c2));
}

static void scale_to_one(double *a, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs(a[i]));
    for (int64_t i = 0; i < count && most > 0; i++)
        a[i] /= most;
}

static double structure(double *a, double *b, int64_t count, int64_t height, int64_t width,
                        double range)
{
    double sum = 0;
    const int64_t planes = count / (height * width);
    const int64_t down = height - WINDOW + 1, right = width - WINDOW + 1;
    scale_to_one(a, count);
    scale_to_one(b, count);
    for (int64_t p = 0; p < planes; p++)
        for (int64_t y = 0; y < down; y++)
            for (int64_t x = 0; x < right; x++) {
                const int64_t at = (p * height + y) * width + x;
                sum += window_similarity(a + at, b + at, width, range);
            }
    return sum / (double)(planes * down * right);
}

/* ---------------------------------------------------------------- the verdict */

static bool is_flat(const double *a, int64_t count)
{
    int64_t i = 1;
    while (i < count && a[i] == a[0])
        i++;
    return i >= count;
}

/* Height and width of the map, or why it has none. */
static const char *map_of(const ln_judged *judged, int64_t *height, int64_t *width)
{
    const ln_shape *shape = &judged->shape;
    *height = shape->rank >= 2 ? shape->dims[shape->rank - 2] : 0;
    *width = shape->rank >= 2 ? shape->dims[shape->rank - 1] : 0;
    if (*height < 1 || *width < 1 || judged->units % (*height * *width) != 0)
        return "ssim compares maps of two axes, and this is none";
    return *height < WINDOW || *width < WINDOW ? "ssim needs maps of 7 by 7 pixels or more" : NULL;
}

static double judge_item(const ln_judged *judged, int64_t item, double *a, double *b,
                         ranked *sorted, const char **reason)
{
    const randomisation_params *params = judged->params;
    const int64_t units = judged->units;
    const float *own = judged->attribution + item * units, *other = judged->other + item * units;
    int64_t height = 0, width = 0;
    *reason = params->similarity == SSIM ? map_of(judged, &height, &width) : NULL;
    if (!*reason)
        *reason = ln_not_finite(own, units);
    if (!*reason && ln_not_finite(other, units))
        *reason = "the attribution of the randomised model is not finite";
    if (*reason)
        return NAN;
    for (int64_t i = 0; i < units; i++) {
        a[i] = params->absolute ? fabs((double)own[i]) : (double)own[i];
        b[i] = params->absolute ? fabs((double)other[i]) : (double)other[i];
    }
    if (is_flat(a, units))
        *reason = "the attribution is the same everywhere";
    else if (is_flat(b, units))
        *reason = "the attribution of the randomised model is the same everywhere";
    if (*reason)
        return NAN;
    if (params->similarity == SSIM)
        return structure(a, b, units, height, width, params->absolute ? 1 : 2);
    if (params->similarity == SPEARMAN) {
        rank_all(a, sorted, units);
        rank_all(b, sorted, units);
    }
    return correlation(a, b, units);
}

static ln_status run(const ln_judged *judged, ln_pool *pool, double *values, const char **reasons,
                     ln_error *err)
{
    const size_t units = (size_t)judged->units;
    double *numbers = ln_calloc(2 * units, sizeof *numbers);
    ranked *sorted = ln_calloc(units, sizeof *sorted);
    (void)pool;
    ln_status status = numbers && sorted
                           ? LN_OK
                           : ln_fail_memory(err, units * (2 * sizeof(double) + sizeof *sorted));
    for (int64_t i = 0; i < judged->item_count && !status; i++)
        values[i] = judge_item(judged, i, numbers, numbers + units, sorted, &reasons[i]);
    ln_free(numbers);
    ln_free(sorted);
    return status;
}

static const ln_param params[] = {
    {.name = "layer",
     .type = LN_PARAM_LAYER,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "the layer whose weights are drawn anew; without it all layers that have any"},
    {.name = "order",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(randomisation_params, order),
     .fallback = "\"top_down\"",
     .choices = LN_RANDOMISE_ORDERS,
     .help = "which layers go with it: all behind it to the output, all before it, or none"},
    {.name = "similarity",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(randomisation_params, similarity),
     .fallback = "\"spearman\"",
     .choices = SIMILARITIES,
     .help = "how both attributions are compared"},
    {.name = "absolute",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(randomisation_params, absolute),
     .fallback = "false",
     .help = "whether their sizes are compared, without signs"},
    LN_PARAM_END,
};

const ln_judge ln_judge_parameter_randomisation = {
    .word =
        {
            .name = "parameter_randomisation",
            .summary = "how alike the attribution of a model stays whose layers are drawn anew",
            .formula =
                "similarity of a(x; weights) and a(x; weights drawn anew in one layer or several)",
            .source = "Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018, Sanity Checks for "
                      "Saliency Maps, arXiv:1810.03292",
            .params = params,
            .params_size = sizeof(randomisation_params),
        },
    .flags = LN_JUDGE_EXPLAINS_AGAIN,
    .higher_is_better = false,
    .version = 1,
    .run = run,
};
