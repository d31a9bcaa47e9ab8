/* What the metrics of the predicted class count: weights by true and by predicted class. */
#ifndef LN_METRICS_TALLY_H
#define LN_METRICS_TALLY_H

#include "metrics/metric.h"

/* Weights by class; all arrays are class_count long. */
typedef struct ln_tally {
    double *hit;       /* of class c and predicted as c; owns the next two as well */
    double *predicted; /* predicted as c */
    double *actual;    /* of class c */
    bool *occurs;      /* among the labels or the predictions, whatever the weight */
    double total;      /* of all rows */
    double missed;     /* of those predicted as another class than theirs */
} ln_tally;

/* One pass over the rows. The caller frees it, unless this fails. */
ln_status ln_tally_make(const ln_metric_input *input, double threshold, ln_tally *out,
                        ln_error *err);
void ln_tally_free(ln_tally *tally);

/* For descriptors: the flags of what takes any classes; the parameter `threshold`, its default, and the check
 * that it is left alone where there are more than two classes. */
#define LN_METRIC_CLASSES (LN_METRIC_BINARY | LN_METRIC_MULTICLASS)
extern const ln_param ln_threshold_param[];
extern const ln_threshold_params ln_threshold_defaults;
ln_status ln_threshold_check(const ln_metric *metric, int64_t class_count, const void *params,
                             ln_error *err);

#endif
