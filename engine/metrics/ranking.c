/* Metrics of the order of scores: roc_auc, average_precision, ks, ks_threshold. Rows are sorted by
 * score once; equal scores form one block, which is one threshold. With P and Q the weight of the
 * positive and the negative rows, and TP, FP what lies in the blocks down to a threshold:
 *
 *     roc_auc = sum over blocks of q (TP above the block + p / 2) / (P Q), p and q being the
 *               block's own weights: the share of pairs that are in the right order, ties half
 *     average_precision = sum over blocks of p / P * TP / (TP + FP): the precision at each
 *               threshold, weighted by the recall gained there (no interpolation)
 *     ks      = max over thresholds of |TP / P - FP / Q|;  ks_threshold is the score at which it is
 *               reached, the highest one where there are several
 *
 * With one class all are undefined ("one class only"). For more than two classes roc_auc and
 * average_precision are one against the rest for each class, and their mean.
 *
 * Without weights every sum of roc_auc and ks is a count below 2^53 (or half of one): ties are
 * exact. Cost: one radix sort, O(n) a class. Sources: Fawcett 2006, "An introduction to ROC
 * analysis"; scikit-learn roc_auc_score, average_precision_score; scipy ks_2samp. */
#include <math.h>
#include <stddef.h>

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/delong.h"
#include "metrics/ranking.h"

/* Rows [0, n) from the highest score of class `positive` down, into `room` (2 n pairs, of which the
 * first n hold them). A tag is twice the row, and one more where the row is of that class. */
static void sort_rows(const ln_metric_input *input, int32_t positive, ln_pair *room)
{
    const double *scores = input->scores + positive;
    for (int64_t row = 0; row < input->n; row++)
        room[row] = (ln_pair){ln_order_key(scores[row * input->class_count]),
                              2 * row + (input->labels[row] == positive)};
    ln_order_sort(room, room + input->n, input->n);
}

ln_status ln_ranking_orders(const ln_metric_input *input, ln_pair *out, ln_error *err)
{
    const size_t n = (size_t)input->n;
    if (input->class_count == 2) { /* the half that stays empty serves as scratch */
        sort_rows(input, 1, out);
        memcpy(out + n, out, n * sizeof *out);
        return LN_OK;
    }
    ln_pair *room = ln_alloc(n * 2 * sizeof *room);
    if (!room)
        return ln_fail_memory(err, n * 2 * sizeof *room);
    for (int32_t c = 0; c < input->class_count; c++) {
        sort_rows(input, c, room);
        memcpy(out + (size_t)c * n, room, n * sizeof *out);
    }
    ln_free(room);
    return LN_OK;
}

/* The keys of the class's scores, and the range that they lie in. */
static uint64_t write_keys(const ln_metric_input *input, int32_t positive, uint64_t *keys,
                           uint64_t *least)
{
    const double *scores = input->scores + positive;
    uint64_t low = UINT64_MAX, high = 0;
    for (int64_t row = 0; row < input->n; row++) {
        const uint64_t key = ln_order_key(scores[row * input->class_count]);
        low = key < low ? key : low;
        high = key > high ? key : high;
        keys[row] = key;
    }
    *least = low;
    return high - low;
}

/* Sorts rows that weigh 1 each by key alone, with the class as the lowest bit, if the keys leave room
 * for it: scores of both signs that reach beyond 2 do not. Then nothing is sorted. */
static void sort_marked(const ln_metric_input *input, int32_t positive, ln_ranking *out)
{
    uint64_t *keys = out->owned;
    if (write_keys(input, positive, keys, &out->least) >> 63)
        return;
    for (int64_t row = 0; row < input->n; row++)
        keys[row] = 2 * (keys[row] - out->least) + (input->labels[row] == positive);
    ln_order_sort_keys(keys, keys + input->n, input->n);
    out->marked = keys;
}

static void weigh(const ln_metric_input *input, int32_t positive, ln_ranking *out)
{
    if (!input->weights && !input->times) {
        int64_t count = 0;
        for (int64_t row = 0; row < input->n; row++)
            count += input->labels[row] == positive;
        out->positives = (double)count;
        out->negatives = (double)(input->n - count);
        return;
    }
    for (int64_t row = 0; row < input->n; row++) {
        double *sum = input->labels[row] == positive ? &out->positives : &out->negatives;
        *sum += ln_metric_weight(input, row);
    }
}

ln_status ln_ranking_make(const ln_metric_input *input, int32_t positive, ln_ranking_of of,
                          ln_ranking *out, ln_error *err)
{
    const size_t n = (size_t)input->n;
    *out = (ln_ranking){.input = input};
    weigh(input, positive, out);
    if (ln_ranking_one_class(out))
        return LN_OK;
    if (input->order) {
        out->order = input->order + positive * input->n;
        return LN_OK;
    }
    if (of == LN_RANKING_BLOCKS && !input->weights && !input->times) {
        out->owned = ln_alloc(n * 2 * sizeof *out->marked);
        if (!out->owned)
            return ln_fail_memory(err, n * 2 * sizeof *out->marked);
        sort_marked(input, positive, out);
        if (out->marked)
            return LN_OK;
        ln_free(out->owned);
    }
    ln_pair *pairs = out->owned = ln_alloc(n * 2 * sizeof *pairs);
    if (!pairs)
        return ln_fail_memory(err, n * 2 * sizeof *pairs);
    sort_rows(input, positive, pairs);
    out->order = pairs;
    return LN_OK;
}

void ln_ranking_free(ln_ranking *ranking)
{
    ln_free(ranking->owned);
    ranking->owned = NULL;
    ranking->order = NULL;
    ranking->marked = NULL;
}

bool ln_ranking_one_class(const ln_ranking *ranking)
{
    return !(ranking->positives > 0 && ranking->negatives > 0);
}

void ln_ranking_next_weighted(const ln_ranking *ranking, ln_block *at)
{
    const ln_metric_input *input = ranking->input;
    const bool plain = !input->weights && !input->times;
    int64_t end = at->end;
    const uint64_t key = ranking->order[end].key;
    double sums[2] = {0, 0}; /* of the negatives, of the positives */
    for (; end < input->n && ranking->order[end].key == key; end++) {
        int64_t tag = ranking->order[end].tag;
        sums[tag & 1] += plain ? 1 : ln_metric_weight(input, tag >> 1);
    }
    *at = (ln_block){.begin = at->end,
                     .end = end,
                     .score = ln_order_score(key),
                     .positives = sums[1],
                     .negatives = sums[0]};
}

int64_t ln_ranking_blocks(const ln_ranking *ranking, int64_t *last)
{
    const uint64_t *marked = ranking->marked;
    int64_t count = 0;
    *last = ranking->input->n;
    if (marked) {
        for (int64_t i = 1; i < ranking->input->n; i++)
            count += marked[i] >> 1 != marked[i - 1] >> 1;
        return count + 1;
    }
    for (ln_block block = {0}; ln_ranking_next(ranking, &block);) {
        if (block.positives + block.negatives > 0) {
            count++;
            *last = block.end;
        }
    }
    return count;
}

/* Twice the share of pairs in the right order would be counts over counts: the division is last. */
static double area(const ln_ranking *rows)
{
    double above = 0, sum = 0; /* positives above the block; twice the pairs won */
    for (ln_block at = {0}; ln_ranking_next(rows, &at); above += at.positives)
        sum += at.negatives * (2 * above + at.positives);
    return sum / (2 * rows->positives * rows->negatives);
}

static double precision_over_recall(const ln_ranking *rows)
{
    double hit = 0, taken = 0, sum = 0;
    for (ln_block at = {0}; ln_ranking_next(rows, &at);) {
        hit += at.positives;
        taken += at.positives + at.negatives;
        if (at.positives > 0)
            sum += at.positives * (hit / taken);
    }
    return sum / rows->positives;
}

typedef double (*measure)(const ln_ranking *rows);

/* One class against the rest; NaN where one of the sides is empty. */
static ln_status of_class(const ln_metric_input *input, int32_t positive, measure of, double *out,
                          double *weight, ln_error *err)
{
    ln_ranking rows;
    ln_status status = ln_ranking_make(input, positive, LN_RANKING_BLOCKS, &rows, err);
    *weight = rows.positives;
    *out = status || ln_ranking_one_class(&rows) ? NAN : of(&rows);
    ln_ranking_free(&rows);
    return status;
}

/* Of class 1 of two; of more, the mean over all classes. */
static ln_status one_or_all(const ln_metric_input *input, measure of, const void *params,
                            ln_metric_result *result, ln_error *err)
{
    double value, weight;
    if (input->class_count == 2) {
        ln_status status = of_class(input, 1, of, &value, &weight, err);
        if (status)
            return status;
        result->value = value;
        return isnan(value) ? ln_metric_undefined(result, "one class only") : LN_OK;
    }
    bool weighted = ((const ln_auc_params *)params)->average == LN_AUC_WEIGHTED;
    double sum = 0, total = 0;
    int64_t present = 0, missing = -1;
    for (int32_t c = 0; c < input->class_count; c++) {
        ln_status status = of_class(input, c, of, &value, &weight, err);
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

static ln_status roc_auc(const ln_metric_input *input, const void *params, ln_metric_result *result,
                         ln_error *err)
{
    return one_or_all(input, area, params, result, err);
}

static ln_status average_precision(const ln_metric_input *input, const void *params,
                                   ln_metric_result *result, ln_error *err)
{
    return one_or_all(input, precision_over_recall, params, result, err);
}

/* The greatest distance of the two rates and the score where it is first reached from above. */
static ln_status greatest(const ln_metric_input *input, double *distance, double *score,
                          ln_metric_result *result, ln_error *err)
{
    ln_ranking rows;
    ln_status status = ln_ranking_make(input, 1, LN_RANKING_BLOCKS, &rows, err);
    if (status || ln_ranking_one_class(&rows)) {
        ln_ranking_free(&rows);
        return status ? status : ln_metric_undefined(result, "one class only");
    }
    double hit = 0, wrong = 0;
    *distance = -1;
    for (ln_block at = {0}; ln_ranking_next(&rows, &at);) {
        if (!(at.positives + at.negatives > 0))
            continue;
        hit += at.positives;
        wrong += at.negatives;
        /* |TP / P - FP / Q| times P Q: counts, so that ties are seen as such. Below the last block
         * lies nothing: there it is 0, whatever the sums of weights round to. */
        double here = at.end == input->n ? 0 : fabs(hit * rows.negatives - wrong * rows.positives);
        if (here > *distance) {
            *distance = here;
            *score = at.score;
        }
    }
    *distance /= rows.positives * rows.negatives;
    ln_ranking_free(&rows);
    return LN_OK;
}

static ln_status ks(const ln_metric_input *input, const void *params, ln_metric_result *result,
                    ln_error *err)
{
    (void)params;
    double score;
    return greatest(input, &result->value, &score, result, err);
}

static ln_status ks_threshold(const ln_metric_input *input, const void *params,
                              ln_metric_result *result, ln_error *err)
{
    (void)params;
    double distance;
    return greatest(input, &distance, &result->value, result, err);
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
static const ln_auc_params auc_defaults = {LN_AUC_MACRO};

const ln_metric ln_metric_roc_auc = {
    .word = {.name = "roc_auc",
             .summary = "chance that a positive row scores above a negative one",
             .formula = "P(score of a positive > score of a negative) + P(equal) / 2",
             .source = "Fawcett 2006; scikit-learn roc_auc_score",
             .params = auc_params,
             .params_size = sizeof(ln_auc_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &auc_defaults,
    .compute = roc_auc,
    .interval = ln_delong_interval,
};

const ln_metric ln_metric_ks = {
    .word = {.name = "ks",
             .summary = "greatest distance between the score distributions of the two classes",
             .formula = "max over thresholds of |TPR - FPR|",
             .source = "Kolmogorov-Smirnov statistic; scipy ks_2samp",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY,
    .higher_is_better = true,
    .scope = "model",
    .compute = ks,
};

const ln_metric ln_metric_ks_threshold = {
    .word = {.name = "ks_threshold",
             .summary =
                 "the score at which the two classes are furthest apart (where ks is reached)",
             .formula = "argmax over thresholds of |TPR - FPR|, the highest score among equals",
             .source = "Kolmogorov-Smirnov statistic; Youden 1950",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY | LN_METRIC_NEUTRAL,
    .scope = "model",
    .compute = ks_threshold,
};

const ln_metric ln_metric_average_precision = {
    .word = {.name = "average_precision",
             .summary = "mean of the precision over the thresholds, by the recall gained at each",
             .formula = "sum over thresholds of (R_i - R_{i-1}) P_i",
             .source = "Davis and Goadrich 2006; scikit-learn average_precision_score",
             .params = auc_params,
             .params_size = sizeof(ln_auc_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_RANKING | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &auc_defaults,
    .compute = average_precision,
};
