/* What a metric is, and what it sees: scores and true labels (or numbers) of a split, never the
 * model, the store or Lua. A file a family (threshold, ranking, probability, regression); each word
 * ends in one exported descriptor; metrics.c is the table. Everything is float64, rows are read in
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

/* Of two classes, class 1 is predicted where its score reaches this; of more, the highest score
 * wins, the lowest class among equals. */
#define LN_METRIC_THRESHOLD 0.5

typedef struct ln_metric_input {
    int64_t n;             /* rows */
    int64_t class_count;   /* 2 or more; 0: regression */
    int64_t outputs;       /* regression: numbers a row, 0 meaning 1; else not read */
    const double *scores;  /* (n, class_count) probabilities, or (n, outputs) predictions */
    const int32_t *labels; /* (n) class ids, 0-based; NULL in regression */
    const double *numbers; /* (n, outputs) true numbers in regression; else NULL */
    const double *weights; /* (n), finite and >= 0, or NULL: all 1 */
} ln_metric_input;

/* One line of a curve. */
typedef struct ln_metric_series {
    char name[64];     /* of the series, "" where there is one */
    int64_t count;     /* points */
    double *x, *y;     /* count each, owned */
    double *threshold; /* count, NaN where there is none; owned, may be NULL */
} ln_metric_series;

typedef struct ln_metric_result {
    bool defined;             /* false: "undefined", and reason says why */
    double value;             /* NaN where undefined and for curves and matrices */
    double lower, upper;      /* of an interval, NaN where there is none */
    int64_t n;                /* rows that counted */
    char reason[160];         /* why it is undefined, or a remark on a defined value, or "" */
    ln_tensor *matrix;        /* f64, owned, or NULL */
    ln_metric_series *series; /* series_count of them, owned */
    int series_count;
} ln_metric_result;

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
void ln_metric_result_free(ln_metric_result *result);
const char *ln_metric_status(const ln_metric_result *result); /* "ok" or "undefined" */

/* For the families: the predicted class of one row; an undefined result with its reason. */
int32_t ln_metric_predicted(const ln_metric_input *input, int64_t row);
ln_status ln_metric_undefined(ln_metric_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Parameter structs. */
#define LN_AVERAGE_CHOICES "binary|macro|micro|weighted"
enum { LN_AVERAGE_BINARY, LN_AVERAGE_MACRO, LN_AVERAGE_MICRO, LN_AVERAGE_WEIGHTED };
typedef struct ln_average_params {
    int average; /* index into LN_AVERAGE_CHOICES (precision, recall, f1) */
} ln_average_params;

#define LN_AUC_AVERAGE_CHOICES "macro|weighted"
enum { LN_AUC_MACRO, LN_AUC_WEIGHTED };
typedef struct ln_auc_params {
    int average; /* index into LN_AUC_AVERAGE_CHOICES, for more than two classes */
} ln_auc_params;

typedef struct ln_share_params {
    double at; /* share of the rows, by weight (lift) */
} ln_share_params;

#endif
