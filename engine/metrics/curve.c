/* Curves over all thresholds: roc_curve, pr_curve, ks_curve, lift_curve, gain_curve. Every distinct
 * score is one threshold and one point, from the highest down; rows without weight make none. With
 * TP and FP the weight of the positive and negative rows from the threshold up, P and Q that of all:
 *
 *     roc_curve    (FP / Q, TP / P)                              from (0, 0)
 *     pr_curve     (TP / P, TP / (TP + FP))                      from (0, 1)
 *     gain_curve   ((TP + FP) / (P + Q), TP / P)                 from (0, 0)
 *     lift_curve   ((TP + FP) / (P + Q), TP / (TP + FP) / (P / (P + Q)))
 *     ks_curve     (score, TP / P), (score, FP / Q), (score, their difference): three series
 *
 * The first point of those that begin before any threshold has none. For more than two classes
 * roc_curve and pr_curve have a series a class, each against the rest, named by its number.
 *
 * `points` bounds a series, so that a million scores do not make a million rows in the store: of m
 * points those at j (m - 1) / (points - 1), rounded down, are kept, the first and last among them.
 *
 * Cost: one radix sort and two walks a class. Sources: Fawcett 2006; Davis and Goadrich 2006;
 * scikit-learn roc_curve (drop_intermediate = False), precision_recall_curve. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/ranking.h"

/* What lies from a threshold up. */
typedef struct cut {
    const ln_ranking *rows;
    double hit, wrong; /* TP and FP */
    double threshold;  /* NaN before the first */
} cut;

/* Point `at` of the series (one, or three for ks_curve). */
typedef void (*draw_fn)(const cut *from, ln_metric_series *series, int64_t at);

typedef struct curve {
    draw_fn draw;
    bool origin; /* begins before the first threshold */
    int series;  /* a class */
} curve;

static void set(ln_metric_series *series, int64_t at, double x, double y, double threshold)
{
    series->x[at] = x;
    series->y[at] = y;
    series->threshold[at] = threshold;
}

static void draw_roc(const cut *from, ln_metric_series *series, int64_t at)
{
    const ln_ranking *rows = from->rows;
    set(series, at, from->wrong / rows->negatives, from->hit / rows->positives, from->threshold);
}

static void draw_pr(const cut *from, ln_metric_series *series, int64_t at)
{
    double taken = from->hit + from->wrong;
    set(series, at, from->hit / from->rows->positives, taken > 0 ? from->hit / taken : 1,
        from->threshold);
}

static double share_of(const cut *from)
{
    return (from->hit + from->wrong) / (from->rows->positives + from->rows->negatives);
}

static void draw_gain(const cut *from, ln_metric_series *series, int64_t at)
{
    set(series, at, share_of(from), from->hit / from->rows->positives, from->threshold);
}

static void draw_lift(const cut *from, ln_metric_series *series, int64_t at)
{
    const ln_ranking *rows = from->rows;
    double base = rows->positives / (rows->positives + rows->negatives);
    set(series, at, share_of(from), from->hit / (from->hit + from->wrong) / base, from->threshold);
}

static void draw_ks(const cut *from, ln_metric_series *series, int64_t at)
{
    double hit = from->hit / from->rows->positives, wrong = from->wrong / from->rows->negatives;
    set(&series[0], at, from->threshold, hit, from->threshold);
    set(&series[1], at, from->threshold, wrong, from->threshold);
    set(&series[2], at, from->threshold, hit - wrong, from->threshold);
}

static const curve curve_roc = {draw_roc, true, 1};
static const curve curve_pr = {draw_pr, true, 1};
static const curve curve_gain = {draw_gain, true, 1};
static const curve curve_lift = {draw_lift, false, 1};
static const curve curve_ks = {draw_ks, false, 3};

/* Of `all` points those that are kept, `count` of them. */
typedef struct thinning {
    int64_t all, count;
    int64_t point, kept; /* points seen, and how many of them were kept */
    int64_t wanted;      /* the point that is kept next */
} thinning;

/* The number of the next point within the series that is kept; -1: it is left out. */
static int64_t place_of(thinning *of)
{
    if (of->point++ != of->wanted)
        return -1;
    const int64_t place = of->kept++;
    of->wanted = of->count == of->all ? of->kept : of->kept * (of->all - 1) / (of->count - 1);
    return place;
}

static ln_status trace(const curve *of, const ln_ranking *rows, int64_t most,
                       ln_metric_series *series, ln_error *err)
{
    int64_t last, at;
    const int64_t all = ln_ranking_blocks(rows, &last) + of->origin;
    thinning points = {.all = all, .count = all < most ? all : most};
    for (int i = 0; i < of->series; i++) {
        ln_status status = ln_metric_points_make(&series[i], points.count, err);
        if (status)
            return status;
    }
    cut from = {.rows = rows, .threshold = NAN};
    if (of->origin && (at = place_of(&points)) >= 0)
        of->draw(&from, series, at);
    for (ln_block block = {0}; ln_ranking_next(rows, &block);) {
        if (!(block.positives + block.negatives > 0))
            continue;
        from.hit += block.positives;
        from.wrong += block.negatives;
        from.threshold = block.score;
        if (block.end == last) { /* whatever the sums of weights rounded to */
            from.hit = rows->positives;
            from.wrong = rows->negatives;
        }
        if ((at = place_of(&points)) >= 0)
            of->draw(&from, series, at);
    }
    return LN_OK;
}

/* The series of one class against the rest; *defined is false where one side is empty. */
static ln_status of_class(const ln_metric_input *input, int32_t positive, const curve *of,
                          const void *params, ln_metric_series *series, bool *defined,
                          ln_error *err)
{
    ln_ranking rows;
    ln_status status = ln_ranking_make(input, positive, LN_RANKING_BLOCKS, &rows, err);
    *defined = !status && !ln_ranking_one_class(&rows);
    if (*defined)
        status = trace(of, &rows, ((const ln_curve_params *)params)->points, series, err);
    ln_ranking_free(&rows);
    return status;
}

static ln_status of_two(const ln_metric_input *input, const curve *of, const void *params,
                        ln_metric_result *result, ln_error *err)
{
    bool defined = false;
    ln_status status = ln_metric_series_make(result, of->series, err);
    if (!status)
        status = of_class(input, 1, of, params, result->series, &defined, err);
    return status || defined ? status : ln_metric_undefined(result, "one class only");
}

/* A class without rows has a series without points. */
static ln_status of_all(const ln_metric_input *input, const curve *of, const void *params,
                        ln_metric_result *result, ln_error *err)
{
    int64_t drawn = 0, missing = -1;
    ln_status status = ln_metric_series_make(result, (int)input->class_count, err);
    for (int32_t c = 0; c < input->class_count && !status; c++) {
        bool defined = false;
        ln_metric_series *series = &result->series[c];
        snprintf(series->name, sizeof series->name, "%d", (int)c);
        status = of_class(input, c, of, params, series, &defined, err);
        drawn += defined;
        if (!defined && missing < 0)
            missing = c;
    }
    if (!status && drawn == 0)
        return ln_metric_undefined(result, "one class only");
    if (!status && missing >= 0)
        snprintf(result->reason, sizeof result->reason,
                 "no row is of class %lld: it has no curve of its own", (long long)missing);
    return status;
}

static ln_status one_or_all(const ln_metric_input *input, const curve *of, const void *params,
                            ln_metric_result *result, ln_error *err)
{
    return (input->class_count == 2 ? of_two : of_all)(input, of, params, result, err);
}

static ln_status roc_curve(const ln_metric_input *input, const void *params,
                           ln_metric_result *result, ln_error *err)
{
    return one_or_all(input, &curve_roc, params, result, err);
}

static ln_status pr_curve(const ln_metric_input *input, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    return one_or_all(input, &curve_pr, params, result, err);
}

static ln_status ks_curve(const ln_metric_input *input, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    ln_status status = of_two(input, &curve_ks, params, result, err);
    static const char *const names[] = {"tpr", "fpr", "difference"};
    for (int i = 0; i < result->series_count; i++)
        snprintf(result->series[i].name, sizeof result->series[i].name, "%s", names[i]);
    return status;
}

static ln_status lift_curve(const ln_metric_input *input, const void *params,
                            ln_metric_result *result, ln_error *err)
{
    return of_two(input, &curve_lift, params, result, err);
}

static ln_status gain_curve(const ln_metric_input *input, const void *params,
                            ln_metric_result *result, ln_error *err)
{
    return of_two(input, &curve_gain, params, result, err);
}

static const ln_param curve_params[] = {
    {.name = "points",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_curve_params, points),
     .fallback = "10000",
     .min = 2,
     .max = 1e9,
     .help = "at most that many points a series; of more, evenly spaced ones are kept"},
    LN_PARAM_END};
static const ln_curve_params curve_defaults = {10000};

const ln_metric ln_metric_roc_curve = {
    .word = {.name = "roc_curve",
             .summary = "true positive rate against false positive rate, threshold by threshold",
             .formula = "x = FP / Q, y = TP / P",
             .source = "Fawcett 2006; scikit-learn roc_curve",
             .params = curve_params,
             .params_size = sizeof(ln_curve_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &curve_defaults,
    .compute = roc_curve,
};

const ln_metric ln_metric_pr_curve = {
    .word = {.name = "pr_curve",
             .summary = "precision against recall, threshold by threshold",
             .formula = "x = TP / P, y = TP / (TP + FP)",
             .source = "Davis and Goadrich 2006; scikit-learn precision_recall_curve",
             .params = curve_params,
             .params_size = sizeof(ln_curve_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &curve_defaults,
    .compute = pr_curve,
};

const ln_metric ln_metric_ks_curve = {
    .word = {.name = "ks_curve",
             .summary = "share of each class that scores at least x, and their difference",
             .formula = "x = score, y = TP / P; FP / Q; TP / P - FP / Q",
             .source = "Kolmogorov-Smirnov statistic",
             .params = curve_params,
             .params_size = sizeof(ln_curve_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &curve_defaults,
    .compute = ks_curve,
};

const ln_metric ln_metric_lift_curve = {
    .word = {.name = "lift_curve",
             .summary = "lift of the highest scores against their share of the rows",
             .formula = "x = (TP + FP) / (P + Q), y = TP / (TP + FP) / (P / (P + Q))",
             .source = "marketing and credit scoring",
             .params = curve_params,
             .params_size = sizeof(ln_curve_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &curve_defaults,
    .compute = lift_curve,
};

const ln_metric ln_metric_gain_curve = {
    .word = {.name = "gain_curve",
             .summary = "share of the positives against the share of the rows, highest first",
             .formula = "x = (TP + FP) / (P + Q), y = TP / P",
             .source = "cumulative gains of marketing",
             .params = curve_params,
             .params_size = sizeof(ln_curve_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &curve_defaults,
    .compute = gain_curve,
};
