/* What a metric is, and what it sees: scores and true labels (or numbers) of a split, never the
 * model, the store or Lua. A file a family (threshold, agreement, ranking, share, curve,
 * probability, calibration, regression); each word ends in one exported descriptor; metrics.c is
 * the table. Everything is float64, rows are read in
 * order, so that a value depends on the input alone.
 *
 *     ln_metric_find -> ln_metric_check (before the run) -> ln_metric_compute
 *     -> ln_metric_result_free
 *
 * A metric that cannot be computed is no error: its result is "undefined", with the reason. */
#ifndef LN_METRIC_H
#define LN_METRIC_H

#include "base/param.h"
#include "lunette.h"
#include "tensor/tensor.h"

/* What a metric reads, and for which tasks it is defined. */
#define LN_METRIC_SCORES 1u     /* the scores themselves, not only the predicted class */
#define LN_METRIC_BINARY 2u     /* two classes */
#define LN_METRIC_MULTICLASS 4u /* more than two */
#define LN_METRIC_REGRESSION 8u /* numbers */
#define LN_METRIC_MATRIX 16u    /* the result is a matrix: no value, no direction */
#define LN_METRIC_CURVE 32u     /* the result is a curve: no value, no direction */
#define LN_METRIC_NEUTRAL 64u   /* a value that is neither better when higher nor when lower */
#define LN_METRIC_RANKING 128u  /* reads the order of the scores */
#define LN_METRIC_NO_VALUE (LN_METRIC_MATRIX | LN_METRIC_CURVE)

/* Of two classes, class 1 is predicted where its score reaches this (unless a metric's parameter
 * says otherwise); of more, the highest score wins, the lowest class among equals. */
#define LN_METRIC_THRESHOLD 0.5

typedef struct ln_metric_input {
    int64_t n;             /* rows */
    int64_t class_count;   /* 2 or more; 0: regression */
    int64_t outputs;       /* regression: numbers a row, 0 meaning 1; else not read */
    const double *scores;  /* (n, class_count) probabilities, or (n, outputs) predictions */
    const int32_t *labels; /* (n) class ids, 0-based; NULL in regression */
    const double *numbers; /* (n, outputs) true numbers in regression; else NULL */
    const double *weights; /* (n), finite and >= 0, or NULL: all 1 */
    const int32_t *times;  /* (n): how often a row is taken, 0: it is not there; NULL: all once */
    const struct ln_pair *order; /* (class_count, n): each class's rows as ln_ranking_orders gives
                                    them; NULL: they are sorted when needed */
} ln_metric_input;

/* One line of a curve. */
typedef struct ln_metric_series {
    char name[24];     /* of the series, "" where there is one */
    int64_t count;     /* points */
    double *x;         /* count, owned; y and threshold lie in the same block of memory */
    double *y;         /* count */
    double *threshold; /* count, NaN where there is none */
} ln_metric_series;

typedef struct ln_metric_result {
    bool defined;             /* false: "undefined", and reason says why */
    double value;             /* NaN where undefined and for curves and matrices */
    double lower, upper;      /* of an interval, NaN where there is none */
    int64_t n;                /* rows that counted */
    char reason[160];         /* why it is undefined, or a remark on a defined value, or "" */
    ln_tensor *matrix;        /* f64, owned, or NULL */
    ln_metric_series *series; /* of a curve: series_count of them, owned */
    int series_count;
} ln_metric_result;

/* What an interval is made of: the percentile bootstrap over rows. */
typedef struct ln_interval_options {
    double level;      /* 0 < level < 1 */
    int64_t resamples; /* 1 or more */
    uint64_t seed;     /* resample r draws from the stream (seed, "bootstrap", number, r) */
    uint64_t number;   /* which interval of the run this is */
} ln_interval_options;

typedef struct ln_metric {
    ln_word word;
    unsigned flags;
    bool higher_is_better; /* not read for matrices */
    const char *scope;     /* "model", as in the store */
    const void *defaults;  /* a parameter struct with the defaults; NULL where there are none */
    /* Refuses what the parameters do not allow for that many classes; may be NULL. */
    ln_status (*check)(const struct ln_metric *metric, int64_t class_count, const void *params,
                       ln_error *err);
    /* The input is checked, has a row and a positive weight; the result is empty and defined. */
    ln_status (*compute)(const ln_metric_input *input, const void *params, ln_metric_result *result,
                         ln_error *err);
    /* An interval of its own in place of the bootstrap: sets *lower and *upper, or leaves them as
     * they are where it does not apply. May be NULL. */
    ln_status (*interval)(const ln_metric_input *input, double level, double *lower, double *upper,
                          ln_error *err);
} ln_metric;

extern const ln_metric *const ln_metrics[]; /* NULL-terminated */
const ln_metric *ln_metric_find(const char *word);

/* Whether the metric is defined for the task and its parameters fit: LN_EINVALID with what would be
 * right. `class_count` as in ln_metric_input. */
ln_status ln_metric_check(const ln_metric *metric, int64_t class_count, const void *params,
                          ln_error *err);
/* `params` is the metric's parameter struct (NULL: its defaults). Labels out of range and negative
 * weights are LN_EINVALID; no rows, no weight and scores that are not numbers make the result
 * undefined. Caller frees the result, also after an error. */
ln_status ln_metric_compute(const ln_metric *metric, const ln_metric_input *input,
                            const void *params, ln_metric_result *result, ln_error *err);
/* The interval of a value that ln_metric_compute gave for the same input: sets result->lower and
 * upper, or leaves them NaN and says why in the reason. Nothing for curves, matrices and undefined
 * values. The pool (NULL: none) changes no bit. LN_EINVALID: level or resamples out of range. */
ln_status ln_metric_interval(const ln_metric *metric, const ln_metric_input *input,
                             const void *params, const ln_interval_options *options, ln_pool *pool,
                             ln_metric_result *result, ln_error *err);
/* The value of `a` less that of `b`, two models' scores of the same rows in the same order, and its
 * paired bootstrap interval: both are computed on each resample. The same remarks and bits as above. */
ln_status ln_metric_difference(const ln_metric *metric, const ln_metric_input *a,
                               const ln_metric_input *b, const void *params,
                               const ln_interval_options *options, ln_pool *pool,
                               ln_metric_result *result, ln_error *err);
void ln_metric_result_free(ln_metric_result *result);
const char *ln_metric_status(const ln_metric_result *result); /* "ok" or "undefined" */

/* For the families: the predicted class of one row; an undefined result with its reason. */
int32_t ln_metric_predicted(const ln_metric_input *input, int64_t row);
int32_t ln_metric_highest(const ln_metric_input *input, int64_t row); /* whatever the threshold */
static inline int32_t ln_metric_predicted_at(const ln_metric_input *input, int64_t row,
                                             double threshold)
{
    return input->class_count == 2 ? input->scores[2 * row + 1] >= threshold
                                   : ln_metric_highest(input, row);
}
ln_status ln_metric_undefined(ln_metric_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `count` series without points; room for the points of one of them. */
ln_status ln_metric_series_make(ln_metric_result *result, int count, ln_error *err);
ln_status ln_metric_points_make(ln_metric_series *series, int64_t points, ln_error *err);
/* How much a row weighs. */
static inline double ln_metric_weight(const ln_metric_input *input, int64_t row)
{
    double weight = input->weights ? input->weights[row] : 1;
    return input->times ? weight * input->times[row] : weight;
}

/* Parameter structs. */
typedef struct ln_threshold_params {
    double threshold; /* of class 1's score, for two classes */
} ln_threshold_params;

#define LN_AVERAGE_CHOICES "binary|macro|micro|weighted"
enum { LN_AVERAGE_BINARY, LN_AVERAGE_MACRO, LN_AVERAGE_MICRO, LN_AVERAGE_WEIGHTED };
typedef struct ln_average_params {
    int average;      /* index into LN_AVERAGE_CHOICES (precision, recall, f1) */
    double threshold; /* of class 1's score, for two classes */
} ln_average_params;

#define LN_AUC_AVERAGE_CHOICES "macro|weighted"
enum { LN_AUC_MACRO, LN_AUC_WEIGHTED };
typedef struct ln_auc_params {
    int average; /* index into LN_AUC_AVERAGE_CHOICES, for more than two classes */
} ln_auc_params;

typedef struct ln_share_params {
    double at; /* share of the rows, by weight (lift, gain) */
} ln_share_params;

typedef struct ln_curve_params {
    int64_t points; /* at most that many points a series, at least 2 */
} ln_curve_params;

typedef struct ln_bins_params {
    int64_t bins; /* of equal width between 0 and 1 */
} ln_bins_params;

#endif
