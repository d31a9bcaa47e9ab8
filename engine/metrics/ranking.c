/* Metrics of the order of scores: roc_auc, ks, lift. Rows are sorted by score once; equal scores
 * form one block, which is one threshold. With P and Q the weight of the positive and the negative
 * rows, and TP, FP what lies in the blocks down to a threshold:
 *
 *     roc_auc = sum over blocks of q (TP above the block + p / 2) / (P Q), p and q being the
 *               block's own weights: the share of pairs that are in the right order, ties half
 *     ks      = max over thresholds of |TP / P - FP / Q|
 *     lift    = (TP in the top share / weight of the top share) / (P / (P + Q))
 *
 * The top share is at * (P + Q) of weight; of the block at the cut the needed part counts in
 * proportion. With one class all three are undefined ("one class only"). For more than two classes
 * roc_auc is one against the rest for each class, and their mean.
 *
 * Without weights every sum is a count below 2^53 (or half of one): ties are exact. Cost: one radix
 * sort, O(n) a class. Sources: Fawcett 2006, "An introduction to ROC analysis"; scikit-learn
 * roc_auc_score; scipy ks_2samp. */
#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/metric.h"
#include "metrics/order.h"

/* Rows from the highest score down, and which class is the positive one. */
typedef struct ranking {
    const ln_metric_input *input;
    const double *scores;        /* of the positive class, every class_count-th */
    int64_t *order;              /* n rows, owned */
    int32_t positive;            /* class id */
    double positives, negatives; /* weights */
} ranking;

/* Rows [begin, end) of the order have one score. */
typedef struct block {
    int64_t begin, end;
    double positives, negatives; /* weights within */
} block;

static double weight_of(const ln_metric_input *input, int64_t row)
{
    return input->weights ? input->weights[row] : 1;
}

static ln_status rank(const ln_metric_input *input, int32_t positive, ranking *out, ln_error *err)
{
    *out = (ranking){.input = input, .scores = input->scores + positive, .positive = positive};
    for (int64_t row = 0; row < input->n; row++) {
        double *sum = input->labels[row] == positive ? &out->positives : &out->negatives;
        *sum += weight_of(input, row);
    }
    if (!(out->positives > 0 && out->negatives > 0))
        return LN_OK; /* one class only: the callers look at the two sums first */
    out->order = ln_calloc((size_t)input->n, sizeof *out->order);
    if (!out->order)
        return ln_fail_memory(err, (size_t)input->n * sizeof *out->order);
    ln_status status =
        ln_order_descending(out->scores, input->n, input->class_count, out->order, err);
    if (status)
        ln_free(out->order);
    return status;
}

/* The block after `at` (a zeroed one: the first); false at the end. */
static bool next_block(const ranking *rows, block *at)
{
    const ln_metric_input *input = rows->input;
    if (at->end == input->n)
        return false;
    *at = (block){.begin = at->end, .end = at->end};
    double score = rows->scores[rows->order[at->begin] * input->class_count];
    while (at->end < input->n) {
        int64_t row = rows->order[at->end];
        if (rows->scores[row * input->class_count] != score)
            break;
        double *sum = input->labels[row] == rows->positive ? &at->positives : &at->negatives;
        *sum += weight_of(input, row);
        at->end++;
    }
    return true;
}

static bool one_class(const ranking *rows)
{
    return !(rows->positives > 0 && rows->negatives > 0);
}

/* The area of one class against the rest; NaN where one of the sides is empty. */
static ln_status area(const ln_metric_input *input, int32_t positive, double *out, double *weight,
                      ln_error *err)
{
    ranking rows;
    ln_status status = rank(input, positive, &rows, err);
    if (status)
        return status;
    *out = NAN;
    *weight = rows.positives;
    if (one_class(&rows))
        return LN_OK;
    double above = 0, sum = 0; /* positives above the block; twice the pairs won */
    for (block at = {0}; next_block(&rows, &at); above += at.positives)
        sum += at.negatives * (2 * above + at.positives);
    ln_free(rows.order);
    *out = sum / (2 * rows.positives * rows.negatives);
    return LN_OK;
}

static ln_status roc_auc(const ln_metric_input *input, const void *params, ln_metric_result *result,
                         ln_error *err)
{
    double value, weight;
    if (input->class_count == 2) {
        ln_status status = area(input, 1, &value, &weight, err);
        if (status)
            return status;
        result->value = value;
        return isnan(value) ? ln_metric_undefined(result, "one class only") : LN_OK;
    }
    bool weighted = ((const ln_auc_params *)params)->average == LN_AUC_WEIGHTED;
    double sum = 0, total = 0;
    int64_t present = 0, missing = -1;
    for (int32_t c = 0; c < input->class_count; c++) {
        ln_status status = area(input, c, &value, &weight, err);
        if (status)
            return status;
        if (weight > 0)
            present++;
        else if (missing < 0)
            missing = c;
        if (!isnan(value))
            sum += (weighted ? weight : 1) * value;
        total += weighted ? weight : 1;
    }
    if (present == 1)
        return ln_metric_undefined(result, "one class only");
    if (missing >= 0)
        return ln_metric_undefined(result, "no row is of class %lld: it has no curve of its own",
                                   (long long)missing);
    result->value = sum / total;
    return LN_OK;
}

static ln_status ks(const ln_metric_input *input, const void *params, ln_metric_result *result,
                    ln_error *err)
{
    (void)params;
    ranking rows;
    ln_status status = rank(input, 1, &rows, err);
    if (status)
        return status;
    if (one_class(&rows))
        return ln_metric_undefined(result, "one class only");
    double hit = 0, wrong = 0, best = 0;
    for (block at = {0}; next_block(&rows, &at);) {
        hit += at.positives;
        wrong += at.negatives;
        double distance = fabs(hit / rows.positives - wrong / rows.negatives);
        if (at.end < input->n && distance > best)
            best = distance;
    }
    ln_free(rows.order);
    result->value = best;
    return LN_OK;
}

static ln_status lift(const ln_metric_input *input, const void *params, ln_metric_result *result,
                      ln_error *err)
{
    ranking rows;
    ln_status status = rank(input, 1, &rows, err);
    if (status)
        return status;
    if (one_class(&rows))
        return ln_metric_undefined(result, "one class only");
    double total = rows.positives + rows.negatives;
    double wanted = ((const ln_share_params *)params)->at * total, taken = 0, hit = 0;
    for (block at = {0}; taken < wanted && next_block(&rows, &at);) {
        double size = at.positives + at.negatives;
        if (!(size > 0))
            continue;
        double part = fmin(1, (wanted - taken) / size);
        hit += part * at.positives;
        taken += size;
    }
    ln_free(rows.order);
    result->value = hit / wanted / (rows.positives / total);
    return LN_OK;
}

static const ln_param auc_params[] = {
    {.name = "average",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_auc_params, average),
     .fallback = "\"macro\"",
     .choices = LN_AUC_AVERAGE_CHOICES,
     .help = "for more than two classes, each against the rest: their mean, plain or by the "
             "classes' rows"},
    LN_PARAM_END};
static const ln_param no_params[] = {LN_PARAM_END};
static const ln_param lift_params[] = {{.name = "at",
                                        .type = LN_PARAM_REAL,
                                        .offset = offsetof(ln_share_params, at),
                                        .fallback = "0.1",
                                        .min = 0,
                                        .max = 1,
                                        .above_min = true,
                                        .position = 1,
                                        .help = "share of the rows, highest scores first"},
                                       LN_PARAM_END};
static const ln_auc_params auc_defaults = {LN_AUC_MACRO};
static const ln_share_params lift_defaults = {0.1};

const ln_metric ln_metric_roc_auc = {
    .word = {.name = "roc_auc",
             .summary = "Chance that a positive row scores above a negative one",
             .formula = "P(score of a positive > score of a negative) + P(equal) / 2",
             .source = "Fawcett 2006; scikit-learn roc_auc_score",
             .params = auc_params,
             .params_size = sizeof(ln_auc_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &auc_defaults,
    .compute = roc_auc,
};

const ln_metric ln_metric_ks = {
    .word = {.name = "ks",
             .summary = "Greatest distance between the score distributions of the two classes",
             .formula = "max over thresholds of |TPR - FPR|",
             .source = "Kolmogorov-Smirnov statistic; scipy ks_2samp",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY,
    .higher_is_better = true,
    .scope = "model",
    .compute = ks,
};

const ln_metric ln_metric_lift = {
    .word = {.name = "lift",
             .summary = "Positive rate among the highest scores over that of all rows",
             .formula = "(positives in the top share / size of the top share) / base rate",
             .source = "marketing and credit scoring; ties at the cut count in proportion",
             .params = lift_params,
             .params_size = sizeof(ln_share_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &lift_defaults,
    .compute = lift,
};
